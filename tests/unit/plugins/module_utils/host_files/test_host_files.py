# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many files at once: faults before anything is written, one look, only what differs is touched, secrets are not told."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_files import plan, service


class Machine:
    """AnsibleModule's verbs on real files."""

    def __init__(self):
        self.commands = []

    def run_command(self, args):
        self.commands.append(list(args))
        done = subprocess.run(args, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    @staticmethod
    def atomic_move(src, dest):
        if os.path.exists(dest):
            shutil.copymode(dest, src)
        os.replace(src, dest)

    @staticmethod
    def set_mode_if_different(path, mode, _changed):
        os.chmod(path, mode)

    @staticmethod
    def set_owner_if_different(path, owner, _changed):
        shutil.chown(path, user=owner)

    @staticmethod
    def set_group_if_different(path, group, _changed):
        shutil.chown(path, group=group)


@pytest.fixture(name="place")
def _place(tmp_path):
    (tmp_path / "drafts").mkdir()
    (tmp_path / "etc").mkdir()
    return tmp_path


def play(place: Path, *entries, check=False, host=None):
    return service.run(host or Machine(), list(entries), str(place / "drafts"), check=check)


def file(path, content="a\n", mode="0644", **more):
    return {"path": str(path), "content": content, "mode": mode, **more}


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_folders_files_and_what_goes_are_done_in_one_turn_and_only_once(place):
    (place / "etc/old").write_text("x")
    wanted = [
        {"path": str(place / "etc/new.d"), "state": "directory", "mode": "0750"},
        file(place / "etc/new.d/a", mode="0600"),
        {"path": str(place / "etc/old"), "state": "absent"},
    ]
    assert play(place, *wanted)["paths"] == [entry["path"] for entry in wanted]
    assert (place / "etc/new.d/a").read_text() == "a\n"
    assert (mode_of(place / "etc/new.d"), mode_of(place / "etc/new.d/a")) == (0o750, 0o600)
    assert not (place / "etc/old").exists()
    again = play(place, *wanted)
    assert (again["changed"], again["paths"], again["diff"]) == (False, [], [])
    assert not list((place / "drafts").iterdir())


def test_check_mode_tells_the_same_and_writes_nothing(place):
    (place / "etc/a").write_text("old\n")
    os.chmod(place / "etc/a", 0o644)
    told = play(place, file(place / "etc/a", "new\n"), check=True)
    assert (place / "etc/a").read_text() == "old\n"
    assert told == play(place, file(place / "etc/a", "new\n"))
    assert "-old\n+new\n" in told["diff"][0]["prepared"]


def test_a_file_that_is_as_wanted_keeps_its_inode_and_a_wrong_mode_is_set_alone(place):
    path = place / "etc/a"
    path.write_text("a\n")
    os.chmod(path, 0o666)
    inode = path.stat().st_ino
    told = play(place, file(path))
    assert told["paths"] == [str(path)]
    assert "file 0666 -> file 0644" in told["diff"][0]["prepared"]
    assert (path.stat().st_ino, mode_of(path)) == (inode, 0o644)


def test_a_secret_is_never_told_and_takes_over_no_mode(place):
    path = place / "etc/key"
    path.write_text("before\n")
    os.chmod(path, 0o644)
    told = play(place, file(path, "hunter2\n", "0600", secret=True))
    assert "hunter2" not in str(told)
    assert "before\n" not in str(told)
    assert "differs" in told["diff"][0]["prepared"]
    assert mode_of(path) == 0o600


def test_one_refused_content_keeps_all_from_being_written(place):
    # The checker sees a file that has the name of the one to be.
    refuses = "grep --quiet good %s"
    with pytest.raises(InputError) as refused:
        play(
            place,
            file(place / "etc/a", "good\n", validate=refuses),
            file(place / "etc/b.conf", "bad\n", validate=refuses),
            file(place / "etc/c.conf", "bad\n", validate="ls --no-such-option %s"),
        )
    assert not list((place / "etc").iterdir())
    assert f"files[{place}/etc/b.conf]: grep refuses" in str(refused.value)
    assert f"files[{place}/etc/c.conf]: ls refuses" in str(refused.value)
    assert "no-such-option" in str(refused.value)


def test_a_checker_is_asked_about_a_new_content_only(place):
    host = Machine()
    wanted = file(place / "etc/a.conf", "good\n", validate="grep --quiet good %s")
    play(place, wanted, host=host)
    assert host.commands[0][-1].endswith("/a.conf")
    play(place, wanted, host=host)
    assert len(host.commands) == 1


def test_a_checker_that_is_missing_is_passed_over_in_check_mode_only(place):
    wanted = file(place / "etc/a", validate="no-such-program-at-all %s")
    assert play(place, wanted, check=True)["changed"]
    with pytest.raises(InputError, match="no-such-program-at-all"):
        play(place, wanted)


def test_the_words_of_a_checker_of_a_secret_are_kept(place):
    with pytest.raises(InputError) as refused:
        play(place, file(place / "etc/key", "hunter2\n", secret=True, validate="grep --invert-match hunter2 %s"))
    assert "hunter2" not in str(refused.value)


def test_what_stands_in_the_way_is_told_before_anything_is_written(place):
    (place / "etc/folder").mkdir()
    (place / "etc/link").symlink_to("/etc/passwd")
    with pytest.raises(InputError) as refused:
        play(
            place,
            file(place / "etc/first"),
            file(place / "etc/folder"),
            file(place / "etc/link"),
            file(place / "missing/a"),
        )
    assert not (place / "etc/first").exists()
    for told in ("there is a directory", "neither a plain file", "the folder"):
        assert told in str(refused.value)


def test_a_folder_with_something_in_it_is_not_removed(place):
    (place / "etc/full").mkdir()
    (place / "etc/full/a").write_text("")
    with pytest.raises(HaError, match="not empty"):
        play(place, {"path": str(place / "etc/full"), "state": "absent"})
    assert (place / "etc/full/a").exists()


def test_what_cannot_be_read_is_told(place, monkeypatch):
    def refuse(_path):
        raise OSError(107, "Transport endpoint is not connected")

    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(InputError, match=f"{place}/etc/a.: it cannot be read: Transport endpoint"):
        play(place, file(place / "etc/a"))


def test_a_link_to_a_folder_is_the_folder(place):
    (place / "etc/real").mkdir(mode=0o755)
    (place / "etc/link").symlink_to("real")
    assert not play(place, {"path": str(place / "etc/link"), "state": "directory", "mode": "0755"})["changed"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"path": "etc/a", "content": "", "mode": "0644"}, "absolute"),
        ({"path": "/etc/../a", "content": "", "mode": "0644"}, "absolute"),
        ({"path": "/etc/a/", "content": "", "mode": "0644"}, "without / at its end"),
        ({"path": "/etc/a", "mode": "0644"}, "content: is missing"),
        ({"path": "/etc/a", "content": "", "mode": "420"}, None),
        ({"path": "/etc/a", "content": "", "mode": "u=rw"}, "three octal digits"),
        ({"path": "/etc/a", "content": ""}, "three octal digits"),
        ({"path": "/etc/a", "content": "", "mode": "0644", "validate": "true"}, "no %s"),
        ({"path": "/etc/a", "state": "directory", "content": "", "mode": "0755"}, "state: file only"),
        ({"path": "/etc/a", "state": "absent", "validate": "x %s"}, "state: file only"),
    ],
)
def test_faults_name_path_and_key(entry, told):
    faults = plan.faults([entry])
    assert (len(faults) == 1 and told in faults[0]) if told else not faults


def test_all_faults_are_told_at_once():
    faults = plan.faults([file("/etc/a"), file("/etc/a"), file("b", mode="9")])
    assert [fault.split(":")[0] for fault in faults] == ["files[/etc/a].path", "files[b].path", "files[b].mode"]
