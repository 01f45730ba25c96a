# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real kube-apiserver with the role's audit policy and encryption: what lies in the log and in etcd."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes_role import BINARIES, value
from kubevirt_standin.devcluster import DevCluster

SECRET = "correct horse battery staple"


class ApiServer(DevCluster):
    """etcd and kube-apiserver of a folder, with the arguments that the role gives to the latter."""

    def __init__(self, folder: Path, arguments: dict[str, str]) -> None:
        super().__init__(folder, BINARIES, with_manager=False)
        self._arguments = arguments
        self._etcd = ""

    def _api_flags(self, etcd: str, port: int) -> list[str]:
        self._etcd = etcd
        return super()._api_flags(etcd, port) + [f"--{name}={said}" for name, said in self._arguments.items()]

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """What kubectl says."""
        command = [str(BINARIES / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout

    def stored(self, name: str) -> bytes:
        """A Secret of the namespace default as it lies in etcd."""
        command = [str(BINARIES / "etcdctl"), "--endpoints", self._etcd, "get", f"/registry/secrets/default/{name}"]
        said = subprocess.run([*command, "--write-out=json"], capture_output=True, check=True).stdout
        (found,) = json.loads(said)["kvs"]
        return base64.b64decode(found["value"])


@contextmanager
def served(folder: Path, **given: Any) -> Iterator[ApiServer]:
    """A server with the role's arguments for what a user gives."""
    arguments = value("__kubernetes_component.api_server", **given)
    server = ApiServer(folder, arguments)
    try:
        asyncio.run(server.start())
        yield server
    finally:
        server.stop()


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    """The role's folders, below the test's."""
    (tmp_path / "files").mkdir()
    return {
        "__kubernetes_api_server_folder": str(tmp_path / "files"),
        "kubernetes_audit_log_dir": str(tmp_path / "audit"),
    }


def test_no_body_of_a_secret_is_in_the_audit_log(own: dict[str, Any], tmp_path: Path) -> None:
    given = {**own, "kubernetes_audit_log": True, "kubernetes_audit_rules": [{"level": "RequestResponse"}]}
    Path(value("__kubernetes_audit_policy_file", **given)).write_text(
        json.dumps(value("__kubernetes_audit_policy", **given))
    )
    with served(tmp_path / "server", **given) as server:
        server.kubectl("create", "secret", "generic", "one", f"--from-literal=password={SECRET}")
        server.kubectl("create", "configmap", "two", f"--from-literal=password={SECRET}")
        server.kubectl("get", "secret", "one", "--output", "yaml")
        server.kubectl("create", "serviceaccount", "three")
        token = server.kubectl("create", "token", "three").strip()
        server.kubectl("create", "namespace", "told-with-its-body")
    log = (tmp_path / "audit" / "audit.log").read_text()
    events = [json.loads(line) for line in log.splitlines()]
    written = {(event["objectRef"]["resource"], event["verb"]) for event in events if "objectRef" in event}
    assert {
        ("secrets", "create"),
        ("secrets", "get"),
        ("configmaps", "create"),
        ("serviceaccounts", "create"),
    } <= written
    assert [event["level"] for event in events if event.get("objectRef", {}).get("name") == "told-with-its-body"] == [
        "RequestResponse"
    ]
    hidden = [SECRET, base64.b64encode(SECRET.encode()).decode(), token]
    assert [one for one in hidden if one in log] == []


# A server is started for each of six steps.
@pytest.mark.parametrize("kind", ["secretbox", pytest.param("aescbc", marks=pytest.mark.long)])
def test_secrets_move_from_none_to_a_key_and_back(kind: str, own: dict[str, Any], tmp_path: Path) -> None:
    member: dict[str, Any] = {"inventory_hostname": "n1", "__kubernetes_state": "member"}
    given = {
        **own,
        "ansible_play_hosts": ["n1"],
        "__kubernetes_encryption_made": {"stdout": base64.b64encode(b"k" * 32).decode()},
        "__kubernetes_providers": [{"identity": {}}],
    }
    path = Path(value("__kubernetes_encryption_file", **given))

    def write(step: str, wanted: str) -> str:
        """Gives the server a step's providers; returns what Secrets in etcd must begin with at the end of all steps."""
        hostvars = {"n1": {**member, "__kubernetes_providers": given["__kubernetes_providers"]}}
        now = {**given, "hostvars": hostvars, "kubernetes_secrets_encryption": wanted}
        providers = value(f"__kubernetes_encryption_{step}", **now)
        path.write_text(
            json.dumps(
                value("__kubernetes_encryption_configuration", __kubernetes_encryption_providers=providers, **now)
            )
        )
        given["__kubernetes_providers"] = providers
        return str(value("__kubernetes_encryption_prefix", **now))

    folder = tmp_path / "server"

    def play(step: str, wanted: str, name: str) -> tuple[str, list[str]]:
        """A server with a step's providers: writes a Secret, writes all again, and says how each is kept before and after."""
        prefix = write(step, wanted)
        with served(folder, **given, kubernetes_secrets_encryption=wanted) as server:
            server.kubectl("create", "secret", "generic", name, f"--from-literal=password={SECRET}")
            first = server.stored(name)
            everything = server.kubectl("get", "secrets", "--all-namespaces", "--output", "json")
            server.kubectl("replace", "--filename", "-", given=everything)
            names = [item["metadata"]["name"] for item in json.loads(everything)["items"]]
            kept = [server.stored(one) for one in names]
        assert (SECRET.encode() in first) is not first.startswith(b"k8s:enc:")
        return prefix, [
            "as wanted" if one.startswith(prefix.encode()) and (prefix != "k8s" or b"k8s:enc:" not in one) else "other"
            for one in kept
        ]

    assert play("reading", kind, "a")[1] == ["other"]
    prefix, kept = play("writing", kind, "b")
    assert prefix.startswith(f"k8s:enc:{kind}:v1:key-")
    assert kept == ["as wanted"] * 2
    assert play("final", kind, "c")[1] == ["as wanted"] * 3
    assert play("reading", "identity", "d")[1] == ["other"] * 4
    assert play("writing", "identity", "e")[1] == ["as wanted"] * 5
    assert play("final", "identity", "f")[1] == ["as wanted"] * 6
