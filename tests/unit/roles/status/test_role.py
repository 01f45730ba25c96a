# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables: whom it asks, and what it makes of hosts that did not answer."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import control_plane, network, service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.build import build

ROLE = Path(__file__).resolve().parents[4] / "roles" / "status"
VIP = {"name": "api", "address": "192.0.2.100", "port": 8443}
GROUPS = {"control_plane": ["n1", "n2"], "kvm_nodes": ["n2"], "storage_nodes": [], "backup_hosts": ["w"]}


@functools.cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def value(name: str, **given: Any) -> Any:
    hosts = {"n1": {"ansible_host": "192.0.2.11"}, "n2": {}, "w": {}}
    own = {
        "groups": GROUPS,
        "hostvars": hosts,
        "group_names": [],
        "inventory_hostname": "n1",
        "load_balancer_vips": [VIP],
        "kubernetes_api_endpoint": "192.0.2.100:8443",
        "kubernetes_kubeconfig": __file__,
        "__status_probed": {},
        "__status_cluster": {},
        "__status_redundancy": {},
        "__status_monitored": {},
    }
    variables = {**_load("defaults/main.yml"), **_load("vars/main.yml"), **own, **given}
    return Templar(DataLoader(), variables=variables).template(trust_as_template("{{ " + name + " }}"))


def probed(*up: str) -> dict[str, Any]:
    return {"probes": [{"name": each["name"], "up": each["name"] in up} for each in value("__status_probes")]}


def test_each_address_is_asked_by_the_name_that_the_report_knows() -> None:
    assert value("__status_probes") == [
        {"name": control_plane.API, "url": "https://192.0.2.100:8443/readyz"},
        {"name": control_plane.SERVER + "n1", "url": "https://192.0.2.11:6443/readyz"},
        {"name": control_plane.SERVER + "n2", "url": "https://n2:6443/readyz"},
        {"name": network.VIP + "api", "tcp": "192.0.2.100:8443"},
    ]


def test_the_cluster_is_asked_through_the_vip_else_by_a_server_that_answers_else_not_at_all() -> None:
    through, server = control_plane.API, control_plane.SERVER + "n2"
    asked = [
        (value("__status_can_ask", __status_probed=each), value("__status_api_server", __status_probed=each))
        for each in (probed(through, server), probed(server), probed())
    ]
    assert asked == [(True, ""), (True, "https://n2:6443"), (False, "")]
    assert value("__status_can_ask", __status_probed=probed(through), status_kubeconfig="/nonexistent") is False


def test_a_host_is_asked_for_the_units_of_its_groups() -> None:
    assert value("__status_units", group_names=["control_plane", "load_balancers"]) == [
        "containerd",
        "kubelet",
        "haproxy",
        "keepalived",
    ]
    assert value("__status_units", group_names=["storage_nodes"], shared_storage_backend="glusterfs") == ["glusterd"]
    assert value("__status_units", group_names=["storage_nodes"], shared_storage_backend="nfs") == []


def test_a_ceph_of_our_own_is_looked_at_and_a_given_one_is_not() -> None:
    given: dict[str, Any] = {"group_names": ["storage_nodes"], "shared_storage_backend": "cephfs"}
    own = {**given, "shared_storage_ceph_cluster": "own"}
    units = ["ceph-mon@n1", "ceph-mgr@n1", "ceph-mds@n1", "ceph-osd@*"]
    assert [value("__status_units", **each) for each in (own, given)] == [units, []]
    assert [value("__status_looks_at_ceph", **each) for each in (own, given)] == [True, False]
    assert value("__status_looks_at_gluster", **own) is False
    assert [value("status_storage_backend", **each) for each in (own, given, {})] == ["cephfs", "", ""]


def test_of_cephs_hosts_the_first_that_tells_speaks_for_all() -> None:
    given: dict[str, Any] = {
        "groups": {"storage_nodes": ["n1", "n2", "n3"]},
        "shared_storage_backend": "cephfs",
        "shared_storage_ceph_cluster": "own",
    }
    tells = {"__status_look": {"look": {"ceph": {"text": "{}", "why": ""}}}}
    silent = {"__status_look": {"look": {"ceph": {"text": "", "why": "no answer in 8 s"}}}}
    for hosts, host, text in (
        ({"n1": {}, "n2": silent, "n3": tells}, "n3", "{}"),
        ({"n1": {}, "n2": {}, "n3": {}}, "n1", ""),
    ):
        told = [{"host": host, "kind": "ceph_health", "text": text}]
        assert value("__status_redundancy_storage", hostvars=hosts, **given) == told


def test_prometheus_and_alertmanager_are_asked_where_and_as_the_role_monitoring_lays_them_out() -> None:
    groups = {**GROUPS, "monitoring_nodes": ["n1", "n2"]}
    secured = {
        "monitoring_tls_cert_file": "/c",
        "monitoring_tls_ca_file": "/ca",
        "monitoring_web_user": "look",
        "monitoring_web_password_file": "/p",
        "monitoring_prometheus_port": 9999,
    }
    hosts = {"n1": {"monitoring_address": "192.0.2.1", **secured}, "n2": {"ansible_host": "192.0.2.2"}}
    given = {"groups": groups, "hostvars": hosts}
    assert value("status_prometheus", **given) == [
        {"host": "n1", "url": "https://192.0.2.1:9999"},
        {"host": "n2", "url": "http://192.0.2.2:9090"},
    ]
    assert [each["url"] for each in value("status_alertmanagers", **given)] == [
        "https://192.0.2.1:9093",
        "http://192.0.2.2:9093",
    ]
    assert value("status_monitoring_ca_file", **given) == "/ca"
    assert value("status_monitoring_user", **given) == "look"
    assert value("status_monitoring_password_file", **given) == "/p"


def test_where_nothing_is_monitored_or_answers_the_report_says_so() -> None:
    absent = value("__status_facts")["monitoring"]
    assert absent == {"absent": "not laid out: there is no host in monitoring_nodes"}
    groups = {**GROUPS, "monitoring_nodes": ["n1"]}
    by_operator = {"n1": {"monitoring_form": "operator"}, "n2": {}, "w": {}}
    assert value("status_prometheus", groups=groups, hostvars=by_operator) == []
    told = value("__status_facts", groups=groups, hostvars=by_operator)["monitoring"]
    assert told["absent"].startswith("not asked: an operator runs it")
    failed = {"failed": True, "msg": "Timed out after 30 s"}
    assert value("__status_facts", groups=groups, __status_monitored=failed)["monitoring"] == {"why": failed["msg"]}
    look: dict[str, Any] = {"look": {"prometheus": {}, "alertmanagers": {}}}
    assert value("__status_facts", groups=groups, __status_monitored=look)["monitoring"] == look


def test_of_hosts_and_a_cluster_without_an_answer_the_report_can_be_made() -> None:
    hosts = {
        "n1": {"__status_ping": {"unreachable": True, "msg": "timed out"}},
        "n2": {
            "__status_ping": {"ping": "pong"},
            "__status_look": {"failed": True, "msg": "Timed out after 30 s"},
            "__status_etcd": {"failed": True, "msg": "etcd cannot be reached"},
        },
        "w": {},
    }
    facts = value("__status_facts", hostvars=hosts, load_balancer_vips=[])
    assert facts["hosts"]["n1"]["reached"] is False
    assert facts["hosts"]["n1"]["why"] == "timed out"
    assert (facts["hosts"]["n2"]["reached"], facts["hosts"]["n2"]["etcd"]) == (True, {"why": "etcd cannot be reached"})
    assert facts["hosts"]["n1"]["groups"] == ["control_plane"]
    limits = {"certificate_days": 14.0, "drill_days": 90.0, "etcd_fsync_ms": 10.0, "backup_hours": 24.0}
    status = build(service.facts_of({"facts": facts, "drill_report": "", **limits}))
    found = {entry["id"] for entry in status.entries}
    assert {"host-unreachable", "host-look-failed", "etcd-no-answer", "cluster-unknown", "watcher-unknown"} <= found
