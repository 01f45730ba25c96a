# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes whose answer was lost, against a scripted server: told as done where they were, and never done twice."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, power, vm, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings

RESTARTED = {"namespace": "a", "name": "v", "state": "restarted"}


def machine(**status: Any) -> dict[str, Any]:
    meta = {"name": "v", "namespace": "a", "resourceVersion": "5", "uid": "m", "generation": 1}
    found = {"printableStatus": "Running", "ready": True, "created": True, **status}
    return {"metadata": meta, "spec": {"runStrategy": "Always"}, "status": found}


def instance(uid: str, phase: str = "Running") -> dict[str, Any]:
    meta = {"name": "v", "namespace": "a", "resourceVersion": "5", "uid": uid}
    return {"metadata": meta, "status": {"phase": phase}}


def restart(api: Any) -> power.Done:
    return power.apply(api.client(), [RESTARTED], Settings(wait=False))[0]


def puts(api: Any) -> int:
    return sum(asked.method == "PUT" for asked in api.asked)


@pytest.mark.parametrize(
    ("status", "uid"),
    [({"stateChangeRequests": [{"action": "Stop"}, {"action": "Start"}]}, "old"), ({}, "new")],
    ids=["not carried out yet", "carried out"],
)
def test_a_restart_that_shows_is_not_sent_again(api: Any, reply: Any, status: dict[str, Any], uid: str) -> None:
    api.says(reply(body=machine()), reply(body=instance("old")), reply(cut=True))
    api.says(reply(body=machine(**status)), reply(body=instance(uid)))
    done = restart(api)
    assert done.error is None and done.changed and puts(api) == 1


def test_a_restart_that_does_not_show_is_sent_again(api: Any, reply: Any) -> None:
    api.says(reply(body=machine()), reply(body=instance("old")), reply(cut=True))
    api.says(reply(body=machine()), reply(body=instance("old")), reply(202, b""))
    done = restart(api)
    assert done.error is None and done.changed and done.old_uid == "old" and puts(api) == 2


@pytest.mark.parametrize("state", ["reset", "soft_rebooted"])
def test_what_leaves_no_trace_is_an_error_and_told_as_a_change(api: Any, reply: Any, state: str) -> None:
    api.says(reply(body=machine()), reply(body=instance("old")), reply(cut=True))
    done = power.apply(api.client(), [{**RESTARTED, "state": state}], Settings(wait=False))[0]
    assert "may have been carried out" in str(done.error) and done.changed and puts(api) == 1


def test_a_creation_is_told_as_one(api: Any, reply: Any) -> None:
    def made(asked: Any) -> Any:
        return reply(body={**api.asked[1].body, "metadata": machine()["metadata"]})

    exists = {"reason": "AlreadyExists", "message": "it exists"}
    api.says(reply(404, {}), reply(cut=True), reply(409, exists), made)
    options = {"namespace": "a", "name": "v", "memory": "64Mi"}
    done, _found = objects.apply(api.client(), vm.kind(), [options], Settings(wait=False))
    assert done[0].error is None and objects.result(done[0])["action"] == "created" and done[0].written


def test_trouble_of_the_server_does_not_condemn_a_machine() -> None:
    def failure(message: str) -> Any:
        found = {"type": "Failure", "status": "True", "reason": "FailedCreate", "message": message}
        return vm_state.ready(machine(ready=False, conditions=[found]))

    assert failure("denied the request: no memory").grace == 0
    passing = failure('Internal error occurred: failed calling webhook "x": EOF')
    assert passing.failed and passing.grace > 0
