# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge between the nodes, and each node's link to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from config import LabConfig


def ip(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)


def link(node: str) -> str:
    """The machine's end of a node's link, as systemd-nspawn names it."""
    return f"vb-{node}"


def exists(device: str) -> bool:
    return Path("/sys/class/net", device).exists()


def up(lab: LabConfig) -> bool:
    """Makes the bridge unless it is there. Returns whether it had to."""
    if exists(lab.bridge):
        return False
    ip("link", "add", lab.bridge, "type", "bridge", "forward_delay", "0")
    ip("address", "add", f"{lab.address}/{lab.prefix}", "dev", lab.bridge)
    ip("link", "set", lab.bridge, "up")
    return True


def down(lab: LabConfig) -> None:
    if exists(lab.bridge):
        ip("link", "delete", lab.bridge)


def cut(node: str) -> bool:
    """Takes a node's link down. Returns whether there was one."""
    return exists(link(node)) and ip("link", "set", link(node), "down", check=False).returncode == 0


def restore(node: str) -> None:
    ip("link", "set", link(node), "up")


def remove(node: str) -> None:
    if exists(link(node)):
        ip("link", "delete", link(node), check=False)
