# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How everything leaves a node that is drained, what blocks, and what has become of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import drain, drain_plan, drain_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_node import Limits
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_plan import Blocker, Departure, Facts, Wishes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drain_state import Reply, Seen
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Answer, api_error

KEY = ("a", "v")


def node(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "kubevirt.io/schedulable": "true"}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"cpu": "4", "memory": "8Gi"}}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


NODES = [node("n1"), node("n2")]


def instance(strategy: str | None, *, stuck: bool = False, uid: str = "u", on: str | None = "n1", **spec: Any) -> Any:
    conditions = [{"type": "LiveMigratable", "status": "False", "reason": "Disks"}] if stuck else []
    return {
        "metadata": {"name": "v", "namespace": "a", "uid": uid, "ownerReferences": spec.pop("owners", [])},
        "spec": {**({"evictionStrategy": strategy} if strategy else {}), **spec},
        "status": {"phase": "Running", "conditions": conditions, **({"nodeName": on} if on else {})},
    }


def launcher(name: str = "p", on: str = "n1", **meta: Any) -> dict[str, Any]:
    labels, annotations = {"kubevirt.io": "virt-launcher"}, {"kubevirt.io/domain": "v"}
    requests = {"requests": {"memory": "2Gi"}}
    return {
        "metadata": {"name": name, "namespace": "a", "labels": labels, "annotations": annotations, **meta},
        "spec": {"nodeName": on, "volumes": [{"name": "x", "emptyDir": {}}], "containers": [{"resources": requests}]},
        "status": {"phase": "Running"},
    }


def facts(vmi: Any, run_strategy: str | None = "Always", nodes: Any = None, pods: Any = None) -> Facts:
    vm = {"metadata": {"name": "v"}, "spec": {"runStrategy": run_strategy}}
    return Facts({KEY: vmi}, {KEY: vm} if run_strategy else {}, nodes or NODES, frozenset({"n1"}), pods)


def leaves(vmi: Any, known: Facts | None = None, **wishes: Any) -> str:
    """`way fate`, or `blocked` with what it says."""
    found = drain_plan.departure(vmi, launcher(), known or facts(vmi), Wishes(**wishes))
    return f"blocked: {found.why}; {found.fix}" if isinstance(found, Blocker) else f"{found.way} {found.fate}"


LONELY = [node("n1"), node("n2", unschedulable=True)]
# The columns: what the task says of machines that cannot be migrated.
COLUMNS = ("fail", "shutdown", "restart")
TABLE = [
    ("LiveMigrate", False, "Always", NODES, ("migrate migrated",) * 3),
    ("LiveMigrate", True, "Always", NODES, ("blocked", "shutdown shut_down", "restart restarted")),
    ("LiveMigrate", False, "Always", LONELY, ("blocked", "shutdown shut_down", "blocked")),
    ("LiveMigrate", True, "Once", NODES, ("blocked", "shutdown shut_down", "blocked")),
    ("LiveMigrateIfPossible", False, "Manual", NODES, ("migrate migrated",) * 3),
    ("LiveMigrateIfPossible", True, "Always", NODES, ("evict restarted",) * 3),
    ("LiveMigrateIfPossible", True, "Manual", NODES, ("blocked", "shutdown shut_down", "restart restarted")),
    ("None", False, "Always", NODES, ("evict restarted",) * 3),
    ("None", False, "Always", LONELY, ("blocked", "shutdown shut_down", "blocked")),
    ("None", False, "RerunOnFailure", NODES, ("blocked", "shutdown shut_down", "restart restarted")),
    ("None", False, "Manual", NODES, ("blocked", "shutdown shut_down", "restart restarted")),
    ("None", False, "Once", NODES, ("blocked", "shutdown shut_down", "blocked")),
    (None, False, "Always", NODES, ("evict restarted",) * 3),
    ("External", True, "Always", LONELY, ("external external",) * 3),
]


@pytest.mark.parametrize(("strategy", "stuck", "run_strategy", "nodes", "expected"), TABLE)
def test_how_a_machine_leaves(strategy: Any, stuck: bool, run_strategy: str, nodes: Any, expected: Any) -> None:
    vmi = instance(strategy, stuck=stuck)
    known = facts(vmi, run_strategy, nodes)
    found = tuple(leaves(vmi, known, non_migratable=choice).split(":")[0] for choice in COLUMNS)
    assert found == expected


def test_what_blocks_says_why_and_the_way_out() -> None:
    assert "it is not live-migratable: Disks" in leaves(instance("LiveMigrate", stuck=True))
    alone = instance("LiveMigrate")
    assert "no other node takes it: n2 is cordoned" in leaves(alone, facts(alone, "Always", LONELY))
    manual = instance("None")
    told = leaves(manual, facts(manual, "Manual"))
    assert "run strategy Manual does not start it anew" in told and "non_migratable: shutdown or restart" in told


@pytest.mark.parametrize(("run_strategy", "nodes"), [("Always", LONELY), ("Once", NODES)])
def test_a_restart_is_offered_only_where_it_helps(run_strategy: str, nodes: Any) -> None:
    told = leaves(instance("LiveMigrate", stuck=True), facts(instance(None), run_strategy, nodes))
    assert told.endswith("choose with non_migratable: shutdown")


def test_one_that_no_other_node_has_room_for_is_not_ended() -> None:
    vmi, full = instance("None"), [{**launcher(on="n2"), "spec": {**launcher(on="n2")["spec"]}} for _number in range(4)]
    told = leaves(vmi, facts(vmi, "Always", NODES, full))
    assert "n2 has not enough memory" in told
    assert "cannot be restarted elsewhere" in leaves(vmi, facts(vmi, "Manual", NODES, full), non_migratable="restart")
    assert leaves(vmi, facts(vmi, "Always", NODES, full[:3])) == "evict restarted"


def test_an_instance_without_a_machine_is_lost_unless_something_makes_another() -> None:
    lone = instance("None")
    assert "no machine would start it anew" in leaves(lone, facts(lone, None), non_migratable="restart")
    assert leaves(lone, facts(lone, None), force=True) == "evict shut_down"
    owned = instance("None", owners=[{"kind": "VirtualMachineInstanceReplicaSet", "name": "r", "controller": True}])
    assert leaves(owned, facts(owned, None)) == "evict shut_down"
    # Its machine was deleted, and left it behind.
    orphan = instance("None", owners=[{"kind": "VirtualMachine", "name": "v", "controller": True}])
    assert "no machine would start it anew" in leaves(orphan, facts(orphan, None))
    assert leaves(instance("LiveMigrate"), facts(instance("LiveMigrate"), None)) == "migrate migrated"


def checked(api: Any, reply: Any, *pods: Any, vmi: Any = None, **answers: Any) -> Any:
    """What a drain of n1 says in check mode; `answers` are those to a read of the machine, and to each eviction."""

    def reply_to(asked: Any) -> Any:
        lists = {"/nodes": NODES, "/pods": pods, "/virtualmachineinstancemigrations": []}
        path = asked.path.split("?")[0]
        if asked.method == "POST":
            return answers["evicted"]
        for end, items in lists.items():
            if path.endswith(end):
                return reply(body={"metadata": {"resourceVersion": "1"}, "items": list(items)})
        return reply(body=vmi) if path.endswith("/virtualmachineinstances/v") else answers["vm"]

    api.says(*[reply_to] * 20)
    settings = drain.Settings("drained", Wishes(), Limits(60, 1, 1, 2), check=True)
    (done,) = drain.Service(api.client(), settings, ["n1"]).carry_out()
    return done


def test_a_machine_that_cannot_be_read_is_not_taken_for_none(api: Any, reply: Any) -> None:
    vmi = instance("None", owners=[{"kind": "VirtualMachine", "name": "v", "controller": True}])
    vmi["metadata"]["resourceVersion"] = "1"
    done = checked(api, reply, launcher(), vmi=vmi, vm=reply(403, {"message": "may not"}))
    assert "may not" in str(done.error) and not done.changed


def test_check_mode_counts_no_pod_that_is_leaving_already(api: Any, reply: Any) -> None:
    gone = pod(meta={"uid": "u", "deletionTimestamp": "now"})
    done = checked(api, reply, gone, evicted=reply(body={}))
    assert done.counts["evicted"] == 0, done


def pod(kind: str | None = "ReplicaSet", **parts: Any) -> dict[str, Any]:
    owners = [{"kind": kind, "name": "o", "controller": True}] if kind else []
    meta = {"name": "web", "namespace": "a", "ownerReferences": owners, **parts.pop("meta", {})}
    return {"metadata": meta, "spec": parts.pop("spec", {}), "status": parts}


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (pod(), "ordinary"),
        (pod(None), "ordinary"),
        (pod("DaemonSet"), "daemon_set"),
        (pod("Node"), "static"),
        (pod(None, meta={"annotations": {"kubernetes.io/config.mirror": "x"}}), "static"),
        (pod(phase="Succeeded"), "finished"),
        (pod(meta={"labels": {"kubevirt.io": "hotplug-disk"}}), "hotplug"),
        (launcher(), "machine"),
        ({**launcher(), "status": {"phase": "Succeeded"}}, "finished"),
    ],
)
def test_kinds_of_pods(found: Any, kind: str) -> None:
    assert drain_plan.kind_of(found) == kind


def test_pods_that_would_be_lost_block_unless_that_is_allowed() -> None:
    scratch = {"volumes": [{"name": "scratch", "emptyDir": {}}]}

    def blocked(found: Any, **wishes: Any) -> list[str]:
        return [blocker.why for blocker in drain_plan.pod_blockers(found, Wishes(**wishes))]

    assert blocked(pod()) == []
    assert blocked(pod(None)) == ["no controller would make it anew"] and blocked(pod(None), force=True) == []
    assert "scratch" in blocked(pod(spec=scratch))[0]
    assert blocked(pod(spec=scratch), delete_emptydir_data=True) == []
    assert len(blocked(pod(None, spec=scratch))) == 2
    assert blocked(pod(None, spec=scratch, meta={"deletionTimestamp": "now"})) == []


def test_a_plan_counts_what_stays_and_takes_no_pod_of_a_machine_that_is_elsewhere() -> None:
    vmi = instance("LiveMigrate", on="n2")
    plan = drain_plan.plan("n1", [launcher(), pod("DaemonSet"), pod()], facts(vmi), Wishes())
    assert plan.departures == [] and plan.blockers == [] and len(plan.pods) == 1 and plan.counts == {"daemon_set": 1}
    starting = instance("LiveMigrate", on=None)
    assert len(drain_plan.plan("n1", [launcher()], facts(starting), Wishes()).departures) == 1


WEBHOOK = 'admission webhook "virt-launcher-eviction-interceptor.kubevirt.io" denied the request: '
BUDGET = {"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "budget"),
    [
        (429, {"message": WEBHOOK + 'Eviction triggered evacuation of VMI "a/v"'}, "evacuating", ""),
        (
            429,
            {"message": WEBHOOK + 'Evacuation in progress: Eviction triggered evacuation of VMI "a/v"'},
            "evacuating",
            "",
        ),
        (429, {"message": WEBHOOK + "Eviction request for target Pod"}, "later", ""),
        (
            429,
            {"message": WEBHOOK + "VMI v is configured with an eviction strategy but is not live-migratable"},
            "stuck",
            "",
        ),
        (
            429,
            {
                "message": "Cannot evict pod as it would violate the pod's disruption budget.",
                "details": {"causes": [BUDGET]},
            },
            "budget",
            "web",
        ),
        (404, {"message": 'pods "p" not found'}, "gone", ""),
        (409, {"message": "the UID in the precondition does not match"}, "later", ""),
        (500, {"message": "This pod has more than one PodDisruptionBudget"}, "refused", ""),
        (403, {"message": "pods/eviction is forbidden"}, "refused", ""),
    ],
)
def test_answers_to_an_eviction(status: int, body: Any, kind: str, budget: str) -> None:
    found = drain_state.read_reply(api_error(Answer(status, body, None), what="w", where="Pod a/p"))
    assert (found.kind, found.budget) == (kind, budget)
    assert drain_state.read_reply(None).kind == "granted"


def migration(phase: str, uid: str = "mu") -> dict[str, Any]:
    meta = {"name": f"m-{uid}", "namespace": "a", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": meta, "spec": {"vmiName": "v"}, "status": {"phase": phase}}


def became(way: str, expected: str, **seen: Any) -> tuple[str, str, float]:
    departure = Departure(KEY, "u", way, expected)
    found = drain_state.fate(departure, "n1", Seen(**{"vmi": None, "pod": None, **seen}), attempts=2, grace=60)
    return found.end, found.why, found.after


def test_a_machine_has_migrated_when_its_old_pod_is_gone_too() -> None:
    away = instance("LiveMigrate", on="n2")
    assert became("migrate", "migrated", vmi=away)[0] == "migrated"
    assert became("migrate", "migrated", vmi=away, pod=launcher())[0] == ""


def test_a_machine_is_restarted_when_its_new_instance_runs_elsewhere() -> None:
    assert became("evict", "restarted", vmi=None)[0] == ""
    assert became("evict", "restarted", vmi=instance("None", uid="new", on=None))[0] == ""
    assert became("evict", "restarted", vmi=instance("None", uid="new", on="n2"))[0] == "restarted"
    nowhere = instance("None", uid="new", on=None)
    nowhere["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
    assert became("evict", "restarted", vmi=nowhere)[::2] == ("blocked", 60)


def test_a_machine_is_shut_down_when_instance_and_pod_have_ended() -> None:
    ended = instance("None")
    ended["status"]["phase"] = "Succeeded"
    assert became("shutdown", "shut_down", vmi=ended, pod=launcher())[0] == ""
    assert became("shutdown", "shut_down", vmi=ended)[::2] == ("shut_down", 0.0)
    assert became("shutdown", "shut_down")[::2] == ("shut_down", 0.0)
    # One that somebody else handles may come again in a moment.
    end, _why, after = became("external", "external")
    assert end == "shut_down" and after > 0


def test_a_machine_is_blocked_by_migrations_that_fail_but_not_by_old_ones() -> None:
    here, pod_here = instance("LiveMigrate"), launcher()
    failed = [migration("Failed", "1"), migration("Failed", "2")]
    end, why, _after = became("migrate", "migrated", vmi=here, pod=pod_here, migrations=failed)
    assert end == "blocked" and "its migration failed 2 times" in why
    old = frozenset({"1"})
    assert became("migrate", "migrated", vmi=here, pod=pod_here, migrations=failed, old=old)[0] == ""


def test_a_machine_is_blocked_where_no_node_takes_it_or_its_eviction_is_refused() -> None:
    here, pod_here = instance("LiveMigrate"), launcher()
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    target = {"metadata": {"name": "t"}, "status": {"conditions": [scheduled]}}
    end, why, after = became("migrate", "migrated", vmi=here, pod=pod_here, target=target)
    assert (end, after) == ("blocked", 60) and "0/3 nodes" in why
    for kind, lasts in (("stuck", 60), ("refused", 0.0)):
        assert became("migrate", "migrated", vmi=here, pod=pod_here, reply=Reply(kind, "x"))[::2] == ("blocked", lasts)
    for kind in ("evacuating", "budget", "later", "granted"):
        assert became("migrate", "migrated", vmi=here, pod=pod_here, reply=Reply(kind, "x"))[0] == ""


def test_a_budget_is_described_by_what_it_holds() -> None:
    status = {"disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2, "expectedPods": 3}
    assert drain_state.describe_budget("web", {"status": status}) == (
        "PodDisruptionBudget web allows 0 disruptions: 2 of 3 pods are healthy, 2 must be"
    )
