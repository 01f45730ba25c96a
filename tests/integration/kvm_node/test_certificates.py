# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of libvirt that the role makes or is given: two ends of a real TLS connection trust them, and they are kept good."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Host

ADDRESS = "127.0.0.1"


def _openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def pki(host: Host) -> dict[str, Any]:
    return {
        "tasks": "certificates",
        "__kvm_node_pki": str(host.folder / "pki"),
        "libvirt_ca_dir": str(host.folder / "ca"),
        "libvirt_address": ADDRESS,
    }


def _handshake(folder: Path) -> subprocess.CompletedProcess[str]:
    """A server and a client that both ask for the other's certificate, as libvirt's do."""
    libvirt, ca = folder / "pki/libvirt", folder / "pki/CA/cacert.pem"
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    pair = ("-cert", libvirt / "servercert.pem", "-key", libvirt / "private/serverkey.pem")
    listen = (
        "s_server",
        "-accept",
        f"{ADDRESS}:{port}",
        *pair,
        "-CAfile",
        ca,
        "-Verify",
        "1",
        "-verify_return_error",
        "-www",
    )
    server = subprocess.Popen(["openssl", *map(str, listen)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _turn in range(50):
            with socket.socket() as client:
                if client.connect_ex((ADDRESS, port)) == 0:
                    break
            time.sleep(0.1)
        pair = ("-cert", libvirt / "clientcert.pem", "-key", libvirt / "private/clientkey.pem")
        connect = (
            "s_client",
            "-connect",
            f"{ADDRESS}:{port}",
            *pair,
            "-CAfile",
            ca,
            "-verify_ip",
            ADDRESS,
            "-verify_return_error",
            "-ign_eof",  # until the server has answered: in TLS 1.3 it may refuse the client after the handshake
        )
        return subprocess.run(
            ["openssl", *map(str, connect)],
            input="GET / HTTP/1.0\r\n\r\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    finally:
        server.kill()
        server.wait()


def test_made_certificates(host: Host, pki: dict[str, Any]) -> None:
    libvirt = host.folder / "pki/libvirt"
    key, certificate = libvirt / "private/serverkey.pem", libvirt / "servercert.pem"
    assert host.changed("--check", **pki) > 0
    assert not libvirt.exists()
    assert host.changed(**pki) > 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert (host.folder / "ca/ca.key").stat().st_mode & 0o077 == 0
    done = _handshake(host.folder)
    assert done.returncode == 0 and "HTTP/1.0 200" in done.stdout, done.stdout + done.stderr

    assert host.changed(**pki) == 0
    first = certificate.read_text()
    key.chmod(0o644)
    assert host.changed(**pki) > 0
    assert key.stat().st_mode & 0o777 == 0o600
    # Renewed in the last third: what holds a day is old for a year's.
    ends = _openssl("x509", "-in", certificate, "-noout", "-enddate")
    assert host.changed(**pki, libvirt_certificate_days=2000) > 0
    assert _openssl("x509", "-in", certificate, "-noout", "-enddate") != ends
    assert certificate.read_text() != first
    certificate.write_text("no certificate\n")
    assert host.changed(**pki, libvirt_certificate_days=2000) > 0
    assert _handshake(host.folder).returncode == 0


@pytest.mark.long
def test_given_certificates(host: Host, pki: dict[str, Any]) -> None:
    given = {name: host.folder / f"given.{name}" for name in ("ca", "certificate", "key")}
    names = ("-subj", "/CN=given", "-addext", f"subjectAltName=IP:{ADDRESS}")
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, "-out", given["certificate"], "-keyout", given["key"]
    )
    given["ca"].write_text(given["certificate"].read_text())
    certificates = {name: str(path) for name, path in given.items()}
    done = host.apply("--diff", **pki, libvirt_certificates=certificates)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PRIVATE KEY" not in done.stdout
    assert (host.folder / "pki/libvirt/servercert.pem").read_text() == given["certificate"].read_text()
    assert not (host.folder / "ca").exists()
    assert host.changed(**pki, libvirt_certificates=certificates) == 0
    # One that does not belong to its key is a fault before anything changes.
    _openssl("genpkey", "-algorithm", "RSA", "-out", given["key"])
    done = host.apply(tasks="preflight", libvirt=True, libvirt_address=ADDRESS, libvirt_certificates=certificates)
    assert done.returncode != 0
    assert "kvm_node_libvirt_certificates: they must be" in " ".join(done.stdout.split())
