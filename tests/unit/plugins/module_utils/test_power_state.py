# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which call brings a machine into a power state: each run strategy against each state of the instance."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk, power, power_module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.power_state import Call, Later, decide, reached

OPTIONS = {"name": "v", "namespace": "a"}


def machine(strategy: str = "Always", printable: str = "Running", **status: Any) -> dict[str, Any]:
    meta = {"name": "v", "namespace": "a", "uid": "vm"}
    return {
        "metadata": meta,
        "spec": {"runStrategy": strategy},
        "status": {"printableStatus": printable, "created": True, "ready": True, **status},
    }


def instance(
    phase: str = "Running", *, deleting: bool = False, uid: str = "u", grace: int = 30, **conditions: str
) -> Any:
    meta = {"name": "v", "namespace": "a", "uid": uid, **({"deletionTimestamp": "now"} if deleting else {})}
    found = [{"type": kind, "status": status} for kind, status in conditions.items()]
    return {
        "metadata": meta,
        "spec": {"terminationGracePeriodSeconds": grace},
        "status": {"phase": phase, "conditions": found},
    }


RUNNING = instance(Ready="True")
PAUSED = instance(Ready="False", Paused="True")
STARTING = instance("Scheduling")
ENDING = instance(deleting=True)
SUCCEEDED = instance("Succeeded")
FAILED = instance("Failed")
START = {"stateChangeRequests": [{"action": "Start"}]}


def decided(
    state: str, strategy: str, vmi: Any, *, printable: str = "Running", status: Any = None, **options: Any
) -> str:
    """The verb, `-` for nothing, `later`, or `refused`."""
    try:
        found = decide({**OPTIONS, "state": state, **options}, machine(strategy, printable, **(status or {})), vmi)
    except Refused:
        return "refused"
    return "-" if found is None else "later" if isinstance(found, Later) else found.verb


# The columns: no instance, starting, running, paused, ending, succeeded, failed.
INSTANCES = (None, STARTING, RUNNING, PAUSED, ENDING, SUCCEEDED, FAILED)
TABLE = {
    ("started", "Always"): "- - - - - - -",
    ("started", "Halted"): "start - - - later start start",
    ("started", "Manual"): "start - - - later start start",
    ("started", "RerunOnFailure"): "start - - - later start -",
    ("started", "Once"): "- - - - later refused refused",
    ("stopped", "Always"): "stop stop stop stop stop stop stop",
    ("stopped", "Halted"): "- - - - - - -",
    ("stopped", "Manual"): "- stop stop stop - - -",
    ("stopped", "RerunOnFailure"): "- stop stop stop - - later",
    ("stopped", "Once"): "stop stop stop stop stop - -",
    ("restarted", "Always"): "- restart restart restart later - -",
    ("restarted", "Halted"): "start refused refused refused later start start",
    ("restarted", "Manual"): "start restart restart restart later start start",
    ("restarted", "RerunOnFailure"): "start restart restart restart later start -",
    ("restarted", "Once"): "- refused refused refused later refused refused",
    ("paused", "Always"): "refused later pause - refused refused refused",
    ("unpaused", "Always"): "refused later - unpause refused refused refused",
    ("soft_rebooted", "Always"): "refused later softreboot refused refused refused refused",
    ("reset", "Always"): "refused later reset reset refused refused refused",
}


@pytest.mark.parametrize(("state", "strategy"), list(TABLE))
def test_each_state_from_each_instance(state: str, strategy: str) -> None:
    found = [decided(state, strategy, vmi, printable="Stopped" if vmi is None else "Running") for vmi in INSTANCES]
    assert " ".join(found) == TABLE[state, strategy]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Another start is under way already, and KubeVirt refuses a second one.
        ({"state": "started", "strategy": "Manual", "vmi": None, "status": START}, "-"),
        ({"state": "stopped", "strategy": "Manual", "vmi": None, "status": START}, "later"),
        # A restart under way: its start is taken back.
        ({"state": "stopped", "strategy": "Manual", "vmi": ENDING, "status": START}, "stop"),
        ({"state": "restarted", "strategy": "Manual", "vmi": RUNNING, "status": START}, "later"),
        # Just made: its controller has not started it yet.
        ({"state": "stopped", "strategy": "RerunOnFailure", "vmi": None, "printable": "Starting"}, "later"),
        # A guest that shuts down already is stopped sooner, never later.
        ({"state": "stopped", "strategy": "Halted", "vmi": ENDING, "force": True}, "stop"),
        ({"state": "stopped", "strategy": "Halted", "vmi": ENDING, "grace_period": 29}, "stop"),
        ({"state": "stopped", "strategy": "Halted", "vmi": ENDING, "grace_period": 30}, "-"),
        ({"state": "stopped", "strategy": "Manual", "vmi": ENDING, "force": True}, "stop"),
    ],
)
def test_what_is_under_way_is_known(given: dict[str, Any], expected: str) -> None:
    assert decided(**given) == expected


def test_the_bodies_are_those_that_kubevirt_reads() -> None:
    def body(**options: Any) -> Any:
        found = decide({**OPTIONS, **options}, machine(), RUNNING)
        assert isinstance(found, Call)
        return found.body

    assert body(state="stopped") == {}
    assert body(state="stopped", grace_period=9) == {"gracePeriod": 9}
    assert body(state="stopped", force=True) == {"gracePeriod": 0}
    assert body(state="restarted", force=True) == {"gracePeriodSeconds": 0}


def test_a_missing_machine_is_refused_for_every_state() -> None:
    with pytest.raises(Refused, match="VirtualMachine a/v: does not exist. Create it with the module vm first"):
        decide({**OPTIONS, "state": "started"}, None, None)
    gone = machine()
    gone["metadata"]["deletionTimestamp"] = "now"
    with pytest.raises(Refused, match="is being deleted"):
        decide({**OPTIONS, "state": "stopped"}, gone, RUNNING)


@pytest.mark.parametrize(
    ("state", "vm", "vmi", "done"),
    [
        ("started", machine(), RUNNING, True),
        ("started", machine(), PAUSED, True),
        ("started", machine(), ENDING, False),
        ("started", machine(ready=None), RUNNING, False),
        ("unpaused", machine(), PAUSED, False),
        # Ready drops for a moment after an unpause.
        ("unpaused", machine(), instance(Ready="False"), False),
        ("unpaused", machine("Always", "Paused"), RUNNING, True),
        ("paused", machine(), RUNNING, False),
        ("paused", machine("Always", "Paused"), PAUSED, True),
        # Stopped is shown while the instance still ends.
        ("stopped", machine("Halted", "Stopped"), ENDING, False),
        ("stopped", machine("Halted", "Stopped"), None, False),
        ("stopped", machine("Halted", "Stopped", created=None), None, True),
        ("stopped", machine("Manual", "Stopped"), SUCCEEDED, True),
        ("stopped", machine("RerunOnFailure", "Stopped"), SUCCEEDED, False),
    ],
)
def test_when_a_state_is_reached(state: str, vm: Any, vmi: Any, done: bool) -> None:
    assert reached(state, vm, vmi).done is done


def test_only_another_instance_ends_a_restart() -> None:
    assert not reached("restarted", machine(), RUNNING, old_uid="u").done
    assert not reached("restarted", machine(), None, old_uid="u").done
    assert not reached("restarted", machine(), instance("Scheduled", uid="n"), old_uid="u").done
    assert reached("restarted", machine(), instance(uid="n", Ready="True"), old_uid="u").done


def test_an_error_of_the_last_instance_does_not_end_a_restart() -> None:
    broken = machine("Always", "ErrorUnschedulable", ready=None)
    assert not reached("restarted", broken, STARTING, old_uid="u").failed
    found = reached("restarted", broken, instance("Scheduling", uid="n"), old_uid="u", unschedulable_grace=7)
    assert found.failed and found.grace == 7


def test_machines_one_after_the_other_are_not_begun_once_the_time_is_over(api: Any, reply: Any) -> None:
    def there(asked: Any) -> Any:
        off = [machine("Halted", "Stopped", created=False), {**machine(), "metadata": {"name": "w", "namespace": "a"}}]
        items = off if asked.path.split("?")[0].endswith("/virtualmachines") else []
        return reply(body={"metadata": {"resourceVersion": "1"}, "items": items})

    api.says(there, there)
    wanted = [{"name": name, "namespace": "a", "state": "stopped"} for name in ("v", "w")]
    first, second = power.apply(api.client(), wanted, Settings(wait_timeout=0.0), serial=1)
    assert first.error is None and "took all of 0 s" in str(second.error)
    assert {asked.method for asked in api.asked} == {"GET"}


@pytest.mark.parametrize(("serial", "wait", "refused"), [(1, False, True), (0, False, False), (1, True, False)])
def test_one_after_the_other_needs_wait(serial: int, wait: bool, refused: bool) -> None:
    found = list(power_module.faults({**OPTIONS, "state": "started", "serial": serial, "wait": wait}))
    assert any(fault.startswith("serial: needs wait") for fault in found) is refused


@pytest.mark.parametrize(
    ("span", "told"),
    [
        ("in what was left of 60 s, after those before it", "was not restarted in what was left of 60 s, after those"),
        ("", "was not restarted within 1."),
    ],
)
def test_a_time_out_says_whose_time_it_was(api: Any, reply: Any, span: str, told: str) -> None:
    def silent(asked: Any) -> Any:
        found = {"metadata": {"resourceVersion": "1"}, "items": [machine()] if "machines" in asked.path else []}
        return reply(body=b"" if "watch=" in asked.path or asked.method == "PUT" else found)

    api.says(*[silent] * 40)
    one = power.Done({**OPTIONS, "state": "restarted"}, machine(), RUNNING)
    scopes = bulk.Snapshot(scopes={"a": "1"})
    run = power._Run(api.client(), Settings(), scopes, scopes, time.monotonic() + 1.2731, 60.0)
    run.bring([one], span)
    assert told in str(one.error) and "become" not in str(one.error)


def test_a_time_out_before_the_call_says_whose_time_it_was_too(api: Any, reply: Any) -> None:
    starting = {**RUNNING, "status": {"phase": "Scheduling"}}

    def silent(asked: Any) -> Any:
        items = [machine()] if "machines" in asked.path else [starting]
        return reply(body=b"" if "watch=" in asked.path else {"metadata": {"resourceVersion": "1"}, "items": items})

    api.says(*[silent] * 40)
    one = power.Done({**OPTIONS, "state": "paused"}, machine(), starting)
    scopes = bulk.Snapshot(scopes={"a": "1"})
    run = power._Run(api.client(), Settings(), scopes, scopes, time.monotonic() + 0.5, 60.0)
    run.bring([one], "in what was left of 60 s")
    assert "able to take the call in what was left of 60 s" in str(one.error)


def test_the_second_machine_is_told_that_those_before_it_took_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[str] = []
    monkeypatch.setattr(power._Run, "bring", lambda _run, _wave, span="": spans.append(span))
    monkeypatch.setattr(bulk, "fetch", lambda *_args, **_more: bulk.Snapshot())
    wanted = [{"name": name, "namespace": "a", "state": "restarted"} for name in ("v", "w")]
    power.apply(None, wanted, Settings(wait_timeout=60), serial=1)  # type: ignore[arg-type]  # nobody asks the client
    assert spans == ["", "in what was left of 60 s, after those before it"]
