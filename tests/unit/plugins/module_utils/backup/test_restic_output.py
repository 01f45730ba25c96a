# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restic prints, as restic 0.14.0 printed it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import records, restic_output

PACK = "c4367af3d1f455706695e179843d47f8e806d8ce0c90af1a8b463ca8a1f00d37"
OTHER = "8f913a18b629ea36c705f78aef23fe455357e8a11f4dce346647b070043b4c44"
HEAD = """using temporary cache in /tmp/rt/cache/restic-check-cache-89542546
create exclusive lock for repository
load indexes
check all packs
check snapshots, trees and blobs
[0:00] 100.00%  1 / 1 snapshots

read 100.0% of data packs
"""
TAIL = "[0:00] 100.00%  2 / 2 packs\n\nFatal: repository contains errors\n"


def listed(number: int, *tags: str) -> str:
    moment = f"2026-11-29T05:4{number}:15.805613331Z"
    return f'{{"time":"{moment}","hostname":"x","tags":[{",".join(chr(34) + tag + chr(34) for tag in tags)}],"id":"{str(number) * 64}"}}'


SNAPSHOTS = restic_output.snapshots(
    "["
    + ",".join(
        [
            listed(1, "kind=vm", "namespace=shop", "vm=web", "taken=2026-11-29T05:41:00Z", "frozen=0.25"),
            listed(2, "kind=etcd", "proof=restored", "taken=2026-11-29T05:42:00Z"),
            listed(3, "kind=vm", "namespace=shop", "vm=web", "consistency=frozen", "taken=2026-11-29T05:43:00Z"),
            listed(4, "kind=vm", "namespace=shop", "vm=db"),
        ]
    )
    + "]"
)


def test_snapshots_come_newest_first_with_what_they_hold() -> None:
    assert [one.what for one in SNAPSHOTS] == ["vm shop/db", "vm shop/web", "etcd", "vm shop/web"]
    assert restic_output.snapshots("null\n") == []
    assert [one.short for one in restic_output.of_machine(SNAPSHOTS, "shop", "web")] == ["33333333", "11111111"]


def test_the_newest_is_the_newest_when_the_clock_is_set_back() -> None:
    times = [
        "2026-10-25T02:30:00.5+02:00",
        "2026-10-25T02:10:00.25+01:00",
        "2026-10-25T02:10:00.125+01:00",
        "2026-10-25T00:00:00Z",
    ]
    found = restic_output.snapshots(json.dumps([{"id": str(number), "time": one} for number, one in enumerate(times)]))
    assert [one.id for one in found] == ["1", "2", "0", "3"]
    with pytest.raises(ValueError, match="has the time 'noon'"):
        restic_output.snapshots('[{"id": "1", "time": "noon"}]')


@pytest.mark.parametrize(
    ("wanted", "short"), [("latest", "33333333"), ("1111", "11111111"), ("11", None), ("9999", None)]
)
def test_a_snapshot_is_chosen_by_how_it_begins(wanted: str, short: str | None) -> None:
    chosen = restic_output.choose(restic_output.of_machine(SNAPSHOTS, "shop", "web"), wanted)
    assert (chosen.short if chosen else None) == short


def test_the_newest_backup_of_each_thing_is_the_state() -> None:
    state = records.merged(
        {"repository": {"location": "/r"}, "machines": {"gone/x": {}}}, SNAPSHOTS, selected=["shop/web"]
    )
    assert state["machines"]["shop/web"] == {
        "snapshot": "33333333",
        "taken_at": "2026-11-29T05:43:00Z",
        "consistency": "frozen",
    }
    assert set(state["machines"]) == {"shop/web", "shop/db"}
    assert state["etcd"]["proof"] == "restored"
    assert state["repository"] == {"location": "/r"}
    assert "frozen_seconds" not in state["machines"]["shop/db"]


def test_a_summary_is_the_last_line_that_is_one() -> None:
    lines = ['{"message_type":"status"}', '{"message_type":"summary","snapshot_id":"cc85bc24"}', "noise"]
    assert restic_output.summary(lines)["snapshot_id"] == "cc85bc24"
    with pytest.raises(ValueError, match="no summary"):
        restic_output.summary(['{"message_type":"status"}'])


def test_what_was_forgotten_is_told() -> None:
    text = 'Applying Policy\n[{"tags":null,"keep":[{"id":"a"}],"remove":[{"id":"b"},{"id":"c"}]},{"remove":null}]'
    assert restic_output.removed(text) == ["b", "c"]
    assert restic_output.removed("") == []


def test_a_sound_repository_has_no_damage() -> None:
    assert restic_output.damage(HEAD + "[0:00] 100.00%  2 / 2 packs\n\nno errors were found\n").words == []


@pytest.mark.parametrize(
    ("line", "field", "name"),
    [
        (f"Pack ID does not match, want {PACK}, got {OTHER}", "packs", [PACK]),
        (f"pack {PACK}: unexpected file size: got 5243655, expected 5243665", "packs", [PACK]),
        ("error: load <snapshot/cc85bc2493>: invalid data returned", "snapshots", ["cc85bc2493"]),
        (
            f"error: error loading index {OTHER}: load <index/8f913a18b6>: invalid data returned",
            "indexes",
            [OTHER, "8f913a18b6"],
        ),
        (f"error for tree {PACK[:8]}:", "trees", [PACK[:8]]),
    ],
)
def test_damage_is_told_by_name(line: str, field: str, name: list[str]) -> None:
    found = restic_output.damage(f"{HEAD}{line}\n{TAIL}")
    assert getattr(found, field) == name
    others = {"packs", "snapshots", "indexes", "trees"} - {field}
    assert {other: getattr(found, other) for other in others} == {other: [] for other in others}


def test_places_are_told_once_however_the_text_comes_in_pieces() -> None:
    blob = (
        '{"object_type":"blob","id":"x","path":"/disks/a \\"b\\".img","parent_tree":"t","snapshot":"cc85","time":"z"}'
    )
    text = f"[{blob},{blob},{blob.replace('cc85', 'dd96')}]"
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    assert [snapshot for snapshot, _path in restic_output.places(pieces)] == ["cc85", "dd96"]


@pytest.mark.parametrize(
    ("text", "why", "fix"),
    [
        ("Fatal: wrong password or no key found\n", "the password is wrong", "backup_repository_password_file"),
        (
            "Fatal: unable to open config file: stat /r/config: no such file or directory\nIs there a repository at the following location?\n/r\n",
            "there is no repository",
            "backup_repository",
        ),
        ("save failed: write /r/tmp: no space left on device\n", "there is no space left", "backup_keep_last"),
        ("unable to create lock in backend: repository is already locked by PID 1", "another run", "restic unlock"),
        (f"Fatal: something {PACK} odd\n", f"Fatal: something {PACK[:8]} odd", "by hand"),
        ("", "it gave no reason", "by hand"),
    ],
)
def test_reasons_have_a_way_out(text: str, why: str, fix: str) -> None:
    told = restic_output.reason(text)
    assert why in told[0]
    assert fix in told[1]
