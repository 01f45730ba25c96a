# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose disks are made with them, on a real kube-apiserver: restored and cloned, each template has a volume still.

A restore gives the DataVolume of a template another name, with its claim's; KubeVirt refuses a template that no volume
names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DATA_VOLUME, PVC, VM

Run = Callable[..., dict[str, Any]]
SOON = {"wait_timeout": 30}


@pytest.fixture
def templated(module: Run, namespace: str) -> None:
    """A stopped machine `v` with a disk of its own, and a snapshot `s` of it."""
    template = {"size": "16Mi", "storage_class": "simulated", "source": {"blank": {}}}
    disks = [
        {"name": "root", "container_disk": "registry.example.com/guest:1"},
        {"name": "data", "data_volume_template": template},
    ]
    made = module("vm", name="v", namespace=namespace, memory="64Mi", run_strategy="Halted", disks=disks, **SOON)
    assert not made.get("failed"), made["msg"]
    ready = module("data_volume", name="v-data", namespace=namespace, source={"blank": True}, size="16Mi", **SOON)
    assert not ready.get("failed"), ready["msg"]
    taken = module("vm_snapshot", name="s", namespace=namespace, vm="v", **SOON)
    assert not taken.get("failed"), taken["msg"]


def volume_of(client: Any, namespace: str, name: str) -> str:
    """The DataVolume of a machine's disk, which its template and its volume name alike, and which owns its claim."""
    vm = client.get(VM, name, namespace)
    (template,) = vm["spec"]["dataVolumeTemplates"]
    volumes = {one["name"]: one for one in vm["spec"]["template"]["spec"]["volumes"]}
    found = str(template["metadata"]["name"])
    assert volumes["data"]["dataVolume"]["name"] == found
    (owner,) = client.get(PVC, found, namespace)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == (DATA_VOLUME.kind, found)
    volume = client.get(DATA_VOLUME, found, namespace)
    assert volume["status"]["phase"] == "Succeeded"
    (owner,) = volume["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == (VM.kind, name)
    return found


@pytest.mark.usefixtures("templated")
@pytest.mark.parametrize("in_place", [False, True])
def test_a_restore_gives_the_machine_a_volume_of_its_templates(
    module: Run, namespace: str, client: Any, in_place: bool
) -> None:
    before = client.get(PVC, "v-data", namespace)["metadata"]["uid"]
    policy = {"volume_restore_policy": "InPlace"} if in_place else {}
    done = module("vm_restore", name="r", namespace=namespace, snapshot="s", vm="v", **SOON, **policy)
    assert not done.get("failed"), done["msg"]
    found = volume_of(client, namespace, "v")
    assert (found == "v-data") is in_place
    assert client.get(PVC, found, namespace)["metadata"]["uid"] != before
    (entry,) = done["restores"]
    assert entry["deleted_data_volumes"] == ([] if in_place else ["v-data"])
    if not in_place:
        assert client.find(DATA_VOLUME, "v-data", namespace) is None


@pytest.mark.usefixtures("templated")
def test_a_clone_has_a_volume_of_its_own(module: Run, namespace: str, client: Any) -> None:
    done = module("vm_clone", name="w", namespace=namespace, vm="v", **SOON)
    assert not done.get("failed"), done["msg"]
    assert volume_of(client, namespace, "v") == "v-data"
    assert volume_of(client, namespace, "w") != "v-data"
