# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot's file holds, and whether it is what etcd sent.

The file is etcd's database, whose size is a multiple of 512, and the SHA-256 of it that etcd appends (etcdutl asks for
the same, go.etcd.io/etcd/etcdutl/v3/snapshot: hasChecksum, saveDB). Read in Python, so that no program is needed.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, shorten
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import bolt

DIGEST_SIZE = 32
_SECTOR = 512
_CHUNK = 1 << 20
_ETCDUTL_SECONDS = 600
# A revision's key: main and sub revision of 8 bytes each with a "_" between, and a "t" where the key was deleted.
_REVISION_SIZE, _TOMBSTONE_SIZE = 17, 18


class SnapshotDamaged(HaError):
    """A file that is not the whole snapshot that etcd sent."""


@dataclass(frozen=True)
class Content:
    """What is in a snapshot.

    size: bytes of the file; sha256: of the whole file, in hexadecimal digits; revision: of the newest change;
    total_keys: keys that exist at it; storage_version: "" before etcd 3.6; hash: etcdutl's, "" where that was not asked.
    """

    size: int
    sha256: str
    revision: int
    total_keys: int
    storage_version: str
    hash: str = ""

    @property
    def verified_with(self) -> list[str]:
        """What looked at the file."""
        return ["sha256", "database", *(["etcdutl"] if self.hash else [])]


def verify(path: str, *, sha256: str = "", etcdutl: str = "") -> Content:
    """Reads a whole snapshot; SnapshotDamaged says what is wrong with it.

    sha256: what the file's must be, where that is known; etcdutl: a program to look at it, too.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise _damaged(path, "it is empty")
            found = _read(path, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except OSError as error:
        raise HaError("the snapshot cannot be read", where=path, why=str(error.strerror)) from error
    if sha256 and found.sha256 != sha256:
        raise _damaged(path, f"its SHA-256 is {found.sha256}, it was {sha256} when it was taken")
    if not etcdutl:
        return found
    return Content(**{**found.__dict__, "hash": _etcdutl_hash(path, etcdutl, found)})


def _read(path: str, data: memoryview) -> Content:
    if len(data) % _SECTOR != DIGEST_SIZE:
        raise _damaged(
            path, f"its {len(data)} bytes do not end in the SHA-256 that etcd appends: cut off, or no snapshot of etcd"
        )
    database, digest = data[:-DIGEST_SIZE], data[-DIGEST_SIZE:]
    try:
        hasher = hashlib.sha256()
        for start in range(0, len(database), _CHUNK):
            hasher.update(database[start : start + _CHUNK])
        if hasher.digest() != digest:
            raise _damaged(path, "its content does not have the SHA-256 that etcd appended to it")
        hasher.update(digest)
        revision, keys, version = read_database(database)
        return Content(len(data), hasher.hexdigest(), revision, keys, version)
    except bolt.Damaged as error:
        raise _damaged(path, f"its database is damaged: {error}") from error


def read_database(data: bolt.Buffer) -> tuple[int, int, str]:
    """Newest revision, number of keys that exist, storage version; bolt.Damaged where it is no database of etcd."""
    revision = 0
    keys: set[bytes] = set()
    database = bolt.Database(data)
    for stamp, value in database.bucket(b"key"):
        if len(stamp) not in (_REVISION_SIZE, _TOMBSTONE_SIZE):
            raise bolt.Damaged("a revision of an unknown form")
        revision = int.from_bytes(stamp[:8], "big")
        if len(stamp) == _TOMBSTONE_SIZE:
            keys.discard(key_of(value))
        else:
            keys.add(key_of(value))
    version = next((bytes(value) for name, value in database.bucket(b"meta") if name == b"storageVersion"), b"")
    return revision, len(keys), version.decode("ascii", "replace")


def key_of(value: bolt.Buffer) -> bytes:
    """The key in a stored mvccpb.KeyValue: field 1, which is written first (mvccpb/kv.proto)."""
    if not len(value) or value[0] != 0x0A:
        raise bolt.Damaged("a value that is none of etcd's")
    length, start = _varint(value, 1)
    if start + length > len(value):
        raise bolt.Damaged("a value that is cut off")
    return bytes(value[start : start + length])


def _varint(value: bolt.Buffer, position: int) -> tuple[int, int]:
    """A protobuf number and where what follows it begins."""
    number = shift = 0
    for index in range(position, min(len(value), position + 10)):
        number |= (value[index] & 0x7F) << shift
        shift += 7
        if not value[index] & 0x80:
            return number, index + 1
    raise bolt.Damaged("a value that is cut off")


def _etcdutl_hash(path: str, program: str, found: Content) -> str:
    """etcdutl's hash of all buckets, after its own check of every page."""
    status = etcdutl_status(path, program)
    if int(status.get("revision") or 0) != found.revision:
        raise _damaged(path, f"{program} reads revision {status.get('revision')} in it, not {found.revision}")
    return f"{int(status['hash']):x}"


def etcdutl_status(path: str, program: str) -> dict[str, Any]:
    """What `etcdutl snapshot status` says of a file."""
    command = [program, "snapshot", "status", path, "--write-out=json"]
    where, fix = program, "Give a working etcdutl, or none"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ETCDUTL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HaError("etcdutl could not be run", where=where, why=str(error), fix=fix) from error
    if done.returncode:
        raise _damaged(path, f"{program} refuses it: {shorten((done.stderr or done.stdout).strip())}")
    try:
        status = json.loads(done.stdout)
        return {**status, "hash": int(status["hash"])}
    except (ValueError, KeyError, TypeError) as error:
        raise HaError("etcdutl's answer cannot be read", where=where, why=shorten(done.stdout), fix=fix) from error


def _damaged(path: str, why: str) -> SnapshotDamaged:
    return SnapshotDamaged(
        "the snapshot is damaged", where=path, why=why, fix="Do not restore from it; take another or use an older one"
    )
