# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From findings to the result: groups, order, ignored ones, the gate; and that the documentation says what the table says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import findings, service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Unread
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.registry import RULES, SEVERITIES
from ansible_collections.virtops.kubevirt_ha.plugins.modules import kubevirt_info
from ha_world import HOST, World, whole_world
from test_checks import CASES as PLATFORM
from test_machines import CASES as MACHINES

OPTIONS = yaml.safe_load(kubevirt_info.DOCUMENTATION)["options"]
# Those that tests of other names bring about.
_ELSEWHERE = {
    "capacity-domain",
    "capacity-node",
    "control-plane-hidden",
    "control-plane-single",
    "kind-missing",
    "leader-lost",
    "unchecked-essential",
    "vm-nodes-single",
}


def params(**given: Any) -> dict[str, Any]:
    """Parameters as the module has them."""
    options = {name: option.get("default") for name, option in service.spec().options.items()}
    options["etcd_backup"] = {"path": None, "max_age_hours": 24.0}
    return {**options, **given}


def broken() -> World:
    world = whole_world()
    world.change_spec("web-1", nodeSelector={HOST: "n1"}, evictionStrategy="")
    world.change_spec("web-2", evictionStrategy="")
    return world


def test_the_documentation_lists_each_finding_with_severity_and_way_out() -> None:
    rows = [text for text in OPTIONS["ignore"]["description"] if re.match(r"V\([a-z0-9-]+\) \(", text)]
    assert rows == [f"V({rule.id}) ({rule.severity}) - {rule.what}. {rule.fix}." for rule in RULES.values()]


def test_identifiers_are_plain_and_severities_known() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", identifier) for identifier in RULES)
    assert {rule.severity for rule in RULES.values()} == set(SEVERITIES)


def test_each_finding_of_the_table_is_brought_about_by_a_test() -> None:
    assert set().union(*(expected for _break, expected in (*PLATFORM, *MACHINES))) | _ELSEWHERE == set(RULES)


def test_a_thousand_objects_with_one_cause_are_one_entry() -> None:
    found = [Finding("vm-rwo-claim", "same", (Thing("VirtualMachine", f"m{n:04}", "shop"),)) for n in range(1000)]
    found.append(Finding("vm-rwo-claim", "other", (Thing("VirtualMachine", "x", "shop"),)))
    entries = findings.entries(found, most=3)
    assert [(entry["count"], len(entry["objects"])) for entry in entries] == [(1, 1), (1000, 3)]
    assert entries[1]["objects"][0] == {"kind": "VirtualMachine", "namespace": "shop", "name": "m0000"}
    assert len(findings.entries(found, most=0)[1]["objects"]) == 1000


def test_the_most_severe_come_first() -> None:
    found = [Finding(identifier, "x") for identifier in ("vm-ephemeral-disk", "etcd-even", "api-server-single")]
    assert [entry["severity"] for entry in findings.entries(found)] == list(SEVERITIES)


def test_the_result_of_a_whole_cluster() -> None:
    found = service.result(whole_world().view(), params())
    assert found["ha"] and found["findings"] == [] and not found["changed"]
    assert found["summary"] == {"critical": 0, "warning": 0, "info": 0}
    assert found["components"]["virt-api"] == {
        "wanted": 3,
        "ready": 3,
        "nodes": ["n1", "n3", "n5"],
        "failure_domains": ["zone-1", "zone-2", "zone-3"],
        "disruptions_allowed": 1,
    }
    assert found["components"]["virt-handler"]["nodes"] == ["n1", "n2", "n3", "n4", "n5", "n6"]
    assert found["leaders"]["virt-controller"] == {
        "holder": "virt-controller-1",
        "age_seconds": 3.0,
        "lasts_seconds": 15.0,
    }
    assert found["versions"]["kubelet"] == "v1.34.4" and found["kubevirt"]["namespace"] == "kubevirt"
    assert found["versions"]["cdi"] == "v1.66.0"
    assert found["capacity"]["node"]["fits"]


def test_a_version_that_could_not_be_read_is_not_that_of_nothing() -> None:
    world = whole_world()
    for source in ("kubevirts", "cdis"):
        world.objects.pop(source)
    found = service.versions(world.view())
    assert (found["kubevirt"], found["cdi"]) == ("unknown", "")
    world.facts["unread"] = {name: Unread(name, "", "not permitted", "") for name in ("kubevirts", "cdis")}
    found = service.versions(world.view())
    assert (found["kubevirt"], found["cdi"]) == (None, None)


def test_a_critical_finding_is_not_ha_and_ignoring_it_is_told() -> None:
    found = service.result(broken().view(), params())
    assert not found["ha"] and found["summary"] == {"critical": 1, "warning": 1, "info": 0}
    assert found["findings"][0]["id"] == "vm-one-node" and found["findings"][1]["count"] == 2
    found = service.result(broken().view(), params(ignore=["vm-one-node", "etcd-single"]))
    assert found["ha"] and found["ignored"] == ["vm-one-node"] and found["summary"]["critical"] == 0


@pytest.mark.parametrize(
    ("fail_on", "ignore", "fails"),
    [
        ("never", [], []),
        ("critical", [], ["vm-one-node"]),
        ("warning", [], ["vm-one-node", "vm-eviction-strategy"]),
        ("critical", ["vm-one-node"], []),
        ("warning", ["vm-one-node"], ["vm-eviction-strategy"]),
        ("warning", ["vm-one-node", "vm-eviction-strategy"], []),
    ],
)
def test_the_gate(fail_on: str, ignore: list[str], fails: list[str]) -> None:
    found = service.result(broken().view(), params(fail_on=fail_on, ignore=ignore))
    failure = found.pop("failure", None)
    assert bool(failure) == bool(fails)
    if failure:
        assert failure.as_dict()["findings"] == fails
        assert ("or worse" in str(failure)) == (fail_on == "warning")
        assert all(part in str(failure) for part in (*fails, "(shop/web-1", RULES[fails[0]].fix))


def test_a_message_names_a_few_objects_and_counts_the_rest() -> None:
    found = [Finding("vm-rwo-claim", "why", (Thing("VirtualMachine", f"m{n}", "shop"),)) for n in range(9)]
    text = findings.sentence(findings.entries(found)[0])
    assert "(shop/m0, shop/m1, shop/m2, shop/m3, shop/m4 and 4 more)" in text
    assert "(shop/m0, shop/m1)" in findings.sentence(findings.entries(found[:2])[0])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"ignore": ["vm-onenode"]}, "ignore: no finding is called vm-onenode; there are api-address-unclear, api-one"),
        ({"namespaces": ["Shop"]}, "namespaces: 'Shop' must be of lower-case"),
        ({"kubevirt_namespace": "x" * 64}, "kubevirt_namespace: "),
        ({"certificate_days": 0.0}, "certificate_days: 0 must be more than 0"),
        ({"heartbeat_seconds": -1.0}, "heartbeat_seconds: -1 must be more than 0"),
        ({"lease_factor": 0.0}, "lease_factor: 0 must be more than 0"),
        ({"etcd_backup": {"path": None, "max_age_hours": 0.0}}, "etcd_backup.max_age_hours: 0 must be more than 0"),
        ({"etcd_members": -1}, "etcd_members: -1 must be 0 or more"),
        ({"max_objects": -1}, "max_objects: -1 must be 0 or more"),
    ],
)
def test_each_fault_of_the_parameters(given: dict[str, Any], fault: str) -> None:
    assert list(service.faults(params())) == []
    assert any(text.startswith(fault) for text in service.faults(params(**given)))


def test_all_faults_of_the_parameters_come_at_once() -> None:
    assert len(list(service.faults(params(ignore=["x"], etcd_members=-1, lease_factor=0.0)))) == 3
