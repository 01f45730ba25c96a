# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's fence agents: options go in by stdin, so that no secret is ever in a list of processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.bounded import Overdue, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import FencingError

_MORE_PATH = "/usr/sbin:/sbin:/usr/local/sbin"


@dataclass(frozen=True)
class Agent:
    """A fence agent and what it is told; secret: what must never be shown."""

    name: str
    options: Mapping[str, str]
    where: str
    secret: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, action: str, seconds: float) -> None:
        """Runs an action and waits for its success. Raises FencingError."""
        argv = [find_program(self.name, "fence-agents")]
        told = {**self.options, "action": action, "power_timeout": str(max(1, int(seconds)))}
        try:
            done = run(argv, stdin=_as_lines(told), env={**_environment(), **self.env}, seconds=seconds)
        except Overdue:
            raise FencingError(
                f"{self.name} did not end in {seconds:.0f} s with action {action}",
                where=self.where,
                why="the BMC hangs or is too slow",
                fix="Look at the BMC itself, or allow more time with timeout",
            ) from None
        if done.code != 0:
            raise FencingError(
                f"{self.name} failed with action {action}",
                where=self.where,
                why=self._mask(_last_words(done.output)),
                fix="Look at the BMC itself; it took no effect or did not say so",
            )

    def _mask(self, text: str) -> str:
        return text.replace(self.secret, "********") if self.secret else text


def find_program(name: str, package: str) -> str:
    """The path of a program. Raises FencingError where it is not installed."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_MORE_PATH}")
    if path is None:
        raise FencingError(
            f"{name} is not installed on this machine", fix=f"Install Debian's package {package} where node_fence runs"
        )
    return path


def _environment() -> dict[str, str]:
    # The agents are Python programs of the system: what points Python to a virtual environment would break them.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PATH": f"{_MORE_PATH}:/usr/bin:/bin", "LC_ALL": "C"}


def _as_lines(options: Mapping[str, str]) -> str:
    # The agent takes one pair of quotes away, so that spaces at the ends and quotes of the value's own survive.
    return "".join(f'{name}="{value}"\n' for name, value in options.items())


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip() and "Please use '-h'" not in line]
    return "; ".join(lines[-3:])[-600:] or "it gave no reason"
