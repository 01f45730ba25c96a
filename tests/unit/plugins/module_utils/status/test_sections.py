# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each thing that breaks is one finding, in one place of the tables, and a platform without faults has none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.registry import RULES as CLUSTER_RULES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import build
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import Facts, Section, size, span
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.rules import RULES
from ceph_answers import ceph
from story import (
    MOUNT,
    NODES,
    VIP,
    Platform,
    ago,
    alert,
    heal,
    member,
    peers,
    probe,
    prometheus,
    said,
    volume_info,
    volume_status,
)

Break = Callable[[Platform], object]


def section(platform: Platform, name: str) -> Section:
    return next(each for each in platform.status.sections if each.name == name)


def cells(platform: Platform, name: str, state: str) -> list[str]:
    return [cell.text for row in section(platform, name).rows for cell in row if cell.state == state]


def test_a_platform_in_order_has_no_finding_and_nothing_but_good_cells() -> None:
    status = Platform().status
    assert status.entries == ()
    assert status.whole
    assert {each.name: build.state_of(each) for each in status.sections} == {
        each.name: "good" for each in status.sections
    }


def test_no_finding_of_the_status_takes_the_name_of_one_of_the_cluster() -> None:
    assert not RULES.keys() & CLUSTER_RULES.keys()


def set_(path: str, value: object) -> Break:
    """Sets what is at a path such as `hosts/n1/reached`."""

    def apply(platform: Platform) -> None:
        *folders, last = path.split("/")
        place: object = vars(platform)
        for folder in folders:
            place = place[int(folder)] if isinstance(place, list) else place[folder]  # type: ignore[index]
        place[last] = value  # type: ignore[index]

    return apply


def known_etcd(**changed: object) -> Break:
    def apply(platform: Platform) -> None:
        for each in platform.hosts.values():
            each["etcd"]["cluster"] = {**each["etcd"]["cluster"], **changed}

    return apply


def gluster(part: str, text: str, why: str = "") -> Break:
    def apply(platform: Platform) -> None:
        for name in NODES:
            platform.look(name)["gluster"][part] = said(text, why)

    return apply


def own_ceph(text: str, why: str = "") -> Break:
    def apply(platform: Platform) -> None:
        platform.storage["backend"] = "cephfs"
        for name in NODES:
            platform.look(name)["ceph"] = said(text, why)

    return apply


def class_survives(kind: str) -> Break:
    return set_("cluster/details/storage_classes/0/survives", kind)


FAULTS: dict[str, tuple[Break, str, str, str]] = {
    "host away": (lambda p: p.hosts["n1"].update(reached=False, look={}, etcd={}), "host-unreachable", "nodes", "bad"),
    "no look": (set_("hosts/n3/look", {}), "host-look-failed", "nodes", "warn"),
    "service": (set_("hosts/n2/look/services/kubelet", "failed"), "service-not-running", "nodes", "bad"),
    "stranger": (lambda p: p.cluster["details"]["nodes"].pop(), "node-missing", "nodes", "bad"),
    "pressure": (set_("cluster/details/nodes/0/pressures", ["DiskPressure"]), "node-pressure", "nodes", "warn"),
    "api": (set_("probes/api through the VIP", probe("api through the VIP", False)), "api-down", "api", "bad"),
    "server": (set_("probes/API server of n2", probe("API server of n2", False)), "api-server-down", "api", "bad"),
    "alarm": (known_etcd(alarms=[{"member": "n1", "alarm": "NOSPACE"}]), "etcd-alarm", "etcd", ""),
    "large": (
        known_etcd(members=[member("n1", db_size=1900 << 20), member("n2"), member("n3")]),
        "etcd-database-large",
        "etcd",
        "warn",
    ),
    "silent member": (
        known_etcd(members=[member("n1", reachable=False), member("n2"), member("n3")]),
        "etcd-member-silent",
        "etcd",
        "bad",
    ),
    "slow disk": (set_("hosts/n1/look/etcd_fsync/p99_ms", 64.0), "etcd-slow-disk", "etcd", "warn"),
    "no etcd": (
        lambda p: [each.update(etcd={"why": "no quorum"}) for each in p.hosts.values()],
        "etcd-no-answer",
        "etcd",
        "unknown",
    ),
    "ends": (set_("hosts/n1/look/certificates/0/days_left", 3.0), "certificate-of-host-ends", "certificates", "warn"),
    "ended": (
        set_("hosts/n1/look/certificates/0/days_left", -1.0),
        "certificate-of-host-expired",
        "certificates",
        "bad",
    ),
    "two holders": (lambda p: p.look("n2")["addresses"].append(VIP["address"]), "vip-of-several", "vips", "bad"),
    "no holder": (lambda p: p.look("n1")["addresses"].remove(VIP["address"]), "vip-of-nobody", "vips", "bad"),
    "dead vip": (set_("probes/VIP api", probe("VIP api", False)), "vip-silent", "vips", "bad"),
    "backend": (set_("hosts/n1/look/balancer/servers/2/status", "DOWN"), "backend-down", "backends", "bad"),
    "no statistics": (
        set_("hosts/n1/look/balancer", {"servers": [], "why": "refused"}),
        "balancer-unknown",
        "backends",
        "unknown",
    ),
    "brick": (gluster("status", volume_status("n2")), "brick-no-spare", "storage", "bad"),
    "brick of a lost host": (gluster("status", volume_status(without="n2")), "brick-no-spare", "storage", "bad"),
    "stopped": (gluster("info", volume_info("Stopped")), "storage-unknown", "storage", ""),
    "no gluster": (gluster("info", "", "no answer in 8 s"), "storage-unknown", "storage", ""),
    "healing": (set_("hosts/n1/look/gluster/heal", said(heal(7))), "heal-pending", "storage", "warn"),
    "peer": (set_("hosts/n1/look/gluster/peers", said(peers("Disconnected"))), "storage-peer-lost", "storage", ""),
    "mount": (set_("hosts/n3/look/mounts", {MOUNT: ""}), "mount-missing", "storage", "bad"),
    "OSD": (own_ceph(ceph("HEALTH_WARN", OSD_DOWN="1 osds down")), "ceph-no-spare", "storage", "bad"),
    "Ceph fails": (own_ceph(ceph("HEALTH_ERR", MDS_DAMAGE="1 mds is damaged")), "ceph-no-spare", "storage", "bad"),
    "Ceph heals": (own_ceph(ceph("HEALTH_WARN", PG_DEGRADED="degraded")), "ceph-unhealthy", "storage", "warn"),
    "Ceph advises": (own_ceph(ceph("HEALTH_WARN", RECENT_CRASH="1 daemon")), "ceph-advice", "storage", ""),
    "no Ceph": (own_ceph("", "no answer in 8 s"), "storage-unknown", "storage", "unknown"),
    "locks": (
        set_("cluster/details/storage_classes/0/locks_survive_restarts", "false"),
        "storage-locks-lost",
        "storage_classes",
        "",
    ),
    "local": (class_survives("local"), "storage-class-local", "storage_classes", "warn"),
    "no beat": (set_("watcher/look/heartbeat", None), "watcher-not-working", "watcher", "bad"),
    "stop switch": (set_("watcher/look/stop_switch", True), "watcher-not-working", "watcher", "bad"),
    "no watcher": (set_("watcher/look", {}), "watcher-unknown", "watcher", "unknown"),
    "no backup": (
        lambda p: p.cluster["details"]["backups"]["machines"].pop("demo/demo-2"),
        "backup-machine-missing",
        "backup",
        "warn",
    ),
    "old backup": (
        lambda p: p.cluster["details"]["backups"]["machines"]["demo/demo-1"].update(taken_at=ago(25 * 3600)),
        "backup-machine-old",
        "backup",
        "warn",
    ),
    "failed run": (
        set_("cluster/details/backups/run/failures", {"machines": ["vm demo/demo-1: no host gives the disk's file"]}),
        "backup-failed",
        "backup",
        "warn",
    ),
    "no restore": (set_("cluster/details/backups/proven", None), "restore-unproven", "backup", "warn"),
    "old restore": (set_("cluster/details/backups/proven/at", ago(31 * 86400)), "restore-unproven", "backup", "warn"),
    "damage": (set_("cluster/details/backups/checked/sound", False), "backup-damaged", "backup", "bad"),
    "failed drill": (set_("drill/passed", False), "drill-failed", "drill", "bad"),
    "old drill": (set_("drill/t0", "2026-01-01T00:00:00.000Z"), "drill-old", "drill", ""),
    "no drill": (set_("drill", {}), "drill-missing", "drill", ""),
    "untested": (set_("cluster/versions/kubelet", "v1.37.0"), "versions-untested", "versions", "bad"),
    "other CDI": (set_("cluster/versions/cdi", "v1.64.0"), "versions-untested", "versions", "bad"),
    "old runtime": (
        set_("cluster/versions/container_runtime", "containerd://1.6.20"),
        "versions-noted",
        "versions",
        "",
    ),
    "metrics-server": (
        set_("cluster/details/metrics_server", {"installed": True, "available": False, "why": "no endpoints"}),
        "metrics-server-unavailable",
        "monitoring",
        "bad",
    ),
    "no Prometheus": (
        set_("monitoring/look/prometheus/n2", {"why": "Connection refused"}),
        "prometheus-silent",
        "monitoring",
        "bad",
    ),
    "target": (
        set_("monitoring/look/prometheus/n2", prometheus(up=23, down=["etcd n1: refused"])),
        "target-down",
        "monitoring",
        "warn",
    ),
    "alert": (
        set_("monitoring/look/prometheus/n3/alerts", [alert("NodeLost", "critical", host="n2")]),
        "alert-firing",
        "monitoring",
        "bad",
    ),
    "no Alertmanager": (
        set_("monitoring/look/alertmanagers/n1", {"why": "HTTP Error 401: Unauthorized"}),
        "alertmanager-silent",
        "monitoring",
        "bad",
    ),
    "peer of alerts": (
        set_("monitoring/look/alertmanagers/n1/peers", 2),
        "alertmanager-apart",
        "monitoring",
        "bad",
    ),
    "reserve": (set_("cluster/details/reserve/waiting", 4), "reserve-waits", "placement", "warn"),
    "quota": (
        set_("cluster/details/quotas/0/used", {"requests.memory": 7.5 * 2**30}),
        "quota-near-end",
        "placement",
        "warn",
    ),
    "not whole": (set_("redundancy/faults", ["node n1 is cordoned"]), "not-whole", "redundancy", "bad"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_one_fault_is_one_finding_and_is_seen_in_its_table(fault: tuple[Break, str, str, str]) -> None:
    apply, identifier, where, state = fault
    platform = Platform()
    apply(platform)
    assert {entry["id"] for entry in platform.status.entries} == {identifier}
    assert not state or cells(platform, where, state)


def test_every_finding_can_happen() -> None:
    assert {identifier for _apply, identifier, _where, _state in FAULTS.values()} == RULES.keys() - {"cluster-unknown"}


def test_one_ceph_host_speaks_for_all_and_what_is_muted_is_no_finding() -> None:
    platform = Platform()
    own_ceph(ceph("HEALTH_OK", muted=True, POOL_NEARFULL="1 pool"))(platform)
    platform.look("n1")["ceph"] = said("", "no answer in 8 s")
    assert platform.status.entries == ()
    texts = [[cell.text for cell in row] for row in section(platform, "storage").rows]
    assert texts[:2] == [["Ceph", "", "HEALTH_OK"], ["check", "POOL_NEARFULL", "1 pool"]]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("true", "yes"),
        ("false", "no, maintenance moves machines first"),
        ("depends", "its server decides"),
        ("unknown", "not known"),
    ],
)
def test_a_class_says_whether_its_locks_outlive_restarts(annotation: str, text: str) -> None:
    platform = Platform()
    set_("cluster/details/storage_classes/0/locks_survive_restarts", annotation)(platform)
    (row,) = section(platform, "storage_classes").rows
    assert row[-1].text == text
    assert [(entry["id"], entry["severity"]) for entry in platform.status.entries] == (
        [("storage-locks-lost", "info")] if annotation == "false" else []
    )
    assert platform.status.whole


def test_a_vip_is_not_called_lost_where_a_balancer_was_not_seen() -> None:
    platform = Platform()
    platform.hosts["n1"].update(reached=False, look={}, etcd={})
    assert cells(platform, "vips", "unknown") == ["not known: n1 not seen"]
    assert {entry["id"] for entry in platform.status.entries} == {"host-unreachable"}


def test_a_lost_node_is_told_from_every_side() -> None:
    platform = Platform()
    platform.lose("n2")
    found = {entry["id"] for entry in platform.status.entries}
    assert found == {"host-unreachable", "api-server-down", "etcd-member-silent", "brick-no-spare"}
    assert not platform.status.whole
    nodes = {row[0].text: [cell.state for cell in row[:3]] for row in section(platform, "nodes").rows}
    assert nodes == {"n1": ["", "good", "good"], "n2": ["bad", "bad", "bad"], "n3": ["", "good", "good"]}


def test_without_the_cluster_hosts_are_told_all_the_same() -> None:
    platform = Platform()
    platform.cluster = {"why": "no API server answers"}
    platform.redundancy = {}
    (entry,) = platform.status.entries
    assert (entry["id"], entry["why"]) == ("cluster-unknown", "no API server answers")
    assert cells(platform, "nodes", "unknown") == ["not known"] * 3
    assert cells(platform, "vips", "good") == ["n1", "yes"]
    assert section(platform, "machines").note.startswith("not known")


def test_nothing_at_all_is_still_a_status() -> None:
    status = build.build(Facts())
    assert {entry["id"] for entry in status.entries} == {"cluster-unknown", "drill-missing", "watcher-unknown"}
    assert build.as_json(status)["whole"] is False


def test_findings_of_the_cluster_stand_among_the_own_ones_by_severity_and_can_be_ignored() -> None:
    platform = Platform()
    platform.cluster["findings"] = [
        {"id": "node-cordoned", "severity": "warning", "what": "w", "why": "y", "fix": "f", "objects": [], "count": 0}
    ]
    platform.hosts["n2"]["look"]["services"]["kubelet"] = "failed"
    platform.drill = {}
    assert [entry["id"] for entry in platform.status.entries] == [
        "service-not-running",
        "node-cordoned",
        "drill-missing",
    ]
    kept = build.build(platform.facts, ["node-cordoned", "service-not-running"])
    assert [entry["id"] for entry in kept.entries] == ["drill-missing"]


def test_a_machine_says_what_it_could_bear_and_why_not() -> None:
    platform = Platform()
    platform.cluster["details"]["machines"][0].update(fails_over=False, fails_over_not=["no other node reaches it"])
    platform.cluster["details"]["machines"][1].update(migrates=False, migrates_not=["a", "b"])
    assert cells(platform, "machines", "bad") == ["no: no other node reaches it"]
    assert cells(platform, "machines", "warn") == ["no: a; b"]


def test_a_backup_that_is_old_missing_or_unverified_is_seen() -> None:
    platform = Platform()
    platform.cluster["details"]["backups"] = None
    assert cells(platform, "backup", "good") == ["60 min ago", "yes"]
    platform.cluster["details"]["etcd_backup"].update(age_seconds=3 * 86400, verified=False)
    assert cells(platform, "backup", "warn") == ["3 days ago", "no"]
    platform.cluster["details"]["etcd_backup"] = None
    assert cells(platform, "backup", "warn") == ["none is known"]


def test_machines_without_a_backup_and_damage_are_named() -> None:
    platform = Platform()
    assert {"2 of 2 machines", "2 h ago", "3 days ago"} <= set(cells(platform, "backup", "good"))
    told = platform.cluster["details"]["backups"]
    del told["machines"]["demo/demo-2"]
    told["checked"] = {"at": ago(5), "sound": False, "affected": [{"what": "vm demo/demo-1"}]}
    found = {entry["id"]: str(entry) for entry in platform.status.entries}
    assert "demo/demo-2" in found["backup-machine-missing"]
    assert "vm demo/demo-1" in found["backup-damaged"]
    platform.cluster["details"]["backups"] = None
    assert len(section(platform, "backup").rows) == 1


def texts(platform: Platform, name: str) -> list[list[str]]:
    return [[cell.text for cell in row] for row in section(platform, name).rows]


def test_alerts_of_all_servers_are_told_once_with_the_earliest_moment() -> None:
    platform = Platform()
    told = platform.monitoring["look"]["prometheus"]
    told["n1"]["alerts"] = [alert("NodeLost", "critical", 400, host="n2"), alert("Slow", begun=60, instance="n1:9100")]
    told["n3"]["alerts"] = [alert("NodeLost", "critical", 300, host="n2"), alert("Slow", begun=90, instance="n3:9100")]
    told["n2"]["alerts"] = [alert("Known", "none")]
    assert texts(platform, "monitoring")[-3:] == [
        ["alert Known", "none", "5 min ago"],
        ["alert NodeLost", "critical: n2", "7 min ago"],
        ["alert Slow", "warning: n1:9100, n3:9100", "90 s ago"],
    ]
    (entry,) = platform.status.entries
    assert (entry["why"], entry["count"]) == ("NodeLost, Slow", 2)


def test_targets_and_peers_are_told_of_each_server() -> None:
    platform = Platform()
    look = platform.monitoring["look"]
    look["prometheus"] = {"n1": prometheus(up=23, down=["etcd n1: refused"]), "n2": {"why": "timed out"}}
    look["alertmanagers"] = {"n1": {"state": "disabled", "peers": 0, "why": ""}}
    assert texts(platform, "monitoring") == [
        ["metrics-server", "available", ""],
        ["Prometheus on n1", "23 of 24 targets up", ""],
        ["Prometheus on n2", "no answer: timed out", ""],
        ["target down", "etcd n1: refused", ""],
        ["Alertmanager on n1", "sees 1 of 1", ""],
        ["alerts", "none fires", ""],
    ]
    del look["prometheus"]["n1"]
    assert texts(platform, "monitoring")[-1] == ["alerts", "not known", ""]


def test_what_is_not_laid_out_is_said_in_a_word_and_is_no_finding() -> None:
    platform = Platform()
    platform.monitoring = {"absent": "not laid out: there is no host in monitoring_nodes"}
    platform.cluster["details"].update(
        metrics_server={"installed": False, "available": False, "why": ""},
        networks={"installed": False, "namespaces": {}},
        reserve=None,
        quotas=[],
    )
    assert texts(platform, "monitoring") == [
        ["metrics-server", "not laid out", ""],
        ["Prometheus, Alertmanager", "not laid out: there is no host in monitoring_nodes", ""],
    ]
    assert ["reserve", "none given", ""] in texts(platform, "placement")
    assert ["quotas", "none given", ""] in texts(platform, "placement")
    assert section(platform, "networks").note.startswith("not laid out")
    assert platform.status.entries == ()


def test_what_could_not_be_asked_is_not_known() -> None:
    platform = Platform()
    platform.cluster = {"why": "no API server answers"}
    platform.monitoring = {"why": "Timed out after 30 s"}
    assert cells(platform, "monitoring", "unknown") == ["not known", "Timed out after 30 s"]
    assert {section(platform, name).note for name in ("placement", "networks")} == {
        "not known: the cluster could not be asked"
    }
    platform.cluster = {"details": {"networks": {"installed": None, "namespaces": {}}}, "capacity": None}
    assert section(platform, "networks").note == "not known"
    assert ["N+1", "not known", ""] in texts(platform, "placement")


def test_what_the_cluster_does_not_list_is_not_known_and_not_absent() -> None:
    platform = Platform()
    unread = {"wanted": {}, "nodes": [], "placeholders": None, "waiting": None}
    platform.cluster["details"].update(priority_classes=None, reserve=unread, quotas=None)
    platform.cluster["versions"]["cdi"] = None
    told = texts(platform, "placement")
    assert [row for row in told if row[0] in ("PriorityClasses", "reserve", "quotas")] == [
        [name, "not known", ""] for name in ("PriorityClasses", "reserve", "quotas")
    ]
    assert cells(platform, "placement", "unknown") == ["not known"] * 3
    assert ["cdi", "not known"] in texts(platform, "versions")
    assert platform.status.entries == ()


def test_the_loss_of_the_worst_node_and_the_reserve_are_told_with_figures() -> None:
    platform = Platform()
    assert texts(platform, "placement")[:3] == [
        ["PriorityClass important", "value 1000", "3 machines"],
        ["N+1, loss of n1", "yes", "1 machines ask for 1 cpu, 2.0 GiB memory"],
        ["reserve on n1", "yes", "holds 2 cpu, 4.0 GiB memory of 2 cpu, 4.0 GiB memory"],
    ]
    platform.cluster["capacity"]["node"].update(fits=False, unplaced_count=1, short={"memory": 1 << 30})
    platform.cluster["details"]["reserve"]["nodes"][2]["held"]["memory"] = 1 << 30
    platform.cluster["details"]["priority_classes"] = [{"name": "gold", "value": None, "machines": 1}]
    assert cells(platform, "placement", "bad") == ["it is not there", "lack"]
    assert cells(platform, "placement", "warn") == ["lack"]
    assert ["N+1, loss of n1", "lack", "1 of 1 machines lack 1.0 GiB memory"] in texts(platform, "placement")
    platform.cluster["capacity"]["node"] = None
    assert "no second node runs machines" in cells(platform, "placement", "warn")


def test_quotas_near_their_end_say_of_what() -> None:
    platform = Platform()
    platform.cluster["details"]["quotas"][0].update(
        hard={"requests.cpu": 2, "pods": 10, "requests.memory": 0}, used={"requests.cpu": 1.9, "pods": 8}
    )
    assert ["quota demo/q", "95 % used", "1.9 of 2 requests.cpu"] in texts(platform, "placement")
    (entry,) = platform.status.entries
    assert entry["why"] == "1.9 of 2 requests.cpu"


def test_networks_are_counted_by_namespace() -> None:
    platform = Platform()
    assert texts(platform, "networks") == [["demo", "2", "front, storage"]]
    platform.cluster["details"]["networks"]["namespaces"] = {}
    assert section(platform, "networks").note == "none given"


def test_the_oldest_of_each_part_is_held_against_the_matrix() -> None:
    platform = Platform()
    platform.cluster["versions"]["kubelet"] = "v1.35.1, v1.34.4"
    assert section(platform, "versions").rows[0][1].text == "v1.34.4"
    platform.cluster["versions"]["container_runtime"] = "containerd://2.1.4, cri-o://1.34.0"
    assert cells(platform, "versions", "good") == ["supported"]


def test_durations_and_sizes_as_people_say_them() -> None:
    assert [span(seconds) for seconds in (3, 150, 7300, 200000)] == ["3 s", "2 min", "2 h", "2 days"]
    assert [size(count) for count in (None, 12, 2048, 20 << 20, 3 << 30)] == [
        "",
        "12 B",
        "2.0 KiB",
        "20.0 MiB",
        "3.0 GiB",
    ]
