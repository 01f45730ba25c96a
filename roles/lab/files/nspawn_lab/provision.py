# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a node's root folder: a copy of the nodes' system and the few files that are the node's own."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from config import LabConfig, NodeConfig

NETWORK = """\
[Match]
Name=host0

[Network]
Address={address}/{prefix}
Gateway={gateway}
LinkLocalAddressing=no
LLDP=no
EmitLLDP=no
KeepConfiguration=yes
IPForward=yes
"""


def own_files(lab: LabConfig, node: NodeConfig) -> dict[str, tuple[int, str]]:
    """What no two nodes share: path -> (mode, content)."""
    hosts = "".join(f"{other.address} {other.name}\n" for other in lab.nodes)
    network = NETWORK.format(address=node.address, prefix=lab.prefix, gateway=lab.address)
    keys = lab.folder / "ssh"
    return {
        "etc/hostname": (0o644, f"{node.name}\n"),
        "etc/hosts": (0o644, f"127.0.0.1 localhost\n{hosts}"),
        "etc/resolv.conf": (0o644, f"nameserver {lab.address}\n"),
        "etc/machine-id": (0o444, hashlib.md5(f"kubevirt-ha-lab/{node.name}".encode()).hexdigest() + "\n"),
        "etc/systemd/network/80-container-host0.network": (0o644, network),
        "etc/ssh/ssh_host_ed25519_key": (0o600, (keys / f"{node.name}_host").read_text()),
        "root/.ssh/authorized_keys": (0o600, (keys / "id_ed25519.pub").read_text()),
    }


def create(lab: LabConfig, node: NodeConfig) -> bool:
    """Makes the node's folder unless it is there; a copy that was broken off is made anew."""
    root = lab.folder / "nodes" / node.name
    changed = not root.exists()
    if changed:
        new = root.with_suffix(".new")
        if new.exists():
            shutil.rmtree(new)
        root.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", "--reflink=auto", str(lab.folder / "system"), str(new)], check=True)
        (new / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        new.replace(root)
    for path, (mode, content) in own_files(lab, node).items():
        changed |= _write(root / path, mode, content)
    return changed


def remove(lab: LabConfig, node: NodeConfig) -> None:
    """Removes the node's folder, which nothing may run in."""
    root = lab.folder / "nodes" / node.name
    if root.exists():
        # Bare mountpoints are immutable; chattr complains of links and sockets beside them.
        subprocess.run(["chattr", "-R", "-f", "-i", str(root / "srv")], check=False)
        shutil.rmtree(root)


def _write(target: Path, mode: int, content: str) -> bool:
    if target.exists() and target.read_text() == content:
        return False
    partial = target.with_name(target.name + ".new")
    partial.touch(mode=0o600)
    partial.write_text(content)
    partial.chmod(mode)
    partial.replace(target)
    return True
