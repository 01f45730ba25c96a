# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks and disturbs the platform that the demo left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from demo_run import LAB, REPOSITORY

INVENTORY = LAB / "inventory.yml"
# The words that run a shell command on the node at {address}, for one that goes on for a while.
SHELL = (
    *("ssh", "-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", f"UserKnownHostsFile={LAB}/ssh/known_hosts"),
    *("-i", f"{LAB}/ssh/id_ed25519", "root@{address}"),
)


@dataclass(frozen=True)
class Played:
    """A playbook's exit code and output; what it changed on each host."""

    code: int
    text: str

    @property
    def changed(self) -> dict[str, int]:
        found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", self.text, re.MULTILINE)
        return {host: int(number) for host, number in found}


def _playbook(name: str, *arguments: str, inventory: Path = INVENTORY) -> list[str]:
    return ["ansible-playbook", "-i", str(inventory), f"playbooks/{name}.yml", *arguments]


def play(name: str, *arguments: str, inventory: Path = INVENTORY) -> Played:
    """Runs a playbook of the collection."""
    done = subprocess.run(
        _playbook(name, *arguments, inventory=inventory),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return Played(done.returncode, done.stdout)


def break_off(name: str, *arguments: str, at: str, inventory: Path = INVENTORY) -> str:
    """Runs a playbook and kills it, and all that it started, when its output has `at`; what it said until then."""
    said = []
    with subprocess.Popen(
        _playbook(name, *arguments, inventory=inventory),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if at in line:
                os.killpg(running.pid, signal.SIGKILL)
                return "".join(said)
    raise AssertionError(
        f"{name} ended by itself with {running.returncode} and never said {at!r}: {''.join(said)[-6000:]}"
    )


def kubectl(*arguments: str) -> str:
    command = [str(LAB / "bin" / "kubectl"), "--kubeconfig", str(LAB / "kubeconfig"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


def apply(*objects: dict[str, Any]) -> None:
    command = [str(LAB / "bin" / "kubectl"), "--kubeconfig", str(LAB / "kubeconfig"), "apply", "-f", "-"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    subprocess.run(command, check=True, capture_output=True, input=text, text=True)


def get(*arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(kubectl("get", *arguments, "--output=json"))
    return answer


def on_node(node: str, command: str) -> str:
    """Runs a shell command on a node as the inventory's user would."""
    arguments = ["ansible", node, "-i", str(INVENTORY), "-m", "ansible.builtin.shell", "-a", command]
    done = subprocess.run(
        arguments, cwd=REPOSITORY, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return done.stdout


def copy_to(node: str, file: Path, path: str) -> None:
    """A file that root alone may read."""
    given = f"src={file} dest={path} mode=0600"
    arguments = ["ansible", node, "-i", str(INVENTORY), "-m", "ansible.builtin.copy", "-a", given]
    subprocess.run(arguments, cwd=REPOSITORY, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def on_lab(command: str, node: str) -> None:
    """One of the lab's own commands for a node."""
    program = str(REPOSITORY / "roles/lab/files/nspawn_lab")
    subprocess.run([sys.executable, program, "--folder", str(LAB), command, node], check=True, stdin=subprocess.DEVNULL)


def lay_out(**given: Any) -> None:
    """Lays the lab out with other variables than it has, and keeps those by which it has its KubeVirt and its monitoring."""
    everything = yaml.safe_load(INVENTORY.read_text())["all"]
    archive = everything["vars"]["kubevirt_archive"]
    kept: dict[str, Any] = {"lab_monitoring": "monitoring_nodes" in everything["children"]}
    if archive != str(LAB / "archive"):
        kept["lab_kubevirt_archive"] = archive
    command = ["ansible-playbook", "playbooks/lab.yml", "-e", json.dumps({**kept, **given})]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdin=subprocess.DEVNULL)


def take_power(node: str) -> None:
    """As a cut wire does."""
    on_lab("power-off", node)


def give_power(node: str) -> None:
    """Returns when the node is one of the platform again, with what it was before."""
    on_lab("start", node)
    played = play("readmit_nodes")
    assert played.code == 0, played.text[-6000:]
    kubectl("wait", f"node/{node}", "--for=condition=Ready", "--timeout=180s")
    kubectl(
        "--namespace=kube-system",
        "wait",
        "pods",
        f"--field-selector=spec.nodeName={node}",
        "--for=condition=Ready",
        "--timeout=180s",
    )


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Asks again and again; fails with `what` when the time is over."""
    over = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < over, f"not within {seconds:.0f} s: {what}"
        time.sleep(1)


# Options of the module vm for a machine that boots from an image and can be migrated.
DISKLESS: dict[str, Any] = {
    "memory": "96Mi",
    "run_strategy": "Always",
    "termination_grace_period": 0,
    "spec": {
        "template": {
            "spec": {
                "domain": {
                    "firmware": {
                        "kernelBoot": {
                            "kernelArgs": "console=ttyS0 quiet",
                            "container": {
                                "image": "quay.io/virtops/counter-guest:1",
                                "kernelPath": "/boot/vmlinuz",
                                "initrdPath": "/boot/initrd",
                            },
                        }
                    }
                }
            }
        }
    },
}


def _module(module: str, /, **options: Any) -> None:
    given = json.dumps({"kubeconfig": str(LAB / "kubeconfig"), **options})
    command = ["ansible", "localhost", "-m", f"virtops.kubevirt_ha.{module}", "-a", given]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-3000:]


def vm(namespace: str, **options: Any) -> None:
    """Runs the module vm as a playbook does."""
    _module("vm", namespace=namespace, **options)


def migrate(name: str, node: str, namespace: str = "demo") -> None:
    """Moves a machine that runs to a node; returns when it is there."""
    _module("vm_migration", namespace=namespace, name=name, node=node)


def places(namespace: str = "demo") -> dict[str, str]:
    """The node of each machine that runs."""
    found = get("virtualmachineinstances", f"--namespace={namespace}")["items"]
    return {
        item["metadata"]["name"]: item["status"]["nodeName"] for item in found if item["status"]["phase"] == "Running"
    }


def spread(nodes: Sequence[str], namespace: str = "demo") -> None:
    """Moves machines until each node has as many as another, where that can be."""
    for name, place in sorted(places(namespace).items()):
        count = Counter(places(namespace).values())
        emptiest = min(nodes, key=lambda node: count[node])
        if count[place] > count[emptiest] + 1:
            migrate(name, emptiest, namespace)


def machines(namespace: str = "demo") -> dict[str, str]:
    """The machines' instances that run, by UID: one that was restarted has another."""
    found = get("virtualmachineinstances", f"--namespace={namespace}")["items"]
    return {
        item["metadata"]["name"]: item["metadata"]["uid"] for item in found if item["status"].get("phase") == "Running"
    }
