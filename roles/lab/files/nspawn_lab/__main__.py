# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots, cuts and clears the lab's nodes and services.

    python3 nspawn_lab --folder LAB create NODE ...
    python3 nspawn_lab --folder LAB services
    python3 nspawn_lab --folder LAB start NODE ...
    python3 nspawn_lab --folder LAB reboot NODE ...
    python3 nspawn_lab --folder LAB power-off NODE ...
    python3 nspawn_lab --folder LAB reset NODE ...
    python3 nspawn_lab --folder LAB remove NODE ...
    python3 nspawn_lab --folder LAB cut-link NODE ...
    python3 nspawn_lab --folder LAB restore-link NODE ...
    python3 nspawn_lab --folder LAB status
    python3 nspawn_lab --folder LAB destroy

Each prints one JSON object a line. Everything can be said again: what is done already is left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import cgroups
import network
import pager
import provision
from config import LabConfig, load
from node import Node
from processes import Daemon


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def services(lab: LabConfig) -> None:
    """The bridge, the registry, a pager and a BMC a node."""
    say(service="bridge", changed=network.up(lab))
    registry = ["docker-registry", "serve", str(lab.folder / "registry.yml")]
    say(service="registry", changed=Daemon(lab.run, "registry").start(registry))
    pages = [sys.executable, str(Path(__file__).parent), "--folder", str(lab.folder), "pager"]
    say(service="pager", changed=Daemon(lab.run, "pager").start(pages))
    for node in lab.nodes:
        bmc = [sys.executable, str(Path(__file__).parent), "--folder", str(lab.folder), "bmc", node.name]
        say(service=f"bmc-{node.name}", changed=Daemon(lab.run, f"bmc-{node.name}").start(bmc))


def create(lab: LabConfig, name: str) -> None:
    say(node=name, changed=provision.create(lab, lab.node(name)))


def start(lab: LabConfig, name: str) -> None:
    network.up(lab)
    say(node=name, changed=Node(lab, lab.node(name)).start())


def reboot(lab: LabConfig, name: str) -> None:
    Node(lab, lab.node(name)).reboot()
    say(node=name, changed=True)


def power_off(lab: LabConfig, name: str) -> None:
    moment = Node(lab, lab.node(name)).power_off()
    say(node=name, changed=moment.was_running, t0=moment.at, t0_monotonic=moment.monotonic)


def reset(lab: LabConfig, name: str) -> None:
    """A new machine in the place of the node: its power goes, and its disk is as one that was just installed."""
    Node(lab, lab.node(name)).power_off()
    provision.remove(lab, lab.node(name))
    say(node=name, changed=provision.create(lab, lab.node(name)))


def remove(lab: LabConfig, name: str) -> None:
    """The machine goes, and its BMC with it; its place in the lab's description is the role's."""
    Node(lab, lab.node(name)).power_off()
    Daemon(lab.run, f"bmc-{name}").stop()
    provision.remove(lab, lab.node(name))
    say(node=name, changed=True)


def cut_link(lab: LabConfig, name: str) -> None:
    changed = network.cut(lab.node(name).name)
    say(node=name, changed=changed, t0=time.time(), t0_monotonic=time.monotonic())


def restore_link(lab: LabConfig, name: str) -> None:
    network.restore(lab.node(name).name)
    say(node=name, changed=True)


def status(lab: LabConfig) -> None:
    for node in lab.nodes:
        say(node=node.name, running=Node(lab, node).running())
    for name in ("registry", "pager", *(f"bmc-{node.name}" for node in lab.nodes)):
        say(service=name, running=Daemon(lab.run, name).pid() is not None)


def destroy(lab: LabConfig) -> None:
    """Ends every process of the lab and removes its links and cgroups. Files are the role's."""
    changed = False
    for service in ("registry", "pager", *(f"bmc-{node.name}" for node in lab.nodes)):
        changed |= Daemon(lab.run, service).stop()
    for config in lab.nodes:
        node = Node(lab, config)
        groups = node.groups()
        changed |= node.power_off().was_running
        for group in groups:
            if group.parent.exists() and not any(path.is_dir() for path in group.parent.iterdir()):
                cgroups.remove([group.parent])
    network.down(lab)
    say(changed=changed)


def bmc(lab: LabConfig, name: str) -> None:
    from bmc import serve  # brings flask, which no other command needs

    serve(lab, name)


LAB_COMMANDS = {"services": services, "status": status, "destroy": destroy, "pager": pager.serve}
NODE_COMMANDS = {
    "create": create,
    "start": start,
    "reboot": reboot,
    "power-off": power_off,
    "reset": reset,
    "remove": remove,
    "cut-link": cut_link,
    "restore-link": restore_link,
    "bmc": bmc,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the lab's folder, which holds lab.json")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in LAB_COMMANDS:
        commands.add_parser(name)
    for name in NODE_COMMANDS:
        commands.add_parser(name).add_argument("nodes", nargs="+", metavar="NODE")
    arguments = parser.parse_args()
    lab = load(arguments.folder.resolve())
    if arguments.command in LAB_COMMANDS:
        LAB_COMMANDS[arguments.command](lab)
        return
    for name in arguments.nodes:
        NODE_COMMANDS[arguments.command](lab, name)


if __name__ == "__main__":
    main()
