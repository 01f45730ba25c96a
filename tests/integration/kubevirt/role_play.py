# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a play of a role on this machine said and did."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Played:
    """A play's exit code, and its output as one line."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.text = done.returncode, " ".join((done.stdout + done.stderr).split())

    @property
    def changed(self) -> bool:
        """Whether it changed anything."""
        return " changed=0 " not in self.text


Play = Callable[..., Played]
