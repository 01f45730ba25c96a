# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-alone instances, and freezing by a scripted server: guests with an agent are not to be had everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import info, objects, vmi
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings

OPTIONS = {"name": "v", "namespace": "a"}


def guest(version: int = 5, *, agent: bool = True, **status: Any) -> dict[str, Any]:
    conditions = [{"type": "AgentConnected", "status": "True"}] if agent else []
    meta = {"name": "v", "namespace": "a", "uid": "u", "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {}, "status": {"phase": "Running", "conditions": conditions, **status}}


def event(item: dict[str, Any]) -> bytes:
    return json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n"


def test_an_instance_is_the_template_of_a_machine() -> None:
    made = vmi.new({**OPTIONS, "labels": {"app": 1}, "memory": "1Gi", "one_per_node": {"group": "g"}})
    assert made["kind"] == "VirtualMachineInstance"
    assert made["metadata"]["labels"] == {"app": "1", "kubevirt-ha.virtops/one-per-node": "g"}
    assert made["spec"]["domain"]["memory"] == {"guest": "1Gi"}
    assert made["spec"]["networks"] == [{"name": "default", "pod": {}}]
    assert vmi.desired({**OPTIONS, "spec": {"hostname": "h"}}) == {"spec": {"hostname": "h"}}


def test_freezing_names_a_time_and_waits_for_the_status(api: Any, reply: Any) -> None:
    api.says(reply(body=guest()), reply(body=b""), reply(body=event(guest(6, fsFreezeStatus="frozen"))))
    found = vmi.freeze(api.client(), [{**OPTIONS, "state": "frozen"}], Settings(wait_timeout=5))
    assert found[0].sent and found[0].error is None
    assert api.asked[1].path.endswith("/virtualmachineinstances/v/freeze")
    assert api.asked[1].body == {"unfreezeTimeout": "300s"}


@pytest.mark.parametrize(("state", "status"), [("frozen", "frozen"), ("unfrozen", None)])
def test_what_is_as_wanted_is_left_alone(api: Any, reply: Any, state: str, status: Any) -> None:
    api.says(reply(body=guest(fsFreezeStatus=status)))
    found = vmi.freeze(api.client(), [{**OPTIONS, "state": state}], Settings())
    assert not found[0].sent and len(api.asked) == 1


def test_check_mode_freezes_nothing(api: Any, reply: Any) -> None:
    api.says(reply(body=guest(fsFreezeStatus="frozen")))
    found = vmi.freeze(api.client(), [{**OPTIONS, "state": "unfrozen"}], Settings(check=True))
    assert found[0].sent and len(api.asked) == 1


@pytest.mark.parametrize(
    ("status", "done", "failed"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, True, False),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, False, False),
        ({"phase": "Failed"}, False, True),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]}, False, True),
        ({"conditions": [{"type": "Synchronized", "status": "False", "reason": "ErrImagePull"}]}, False, True),
    ],
)
def test_when_an_instance_is_ready(status: dict[str, Any], done: bool, failed: bool) -> None:
    found = vmi.ready(guest(**status), 60)
    assert (found.done, found.failed) == (done, failed)
    assert not failed or found.fix


def test_agents_are_asked_where_they_are_connected(api: Any, reply: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = {**guest(agent=False), "metadata": {**guest()["metadata"], "name": "w"}}
    listing = {"metadata": {"resourceVersion": "5"}, "items": [guest(), silent]}
    api.says(reply(body=listing), reply(body={"hostname": "h", "userList": []}))
    monkeypatch.setattr(info, "run", lambda _module, work: results.append(work(api.client())))
    results: list[Any] = []
    params = {
        "name": None, "namespaces": ["a"], "label_selectors": [], "full": False, "guest_agent": True, "workers": 1,
    }  # fmt: skip
    info.run_vmi_info(type("M", (), {"params": params})())
    assert [entry["guest"] for entry in results[0]["vmis"]] == [{"hostname": "h", "userList": []}, None]
    assert api.asked[1].path.endswith("/virtualmachineinstances/v/guestosinfo")


def test_a_changed_spec_names_its_fields_and_the_machine_that_the_instance_is_of() -> None:
    there = {**vmi.new({**OPTIONS, "memory": "1Gi"})}
    wanted = {**OPTIONS, "memory": "2Gi", "spec": {"hostname": "h"}}
    with pytest.raises(Refused, match=r"spec\.domain\.memory.* cannot be changed once") as alone:
        objects.make_plan(vmi.kind(), wanted, there)
    assert "spec.hostname" in alone.value.what and "delete it first" in alone.value.fix
    owner = {"kind": "VirtualMachine", "name": "m1", "controller": True}
    owned = {**there, "metadata": {**there["metadata"], "ownerReferences": [owner]}}
    with pytest.raises(Refused, match="belongs to the machine m1") as refused:
        objects.make_plan(vmi.kind(), wanted, owned)
    assert "with the module vm" in refused.value.fix and "delete" not in refused.value.fix
