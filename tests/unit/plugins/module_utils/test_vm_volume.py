# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are plugged one call after the other, against a scripted server: what was done is told as done."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, vm_volume
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings

HOTPLUG = {"spec": {"configuration": {"developerConfiguration": {"featureGates": ["HotplugVolumes"]}}}}
REFUSED = {"reason": "Invalid", "message": "no such claim"}
ADDED = ({"name": "one", "data_volume": "c1"}, {"name": "two", "data_volume": "c2"})
EXCHANGED = ({"name": "old", "state": "absent"}, {"name": "two", "data_volume": "c2"})


def machine(*volumes: str) -> dict[str, Any]:
    spec = {
        "volumes": [
            {"name": name, "persistentVolumeClaim": {"claimName": "c0", "hotpluggable": True}} for name in volumes
        ],
        "domain": {"devices": {"disks": [{"name": name, "disk": {"bus": "scsi"}} for name in volumes]}},
    }
    meta = {"name": "v", "namespace": "a", "resourceVersion": "5", "uid": "m", "generation": 1}
    return {"metadata": meta, "spec": {"template": {"spec": spec}}, "status": {"created": True}}


def play(api: Any, reply: Any, volumes: Any, puts: list[Any], **settings: Any) -> objects.Done:
    """One machine that runs, a server that plugs by requests, and its answers to these and to what follows."""
    answers = iter(puts)

    def answer(asked: Any) -> Any:
        if asked.method == "PUT":
            return next(answers)
        if asked.path.partition("?")[0].endswith("/kubevirts"):
            return reply(body={"metadata": {}, "items": [HOTPLUG]})
        if asked.path.partition("?")[0].endswith("/virtualmachines/v"):
            return reply(body=machine("old"))
        return (
            reply(404, {"reason": "NotFound"})
            if "/persistentvolumeclaims/" in asked.path
            else reply(body={"metadata": {}, "items": []})
        )

    api.says(*[answer] * 60)
    wanted = [{"name": "v", "namespace": "a", "volumes": list(volumes)}]
    return vm_volume._Volumes(api.client(), wanted, Settings(wait=False, workers=1, **settings)).apply()[0]


def calls(api: Any) -> list[str]:
    return [asked.path.rpartition("/")[2] for asked in api.asked if asked.method == "PUT"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("volumes", "first"), [(ADDED, "addvolume"), (EXCHANGED, "removevolume")])
def test_what_was_done_before_a_refusal_is_told_as_a_change(
    api: Any, reply: Any, volumes: Any, first: str, check: bool
) -> None:
    done = play(api, reply, volumes, [reply(202, b""), reply(422, REFUSED)], check=check)
    assert "no such claim" in str(done.error) and calls(api) == [first, "addvolume"]
    entry = objects.result(done)
    assert entry["changed"] and entry["action"] == "changed" and "error" in entry


def test_a_refusal_of_the_first_call_changes_nothing(api: Any, reply: Any) -> None:
    done = play(api, reply, ADDED, [reply(422, REFUSED)])
    entry = objects.result(done)
    assert not entry["changed"] and entry["action"] == "failed" and calls(api) == ["addvolume"]


def test_a_change_stays_one_where_the_calls_after_a_conflict_are_refused(api: Any, reply: Any) -> None:
    conflict = reply(409, {"reason": "Conflict", "message": "try again"})
    done = play(api, reply, ADDED, [reply(202, b""), conflict, reply(422, REFUSED)])
    assert done.error is not None and done.written and calls(api) == ["addvolume"] * 3
