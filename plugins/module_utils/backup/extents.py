# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk's file as a stream without its empty parts: read on the host that holds it, written on another.

Needs nothing but Python 3.9, and nothing of this collection: its text is run on hosts by `python3 -c`. Commands, whose
answers go to standard output:

- `look PATH`: {"exists", "size", "allocated", "free", "folder"}, in bytes, as a line of JSON
- `map PATH ROOT`: of a file of GlusterFS on a brick whose folder is ROOT, what of it exists there and when it was changed:
  {"span": bytes of a part, "stamps": {its number: [time of change in ns, allocated bytes]}}; span 0 where it has no parts
- `read PATH`: frames of what the file holds. Standard input tells what is wanted, a line of JSON: {"span", "only": numbers
  of the parts of that many bytes that are read, None for all, "known": how many digests of blocks follow, "shared": whether
  other hosts write to it}. With digests only blocks that differ from them are sent.
- `write PATH SIZE OWNER FORCE`: writes a file of that size from frames on standard input, whole or not at all
- `remove PATH`: removes a file that may be missing

A frame is an offset and a length, 8 and 4 bytes, then the bytes. The last one has the offset LAST and holds
{"size", "sha256" of all frames, "seconds" spent with reading} as JSON.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import mmap
import os
import stat
import struct
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import IO, Any

BLOCK = 1 << 20
FRAME = struct.Struct(">QI")
LAST = (1 << 64) - 1
DIGEST = 16
# Stands for a block that holds nothing but zeros, and for one beyond the file's end.
EMPTY = bytes(DIGEST)


class Broken(Exception):
    """A stream that ended early or says something else than what came."""


def digest(block: bytes) -> bytes:
    """A block's digest; EMPTY for one of zeros."""
    if not block.strip(b"\0"):
        return EMPTY
    return hashlib.blake2b(block, digest_size=DIGEST).digest()


def extents(file: int, size: int) -> Iterator[int]:
    """The numbers of the blocks that hold data, as far as the file system tells; all where it does not."""
    position = 0
    while position < size:
        try:
            begin = os.lseek(file, position, os.SEEK_DATA)
            end = os.lseek(file, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data from here on
                return
            begin, end = position, size
        yield from range(begin // BLOCK, -(-end // BLOCK))
        position = -(-end // BLOCK) * BLOCK


class Reader:
    """A file, past this host's page cache where others write to it: the cache may be older than what they have written.

    GlusterFS's mounts keep pages for about a second after another host has changed them, over an open of the file, too.
    """

    def __init__(self, path: str, *, shared: bool) -> None:
        self._stack = contextlib.ExitStack()
        self._buffer = mmap.mmap(-1, BLOCK)  # lies where O_DIRECT wants it
        self._stack.callback(self._buffer.close)
        self.file, self._direct = self._open(path, os.O_RDONLY), -1
        if shared:
            os.posix_fadvise(self.file, 0, 0, os.POSIX_FADV_DONTNEED)
            try:
                self._direct = self._open(f"/proc/self/fd/{self.file}", os.O_RDONLY | os.O_DIRECT)
            except OSError as error:
                if error.errno != errno.EINVAL:  # the file system does not know it
                    self.close()
                    raise

    def _open(self, path: str, flags: int) -> int:
        file = os.open(path, flags)
        self._stack.callback(os.close, file)
        return file

    def close(self) -> None:
        """Closes it."""
        self._stack.close()

    def block(self, number: int, size: int) -> bytes:
        """A block's bytes, fewer at the file's end."""
        begin, wanted = number * BLOCK, min(BLOCK, size - number * BLOCK)
        data = b""
        while len(data) < wanted:
            part = self._part(begin + len(data))[: wanted - len(data)]
            if not part:
                raise Broken("the file became shorter while it was read")
            data += part
        return data

    def _part(self, at: int) -> bytes:
        """What one read gives; nothing at the file's end. OSError where a file that is opened directly cannot be read so."""
        if self._direct < 0:
            return os.pread(self.file, BLOCK, at)
        if at % mmap.PAGESIZE:  # a direct read ends at such a place only where the file does
            return b""
        return self._buffer[: os.preadv(self._direct, [self._buffer], at)]


class Sender:
    """Writes frames and keeps account of them."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._hash = hashlib.sha256()

    def send(self, offset: int, data: bytes) -> None:
        """One frame."""
        head = FRAME.pack(offset, len(data))
        if offset != LAST:
            self._hash.update(head)
            self._hash.update(data)
        self._out.write(head)
        self._out.write(data)

    def end(self, size: int, seconds: float) -> None:
        """The last frame."""
        told = {"size": size, "sha256": self._hash.hexdigest(), "seconds": seconds}
        self.send(LAST, json.dumps(told).encode())
        self._out.flush()


def wanted_blocks(file: int, size: int, wanted: dict[str, Any], known: Sequence[bytes] | None) -> Iterator[int]:
    """The numbers of the blocks that are read, in their order."""
    blocks = -(-size // BLOCK)
    only, span = wanted.get("only"), int(wanted.get("span") or BLOCK) // BLOCK
    if only is not None:
        numbers = {block for part in only for block in range(part * span, (part + 1) * span)}
    else:
        numbers = set(extents(file, size))
        # What was there and is no more must be read, too: it is empty now.
        numbers |= {number for number, before in enumerate(known or ()) if before != EMPTY}
    return iter(sorted(number for number in numbers if number < blocks))


def send_file(path: str, out: IO[bytes], wanted: dict[str, Any], known: Sequence[bytes] | None = None) -> None:
    """Sends what is wanted of a file; with `known`, the digests of what is there already, only what differs from that."""
    reader = Reader(path, shared=bool(wanted.get("shared", True)))
    try:
        kind = os.fstat(reader.file).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):  # the size of a folder has no meaning
            raise Broken("it is neither a file nor a block device")
        size = os.lseek(reader.file, 0, os.SEEK_END)
        sender, spent = Sender(out), 0.0
        for number in wanted_blocks(reader.file, size, wanted, known):
            began = time.monotonic()
            block = reader.block(number, size)
            found = digest(block)
            spent += time.monotonic() - began
            before = EMPTY if known is None or number >= len(known) else known[number]
            if found != before:
                sender.send(number * BLOCK, block)
        sender.end(size, round(spent, 3))
    finally:
        reader.close()


def whole(source: IO[bytes], count: int) -> bytes:
    """So many bytes of a stream; Broken where it ends before."""
    parts: list[bytes] = []
    while count > 0:
        part = source.read(min(count, BLOCK))
        if not part:
            raise Broken("the stream broke off")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def frames(source: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """Offset and bytes of each frame, the last one's told content at the end as (LAST, dictionary); Broken where a byte differs."""
    found = hashlib.sha256()
    while True:
        head = whole(source, FRAME.size)
        offset, length = FRAME.unpack(head)
        if length > BLOCK:
            raise Broken("the stream holds something else than frames")
        data = whole(source, length)
        if offset == LAST:
            told = json.loads(data.decode())
            if told["sha256"] != found.hexdigest():
                raise Broken("the stream was altered on its way")
            yield LAST, told
            return
        found.update(head)
        found.update(data)
        yield offset, data


def asked(source: IO[bytes]) -> tuple[dict[str, Any], list[bytes] | None]:
    """What `read` is asked for, and the digests that come with it."""
    wanted = json.loads(source.readline().decode() or "{}")
    if wanted.get("known") is None:
        return wanted, None
    data = whole(source, int(wanted["known"]) * DIGEST)
    return wanted, [data[at : at + DIGEST] for at in range(0, len(data), DIGEST)]


def parts_on_brick(path: str, root: str) -> dict[str, Any]:
    """What a brick has of a file that GlusterFS keeps in parts: the first lies in its place, the others below `.shard`."""
    names = os.listxattr(path)
    if "trusted.glusterfs.shard.block-size" not in names:
        return {"span": 0, "stamps": {}}
    span = int.from_bytes(os.getxattr(path, "trusted.glusterfs.shard.block-size"), "big")
    name = str(uuid.UUID(bytes=os.getxattr(path, "trusted.gfid"))) + "."
    stamps = {"0": stamp(os.stat(path))}
    with os.scandir(os.path.join(root, ".shard")) as entries:
        for entry in entries:
            if entry.name.startswith(name):
                stamps[entry.name[len(name) :]] = stamp(entry.stat())
    return {"span": span, "stamps": stamps}


def stamp(found: os.stat_result) -> list[int]:
    """When a part's content was changed, and how much of it there is."""
    return [found.st_mtime_ns, found.st_blocks * 512]


def receive(source: IO[bytes], path: str, size: int, owner: str, force: bool) -> None:
    """Writes a file through one beside it; one that is there already stays, unless `force`."""
    if os.path.lexists(path) and not force:
        raise Broken(path + " is there already")
    part = path + ".part"
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        try:
            os.ftruncate(file, size)
            for offset, data in frames(source):
                if offset != LAST:
                    write_at(file, offset, data)
            os.fchmod(file, 0o660)
            if owner:
                user, _colon, group = owner.partition(":")
                os.fchown(file, int(user), int(group or user))
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(part, path)
    except BaseException:
        os.unlink(part)
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # not every file system keeps names that way
            os.fsync(folder)
    finally:
        os.close(folder)


def write_at(file: int, offset: int, data: bytes) -> None:
    """All of the bytes, at that place."""
    view = memoryview(data)
    while view:
        count = os.pwrite(file, view, offset)
        view, offset = view[count:], offset + count


def look(path: str) -> dict[str, Any]:
    """What there is at a path, and the room in its folder, which must exist."""
    folder = os.path.dirname(path)
    room = os.statvfs(folder)
    told: dict[str, Any] = {
        "folder": folder,
        "exists": False,
        "size": 0,
        "allocated": 0,
        "free": room.f_bavail * room.f_frsize,
    }
    if os.path.exists(path):
        found = os.stat(path)
        told.update(exists=True, size=found.st_size, allocated=found.st_blocks * 512)
    return told


def main(arguments: Sequence[str]) -> int:
    """The program; 0, or 1 with a sentence on standard error."""
    command, path = arguments[0], arguments[1]
    try:
        if command == "look":
            sys.stdout.write(json.dumps(look(path)) + "\n")
        elif command == "read":
            send_file(path, sys.stdout.buffer, *asked(sys.stdin.buffer))
        elif command == "map":
            sys.stdout.write(json.dumps(parts_on_brick(path, arguments[2])) + "\n")
        elif command == "write":
            receive(sys.stdin.buffer, path, int(arguments[2]), arguments[3], arguments[4] == "force")
        elif command == "remove":
            if os.path.lexists(path):
                os.unlink(path)
        else:
            raise Broken("unknown command " + command)
    except (Broken, OSError) as error:
        sys.stderr.write(f"{path}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
