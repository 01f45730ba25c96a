# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as streams: holes stay holes, a second read sends what differs, a torn stream is no disk."""

from __future__ import annotations

import ctypes
import errno
import io
import mmap
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import bricks, extents, regions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import (
    DiskFailed,
    HostFiles,
    Hosts,
    Known,
    Parts,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.regions import REGION, Regions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Host

MIB = 1 << 20


def disk(path: Path, size: int, **blocks: bytes) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in blocks.items():
            file.seek(int(offset[1:]))
            file.write(data)
    return path


def joined(folder: Path, size: int) -> bytes:
    """A disk as it is put together by hand."""
    data = bytearray(size)
    for region in folder.iterdir():
        begin, content = int(region.name) * REGION, region.read_bytes()
        data[begin : begin + len(content)] = content
    assert len(data) == size
    return bytes(data)


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    cut = [(at, data[at : at + MIB]) for at in range(0, len(data), MIB)]
    return [(at, block) for at, block in cut if block.strip(b"\0")]


def test_a_disk_comes_over_as_it_is_and_what_is_empty_does_not(tmp_path: Path) -> None:
    size = 64 * MIB + 123
    source = disk(tmp_path / "a", size, _0=b"begin", **{f"_{5 * MIB - 2}": b"across", f"_{64 * MIB + 120}": b"end"})
    known = Hosts.here().read(str(source), Regions(str(tmp_path / "b")))
    assert joined(tmp_path / "b", size) == source.read_bytes()
    assert sorted(each.name for each in (tmp_path / "b").iterdir()) == ["00000000", "00000004"]
    assert (known.size, known.sent) == (size, 3 * MIB + 123)
    assert 0 < known.allocated <= 4 * MIB


def test_a_second_read_sends_only_what_differs_and_clears_what_became_empty(tmp_path: Path) -> None:
    source = disk(tmp_path / "a", 16 * MIB, _0=b"x" * MIB, **{f"_{3 * MIB}": b"y" * MIB, f"_{7 * MIB}": b"z" * MIB})
    files, dest = Hosts.here(), Regions(str(tmp_path / "b"))
    first = files.read(str(source), dest)
    with source.open("r+b") as file:
        file.truncate(7 * MIB)  # what is beyond becomes a hole
        file.truncate(16 * MIB)
        file.seek(3 * MIB)
        file.write(bytes(MIB))
        file.seek(9 * MIB)
        file.write(b"new")
    second = files.read(str(source), dest, again=first)
    assert joined(tmp_path / "b", 16 * MIB) == source.read_bytes()
    assert second.sent == 3 * MIB
    assert files.read(str(source), dest, again=second).sent == 0


def test_only_the_parts_that_are_named_are_read(tmp_path: Path) -> None:
    source = disk(tmp_path / "a", 16 * MIB, _0=b"x", **{f"_{5 * MIB}": b"y", f"_{9 * MIB}": b"z"})
    files, dest = Hosts.here(), Regions(str(tmp_path / "b"))
    first = files.read(str(source), dest, parts=Parts(4 * MIB, (1, 9)))
    assert sorted(first.digests) == [5]
    assert files.read(str(source), dest, again=first, parts=Parts(4 * MIB, (0, 1))).sent == MIB


def view(**stamps: dict[int, tuple[int, ...]]) -> bricks.View:
    return bricks.View(64, stamps)


def test_parts_of_a_disk_are_what_any_brick_has_and_what_changed_on_any() -> None:
    before = view(n1={0: (1, 8), 1: (1, 0), 2: (1, 8)}, n2={0: (1, 8)})
    after = view(n1={0: (1, 8), 1: (2, 8), 2: (1, 8)}, n2={0: (1, 8), 3: (5, 8)})
    assert bricks.existing(before) == Parts(64, (0, 2))
    for one, other in ((before, after), (after, before)):
        assert bricks.changed(one, other) == Parts(64, (1, 3))
    assert bricks.changed(before, view(n1={}, n3={})) is None
    assert bricks.changed(before, None) is None
    assert bricks.existing(None) is None


def test_bricks_are_believed_only_where_a_majority_answers(tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.write_text('#!/bin/sh\necho \'{"span": 64, "stamps": {"0": [1, 8]}}\'\n')
    told.chmod(0o755)

    def seen(*up: bool) -> bricks.View | None:
        hosts = [Host(f"n{number}", (str(told) if one else "false",)) for number, one in enumerate(up)]
        return bricks.Bricks(hosts, "/srv/shared", "/brick").view("/srv/shared/volumes/0001/disk.img")

    found = seen(True, True, False)
    assert found is not None
    assert sorted(found.bricks) == ["n0", "n1"]
    assert seen(True, False, False) is None
    assert seen(True, True, False, False) is None
    assert bricks.Bricks([], "/srv/shared", "").view("/srv/shared/x") is None
    assert bricks.Bricks([], "/srv/shared", "/brick").view("/elsewhere/x") is None


def test_a_disk_is_written_whole_with_its_owner_and_never_over_another(tmp_path: Path) -> None:
    data = b"a" * MIB + bytes(3 * MIB) + b"end"
    target = tmp_path / "disk.img"
    files = Hosts.here()
    files.write(str(target), len(data), blocks(data), owner=f"{os.getuid()}:{os.getgid()}")
    assert target.read_bytes() == data
    assert target.stat().st_mode & 0o777 == 0o660
    assert target.stat().st_blocks * 512 < len(data)
    with pytest.raises(DiskFailed, match="is there already"):
        files.write(str(target), 3, blocks(b"new"))
    assert target.read_bytes() == data
    files.write(str(target), 3, blocks(b"new"), force=True)
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("broken", ["torn", "long"])
def test_a_damaged_source_leaves_no_disk(tmp_path: Path, broken: str) -> None:
    def source() -> Iterator[tuple[int, bytes]]:
        yield 0, b"x" * MIB
        if broken == "torn":
            raise ValueError("it cannot be read to its end")
        yield 4 * MIB, b"x" * MIB

    with pytest.raises(DiskFailed, match="is damaged"):
        Hosts.here().write(str(tmp_path / "disk.img"), 4 * MIB, source())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_comes_out_of_its_archive_as_it_went_in(tmp_path: Path) -> None:
    size = 33 * MIB + 7
    source = disk(tmp_path / "a", size, _3=b"begin", **{f"_{33 * MIB}": b"the end"})
    Hosts.here().read(str(source), Regions(str(tmp_path / "disks" / "root")))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(tmp_path / "disks", "disks")
    archive.seek(0)
    target = tmp_path / "disk.img"
    Hosts.here().write(str(target), size, regions.blocks(archive))
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(ValueError, match="to its end"):
        list(regions.blocks(io.BytesIO(archive.getvalue()[: 5 * MIB])))


@pytest.mark.parametrize("broken", ["cut", "altered"])
def test_a_stream_that_was_torn_or_altered_is_refused(tmp_path: Path, broken: str) -> None:
    source = disk(tmp_path / "a", 2 * MIB, _0=b"data")
    out = io.BytesIO()
    extents.send_file(str(source), out, {})
    text = out.getvalue()
    torn = text[:-20] if broken == "cut" else text.replace(b"data", b"dat?", 1)
    with pytest.raises(extents.Broken, match="broke off" if broken == "cut" else "altered"):
        list(extents.frames(io.BytesIO(torn)))


def test_a_host_is_reached_by_its_command_with_words_that_a_shell_cannot_misread(tmp_path: Path) -> None:
    source = disk(tmp_path / 'it\'s a "disk"; $HOME', MIB, _0=b"data")
    files = HostFiles(Host("n1", ("sh", "-c")))  # as ssh does, it gives one word to a shell
    assert files.look(str(source)).exists
    files.read(str(source), Regions(str(tmp_path / "b")))
    assert joined(tmp_path / "b", MIB) == source.read_bytes()


def test_the_first_host_that_answers_is_taken_and_all_are_named_where_none_does(tmp_path: Path) -> None:
    path = str(disk(tmp_path / "a", MIB))
    assert Hosts((Host("down", ("false",)), Host("up"))).of(path).name == "up"
    with pytest.raises(DiskFailed) as caught:
        Hosts((Host("one", ("false",)), Host("two", ("false",)))).of(path)
    assert "one:" in str(caught.value)
    assert "two:" in str(caught.value)


def test_a_read_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    source = disk(tmp_path / "a", MIB)
    slow = tmp_path / "slow"
    # A program of the program's own has its pipes: ended alone, the first would leave the reader waiting for the second.
    slow.write_text("#!/bin/sh\nsleep 30\n")
    slow.chmod(0o755)
    begun = time.monotonic()
    with pytest.raises(DiskFailed, match="took too long"):
        HostFiles(Host("n1", (str(slow),))).read(str(source), Regions(str(tmp_path / "b")), seconds=0.3)
    assert time.monotonic() - begun < 15


def cached(path: Path) -> int:
    """How many pages of a file this host keeps."""
    size = path.stat().st_size
    count = -(-size // mmap.PAGESIZE)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as pages:
        resident = (ctypes.c_ubyte * count)()
        start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        assert ctypes.CDLL(None).mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), resident) == 0
        return sum(each & 1 for each in resident)


def test_a_disk_is_not_read_out_of_the_page_cache_which_may_be_older_than_the_disk(tmp_path: Path) -> None:
    path = disk(tmp_path / "disk.img", 3 * extents.BLOCK + 4096, b0=b"a", **{f"b{2 * extents.BLOCK}": b"c"})
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        pytest.skip(f"the file system of {tmp_path} does not know O_DIRECT: {error}")
    os.sync()
    assert cached(path) > 0
    out = io.BytesIO()
    extents.send_file(str(path), out, {})
    assert cached(path) == 0
    out.seek(0)
    found = [offset for offset, _data in extents.frames(out)]
    assert found == [0, 2 * extents.BLOCK, extents.LAST]


def test_a_disk_that_only_its_own_node_writes_to_is_read_out_of_the_page_cache(tmp_path: Path) -> None:
    path = disk(tmp_path / "disk.img", extents.BLOCK, b0=b"a")
    os.sync()
    extents.send_file(str(path), io.BytesIO(), {"shared": False})
    assert cached(path) > 0
    assert b'"shared": false' in Known().asked(None, shared=False)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOTCONN])
def test_a_file_system_that_fails_is_not_read_out_of_the_page_cache_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = disk(tmp_path / "disk.img", extents.BLOCK, b0=b"a")
    refuse_to_open_directly(monkeypatch, number)
    with pytest.raises(OSError, match="broken"):
        extents.send_file(str(path), io.BytesIO(), {})


def refuse_to_open_directly(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    really = os.open

    def opened(name: str, flags: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(number, "broken")
        return really(name, flags)

    monkeypatch.setattr(os, "open", opened)


def test_a_file_system_that_knows_no_direct_reads_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = disk(tmp_path / "disk.img", extents.BLOCK + 1000, b0=b"a", **{f"b{extents.BLOCK}": b"b"})
    wanted = io.BytesIO()
    extents.send_file(str(path), wanted, {})
    refuse_to_open_directly(monkeypatch, errno.EINVAL)
    found = io.BytesIO()
    extents.send_file(str(path), found, {})
    assert blocks_of(found) == blocks_of(wanted) != []


def test_a_direct_read_that_is_refused_is_no_reason_to_read_what_the_cache_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = disk(tmp_path / "disk.img", extents.BLOCK, b0=b"a")
    open_plainly(monkeypatch)

    def refuse(*_arguments: object) -> int:
        raise OSError(errno.EINVAL, "not so")

    monkeypatch.setattr(os, "preadv", refuse)
    with pytest.raises(OSError, match="not so"):
        extents.send_file(str(path), io.BytesIO(), {})


def test_a_direct_read_that_gives_less_is_read_on_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = disk(tmp_path / "disk.img", extents.BLOCK + 1000, b0=b"a", b8192=b"m", **{f"b{extents.BLOCK}": b"b"})
    wanted = io.BytesIO()
    extents.send_file(str(path), wanted, {})
    open_plainly(monkeypatch)
    really = os.preadv
    short = 2 * mmap.PAGESIZE
    monkeypatch.setattr(os, "preadv", lambda file, buffers, at: really(file, [memoryview(buffers[0])[:short]], at))
    monkeypatch.delattr(os, "pread")  # what the page cache has is not asked for
    found = io.BytesIO()
    extents.send_file(str(path), found, {})
    assert blocks_of(found) == blocks_of(wanted) != []


def open_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are opened for direct reads, whether the file system of this host knows them or not."""
    really = os.open
    monkeypatch.setattr(os, "open", lambda name, flags: really(name, flags & ~os.O_DIRECT))


def test_a_folder_is_no_disk(tmp_path: Path) -> None:
    with pytest.raises(extents.Broken, match="neither a file nor a block device"):
        extents.send_file(str(tmp_path), io.BytesIO(), {})


def blocks_of(stream: io.BytesIO) -> list[tuple[int, bytes]]:
    stream.seek(0)
    return [(offset, data) for offset, data in extents.frames(stream) if offset != extents.LAST]


def test_the_program_runs_alone(tmp_path: Path) -> None:
    source = disk(tmp_path / "a", MIB)
    text = Path(extents.__file__ or "").read_text()
    done = subprocess.run(
        [sys.executable, "-I", "-c", text, "look", str(source)], capture_output=True, text=True, check=True
    )
    assert '"exists": true' in done.stdout
