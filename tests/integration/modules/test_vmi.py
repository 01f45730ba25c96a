# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmi on a real kube-apiserver: stand-alone instances, and what is refused of a machine's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VMI

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def alone(instance_spec: dict[str, Any]) -> dict[str, Any]:
    """Options of a stand-alone instance."""
    return {"memory": "128Mi", "requests": {"cpu": "50m"}, "spec": instance_spec}


@pytest.fixture
def vmi(module: Run, namespace: str) -> Run:
    def run(**options: Any) -> dict[str, Any]:
        return module("vmi", **{"name": "v", "namespace": namespace, **options})

    return run


def test_created_again_relabelled_and_deleted(client: Any, vmi: Run, namespace: str, alone: dict[str, Any]) -> None:
    foreseen = vmi(check=True, diff=True, **alone)
    assert foreseen["changed"] and foreseen["requests"]["writes"] == 0 and foreseen["diff"]
    made = vmi(labels={"app": "probe"}, **alone)
    assert made["changed"] and made["items"][0]["instance"]["ready"], made
    again = vmi(labels={"app": "probe"}, **alone)
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}, again
    relabelled = vmi(labels={"app": "other"})
    assert relabelled["items"][0]["action"] == "changed"
    assert client.get(VMI, "v", namespace)["metadata"]["labels"]["app"] == "other"

    refused = vmi(memory="160Mi")
    assert refused["failed"] and "spec.domain.memory cannot be changed once it is there" in refused["msg"], refused
    assert refused["requests"]["writes"] == 0

    assert vmi(state="absent")["changed"] and client.find(VMI, "v", namespace) is None
    assert not vmi(state="absent")["changed"]


def test_the_instance_of_a_machine_is_left_to_it(
    client: Any, module: Run, vmi: Run, namespace: str, guest: dict[str, Any]
) -> None:
    assert module("vm", name="v", namespace=namespace, **guest)["changed"]
    for options in ({"state": "absent"}, {"labels": {"a": "b"}}):
        refused = vmi(**options)
        assert refused["failed"] and "belongs to the machine v" in refused["msg"] and "vm_power" in refused["msg"]
    assert client.find(VMI, "v", namespace)


def test_a_guest_without_an_agent_is_not_frozen(module: Run, vmi: Run, namespace: str, guest: dict[str, Any]) -> None:
    assert module("vm", name="v", namespace=namespace, **guest)["changed"]
    refused = vmi(state="frozen")
    assert refused["failed"] and "no guest agent is connected" in refused["msg"], refused
    assert "qemu-guest-agent" in refused["msg"] and refused["requests"]["writes"] == 0
    assert not vmi(state="unfrozen")["changed"]
    missing = vmi(state="frozen", name="nobody")
    assert missing["failed"] and "does not run: there is none" in missing["msg"]


def test_an_instance_that_cannot_be_placed_fails_with_the_reason(vmi: Run, alone: dict[str, Any]) -> None:
    failed = vmi(node_selector={"no": "such"}, unschedulable_grace=1, **alone)
    assert failed["failed"] and "didn't match Pod's node affinity/selector" in failed["msg"], failed


def test_faults_come_at_once(module: Run, namespace: str) -> None:
    items = [{"name": "a", "state": "frozen", "memory": "1Gi"}, {"name": "b", "memory": "1GB", "unfreeze_timeout": 3}]
    faults = module("vmi", namespace=namespace, items=items)["error"]["faults"]
    for part in (
        "a: memory: cannot be given with state frozen",
        "b: unfreeze_timeout: goes with state frozen only",
        "b: memory: '1GB' is no quantity",
        "frozen and unfrozen cannot stand beside others",
    ):
        assert part in "\n".join(faults), faults
