# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_power on a real kube-apiserver: each state from each run strategy, and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM, VMI

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def machine(module: Run, namespace: str, guest: dict[str, Any]) -> Callable[..., str]:
    """Makes a machine whose guest ignores ACPI; its name."""

    def make(name: str = "v", **options: Any) -> str:
        result = module("vm", name=name, namespace=namespace, **{**guest, **options})
        assert not result.get("failed"), result["msg"]
        return name

    return make


@pytest.fixture
def power(module: Run, namespace: str) -> Run:
    def run(state: str, name: str = "v", **options: Any) -> dict[str, Any]:
        return module("vm_power", name=name, namespace=namespace, state=state, **options)

    return run


def uid(client: Any, namespace: str, name: str = "v") -> str | None:
    vmi = client.find(VMI, name, namespace)
    return str(vmi["metadata"]["uid"]) if vmi else None


@pytest.mark.parametrize("strategy", ["Always", "Manual", "RerunOnFailure"])
def test_stopped_started_restarted_and_each_again(
    client: Any, machine: Callable[..., str], power: Run, namespace: str, strategy: str
) -> None:
    machine(run_strategy=strategy)
    if strategy == "Manual":
        assert power("started")["changed"]
    first = uid(client, namespace)
    assert first

    stopped = power("stopped")
    assert stopped["changed"] and stopped["vms"][0]["action"] == "stop", stopped
    assert uid(client, namespace) is None
    again = power("stopped")
    assert not again["changed"] and again["requests"]["writes"] == 0, again

    started = power("started")
    assert started["changed"] and started["vms"][0]["ready"], started
    again = power("started")
    assert not again["changed"] and again["requests"] == {"reads": 2, "writes": 0, "watches": 0}, again
    kept = {"Always": "Always"}.get(strategy, strategy)
    assert client.get(VM, "v", namespace)["spec"]["runStrategy"] == kept

    second = uid(client, namespace)
    restarted = power("restarted")
    assert restarted["changed"] and restarted["vms"][0]["instance"]["ready"], restarted
    assert restarted["vms"][0]["instance"]["uid"] not in (first, second)


def test_a_start_waits_until_the_last_instance_is_gone(
    client: Any, machine: Callable[..., str], power: Run, namespace: str
) -> None:
    # KubeVirt answers 409 to this start, and printableStatus says Stopped already.
    machine(run_strategy="Always")
    first = uid(client, namespace)
    assert power("stopped", wait=False)["changed"]
    assert uid(client, namespace) == first
    started = power("started")
    assert not started.get("failed") and started["changed"], started
    assert uid(client, namespace) not in (None, first)


def test_pause_and_unpause(machine: Callable[..., str], power: Run) -> None:
    machine()
    assert power("paused")["changed"] and not power("paused")["changed"]
    assert not power("started")["changed"]
    refused = power("soft_rebooted")
    assert refused["failed"] and "it is paused" in refused["msg"] and "Unpause it first" in refused["msg"]
    assert power("reset")["changed"]
    assert power("unpaused")["changed"] and not power("unpaused")["changed"]
    assert power("soft_rebooted")["changed"]


@pytest.mark.parametrize(
    ("strategy", "state", "why"),
    [
        ("Halted", "paused", "cannot be paused, it does not run"),
        ("Halted", "reset", "cannot be reset, it does not run"),
        ("Once", "restarted", "cannot be restarted under run strategy Once"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(
    machine: Callable[..., str], power: Run, strategy: str, state: str, why: str
) -> None:
    machine(run_strategy=strategy)
    for check in (True, False):
        refused = power(state, check=check)
        assert refused["failed"] and why in refused["msg"] and not refused["changed"], refused
        assert refused["requests"]["writes"] == 0


@pytest.mark.parametrize("state", ["started", "stopped", "restarted", "paused", "soft_rebooted", "reset"])
def test_check_mode_says_what_the_run_does(machine: Callable[..., str], power: Run, state: str) -> None:
    machine(run_strategy="Halted" if state == "started" else "Always")
    foreseen = power(state, check=True, diff=True)
    assert foreseen["requests"]["writes"] == 0 and foreseen["diff"][0]["after"] == {"power": state}
    done = power(state)
    assert foreseen["changed"] and done["changed"]
    assert foreseen["vms"][0]["action"] == done["vms"][0]["action"]


def test_a_machine_that_does_not_exist_is_not_made(client: Any, power: Run, namespace: str) -> None:
    missing = power("started", name="nobody")
    assert missing["failed"] and f"VirtualMachine {namespace}/nobody: does not exist" in missing["msg"]
    assert client.find(VM, "nobody", namespace) is None


def test_a_machine_that_cannot_be_scheduled_fails_with_the_reason(machine: Callable[..., str], power: Run) -> None:
    machine(run_strategy="Halted", node_selector={"no": "such"})
    failed = power("started", unschedulable_grace=1)
    assert failed["failed"] and "ErrorUnschedulable" in failed["msg"], failed
    assert failed["changed"]


def test_many_at_once_cost_one_list_each_and_one_call(machine: Callable[..., str], module: Run, namespace: str) -> None:
    names = [machine(f"v{number}") for number in range(4)]
    vms = [{"name": name} for name in [*names, "nobody"]]
    stopped = module("vm_power", namespace=namespace, state="stopped", vms=vms)
    assert stopped["failed"] and "1 of 5 objects failed" in stopped["msg"]
    assert [entry["action"] for entry in stopped["vms"]] == ["stop"] * 4 + ["failed"]
    assert stopped["requests"]["reads"] == 2 and stopped["requests"]["writes"] == 4
    assert stopped["requests"]["watches"] <= 4


def test_one_after_the_other(client: Any, machine: Callable[..., str], module: Run, namespace: str) -> None:
    names = [machine(f"v{number}") for number in range(3)]
    old = [uid(client, namespace, name) for name in names]
    done = module("vm_power", namespace=namespace, state="restarted", serial=1, vms=[{"name": name} for name in names])
    assert not done.get("failed"), done["msg"]
    born = [client.get(VMI, name, namespace)["metadata"]["creationTimestamp"] for name in names]
    assert born == sorted(born)
    assert not set(old) & {uid(client, namespace, name) for name in names}


def test_after_a_failure_the_next_are_left_alone(
    client: Any, machine: Callable[..., str], module: Run, namespace: str
) -> None:
    machine("a", run_strategy="Once")
    machine("b")
    before = uid(client, namespace, "b")
    done = module("vm_power", namespace=namespace, state="restarted", serial=1, vms=[{"name": "a"}, {"name": "b"}])
    assert done["failed"] and "was left alone, since one before it failed" in json.dumps(done["error"])
    assert uid(client, namespace, "b") == before


def test_a_change_that_needs_a_restart_gets_it_where_that_is_wanted(
    client: Any, machine: Callable[..., str], module: Run, namespace: str
) -> None:
    machine()
    before = uid(client, namespace)
    change = {"name": "v", "namespace": namespace, "memory": "160Mi"}
    left = module("vm", **change)
    assert left["restart_required"] == [f"{namespace}/v"] and uid(client, namespace) == before
    foreseen = module("vm", check=True, restart=True, **change)
    assert foreseen["changed"] and foreseen["vms"][0]["restarted"] and foreseen["requests"]["writes"] == 0
    done = module("vm", restart=True, **change)
    assert done["vms"][0]["restarted"] and done["restart_required"] == [], done
    assert uid(client, namespace) != before
    again = module("vm", restart=True, **change)
    assert not again["changed"] and again["requests"]["writes"] == 0
