# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which live QEMU processes have which disks open for writing, as the kernel tells it.

It asks /proc only, never the file systems: a disk on a storage that does not answer would hold the observer up just
when it matters. Standard library only, and no import of the collection: on hosts that are not this machine the file
itself is handed to their Python and prints one JSON object a look.

    python3 writers.py PERIOD_SECONDS [NODE ...]
"""

from __future__ import annotations

import json
import os
import sys
import time

# File systems that several nodes mount: a disk has the same identity on all of them.
SHARED = ("fuse.", "ceph", "nfs")
_WRITING = os.O_WRONLY | os.O_RDWR


def look(proc: str = "/proc", nodes: tuple[str, ...] = ()) -> list[list[str]]:
    """Every (disk, QEMU process) that is open for writing now, sorted.

    VM is namespace/name as KubeVirt names its domains; node is the one of `nodes` whose cgroup the process is in.
    """
    found = []
    for pid in _processes(proc):
        try:
            found += _entries(f"{proc}/{pid}", pid, nodes)
        except OSError:
            continue  # it ended while it was looked at
    return sorted(found)


def _processes(proc: str) -> list[str]:
    found = []
    for pid in os.listdir(proc):
        if not pid.isdigit():
            continue
        try:
            with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
                if file.read().startswith("qemu"):
                    found.append(pid)
        except OSError:
            continue
    return found


def _entries(folder: str, pid: str, nodes: tuple[str, ...]) -> list[list[str]]:
    arguments = _read(f"{folder}/cmdline").split("\0")
    machine = machine_of(arguments)
    state, started = _state(_read(f"{folder}/stat"))
    if not machine or state in "ZX":
        return []
    mounts = mounts_of(_read(f"{folder}/mountinfo"))
    node = _node(_read(f"{folder}/cgroup"), nodes)
    found = set()
    for number in os.listdir(f"{folder}/fdinfo"):
        try:
            path = os.readlink(f"{folder}/fd/{number}")
            disk = disk_of(path, _read(f"{folder}/fdinfo/{number}"), mounts, arguments)
        except OSError:
            continue  # closed while it was looked at
        if disk:
            found.add(disk)
    return [[disk, machine, node, f"{pid}-{started}"] for disk in found]


def machine_of(arguments: list[str]) -> str:
    """namespace/name of the VM from a QEMU's arguments; empty where it has no name of that form."""
    if "-name" not in arguments[:-1]:
        return ""
    name = arguments[arguments.index("-name") + 1].split(",")[0]
    if name.startswith("guest="):
        name = name[len("guest=") :]
    namespace, mark, machine = name.partition("_")
    return f"{namespace}/{machine}" if mark else ""


def disk_of(path: str, fdinfo: str, mounts: dict[str, tuple[str, str]], arguments: list[str]) -> str:
    """The identity of the disk behind a descriptor; empty where it is none or is not open for writing.

    Off shared storage only what QEMU was given as a drive is a disk, so that consoles and logs are none.
    On shared storage the identity is kind, volume and inode, which all its clients agree on; else the device takes the
    place of the volume.
    """
    fields = dict(line.split(":", 1) for line in fdinfo.splitlines() if ":" in line)
    if not path.startswith("/") or not int(fields["flags"].strip(), 8) & _WRITING or "ino" not in fields:
        return ""
    kind, volume = mounts.get(fields["mnt_id"].strip(), ("", ""))
    given = any(f"file={path}" in argument or f'"filename":"{path}"' in argument for argument in arguments)
    if not kind.startswith(SHARED) and not (given and not path.startswith("/dev/")):
        return ""
    return f"{kind}:{volume}:{fields['ino'].strip()}"


def mounts_of(mountinfo: str) -> dict[str, tuple[str, str]]:
    """Mount id → (kind, volume or device) of a process's mounts."""
    found = {}
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        rest = fields[fields.index("-") + 1 :]
        kind, source = rest[0], rest[1]
        # Each node may name another server of one volume: n1:/vms, localhost:vms.
        volume = source.rsplit(":", 1)[-1].strip("/") if kind.startswith(SHARED) else fields[2]
        found[fields[0]] = (kind, volume)
    return found


def _node(cgroup: str, nodes: tuple[str, ...]) -> str:
    parts = {part for line in cgroup.splitlines() for part in line.split(":", 2)[-1].split("/")}
    return next((node for node in nodes if node in parts), "")


def _state(stat: str) -> tuple[str, str]:
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def main() -> None:
    """Looks again and again until nobody reads any more."""
    period, nodes = float(sys.argv[1]), tuple(sys.argv[2:])
    while True:
        begin = time.monotonic()
        sys.stdout.write(json.dumps(look(nodes=nodes)) + "\n")
        sys.stdout.flush()
        time.sleep(max(0.0, period - (time.monotonic() - begin)))


if __name__ == "__main__":
    main()
