# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog device that systemd keeps from resetting the host: whether it can, how it is told, and whether it does. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import durations
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.pages import Facts, Wanted, whole

# Shorter, it would reset hosts that are only busy.
_LEAST = 10
# systemd's own default: how long the last part of a reboot may take.
_REBOOT = 600


def seconds(value: Any) -> int:
    """The seconds wanted, where they have no faults; 0 where the watchdog is left alone."""
    return int(value or 0)


def span(text: str) -> float | None:
    """The seconds of a time as systemd prints it, such as `1min 30s`; None where it is none."""
    try:
        return float(durations.parse("".join(text.split()).replace("min", "m")))
    except ValueError:
        return None


def planned(facts: Facts, wanted: Wanted) -> dict[str, int]:
    """What systemd is told, in seconds; empty where nothing is."""
    runtime = seconds(wanted.get("watchdog_seconds"))
    if not runtime:
        return {}
    return {"runtime": runtime, "reboot": min(_REBOOT, facts["watchdogs"][0]["max_timeout"] or _REBOOT)}


def differs(facts: Facts, wanted: Wanted) -> str | None:
    """What systemd does not do now."""
    asked, told = seconds(wanted.get("watchdog_seconds")), facts["watchdog_seconds"]
    if not asked:
        return None
    if told != asked:
        now = "unknown" if told is None else f"{told:g}"
        return f"systemd's RuntimeWatchdogSec is {now}, not {asked}; `systemd-analyze cat-config systemd/system.conf` names files"
    device = facts["watchdogs"][0]
    if device["active"] is False:
        return f"systemd does not hold {device['device']}; `journalctl --boot _PID=1` tells why"
    return None


def check(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    """The faults of the watchdog."""
    # `-e name=30` gives text.
    if not whole(int(value) if isinstance(value, str) and value.isdigit() else value):
        yield f"{value!r} must be whole seconds, such as 30, or 0 to leave the watchdog alone"
        return
    asked = seconds(value)
    if not asked:
        return
    if facts["shared_kernel"]:
        yield (
            "the kernel is shared with the machine outside, which alone has a watchdog;"
            " set this to 0, and have that machine's own systemd use it"
        )
    elif not facts["watchdogs"]:
        yield (
            "this host has no watchdog device; load its driver, such as iTCO_wdt or sp5100_tco, and add it to <modules>"
            " (what ipmi_watchdog makes is not in /sys/class/watchdog, and cannot be judged); or softdog, which is weaker,"
            " for it hangs with the kernel; or set this to 0"
        )
    else:
        yield from _check_device(facts, asked)


def _check_device(facts: Facts, asked: int) -> Iterator[str]:
    device = facts["watchdogs"][0]
    least, most = max(_LEAST, device["min_timeout"] or 0), device["max_timeout"] or None
    if most is not None and most < least:
        yield (
            f"{device['device']} ({device['identity']}) takes at most {most} s, and a busy host needs {least};"
            " use another device, or set this to 0"
        )
    elif asked < least or (most is not None and asked > most):
        allowed = f"{least} or more" if most is None else f"{least} to {most}"
        yield f"{device['device']} ({device['identity']}) cannot be set to {asked} here; allowed are {allowed}, or 0"
    # One device, one holder: sbd, watchdog(8) and the like.
    if device["active"] and facts["watchdog_seconds"] == 0:
        yield (
            f"{device['device']} is held by another program than systemd, which `fuser {device['device']}` names;"
            " stop that, or set this to 0"
        )
