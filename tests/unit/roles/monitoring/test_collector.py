# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector: what commands and the API say, as samples and targets."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
from kubevirt_ha_collector import cluster, discovery, host
from kubevirt_ha_collector.exposition import HELP, Collection, Sample, text, write

LINKS = json.dumps([{"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]}, {"addr_info": [{"local": "192.0.2.100"}]}])


def values(samples: Any, name: str) -> dict[str, float]:
    """The values of one metric by the label that it has."""
    return {",".join(sample.labels.values()): sample.value for sample in samples if sample.name == name}


def test_a_vip_is_held_where_its_address_is() -> None:
    wanted = [{"name": "api", "address": "192.0.2.100"}, {"name": "web", "address": "192.0.2.10"}]
    found = {sample.labels["vip"]: sample.value for sample in host.vips(wanted, LINKS)}
    assert found == {"api": 1.0, "web": 0.0}


@pytest.mark.parametrize(
    ("command", "up"),
    [
        (["/usr/sbin/glusterfsd", "-s", "n1", "--brick-name", "/srv/brick", ""], 1.0),
        (["/usr/sbin/glusterfsd", "-s", "n1", "--brick-name", "/srv/brick2", ""], 0.0),
        (["/usr/bin/vi", "/srv/brick", ""], 0.0),
    ],
)
def test_a_brick_is_up_while_its_process_runs(command: list[str], up: float) -> None:
    found = list(host.bricks({"volume": "v", "path": "/srv/brick", "wanted": 3}, [[""], command], 4))
    assert values(found, "gluster_brick_up") == {"v,/srv/brick": up}
    assert values(found, "gluster_heal_pending") == {"v,/srv/brick": 4.0}
    assert values(found, "gluster_bricks_wanted") == {"v": 3.0}


def test_the_index_names_files_but_for_its_own_base(tmp_path: Path) -> None:
    index = tmp_path / ".glusterfs" / "indices" / "xattrop"
    index.mkdir(parents=True)
    for name in ("xattrop-4d1b", "aaaa", "bbbb"):
        (index / name).touch()
    assert host.pending(str(tmp_path)) == 2


def test_peers_are_connected_or_not() -> None:
    peer = "<peer><hostname>{}</hostname><connected>{}</connected></peer>"
    xml = f"<o><peerStatus>{peer.format('n2', 1)}{peer.format('n3', 0)}</peerStatus></o>"
    assert values(host.peers(xml), "gluster_peer_connected") == {"n2": 1.0, "n3": 0.0}
    with pytest.raises(ValueError, match="no XML"):
        list(host.peers("Connection failed"))


def test_only_the_place_itself_is_a_mount() -> None:
    mounts = ["n1:/shared /srv/shared fuse.glusterfs rw 0 0\n"]
    assert host.is_mounted("/srv/shared", mounts)
    assert not host.is_mounted("/srv", mounts)


def test_a_certificate_is_found_in_a_kubeconfig() -> None:
    import base64

    pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
    assert host.pem_of(pem) == pem
    assert (
        host.pem_of(f"users:\n- user:\n    client-certificate-data: {base64.b64encode(pem.encode()).decode()}\n") == pem
    )
    assert host.pem_of("users: []") == ""
    assert host.moment("notAfter=Jan  1 00:01:00 1970 GMT\n") == 60.0


def test_certificates_are_due_where_they_were_never_asked_or_long_ago(tmp_path: Path) -> None:
    path = tmp_path / "c.prom"
    assert host.are_due(str(path), 1000.0)
    path.touch()
    os.utime(path, (500.0, 500.0))
    assert not host.are_due(str(path), 1000.0)
    assert host.are_due(str(path), 1200.0)


def test_a_part_that_fails_leaves_nothing_and_is_told() -> None:
    def breaks() -> Any:
        yield Sample("node_ready", 1.0, {"node": "n1"})
        raise OSError("no answer")

    found = Collection()
    found.part("nodes", breaks)
    found.part("vip", lambda: [Sample("vip_held", 1.0)])
    assert values(found.samples, "collector_success") == {"nodes": 0.0, "vip": 1.0}
    assert values(found.samples, "node_ready") == {}
    assert found.faults == ["nodes: no answer"]


def test_the_text_is_prometheus_s_and_replaced_in_one_step(tmp_path: Path) -> None:
    write(str(tmp_path), "host", [Sample("vip_held", 1.0, {"vip": 'a"b\\c'})])
    (path,) = tmp_path.iterdir()
    assert path.name == "kubevirt_ha_host.prom" and path.stat().st_mode & 0o777 == 0o644
    assert path.read_text() == (
        f"# HELP kubevirt_ha_vip_held {HELP['vip_held']}\n# TYPE kubevirt_ha_vip_held gauge\n"
        'kubevirt_ha_vip_held{vip="a\\"b\\\\c"} 1.0\n'
    )
    assert text([]) == "\n"


def node(name: str, ready: str, beat: str = "") -> dict[str, Any]:
    """A node."""
    return {
        "metadata": {"name": name, "annotations": {"kubevirt.io/heartbeat": beat} if beat else {}},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "192.0.2.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def test_nodes_are_ready_and_their_handlers_beat() -> None:
    found = list(cluster.nodes([node("n1", "True", "1970-01-01T00:01:00Z"), node("n2", "Unknown")]))
    assert values(found, "node_ready") == {"n1": 1.0, "n2": 0.0}
    assert values(found, "virt_handler_heartbeat_timestamp_seconds") == {"n1": 60.0}


def test_replicas_of_deployments_and_daemon_sets() -> None:
    api = {"metadata": {"name": "virt-api"}, "spec": {"replicas": 3}, "status": {"readyReplicas": 2}}
    none = {"metadata": {"name": "virt-operator"}, "spec": {}, "status": {}}
    handler = {
        "metadata": {"name": "virt-handler"},
        "spec": {},
        "status": {"desiredNumberScheduled": 3, "numberReady": 3},
    }
    found = list(cluster.components([api, none], [handler]))
    wanted = {"virt-api": 3.0, "virt-operator": 1.0, "virt-handler": 3.0}
    assert values(found, "component_replicas_wanted") == wanted
    assert values(found, "component_replicas_ready") == {"virt-api": 2.0, "virt-operator": 0.0, "virt-handler": 3.0}


def vmi(*volumes: dict[str, Any], movable: str = "True", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    """A VMI."""
    return {
        "metadata": {"namespace": "demo", "name": "a"},
        "spec": {"volumes": list(volumes), **spec},
        "status": {"phase": phase, "conditions": [{"type": "LiveMigratable", "status": movable}]},
    }


CLAIM = {"name": "d", "persistentVolumeClaim": {"claimName": "d"}}
DATA_VOLUME = {"name": "d", "dataVolume": {"name": "d"}}


@pytest.mark.parametrize(
    ("instance", "eviction", "expected"),
    [
        (vmi(CLAIM), "LiveMigrate", []),
        (vmi({"name": "c", "containerDisk": {}}), "LiveMigrate", []),
        (vmi(CLAIM), "None", ["eviction-strategy-none"]),
        (vmi(CLAIM, evictionStrategy="LiveMigrate"), "None", []),
        (vmi(CLAIM, evictionStrategy="None"), "LiveMigrate", ["eviction-strategy-none"]),
        (vmi(CLAIM, movable="False"), "LiveMigrate", ["not-migratable"]),
        (vmi({"name": "h", "hostDisk": {"path": "/d"}}), "LiveMigrate", ["local-disk"]),
    ],
)
def test_why_a_machine_is_bound_to_its_node(instance: dict[str, Any], eviction: str, expected: list[str]) -> None:
    assert list(cluster.reasons(instance, eviction, frozenset())) == expected


@pytest.mark.parametrize("volume", [CLAIM, DATA_VOLUME])
def test_a_disk_of_one_node_is_a_reason(volume: dict[str, Any]) -> None:
    local = frozenset({("demo", "d")})
    assert list(cluster.reasons(vmi(volume), "LiveMigrate", local)) == ["local-disk"]
    assert list(cluster.reasons(vmi(volume), "LiveMigrate", frozenset({("other", "d")}))) == []


def test_a_machine_that_does_not_run_is_not_judged() -> None:
    assert list(cluster.machines([vmi(phase="Scheduling")], [], frozenset())) == []
    assert len(list(cluster.machines([vmi()], [], frozenset()))) == 1  # KubeVirt's own strategy is None


@pytest.mark.parametrize(
    ("word", "volume", "local"),
    [
        ("false", {}, True),
        ("true", {"local": {"path": "/d"}}, False),
        (None, {"local": {"path": "/d"}}, True),
        (None, {"nfs": {}}, False),
        (
            None,
            {
                "nodeAffinity": {
                    "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname"}]}]}
                }
            },
            True,
        ),
    ],
)
def test_a_claim_is_local_by_its_class_or_by_its_volume(word: str | None, volume: dict[str, Any], local: bool) -> None:
    claim = {
        "metadata": {"namespace": "demo", "name": "d"},
        "spec": {"storageClassName": "c", "volumeName": "v"},
    }
    kind = {"metadata": {"name": "c", "annotations": {"kubevirt-ha.virtops/failover": word} if word else {}}}
    found = cluster.local_claims([claim], [{"metadata": {"name": "v"}, "spec": volume}], [kind])
    assert found == (frozenset({("demo", "d")}) if local else frozenset())


def test_a_backup_is_known_or_not() -> None:
    none = list(cluster.etcd_backup(None, 2))
    assert values(none, "etcd_backup_known") == {"": 0.0} and values(none, "etcd_backup_timestamp_seconds") == {}
    found = list(cluster.etcd_backup({"data": {"taken_at": "1970-01-01T00:02:00+00:00"}}, 2))
    assert values(found, "etcd_backup_timestamp_seconds") == {"": 120.0}
    assert values(found, "etcd_backup_limit_seconds") == {"": 7200.0}


def pod(name: str, phase: str = "Running", port: str = "metrics", **labels: str) -> dict[str, Any]:
    """A pod."""
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"ports": [{"name": port, "containerPort": 8443}]}, {}]},
        "status": {"phase": phase, "podIP": "10.244.0.9"},
    }


def test_pods_of_a_job_are_found_by_label_port_and_phase() -> None:
    (kubevirt, *_rest) = discovery.jobs("kubevirt")
    label = {"kubevirt.io": "virt-api"}
    found = [
        pod("a", **label),
        pod("b", phase="Failed", **label),
        pod("c", port="webhooks", **label),
        pod("d", **{"kubevirt.io": "virt-exportproxy"}),
        pod("e") | {"status": {}},
    ]
    assert list(discovery.pods(found, kubevirt)) == [
        {"targets": ["10.244.0.9:8443"], "labels": {"host": "n1", "pod": "a", "component": "virt-api"}}
    ]


def test_kubelets_are_found_by_their_internal_address() -> None:
    assert list(discovery.kubelets([node("n1", "True"), {"metadata": {"name": "n2"}}])) == [
        {"targets": ["192.0.2.1:10250"], "labels": {"host": "n1"}}
    ]


def test_guests_are_found_by_their_services_label() -> None:
    def service(name: str, wanted: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": {"kubevirt-ha.virtops/guest-metrics": wanted}}}

    def slice_of(name: str) -> dict[str, Any]:
        return {
            "metadata": {"name": f"{name}-x", "namespace": "demo", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"port": 9100}],
            "endpoints": [{"addresses": ["fd00::1"]}],
        }

    found = discovery.guests([service("a", "true"), service("b", "false")], [slice_of("a"), slice_of("b")])
    assert list(found) == [{"targets": ["[fd00::1]:9100"], "labels": {"guest": "a", "guest_namespace": "demo"}}]


def test_targets_are_written_only_where_they_differ(tmp_path: Path) -> None:
    one = {"targets": ["192.0.2.1:1"], "labels": {}}
    two = {"targets": ["192.0.2.2:1"], "labels": {}}
    assert discovery.write(str(tmp_path), "kubelet", [two, one])
    assert not discovery.write(str(tmp_path), "kubelet", [one, two])
    assert json.loads((tmp_path / "kubelet.json").read_text()) == [one, two]
    assert [path.name for path in tmp_path.iterdir()] == ["kubelet.json"]


class Answers(cluster.Api):
    """An API with lists that are given."""

    def __init__(self, lists: dict[str, list[dict[str, Any]]]) -> None:
        self._lists, self.asked = lists, list[str]()

    def get(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        found = self._lists.get(path.partition("?")[0])
        return None if found is None else {"items": found}


def test_lists_are_asked_of_the_api_servers_memory_and_guests_in_their_namespaces(tmp_path: Path) -> None:
    api = Answers({"/api/v1/nodes": [node("n1", "True")]})
    given = {
        "kubevirt_namespace": "kubevirt",
        "etcd_backup_hours": 1,
        "targets_folder": str(tmp_path),
        "guest_namespaces": ["demo"],
    }
    found = cluster.collect(api, given)
    assert found.faults == []
    assert all(path.endswith("?resourceVersion=0") for path in api.asked if "configmaps" not in path)
    assert any("/namespaces/demo/services" in path for path in api.asked)
    assert {path.stem for path in tmp_path.iterdir()} == {"kubelet", "kubevirt", "metrics-server", "coredns", "guests"}


def test_a_full_disk_does_not_fill_with_drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        discovery.write(str(tmp_path), "kubelet", [])
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_breaks_off_is_told_as_one_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_given: Any, **_more: Any) -> None:
        raise http.client.IncompleteRead(b"{")

    monkeypatch.setattr("urllib.request.urlopen", torn)
    api = cluster.Api.__new__(cluster.Api)
    api._url, api._token, api._context = "https://h", "t", ssl.create_default_context()
    found = Collection()
    found.part("nodes", lambda: cluster.nodes(api.items("/api/v1/nodes")))
    assert "IncompleteRead" in found.faults[0]


def test_targets_stay_where_the_api_does_not_answer(tmp_path: Path) -> None:
    class Silent(cluster.Api):
        def __init__(self) -> None:
            pass

        def get(self, path: str) -> dict[str, Any] | None:
            raise OSError("timed out")

    discovery.write(str(tmp_path), "kubelet", [{"targets": ["192.0.2.1:1"], "labels": {}}])
    before = (tmp_path / "kubelet.json").read_text()
    found = cluster.collect(
        Silent(), {"kubevirt_namespace": "kubevirt", "etcd_backup_hours": 1, "targets_folder": str(tmp_path)}
    )
    assert values(found.samples, "collector_success")["discovery"] == 0.0
    assert (tmp_path / "kubelet.json").read_text() == before
