# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import bolt, content
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.content import SnapshotDamaged
from made_up import ENTRIES, PAGE, branch, database, header, leaf, meta, revision, snapshot, stored


class TestDatabase:
    def test_keys_that_were_deleted_do_not_count(self) -> None:
        assert content.read_database(database(ENTRIES)) == (7, 3, "3.6.0")

    def test_an_older_etcd_keeps_no_version(self) -> None:
        assert content.read_database(database(ENTRIES, b""))[2] == ""

    def test_the_newer_meta_page_counts_and_one_that_is_damaged_does_not(self) -> None:
        data = database(ENTRIES)
        assert bolt.Database(data).meta.transaction == 7
        other = meta(1, 9, 3, 7).ljust(PAGE, b"\0")
        torn = b"\0" * PAGE + other + data[2 * PAGE :]
        assert bolt.Database(torn).meta.transaction == 9
        assert content.read_database(torn)[:2] == (7, 3)

    def test_a_meta_page_whose_sum_is_wrong_does_not_count(self) -> None:
        data = bytearray(database(ENTRIES))
        data[16 + 48] ^= 8  # the number of its transaction
        assert bolt.Database(bytes(data)).meta.transaction == 6

    def test_a_bucket_that_is_not_there_is_empty(self) -> None:
        assert list(bolt.Database(database(ENTRIES)).bucket(b"lease")) == []

    @pytest.mark.parametrize(
        ("place", "page", "why"),
        [
            (3, header(3, 0x10, 0), "a page of kind 0x10"),
            (4, branch(4, [4]), "it names page 4 of 7"),
            (4, branch(4, [99]), "it names page 99 of 7"),
            (4, branch(4, [5, 5, 5, 5, 5, 5, 5, 5]), "it names page 5 of 7"),
            (4, header(4, 1, 65535), "a branch that goes beyond its page"),
            (5, header(9, 2, 0), "page 5 says that it is page 9"),
            (5, header(5, 2, 1) + struct.pack("<IIII", 0, 16, 17, PAGE), "an element that goes beyond its page"),
            (5, leaf(5, [(0, b"short", b"")]), "a revision of an unknown form"),
            (5, leaf(5, [(0, revision(2), b"\x99")]), "a value that is none of etcd's"),
            (5, leaf(5, [(0, revision(2), b"\x0a\x20abc")]), "a value that is cut off"),
            (5, leaf(5, [(0, revision(2), b"\x0a" + b"\xff" * 20)]), "a value that is cut off"),
            (3, leaf(3, [(1, b"key", b"\0" * 8)]), "a bucket without a header"),
        ],
    )
    def test_contradictions_are_told(self, place: int, page: bytes, why: str) -> None:
        data = database(ENTRIES)
        broken = data[: place * PAGE] + page.ljust(PAGE, b"\0") + data[(place + 1) * PAGE :]
        with pytest.raises(bolt.Damaged, match=why):
            content.read_database(broken)

    def test_a_leaf_that_goes_beyond_its_page_is_told(self) -> None:
        data = bytearray(database(ENTRIES))
        data[3 * PAGE : 4 * PAGE] = header(3, 2, 65535).ljust(PAGE, b"\0")
        with pytest.raises(bolt.Damaged, match="a leaf that goes beyond its page"):
            list(bolt.Database(bytes(data)).bucket(b"none"))

    def test_one_that_is_cut_off_or_none_is_told(self) -> None:
        with pytest.raises(bolt.Damaged, match="bytes of"):
            bolt.Database(database(ENTRIES)[: 3 * PAGE])
        for data in (b"", b"x" * 50000):
            with pytest.raises(bolt.Damaged, match="no valid meta page"):
                bolt.Database(data)

    @pytest.mark.parametrize("length", [5, 127])
    def test_a_key_is_read_by_its_length(self, length: int) -> None:
        assert content.key_of(stored(b"k" * length)) == b"k" * length
        assert content.key_of(b"\x0a\xac\x02" + b"k" * 300) == b"k" * 300


class TestFile:
    def test_a_whole_one(self, tmp_path: Path) -> None:
        path = tmp_path / "s.db"
        path.write_bytes(snapshot(database(ENTRIES)))
        found = content.verify(str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        assert (found.revision, found.total_keys, found.storage_version) == (7, 3, "3.6.0")
        assert found.size == path.stat().st_size and found.verified_with == ["sha256", "database"]

    @pytest.mark.parametrize("position", [0, 20, PAGE * 3 + 5, PAGE * 7 - 1, PAGE * 7, PAGE * 7 + 31])
    def test_any_flipped_byte_is_found(self, tmp_path: Path, position: int) -> None:
        data = bytearray(snapshot(database(ENTRIES)))
        data[position] ^= 1
        path = tmp_path / "s.db"
        path.write_bytes(data)
        with pytest.raises(SnapshotDamaged, match="does not have the SHA-256"):
            content.verify(str(path))

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"", "it is empty"),
            (database(ENTRIES), "do not end in the SHA-256"),
            (snapshot(database(ENTRIES))[:-1], "do not end in the SHA-256"),
            (snapshot(b"x" * 1024), "its database is damaged"),
        ],
    )
    def test_what_is_not_whole_is_told(self, tmp_path: Path, data: bytes, why: str) -> None:
        path = tmp_path / "s.db"
        path.write_bytes(data)
        with pytest.raises(SnapshotDamaged, match=why):
            content.verify(str(path))

    def test_another_sound_snapshot_is_not_the_one_that_was_taken(self, tmp_path: Path) -> None:
        path = tmp_path / "s.db"
        path.write_bytes(snapshot(database(ENTRIES[:4])))
        with pytest.raises(SnapshotDamaged, match="when it was taken"):
            content.verify(str(path), sha256="0" * 64)

    def test_a_missing_one_is_no_damaged_one(self, tmp_path: Path) -> None:
        with pytest.raises(HaError, match="cannot be read") as caught:
            content.verify(str(tmp_path / "none.db"))
        assert not isinstance(caught.value, SnapshotDamaged)


class TestEtcdutl:
    def program(self, folder: Path, body: str) -> str:
        path = folder / "etcdutl"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    def snapshot(self, folder: Path) -> str:
        path = folder / "s.db"
        path.write_bytes(snapshot(database(ENTRIES)))
        return str(path)

    def test_its_hash_is_kept_as_it_shows_it(self, tmp_path: Path) -> None:
        program = self.program(tmp_path, 'echo \'{"hash": 255, "revision": 7, "totalKey": 9}\'')
        found = content.verify(self.snapshot(tmp_path), etcdutl=program)
        assert found.hash == "ff" and found.total_keys == 3 and found.verified_with[-1] == "etcdutl"

    @pytest.mark.parametrize(
        ("body", "why", "damaged"),
        [
            ("echo 'page 3: already freed' >&2; exit 1", "refuses it: page 3: already freed", True),
            ('echo \'{"hash": 255, "revision": 6}\'', "reads revision 6 in it, not 7", True),
            ("echo nonsense", "answer cannot be read", False),
        ],
    )
    def test_what_it_objects_to_counts(self, tmp_path: Path, body: str, why: str, damaged: bool) -> None:
        with pytest.raises(HaError, match=why) as caught:
            content.verify(self.snapshot(tmp_path), etcdutl=self.program(tmp_path, body))
        assert isinstance(caught.value, SnapshotDamaged) == damaged
