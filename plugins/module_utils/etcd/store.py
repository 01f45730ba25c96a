# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where snapshots are kept: whole files or none, readable by their owner only, and a note beside each.

The note, `<snapshot>.json`, says what was taken when; it makes a file one of ours. What has none is never counted and
never removed.
"""

from __future__ import annotations

import calendar
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused

WRITER = "virtops.kubevirt_ha.etcd_snapshot"
NOTE = ".json"
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.kubevirt-ha-partial")
_STAMP = "%Y%m%dT%H%M%SZ"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# A note from the future by more than this is of a clock that was wrong, and says nothing of an age.
_CLOCK_SECONDS = 60
_SPARE_BYTES = 1 << 20
_NEW_SECONDS = 10


@dataclass(frozen=True)
class Kept:
    """A snapshot of ours: its file, when it was taken in seconds since the epoch, and all that its note says."""

    path: str
    taken_at: float
    note: Mapping[str, Any]

    def is_younger(self, seconds: float, now: float) -> bool:
        """Whether it was taken less than `seconds` ago."""
        return -_CLOCK_SECONDS <= now - self.taken_at < seconds


def name_of(prefix: str, moment: float) -> str:
    """The name of a snapshot taken at a moment: etcd-snapshot-20260102T030405Z.db."""
    return f"{prefix}{time.strftime(_STAMP, time.gmtime(moment))}.db"


def time_text(moment: float) -> str:
    """A moment as RFC 3339 in UTC."""
    return time.strftime(_TIME, time.gmtime(moment))


def time_of(text: str) -> float:
    """Seconds since the epoch of what `time_text` wrote; ValueError where it did not."""
    return float(calendar.timegm(time.strptime(text, _TIME)))


def kept_in(directory: str, prefix: str) -> list[Kept]:
    """The snapshots of ours in a directory, the newest first; none where there is no directory."""
    pattern = re.compile(re.escape(prefix) + r"\d{8}T\d{6}Z\.db")
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HaError("the directory cannot be read", where=directory, why=str(error.strerror)) from error
    found = [kept_at(os.path.join(directory, name)) for name in names if pattern.fullmatch(name)]
    return sorted((kept for kept in found if kept), key=lambda kept: (kept.taken_at, kept.path), reverse=True)


def kept_at(path: str) -> Kept | None:
    """The snapshot of ours at a path; None where there is none, or its note is not one of ours."""
    try:
        with open(path + NOTE, encoding="utf-8") as file:
            note = json.load(file)
        if note["written_by"] != WRITER or note["file"] != os.path.basename(path) or not os.path.isfile(path):
            return None
        return Kept(path, time_of(note["taken_at"]), note)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def surplus(kept: Sequence[Kept], keep: int | None, *, to_come: int = 0) -> list[Kept]:
    """Those beyond the newest `keep`, of which `to_come` are not taken yet; none where all are kept. Pure."""
    return [] if keep is None else list(kept[max(0, keep - to_come) :])


def remove(kept: Sequence[Kept]) -> None:
    """Removes snapshots with their notes."""
    for one in kept:
        try:
            os.unlink(one.path)
            os.unlink(one.path + NOTE)
        except OSError as error:
            raise HaError(
                "an old snapshot could not be removed",
                where=one.path,
                why=str(error.strerror),
                fix="The new one is there; remove this by hand",
            ) from error


def prepare(directory: str, size: int, *, check: bool = False) -> None:
    """Makes the directory for its owner only, and refuses where `size` bytes do not fit or nothing can be written."""
    there = directory
    while not os.path.isdir(there):
        if os.path.exists(there):
            raise Refused("the directory cannot be made", where=directory, why=f"{there} is a file")
        there = os.path.dirname(there)
    if not os.access(there, os.W_OK | os.X_OK):
        raise Refused("the directory cannot be written to", where=there, fix="Run as its owner, or choose another")
    free = shutil.disk_usage(there).free
    if free < size + _SPARE_BYTES:
        fix = "Free space, keep fewer, or choose another directory"
        raise Refused("the snapshot does not fit", where=there, why=f"it needs {size} bytes, {free} are free", fix=fix)
    if not check:
        os.makedirs(directory, mode=0o700, exist_ok=True)


@contextmanager
def partial(path: str) -> Iterator[IO[bytes]]:
    """A file beside a path to write a snapshot to; it is gone in the end unless it was placed.

    It is locked while it is written: what a killed run left behind is not, and goes with the next run.
    """
    directory, name = os.path.split(path)
    _sweep(directory)
    hidden = os.path.join(directory, f".{name}.{secrets.token_hex(4)}.kubevirt-ha-partial")
    with open(hidden, "x+b", opener=lambda given, flags: os.open(given, flags, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH)  # shared, since etcdutl asks for that, too
            yield file
        finally:
            if os.path.exists(hidden):
                os.unlink(hidden)


def place(file: IO[bytes], path: str, *, force: bool) -> None:
    """Gives a written partial file its name; Refused where something has that by now, unless `force`."""
    os.fsync(file.fileno())
    try:
        if force:
            os.replace(file.name, path)
        else:
            os.link(file.name, path)
    except FileExistsError as error:
        raise exists(path, "it was not there before") from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP) or os.path.exists(path):
            raise
        os.rename(file.name, path)  # a file system without hard links
    _sync(os.path.dirname(path))


def write_note(path: str, note: Mapping[str, Any]) -> None:
    """Writes the note beside a snapshot; it holds no secret."""
    reports.write_json(path + NOTE, {"written_by": WRITER, "file": os.path.basename(path), **note})


def exists(path: str, why: str) -> Refused:
    """The error for a path that something stands at."""
    return Refused("the path is taken", where=path, why=why, fix="Give another path, or force to overwrite it")


def _sweep(directory: str) -> None:
    """Removes partial files that no running process holds; one that was made just now may not be locked yet."""
    for name in os.listdir(directory):
        if not _PARTIAL.fullmatch(name):
            continue
        path = os.path.join(directory, name)
        try:
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(file.fileno()).st_mtime > _NEW_SECONDS:
                    os.unlink(path)
        except OSError:
            continue  # another run writes it, or has just placed it


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
