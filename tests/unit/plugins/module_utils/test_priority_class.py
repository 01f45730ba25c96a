# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PriorityClass that is not there is told before anything is written; what bears it already can stay."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, priority_class, vm, vmi
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, InputError

GIVEN = {"name": "v", "namespace": "a"}
GOLD = {"priority_class": "gold"}
IN_SPEC = {"spec": {"template": {"spec": {"priorityClassName": "gold"}}}}
QUICK = objects.Settings(wait=False)
CLASSES = ("high", "low", "system-node-critical")


def machine(name: str = "v", strategy: str = "Always", **instance: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "a", "uid": "u", "resourceVersion": "5"}
    return {"metadata": meta, "spec": {"runStrategy": strategy, "template": {"spec": instance}}}


def bearing(**more: Any) -> dict[str, Any]:
    return machine(priorityClassName="gold", **more)


class Cluster:
    """Answers for one namespace by what it holds."""

    def __init__(self, api: Any, reply: Any, *there: dict[str, Any]) -> None:
        self._api, self._reply, self._there = api, reply, there
        self.classes = reply(body={"metadata": {}, "items": [{"metadata": {"name": name}} for name in CLASSES]})
        api.says(*[self._answer] * 20)

    def _answer(self, asked: Any) -> Any:
        path = asked.path.partition("?")[0]
        if path.endswith("/priorityclasses"):
            return self.classes
        if asked.method != "GET":
            return self._reply(body={**machine(), **(asked.body or {})})
        if path.endswith(("/virtualmachines", "/virtualmachineinstances")):
            return self._reply(body={"metadata": {"resourceVersion": "5"}, "items": list(self._there)})
        found = [one for one in self._there if path.endswith(f"/{one['metadata']['name']}")]
        return self._reply(body=found[0]) if found else self._reply(404, {"reason": "NotFound"})

    def apply(self, *wanted: dict[str, Any], settings: objects.Settings = QUICK) -> list[objects.Done]:
        return vm.apply(self._api.client(), [{**GIVEN, **one} for one in wanted], settings).done

    @property
    def asked(self) -> tuple[int, int]:
        """How often the classes were asked for, and something was written."""
        asked = [one.method == "GET" and "/priorityclasses" in one.path for one in self._api.asked]
        return sum(asked), sum(one.method != "GET" for one in self._api.asked)


@pytest.mark.parametrize("check", [False, True])
def test_all_of_a_task_are_told_and_none_of_it_is_written(api: Any, reply: Any, check: bool) -> None:
    cluster = Cluster(api, reply, machine("old"))
    wanted = [{**GOLD, "name": "new"}, {**IN_SPEC, "name": "old"}, {"name": "well", "priority_class": "high"}]
    with pytest.raises(InputError) as caught:
        cluster.apply(*wanted, {"name": "plain"}, settings=objects.Settings(wait=False, check=check))
    way_out = "PriorityClass gold is not there; declare it in placement_priority_classes, or use one of high, low"
    assert caught.value.faults == [
        f"VirtualMachine a/new: priority_class: {way_out}",
        f"VirtualMachine a/old: spec.template.spec.priorityClassName: {way_out}",
    ]
    assert cluster.asked == (1, 0)


@pytest.mark.parametrize(
    ("options", "there", "asked"),
    [
        ({}, [], 0),
        ({"priority_class": ""}, [], 0),
        ({**GOLD, "spec": {"template": {"spec": {"priorityClassName": None}}}}, [], 0),
        ({**GOLD, "state": "absent"}, [machine()], 0),
        (GOLD, [bearing()], 0),
        ({**GOLD, "run_strategy": "Halted"}, [bearing()], 0),
        ({**GOLD, "labels": {"tier": "web"}}, [bearing()], 0),
        ({"run_strategy": "Manual"}, [bearing()], 0),
        ({"priority_class": "high"}, [bearing()], 1),
        ({"priority_class": "system-node-critical"}, [], 1),
    ],
    ids=[
        "none",
        "empty",
        "taken back",
        "absent",
        "unchanged",
        "stopped",
        "metadata",
        "not given",
        "changed",
        "built in",
    ],
)
def test_what_is_left_alone_and_what_it_costs(
    api: Any, reply: Any, options: dict[str, Any], there: list[dict[str, Any]], asked: int
) -> None:
    cluster = Cluster(api, reply, *there)
    (done,) = cluster.apply(options)
    assert done.error is None and cluster.asked[0] == asked


@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({"run_strategy": "Halted"}, []),
        ({"run_strategy": "Halted"}, [machine(strategy="Halted")]),
        ({"run_strategy": "Always"}, [bearing(strategy="Halted")]),
        ({"memory": "2Gi"}, [bearing()]),
    ],
    ids=["new and off", "given to one that is off", "started", "changed"],
)
def test_what_would_come_to_need_it_is_refused(
    api: Any, reply: Any, options: dict[str, Any], there: list[dict[str, Any]]
) -> None:
    cluster = Cluster(api, reply, *there)
    with pytest.raises(InputError, match="PriorityClass gold is not there"):
        cluster.apply({**GOLD, **options})
    assert cluster.asked == (1, 0)


def test_who_may_not_list_them_goes_on_and_trouble_of_the_server_ends_it(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply)
    cluster.classes = reply(403, {"reason": "Forbidden", "message": "forbidden"})
    done = cluster.apply({**GOLD, "name": "one"}, {**GOLD, "name": "two"})
    assert [one.plan.action for one in done] == ["created", "created"] and cluster.asked == (1, 2)
    cluster.classes = reply(400, {"reason": "BadRequest", "message": "no"})
    with pytest.raises(ApiError, match="PriorityClass"):
        cluster.apply({**GOLD, "name": "three"})
    assert cluster.asked == (2, 2)


def test_an_item_that_fails_for_another_reason_says_that_one(api: Any, reply: Any) -> None:
    going = machine("going")
    going["metadata"]["deletionTimestamp"] = "now"
    cluster = Cluster(api, reply, going)
    (done,) = cluster.apply({**GOLD, "name": "going"})
    assert "is being deleted" in str(done.error) and cluster.asked == (0, 0)


@pytest.mark.parametrize("options", [GOLD, {"spec": {"priorityClassName": "gold"}}])
def test_an_instance_is_held_against_them_until_it_is_there(api: Any, reply: Any, options: dict[str, Any]) -> None:
    there = {**machine("old"), "spec": {"priorityClassName": "gold"}}
    cluster, client = Cluster(api, reply, there), api.client()
    kind = priority_class.checked(vmi.kind(), client)
    (done,), _found = objects.apply(client, kind, [{**GIVEN, **options, "name": "old", "labels": {"a": "b"}}], QUICK)
    assert done.plan.action == "changed" and cluster.asked == (0, 1)
    with pytest.raises(InputError, match="VirtualMachineInstance a/v: .*PriorityClass gold is not there"):
        objects.apply(client, kind, [{**GIVEN, **options}], QUICK)
    assert cluster.asked == (1, 1)


def test_a_cluster_without_a_class_offers_none(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply)
    cluster.classes = reply(body={"metadata": {}, "items": []})
    with pytest.raises(InputError, match=r"declare it in placement_priority_classes\.$"):
        cluster.apply(GOLD)
