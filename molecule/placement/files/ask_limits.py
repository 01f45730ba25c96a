# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what holds the QEMU of a machine on this node: {"memory": bytes, "cores": number, "arguments": [...]}."""

import json
import pathlib
import sys

CGROUPS = pathlib.Path("/sys/fs/cgroup")


def of_machine(name: str) -> pathlib.Path:
    """The process whose command line names the machine."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            arguments = process.joinpath("cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qemu" in arguments[0] and any(name.encode() in argument for argument in arguments):
            return process
    raise SystemExit(f"no QEMU of {name} runs here")


def folder(process: pathlib.Path, controller: str) -> pathlib.Path:
    """Its cgroup in a version 1 controller, or in the one hierarchy of version 2."""
    for line in process.joinpath("cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return CGROUPS / controller / path.lstrip("/")
        if not controllers:
            unified = CGROUPS / path.lstrip("/")
    return unified


qemu = of_machine(sys.argv[1])
memory, cpu = folder(qemu, "memory"), folder(qemu, "cpu")
if (memory / "memory.limit_in_bytes").exists():
    limit = (memory / "memory.limit_in_bytes").read_text()
    quota, period = ((cpu / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period"))
else:
    limit = (memory / "memory.max").read_text()
    quota, period = (cpu / "cpu.max").read_text().split()
arguments = (qemu / "cmdline").read_bytes().decode().split("\0")
print(json.dumps({"memory": int(limit), "cores": int(quota) / int(period), "arguments": arguments}))
