# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sub-cgroup a node in every hierarchy, under the caller's own.

Without it the kubelets of several nodes on one kernel take one another's pods for leftovers of their own and
kill them. On cgroup v1 each controller is a hierarchy; on v2 there is one.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

GROUP = "kubevirt-ha-lab"


def _mounts() -> list[tuple[str, str, set[str]]]:
    """(mount point, type, options) of every cgroup hierarchy."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _source, point, kind, options = line.split()[:4]
        if kind in ("cgroup", "cgroup2"):
            found.append((point, kind, set(options.split(","))))
    return found


def _own_paths() -> dict[str, str]:
    """Controller list -> the caller's cgroup, as /proc/self/cgroup gives it ('' is the v2 hierarchy)."""
    entries = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    return {controllers: path for _id, controllers, path in entries}


def parents() -> list[Path]:
    """The lab's own group in each hierarchy, whether it exists or not."""
    mounts = _mounts()
    only_v2 = all(kind == "cgroup2" for _point, kind, _options in mounts)
    found = []
    for controllers, path in _own_paths().items():
        for point, kind, options in mounts:
            wanted = kind == "cgroup2" if controllers == "" else set(controllers.split(",")) <= options
            if not wanted:
                continue
            # v2 allows no processes in a group whose children have controllers: the lab starts at the root there.
            own = Path(point) if only_v2 else Path(point + (path if path != "/" else ""))
            found.append(own / GROUP)
            break
    return found


def _create(group: Path) -> None:
    """Makes one group; a cpuset must be given CPUs and memory before it takes a process."""
    group.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        setting = group / name
        if setting.exists() and (group / "tasks").exists() and not setting.read_text().strip():
            setting.write_text((group.parent / name).read_text())
    control = group / "cgroup.subtree_control"
    if control.exists() and group.name == GROUP:
        for controller in (group / "cgroup.controllers").read_text().split():
            control.write_text(f"+{controller}")


def create(node: str) -> list[Path]:
    """Makes the node's groups and returns them."""
    groups = []
    for parent in parents():
        _create(parent)
        _create(parent / node)
        groups.append(parent / node)
    return groups


def join(groups: list[Path]) -> None:
    """Moves the calling process into the groups; called between fork and exec."""
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def processes(groups: list[Path]) -> set[int]:
    """Every process in the groups and below."""
    found: set[int] = set()
    for group in groups:
        for procs in group.rglob("cgroup.procs"):
            try:
                found.update(int(pid) for pid in procs.read_text().split())
            except OSError:
                continue
        try:
            found.update(int(pid) for pid in (group / "cgroup.procs").read_text().split())
        except OSError:
            continue
    return found - {0}


def kill(groups: list[Path], patience: float = 20.0) -> None:
    """SIGKILL to everything in the groups, until nothing is left."""
    deadline = time.monotonic() + patience
    while left := processes(groups):
        if time.monotonic() > deadline:
            raise SystemExit(f"lab: processes {sorted(left)} survived SIGKILL for {patience:.0f} s in {groups[0]}")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def remove(groups: list[Path], patience: float = 10.0) -> None:
    """Removes the groups and all below. A group stays busy for a moment after its last process has ended."""
    deadline = time.monotonic() + patience
    for group in groups:
        while group.exists():
            for folder in sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda p: -len(p.parts)):
                _rmdir(folder)
            if not _rmdir(group) and time.monotonic() > deadline:
                raise SystemExit(f"lab: {group} cannot be removed: it is still busy")
            time.sleep(0.01)


def _rmdir(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
