# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what is said of an object that is waited for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What a predicate says of an object.

    done: the wanted state; failed: it will never be reached, once this has lasted `grace` seconds; else go on waiting.
    """

    done: bool = False
    failed: bool = False
    why: str = ""
    fix: str = ""
    grace: float = 0.0


DONE = Verdict(done=True)
