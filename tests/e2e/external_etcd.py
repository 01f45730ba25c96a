# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An etcd that is not the platform's: a member a node of the lab, beside all else there, with an authority of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platform_lab as platform

UNIT = "external-etcd"
FOLDER = "/srv/external-etcd"
PROGRAMS = "/opt/lab/bin"
# Not those of kubeadm's.
CLIENTS, PEERS = 12379, 12380


def endpoints(addresses: Mapping[str, str]) -> list[str]:
    return [f"https://{address}:{CLIENTS}" for address in addresses.values()]


def variables(folder: Path, addresses: Mapping[str, str]) -> dict[str, Any]:
    """What the platform is told of it."""
    return {
        "kubernetes_etcd": "external",
        "kubernetes_etcd_endpoints": endpoints(addresses),
        "kubernetes_etcd_ca_file": str(folder / "ca.crt"),
        "kubernetes_etcd_cert_file": str(folder / "member.crt"),
        "kubernetes_etcd_key_file": str(folder / "member.key"),
    }


def make_certificates(folder: Path, addresses: Mapping[str, str]) -> None:
    """An authority, and one certificate by which members and clients are known."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    names = ",".join(f"IP:{address}" for address in ("127.0.0.1", *addresses.values()))
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=etcd of others", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(*new, "-subj", "/CN=member", "-keyout", "member.key", "-out", "member.csr")
    (folder / "member.ext").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "member.ext", "-days", "2")
    openssl("x509", "-req", "-in", "member.csr", *signed, "-out", "member.crt")


def start(folder: Path, addresses: Mapping[str, str]) -> None:
    """On each node, and returns when all have elected a leader."""
    members = ",".join(f"{name}=https://{address}:{PEERS}" for name, address in addresses.items())
    for name, address in addresses.items():
        platform.on_node(name, f"mkdir --parents {FOLDER}")
        for file in ("ca.crt", "member.crt", "member.key"):
            platform.copy_to(name, folder / file, f"{FOLDER}/{file}")
        sides = " ".join(
            f"--{side}trusted-ca-file={FOLDER}/ca.crt --{side}cert-file={FOLDER}/member.crt --{side}key-file={FOLDER}/member.key"
            f" --{side}client-cert-auth"
            for side in ("", "peer-")
        )
        platform.on_node(
            name,
            f"systemd-run --unit {UNIT} {PROGRAMS}/etcd --name {name} --data-dir {FOLDER}/data {sides}"
            f" --listen-client-urls https://{address}:{CLIENTS} --advertise-client-urls https://{address}:{CLIENTS}"
            f" --listen-peer-urls https://{address}:{PEERS} --initial-advertise-peer-urls https://{address}:{PEERS}"
            f" --initial-cluster {members}",
        )
    first = next(iter(addresses))
    platform.on_node(
        first, f"for i in $(seq 30); do {etcdctl(addresses)} endpoint health && exit; sleep 1; done; exit 1"
    )


def stop(node: str, *, data: bool = False) -> None:
    platform.on_node(node, f"systemctl stop {UNIT} 2>&1 || true" + (f"; rm -rf {FOLDER}" if data else ""))


def etcdctl(addresses: Mapping[str, str]) -> str:
    """The command of a node that asks it."""
    files = f"--cacert {FOLDER}/ca.crt --cert {FOLDER}/member.crt --key {FOLDER}/member.key"
    return f"{PROGRAMS}/etcdctl --endpoints {','.join(endpoints(addresses))} {files}"
