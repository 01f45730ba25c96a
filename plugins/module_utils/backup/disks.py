# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of disks on the hosts that hold them: read into the spool, written out of the repository, looked at, removed.

A host is reached by a command of the settings, such as ssh, and runs the text of `extents.py` with its own Python.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import shlex
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import extents
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.extents import BLOCK, EMPTY, LAST, Broken
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.process import Process
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.regions import Regions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Host
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError

_SECONDS = 60.0
_END_SECONDS = 5.0


class DiskFailed(HaError):
    """A disk's file could not be read or written."""


@dataclass(frozen=True)
class Look:
    """What there is at a path of a host; bytes."""

    exists: bool
    size: int
    allocated: int
    free: int


class Hosts:
    """The hosts of the settings; of those that have the shared file system mounted the first that answers is taken."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = tuple(hosts)
        self._answering: dict[str, Host] = {}

    def forget(self) -> None:
        """Asks anew, from now on, who answers: the one that did may have gone."""
        self._answering.clear()

    def of(self, path: str, node: str = "") -> HostFiles:
        """The host that a disk's file is read and written on; node: the only one that has it, where there is one."""
        if node not in self._answering:
            candidates = [host for host in self._hosts if not node or host.name == node]
            errors: list[HaError] = []
            for host in candidates:
                try:
                    HostFiles(host).look(path)
                except DiskFailed as error:
                    errors.append(error)
                else:
                    self._answering[node] = host
                    break
            else:
                said = "; ".join(str(error).rstrip(".") for error in errors) or "backup_disk_hosts is empty"
                fix = "Let the backup host reach one that has the shared file system mounted"
                raise DiskFailed("no host gives the disk's file", where=path, why=said, fix=fix)
        return HostFiles(self._answering[node], shared=not node)

    @staticmethod
    def here() -> HostFiles:
        """The files of this host."""
        return HostFiles(Host("this host"))


class HostFiles:
    """Files of one host. shared: whether other hosts write to them."""

    def __init__(self, host: Host, *, shared: bool = True) -> None:
        self.name = host.name
        self._shared = shared
        self._command = host.command

    def look(self, path: str) -> Look:
        """What is there; DiskFailed where the host does not answer or the folder is missing."""
        with self._run("look", path) as process:
            out, said = _communicate(process)
            self._check(process, path, said)
        try:
            told = json.loads(out)
            return Look(bool(told["exists"]), int(told["size"]), int(told["allocated"]), int(told["free"]))
        except (ValueError, KeyError) as error:
            raise self._failed(path, f"it answered {out[:80]!r}") from error

    def remove(self, path: str) -> None:
        """Removes a file that may be missing."""
        with self._run("remove", path) as process:
            _out, said = _communicate(process)
            self._check(process, path, said)

    def map(self, path: str, root: str) -> dict[str, Any]:
        """What a brick has of a file, as `extents.py` tells it."""
        with self._run("map", path, root) as process:
            out, said = _communicate(process)
            self._check(process, path, said)
        try:
            told = json.loads(out)
            return {"span": int(told["span"]), "stamps": {int(key): tuple(one) for key, one in told["stamps"].items()}}
        except (ValueError, KeyError, TypeError) as error:
            raise self._failed(path, f"it answered {out[:80]!r}") from error

    def read(
        self,
        path: str,
        dest: Regions,
        *,
        again: Known | None = None,
        parts: Parts | None = None,
        seconds: float | None = None,
    ) -> Known:
        """Brings a file here; what is known of its blocks afterwards.

        again: of a read before this one into the same `dest`: only what differs from it is sent. parts: which of its parts
        are read, all where it is None. seconds: after which it is given up, None for no limit.
        """
        try:
            with self._run("read", path) as process, _limited(process, seconds) as late:
                return self._receive(process, path, dest, again or Known(), parts, late)
        except OSError as error:
            fix = "Free space where backup_spool_dir is, or set it to another file system"
            why = str(error.strerror or error)
            raise DiskFailed("cannot be brought here", where=dest.folder, why=why, fix=fix) from error

    def _receive(
        self,
        process: Process,
        path: str,
        dest: Regions,
        known: Known,
        parts: Parts | None,
        late: threading.Event,
    ) -> Known:
        stdin, stdout = piped(process.stdin), piped(process.stdout)
        digests, sent = dict(known.digests), 0
        try:
            with contextlib.suppress(BrokenPipeError):
                stdin.write(known.asked(parts, shared=self._shared))
                stdin.close()
            for offset, data in extents.frames(stdout):
                if offset == LAST:
                    allocated = dest.finish(data["size"])
                    return Known(data["size"], digests, sent, data["seconds"], allocated)
                dest.write(offset, data)
                digests[offset // BLOCK] = extents.digest(data)
                sent += len(data)
        except (Broken, ValueError, struct.error) as error:
            process.wait()
            why = "it took too long" if late.is_set() else _words(process) or str(error)
            raise self._failed(path, why) from error
        raise AssertionError("frames end with the last one")

    def write(
        self, path: str, size: int, blocks: Iterable[tuple[int, bytes]], *, owner: str = "", force: bool = False
    ) -> None:
        """Writes a file of `size` bytes, of which `blocks` are not empty."""
        with self._run("write", path, str(size), owner, "force" if force else "new") as process:
            stdin = piped(process.stdin)
            sender = extents.Sender(stdin)
            try:
                for offset, data in blocks:
                    if offset + len(data) > size:
                        raise ValueError(f"it holds more than {size} bytes")
                    sender.send(offset, data)
                sender.end(size, 0.0)
                stdin.close()
            except BrokenPipeError:
                pass
            except ValueError as error:
                raise self._failed(path, f"what the backup holds of it is damaged: {error}") from error
            process.wait()
            self._check(process, path, _words(process))

    @contextlib.contextmanager
    def _run(self, *arguments: str) -> Iterator[Process]:
        with tempfile.TemporaryFile() as said:
            try:
                process = Process(self._words(arguments), said, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            except OSError as error:
                program, fix = (
                    self._words(arguments)[0],
                    "Correct its command in backup_disk_hosts or backup_brick_hosts",
                )
                why = f"{program}: {error.strerror}"
                raise DiskFailed("the host's command cannot be run", where=self.name, why=why, fix=fix) from error
            try:
                yield process
            finally:
                for stream in (process.stdin, process.stdout):
                    with contextlib.suppress(OSError):
                        if stream:
                            stream.close()
                _end(process)

    def _words(self, arguments: Sequence[str]) -> list[str]:
        program = extents_text()
        if not self._command:
            return [sys.executable, "-c", program, *arguments]
        # What ssh is given goes through a shell on the other side.
        return [*self._command, " ".join(shlex.quote(word) for word in ("python3", "-c", program, *arguments))]

    def _check(self, process: Process, path: str, said: str) -> None:
        if process.returncode:
            raise self._failed(path, said or f"it ended with {process.returncode}")

    def _failed(self, path: str, why: str) -> DiskFailed:
        fix = "Check that the host answers, that the file system is mounted there, and that the file is there"
        if "No space left" in why:
            fix = "Free space there, or give the volume another place"
        return DiskFailed("the disk's file cannot be reached", where=f"{self.name}:{path}", why=why, fix=fix)


@dataclass(frozen=True)
class Parts:
    """Which parts of a file are read, each of `span` bytes."""

    span: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """What is known of a file that was read. sent: bytes that were sent for it; seconds: that its host spent with reading;
    allocated: bytes that it takes here."""

    size: int = 0
    digests: Mapping[int, bytes] = field(default_factory=dict)
    sent: int = 0
    seconds: float = 0.0
    allocated: int = 0

    def asked(self, parts: Parts | None, *, shared: bool) -> bytes:
        """What `extents.py` is asked for: what differs from this."""
        count = max(self.digests, default=-1) + 1
        wanted = {
            "span": parts.span if parts else 0,
            "only": parts.numbers if parts else None,
            "known": count,
            "shared": shared,
        }
        return json.dumps(wanted).encode() + b"\n" + b"".join(self.digests.get(each, EMPTY) for each in range(count))


def extents_text() -> str:
    """The program that hosts run."""
    return inspect.getsource(extents)


def piped(stream: IO[bytes] | None) -> IO[bytes]:
    """A stream of a process that was begun with pipes."""
    if stream is None:
        raise AssertionError("the process was begun without this pipe")
    return stream


def _end(process: Process) -> None:
    """Lets a process whose streams are closed clean up, for a moment."""
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _communicate(process: Process) -> tuple[str, str]:
    try:
        out, _none = process.communicate(b"", timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _none = process.communicate()
        return out.decode("utf-8", "replace"), f"no answer in {_SECONDS:g} s"
    return out.decode("utf-8", "replace"), _words(process)


def _words(process: Process) -> str:
    """The last line that was told on standard error."""
    lines = process.words().strip().splitlines()
    return lines[-1][:400] if lines else ""


@contextlib.contextmanager
def _limited(process: Process, seconds: float | None) -> Iterator[threading.Event]:
    """Ends a process that takes longer; the event tells that it did."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end) if seconds is not None else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield late
    finally:
        if timer:
            timer.cancel()
