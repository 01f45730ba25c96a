# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ha_probe against servers of its own: everything that can go wrong between a question and a good answer."""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(Path(__file__).resolve().parents[3] / ".cache"))
MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.ha_probe"
Run = Callable[..., dict[str, Any]]
SECRET = "hunter2-in-a-header"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the module as Ansible does, on a host without a kubeconfig."""

    def call(**options: Any) -> dict[str, Any]:
        path = tmp_path / f"{uuid.uuid4().hex}.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": COLLECTIONS.split(":")[0]}
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(path)],
            capture_output=True, text=True, env=environment, check=False, timeout=120,
        )  # fmt: skip
        assert done.stdout, done.stderr
        assert SECRET not in done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    return call


class Server(http.server.ThreadingHTTPServer):
    """Counts what it is asked."""

    daemon_threads = True
    asked = 0


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; /status/N with N, /secret only to who knows the header."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        status, body = 200, json.dumps({"status": "ok", "replicas": [{"lag": 0}]}).encode()
        if self.path.startswith("/status/"):
            status, body = int(self.path.rsplit("/", 1)[1]), b"as you wish"
        if self.path == "/secret" and self.headers.get("Authorization") != SECRET:
            status = 401
        if self.path == "/third" and self.server.asked < 3:
            status = 503
        if self.path == "/slow":
            time.sleep(5)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_args: Any) -> None:
        """Says nothing."""


@contextlib.contextmanager
def serving(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """An HTTP server's host:port."""
    server = Server(("127.0.0.1", port), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def site() -> Iterator[str]:
    with serving() as address:
        yield address


@contextlib.contextmanager
def speaking(say: Callable[[socket.socket], object]) -> Iterator[str]:
    """A TCP server that does one thing with each connection; its host:port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:  # closed
                return
            with contextlib.suppress(OSError):
                say(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def only(result: dict[str, Any]) -> dict[str, Any]:
    """The entry of a result with one probe."""
    (entry,) = result["probes"]
    return dict(entry)


class TestAnswers:
    def test_everything_that_makes_a_good_answer(self, run: Run, site: str) -> None:
        result = run(
            url=f"http://{site}/health?deep=1",
            status=["200"],
            body_contains="ok",
            body_regex=r'"lag":\s*0',
            json_fields={"status": "ok", "replicas.0.lag": 0},
            response_headers={"content-type": "json"},
        )
        entry = only(result)
        assert not result["changed"] and result["up"] and result["failed_probes"] == [], result
        assert entry["passed"] and entry["status"] == 200 and entry["samples"] == 1 and entry["kind"] == "http"
        assert set(entry["latency_seconds"]) == {"min", "median", "p95", "max"}
        assert result["requests"] == {"reads": 0, "writes": 0, "watches": 0}
        assert run(url=f"http://{site}/", _ansible_check_mode=True)["probes"][0]["samples"] == 1

    def test_headers_are_sent_and_never_shown(self, run: Run, site: str) -> None:
        assert run(url=f"http://{site}/secret", request_headers={"Authorization": SECRET}, method="HEAD")["up"]
        probes = [
            {"url": f"http://{site}/secret", "request_headers": {"Authorization": SECRET}, "body_contains": "nok"}
        ]
        assert "does not contain" in run(probes=probes)["msg"]
        assert run(url="", request_headers={"Authorization": SECRET}, frobnicate=1)["failed"]

    def test_every_failure_has_its_kind_and_all_are_listed(self, run: Run, site: str) -> None:
        with (
            speaking(lambda connection: connection.close()) as closing,
            speaking(lambda connection: time.sleep(30)) as silent,
            speaking(lambda connection: connection.sendall(b"SSH-2.0-x\r\n\r\n")) as other,
            serving() as plain,
        ):
            targets = {
                "refused": {"tcp": f"127.0.0.1:{closed_port()}"},
                "dns": {"url": "http://nowhere.invalid/"},
                "http 503": {"url": f"http://{site}/status/503"},
                "body": {"url": f"http://{site}/", "body_contains": "never"},
                "json": {"url": f"http://{site}/", "json_fields": {"status": "failed"}},
                "header": {"url": f"http://{site}/", "response_headers": {"X-None": ""}},
                "timeout": {"url": f"http://{silent}/", "timeout": 1},
                "reset": {"url": f"http://{closing}/"},
                "protocol": {"url": f"http://{other}/"},
                "banner": {"tcp": closing, "banner": "^220 "},
                "tls": {"url": f"https://{plain}/"},
            }
            good = {"name": "good", "tcp": site}
            result = run(probes=[*({"name": kind, **target} for kind, target in targets.items()), good])
        assert result["failed"] and not result["changed"] and not result["up"]
        assert result["failed_probes"] == list(targets)
        found = {entry["name"]: entry for entry in result["probes"]}
        for kind in targets:
            assert found[kind]["errors"] == {kind: 1}, found[kind]
            assert found[kind]["last_error"]["kind"] == kind and found[kind]["longest_gap_seconds"] is None
            assert f"{kind} is down, expected up" in result["msg"]
        assert found["good"]["passed"]
        assert len(result["error"]["failures"]) == len(targets)

    def test_down_can_be_expected(self, run: Run, site: str) -> None:
        dead = f"127.0.0.1:{closed_port()}"
        assert run(tcp=dead, expect="down", fall=3, interval=0.05)["probes"][0]["samples"] == 3
        result = run(tcp=site, expect="down")
        assert result["failed"] and "is up, expected down" in result["msg"]

    def test_a_greeting_in_pieces(self, run: Run) -> None:
        def greet(connection: socket.socket) -> None:
            for piece in (b"220 ma", b"il ready\r\n"):
                connection.sendall(piece)
                time.sleep(0.1)
            connection.close()

        with speaking(greet) as address:
            assert only(run(tcp=address, banner="^220 .*ready"))["banner"] == "220 mail ready"


class TestLoops:
    def test_waiting_until_it_answers_in_a_row(self, run: Run, site: str) -> None:
        entry = only(run(url=f"http://{site}/third", wait_timeout=60, rise=3, interval=0.05))
        assert entry["passed"] and entry["failures"] == 2 and entry["samples"] >= 5

    def test_waiting_for_what_begins_to_serve_later(self, run: Run) -> None:
        port = closed_port()
        later = threading.Event()

        def begin() -> None:
            time.sleep(2)
            with serving(port):
                later.wait(60)

        thread = threading.Thread(target=begin)
        thread.start()
        try:
            entry = only(run(url=f"http://127.0.0.1:{port}/", wait_timeout=60, rise=2, interval=0.1))
        finally:
            later.set()
            thread.join()
        assert entry["passed"] and set(entry["errors"]) == {"refused"} and entry["first_failure"]["after_seconds"] < 1

    def test_waiting_in_vain(self, run: Run) -> None:
        result = run(tcp=f"127.0.0.1:{closed_port()}", wait_timeout=1, interval=0.1)
        assert result["failed"] and only(result)["samples"] > 3

    def test_a_gap_is_measured_and_judged(self, run: Run) -> None:
        port = closed_port()
        away: list[float] = []

        def serve_with_a_gap() -> None:
            with serving(port):
                time.sleep(3)
            away.append(time.monotonic())
            time.sleep(1)
            away.append(time.monotonic())
            with serving(port):
                done.wait(60)

        done = threading.Event()
        thread = threading.Thread(target=serve_with_a_gap)
        thread.start()
        try:
            probe = {"url": f"http://127.0.0.1:{port}/", "interval": 0.05, "timeout": 1, "for_seconds": 6}
            result = run(
                defaults=probe,
                probes=[
                    {"name": "measured"},
                    {"name": "strict", "max_gap_seconds": 0.5},
                    {"name": "share", "success_ratio": 0.999},
                ],
            )
        finally:
            done.set()
            thread.join()
        real = away[1] - away[0]
        found = {entry["name"]: entry for entry in result["probes"]}
        assert found["measured"]["passed"] and found["measured"]["up"]
        # The gap is never measured shorter than it was, but for the moment that a socket lives on.
        assert found["measured"]["longest_gap_seconds"] > real - 0.1
        assert found["measured"]["longest_gap_seconds"] < real + 2
        assert found["measured"]["failures"] > 5 and set(found["measured"]["errors"]) <= {"refused", "reset"}
        assert result["failed_probes"] == ["strict", "share"]
        assert "without a good answer, at most 0.5 s are allowed" in result["msg"]
        assert "of" in found["share"]["faults"][0] and "expected 99.9%" in found["share"]["faults"][0]

    def test_many_at_once(self, run: Run, site: str) -> None:
        probes = [{"name": f"p{number}", "url": f"http://{site}/slow", "timeout": 20} for number in range(20)]
        begun = time.monotonic()
        result = run(probes=probes)
        assert result["up"] and len(result["probes"]) == 20
        # One after the other they would take 100 seconds.
        assert time.monotonic() - begun < 60


class TestFaults:
    def test_all_come_at_once_and_nothing_is_asked(self, run: Run, site: str, tmp_path: Path) -> None:
        probes = [
            {"name": "a", "url": f"http://{site}/", "interval": "soon"},
            {"name": "b", "tcp": "nowhere", "frobnicate": 1},
            {"name": "c", "url": f"http://{site}/", "count": 2, "rise": 3},
            {"name": "c", "guest": {"name": "web-1"}},
            5,
        ]
        faults = "\n".join(run(probes=probes, rise=2)["error"]["faults"])
        for expected in ("interval", "probes[b]: frobnicate"):
            assert expected in faults, faults
        sound = [{**probe, "interval": 1} for probe in probes[:1]] + [{"name": "b", "tcp": "nowhere"}, *probes[2:4]]
        faults = "\n".join(run(probes=sound, rise=2)["error"]["faults"])
        for expected in (
            "rise: beside probes, put it into defaults",
            "b: tcp: nowhere must be of the form host:port",
            "c: rise: 3 in a row cannot come of count 2",
            "c: guest: namespace: is missing",
            "c: is there more than once",
            "no way to log in to an API server was given",
        ):
            assert expected in faults, faults
        missing = run(url=f"https://{site}/", tls={"ca_file": str(tmp_path / "none.pem")})
        assert "none.pem: tls: cannot be used: [Errno 2]" in missing["error"]["faults"][0]

    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({}, "one of the following is required: url, tcp, guest, probes"),
            ({"url": "http://h", "tcp": "h:1"}, "mutually exclusive"),
            ({"url": "http://h", "defaults": {}}, "missing parameter"),
            ({"url": "http://h", "probes": []}, "mutually exclusive"),
        ],
    )
    def test_forms_that_do_not_go_together(self, run: Run, options: dict[str, Any], fault: str) -> None:
        assert fault in "\n".join(run(**options)["error"]["faults"])


class Tls:
    """An authority and its server certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._signed(self.name, self.key.public_key(), 30, ca=True))

    def server(self, *, days: int = 20, name: str = "127.0.0.1", clients: bool = False) -> ssl.SSLContext:
        """A server's TLS settings; its certificate is good for so many days from now."""
        certificate, key = self.issue(name, days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context

    def issue(self, name: str, days: int = 20) -> tuple[Path, Path]:
        """A certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        stem = uuid.uuid4().hex
        paths = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        paths[0].write_bytes(self._signed(subject, key.public_key(), days, san=name))
        private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        paths[1].write_bytes(key.private_bytes(*private))
        return paths

    def _signed(self, subject: x509.Name, key: Any, days: int, *, san: str = "", ca: bool = False) -> bytes:
        now = datetime.now(UTC)
        begin, end = now - timedelta(days=60), now + timedelta(days=days, hours=1)
        builder = x509.CertificateBuilder(self.name, subject, key, x509.random_serial_number(), begin, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if san:
            with contextlib.suppress(ValueError):
                address = x509.IPAddress(ipaddress.ip_address(san))
                builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        if san and not san[0].isdigit():
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(san)]), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


class TestTls:
    def test_a_certificate_is_checked_and_its_days_are_counted(self, run: Run, tls: Tls) -> None:
        with serving(context=tls.server()) as site:
            url, trusted = f"https://{site}/", {"ca_file": str(tls.ca)}
            result = run(
                probes=[
                    {"name": "trusted", "url": url, "tls": trusted},
                    {"name": "stranger", "url": url},
                    {"name": "unchecked", "url": url, "tls": {"verify": False}},
                    {"name": "long enough", "url": url, "tls": {**trusted, "minimum_days": 20}},
                    {"name": "too short", "url": url, "tls": {**trusted, "minimum_days": 21}},
                    {"name": "tcp", "tcp": site, "tls": {**trusted, "minimum_days": 21}},
                ]
            )
        assert result["failed_probes"] == ["stranger", "too short", "tcp"], result
        found = {entry["name"]: entry for entry in result["probes"]}
        for name in ("trusted", "unchecked", "long enough"):
            assert found[name]["certificate"]["days_left"] == pytest.approx(20.04, abs=0.02)
        assert found["stranger"]["errors"] == {"tls": 1} and "CERTIFICATE_VERIFY_FAILED" in str(found["stranger"])
        assert found["too short"]["errors"] == {"certificate": 1} and found["tcp"]["errors"] == {"certificate": 1}

    def test_an_expired_certificate_and_another_name(self, run: Run, tls: Tls) -> None:
        trusted = {"ca_file": str(tls.ca)}
        with serving(context=tls.server(days=-1)) as expired, serving(context=tls.server(name="shop.test")) as shop:
            result = run(
                probes=[
                    {"name": "expired", "url": f"https://{expired}/", "tls": trusted},
                    {"name": "unchecked", "url": f"https://{expired}/", "tls": {"verify": False}},
                    {"name": "other name", "url": f"https://{shop}/", "tls": trusted},
                    {"name": "its name", "url": f"https://{shop}/", "tls": {**trusted, "server_name": "shop.test"}},
                ]
            )
        assert result["failed_probes"] == ["expired", "other name"]
        found = {entry["name"]: entry for entry in result["probes"]}
        assert "certificate has expired" in found["expired"]["last_error"]["message"]
        assert found["unchecked"]["certificate"]["days_left"] < 0

    def test_a_client_certificate(self, run: Run, tls: Tls) -> None:
        certificate, key = tls.issue("client.test")
        trusted = {"ca_file": str(tls.ca)}
        with serving(context=tls.server(clients=True)) as site:
            good = {**trusted, "cert_file": str(certificate), "key_file": str(key)}
            assert run(url=f"https://{site}/", tls=good)["up"]
            result = run(url=f"https://{site}/", tls=trusted)
        assert result["failed"] and set(only(result)["errors"]) <= {"tls", "reset"}


@pytest.fixture
def far_host() -> Iterator[str]:
    """A network namespace with the address 198.18.77.2, seen from here over a link."""
    name, near = f"probe-{uuid.uuid4().hex[:6]}", f"pr{uuid.uuid4().hex[:8]}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    if not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("needs ip and root for a network namespace")
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", near, "type", "veth", "peer", "name", "far", "netns", name)
        ip("addr", "add", "198.18.77.1/24", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", name, "addr", "add", "198.18.77.2/24", "dev", "far")
        ip("-n", name, "link", "set", "far", "up")
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", near], check=False, capture_output=True)


def test_an_address_that_swallows_questions_is_sampled_densely_all_the_same(run: Run, far_host: str) -> None:
    code = "import http.server as h; h.ThreadingHTTPServer(('', 80), h.SimpleHTTPRequestHandler).serve_forever()"
    server = subprocess.Popen(
        ["ip", "netns", "exec", far_host, sys.executable, "-c", code], stderr=subprocess.DEVNULL, cwd="/usr/share"
    )
    moves: list[float] = []

    def address(what: str) -> None:
        subprocess.run(["ip", "-n", far_host, "addr", what, "198.18.77.2/24", "dev", "far"], check=True)
        moves.append(time.monotonic())

    def move() -> None:
        time.sleep(4)
        address("del")
        time.sleep(2)
        address("add")

    try:
        assert run(url="http://198.18.77.2/", wait_timeout=60, interval=0.1)["up"]
        thread = threading.Thread(target=move)
        thread.start()
        result = run(
            defaults={"interval": 0.1, "timeout": 1, "for_seconds": 10},
            probes=[{"name": "vip", "tcp": "198.18.77.2:80"}, {"name": "site", "url": "http://198.18.77.2/"}],
        )
        thread.join()
    finally:
        server.kill()
        server.wait()
    real = moves[1] - moves[0]
    for entry in result["probes"]:
        assert entry["up"], entry
        assert real - 0.5 < entry["longest_gap_seconds"] < real + 3
        assert set(entry["errors"]) <= {"timeout", "unreachable"}
        # About ten questions a second go on while each waits a second for its answer.
        assert entry["failures"] >= 8 and entry["samples"] + entry["missed_samples"] >= 100
