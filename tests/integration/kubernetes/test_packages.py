# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs out of the packages of an apt repository, by apt, gpgv and dpkg themselves.

The host is this machine in a namespace of mounts: /usr/local/bin is the test's, and what apt and dpkg keep can only be read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT
from .package_repository import PROGRAMS, Key, Repository

OLD, NEW = "1.34.4", "1.35.2"
BEGIN = """
set -eu
mount --bind "$1" /usr/local/bin; shift
for path in /etc/apt /var/lib/apt /var/cache/apt /var/lib/dpkg; do mount --bind $path $path; mount -o remount,bind,ro $path; done
exec "$@"
"""
# No proxy between apt and the test; a host that bears what is not signed; a hook that must not run.
APT_CONFIG = """
Acquire::http::Proxy::127.0.0.1 "DIRECT";
Acquire::AllowInsecureRepositories "true";
APT::Get::AllowUnauthenticated "true";
APT::Default-Release "bookworm";
APT::Update::Post-Invoke {{ "touch {}/hook"; }};
"""


class Host:
    """Has programs by version, and offers some under their usual names. `said` is what the last run said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("links", "tmp"):
            (folder / name).mkdir()
        (folder / "apt.conf").write_text(APT_CONFIG.format(folder))
        self.said = ""

    def play(self, repository: Repository, *arguments: str, tasks: tuple[str, ...] = ("install",), **given: Any) -> int:
        """Checks the host, then plays files of the role's tasks; its code."""
        role = str(ROOT / "roles" / "kubernetes")
        steps = [{"ansible.builtin.include_role": {"name": role, "tasks_from": one}} for one in ("preflight", *tasks)]
        (self.folder / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": steps}]))
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3",
            "kubernetes_source": "packages",
            "kubernetes_version": OLD,
            "kubernetes_package_repository": repository.line,
            "kubernetes_binaries_dir": str(self.folder / "opt/{{ kubernetes_version }}/bin"),
            "kubernetes_node_address": "127.0.0.1",
            "kubernetes_packages": [],
            "kubernetes_kubelet_overrides": {"failCgroupV1": False},  # whatever this machine has
            "kubernetes_ignore_preflight_errors": ["SystemVerification"],
            "__kubernetes_running": [],  # nor what runs on it
            **given,
        }
        (self.folder / "variables.json").write_text(json.dumps(variables))
        program = str(Path(sys.executable).parent / "ansible-playbook")
        playbook = (program, "-i", "n1,", "-e", f"@{self.folder}/variables.json", str(self.folder / "play.json"))
        own = {"APT_CONFIG": str(self.folder / "apt.conf"), "TMPDIR": str(self.folder / "tmp"), "no_proxy": "127.0.0.1"}
        own |= {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false"}
        spaces = ("unshare", "--mount", "--propagation", "private", "sh", "-c", BEGIN, "sh", str(self.folder / "links"))
        done = subprocess.run(
            [*spaces, *playbook, *arguments], env={**os.environ, **own}, capture_output=True, text=True, check=False
        )
        self.said = done.stdout + done.stderr
        print(self.said)  # shown where a test fails
        assert list((self.folder / "tmp").iterdir()) == []
        assert not (self.folder / "hook").exists()
        return done.returncode

    def changed(self, repository: Repository, *arguments: str, **given: Any) -> int:
        """Plays without faults; how many tasks changed something."""
        assert self.play(repository, *arguments, **given) == 0
        found = re.search(r"changed=(\d+)", self.said)
        assert found
        return int(found[1])

    def has(self, version: str) -> dict[str, str]:
        """What the programs in the folder of a version say."""
        files = (self.folder / "opt" / version / "bin").glob("*")
        return {file.name: subprocess.check_output([file], text=True).strip() for file in files}

    def offers(self) -> dict[str, str]:
        """The version behind each usual name."""
        return {link.name: link.readlink().parts[-3] for link in (self.folder / "links").iterdir()}


def programs(version: str) -> dict[str, str]:
    return {name: text.format(version) for name, text in PROGRAMS.items()}


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes namespaces of mounts")
    missing = [name for name in ("apt-get", "dpkg-deb", "gpg") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    made = Key()
    yield made
    made.close()


@pytest.fixture
def repository(key: Key, tmp_path: Path) -> Iterator[Repository]:
    """One with the old version and the new one."""
    made = Repository(tmp_path / "repository", key)
    made.offer(OLD)
    made.offer(NEW)
    yield made
    made.close()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "host").mkdir()
    return Host(tmp_path / "host")


@pytest.fixture
def given(key: Key, tmp_path: Path) -> dict[str, Any]:
    """The key as a file of the controller."""
    (tmp_path / "key").write_bytes(key.public("--armor"))
    return {"kubernetes_package_key_file": str(tmp_path / "key")}


def test_programs_are_taken_once(host: Host, repository: Repository, given: dict[str, Any]) -> None:
    assert host.changed(repository, **given) > 0
    assert host.has(OLD) == programs(OLD)
    assert host.offers() == dict.fromkeys(PROGRAMS, OLD)
    repository.asked.clear()
    assert host.changed(repository, **given) == 0
    assert repository.asked == []


def test_check_mode_says_what_would_be_fetched(host: Host, repository: Repository) -> None:
    assert host.changed(repository, "--check", "--diff") > 0
    assert f"{repository.line}: kubeadm, kubectl, kubelet {OLD} would be downloaded" in host.said
    assert [name for name in repository.asked if name.endswith(".deb")] == []
    assert not (host.folder / "opt").exists()
    assert host.offers() == {}


def test_an_upgrade_leaves_the_old_programs_beside_the_new(host: Host, repository: Repository, key: Key) -> None:
    (host.folder / "key").write_bytes(key.public())
    assert host.changed(repository, kubernetes_package_key_file=str(host.folder / "key")) > 0
    repository.asked.clear()
    # Without a file the repository's own key is asked for; an upgrade comes to the programs more than once.
    assert host.changed(repository, tasks=("install", "install"), kubernetes_version=NEW) > 0
    assert (host.has(OLD), host.has(NEW)) == (programs(OLD), programs(NEW))
    assert host.offers() == dict.fromkeys(PROGRAMS, NEW)
    assert "Release.key" in repository.asked
    fetched = [name.split("_")[0] for name in repository.asked if name.endswith(".deb")]
    assert sorted(fetched) == sorted(PROGRAMS)


def test_a_version_that_is_not_there_is_a_fault_that_names_those_that_are(
    host: Host, repository: Repository, given: dict[str, Any]
) -> None:
    repository.offer("1.34.9", "kubectl")
    assert host.play(repository, kubernetes_version="1.34.9", **given) != 0
    told = f"has no kubeadm 1.34.9, kubelet 1.34.9; its versions are {NEW}, {OLD}, 1.34.9; set kubernetes_version to"
    assert told in " ".join(host.said.split())
    assert not (host.folder / "opt").exists()


def test_another_key_is_refused_whatever_the_host_bears(host: Host, repository: Repository) -> None:
    other = Key()
    (host.folder / "key").write_bytes(other.public("--armor"))
    other.close()
    assert host.play(repository, kubernetes_package_key_file=str(host.folder / "key")) != 0
    told = " ".join(host.said.split())
    assert f"n1: kubernetes_package_repository {repository.line} is refused by apt" in told
    assert "NO_PUBKEY" in told
    assert not (host.folder / "opt").exists()


def test_a_repository_that_does_not_answer_is_a_fault(host: Host, repository: Repository) -> None:
    repository.close()
    assert host.play(repository) != 0
    assert f"kubernetes_package_repository {repository.line} gives no Release.key" in " ".join(host.said.split())
    assert not (host.folder / "opt").exists()


@pytest.mark.parametrize(("signed", "told"), [(False, "Hash Sum mismatch"), (True, "unexpected end of file")])
def test_a_damaged_package_leaves_nothing_half_and_the_next_run_goes_on(
    signed: bool, told: str, host: Host, repository: Repository, given: dict[str, Any]
) -> None:
    (package,) = repository.folder.glob(f"*/kubelet_{OLD}*")
    good = package.read_bytes()
    package.write_bytes(good[:-16] + (b"" if signed else bytes(16)))
    if signed:
        repository.sign()
    assert host.play(repository, **given) != 0
    assert told in host.said
    left = programs(OLD)
    del left["kubelet"]
    assert host.has(OLD) == left
    assert host.offers() == {}
    package.write_bytes(good)
    repository.sign()
    (host.folder / "opt" / OLD / "bin/kubectl").write_text("half")
    repository.asked.clear()
    assert host.changed(repository, **given) > 0
    assert host.has(OLD) == programs(OLD)
    assert [name for name in repository.asked if name.startswith("kubeadm")] == []
