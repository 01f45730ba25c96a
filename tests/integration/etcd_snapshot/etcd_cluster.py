# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real etcd of several members on 127.0.0.1, with TLS both ways and certificates of its own."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = Path(__file__).resolve().parents[3]
BINARIES = Path(os.environ.get("KUBEVIRT_HA_BINARIES", ROOT / ".cache" / "lab" / "bin"))
START_SECONDS = 60.0
DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path, name: str = "etcd-ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._now = datetime.datetime.now(datetime.UTC)
        builder = self._builder(self._name, self._key, self._now - DAY, self._now + 30 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = folder / "ca.crt"
        self._write(self.certificate, builder)

    def issue(self, name: str, *, days: int = 10, for_clients: bool = True) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and localhost, and its key; negative `days` ended that long ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        end = self._now + days * DAY
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if for_clients else [])]
        builder = self._builder(subject, key, min(self._now, end) - 2 * DAY, end)
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        certificate, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        self._write(certificate, builder)
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key_file

    def _builder(self, subject: x509.Name, key: Any, start: Any, end: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )

    def _write(self, path: Path, builder: x509.CertificateBuilder) -> None:
        signed = builder.sign(self._key, hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


@dataclass
class Member:
    """One member: its name, where it serves, and its process while it runs."""

    name: str
    client: str
    peer: str
    process: subprocess.Popen[bytes] | None = None


class EtcdCluster:
    """Members of one etcd in a folder; `binaries` holds the program."""

    def __init__(self, folder: Path, size: int = 3, *, binaries: Path = BINARIES, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.authority = Authority(folder / "pki")
        self.server = self.authority.issue("server")
        self.client = self.authority.issue("client")
        self._binaries = binaries
        self._options = list(options)
        ports = free_ports(2 * size)
        self.members = [
            Member(f"m{index + 1}", f"https://127.0.0.1:{client}", f"https://127.0.0.1:{peer}")
            for index, (client, peer) in enumerate(zip(ports[::2], ports[1::2], strict=True))
        ]

    @property
    def endpoints(self) -> list[str]:
        """Where clients ask, in the members' order."""
        return [member.client for member in self.members]

    def start(self, *names: str, ready: bool = True) -> None:
        """Starts the members named, or all, and waits until they serve, or just listen where not `ready`."""
        begun = [member for member in self.members if not names or member.name in names]
        for member in begun:
            self._start(member)
        until = time.monotonic() + START_SECONDS
        for member in begun:
            while not (self._serves(member) if ready else listens(member.client)):
                if time.monotonic() > until or (member.process and member.process.poll() is not None):
                    raise RuntimeError(f"{member.name} does not serve:\n{self.log(member.name)[-3000:]}")
                time.sleep(0.1)

    def kill(self, *names: str) -> None:
        """Ends the members named at once, as a power loss would."""
        for member in self.members:
            if member.process and (not names or member.name in names):
                member.process.kill()
                member.process.wait()
                member.process = None

    def log(self, name: str) -> str:
        """What a member said."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def member(self, name: str) -> Member:
        """The member of a name."""
        return next(member for member in self.members if member.name == name)

    def ask(self, member: Member, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One question to a member's gateway."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(*map(str, self.client))
        request = urllib.request.Request(f"{member.client}{path}", json.dumps(body or {}).encode(), method="POST")
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request, timeout=10) as answer:
            return dict(json.load(answer))

    def put(self, key: str, value: bytes) -> int:
        """Writes a key through the first running member; returns the revision."""
        body = {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value).decode()}
        member = next(member for member in self.members if member.process)
        return int(self.ask(member, "/v3/kv/put", body)["header"]["revision"])

    def delete(self, key: str) -> None:
        """Deletes a key."""
        member = next(member for member in self.members if member.process)
        self.ask(member, "/v3/kv/deleterange", {"key": base64.b64encode(key.encode()).decode()})

    def leader(self) -> Member:
        """The member that leads now, as a running member sees it."""
        for member in self.members:
            if member.process:
                status = self.ask(member, "/v3/maintenance/status")
                if status["header"]["member_id"] == status.get("leader"):
                    return member
        raise RuntimeError("no member leads")

    def _serves(self, member: Member) -> bool:
        try:
            return "leader" in self.ask(member, "/v3/maintenance/status")
        except OSError:
            return False

    def _start(self, member: Member) -> None:
        certificate, key = map(str, self.server)
        authority = str(self.authority.certificate)
        command = [
            str(self._binaries / "etcd"),
            f"--name={member.name}",
            f"--data-dir={self.folder / member.name}",
            f"--listen-client-urls={member.client}",
            f"--advertise-client-urls={member.client}",
            f"--listen-peer-urls={member.peer}",
            f"--initial-advertise-peer-urls={member.peer}",
            "--initial-cluster=" + ",".join(f"{other.name}={other.peer}" for other in self.members),
            f"--cert-file={certificate}",
            f"--key-file={key}",
            f"--trusted-ca-file={authority}",
            "--client-cert-auth",
            f"--peer-cert-file={certificate}",
            f"--peer-key-file={key}",
            f"--peer-trusted-ca-file={authority}",
            "--peer-client-cert-auth",
            *self._options,
        ]
        with open(self.folder / f"{member.name}.log", "ab") as log:
            member.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)


@contextmanager
def serve_restored(
    data: Path, ports: Sequence[int], binaries: Path = BINARIES
) -> Iterator[Callable[[str], bytes | None]]:
    """Serves a restored data directory without TLS; gives a function that reads a key, None where there is none."""
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    command = [str(binaries / "etcd"), f"--data-dir={data}", f"--listen-client-urls={client}"]
    command += [f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=data)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def read(key: str) -> bytes | None:
        body = json.dumps({"key": base64.b64encode(key.encode()).decode()}).encode()
        with opener.open(f"{client}/v3/kv/range", body, timeout=20) as answer:
            found = json.load(answer).get("kvs")
        return base64.b64decode(found[0]["value"]) if found else None

    try:
        until = time.monotonic() + START_SECONDS
        while not listens(client) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.1)
        yield read
    finally:
        process.kill()
        process.wait()


def listens(url: str) -> bool:
    """Whether something takes connections at a URL's address."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, all different."""
    probes = [socket.socket() for _member in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
