# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BMCs to fence: sushy-tools' emulator, and a scripted one that can misbehave; the module runs as a process of its own."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD = "fencing", "s3cret \"word\" 'of' n2"
UUID = "6b2f1f5e-53b1-4d7c-9c77-0b3e6a1d2c02"
MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.node_fence"
COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(Path(__file__).parents[3] / ".cache"))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority; its key lies beside it."""
    path = tmp_path_factory.mktemp("tls") / "bmc.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=bmc -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-out", path, "-keyout", f"{path}.key"], check=True, capture_output=True)
    return path


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def run_fence(certificate: Path, password_file: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the module: keywords beginning with bmc_ go into `bmc`; returns its result, its output is kept for secrets."""

    def run(url: str, state: str, **options: Any) -> dict[str, Any]:
        bmc = {"type": "redfish", "url": url, "user": USER, "password_file": str(password_file)}
        bmc.update(identity="n2", ca_file=str(certificate))
        bmc.update({key[4:]: value for key, value in options.items() if key.startswith("bmc_")})
        own = {key: value for key, value in options.items() if not key.startswith("bmc_")}
        arguments = {"node": "n2", "state": state, "timeout": 25, "bmc": bmc, **own}
        path = tmp_path / "arguments.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        env = {**os.environ, "PYTHONPATH": COLLECTIONS}
        done = subprocess.run(
            [sys.executable, "-m", MODULE, path], capture_output=True, text=True, env=env, check=False, timeout=60
        )
        assert PASSWORD not in done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    return run


@pytest.fixture(scope="session")
def sushy(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Starts sushy-tools' emulator with n1, n2 in a given power state; returns its url."""
    import bcrypt

    started = []

    def start(power_state: str) -> str:
        folder = tmp_path_factory.mktemp("sushy")
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2b")).decode()
        (folder / "users").write_text(f"{USER}:{hashed}\n")
        systems = [
            {"uuid": UUID.replace("02", f"0{number}"), "name": f"n{number}", "power_state": power_state, "nics": []}
            for number in (1, 2)
        ]
        settings = {
            "SUSHY_EMULATOR_FAKE_DRIVER": True,
            "SUSHY_EMULATOR_FAKE_SYSTEMS": systems,
            "SUSHY_EMULATOR_STATE_DIR": str(folder),
            "SUSHY_EMULATOR_AUTH_FILE": str(folder / "users"),
        }
        (folder / "sushy.conf").write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
        port = _free_port()
        program = Path(sys.executable).parent / "sushy-emulator"
        tls = ["--ssl-certificate", certificate, "--ssl-key", f"{certificate}.key"]
        command = [program, "--config", folder / "sushy.conf", "-i", "127.0.0.1", "-p", str(port), *tls]
        with open(folder / "log", "w", encoding="utf-8") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log))
        _wait_for_port(port)
        return f"https://127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


class ScriptedBmc:
    """A Redfish service with one system, n2, whose behaviour the test sets."""

    def __init__(self, certificate: Path) -> None:
        self.power_state = "On"
        self.obeys = True
        self.lies_to_agent = False
        self.delay = 0.0
        self.trickle = False
        self.body: bytes | None = None
        self.resets: list[str] = []
        self.agents: set[str] = set()
        bmc = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bmc.answer(self)

            def do_POST(self) -> None:
                bmc.reset(self)

            def log_message(self, *_args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, f"{certificate}.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"

    def system(self, agent: str) -> dict[str, Any]:
        state = "Off" if self.lies_to_agent and "requests" in agent and self.resets else self.power_state
        target = {"target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"}
        return {
            "@odata.id": "/redfish/v1/Systems/1",
            "Name": "n2",
            "UUID": UUID,
            "PowerState": state,
            "Actions": {"#ComputerSystem.Reset": target},
        }

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        time.sleep(self.delay)
        agent = request.headers.get("User-Agent", "")
        documents = {
            "/redfish/v1": {"Systems": {"@odata.id": "/redfish/v1/Systems"}},
            "/redfish/v1/Systems": {"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]},
            "/redfish/v1/Systems/1": self.system(agent),
        }
        body = self.body or json.dumps(documents.get(request.path, {})).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.trickle:
            for byte in body:
                request.wfile.write(bytes([byte]))
                time.sleep(0.5)
        else:
            request.wfile.write(body)

    def reset(self, request: BaseHTTPRequestHandler) -> None:
        wanted = json.loads(request.rfile.read(int(request.headers["Content-Length"])))["ResetType"]
        self.resets.append(wanted)
        if self.obeys:
            self.power_state = {"ForceOff": "Off", "On": "On"}[wanted]
        request.send_response(204)
        request.end_headers()


@pytest.fixture
def scripted(certificate: Path) -> Iterator[ScriptedBmc]:
    bmc = ScriptedBmc(certificate)
    yield bmc
    bmc.server.shutdown()
    bmc.server.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")
