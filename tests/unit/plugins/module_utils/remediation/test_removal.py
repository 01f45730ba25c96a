# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule of a removal: what proves that a node is off, what stands against it, and what a later run goes on with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.decision import NodeFacts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.removal import (
    Cluster,
    Plan,
    Record,
    Wish,
    deletion_faults,
    plan,
)

UUID = "6b2f1f5e-53b1-4d7c-9c77-0b3e6a1d2c02"
DEAD: dict[str, Any] = {"ready": False, "lease_silent": 60.0, "system_uuid": UUID, "boot_id": "boot-old"}
PROOF = {"node": "n2", "power_state": "Off", "identity": UUID, "bmc": "https://bmc-n2"}
WISH = Wish("n2", "n2", identity=UUID, etcd_member="22")
RECORD = Record("n2", "uid-n2", UUID, "22", "n2", "off", "2026-01-02T03:04:05Z")


def cluster(*, records: tuple[Record, ...] = (), **changes: Any) -> Cluster:
    """n1 to n3, n2 dead; changes by name, None for a Node that is gone."""
    given = {
        "n1": {},
        "n2": DEAD,
        "n3": {},
        **{name: changes.pop(name) for name in ("n1", "n2", "n3") if name in changes},
    }
    nodes = tuple(NodeFacts(name, **facts) for name, facts in given.items() if facts is not None)
    uids = {node.name: f"uid-{node.name}" for node in nodes}
    return replace(Cluster(nodes, uids, records), **changes)


def fault(made: Cluster, wish: Wish) -> str:
    found = plan(made, wish).faults
    assert len(found) == 1, found
    return found[0]


def sound(made: Cluster, wish: Wish) -> Plan:
    found = plan(made, wish)
    assert found.faults == ()
    return found


def test_a_node_that_its_bmc_read_as_off_is_recovered_and_goes() -> None:
    found = sound(cluster(), replace(WISH, proof=PROOF))
    assert (found.recover, found.node_uid, found.record.etcd_member) == (True, "uid-n2", "22")
    assert "https://bmc-n2" in found.record.proof


def test_without_proof_all_ways_to_one_are_named() -> None:
    said = fault(cluster(), WISH)
    assert (
        "recover_node" in said and f"its serial or UUID ({UUID}) as replace_node_confirm or remove_node_confirm" in said
    )


@pytest.mark.parametrize("change", [{"node": "n1"}, {"power_state": "On"}])
def test_a_proof_of_another_or_of_power_is_none(change: dict[str, str]) -> None:
    assert "is not proven off" in fault(cluster(), replace(WISH, proof={**PROOF, **change}))


def test_a_recovery_that_fenced_it_is_proof_and_is_not_repeated() -> None:
    fenced = {**DEAD, "out_of_service": True}
    found = sound(cluster(n2=fenced, fenced_boot="boot-old"), replace(WISH, answering_boot="boot-new"))
    assert not found.recover and "boot-old" in found.record.proof
    assert "is not proven off" in fault(cluster(n2=fenced), WISH)  # a taint that nobody's recovery wrote


def test_the_machine_that_was_lost_is_no_new_one() -> None:
    fenced = {**DEAD, "out_of_service": True}
    made = cluster(n2=fenced, fenced_boot="boot-old")
    assert "still runs the boot that was lost" in fault(made, replace(WISH, answering_boot="boot-old", confirm=UUID))


def test_a_person_names_the_machine() -> None:
    assert UUID.upper() in sound(cluster(), replace(WISH, confirm=UUID.upper())).record.proof
    assert "is not the lost machine of n2" in fault(cluster(), replace(WISH, confirm="SN-1"))
    assert sound(cluster(), replace(WISH, confirm="SN-1", identity="SN-1")).record.proof


def test_a_living_node_is_not_lost_whatever_a_person_says() -> None:
    assert "is alive" in fault(cluster(n2={}), replace(WISH, confirm=UUID, proof=PROOF))
    back = {"out_of_service": True}
    assert "re-admit it" in fault(cluster(n2=back, fenced_boot="boot-old"), replace(WISH, answering_boot="boot-new"))


def test_only_one_node_may_be_missing() -> None:
    wish = replace(WISH, proof=PROOF)
    assert "node n3 is down, too" in fault(cluster(n3=DEAD), wish)
    assert "node n3 is out of service" in fault(cluster(n3={"out_of_service": True}), wish)
    assert "a recovery is under way (n3@c)" in fault(cluster(lock_holder="n3@c"), wish)
    other = replace(RECORD, node="n9")
    assert "node n9 is being taken out since" in fault(cluster(records=(other,)), wish)


def test_a_later_run_needs_no_proof_and_leaves_the_new_node_alone() -> None:
    old = sound(cluster(records=(RECORD,)), replace(WISH, etcd_member="77"))
    assert (old.node_uid, old.record.etcd_member) == ("uid-n2", "22")
    joined = cluster(records=(RECORD,), n2={}, uids={"n1": "a", "n2": "uid-new", "n3": "c"})
    new = sound(joined, replace(WISH, etcd_member="77"))
    assert (new.node_uid, new.record.etcd_member, new.recover) == ("", "22", False)
    assert sound(cluster(records=(RECORD,), n2=None), WISH).node_uid == ""


def test_a_later_run_replaces_by_the_same_host() -> None:
    said = fault(cluster(records=(RECORD,)), replace(WISH, by="n3"))
    assert "is being replaced by n2 since 2026-01-02T03:04:05Z" in said
    said = fault(cluster(records=(replace(RECORD, by=""),)), WISH)
    assert "is being taken out by remove_node since 2026-01-02T03:04:05Z: run that to its end" in said


def test_a_later_run_does_not_take_out_a_node_that_is_alive_again() -> None:
    said = fault(cluster(records=(RECORD,), n2={}), WISH)
    assert "is alive again: power it off, or give that up (kubectl" in said


@pytest.mark.parametrize("by", ["", "n4"])
def test_no_word_stands_against_a_bmc_that_reads_it_as_on(by: str) -> None:
    wish = replace(WISH, by=by, confirm=UUID)
    assert "the BMC of n2 reads it as On" in fault(cluster(), replace(wish, power_state="On"))
    for power_state in ("", "Off"):
        assert sound(cluster(), replace(wish, power_state=power_state)).record.proof
    # The new machine of the same name may stand behind the same BMC.
    assert sound(cluster(), replace(wish, by="n2", power_state="On")).record.proof


def test_a_member_without_a_node_needs_proof_and_nothing_needs_none() -> None:
    assert "is not proven off" in fault(cluster(n2=None), WISH)
    assert sound(cluster(n2=None), replace(WISH, proof=PROOF)).record.node_uid == ""
    assert sound(cluster(n2=None), replace(WISH, etcd_member="")).record.proof == ""


def test_a_drained_node_needs_no_proof_but_must_be_alive_and_empty() -> None:
    wish = Wish("n2", drained=True, etcd_member="22")
    assert (sound(cluster(n2={}), wish).node_uid, sound(cluster(n2={}), wish).recover) == ("uid-n2", False)
    assert "cannot be drained: run replace_node" in fault(cluster(), wish)
    busy = cluster(n2={}, launchers=("demo/virt-launcher-a",))
    assert deletion_faults(busy, wish) == [
        "virtual machines still run on node n2: demo/virt-launcher-a; drain it first"
    ]
    assert deletion_faults(busy, WISH) == []  # proven off: nothing runs there, whatever the API still lists


def test_a_record_survives_its_configmap() -> None:
    assert Record.parse({**RECORD.__dict__, "more": "x"}) == RECORD
    assert Record.parse({}).node_uid == ""
