# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule of the decision: what refuses a recovery, what does not, and that all reasons are told at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.decision import (
    Etcd,
    EtcdMember,
    Facts,
    Limits,
    NodeFacts,
    Return,
    readmission_refusals,
    refusals,
)

DEAD: dict[str, Any] = {"lease_silent": 60.0}
UUID = "6b2f1f5e-53b1-4d7c-9c77-0b3e6a1d2c02"
SWAPPED = "5e1f2f6b-b153-7c4d-9c77-0b3e6a1d2c02"


def _nodes(**changes: dict[str, Any]) -> tuple[NodeFacts, ...]:
    """n1 to n3, all control planes, n2 silent; changes by name."""
    given = {"n1": {}, "n2": DEAD, "n3": {}}
    return tuple(
        NodeFacts(name, **{"control_plane": True, **given.get(name, {}), **changes.get(name, {})})
        for name in sorted({*given, *changes})
    )


def _facts(**changes: Any) -> Facts:
    etcd = Etcd(tuple(EtcdMember(name, True) for name in ("n1", "n2", "n3")))
    return replace(Facts("n2", _nodes(), etcd, ("n1", "n2", "n3"), path_answers=False), **changes)


def _refusal(*, proven_off: bool = False, **changes: Any) -> str:
    found = refusals(_facts(**changes), Limits(), proven_off=proven_off)
    assert len(found) == 1, found
    return found[0]


def test_one_dead_node_of_three_is_allowed() -> None:
    assert refusals(_facts(), Limits()) == []


def test_unknown_node() -> None:
    assert "no node n9 (it has n1, n2, n3)" in _refusal(node="n9")


def test_stop_switch() -> None:
    assert "stop switch" in _refusal(stopped=True)


def test_lock_of_another() -> None:
    assert "n3@elsewhere" in _refusal(lock_holder="n3@elsewhere")


def test_other_remediator() -> None:
    assert "NodeHealthCheck workers" in _refusal(remediators=("NodeHealthCheck workers",))


def test_maintenance() -> None:
    assert "disk swap" in _refusal(nodes=_nodes(n2={"maintenance": "disk swap"}))


def test_lease_that_is_not_over() -> None:
    alive = _nodes(n2={"lease_silent": 3.0, "lease_duration": 4.0})
    assert "it is alive" in _refusal(nodes=alive)
    assert refusals(_facts(nodes=alive), Limits(), proven_off=True) == []


def test_missing_lease_is_no_silence() -> None:
    assert "has no lease" in _refusal(nodes=_nodes(n2={"lease_silent": None, "ready": False}))


def test_direct_path_that_answers() -> None:
    assert "still answers" in _refusal(path_answers=True)
    assert refusals(_facts(path_answers=True), Limits(), proven_off=True) == []
    assert refusals(_facts(path_answers=None), Limits()) == []


def test_two_of_three_dead() -> None:
    found = refusals(_facts(nodes=_nodes(n3=DEAD)), Limits())
    assert any("2 of 3 nodes of the cluster look dead (n2, n3), at most 1" in reason for reason in found)
    assert any("etcd would have 1 healthy of 3" in reason for reason in found)
    assert any("1 of 3 hosts" in reason for reason in found)


def test_proof_does_not_lift_the_other_rules() -> None:
    found = refusals(_facts(nodes=_nodes(n3=DEAD), stopped=True), Limits(), proven_off=True)
    assert len(found) == 4


@pytest.mark.parametrize(("dead", "allowed"), [(2, True), (4, True), (5, False)])
def test_share_of_ten_nodes(dead: int, allowed: bool) -> None:
    nodes = tuple(NodeFacts(f"w{number}", **(DEAD if number < dead else {})) for number in range(10))
    assert (refusals(_facts(node="w1", nodes=nodes, etcd=Etcd(), storage_hosts=()), Limits()) == []) is allowed


def test_share_of_a_failure_domain() -> None:
    def zone(name: str, count: int, dead: int) -> tuple[NodeFacts, ...]:
        return tuple(NodeFacts(f"{name}{n}", zone=name, **(DEAD if n < dead else {})) for n in range(count))

    nodes = zone("a", 3, 2) + zone("b", 9, 0)
    found = refusals(_facts(node="a0", nodes=nodes, etcd=Etcd(), storage_hosts=()), Limits())
    assert [reason.split(":")[0] for reason in found] == [
        "2 of 3 nodes of failure domain a look dead (a0, a1), at most 1 may"
    ]
    single = zone("a", 1, 1) + zone("b", 1, 0) + zone("c", 1, 0)
    assert refusals(_facts(node="a0", nodes=single, etcd=Etcd(), storage_hosts=()), Limits()) == []


def test_not_ready_node_counts_as_dead() -> None:
    assert any("2 of 3" in reason for reason in refusals(_facts(nodes=_nodes(n3={"ready": False})), Limits()))


def test_no_other_node_to_go_to() -> None:
    cordoned = {"schedulable": False}
    assert "no other node" in _refusal(nodes=_nodes(n1=cordoned, n3=cordoned))


def test_etcd_member_that_is_not_ready() -> None:
    etcd = Etcd((EtcdMember("n1", True), EtcdMember("n2", True), EtcdMember("n3", False)))
    assert "1 healthy of 3 members" in _refusal(etcd=etcd)


def test_five_members_stand_the_loss_of_two() -> None:
    etcd = Etcd((*(EtcdMember(name, True) for name in ("n1", "n2", "n3", "n4")), EtcdMember("n5", False)))
    nodes = _nodes(n4={}, n5={})
    assert refusals(_facts(nodes=nodes, etcd=etcd), Limits()) == []


def test_etcd_that_the_api_does_not_show() -> None:
    assert "no etcd member is known" in _refusal(etcd=Etcd())
    assert refusals(_facts(etcd=Etcd(given_members=3, given_healthy=3)), Limits()) == []
    assert "1 healthy of 3" in _refusal(etcd=Etcd(given_members=3, given_healthy=1))
    worker = _nodes(n2={"control_plane": False})
    assert refusals(_facts(nodes=worker, etcd=Etcd()), Limits()) == []


def test_storage_quorum_needs_readmitted_hosts() -> None:
    assert "1 of 3 hosts" in _refusal(nodes=_nodes(n3={"out_of_service": True}))
    assert refusals(_facts(storage_hosts=()), Limits()) == []


def test_storage_hosts_that_are_no_nodes_do_not_hold_a_recovery_back() -> None:
    assert refusals(_facts(storage_hosts=("s1", "s2", "s3")), Limits()) == []
    # Of those that are nodes it is known.
    assert "1 of 3 hosts" in _refusal(nodes=_nodes(n3={"out_of_service": True}), storage_hosts=("n2", "n3", "s1"))


def test_another_machine_than_enrolled() -> None:
    nodes = _nodes(n2={"system_uuid": UUID})
    assert refusals(_facts(nodes=nodes, enrolled_uuid=UUID.upper()), Limits()) == []
    assert refusals(_facts(nodes=nodes, enrolled_uuid=SWAPPED), Limits()) == []
    assert "enrol it anew" in _refusal(nodes=nodes, enrolled_uuid=UUID.replace("6b", "7c"))


def _return(**changes: Any) -> Return:
    node = NodeFacts("n2", boot_id="new", out_of_service=True)
    whole = Return(node, boot_id_at_recovery="old", qemu_left_over=(), storage_pending=0, etcd_caught_up=True)
    return replace(whole, **changes)


def test_readmission_of_a_whole_node() -> None:
    assert readmission_refusals(_return()) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"boot_id_at_recovery": "new"}, "still has the boot"),
        ({"boot_id_at_recovery": ""}, "no record of the boot"),
        ({"node": NodeFacts("n2", ready=False, boot_id="new")}, "not Ready"),
        ({"node": NodeFacts("n2", lease_silent=60.0, boot_id="new")}, "not Ready"),
        ({"qemu_left_over": (7, 8)}, "process 7, 8"),
        ({"qemu_left_over": None}, "nobody looked for QEMU"),
        ({"storage_pending": 3}, "3 objects"),
        ({"storage_pending": None}, "storage of node n2"),
        ({"etcd_caught_up": False}, "not healthy"),
        ({"etcd_caught_up": None}, "not known whether etcd"),
    ],
)
def test_readmission_refused(changes: dict[str, Any], told: str) -> None:
    found = readmission_refusals(_return(**changes))
    assert len(found) == 1
    assert told in found[0]
