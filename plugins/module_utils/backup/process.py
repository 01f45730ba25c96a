# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that is talked to while it runs, and what it says on standard error."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import IO, Any


class Process(subprocess.Popen[bytes]):
    """A process whose standard error goes to a file: a pipe that nobody reads would hold it up.

    It is killed with what it has begun itself, such as the ssh of a wrapper: as long as that has its pipes, who reads them waits.
    """

    def __init__(self, command: Sequence[str], said: IO[bytes], **options: Any) -> None:
        self._said = said
        super().__init__(command, stderr=said, start_new_session=True, **options)

    def kill(self) -> None:
        """Ends it, and its children, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def words(self) -> str:
        """All that it has said on standard error."""
        self._said.seek(0)
        return self._said.read().decode("utf-8", "replace")
