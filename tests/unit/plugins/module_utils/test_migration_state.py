# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a machine is to be migrated, and how far its migration has come."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import migration as service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import migration_data, migration_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.migration_state import (
    Adopt,
    Cancel,
    Create,
    Later,
    Limits,
    cancellation,
    decide,
    progress,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Settings

OPTIONS = {"name": "v", "namespace": "a"}
BEGUN, ENDED = "2026-01-01T00:00:10Z", "2026-01-01T00:00:14Z"


def node(name: str, *, label: str | None = None, **spec: Any) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": label or name, "kubevirt.io/schedulable": "true"}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


NODES = {"n1": node("n1"), "n2": node("n2", label="host-2"), "n3": node("n3", unschedulable=True)}


def instance(phase: str = "Running", on: str = "n1", *, spec: Any = None, **status: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": "v", "namespace": "a", "uid": "u"}
    if status.pop("deleting", False):
        meta["deletionTimestamp"] = "now"
    conditions = [
        {"type": kind, **(found if isinstance(found, dict) else {"status": found})}
        for kind, found in status.pop("conditions", {}).items()
    ]
    return {
        "metadata": meta,
        "spec": spec or {},
        "status": {"phase": phase, "nodeName": on, "conditions": conditions, **status},
    }


def migration(phase: str = "Running", *, deleting: bool = False, vmi: str = "v", **spec: Any) -> dict[str, Any]:
    meta = {"name": "m", "namespace": "a", "uid": "mu", **({"deletionTimestamp": "now"} if deleting else {})}
    return {"metadata": meta, "spec": {"vmiName": vmi, **spec}, "status": {"phase": phase}}


def moving(**state: Any) -> dict[str, Any]:
    return {"migrationState": {"migrationUid": "mu", "sourceNode": "n1", **state}}


def decided(vmi: Any, migrations: Any = (), **options: Any) -> Any:
    return decide({**OPTIONS, **options}, vmi, list(migrations), NODES)


def test_one_that_runs_is_migrated_to_any_node_and_one_that_is_paused_too() -> None:
    assert decided(instance()) == Create({})
    assert decided(instance(conditions={"Paused": "True"})) == Create({})
    body = Create({"kubernetes.io/hostname": "host-2"}, "n2").body("m", "a", "v")
    assert body["spec"] == {"vmiName": "v", "addedNodeSelector": {"kubernetes.io/hostname": "host-2"}}


def test_a_named_node_is_told_by_its_host_name_label() -> None:
    assert decided(instance(), node="n2") == Create({"kubernetes.io/hostname": "host-2"}, "n2")
    assert decided(instance(on="n2"), node="n2") is None


@pytest.mark.parametrize(
    ("vmi", "options", "why"),
    [
        (None, {}, "has no instance"),
        (instance("Succeeded"), {}, "its instance is Succeeded"),
        (instance(deleting=True), {}, "its instance ends"),
        (instance("Scheduling"), {}, "cannot be migrated yet: its instance is Scheduling"),
        (instance(), {"node": "n9"}, "there is no such node"),
        (instance(), {"node": "n3"}, "is cordoned"),
        (instance(spec={"nodeSelector": {"disk": "fast"}}), {"node": "n2"}, "lacks the label disk=fast"),
        (
            instance(conditions={"LiveMigratable": {"status": "False", "reason": "Disks", "message": "not shared"}}),
            {},
            "Disks: not shared",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_reason_and_way_out(vmi: Any, options: Any, why: str) -> None:
    with pytest.raises(Refused) as refused:
        decided(vmi, **options)
    assert why in str(refused.value) and "VirtualMachine a/v" in str(refused.value) and refused.value.fix


def test_one_on_its_own_node_needs_not_be_migratable() -> None:
    stuck = instance(conditions={"LiveMigratable": {"status": "False"}})
    assert decided(stuck, node="n1") is None


def test_one_under_way_is_adopted_unless_it_goes_elsewhere() -> None:
    to_n2 = migration(addedNodeSelector={"kubernetes.io/hostname": "host-2"})
    assert decided(instance(), [migration("Succeeded"), migration()]) == Adopt(migration())
    assert decided(instance(), [to_n2], node="n2") == Adopt(to_n2)
    assert decided(instance(**moving(targetNode="n2")), [migration()], node="n2") == Adopt(migration())
    for vmi, found, why in (
        (instance(), migration("Pending"), "to a node that is not chosen yet"),
        (instance(**moving(targetNode="n2")), migration(), "migrates to n2 already"),
    ):
        with pytest.raises(Refused, match=why):
            decided(vmi, [found], node="n1")


def test_of_two_that_were_made_at_one_moment_the_younger_gives_way() -> None:
    def made(name: str, at: str, phase: str = "Pending", **more: Any) -> dict[str, Any]:
        one = migration(phase, **more)
        return {**one, "metadata": {**one["metadata"], "name": name, "creationTimestamp": at}}

    first, second, twin = made("b", "09:00"), made("a", "09:01"), made("c", "09:00")
    everyone = [second, twin, first]
    assert [migration_state.elder(own, everyone) for own in (first, second, twin)] == [None, first, first]
    for other in (made("b", "09:00", "Succeeded"), made("b", "09:00", deleting=True)):
        assert migration_state.elder(second, [other, second]) is None
    assert migration_state.elder(made("a", "09:01", "Scheduling"), [first]) is None


def test_one_that_is_cancelled_has_to_go_first() -> None:
    assert isinstance(decided(instance(), [migration(deleting=True)]), Later)


def test_cancelled_ends_what_is_under_way_and_nothing_else() -> None:
    assert decided(instance(), state="cancelled") is None
    assert decided(None, state="cancelled") is None
    assert decided(instance(), [migration("Failed")], state="cancelled") is None
    assert decided(instance(), [migration()], state="cancelled") == Cancel(migration())
    ending = migration(deleting=True)
    assert decided(instance(), [ending], state="cancelled") == Cancel(ending, begun=True)


def come(vmi: Any, found: Any, pod: Any = None) -> tuple[str, str, float]:
    got = progress(vmi, "u", "n1", found, pod, grace=60)
    return got.end, got.why, got.after


READY_SINCE = {"status": "True", "lastTransitionTime": ENDED}
STALE = {"status": "True", "lastTransitionTime": BEGUN}


def test_it_has_arrived_when_it_is_ready_on_the_other_node() -> None:
    over = moving(endTimestamp=ENDED, completed=True)
    done = migration("Succeeded")
    assert come(instance(on="n2", conditions={"Ready": READY_SINCE}, **over), done) == ("arrived", "", 0.0)
    assert come(instance(on="n2", conditions={"Ready": "False"}, **over), done)[0] == ""
    assert come(instance(on="n1", conditions={"Ready": READY_SINCE}, **over), done)[0] == ""
    assert come(instance(on="n2", conditions={"Ready": "False", "Paused": "True"}, **over), done)[0] == "arrived"


def test_readiness_from_before_the_end_counts_only_once_it_has_lasted() -> None:
    end, _why, after = come(
        instance(on="n2", conditions={"Ready": STALE}, **moving(endTimestamp=ENDED)), migration("Succeeded")
    )
    assert end == "arrived" and after > 0


@pytest.mark.parametrize(
    ("vmi", "found", "why"),
    [
        (None, migration(), "its instance ended"),
        ({**instance(), "metadata": {"uid": "other"}}, migration(), "its instance ended"),
        (instance("Failed"), migration(), "its guest ended"),
        (instance(), None, "its migration was deleted by somebody"),
        (instance(**moving(failureReason="no route")), migration("Failed"), "no route"),
        (instance(migrationState={"migrationUid": "old", "failureReason": "x"}), migration("Failed"), "gave no reason"),
    ],
)
def test_it_fails_at_once(vmi: Any, found: Any, why: str) -> None:
    end, told, after = come(vmi, found)
    assert end == "failed" and why in told and after == 0.0


def pod(reason: str = "Unschedulable") -> dict[str, Any]:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": reason, "message": "0/3 nodes are available"}
    return {"metadata": {"name": "p"}, "status": {"conditions": [scheduled]}}


def test_a_target_pod_that_no_node_takes_fails_after_the_grace() -> None:
    end, why, after = come(instance(), migration("Scheduling"), pod())
    assert (end, after) == ("failed", 60) and "0/3 nodes are available" in why
    assert come(instance(), migration("Scheduling"), pod("SchedulingGated"))[0] == ""
    quota = migration("Pending")
    quota["status"]["conditions"] = [{"type": "migrationRejectedByResourceQuota", "status": "True"}]
    assert come(instance(), quota)[0] == "failed"


@pytest.mark.parametrize(
    ("vmi", "known", "current", "end"),
    [
        (instance(), migration(), migration(), ""),
        (instance(), migration(), None, "cancelled"),
        (instance(), migration(), migration("Failed"), "cancelled"),
        (instance(), migration(), migration("Succeeded"), "arrived"),
        (instance(**moving(completed=True)), migration(), None, "arrived"),
        (instance(**moving(completed=True, failed=True)), migration(), None, "cancelled"),
    ],
)
def test_a_cancellation_may_come_too_late(vmi: Any, known: Any, current: Any, end: str) -> None:
    assert cancellation(vmi, known, current).end == end


def test_limits_are_kubevirts_unless_the_task_names_one() -> None:
    assert Limits.of(None) == Limits(5, 2)
    stated = {"spec": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 1}}}}
    assert Limits.of(stated) == Limits(1, 2)
    assert Limits(5, 2).allow("n1", ["n1", "n2"]) and not Limits(5, 2).allow("n1", ["n1", "n1"])
    assert not Limits(2, None).allow("n1", ["n2", "n3"]) and Limits(3, None).allow("n1", ["n1", "n1"])


def test_a_summary_says_what_kubevirt_tells_and_no_more() -> None:
    state = moving(startTimestamp=BEGUN, endTimestamp=ENDED, mode="PreCopy", targetNode="n2")
    found = migration_state.summary(instance(**state), migration("Succeeded"))
    assert (found["seconds"], found["mode"], found["target_node"]) == (4.0, "PreCopy", "n2")
    assert found["downtime_seconds"] is None
    assert migration_state.summary(instance(), migration("Pending"))["seconds"] is None


METRICS = """# HELP kubevirt_vmi_migration_data_remaining_bytes The remaining guest OS data to be migrated to the new VM.
# TYPE kubevirt_vmi_migration_data_remaining_bytes gauge
kubevirt_vmi_migration_data_remaining_bytes{name="v",namespace="a",node="n1"} 1.5e+06 1700000000000
kubevirt_vmi_migration_data_processed_bytes{node="n1",namespace="a",name="v"} 2048
kubevirt_vmi_migration_data_bytes_total{name="w",namespace="a",node="n1"} 7
kubevirt_vmi_migration_data_total_bytes{name="v",namespace="a",node="n1"} 9
"""


def test_figures_are_read_by_machine_from_metrics() -> None:
    found = migration_data.parse(METRICS)
    assert found == {
        ("a", "v"): {"remaining_bytes": 1500000, "processed_bytes": 2048},
        ("a", "w"): {"total_bytes": 7},
    }


def test_figures_that_nobody_tells_are_none_with_the_reason(api: Any, reply: Any) -> None:
    api.says(reply(403, {"message": "pods is forbidden"}))
    (data,) = migration_data.read(api.client(), {("a", "v"): "n1"}).values()
    assert data["remaining_bytes"] is None and data["source"] is None and "forbidden" in data["why"]


def test_one_whose_answer_was_lost_is_known_as_the_tasks_own(api: Any, reply: Any) -> None:
    # KubeVirt refuses the second attempt for the migration that the first one made.
    def theirs(_asked: Any) -> Any:
        name = next(asked.body["metadata"]["name"] for asked in api.asked if asked.method == "POST")
        made = {**migration("Pending"), "metadata": {"name": name, "namespace": "a", "uid": "mu"}}
        return reply(body={"metadata": {"resourceVersion": "2"}, "items": [made]})

    vmi = instance()
    vmi["metadata"]["resourceVersion"] = "1"
    refusal = {"message": "in-flight migration detected. Active migration job (mu) is currently already in progress."}
    empty = {"metadata": {"resourceVersion": "1"}, "items": []}
    api.says(reply(body=vmi), reply(body=empty), reply(cut=True), reply(400, refusal), theirs, reply(body=vmi))
    (task,) = service.apply(api.client(), [OPTIONS], Settings(wait=False), service.How())
    assert task.error is None and task.changed and task.ours and task.outcome == "in_flight"


def test_cancelling_on_a_machine_that_does_not_exist_is_no_success(api: Any, reply: Any) -> None:
    empty = {"metadata": {"resourceVersion": "1"}, "items": []}
    missing = {"reason": "NotFound", "message": "not found"}
    api.says(reply(404, missing), reply(body=empty), reply(404, missing))
    (task,) = service.apply(api.client(), [{**OPTIONS, "state": "cancelled"}], Settings(), service.How())
    assert "does not exist" in str(task.error) and len(api.asked) == 3
    # One that is stopped has nothing to be cancelled.
    api.says(reply(404, missing), reply(body=empty), reply(body={"metadata": {"name": "v"}}))
    (task,) = service.apply(api.client(), [{**OPTIONS, "state": "cancelled"}], Settings(), service.How())
    assert task.error is None and not task.changed
