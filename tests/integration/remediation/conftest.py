# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare etcd and kube-apiserver with three nodes that exist on paper, the CRDs of virtual machines, and a BMC."""

from __future__ import annotations

import contextlib
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

REPOSITORY = Path(__file__).parents[3]
COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(REPOSITORY / ".cache"))
MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.node_recovery"
BINARIES = Path(os.environ.get("KUBEVIRT_HA_BINARIES", Path(COLLECTIONS.split(":")[0]) / "lab" / "bin"))
NODES = ("n1", "n2", "n3")
TOKEN = "remediation-test"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """The API server, by its kubeconfig and by the collection's own client."""

    def __init__(self, kubeconfig: Path) -> None:
        from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
        from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client

        self.kubeconfig = kubeconfig
        self.client = Client(resolve({"kubeconfig": str(kubeconfig)}), timeout=5, patience=30)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not (BINARIES / "kube-apiserver").exists():
        pytest.skip(f"no kube-apiserver in {BINARIES}: `make lab` builds it")
    folder = tmp_path_factory.mktemp("cluster")
    client_port, peer_port, api_port = free_port(), free_port(), free_port()
    etcd = _start(
        folder,
        "etcd",
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls=http://127.0.0.1:{client_port}",
        f"--advertise-client-urls=http://127.0.0.1:{client_port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
        "--unsafe-no-fsync",
    )
    key = folder / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens").write_text(f"{TOKEN},admin,admin,system:masters\n")
    api = _start(
        folder,
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{client_port}",
        f"--secure-port={api_port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={folder}/certs",
        "--authorization-mode=AlwaysAllow",
        f"--token-auth-file={folder}/tokens",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://test",
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        "--service-cluster-ip-range=10.96.0.0/16",
    )
    cluster = Cluster(_kubeconfig(folder, api_port))
    _wait_until_ready(api, api_port)
    _prepare(cluster)
    yield cluster
    for process in (api, etcd):
        process.terminate()
        process.wait(30)


def _start(folder: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    with open(folder / f"{program}.log", "wb") as log:
        return subprocess.Popen([BINARIES / program, *arguments], stdout=log, stderr=log)


def _kubeconfig(folder: Path, port: int) -> Path:
    content = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [
            {"name": "test", "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}
        ],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, seconds: float = 90) -> None:
    import urllib3

    urllib3.disable_warnings()
    pool = urllib3.HTTPSConnectionPool("127.0.0.1", port, cert_reqs="CERT_NONE", assert_hostname=False)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, "kube-apiserver has ended, see its log"
        try:
            if (
                pool.request("GET", "/readyz", headers={"Authorization": f"Bearer {TOKEN}"}, retries=False).status
                == 200
            ):
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.3)
    raise TimeoutError("kube-apiserver is not ready")


def _prepare(cluster: Cluster) -> None:
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Conflict, NotFound
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NAMESPACE, VM, Resource

    crd = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
    for plural, kind in (("virtualmachines", "VirtualMachine"), ("virtualmachineinstances", "VirtualMachineInstance")):
        cluster.client.create(crd, _crd(plural, kind))
    for name in ("kube-node-lease", "kube-system", "kubevirt", "shop"):
        with contextlib.suppress(Conflict):
            cluster.client.create(NAMESPACE, {"metadata": {"name": name}})
    until = time.monotonic() + 30
    while True:
        try:
            cluster.client.list(VM)
            return
        except NotFound:
            assert time.monotonic() < until
            time.sleep(0.2)


def _crd(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.kubevirt.io"},
        "spec": {
            "group": "kubevirt.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


class Bmc:
    """A Redfish service with the systems n1 to n3; counts the reads of each."""

    def __init__(self, folder: Path) -> None:
        self.power = dict.fromkeys(NODES, "On")
        self.certificate = folder / "bmc.pem"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=bmc -addext subjectAltName=IP:127.0.0.1"
        output = ["-out", self.certificate, "-keyout", f"{self.certificate}.key"]
        subprocess.run([*command.split(), *output], check=True, capture_output=True)
        self.password_file = folder / "password"
        self.password_file.write_text("secret")
        self.password_file.chmod(0o600)
        bmc = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                path = f"/redfish/v1/Systems/{name}"
                reset = {"target": f"{path}/Actions/ComputerSystem.Reset"}
                body = {"@odata.id": path, "Name": name, "PowerState": bmc.power[name]}
                data = json.dumps({**body, "Actions": {"#ComputerSystem.Reset": reset}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["ResetType"]
                bmc.power[self.path.split("/")[4]] = {"ForceOff": "Off", "On": "On"}[wanted]
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, f"{self.certificate}.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, node: str) -> dict[str, Any]:
        return {
            "type": "redfish",
            "url": f"https://127.0.0.1:{self.server.server_address[1]}/redfish/v1/Systems/{node}",
            "user": "fencing",
            "password_file": str(self.password_file),
            "identity": node,
            "ca_file": str(self.certificate),
        }

    def proof(self, node: str) -> dict[str, Any]:
        found = {"node": node, "power_state": "Off", "read_at": time.time(), "identity": node}
        return {**found, "bmc": self.of(node)["url"]}


@pytest.fixture(scope="session")
def bmc_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bmc]:
    bmc = Bmc(tmp_path_factory.mktemp("bmc"))
    yield bmc
    bmc.server.shutdown()


@pytest.fixture
def bmc(bmc_service: Bmc) -> Bmc:
    bmc_service.power = dict.fromkeys(NODES, "On")
    return bmc_service


@pytest.fixture
def recover(api_server: Cluster, bmc: Bmc, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs node_recovery for n2 as a process; returns its result."""

    def run(state: str, **options: Any) -> dict[str, Any]:
        arguments = {
            "node": "n2",
            "state": state,
            "kubeconfig": str(api_server.kubeconfig),
            "bmc": bmc.of("n2"),
            "state_dir": str(tmp_path),
            "path_ports": [],
            "wait_timeout": 10,
            **options,
        }
        path = tmp_path / "arguments.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        env = {**os.environ, "PYTHONPATH": COLLECTIONS}
        done = subprocess.run(
            [sys.executable, "-m", MODULE, path], capture_output=True, text=True, env=env, check=False, timeout=90
        )
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    return run
