# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real repository: what is damaged in it is found and told by name, and what cannot be used is refused with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import checking
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import settings as configuration
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic, ResticFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.runner import Run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError

TAGS = {"kind": "vm", "namespace": "shop", "vm": "web", "taken": "2026-11-29T05:43:00Z"}


@pytest.fixture
def run(settings: dict[str, Any]) -> Run:
    made = Run(configuration.of(settings))
    made.prepare()
    return made


def saved(run: Run, folder: Path, content: bytes, **tags: str) -> str:
    """Saves a disk; the snapshot."""
    disk = folder / "source" / "disks" / "root"
    disk.mkdir(parents=True, exist_ok=True)
    (disk / "00000000").write_bytes(content)
    return str(run.restic.backup(str(folder / "source"), {**TAGS, **tags})["snapshot_id"])


def noise(word: str) -> bytes:
    import random

    return random.Random(word).randbytes(3 << 20)


def pack_of(run: Run, settings: dict[str, Any], path: str) -> Path:
    """The largest pack that holds a part of a file."""
    packs = sorted(Path(settings["repository"], "data").rglob("*"), key=lambda one: -one.stat().st_size)
    return next(
        one
        for one in packs
        if one.is_file() and any(place.startswith(path) for _s, place in run.restic.places(one.name) or ())
    )


def flip(path: Path, at: int) -> None:
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_flipped_byte_is_told_by_pack_snapshot_and_machine(
    run: Run, settings: dict[str, Any], tmp_path: Path
) -> None:
    first = saved(run, tmp_path, noise("a"))
    other = saved(run, tmp_path, noise("b"), vm="db")
    assert checking.check(run.restic, "100%").sound
    pack = next(
        one
        for one in Path(settings["repository"], "data").rglob("*")
        if one.is_file()
        and {snapshot[:8] for snapshot, _path in run.restic.places(one.name) or ()} == {first}
        and one.stat().st_size > 1 << 20
    )
    flip(pack, 5000)
    found = checking.check(run.restic, "100%")
    assert found.damage.packs == [pack.name]
    assert {name[:8]: paths for name, paths in found.affected.items()} == {first: ["/disks/root"]}
    said = str(found.failure("the repository"))
    assert f"pack {pack.name[:8]}; affected: vm shop/web (snapshot {first})" in said
    assert other not in said
    assert "restic forget" in said


@pytest.mark.long  # restic asks for such a pack again for a minute and a half
def test_a_pack_that_was_cut_is_told_though_its_own_list_is_lost(
    run: Run, settings: dict[str, Any], tmp_path: Path
) -> None:
    snapshot = saved(run, tmp_path, noise("a"))
    pack = pack_of(run, settings, "/disks/root")
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])
    found = checking.check(run.restic, "100%")
    assert found.damage.packs == [pack.name]
    assert [name[:8] for name in found.affected] == [snapshot]


@pytest.mark.parametrize("folder", ["snapshots", "index"])
def test_a_damaged_snapshot_or_index_is_told(run: Run, settings: dict[str, Any], tmp_path: Path, folder: str) -> None:
    saved(run, tmp_path, noise("a"))
    (path,) = Path(settings["repository"], folder).iterdir()
    flip(path, 100)
    found = checking.check(run.restic, "100%")
    assert not found.sound
    named = found.damage.snapshots if folder == "snapshots" else found.damage.indexes
    assert any(path.name.startswith(name) for name in named)
    assert found.failure("x") is not None


def test_old_backups_of_one_machine_go_and_those_of_others_stay(run: Run, tmp_path: Path) -> None:
    for word in "abc":
        saved(run, tmp_path, noise(word))
    kept = saved(run, tmp_path, noise("d"), vm="db")
    gone = run.restic.forget({"kind": "vm", "namespace": "shop", "vm": "web"}, {"last": 1, "daily": 0, "weekly": 0})
    assert len(gone) == 2
    run.restic.prune()
    assert len(run.restic.snapshots()) == 2
    assert kept in [one.short for one in run.restic.snapshots()]
    assert checking.check(run.restic, "100%").sound


def test_a_wrong_password_is_told_with_the_way_out_and_never_shown(settings: dict[str, Any], run: Run) -> None:
    Path(settings["password_file"]).write_text("open-sesame")
    with pytest.raises(ResticFailed) as caught:
        Run(configuration.of(settings)).usable()
    assert "the password is wrong" in str(caught.value)
    assert "backup_repository_password_file" in str(caught.value)
    assert "open-sesame" not in str(caught.value)


def test_a_password_that_others_can_read_or_that_is_lost_is_refused(settings: dict[str, Any], run: Run) -> None:
    path = Path(settings["password_file"])
    path.chmod(0o644)
    with pytest.raises(HaError, match="set its mode to 0600"):
        run.usable()
    path.unlink()
    with pytest.raises(HaError, match="restore it from where you keep it apart"):
        run.usable()


def test_a_repository_that_was_used_and_is_gone_is_not_made_anew(settings: dict[str, Any], run: Run) -> None:
    Path(settings["repository"]).rename(settings["repository"] + ".away")
    for attempt in (run.usable, run.prepare):
        with pytest.raises(HaError, match="Mount or reconnect what it was on"):
            attempt()
    assert not Path(settings["repository"]).exists()
    elsewhere = {**settings, "repository": settings["repository"] + ".new"}
    with pytest.raises(HaError, match="Run the role backup"):
        Run(configuration.of(elsewhere)).usable()
    assert Run(configuration.of(elsewhere)).prepare() == (True, False)


def test_a_second_preparation_changes_nothing(run: Run) -> None:
    assert run.prepare() == (False, True)
    assert run.prepare(check=True) == (False, True)


def test_the_password_is_in_no_argument(settings: dict[str, Any], tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "restic"
    program.write_text(f'#!/bin/sh\necho "$@" >>{seen}\nexec restic "$@"\n')
    program.chmod(0o755)
    made = Restic(configuration.of({**settings, "restic": str(program)}))
    made.create()
    made.snapshots()
    assert "init" in seen.read_text()
    assert "sesame" not in seen.read_text()
    assert "password" not in seen.read_text()
