# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine under another name does not meet the one it was made from, and what its guest says is held against its backup."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import guest, restore_plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import Probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import NewDisk, Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Host, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CLUSTER_INSTANCETYPE,
    INSTANCETYPE,
    PREFERENCE,
    PRIORITY_CLASS,
    SECRET,
)

ANOTHER = Wanted("shop", "web", "web-two", "shop")
SAME = Wanted("shop", "web", "web", "shop")
SETTINGS = Settings("/r", "/p", "/s", "/k", mount="/srv/shared", hosts=(Host("n1"),))


def vm(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kubevirt.io/v1",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u",
            "resourceVersion": "7",
            "labels": {"backup": "daily"},
            "annotations": {"kubevirt.io/latest": "v1", "owner": "me"},
        },
        "spec": {
            "runStrategy": "Always",
            "dataVolumeTemplates": [{"metadata": {"name": "web-root"}}],
            "instancetype": {"name": "small", "revisionName": "web-small-1"},
            "template": {
                "metadata": {"labels": {"app": "web", "kubevirt.io/domain": "web"}},
                "spec": {
                    "domain": {
                        "firmware": {"uuid": "f", "serial": "s", "bootloader": {"efi": {}}},
                        "devices": {
                            "disks": [{"name": "root"}, {"name": "dump"}, {"name": "init"}],
                            "interfaces": [
                                {"name": "default", "masquerade": {}, "macAddress": "02:00:00:00:00:01"},
                                {"name": "lan", "bridge": {}, "macAddress": "02:00:00:00:00:02"},
                            ],
                        },
                    },
                    "networks": [{"name": "default", "pod": {}}, {"name": "lan", "multus": {"networkName": "lan"}}],
                    "volumes": [
                        {"name": "root", "dataVolume": {"name": "web-root"}},
                        {"name": "dump", "memoryDump": {"claimName": "web-dump"}},
                        {"name": "init", "cloudInitNoCloud": {"secretRef": {"name": "web-init"}}},
                    ],
                },
            },
            **spec,
        },
        "status": {"ready": True},
    }


def made(wanted: Wanted, **spec: Any) -> dict[str, Any]:
    return restore_plan.machine(vm(**spec), wanted, {"root": "web-two-root"}, "shop/web@aabbccdd")[0]


def test_another_name_means_another_machine() -> None:
    body = made(ANOTHER)
    inner = body["spec"]["template"]["spec"]
    assert body["metadata"] == {
        "name": "web-two",
        "namespace": "shop",
        "annotations": {"kubevirt-ha.virtops/restored-from": "shop/web@aabbccdd"},
    }
    assert inner["domain"]["firmware"] == {"bootloader": {"efi": {}}}
    assert inner["domain"]["devices"]["interfaces"] == [{"name": "default", "masquerade": {}}]
    assert inner["networks"] == [{"name": "default", "pod": {}}]
    assert body["spec"]["template"]["metadata"]["labels"] == {"kubevirt-ha.virtops/restored": "web-two"}
    assert "status" not in body


def test_under_its_own_name_it_is_what_it_was() -> None:
    body = made(SAME)
    inner = body["spec"]["template"]["spec"]
    assert body["metadata"]["labels"] == {"backup": "daily"}
    assert body["metadata"]["annotations"]["owner"] == "me"
    assert not any(key.startswith("kubevirt.io/") for key in body["metadata"]["annotations"])
    assert inner["domain"]["firmware"]["uuid"] == "f"
    assert [one["macAddress"][-1] for one in inner["domain"]["devices"]["interfaces"]] == ["1", "2"]
    assert body["spec"]["template"]["metadata"]["labels"] == {"app": "web"}


def test_its_disks_are_the_new_claims_and_what_cannot_come_back_is_gone() -> None:
    spec = made(ANOTHER)["spec"]
    inner = spec["template"]["spec"]
    assert inner["volumes"] == [
        {"name": "root", "persistentVolumeClaim": {"claimName": "web-two-root"}},
        {"name": "init", "cloudInitNoCloud": {"secretRef": {"name": "web-init"}}},
    ]
    assert [disk["name"] for disk in inner["domain"]["devices"]["disks"]] == ["root", "init"]
    assert "dataVolumeTemplates" not in spec
    assert spec["instancetype"] == {"name": "small"}


@pytest.mark.parametrize(
    ("given", "runs", "had"),
    [
        ({}, "Always", "Always"),
        ({"runStrategy": "RerunOnFailure"}, "RerunOnFailure", "RerunOnFailure"),
        ({"runStrategy": "Halted"}, "Always", "Halted"),
        ({"runStrategy": None, "running": False}, "Always", "Halted"),
        ({"runStrategy": None, "running": True}, "Always", "Always"),
    ],
)
def test_one_that_rested_runs_until_it_is_proven(given: dict[str, Any], runs: str, had: str) -> None:
    body, strategy = restore_plan.machine(vm(**given), ANOTHER, {}, "o")
    assert (body["spec"]["runStrategy"], strategy) == (runs, had)
    assert "running" not in body["spec"]


def test_labels_and_networks_are_kept_where_that_is_asked_for() -> None:
    body = made(Wanted("shop", "web", "web-two", "shop", keep_labels=True, keep_networks=True))
    assert body["spec"]["template"]["metadata"]["labels"]["app"] == "web"
    interfaces = body["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"]
    assert [one["name"] for one in interfaces] == ["default", "lan"]
    assert "macAddress" not in interfaces[1]


@pytest.mark.parametrize(
    ("wanted", "machine", "instance", "said"),
    [
        (ANOTHER, None, None, ""),
        (ANOTHER, vm(), {"status": {"phase": "Running"}}, "runs; a restore never goes over"),
        (Wanted("shop", "web", "web", "shop", replace=True), vm(), {"status": {"phase": "Running"}}, "runs"),
        (SAME, vm(runStrategy="Halted"), None, "exists; set restore_replace"),
        (Wanted("shop", "web", "web", "shop", replace=True), vm(), None, "is about to run"),
        (Wanted("shop", "web", "web", "shop", replace=True), vm(runStrategy="Halted"), None, ""),
        (
            Wanted("shop", "web", "web", "shop", replace=True),
            vm(runStrategy="Halted"),
            {"status": {"phase": "Succeeded"}},
            "",
        ),
    ],
)
def test_a_machine_that_runs_or_exists_is_not_restored_over(
    wanted: Wanted, machine: Any, instance: Any, said: str
) -> None:
    faults = restore_plan.target_faults(wanted, machine, instance)
    assert bool(faults) == bool(said)
    assert all(said in fault for fault in faults)


@pytest.mark.parametrize(
    ("wanted", "taken", "ours", "name"),
    [
        (ANOTHER, (), (), "web-two-root"),
        (ANOTHER, ("web-two-root",), (), "web-two-root-aabb"),
        (ANOTHER, ("web-two-root",), ("web-two-root",), "web-two-root"),
        (ANOTHER, ("web-two-root", "web-two-root-aabb"), (), ""),
        (SAME, (), (), "web-root"),
        (SAME, ("web-root",), (), "web-root-2"),
    ],
)
def test_a_claim_never_takes_anothers_name(wanted: Wanted, taken: Any, ours: Any, name: str) -> None:
    found = restore_plan.claim_name("web-root", "root", wanted, "aabb", taken, ours)
    assert found == ("web-root-aabb" if name == "web-root-2" else name)


def test_claims_of_long_names_stay_apart() -> None:
    long = Wanted("shop", "web", "w" * 60, "shop")
    names = [restore_plan.claim_name("c", volume, long, "aabbccdd", (), ()) for volume in ("data-1", "data-2")]
    assert len(set(names)) == 2
    assert all(len(f"{name}-aabbccdd") <= 63 for name in names)


def test_claims_of_a_restore_that_broke_off_are_told_where_they_are_of_another_snapshot() -> None:
    def begun(origin: str) -> dict[str, Any]:
        return {"metadata": {"annotations": {"kubevirt-ha.virtops/restoring": origin}}}

    there = {
        "a": begun("shop/web@new"),
        "b": begun("shop/web@old"),
        "c": begun("shop/web-2@old"),
        "d": {"metadata": {}},
    }
    (said,) = restore_plan.left_behind(ANOTHER, "shop/web@new", there)
    assert "claim shop/b is left of a restore of snapshot old" in said


def volume(name: str, size: str, **more: Any) -> dict[str, Any]:
    spec = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "shared",
        "local": {"path": f"/srv/shared/{name}"},
        **more,
    }
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Available"}}


def test_the_smallest_free_volume_that_is_large_enough_comes_first() -> None:
    disk = NewDisk("root", "f", "c", 2 << 30, {"accessModes": ["ReadWriteMany"], "storageClassName": "shared"})
    there = [
        volume("large", "20Gi"),
        volume("small", "1Gi"),
        volume("fits", "2Gi"),
        volume("taken", "2Gi"),
        volume("claimed", "2Gi", claimRef={"name": "x"}),
        volume("other", "2Gi", storageClassName="local"),
        volume("single", "2Gi", accessModes=["ReadWriteOnce"]),
        volume("far", "2Gi", local={"path": "/elsewhere"}),
    ]
    found = restore_plan.candidates(disk, there, SETTINGS, ["taken"])
    assert [one.persistent for one in found] == ["fits", "large"]
    assert found[0].path == "/srv/shared/fits/disk.img"
    body = restore_plan.claim(found[0], ANOTHER, "o")
    assert body["spec"]["volumeName"] == "fits"
    assert body["metadata"]["annotations"] == {"kubevirt-ha.virtops/restoring": "o"}


def test_what_a_machine_needs_beside_its_disks_is_known() -> None:
    made = vm(preference={"name": "linux", "kind": "virtualmachinepreference"})
    made["spec"]["template"]["spec"]["priorityClassName"] = "gold"
    assert restore_plan.references(made) == [
        (SECRET, "web-init"),
        (PRIORITY_CLASS, "gold"),
        (CLUSTER_INSTANCETYPE, "small"),
        (PREFERENCE, "linux"),
    ]


@pytest.mark.parametrize(
    ("matcher", "kinds"),
    [
        ({"name": "small"}, [CLUSTER_INSTANCETYPE]),
        ({"name": "small", "kind": "virtualMachineInstancetypes"}, [INSTANCETYPE]),
        ({"name": "small", "kind": "VirtualMachineClusterInstancetype"}, [CLUSTER_INSTANCETYPE]),
        ({"inferFromVolume": "root"}, []),
        (None, []),
    ],
)
def test_an_instance_type_is_of_the_cluster_unless_its_kind_says_otherwise(matcher: Any, kinds: list[Any]) -> None:
    found = restore_plan.references(vm(instancetype=matcher))
    assert found == [(SECRET, "web-init"), *[(kind, "small") for kind in kinds]]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted("shop", "web", "Web_2", "shop"), "restore_as"),
        (Wanted("shop", "web", "web", "shop", snapshot="yesterday"), "restore_snapshot: yesterday"),
        (Wanted("shop", "web", "web", "shop", remove=True), "restore_remove"),
        (Wanted("shop", "web", "web", "shop", timeout=0.0), "restore_timeout: 0 must be from 1"),
        (Wanted("shop", "web", "web", "shop", probe=Probe(70000)), "restore_probe_port: 70000 is no port"),
        (Wanted("shop", "web", "web", "shop", probe=Probe(80, "/a b")), "restore_probe_path: '/a b' must be a path"),
    ],
)
def test_wrong_wishes_are_told(wanted: Wanted, said: str) -> None:
    (fault,) = wanted.faults()
    assert said in fault


@pytest.mark.parametrize(
    ("before", "after", "lost", "faults"),
    [
        ({"counter": 40, "epoch": 1}, {"counter": 43, "recovered": 41, "epoch": 2}, 0, 0),
        ({"counter": 40, "epoch": 1}, {"counter": 43, "recovered": 40, "epoch": 2}, 0, 0),
        ({"counter": 40, "epoch": 1}, {"counter": 43, "recovered": 38, "epoch": 2}, 2, 1),
        ({"counter": 40, "epoch": 1}, {"counter": 43, "recovered": 41, "epoch": 1}, 0, 1),
        ({"counter": 40}, {"text": "hello"}, None, 1),
        (None, {"counter": 5, "recovered": 4, "epoch": 2}, None, 0),
        (None, {"text": "hello"}, None, 0),
    ],
)
def test_a_restored_guest_must_be_at_or_after_its_backup(
    before: Any, after: Any, lost: int | None, faults: int
) -> None:
    found = guest.compare(before, after)
    assert (found.writes_lost, len(found.faults)) == (lost, faults)


def test_an_answer_that_is_no_object_is_kept_by_its_beginning() -> None:
    assert guest.parse("hello " * 100) == {"text": ("hello " * 100)[:80]}
    assert guest.parse('{"counter": 3}') == {"counter": 3}
    assert guest.parse("[1]") == {"text": "[1]"}
