# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine holds that a lab could leave behind, and how much memory it used."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

KINDS_OF_NAMESPACE = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
# Where a lab could have left files outside its own folder, two levels deep.
FOLDERS = ("/etc", "/opt", "/run", "/srv", "/usr/local", "/var/lib")
# Other programs of the machine write here all the time.
PASSING = ("/run/user/", "/run/lock/", "/run/systemd/", "/run/udev/", "/run/log/", "/var/lib/systemd/", "/var/lib/apt/")


@dataclass(frozen=True)
class Remains:
    """Names of each kind of thing that outlives a program."""

    processes: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    files: frozenset[str]
    settings: frozenset[str]

    def beyond(self, before: Remains) -> dict[str, list[str]]:
        """What is here and was not `before`, by kind; empty kinds are left out."""
        more = {kind: sorted(getattr(self, kind) - getattr(before, kind)) for kind in self.__dataclass_fields__}
        return {kind: names for kind, names in more.items() if names}


# Of the kernel, which the lab changes for as long as it is there.
_SETTINGS = ("/proc/sys/fs/inotify/max_user_instances",)


def _processes(folder: Path) -> Iterator[str]:
    """Processes that run from, in or for `folder`, and each QEMU; zombies and this test's own ancestors are not counted."""
    own = _ancestors()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            places = [os.readlink(entry / name) for name in ("root", "cwd", "exe")]
            if int(entry.name) not in own and (str(folder) in " ".join([words, *places]) or "qemu-system" in words):
                yield f"{entry.name}: {words[:200]}"


def _ancestors() -> set[int]:
    found, process = set(), os.getpid()
    while process > 1:
        found.add(process)
        process = int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return found


def _namespaces() -> Iterator[str]:
    for entry in Path("/proc").glob("[0-9]*/ns"):
        for kind in KINDS_OF_NAMESPACE:
            with suppress(OSError):
                yield os.readlink(entry / kind)


def _links() -> Iterator[str]:
    yield from os.listdir("/sys/class/net")
    named = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    yield from (f"netns {line.split()[0]}" for line in named.splitlines() if line)


def _files() -> Iterator[str]:
    for folder in map(Path, FOLDERS):
        for path in [*folder.glob("*"), *folder.glob("*/*")]:
            if not str(path).startswith(PASSING):
                yield str(path)


def look(folder: Path) -> Remains:
    """Reads what the machine holds; `folder` is the lab's."""
    mounts = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    cgroups = (root for root, _folders, _files in os.walk("/sys/fs/cgroup"))
    return Remains(
        frozenset(_processes(folder)),
        frozenset(_namespaces()),
        frozenset(_links()),
        frozenset(mounts),
        frozenset(cgroups),
        frozenset(_files()),
        frozenset(f"{path}: {Path(path).read_text().strip()}" for path in _SETTINGS),
    )


def used_mib() -> float:
    """Memory that is not available to new programs, in MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return (total - available) / 1024


@contextmanager
def memory_peak(every: float = 1.0) -> Iterator[list[float]]:
    """Samples used memory each `every` seconds while the body runs; the list holds [peak - start] in MiB at the end."""
    start, peak, over = used_mib(), [0.0], threading.Event()

    def sample() -> None:
        while not over.wait(every):
            peak[0] = max(peak[0], used_mib() - start)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield peak
    finally:
        over.set()
        sampler.join()
