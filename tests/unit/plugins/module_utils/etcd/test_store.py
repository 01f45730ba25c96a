# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import etcd_snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import options, store
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.store import Kept

NOW = 1_800_000_000.0


def keep(folder: Path, name: str, taken_at: float = NOW, **note: Any) -> Path:
    path = folder / name
    path.write_text(name)
    store.write_note(str(path), {"taken_at": store.time_text(taken_at), **note})
    return path


class TestNames:
    def test_a_name_is_its_time(self) -> None:
        assert store.name_of("etcd-", NOW) == "etcd-20270115T080000Z.db"
        assert store.time_of(store.time_text(NOW)) == NOW

    def test_only_those_of_the_prefix_with_a_note_of_ours_count(self, tmp_path: Path) -> None:
        old = keep(tmp_path, "a-20260101T000000Z.db", NOW - 10)
        new = keep(tmp_path, "a-20250101T000000Z.db", NOW)
        keep(tmp_path, "a-b-20260101T000000Z.db")
        keep(tmp_path, "a-20260101T000000Z.db.old")
        keep(tmp_path, "a-20260102T000000Z.db", written_by="someone else")
        keep(tmp_path, "a-20260103T000000Z.db", file="another.db")
        keep(tmp_path, "a-20260105T000000Z.db")
        keep(tmp_path, "a-20260104T000000Z.db").unlink()
        (tmp_path / "a-20260106T000000Z.db").write_text("without a note")
        (tmp_path / "a-20260107T000000Z.db.json").write_text("[]")
        note = json.loads((tmp_path / "a-20260105T000000Z.db.json").read_text())
        (tmp_path / "a-20260105T000000Z.db.json").write_text(json.dumps({**note, "taken_at": "yesterday"}))
        assert [kept.path for kept in store.kept_in(str(tmp_path), "a-")] == [str(new), str(old)]
        assert store.kept_in(str(tmp_path / "none"), "a-") == []

    @pytest.mark.parametrize(("age", "young"), [(0, True), (99, True), (100, False), (-30, True), (-3600, False)])
    def test_a_note_from_the_future_is_not_young(self, age: float, young: bool) -> None:
        assert Kept("p", NOW - age, {}).is_younger(100, NOW) is young


class TestSurplus:
    kept = [Kept(str(number), NOW - number, {}) for number in range(4)]

    @pytest.mark.parametrize(
        ("count", "to_come", "gone"), [(None, 1, ""), (1, 1, "0123"), (3, 1, "23"), (3, 0, "3"), (9, 1, "")]
    )
    def test_the_newest_stay_and_the_one_to_come_counts(self, count: int | None, to_come: int, gone: str) -> None:
        assert "".join(one.path for one in store.surplus(self.kept, count, to_come=to_come)) == gone

    def test_a_snapshot_goes_with_its_note(self, tmp_path: Path) -> None:
        path = keep(tmp_path, "a-20260101T000000Z.db")
        store.remove(store.kept_in(str(tmp_path), "a-"))
        assert not path.exists() and os.listdir(tmp_path) == []
        with pytest.raises(HaError, match="could not be removed"):
            store.remove([Kept(str(path), NOW, {})])


class TestPartial:
    def test_it_gets_its_name_only_when_it_is_placed(self, tmp_path: Path) -> None:
        path = tmp_path / "s.db"
        with store.partial(str(path)) as file:
            file.write(b"x")
            assert not path.exists()
            store.place(file, str(path), force=False)
        assert os.listdir(tmp_path) == ["s.db"] and stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_an_error_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError), store.partial(str(tmp_path / "s.db")) as file:
            file.write(b"x")
            raise RuntimeError
        assert os.listdir(tmp_path) == []

    def test_what_came_in_between_is_not_overwritten_unasked(self, tmp_path: Path) -> None:
        path = tmp_path / "s.db"
        with store.partial(str(path)) as file:
            path.write_text("precious")
            with pytest.raises(Refused, match="the path is taken"):
                store.place(file, str(path), force=False)
            assert path.read_text() == "precious"
            store.place(file, str(path), force=True)
        assert path.read_bytes() == b"" and os.listdir(tmp_path) == ["s.db"]

    def test_it_works_without_hard_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_args: Any) -> None:
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        with store.partial(str(tmp_path / "s.db")) as file:
            store.place(file, str(tmp_path / "s.db"), force=False)
        assert os.listdir(tmp_path) == ["s.db"]

    def test_only_what_a_dead_run_left_is_swept(self, tmp_path: Path) -> None:
        names = [f".s.db.{number:08x}.kubevirt-ha-partial" for number in range(3)]
        others = [".s.db.kubevirt-ha-partial", ".s.db.abc.partial"]
        for name in (*names, *others):
            (tmp_path / name).write_text("x")
            os.utime(tmp_path / name, (time.time() - 60,) * 2)
        os.utime(tmp_path / names[2])
        with open(tmp_path / names[1], "rb") as running:
            fcntl.flock(running, fcntl.LOCK_SH)
            with store.partial(str(tmp_path / "s.db")):
                assert not (tmp_path / names[0]).exists()
        assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], *others])


class TestPrepare:
    def test_the_directory_is_its_owners_only(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b"
        store.prepare(str(folder), 1, check=True)
        assert os.listdir(tmp_path) == []
        store.prepare(str(folder), 1)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_what_cannot_be_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(Refused, match="is a file"):
            store.prepare(str(tmp_path / "file" / "sub"), 1)
        with pytest.raises(Refused, match="does not fit"):
            store.prepare(str(tmp_path), 1 << 60)


class TestParameters:
    good: dict[str, Any] = {
        "state": "present", "endpoints": ["https://[::1]:2379", "http://h"], "directory": "/b", "prefix": "e-",
        "timeout": 5, "request_timeout": 5,
    }  # fmt: skip

    def faults(self, **more: Any) -> str:
        return "\n".join(etcd_snapshot.faults({**self.good, **more}))

    def test_good_ones_have_no_faults(self) -> None:
        assert self.faults() == "" and self.faults(state="verified", max_age=5) == ""

    def test_all_faults_come_at_once(self) -> None:
        found = self.faults(
            keep=0, max_age=-1, timeout=0, request_timeout=0, prefix="a/b", etcdutl="/nowhere", endpoints=["h:2379"]
        )
        assert len(found.splitlines()) == 7

    @pytest.mark.parametrize(
        "endpoint", ["h:2379", "ftp://h", "https://", "https://h:0", "https://h:x", "https://h/v3", "https://u:p@h"]
    )
    def test_an_endpoint_is_a_url_of_an_address(self, endpoint: str) -> None:
        assert "must be of the form" in self.faults(endpoints=[endpoint])

    @pytest.mark.parametrize(
        ("more", "fault"),
        [
            ({"endpoints": []}, "endpoints: is empty"),
            ({"prefix": ""}, "prefix: ''"),
            ({"path": "/b/s.db", "directory": None, "keep": 3}, "keep: needs directory"),
            ({"state": "verified", "keep": 3, "force": True}, "keep: has no meaning with state verified"),
            ({"state": "verified", "force": True}, "force: has no meaning with state verified"),
        ],
    )
    def test_what_does_not_go_together(self, more: dict[str, Any], fault: str) -> None:
        assert fault in self.faults(**more)

    def test_kubeadms_certificates_are_found(self, tmp_path: Path) -> None:
        for name in ("server", "peer"):
            (tmp_path / f"{name}.crt").touch()
            (tmp_path / f"{name}.key").touch()
        (tmp_path / "healthcheck-client.crt").touch()
        login = options.login_of({}, str(tmp_path))
        assert (login.ca_cert, login.client_cert) == (f"{tmp_path}/ca.crt", f"{tmp_path}/server.crt")
        (tmp_path / "healthcheck-client.key").touch()
        assert options.login_of({}, str(tmp_path)).client_key == f"{tmp_path}/healthcheck-client.key"
        assert options.login_of({"client_cert": "c", "client_key": "k"}, str(tmp_path)).client_cert == "c"
