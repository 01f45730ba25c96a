# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_volume on a real kube-apiserver: by the machine's spec and by requests, and what is refused before it hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import KUBEVIRT, PVC, VM, VMI

Run = Callable[..., dict[str, Any]]
Make = Callable[..., Any]
OFF = {"disabledFeatureGates": ["DeclarativeHotplugVolumes"]}
BY_REQUEST = {"featureGates": ["HotplugVolumes"]}


@pytest.fixture
def plug(module: Run, namespace: str) -> Run:
    def run(*volumes: dict[str, Any], name: str = "v", **options: Any) -> dict[str, Any]:
        return module("vm_volume", name=name, namespace=namespace, volumes=list(volumes), **options)

    return run


@pytest.fixture
def gates(client: Any) -> Iterator[Callable[[Any], None]]:
    """Sets KubeVirt's feature gates for one test."""

    def put(developer: Any) -> None:
        body = {"spec": {"configuration": {"developerConfiguration": developer}}}
        client.patch(KUBEVIRT, "kubevirt", body, "kubevirt")

    yield put
    put(None)


def data(**options: Any) -> dict[str, Any]:
    return {"name": "extra", "pvc": "data", **options}


def template(client: Any, namespace: str, name: str = "v") -> tuple[dict[str, Any], dict[str, Any]]:
    """Volumes and disks of a machine's spec, by name."""
    spec = client.get(VM, name, namespace)["spec"]["template"]["spec"]
    disks = spec["domain"]["devices"]["disks"]
    return {one["name"]: one for one in spec["volumes"]}, {one["name"]: one for one in disks}


def instance(client: Any, namespace: str, name: str = "v") -> tuple[str, set[str]]:
    vmi = client.get(VMI, name, namespace)
    return vmi["metadata"]["uid"], {one["name"] for one in vmi["spec"]["volumes"]}


@pytest.mark.parametrize("developer", [None, BY_REQUEST], ids=["by spec", "by request"])
def test_plugged_in_and_pulled_out_while_the_guest_runs(
    machine: Make, claim: Make, plug: Run, gates: Make, namespace: str, client: Any, developer: Any
) -> None:
    gates(developer)
    machine(run_strategy="Always")
    claim("data"), claim("logs")
    uid = instance(client, namespace)[0]
    wanted = (data(serial="EXTRA"), {"name": "logs", "pvc": "logs", "bus": "virtio", "cache": "none"})
    foreseen = plug(*wanted, check=True, diff=True)
    assert foreseen["changed"] and foreseen["requests"]["writes"] == 0 and foreseen["diff"]
    assert "extra" not in template(client, namespace)[0]

    done = plug(*wanted)
    assert not done.get("failed") and done["changed"], done
    shown = {one["name"]: one for one in done["vms"][0]["volumes"]}
    assert all(one["plugged"] and one["phase"] == "Ready" for one in shown.values())
    assert (shown["extra"]["target"], shown["logs"]["target"]) == ("sda", "vdb")
    assert done["requests"]["writes"] == (1 if developer is None else 2)
    volumes, disks = template(client, namespace)
    assert volumes["extra"]["persistentVolumeClaim"] == {"claimName": "data", "hotpluggable": True}
    assert disks["extra"] == {"name": "extra", "disk": {"bus": "scsi"}, "serial": "EXTRA"}
    assert disks["logs"] == {"name": "logs", "disk": {"bus": "virtio"}, "cache": "none"}
    assert instance(client, namespace) == (uid, {"root", "extra", "logs"})

    again = plug(data(), {"name": "logs", "pvc": "logs"})
    assert not again["changed"] and again["requests"] == {"reads": 2, "writes": 0, "watches": 0}, again
    assert again["vms"][0]["volumes"][1]["target"] == "vdb"

    gone = plug({"name": "extra", "state": "absent"})
    assert gone["changed"] and not gone.get("failed"), gone
    assert gone["vms"][0]["volumes"][0] == {
        "name": "extra", "claim": None, "phase": None, "target": None, "plugged": False, "reason": None,
    }  # fmt: skip
    assert instance(client, namespace) == (uid, {"root", "logs"})
    assert not plug({"name": "extra", "state": "absent"})["changed"]
    conditions = client.get(VM, "v", namespace)["status"]["conditions"]
    assert "RestartRequired" not in [one["type"] for one in conditions]


def test_a_stopped_machine_gets_its_volumes_with_its_next_start(
    machine: Make, claim: Make, plug: Run, module: Run, gates: Make, namespace: str, client: Any
) -> None:
    gates(OFF)
    machine()
    claim("data")
    done = plug(data())
    assert done["changed"] and not done["vms"][0]["running"] and not done["vms"][0]["volumes"][0]["plugged"], done
    assert not plug(data())["changed"]
    assert module("vm_power", name="v", namespace=namespace, state="started")["changed"]
    assert "extra" in instance(client, namespace)[1]
    refused = plug({"name": "extra", "state": "absent"})
    assert refused["failed"] and "feature gates of this KubeVirt switch it off" in refused["msg"], refused


def test_what_is_not_hot_plugged_is_never_pulled_out(machine: Make, claim: Make, plug: Run, client: Any) -> None:
    machine(claims=(claim("data"),), run_strategy="Always")
    for name in ("root", "disk-data"):
        refused = plug({"name": name, "state": "absent"})
        assert refused["failed"] and f"volume {name} cannot be pulled out" in refused["msg"], refused
        assert "a disk that the machine is started with" in refused["msg"] and refused["requests"]["writes"] == 0
    known = plug({"name": "disk-data", "pvc": "data"})
    assert not known["changed"] and known["vms"][0]["volumes"][0]["plugged"], known


def test_a_name_or_a_claim_that_is_taken_is_refused_by_name(
    machine: Make, claim: Make, plug: Run, namespace: str
) -> None:
    machine(run_strategy="Always")
    claim("data"), claim("other")
    assert plug(data())["changed"]
    for volume, why in (
        (
            {"name": "extra", "pvc": "other"},
            "volume extra is there already, with the claim data instead of the claim other",
        ),
        ({"name": "root", "pvc": "other"}, "volume root is there already, with no claim instead of the claim other"),
        ({"name": "more", "pvc": "data"}, "it is the machine's volume extra already"),
        (data(bus="virtio"), "the disk of volume extra cannot be changed while the machine runs"),
        ({"name": "new", "pvc": "nothing"}, f"PersistentVolumeClaim {namespace}/nothing does not exist"),
        ({"name": "new", "pvc": "other", "type": "cdrom"}, "CD-ROM drive new cannot be plugged in"),
    ):
        for check in (True, False):
            refused = plug(volume, check=check)
            assert refused["failed"] and why in refused["msg"] and not refused["changed"], refused
            assert refused["requests"]["writes"] == 0


def test_a_claim_that_another_guest_writes_is_refused(machine: Make, claim: Make, plug: Run, namespace: str) -> None:
    machine(run_strategy="Always")
    machine("w", run_strategy="Always")
    claim("data")
    claim("shared", mode="ReadWriteMany")
    assert plug(data(), {"name": "shared", "pvc": "shared", "shareable": True})["changed"]
    refused = plug(data(), name="w")
    assert refused["failed"] and "(ReadWriteOnce) is plugged into v" in refused["msg"], refused
    assert "Pull it out of v first" in refused["msg"]
    refused = plug({"name": "shared", "pvc": "shared"}, name="w")
    assert refused["failed"] and "shareable: true in both" in refused["msg"], refused
    done = plug({"name": "shared", "pvc": "shared", "shareable": True}, name="w")
    assert done["vms"][0]["volumes"][0]["phase"] == "Ready", done


def test_waiting_tells_what_the_volume_waits_for(
    machine: Make, claim: Make, plug: Run, namespace: str, client: Any
) -> None:
    machine(run_strategy="Always", node_selector={"kubernetes.io/hostname": "simulated-1"})
    machine("w", run_strategy="Always", node_selector={"kubernetes.io/hostname": "simulated-2"})
    pending = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Mi"}},
        "storageClassName": "no",
    }
    meta = {"name": "pending", "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": pending}
    client.create(PVC, body, namespace)
    late = plug({"name": "slow", "pvc": "pending"}, wait_timeout=3)
    assert late["failed"] and late["changed"], late
    assert "volume slow: Pending: PVCNotReady: PVC is in phase ClaimPending" in late["msg"]
    # Plugged by hand into two machines on two nodes.
    claim("data")
    assert plug(data())["changed"]
    volume = {"name": "extra", "persistentVolumeClaim": {"claimName": "data", "hotpluggable": True}}
    spec = client.get(VM, "w", namespace)["spec"]["template"]["spec"]
    patch = {
        "volumes": [*spec["volumes"], volume],
        "domain": {
            "devices": {"disks": [*spec["domain"]["devices"]["disks"], {"name": "extra", "disk": {"bus": "scsi"}}]}
        },
    }
    client.patch(VM, "w", {"spec": {"template": {"spec": patch}}}, namespace)
    stuck = plug(data(), name="w", wait_timeout=8)
    assert stuck["failed"] and not stuck["changed"], stuck
    assert "AttachedToNode" in stuck["msg"] and "FailedAttachVolume: Multi-Attach error" in stuck["msg"]


def test_the_medium_of_a_drive_is_changed_and_taken_out(
    machine: Make, claim: Make, plug: Run, module: Run, gates: Make, namespace: str, client: Any
) -> None:
    machine()
    claim("one"), claim("two")
    assert plug({"name": "drive", "pvc": "one", "type": "cdrom"})["changed"]
    assert template(client, namespace)[1]["drive"] == {"name": "drive", "cdrom": {"bus": "sata"}}
    module("vm_power", name="v", namespace=namespace, state="started")
    changed = plug({"name": "drive", "pvc": "two"})
    assert changed["changed"] and changed["vms"][0]["volumes"][0]["claim"] == "two", changed
    assert not plug({"name": "drive", "pvc": "two"})["changed"]
    empty = plug({"name": "drive", "state": "absent"})
    assert empty["changed"] and not empty.get("failed"), empty
    volumes, disks = template(client, namespace)
    assert "drive" not in volumes and "drive" in disks
    vmi = client.get(VMI, "v", namespace)["spec"]
    assert "drive" not in [one["name"] for one in vmi["volumes"]]
    assert "drive" in [one["name"] for one in vmi["domain"]["devices"]["disks"]]
    gates(BY_REQUEST)
    refused = plug({"name": "drive", "pvc": "one"})
    assert refused["failed"] and "its CD-ROM media cannot be exchanged" in refused["msg"], refused


def test_many_at_once(machine: Make, claim: Make, module: Run, namespace: str) -> None:
    names = ["a", "b", "c"]
    for name in names:
        machine(name, run_strategy="Always")
        claim(f"data-{name}")
    vms = [{"name": name, "volumes": [{"name": "extra", "pvc": f"data-{name}"}]} for name in [*names, "nobody"]]
    done = module("vm_volume", namespace=namespace, vms=vms)
    assert done["failed"] and "1 of 4 objects failed" in done["msg"], done
    assert f"VirtualMachine {namespace}/nobody: does not exist" in done["msg"]
    assert [entry["action"] for entry in done["vms"]] == ["changed"] * 3 + ["failed"]
    # The machines, their instances, the claims, KubeVirt's gates and who else has the claims.
    assert done["requests"]["reads"] == 5 and done["requests"]["writes"] == 3
    again = module("vm_volume", namespace=namespace, vms=vms[:3])
    assert not again["changed"] and again["requests"] == {"reads": 2, "writes": 0, "watches": 0}
