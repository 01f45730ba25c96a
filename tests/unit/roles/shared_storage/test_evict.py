# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recovery goes on, whatever becomes of the eviction; `ceph` is a program of the test's, and this host is every node."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

COLLECTION = Path(__file__).resolve().parents[4]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
OWN = {"shared_storage_backend": "cephfs", "shared_storage_ceph_cluster": "own"}
GIVEN = {"shared_storage_backend": "cephfs", "shared_storage_ceph_cluster": "given"}
SECONDS = 1
PLAY = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {shared_storage_lost: n1}
  tasks:
    - ansible.builtin.include_role: {name: virtops.kubevirt_ha.shared_storage, tasks_from: evict}
    - ansible.builtin.debug: {msg: it goes on}
    - ansible.builtin.file: {path: "{{ playbook_dir }}/recovered", state: touch}
    - ansible.builtin.include_role: {name: virtops.kubevirt_ha.shared_storage, tasks_from: evicted}
    - ansible.builtin.debug: {msg: it is at its end}
"""


def played(folder: Path, of_group: dict[str, Any], hosts: dict[str, dict[str, Any]], ceph: str = "exit 1") -> str:
    """What the play prints; `of_group` are variables of the storage nodes alone."""
    (folder / "ceph").write_text(f"#!/bin/sh\n{ceph}\n")
    (folder / "ceph").chmod(0o755)
    (folder / "play.yml").write_text(PLAY)
    every = {"hosts": {name: {**HERE, "ansible_host": f"10.0.0.{name[1:]}", **more} for name, more in hosts.items()}}
    children = {"storage_nodes": {"hosts": dict.fromkeys(hosts), "vars": of_group}} if hosts else {}
    inventory = {"all": {**every, "vars": {} if hosts else of_group, "children": children}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "ANSIBLE_ASYNC_DIR": str(folder / "async")}
    done = subprocess.run(
        [
            str(PLAYBOOK),
            "--inventory",
            str(folder / "inventory.yml"),
            str(folder / "play.yml"),
            "-e",
            f"__shared_storage_evict_seconds={SECONDS}",
        ],
        cwd=COLLECTION,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    text = re.sub(r"\s+", " ", re.sub(r"\\\n\s*\\?", "", done.stdout))  # YAML folds what it puts into double quotes
    assert done.returncode == 0, done.stdout + done.stderr
    assert text.index("it goes on") < text.index("it is at its end")
    return text


LISTED = json.dumps([{"id": 4, "entity": {"addr": {"addr": "10.0.0.1:0"}}}])


@pytest.mark.parametrize(
    ("of_group", "hosts"),
    [
        (GIVEN, {}),
        (GIVEN, {"n1": {}, "n2": {}}),
        (OWN, {"n1": {}}),
        ({"shared_storage_backend": "glusterfs"}, {"n1": {}, "n2": {}}),
    ],
    ids=["given, without a group", "given", "no other node", "another backend"],
)
def test_where_there_is_nothing_to_evict_nothing_is_asked(
    tmp_path: Path, of_group: dict[str, Any], hosts: dict[str, dict[str, Any]]
) -> None:
    played(tmp_path, of_group, hosts, ceph=f"touch {tmp_path}/asked; echo '{LISTED}'")
    assert not (tmp_path / "asked").exists()


def test_another_node_evicts_them_and_it_is_told(tmp_path: Path) -> None:
    ceph = f"""case "$*" in *evict*) echo "$*" >{tmp_path}/evicted ;; esac
[ -e {tmp_path}/evicted ] && echo '[]' || echo '{LISTED}'"""
    text = played(tmp_path, {**OWN, "shared_storage_volume": "disks"}, {"n1": {}, "n2": {}}, ceph)
    assert (tmp_path / "evicted").read_text() == "tell mds.disks:0 client evict id=4\n"
    assert "evicted client 4 of 10.0.0.1" in text
    assert list((tmp_path / "async").iterdir()) == []


def test_it_may_have_mounted_from_the_storage_s_network_and_what_ceph_says_is_told(tmp_path: Path) -> None:
    other = {"shared_storage_address": "10.9.0.1"}
    text = played(tmp_path, OWN, {"n1": other, "n2": {}}, ceph="echo 'no such rank' >&2; exit 1")
    assert "The clients of n1 are left to Ceph" in text
    assert "the clients of 10.9.0.1, 10.0.0.1 are not known" in text
    assert "no such rank" in text


def test_a_last_answer_that_takes_longer_than_its_time_is_waited_for(tmp_path: Path) -> None:
    text = played(tmp_path, OWN, {"n1": {}, "n2": {}}, ceph="exec sleep 60")
    assert "The clients of n1 are left to Ceph" in text
    assert "timed out after" in text


def test_clients_of_an_address_that_another_host_has_too_are_let_be(tmp_path: Path) -> None:
    gateway = {"ansible_host": "10.0.0.1"}
    text = played(
        tmp_path, OWN, {"n1": {**gateway, "shared_storage_address": "10.9.0.1"}, "n2": gateway}, f"echo '{LISTED}'"
    )
    assert "0 of 1 clients of shared are at 10.9.0.1" in text
    assert "evicted client" not in text


def test_a_node_that_does_not_answer_and_a_variable_that_cannot_be_read_stop_nothing(tmp_path: Path) -> None:
    played(tmp_path, OWN, {"n1": {}, "n2": NOWHERE})
    # As with a disk that stands still: it takes the connection and says nothing. ssh alone would wait for a minute.
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        played(tmp_path, OWN, {"n1": {}, "n2": {**NOWHERE, "ansible_port": silent.getsockname()[1]}})
    assert time.monotonic() - begun < 45
    faulty = {"shared_storage_address": "{{ groups['nobody'].index(inventory_hostname) }}"}
    text = played(tmp_path, OWN, {"n1": faulty, "n2": {}})
    assert "The clients of n1 are left to Ceph" in text


def test_a_node_that_is_lost_before_it_told_the_outcome_stops_nothing(tmp_path: Path) -> None:
    # The node that evicts answers until the recovery is at its end.
    lost = {**NOWHERE, "ansible_connection": f"{{{{ 'ssh' if ('{tmp_path}/recovered' is exists) else 'local' }}}}"}
    text = played(tmp_path, OWN, {"n1": {}, "n2": lost}, f"touch {tmp_path}/asked; echo '{LISTED}'")
    assert text.index("UNREACHABLE") > text.index("it goes on")
    assert "ssh: connect to host 127.0.0.1 port 1" in text[text.index("Say it") :]
