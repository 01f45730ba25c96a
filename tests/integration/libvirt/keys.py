# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away certificates, SSH keys and SASL users."""

from __future__ import annotations

import subprocess
from pathlib import Path

SASL_USER, SASL_PASSWORD = "reader", "s3cret & 'quoted'"


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """A certificate authority; its key lies beside it."""
    path = folder / f"{name}.pem"
    extensions = ("-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign")
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
    _openssl(*request, *extensions, "-out", path, "-keyout", f"{path}.key")
    return path


def certificate(signer: Path, folder: Path, name: str, kind: str) -> None:
    """`<name>cert.pem` and `<name>key.pem` in the folder; kind is clientAuth or serverAuth, for 127.0.0.1 alone."""
    folder.mkdir(parents=True, exist_ok=True)
    key, request, extensions = (folder / f"{name}{end}" for end in ("key.pem", ".csr", ".ext"))
    lines = ["basicConstraints=CA:false", f"extendedKeyUsage={kind}", "keyUsage=digitalSignature,keyEncipherment"]
    extensions.write_text("\n".join([*lines, "subjectAltName=IP:127.0.0.1"]))
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-out", request, "-keyout", key)
    sign = ("x509", "-req", "-days", "2", "-in", request, "-CA", signer, "-CAkey", f"{signer}.key", "-CAcreateserial")
    _openssl(*sign, "-extfile", extensions, "-out", folder / f"{name}cert.pem")


def client_folder(signer: Path, trusts: Path, folder: Path) -> Path:
    """A folder for `pkipath`: the client's certificate is signed by one authority and trusts another."""
    certificate(signer, folder, "client", "clientAuth")
    (folder / "cacert.pem").write_bytes(trusts.read_bytes())
    return folder


def ssh_key(path: Path) -> Path:
    """An SSH key; the public one lies beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def host_key(path: Path) -> str:
    """A host key for dropbear; returns the public one."""
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", str(path)], check=True, capture_output=True)
    shown = subprocess.run(["dropbearkey", "-y", "-f", str(path)], check=True, capture_output=True, text=True).stdout
    return next(" ".join(line.split()[:2]) for line in shown.splitlines() if line.startswith("ssh-"))


def sasl_program(folder: Path) -> Path:
    """saslpasswd2 out of its package, which would bring a service when installed."""
    folder.mkdir()
    subprocess.run(["apt-get", "download", "-qq", "sasl2-bin"], cwd=folder, check=True, capture_output=True)
    package = next(folder.glob("*.deb"))
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    return folder / "usr/sbin/saslpasswd2"
