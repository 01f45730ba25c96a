# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks systemd about units and has it do what is left to do."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_services import plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_services.plan import Action, Unit

Run = Callable[[Sequence[str]], tuple[int, str, str]]
"""Runs a program: exit code, standard output, standard error."""


def run(command: Run, entries: Sequence[Mapping[str, Any]], *, check: bool) -> dict[str, Any]:
    """Brings the units to what is wanted: `changed`, `actions` (each `VERB UNIT: WHY`), `diff`."""
    faults = plan.faults(entries)
    if faults:
        raise InputError(faults)
    names = [plan.full_name(entry["name"]) for entry in entries]
    found = look(command, names)
    if any(unit.stale for unit in found.values()) and not check:
        _systemctl(command, Action("", "daemon-reload", ""))
        found = look(command, names)
    # In check mode a unit may be missing that comes with a package or a file.
    faults = [] if check else plan.obstacles(entries, found)
    if faults:
        raise InputError(faults)
    done = plan.actions(entries, found, _changed(entries))
    if not check:
        for action in done:
            _systemctl(command, action)
    told = [str(action) for action in done]
    return {"changed": bool(done), "actions": told, "diff": [{"prepared": f"{line}\n"} for line in told]}


def look(command: Run, names: Sequence[str]) -> dict[str, Unit]:
    """What systemd says of the units, by the names that were asked for: of an alias it tells another."""
    code, out, err = command(_show(names))
    if code:
        raise HaError(
            "systemd does not tell its units", why=err.strip(), fix="is systemd the first process of this host?"
        )
    return dict(zip(names, map(plan.unit, out.strip().split("\n\n"))))


def _show(names: Iterable[str]) -> list[str]:
    properties = ",".join(plan.PROPERTIES)
    return ["systemctl", "show", "--no-pager", "--timestamp=us+utc", f"--property={properties}", *names]


def _changed(entries: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """When each path of `reads` was changed; of a pattern the youngest file."""
    found: dict[str, float] = {}
    for pattern in {path for entry in entries for path in entry.get("reads") or []}:
        times = [os.stat(path).st_mtime for path in glob.glob(pattern)]
        if times:
            found[pattern] = max(times)
    return found


def _systemctl(command: Run, action: Action) -> None:
    code, out, err = command(["systemctl", "--no-pager", action.verb, *filter(None, [action.unit])])
    if code:
        raise HaError(
            f"systemctl {action.verb} failed",
            where=action.unit or "systemd",
            why=(err.strip() or out.strip()).replace("\n", " "),
            fix=f"`journalctl --unit {action.unit}` on the host says more; mend it and run again"
            if action.unit
            else "",
        )
