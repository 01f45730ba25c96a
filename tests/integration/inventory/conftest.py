# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with machines in three namespaces, a proxy before it that counts requests, and ansible-inventory run for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NAMESPACE, SERVICE, VM, VMI, Resource

SECONDS = 120
ROLE = Resource("rbac.authorization.k8s.io/v1", "roles", "Role")
ROLE_BINDING = Resource("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")
PROGRAMS = Path(sys.executable).parent
COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(Path(__file__).resolve().parents[3] / ".cache"))


class Proxy:
    """Hands GETs on to an API server and keeps their paths; `page` replaces the limit that is asked for."""

    def __init__(self, kubeconfig: Path) -> None:
        connection = auth.resolve({"kubeconfig": str(kubeconfig)})
        pool = urllib3.PoolManager(ssl_context=auth.ssl_context(connection), maxsize=16)
        self.asked: list[str] = []
        self.page: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                path = self.path.replace("limit=5000", f"limit={outer.page}") if outer.page else self.path
                own = {name: value for name, value in self.headers.items() if name.startswith("Impersonate-")}
                token = {"Authorization": f"Bearer {connection.token}"} if connection.token else {}
                answer = pool.request("GET", connection.host + path, headers={**own, **token}, redirect=False)
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.data)))
                self.end_headers()
                self.wfile.write(answer.data)

            def log_message(self, *_args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def lists(self) -> dict[str, int]:
        """How many LISTs began, by their paths: further pages of one do not count."""
        found: dict[str, int] = {}
        for text in self.asked:
            parts = urlsplit(text)
            if "continue" not in parse_qs(parts.query):
                found[parts.path] = found.get(parts.path, 0) + 1
        return found

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def proxy(cluster: Path) -> Iterator[Proxy]:
    server = Proxy(cluster)
    yield server
    server.close()


@dataclass
class Found:
    """What ansible-inventory printed: hosts with their variables, groups with their hosts, and what it warned of."""

    hosts: dict[str, dict[str, Any]]
    groups: dict[str, list[str]]
    children: dict[str, list[str]]
    said: str


@dataclass
class Machines:
    """The machines of all tests: the namespaces, and a part of their names that no other test has."""

    run: str
    namespaces: list[str] = field(default_factory=list)

    def manifest(self, name: str, *, running: bool = False, annotations: Any = None, **labels: str) -> dict[str, Any]:
        """A VirtualMachine of these tests."""
        return machine(name, {"run": self.run, **labels}, annotations or {}, running=running)


def machine(name: str, labels: dict[str, str], annotations: dict[str, str], *, running: bool) -> dict[str, Any]:
    spec = {
        "domain": {
            "devices": {
                "disks": [{"name": "root", "disk": {"bus": "virtio"}}, {"name": "init", "disk": {"bus": "virtio"}}],
                "interfaces": [{"name": "default", "masquerade": {}, "ports": [{"name": "admin", "port": 8443}]}],
            },
            "resources": {"requests": {"memory": "64Mi"}},
        },
        "networks": [{"name": "default", "pod": {}}],
        "terminationGracePeriodSeconds": 0,
        "volumes": [
            {"name": "root", "containerDisk": {"image": "registry.example.com/guest:1"}},
            {"name": "init", "cloudInitNoCloud": {"userData": "#cloud-config\npassword: s3cret"}},
        ],
    }
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}
    return {
        "apiVersion": VM.api_version,
        "kind": VM.kind,
        "metadata": {"name": name, "labels": labels},
        "spec": {"runStrategy": "Always" if running else "Halted", "template": template},
    }


def service(
    name: str, selector: dict[str, str], ports: list[dict[str, Any]], kind: str = "ClusterIP"
) -> dict[str, Any]:
    spec = {"type": kind, "selector": selector, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="session")
def machines(client: Any) -> Iterator[Machines]:
    """web-1, web-2 and a stopped one in the first namespace, a Windows guest in the second, one with odd texts in the third."""
    made = Machines(uuid.uuid4().hex[:6])
    made.namespaces = [f"inv-{made.run}-{letter}" for letter in "abc"]
    first, second, third = made.namespaces
    for name in made.namespaces:
        client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    client.create(VM, made.manifest("web-1", running=True, app="web"), first)
    client.create(VM, made.manifest("web-2", running=True, app="web"), first)
    client.create(VM, made.manifest("rests", app="web"), first)
    client.create(VM, made.manifest("win-1", running=True, annotations={"vm.kubevirt.io/os": "windows2k22"}), second)
    odd = {"note": "{{ lookup('ansible.builtin.pipe', 'touch ' ~ marker) }}"}
    client.create(VM, made.manifest("odd", running=True, annotations=odd), third)
    many = [
        {"name": "http", "port": 80},
        {"name": "ssh", "port": 2222, "targetPort": 22},
        {"name": "ui", "port": 443, "targetPort": "admin"},
    ]
    client.create(SERVICE, service("web-1", {"vmi.kubevirt.io/id": "web-1"}, many, "NodePort"), first)
    client.create(SERVICE, service("web", {"app": "web"}, [{"port": 22}]), first)
    client.create(SERVICE, service("win-1", {"vmi.kubevirt.io/id": "win-1"}, [{"port": 5985}]), second)
    try:
        wait_for_running(client, made, 4)
        yield made
    finally:
        for name in made.namespaces:
            client.delete(NAMESPACE, name)


def wait_for_running(client: Any, made: Machines, count: int) -> None:
    give_up = time.monotonic() + SECONDS
    while True:
        found = client.list(VMI, label_selector=f"run={made.run}").items
        ready = [
            vmi
            for vmi in found
            if (vmi.get("status") or {}).get("phase") == "Running" and vmi["status"].get("interfaces")
        ]
        if len(ready) == count:
            return
        assert time.monotonic() < give_up, [vmi.get("status") for vmi in found]
        time.sleep(0.2)


@pytest.fixture
def allow(client: Any) -> Callable[..., None]:
    """Lets a user read instances and Services of namespaces."""

    def grant(user: str, *namespaces: str) -> None:
        rules = [
            {"apiGroups": ["kubevirt.io"], "resources": ["virtualmachineinstances"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]},
        ]
        group = "rbac.authorization.k8s.io"
        for namespace in namespaces:
            named = {"apiVersion": ROLE.api_version, "metadata": {"name": user}}
            client.create(ROLE, {**named, "kind": "Role", "rules": rules}, namespace)
            subjects = [{"kind": "User", "name": user, "apiGroup": group}]
            reference = {"kind": "Role", "name": user, "apiGroup": group}
            client.create(
                ROLE_BINDING, {**named, "kind": "RoleBinding", "subjects": subjects, "roleRef": reference}, namespace
            )

    return grant


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Writes a source with these options."""

    def write(**options: Any) -> Path:
        path = tmp_path / "lab.kubevirt.yml"
        path.write_text(yaml.safe_dump({"plugin": "virtops.kubevirt_ha.kubevirt", **options}))
        return path

    return write


@pytest.fixture
def ansible(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of Ansible with no other environment than it needs."""

    def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        base = {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
            "LC_ALL": "C.UTF-8",
        }
        base |= {"ANSIBLE_NOCOLOR": "1", "COLUMNS": "2000"}
        command = [str(PROGRAMS / program), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env={**base, **environment}, cwd=tmp_path, check=False, timeout=300
        )

    return run


@pytest.fixture
def inventory(ansible: Callable[..., Any], source: Callable[..., Path], machines: Machines) -> Callable[..., Found]:
    """`ansible-inventory --list` of a source with these options; `first` are sources before it."""

    def run(
        *arguments: str, first: Sequence[Path] = (), environment: dict[str, str] | None = None, **options: Any
    ) -> Found:
        sources = [text for path in (*first, source(**options)) for text in ("-i", str(path))]
        done = ansible("ansible-inventory", *sources, "--list", *arguments, **(environment or {}))
        assert done.returncode == 0, done.stderr
        listed = plain(json.loads(done.stdout))
        meta = listed.pop("_meta")
        groups = {name: group.get("hosts", []) for name, group in listed.items()}
        return Found(
            meta["hostvars"], groups, {name: group.get("children", []) for name, group in listed.items()}, done.stderr
        )

    return run


def plain(value: Any) -> Any:
    """What is marked as no template, without the mark."""
    if isinstance(value, dict):
        return (
            value["__ansible_unsafe"]
            if value.keys() == {"__ansible_unsafe"}
            else {key: plain(one) for key, one in value.items()}
        )
    return [plain(one) for one in value] if isinstance(value, list) else value
