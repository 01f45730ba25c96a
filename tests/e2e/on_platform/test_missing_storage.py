# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node boots without the shared file system: no machine starts on it, and nothing is written where it should be."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import platform_lab as platform
import pytest
from demo_run import LAB, REPOSITORY

NODE = "n2"
UNIT = "kubevirt-ha-shared-storage.service"
MOUNT = "/srv/kubevirt-ha/shared"
STOP = LAB / "run" / "remediation" / "stop"


def lab(*arguments: str) -> None:
    program = REPOSITORY / "roles" / "lab" / "files" / "nspawn_lab"
    subprocess.run([sys.executable, str(program), "--folder", str(LAB), *arguments], check=True)


def until(what: str, found: Callable[[], Any], seconds: float = 180) -> Any:
    """Waits until `found` gives something; a command that fails is tried again."""
    end = time.monotonic() + seconds
    said = ""
    while time.monotonic() < end:
        try:
            value = found()
        except subprocess.CalledProcessError as error:
            value, said = None, f": {error.stderr}"
        if value:
            return value
        time.sleep(2)
    raise AssertionError(f"{what}: not in {seconds:g} s{said}")


def ready(node: str) -> bool:
    conditions = platform.get("node", node)["status"]["conditions"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def boot_id(node: str) -> str:
    return str(platform.get("node", node)["status"]["nodeInfo"]["bootID"])


@pytest.fixture
def bare_node() -> Iterator[str]:
    """The node booted with its mount masked; nobody recovers it meanwhile."""
    STOP.write_text("A node boots without the shared storage.\n")
    mask = LAB / "nodes" / NODE / "etc/systemd/system.control" / UNIT
    try:
        lab("power-off", NODE)
        mask.parent.mkdir(exist_ok=True)
        mask.symlink_to("/dev/null")
        before = boot_id(NODE)
        lab("start", NODE)
        until("the node is ready after its boot", lambda: boot_id(NODE) != before and ready(NODE))
        yield NODE
    finally:
        mask.unlink(missing_ok=True)
        platform.on_node(NODE, f"systemctl daemon-reload && systemctl start {UNIT}")
        until("the storage is mounted again", lambda: "glusterfs" in platform.on_node(NODE, f"findmnt {MOUNT}"))
        platform.kubectl("delete", "virtualmachine", "bare", "--namespace=demo", "--ignore-not-found")
        platform.kubectl("delete", "persistentvolumeclaim", "bare", "--namespace=demo", "--ignore-not-found")
        STOP.unlink()


def make_machine(name: str, node: str) -> bool:
    """A machine like the first of the demo's, bound to the node; fails while a webhook's pod comes back."""
    model = platform.get("virtualmachine", "demo-1", "--namespace=demo")
    claim = platform.get("persistentvolumeclaim", "demo-1", "--namespace=demo")
    kept = {key: claim["spec"][key] for key in ("accessModes", "resources", "storageClassName")}
    meta = {"name": name, "namespace": "demo"}
    spec = model["spec"]["template"]["spec"]
    spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    spec.pop("affinity", None)
    for volume in spec["volumes"]:
        if "persistentVolumeClaim" in volume:
            volume["persistentVolumeClaim"]["claimName"] = name
    template = {"metadata": {"labels": {"kubevirt-ha.virtops/machine": name}}, "spec": spec}
    platform.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": kept},
        {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": meta,
            "spec": {"runStrategy": "Always", "template": template},
        },
    )
    return True


def launcher(name: str) -> Any:
    label = f"--selector=kubevirt-ha.virtops/machine={name}"
    return next(iter(platform.get("pods", "--namespace=demo", label)["items"]), None)


def refusal(name: str) -> str:
    """What the kubelet says of a volume that it cannot mount for the launcher."""
    pod = launcher(name)
    selector = f"--field-selector=reason=FailedMount,involvedObject.name={pod['metadata']['name']}" if pod else ""
    events = platform.get("events", "--namespace=demo", selector)["items"] if pod else []
    return " ".join(str(event["message"]) for event in events)


def test_no_machine_starts_on_a_bare_mountpoint(bare_node: str) -> None:
    # A Service still leads to the pods of a node that has just booted, so a webhook of KubeVirt may refuse a connection.
    until("KubeVirt takes the machine", lambda: make_machine("bare", bare_node))
    assert "does not exist" in until("the kubelet refuses the volume", lambda: refusal("bare"))
    pod = launcher("bare")
    assert (pod["status"]["phase"], pod["spec"]["nodeName"]) == ("Pending", bare_node)
    assert "empty" in platform.on_node(bare_node, f'test -z "$(ls -A {MOUNT})" && echo empty')
    assert "refused" in platform.on_node(bare_node, f"touch {MOUNT}/written 2>/dev/null || echo refused")

    platform.on_node(
        bare_node, f"rm /etc/systemd/system.control/{UNIT}; systemctl daemon-reload; systemctl start {UNIT}"
    )
    until("the machine runs once the storage is mounted", lambda: _runs("bare"), 240)


def _runs(name: str) -> bool:
    machine = platform.get("virtualmachineinstance", name, "--namespace=demo")
    return machine.get("status", {}).get("phase") == "Running"
