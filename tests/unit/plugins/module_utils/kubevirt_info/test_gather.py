# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a cluster through a scripted API server: what is forbidden, what is not installed, and how many requests it takes."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, ConnectionFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import checks, gather, outside, service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Cluster, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.sources import Scope
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View
from test_certificates import BEGIN, make

LISTS = 24
READS = LISTS + 4  # the version, the notes of etcd's backup and of all backups, what joining nodes are told
EVERYTHING = Scope()
Answer = Callable[[str, dict[str, list[str]]], tuple[int, Any]]


def empty(path: str, _query: dict[str, list[str]]) -> tuple[int, Any]:
    if path == "/version":
        return 200, {"gitVersion": "v1.34.4"}
    if "/configmaps/" in path:
        return 404, {"message": "not found"}
    return 200, {"metadata": {"resourceVersion": "1"}, "items": []}


def refusing(code: int, *parts: str, also: Answer = empty) -> Answer:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if any(path.endswith(part) for part in parts):
            return code, {"message": f"no {path}", "reason": "x"}
        return also(path, query)

    return answer


def read(api: Any, reply: Any, answer: Answer, scope: Scope = EVERYTHING) -> tuple[Cluster, list[str]]:
    def respond(asked: Any) -> Any:
        url = urlsplit(asked.path)
        code, body = answer(url.path, parse_qs(url.query))
        return reply(code, body)

    api.says(*[respond] * 200)
    client = api.client(workers=4)
    found = gather.gather(client, Connection(host=api.url), scope)
    assert client.requests.as_dict() == {"reads": len(api.asked), "writes": 0, "watches": 0}
    return found, [asked.path for asked in api.asked]


@pytest.mark.parametrize("namespaces", [(), ("a", "b"), tuple(f"n{number}" for number in range(40))])
def test_as_many_requests_for_any_number_of_namespaces(api: Any, reply: Any, namespaces: tuple[str, ...]) -> None:
    found, asked = read(api, reply, empty, Scope(namespaces=namespaces))
    assert len(asked) == READS and not found.unread and not found.partly


def test_ages_are_measured_by_the_servers_clock(api: Any, reply: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.time()
    monkeypatch.setattr(gather, "time", SimpleNamespace(time=lambda: 5.0))
    found, _asked = read(api, reply, empty)
    assert found.here == 5.0 and abs(found.now - begun) < 60


def test_pods_that_have_ended_and_secrets_of_other_types_are_not_asked_for(api: Any, reply: Any) -> None:
    _found, asked = read(api, reply, empty)
    pods = next(path for path in asked if path.startswith("/api/v1/pods"))
    assert "status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed" in pods
    assert "type%3Dkubernetes.io%2Ftls" in next(path for path in asked if "/secrets" in path)


def test_what_is_forbidden_is_noted_and_the_rest_is_read(api: Any, reply: Any) -> None:
    found, asked = read(api, reply, refusing(403, "/secrets", "/nodes", "/kubevirt-ha-etcd-backup"))
    assert len(asked) == READS
    assert set(found.unread) == {"secrets", "nodes", "etcd_backup"}
    note = found.unread["secrets"]
    assert (note.resource, note.namespace, note.reason) == ("secrets", "kubevirt", "not permitted")
    assert "no /api/v1/namespaces/kubevirt/secrets" in note.message


def test_a_kind_that_is_not_there_is_absent(api: Any, reply: Any) -> None:
    found, _asked = read(api, reply, refusing(404, "/volumesnapshotclasses", "/kubevirts"))
    assert found.absent == {
        "snapshot_classes": "volumesnapshotclasses.snapshot.storage.k8s.io",
        "kubevirts": "kubevirts.kubevirt.io",
    }
    assert not found.unread


def test_without_rights_on_the_cluster_namespaces_are_read_one_by_one(api: Any, reply: Any) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        cluster_wide = path.rpartition("/")[2] in ("pods", "virtualmachines", "virtualmachineinstances")
        if (cluster_wide and "/namespaces/" not in path) or "/namespaces/b/" in path:
            return 403, {"message": "no"}
        return empty(path, query)

    found, asked = read(api, reply, answer, Scope(namespaces=("a", "b")))
    assert set(found.unread) == {"all_pods"}
    assert {source: [one.namespace for one in notes] for source, notes in found.partly.items()} == {
        "pods": ["b"],
        "vms": ["b"],
        "vmis": ["b"],
    }
    assert any(path.startswith("/api/v1/namespaces/kube-system/pods") for path in asked)


def test_without_rights_on_the_cluster_and_without_namespaces_it_is_told(api: Any, reply: Any) -> None:
    found, asked = read(api, reply, refusing(403, "/pods", "/virtualmachines"))
    assert set(found.unread) == {"pods", "vms"} and len(asked) == READS


def test_credentials_that_are_refused_end_it(api: Any, reply: Any) -> None:
    with pytest.raises(ApiError) as caught:
        read(api, reply, refusing(401, "/nodes"))
    assert caught.value.status == 401


def test_a_failure_of_the_server_is_noted_after_its_retries(api: Any, reply: Any) -> None:
    found, _asked = read(api, reply, refusing(500, "/priorityclasses"))
    assert found.unread["priority_classes"].reason == "the read failed"


def test_the_namespace_of_kubevirt_is_that_of_its_resource(api: Any, reply: Any) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path.endswith("/kubevirts"):
            return 200, {"metadata": {}, "items": [{"metadata": {"namespace": "openshift-cnv", "name": "k"}}]}
        return empty(path, query)

    found, asked = read(api, reply, answer)
    assert found.namespace == "openshift-cnv"
    assert any("/namespaces/openshift-cnv/secrets" in path for path in asked)


def test_networks_are_read_where_details_are_asked_for(api: Any, reply: Any) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path.endswith("/network-attachment-definitions"):
            return 200, {"metadata": {}, "items": [{"metadata": {"namespace": "shop", "name": "front"}}]}
        return empty(path, query)

    found, asked = read(api, reply, answer, Scope(details=True))
    assert found.networks == [("shop", "front")] and len(asked) == READS + 1


@pytest.mark.parametrize("wanted", [True, False])
def test_details_are_looked_at_where_they_are_asked_for(wanted: bool) -> None:
    given = {"namespaces": [], "etcd_backup": {"path": None}, "workers": 2, "details": wanted}
    missing = dict.fromkeys(("kubevirt_namespace", "api_endpoint", "state_dir"))
    assert service.scope_of({**given, **missing}).details is wanted


def test_a_cluster_without_networks_of_machines_is_no_gap(api: Any, reply: Any) -> None:
    found, _asked = read(api, reply, refusing(404, "/network-attachment-definitions"), Scope(details=True))
    assert set(found.absent) == {"networks"}
    assert "kind-missing" not in {finding.id for finding in checks.unchecked(View(found, Settings()))}


def test_given_a_watchers_folder_no_health_check_is_looked_for(api: Any, reply: Any, tmp_path: Path) -> None:
    (tmp_path / "heartbeat.json").write_text('{"at": 5}')
    found, asked = read(api, reply, empty, Scope(state_dir=str(tmp_path)))
    assert found.watcher == {"at": 5} and len(asked) == READS - 1


def test_the_addresses_of_the_connection_and_of_joining_nodes(api: Any, reply: Any) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path.endswith("/cluster-info"):
            text = 'clusters:\n- cluster:\n    server: "https://127.0.0.2:6443"\n  name: ""\n'
            return 200, {"data": {"kubeconfig": text}}
        return empty(path, query)

    found, _asked = read(api, reply, answer)
    assert found.addresses == {"127.0.0.1": ("127.0.0.1",), "127.0.0.2": ("127.0.0.2",)}


def test_the_endpoint_that_users_take_wins_over_the_connection(api: Any, reply: Any) -> None:
    found, _asked = read(api, reply, empty, Scope(endpoint="127.0.0.3:8443"))
    assert found.addresses == {"127.0.0.3": ("127.0.0.3",)}


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://api:6443", "api"),
        ("10.0.0.1:6443", "10.0.0.1"),
        ("[fd00::1]:6443", "fd00::1"),
        ("api", "api"),
        ("", ""),
    ],
)
def test_the_host_of_an_endpoint(text: str, host: str) -> None:
    assert outside.host_of(text) == host


def test_a_name_without_address() -> None:
    assert outside.resolve("no-such-name.invalid") == () and outside.resolve("." * 300) == ()


@pytest.mark.parametrize(
    ("data", "taken_at", "verified"),
    [
        ({"taken_at": "2026-05-01T02:00:00Z", "hash": "1", "location": "s3"}, 1777600800.0, True),
        ({"taken_at": "2026-05-01T04:00:00+02:00"}, 1777600800.0, False),
        ({"taken_at": "2026-05-01T02:00:00"}, None, False),
        ({"taken_at": "yesterday"}, None, False),
        ({}, None, False),
    ],
)
def test_the_note_of_a_backup(data: dict[str, str], taken_at: float | None, verified: bool) -> None:
    found = outside.backup_of_note(data)
    assert (found.taken_at, found.verified) == (taken_at, verified)
    assert bool(found.fault) == (taken_at is None)


def test_the_newest_file_of_a_folder_is_the_backup(tmp_path: Path) -> None:
    assert "is empty" in outside.backup_of_path(str(tmp_path)).fault
    for name, moment in (("old", 100), ("new", 300), ("older", 50)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment, moment))
    (tmp_path / "folder").mkdir()
    found = outside.backup_of_path(str(tmp_path))
    assert (found.taken_at, found.where) == (300.0, str(tmp_path / "new"))
    assert outside.backup_of_path(str(tmp_path / "old")).taken_at == 100.0
    assert "No such file" in outside.backup_of_path(str(tmp_path / "none")).fault


def test_a_certificate_that_cannot_be_seen() -> None:
    assert outside.serving_certificate(Connection(host="http://x")) is None
    with pytest.raises(ConnectionFailed, match="through a proxy"):
        outside.serving_certificate(Connection(host="https://x", proxy="http://y"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionFailed, match="cannot be seen"):
            outside.serving_certificate(Connection(host=f"https://127.0.0.1:{taken.getsockname()[1]}", verify=False))


def test_the_certificate_that_a_server_shows(tmp_path: Path) -> None:
    key_and_certificate = tmp_path / "server.pem"
    end = BEGIN + timedelta(days=9)
    key_and_certificate.write_bytes(make(end, keep_key=True))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key_and_certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: context.wrap_socket(listening.accept()[0], server_side=True).close())
        thread.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        found = outside.serving_certificate(Connection(host=url, verify=False))
        thread.join()
    assert found is not None and (found.kind, found.name, found.not_after) == ("API server", url, end.timestamp())


def test_the_certificate_that_the_caller_logs_in_with(tmp_path: Path) -> None:
    assert outside.client_certificate(Connection(host="x")) is None
    assert outside.client_certificate(Connection(host="x", cert_file=str(tmp_path / "none"))) is None
    own, issuer = make(BEGIN + timedelta(days=1)), make(BEGIN + timedelta(days=9))
    found = outside.client_certificate(Connection(host="x", cert_data=(own + issuer).decode()))
    assert found is not None and found.not_after == (BEGIN + timedelta(days=1)).timestamp()
    found = outside.client_certificate(Connection(host="x", cert_data="no PEM"))
    assert found is not None and found.fault == "there is no PEM certificate"
