# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository that cannot be opened is one of the faults that preflight tells, on each backup host, and nothing is changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import settings as configuration
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.runner import Run

PLAYBOOK = Path(__file__).resolve().parents[3] / "playbooks" / "preflight.yml"
# No release is asked for.
QUIET = {"kubernetes_source": "directory", "kubernetes_cni": "routes", "kubevirt_source": "archive"}
WRONG = "open-barley"


def forget(home: Path) -> None:
    """As before the first backup."""
    for name in ("state", "repository"):
        shutil.rmtree(home / name)


# Hosts that are this machine, each with a repository of its own: what happens to it, and what is told of it.
CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "lost": (
        lambda home: (home / "password").unlink(),
        "password cannot be read (No such file or directory); restore it from where you keep it apart from the backups; write a new"
        " one only for a new repository, mode 0600",
    ),
    "empty": (lambda home: (home / "password").write_text(""), "password is empty; restore it from where you keep it"),
    "open": (lambda home: (home / "password").chmod(0o644), "password can be read by others; set its mode to 0600"),
    "wrong": (
        lambda home: (home / "password").write_text(WRONG),
        "cannot be opened: the password is wrong. Put the repository's own password into backup_repository_password_file",
    ),
    "gone": (
        lambda home: (home / "repository").rename(home / "away"),
        "there is no repository. Mount or reconnect what it was on",
    ),
    "unset": (lambda home: None, "backup_repository_password_file is empty; give a file on the backup host that holds"),
    "sound": (lambda home: None, ""),
    "new": (forget, ""),
}


def backup_host(home: Path, spoil: Callable[[Path], Any]) -> dict[str, Any]:
    """The variables of a backup host whose repository was used before it was spoilt."""
    home.mkdir()
    password = home / "password"
    password.write_text("sesame")
    password.chmod(0o600)
    given = {"repository": str(home / "repository"), "state_dir": str(home / "state")}
    Run(configuration.of({**given, "password_file": str(password), "kubeconfig": "/nonexistent"})).prepare()
    spoil(home)
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_repository_password_file": str(password),
        "backup_kubeconfig": "/nonexistent",
        "backup_etcd": False,
        **{f"backup_{name}": value for name, value in given.items()},
    }


def files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture
def told(tmp_path: Path) -> list[str]:
    """The faults that preflight tells of all of them together."""
    hosts = {name: backup_host(tmp_path / name, spoil) for name, (spoil, _said) in CASES.items()}
    hosts["lost"]["backup_schedule"] = "when it rains"
    hosts["unset"]["backup_repository_password_file"] = ""
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"vars": QUIET, "children": {"backup_hosts": {"hosts": hosts}}}}))
    before = files(tmp_path)
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(PLAYBOOK)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode != 0
    assert "sesame" not in done.stdout + done.stderr
    assert WRONG not in done.stdout + done.stderr
    assert not re.search(r"changed=[1-9]", done.stdout)
    assert files(tmp_path) == before
    _before, _mark, faults = (
        re.sub(r"\s+", " ", done.stdout).replace("''", "'").partition("Nothing was changed. Faults:")
    )
    assert "group control_plane is empty" in faults, done.stdout[-4000:]
    return re.split(r" - (?=['\"]?[a-z]+: )", faults)


def test_what_stands_against_each_repository_is_told_beside_all_other_faults(told: list[str]) -> None:
    for name, (_spoil, said) in CASES.items():
        found = [fault for fault in told if re.match(rf"['\"]?{name}: ", fault)]
        assert bool(found) == bool(said), found
        assert not said or any(said in fault for fault in found), found
        assert all("; mend it, or go on without backups with -e backup_repository=" in fault for fault in found)
    assert any("lost: backup_schedule: systemd-analyze calendar refuses" in fault for fault in told)


@pytest.mark.parametrize("warned", [["w: backup_repository: was away"], []])
def test_the_role_asks_again_what_was_only_warned_of(warned: list[str], tmp_path: Path) -> None:
    # Of a host without a fault nothing is asked twice: its password is gone since, and nobody looks.
    spoil = CASES["sound" if warned else "lost"][0]
    host = {**backup_host(tmp_path / "w", spoil), "__backup_faults": warned}
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"w": host}}}))
    role = {"name": "virtops.kubevirt_ha.backup", "tasks_from": "preflight"}
    play = tmp_path / "play.json"
    play.write_text(
        json.dumps([{"hosts": "w", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}])
    )
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(play)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
