# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time, and what a file system says in words of the variable that chose it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused

_LOCK = "lock"


@contextlib.contextmanager
def locked(state_dir: str, name: str = _LOCK) -> Iterator[None]:
    """One run of that name at a time; Refused where another is under way."""
    path = os.path.join(state_dir, name)
    with written("backup_state_dir"):
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode("utf-8", "replace").strip()
            why = f"process {holder or 'unknown'} holds {path}"
            raise Refused("another run is under way", where=state_dir, why=why, fix="Wait for its end") from error
        with contextlib.suppress(OSError):  # a full disk keeps it from being named, not from being held
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


@contextlib.contextmanager
def written(variable: str) -> Iterator[None]:
    """Turns what a file system says into an error that names the variable which chose it."""
    try:
        yield
    except OSError as error:
        fix = f"Free space there, or set {variable} to another file system"
        where, why = str(error.filename or variable), str(error.strerror or error)
        raise HaError("cannot be written", where=where, why=why, fix=fix) from error
