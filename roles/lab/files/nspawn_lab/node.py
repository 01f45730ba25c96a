# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One node: a Debian system in systemd-nspawn that can be booted and can lose its power."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import cgroups
import network
from config import LabConfig, NodeConfig
from processes import Daemon

DEVICES = ("/dev/fuse", "/dev/net/tun", "/dev/kmsg")


@dataclass
class PowerOff:
    """What a power loss was: ``at`` in seconds since the epoch and ``monotonic`` on this machine's clock,
    both read the moment after the link had gone."""

    at: float
    monotonic: float
    was_running: bool


class Node:
    def __init__(self, lab: LabConfig, config: NodeConfig) -> None:
        self.lab = lab
        self.name = config.name
        self.root = lab.folder / "nodes" / config.name
        self.daemon = Daemon(lab.run, f"node-{config.name}")

    def groups(self) -> list[Path]:
        """Its cgroups where they were made, which another caller's may not be under."""
        record = self.lab.run / f"node-{self.name}.cgroups"
        return [Path(line) for line in record.read_text().splitlines()] if record.exists() else []

    def running(self) -> bool:
        return self.daemon.pid() is not None

    def start(self) -> bool:
        """Boots it unless it runs. Returns whether it had to."""
        if self.running():
            return False
        self._clear()
        groups = cgroups.create(self.name)
        self.lab.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.lab.run / f"node-{self.name}.cgroups").write_text("\n".join(map(str, groups)))
        self.daemon.start(
            self._command(),
            before_exec=lambda: cgroups.join(groups),
        )
        return True

    def reboot(self, patience: float = 120.0) -> None:
        """Boots it anew in good order: its system shuts down by itself before, for ``patience`` seconds at most."""
        self.daemon.stop(patience)
        self.start()

    def power_off(self) -> PowerOff:
        """A power loss as it is in life: the link goes first, so no peer gets a word, then every process."""
        was_running = self.running()
        network.cut(self.name)
        moment = PowerOff(time.time(), time.monotonic(), was_running)
        self._clear()
        return moment

    def _clear(self) -> None:
        """Nothing of an earlier boot may be left: a kubelet that finds its old cgroups takes minutes to be ready."""
        groups = [group for group in self.groups() if group.exists()]
        if groups:
            cgroups.kill(groups)
            cgroups.remove(groups)
        network.remove(self.name)

    def _command(self) -> list[str]:
        devices = [path for path in (*DEVICES, *usable_kvm()) if os.path.exists(path)]
        return [
            "systemd-nspawn",
            "--boot",
            "--quiet",
            f"--machine={self.name}",
            f"--directory={self.root}",
            "--register=no",
            "--keep-unit",
            "--console=read-only",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--capability=all",
            "--private-users=no",
            "--system-call-filter=@keyring @mount @resources bpf perf_event_open",
            f"--network-bridge={self.lab.bridge}",
            f"--bind-ro={self.lab.folder / 'bin'}:/opt/lab/bin",
            *(f"--bind={path}" for path in devices),
        ]


def usable_kvm() -> tuple[str, ...]:
    """/dev/kvm where it really is one: a virtual machine may have the device and no extensions behind it."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return ()
    flags = Path("/proc/cpuinfo").read_text()
    return ("/dev/kvm",) if " vmx" in flags or " svm" in flags else ()
