# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is told to end lets go what it holds first."""

from __future__ import annotations

import signal
from typing import Any, NoReturn


def end_gently() -> None:
    """From now on SIGTERM and SIGHUP are an exception, so that whatever is held is let go."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ending)


def _ending(number: int, _frame: Any) -> NoReturn:
    """Ends; a second signal changes nothing any more."""
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)
