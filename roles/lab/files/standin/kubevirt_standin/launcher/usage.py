"""What the QEMU process has used, from /proc and from QEMU itself."""

from __future__ import annotations

import os
from pathlib import Path

from ..metrics.guests import Usage
from .qmp import Qmp, QmpError

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
INTERFACE = Path("/sys/class/net/eth0/statistics")


async def usage(process: int, qmp: Qmp) -> Usage:
    """Raises OSError, QmpError where QEMU has ended meanwhile."""
    folder = Path("/proc", str(process))
    fields = _stat(folder)
    threads = [int(cpu["thread-id"]) for cpu in (await qmp.execute("query-cpus-fast"))["value"]]
    return Usage(
        user=int(fields[11]) / TICKS,
        system=int(fields[12]) / TICKS,
        resident=int(fields[21]) * PAGE,
        balloon=await _balloon(qmp),
        affinity=sum(len(os.sched_getaffinity(thread)) for thread in threads),
        vcpus=[_thread(folder / "task" / str(thread)) for thread in threads],
        network=_network(),
    )


def _stat(folder: Path) -> list[str]:
    """The fields of /proc/PID/stat after the name: that of `utime` is the 12th of these."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _thread(folder: Path) -> dict[str, float]:
    fields = _stat(folder)
    seconds = (int(fields[11]) + int(fields[12])) / TICKS
    delay = int((folder / "schedstat").read_text().split()[1]) / 1e9
    return {"seconds": seconds, "wait": int(fields[39]) / TICKS, "delay": delay}


async def _balloon(qmp: Qmp) -> int | None:
    try:
        return int((await qmp.execute("query-balloon"))["actual"])
    except QmpError:
        return None


def _network() -> dict[str, int]:
    """The counters of the pod's interface: all that the guest sends and gets goes through it."""
    if not INTERFACE.is_dir():
        return {}
    return {path.name: int(path.read_text()) for path in INTERFACE.iterdir()}
