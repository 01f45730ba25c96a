# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open files and their locks, out of state dumps as GlusterFS 10.3 writes them."""

from __future__ import annotations

from brick_files import OpenFile, parse

FOLDER = """\
[conn.0.bound_xl./bricks/b.active.1]
gfid=00000000-0000-0000-0000-000000000001
nlookup=2
fd-count=1
active-fd-count=1
ref=1
ia_type=2

[xlator.features.locks.shared-locks.inode]
path=/
mandatory=0
removes_pending=0
"""
LOCKED = """\
[conn.0.bound_xl./bricks/b.active.2]
gfid=11111111-0000-0000-0000-000000000001
nlookup=2
fd-count=2
active-fd-count=2
ref=1
ia_type=1
ref_by_xl:.shared-io-threads=1

[xlator.features.locks.shared-locks.inode]
path=/volumes/0001/disk.img
mandatory=0
inodelk-count=1
lock-dump.domain.domain=shared-replicate-0
inodelk.inodelk[0](ACTIVE)=type=WRITE, whence=0, start=0, len=0, pid = 2493, owner=c8, client=0x7f, granted at 2026-11-28 22:53:30 +0000
posixlk-count=3
posixlk.posixlk[0](ACTIVE)=type=READ, whence=0, start=100, len=1, pid = 2493, owner=04, client=0x7f, granted at 2026-11-28 22:53:30 +0000
removes_pending=0
"""
# The brick was restarted: the client opened the file again, by its id.
FORGOTTEN = """\
[conn.0.bound_xl./bricks/b.active.3]
gfid=22222222-0000-0000-0000-000000000001
nlookup=0
fd-count=1
active-fd-count=1
ref=1
ia_type=1

[xlator.features.locks.shared-locks.inode]
path=<gfid:22222222-0000-0000-0000-000000000001>
mandatory=0
removes_pending=0
"""
CLOSED = """\
[conn.0.bound_xl./bricks/b.lru.1]
gfid=33333333-0000-0000-0000-000000000001
fd-count=0
active-fd-count=0
ia_type=1

[xlator.features.locks.shared-locks.inode]
path=/volumes/0002/disk.img
"""
SHARD = LOCKED.replace("/volumes/0001/disk.img", "/.shard/1.7").replace("posixlk-count=3\n", "")


def dump(*inodes: str) -> str:
    return "\n".join(["[global.callpool]\nfd-count=7\n", *inodes, "conn.1.id=CTX_ID:d1\n\n[b.latency]\n"])


def test_open_files_are_found_with_their_locks() -> None:
    assert parse(dump(FOLDER, LOCKED, FORGOTTEN, CLOSED, SHARD)) == [
        OpenFile("22222222-0000-0000-0000-000000000001", "", 1, 0),
        OpenFile("11111111-0000-0000-0000-000000000001", "/volumes/0001/disk.img", 2, 3),
    ]


def test_a_file_that_the_lock_translator_never_saw_has_no_locks() -> None:
    alone = FORGOTTEN.split("\n[xlator", maxsplit=1)[0] + "\n"
    assert [file.locks for file in parse(dump(alone, LOCKED))] == [0, 3]


def test_an_idle_brick_has_none() -> None:
    assert parse(dump(FOLDER, CLOSED)) == []
