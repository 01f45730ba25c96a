# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one writer of measured figures: `reports/*.json` of drills and benchmarks alike.

A file is name → {value, unit, limit, passed, samples, command, commit, kubevirt_source, at}, and what a figure brings
along beside. A figure without a value has not passed, whatever its limit.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

Number = Union[int, float]


@dataclass(frozen=True)
class Origin:
    """Where figures come from: the command that measured them, the commit measured, and the KubeVirt that ran."""

    command: str
    commit: str
    kubevirt_source: str


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    limit: the highest value allowed, or the lowest where `at_least`; samples: what the value comes from, a number of
    samples or the values themselves; why: why there is no value; more: what stands beside in the entry, and never in the
    place of the fields that all entries have.
    """

    name: str
    value: Number | None
    unit: str
    limit: Number | None = None
    samples: Any = 0
    why: str = ""
    at_least: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether there is a value and it keeps its limit."""
        if self.value is None:
            return False
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def fault(self) -> str:
        """A sentence on why the figure has not passed; empty where it has."""
        if self.passed:
            return ""
        if self.value is None:
            return f"{self.name} was not measured: {self.why or 'there was no sample'}"
        side = "under" if self.at_least else "over"
        return f"{self.name} is {self.value} {self.unit}, {side} the limit of {self.limit}"


def as_entries(figures: list[Figure], origin: Origin, at: float | None = None) -> dict[str, dict[str, Any]]:
    """The figures in the shape of the file; `at` is in seconds since the epoch, now by default."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return {
        figure.name: {
            **figure.more,
            "value": figure.value,
            "unit": figure.unit,
            "limit": figure.limit,
            "passed": figure.passed,
            "samples": figure.samples,
            "command": origin.command,
            "commit": origin.commit,
            "kubevirt_source": origin.kubevirt_source,
            "at": moment,
        }
        for figure in figures
    }


def write_figures(path: str, figures: list[Figure], origin: Origin, at: float | None = None) -> None:
    """Writes a figures' file whole or not at all."""
    write_json(path, as_entries(figures, origin, at))


def add_figures(path: str, figures: list[Figure], origin: Origin, at: float | None = None) -> None:
    """Writes figures beside those of others in one file; those of the same name are replaced."""
    there: dict[str, Any] = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            there = json.load(file)
    write_json(path, {**there, **as_entries(figures, origin, at)})


def write_json(path: str, value: Mapping[str, Any]) -> None:
    """Writes a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: str, text: str) -> None:
    """Writes a text file whole or not at all, its folder too where missing."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise
