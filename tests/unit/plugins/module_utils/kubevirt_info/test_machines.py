# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing is changed about a machine of a cluster that is whole, and just its finding appears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ha_world import HOST, REQUIRED, World, budget, claim, volume, whole_world

Break = Callable[[World], object]
Object = dict[str, Any]
NAME = "web-1"


def spec(**changes: Any) -> Break:
    return lambda world: world.change_spec(NAME, **changes)


def domain(**changes: Any) -> Break:
    def apply(world: World) -> None:
        found = world.get("vmis", NAME)["spec"]["domain"]
        world.change_spec(NAME, domain={**found, **changes})

    return apply


def devices(**changes: Any) -> Break:
    def apply(world: World) -> None:
        found = world.get("vmis", NAME)["spec"]["domain"]["devices"]
        domain(devices={**found, **changes})(world)

    return apply


def relabel(key: str, value: str | None, *names: str) -> Break:
    def apply(world: World) -> None:
        for name in names:
            found = world.get("nodes", name)["metadata"]["labels"]
            found.pop(key, None)
            if value is not None:
                found[key] = value

    return apply


def all_of(*breaks: Break) -> Break:
    def apply(world: World) -> None:
        for one in breaks:
            one(world)

    return apply


def disk(*modes: str, on: str = "", storage_class: str = "shared", **source: Any) -> Break:
    """Gives the machine another claim and volume."""

    def apply(world: World) -> None:
        world.remove("claims", f"{NAME}-root")
        world.remove("volumes", f"pv-shop-{NAME}-root")
        world.add("claims", claim("shop", f"{NAME}-root", *modes, storage_class=storage_class))
        world.add("volumes", volume("shop", f"{NAME}-root", *modes, on=on, **source))

    return apply


def extra_volume(**source: Any) -> Break:
    def apply(world: World) -> None:
        found = world.get("vmis", NAME)["spec"]["volumes"]
        world.change_spec(NAME, volumes=[*found, {"name": "more", **source}])

    return apply


def node_affinity(*values: str, operator: str = "In") -> Object:
    rule = {"matchExpressions": [{"key": HOST, "operator": operator, "values": list(values)}]}
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [rule]}}}


def apart(group: str) -> Object:
    term = {"labelSelector": {"matchLabels": {"kubevirt-ha.virtops/one-per-node": group}}, "topologyKey": HOST}
    return {"podAntiAffinity": {REQUIRED: [term]}}


def group_of(size: int) -> Break:
    """A group of which one per node must run, on nodes 1 to `size`."""

    def apply(world: World) -> None:
        for number in range(1, size + 1):
            name = f"db-{number}"
            world.machine(name, f"n{number}", labels={"kubevirt-ha.virtops/one-per-node": "db"})
            world.change_spec(name, affinity=apart("db"))

    return apply


def strategy(name: str) -> Break:
    return lambda world: world.get("vms", NAME)["spec"].update(runStrategy=name)


def configuration(**changes: Any) -> Break:
    return lambda world: world.get("kubevirts", "kubevirt")["spec"]["configuration"].update(changes)


def quota(hard: Object, used: Object, **more: Any) -> Break:
    item = {"metadata": {"namespace": "shop", "name": "limits"}, "spec": {"hard": hard, **more}}
    return lambda world: world.add("quotas", {**item, "status": {"hard": hard, "used": used}})


def launcher_budget(**rule: Any) -> Break:
    return lambda world: world.add("budgets", budget("shop", "web", {"kubevirt.io": "virt-launcher"}, **rule))


def state_claim(*modes: str, on: str = "") -> Break:
    def apply(world: World) -> None:
        name = f"persistent-state-for-{NAME}-x7k2p"
        world.add("claims", claim("shop", name, *modes, labels={"persistent-state-for": NAME}))
        world.add("volumes", volume("shop", name, *modes, on=on))

    return apply


TPM = devices(tpm={"persistent": True})
EFI = domain(firmware={"bootloader": {"efi": {"persistent": True}}})
GPU = devices(gpus=[{"name": "gpu1", "deviceName": "example.com/gpu"}])
OTHERS = ("n2", "n3", "n4", "n5", "n6")
MODEL = "cpu-model.node.kubevirt.io/Haswell"
TAINT = {"spec": {"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]}}


def tainted(*names: str) -> Break:
    def apply(world: World) -> None:
        for name in names:
            world.get("nodes", name).update(TAINT)

    return apply


def gpu_on(*names: str) -> Break:
    def apply(world: World) -> None:
        for item in world.objects["nodes"]:
            if item["metadata"]["name"] not in names:
                del item["status"]["allocatable"]["example.com/gpu"]

    return apply


def class_says(failover: str) -> Break:
    marks = {"annotations": {"kubevirt-ha.virtops/failover": failover}}
    return lambda world: world.get("storage_classes", "shared")["metadata"].update(marks)


CASES: list[tuple[Break, set[str]]] = [
    # Disks
    (disk("ReadWriteMany", on="n1"), {"vm-local-disk"}),
    (disk("ReadWriteOnce", on="n1", local={"path": "/d"}), {"vm-local-disk"}),
    (disk("ReadWriteOnce", hostPath={"path": "/d"}), {"vm-local-disk"}),
    (class_says("false"), {"vm-local-disk"}),
    (class_says("true"), set()),
    (disk("ReadWriteMany", hostPath={"path": "/shared"}), set()),
    (disk("ReadWriteOnce"), {"vm-rwo-claim"}),
    (disk("ReadWriteOncePod"), {"vm-rwo-claim"}),
    (disk("ReadOnlyMany"), {"vm-rwo-claim"}),
    (
        all_of(
            disk("ReadOnlyMany"),
            spec(volumes=[{"name": "root", "persistentVolumeClaim": {"claimName": f"{NAME}-root", "readOnly": True}}]),
        ),
        set(),
    ),
    (extra_volume(hostDisk={"path": "/d/disk.img"}), {"vm-local-disk"}),
    (extra_volume(hostDisk={"path": "/d/disk.img", "shared": True}), set()),
    (extra_volume(containerDisk={"image": "i"}), {"vm-ephemeral-disk"}),
    (extra_volume(emptyDisk={"capacity": "1Gi"}), {"vm-ephemeral-disk"}),
    (
        all_of(extra_volume(containerDisk={"image": "i"}), devices(disks=[{"name": "more", "cdrom": {"bus": "sata"}}])),
        set(),
    ),
    (extra_volume(cloudInitNoCloud={"userData": "x"}), set()),
    # Where it may run
    (spec(nodeSelector={HOST: "n1"}), {"vm-one-node"}),
    (spec(affinity=node_affinity("n1")), {"vm-one-node"}),
    (spec(affinity=node_affinity("n1", "n2")), set()),
    (spec(affinity=node_affinity(*OTHERS, operator="NotIn")), {"vm-one-node"}),
    (spec(nodeSelector={HOST: "n9"}), {"vm-no-node"}),
    (tainted(*OTHERS), {"vm-nodes-single"}),
    (
        all_of(tainted("n2", "n3", "n4", "n5"), spec(nodeSelector={"zone": "x"}), relabel("zone", "x", "n1", "n2")),
        {"vm-one-node"},
    ),
    (relabel(MODEL, None, *OTHERS), {"vm-cpu-model"}),
    (relabel(MODEL, None, "n1", *OTHERS), {"vm-no-node"}),
    (domain(cpu={"model": "host-model"}), set()),
    (
        all_of(
            domain(cpu={"model": "Haswell", "dedicatedCpuPlacement": True}), relabel("cpumanager", "false", *OTHERS)
        ),
        {"vm-dedicated-cpus"},
    ),
    (domain(cpu={"model": "Haswell", "dedicatedCpuPlacement": True}), set()),
    (GPU, {"vm-host-device"}),
    (all_of(GPU, gpu_on("n1")), {"vm-host-device", "vm-host-device-one-node"}),
    (all_of(GPU, gpu_on()), {"vm-host-device", "vm-no-node"}),
    (devices(hostDevices=[{"name": "d", "deviceName": "example.com/gpu"}]), {"vm-host-device"}),
    # Whether it comes back
    (strategy("Manual"), {"vm-run-strategy"}),
    (strategy("Once"), {"vm-run-strategy"}),
    (strategy("Halted"), {"vm-run-strategy"}),
    (strategy("RerunOnFailure"), set()),
    (lambda world: world.halt(NAME), set()),
    (lambda world: world.halt(NAME, "Manual"), set()),
    (lambda world: world.halt(NAME, "RerunOnFailure"), {"vm-stopped-rerun"}),
    (lambda world: world.halt(NAME, "Always"), {"vm-not-ready"}),
    (
        all_of(strategy("Halted"), lambda world: world.get("vmis", NAME)["metadata"].update(deletionTimestamp="x")),
        set(),
    ),
    (
        lambda world: (world.remove("vms", NAME), world.get("vmis", NAME)["metadata"].pop("ownerReferences")),
        {"vm-standalone"},
    ),
    (
        lambda world: (
            world.remove("vms", NAME),
            world.get("vmis", NAME)["metadata"]["ownerReferences"][0].update(kind="VirtualMachineInstanceReplicaSet"),
        ),
        set(),
    ),
    (lambda world: world.get("vms", NAME)["status"].pop("ready"), {"vm-not-ready"}),
    (
        lambda world: (
            world.remove("vms", NAME),
            world.get("vmis", NAME)["metadata"].pop("ownerReferences"),
            world.get("vmis", NAME)["status"]["conditions"].clear(),
        ),
        {"vm-standalone", "vm-not-ready"},
    ),
    (lambda world: world.get("vms", NAME)["status"].update(printableStatus="Paused"), set()),
    (spec(priorityClassName="urgent"), {"vm-priority-class-unknown"}),
    (spec(priorityClassName=""), {"vm-priority-class-unset"}),
    (
        all_of(spec(priorityClassName=""), lambda w: w.get("priority_classes", "important").update(globalDefault=True)),
        set(),
    ),
    (group_of(5), set()),
    (group_of(6), {"vm-group-fills-nodes"}),
    # Migration and drains
    (spec(evictionStrategy="None"), {"vm-eviction-strategy"}),
    (spec(evictionStrategy=""), {"vm-eviction-strategy"}),
    (all_of(spec(evictionStrategy=""), configuration(evictionStrategy="LiveMigrateIfPossible")), set()),
    (spec(evictionStrategy="External"), set()),
    (
        all_of(
            lambda world: world.refuse(NAME, "LiveMigratable", "InterfaceNotLiveMigratable"),
            spec(evictionStrategy="LiveMigrateIfPossible"),
        ),
        {"vm-not-migratable"},
    ),
    (
        lambda world: world.refuse(NAME, "LiveMigratable", "InterfaceNotLiveMigratable"),
        {"vm-not-migratable", "vm-drain-blocked"},
    ),
    (
        all_of(disk("ReadWriteOnce"), lambda world: world.refuse(NAME, "LiveMigratable", "DisksNotLiveMigratable")),
        {"vm-rwo-claim", "vm-drain-blocked"},
    ),
    (
        lambda world: world.refuse(NAME, "LiveMigratable", "DisksNotLiveMigratable"),
        {"vm-not-migratable", "vm-drain-blocked"},
    ),
    (
        all_of(GPU, lambda world: world.refuse(NAME, "LiveMigratable", "HostDeviceNotLiveMigratable")),
        {"vm-host-device", "vm-drain-blocked"},
    ),
    (lambda world: world.refuse(NAME, "StorageLiveMigratable", "NotMigratable"), {"vm-storage-not-migratable"}),
    (domain(cpu={"model": "host-passthrough"}), {"vm-host-cpu"}),
    (
        all_of(
            domain(cpu={"model": "host-passthrough"}),
            relabel("host-model-cpu.node.kubevirt.io/Icelake-Server", "true", "n1", "n4"),
        ),
        set(),
    ),
    (
        all_of(domain(cpu={"model": "host-model"}), relabel("host-model-cpu.node.kubevirt.io/EPYC", "true", "n1")),
        {"vm-host-cpu"},
    ),
    (
        all_of(
            domain(cpu={"model": "host-model"}),
            relabel("host-model-cpu.node.kubevirt.io/EPYC", "true", "n1"),
            relabel("cpu-model-migration.node.kubevirt.io/EPYC", "true", "n1", "n2"),
        ),
        set(),
    ),
    (TPM, {"vm-state-not-shared"}),
    (all_of(TPM, configuration(vmStateStorageClass="shared")), set()),
    (all_of(EFI, state_claim("ReadWriteOnce")), {"vm-state-not-shared"}),
    (all_of(EFI, state_claim("ReadWriteMany")), set()),
    (all_of(TPM, state_claim("ReadWriteOnce", on="n1")), {"vm-local-disk"}),
    (devices(tpm={}), set()),
    (quota({"requests.memory": "8Gi"}, {"requests.memory": "8Gi"}), {"vm-quota"}),
    (quota({"limits.memory": "8Gi"}, {"limits.memory": "6Gi"}), {"vm-quota"}),
    (quota({"requests.memory": "32Gi"}, {"requests.memory": "8Gi"}), set()),
    (quota({"pods": "2"}, {"pods": "2"}), {"vm-quota"}),
    (quota({"cpu": "2"}, {"cpu": "1500m"}), {"vm-quota"}),
    (quota({"persistentvolumeclaims": "2"}, {"persistentvolumeclaims": "2"}), set()),
    (quota({"pods": "2"}, {"pods": "2"}, scopes=["BestEffort"]), set()),
    (quota({"pods": "2"}, {"pods": "2"}, scopes=["NotTerminating"]), {"vm-quota"}),
    (
        quota(
            {"pods": "2"},
            {"pods": "2"},
            scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["other"]}]},
        ),
        set(),
    ),
    (launcher_budget(maxUnavailable=1), {"vm-pdb-blocks"}),
    (launcher_budget(minAvailable="50%"), {"vm-pdb-blocks"}),
    (launcher_budget(minAvailable=2), {"vm-pdb-blocks"}),
    (launcher_budget(minAvailable=1), set()),
    (
        all_of(
            launcher_budget(minAvailable=2),
            lambda world: world.get("budgets", "web")["metadata"].update(
                ownerReferences=[{"kind": "VirtualMachineInstance", "name": NAME}]
            ),
        ),
        set(),
    ),
]
FOUND_THERE = set().union(*(expected for _break, expected in CASES))


@pytest.mark.parametrize(("broken", "expected"), CASES)
def test_each_fault_of_a_machine_is_found_and_nothing_else(broken: Break, expected: set[str]) -> None:
    world = whole_world()
    broken(world)
    assert world.ids() == expected


@pytest.mark.parametrize("broken", [disk("ReadWriteOnce"), spec(nodeSelector={HOST: "n1"}), strategy("Manual"), GPU])
def test_only_the_machine_with_the_fault_is_named(broken: Break) -> None:
    world = whole_world()
    broken(world)
    assert {thing.name for finding in world.findings() for thing in finding.things} == {NAME}


def test_a_finding_says_which_disk_and_which_node() -> None:
    world = whole_world()
    disk("ReadWriteOnce", on="n1")(world)
    spec(nodeSelector={HOST: "n1"})(world)
    assert world.one("vm-local-disk").things[0].detail == f"claim {NAME}-root"
    assert world.one("vm-one-node").things[0].detail == "only n1"
    assert world.one("vm-one-node").why == "its node selector, affinity and tolerations leave it one node"


def test_a_node_that_is_down_or_cordoned_does_not_make_rules_narrower() -> None:
    world = whole_world()
    spec(affinity=node_affinity("n1", "n2"))(world)
    world.get("nodes", "n2")["spec"]["unschedulable"] = True
    relabel("kubevirt.io/schedulable", "false", "n2")(world)
    assert world.ids() == {"node-cordoned", "capacity-node"}


def test_after_a_migration_the_pods_own_rules_do_not_count_as_the_machines() -> None:
    world = whole_world()
    launcher = world.get("pods", f"virt-launcher-{NAME}")
    launcher["metadata"]["labels"]["kubevirt.io/migrationJobUID"] = "x"
    launcher["spec"]["affinity"] = node_affinity(*OTHERS, operator="NotIn")
    launcher["spec"]["nodeSelector"]["cpu-model-migration.node.kubevirt.io/EPYC"] = "true"
    assert world.ids() == set()


def test_a_claim_is_not_local_because_there_is_one_node_only() -> None:
    world = whole_world()
    for name in OTHERS:
        relabel("kubevirt.io/schedulable", None, name)(world)
    disk("ReadWriteOnce")(world)
    assert {"vm-nodes-single", "vm-rwo-claim"} <= world.ids()


def test_a_stopped_machine_without_a_cpu_model_asks_for_none() -> None:
    world = whole_world()
    domain(cpu={})(world)
    world.halt(NAME, "Always")
    assert world.ids() == {"vm-not-ready"}


def test_a_stopped_machine_is_judged_by_its_template() -> None:
    world = whole_world()
    spec(nodeSelector={HOST: "n1"}, evictionStrategy="")(world)
    world.halt(NAME, "Always")
    assert world.ids() == {"vm-one-node", "vm-eviction-strategy", "vm-not-ready"}
