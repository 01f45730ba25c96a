# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redfish BMC a node: sushy-tools' service over a driver that cuts and boots the nspawn node.

What it says of the power state is read off the node itself at every request, so that a fencing agent can
take it for proof.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from config import LabConfig
from node import Node
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver

OFF_STATES = ("ForceOff", "GracefulShutdown")


class NodeDriver(AbstractSystemsDriver):
    """The one system of this BMC. Its identity is the node's name."""

    def __init__(self, lab: LabConfig, name: str) -> None:
        super().__init__()
        self._lab = lab
        self._node = Node(lab, lab.node(name))

    @property
    def driver(self) -> str:
        return "<nspawn>"

    @property
    def systems(self) -> list[str]:
        return [self._node.name]

    def uuid(self, identity: str) -> str:
        if identity != self._node.name:
            raise error.NotFound(f"this BMC is of system {self._node.name}, not of {identity}")
        return identity

    def name(self, identity: str) -> str:
        return self.uuid(identity)

    def get_power_state(self, identity: str) -> str:
        self.uuid(identity)
        return "On" if self._node.running() else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        self.uuid(identity)
        if state in OFF_STATES or "Restart" in state:
            self._node.power_off()
        elif state not in ("On", "ForceOn"):
            raise error.NotSupportedError(f"power state {state} is not supported")
        if state not in OFF_STATES:
            self._boot()

    def _boot(self) -> None:
        """By a process of its own, so that the node does not end with its BMC."""
        command = [sys.executable, str(Path(__file__).parent), "--folder", str(self._lab.folder)]
        subprocess.run([*command, "start", self._node.name], check=True, stdout=subprocess.DEVNULL)

    def get_boot_device(self, identity: str) -> str:
        return "Hdd"

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        raise error.NotSupportedError("a lab node always boots from its disk")

    def get_boot_mode(self, identity: str) -> str:
        return "UEFI"

    def get_nics(self, identity: str) -> list[Any]:
        return []


def serve(lab: LabConfig, name: str) -> None:
    """Serves one node's BMC on the bridge address until it is ended."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    emulator.Application.systems = NodeDriver(lab, name)
    emulator.app.configure(extra_config={"SUSHY_EMULATOR_AUTH_FILE": str(lab.folder / "bmc" / f"{name}.htpasswd")})
    certificate = (str(lab.folder / "bmc" / "tls.crt"), str(lab.folder / "bmc" / "tls.key"))
    emulator.app.run(host=lab.address, port=lab.node(name).bmc_port, threaded=True, ssl_context=certificate)
