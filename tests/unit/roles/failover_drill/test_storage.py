# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which storage hosts are asked what, how long a fault of Ceph is waited for, and where Alertmanagers are."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import storage_faults

ROLE = Path(__file__).resolve().parents[4] / "roles" / "failover_drill"
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
NODES = ("n1", "n2", "n3")
OWN_CEPH = {"shared_storage_backend": "cephfs", "shared_storage_ceph_cluster": "own"}
WHOLE = '{"status": "HEALTH_OK", "checks": {}}'
# Says that it is not whole until it was asked so often, and keeps what it was asked; says nothing on the hosts that are silent.
TOOL = f"""#!/bin/sh
echo "$@" >>"$0.asked"
case " $SILENT " in *" $HOST "*) echo noise >&2; echo "no keyring" >&2; exit 1;; esac
[ "$(wc -l <"$0.asked")" -ge "$WHOLE_AT" ] && echo '{WHOLE}' || echo '{{"status": "HEALTH_WARN"}}'
"""
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_become": False}


def _host(folder: Path, name: str) -> dict[str, Any]:
    """This machine as a host whose commands know its name."""
    python = folder / f"python-{name}"
    python.write_text(f'#!/bin/sh\nHOST={name} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": str(python)}


def asked(
    folder: Path,
    given: dict[str, Any],
    *,
    whole_at: int = 1,
    patience: int = 0,
    silent: str = "",
    gone: tuple[str, ...] = (),
) -> list[dict[str, str]]:
    """What the role keeps of the hosts' answers; those that are gone cannot be reached."""
    for name in ("ceph", "gluster"):
        (folder / name).write_text(TOOL)
        (folder / name).chmod(0o755)
    hosts = {name: UNREACHABLE if name in gone else _host(folder, name) for name in NODES}
    inventory = {"all": {"vars": given, "children": {"storage_nodes": {"hosts": hosts}}}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    ask = {
        "ansible.builtin.include_role": {"name": "virtops.kubevirt_ha.failover_drill", "tasks_from": "storage"},
        "vars": {"__failover_drill_patience": patience, "__failover_drill_storage_pause": 1},
    }
    keep = {
        "ansible.builtin.copy": {
            "content": "{{ __failover_drill_storage | to_json }}",
            "dest": str(folder / "kept.json"),
            "mode": "0600",
        }
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [ask, keep]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "WHOLE_AT": str(whole_at), "SILENT": silent}
    command = [str(PLAYBOOK), "--inventory", str(folder / "inventory.yml"), str(folder / "play.yml")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    kept: list[dict[str, str]] = json.loads((folder / "kept.json").read_text())
    return kept


@functools.cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


@pytest.mark.parametrize("name", ["run", "redundancy"])
@pytest.mark.parametrize(
    ("given", "looks"),
    [
        ({"shared_storage_backend": "glusterfs"}, True),
        (OWN_CEPH, True),
        ({**OWN_CEPH, "shared_storage_ceph_cluster": "given"}, False),
        ({"shared_storage_backend": "cephfs"}, False),
        ({"shared_storage_backend": "nfs"}, False),
        ({}, False),
    ],
)
def test_a_drill_asks_the_storage_that_the_roles_laid_out(name: str, given: dict[str, Any], looks: bool) -> None:
    task = next(each for each in _load(f"tasks/{name}.yml") if each["name"] == "Ask the shared storage")
    variables = {**_load("defaults/main.yml"), **_load("vars/main.yml"), "groups": {}, **given}
    condition = trust_as_template("{{ " + task["when"] + " | bool }}")
    assert Templar(DataLoader(), variables=variables).template(condition) is looks


def test_alertmanagers_are_asked_as_their_own_hosts_say_and_not_as_the_drill_s() -> None:
    host = {"monitoring_tls_cert_file": "/c", "monitoring_tls_ca_file": "/ca", "monitoring_web_user": "a"}
    variables = {
        **_load("defaults/main.yml"),
        **_load("vars/main.yml"),
        "groups": {"monitoring_nodes": ["n1"]},
        "hostvars": {"n1": host},
        "monitoring_alertmanager_port": 1,
    }
    names = ("alertmanagers", "monitoring_ca_file", "monitoring_user", "monitoring_password_file")
    templates = [trust_as_template("{{ failover_drill_" + name + " }}") for name in names]
    told = [Templar(DataLoader(), variables=variables).template(each) for each in templates]
    assert told == [[{"host": "n1", "url": "https://n1:9093"}], "/ca", "a", ""]


@pytest.mark.parametrize(
    ("number", "moved", "given", "seconds"),
    [
        (1, {}, {}, 0),
        (1, {}, {"failover_drill_times": {"whole_wait": 120}}, 120),
        (1, {"changed": True}, {}, 300),
        (2, {}, {}, 300),
    ],
)
def test_the_storage_is_waited_for_as_long_as_all_else(
    number: int, moved: dict[str, bool], given: dict[str, Any], seconds: int
) -> None:
    task = next(each for each in _load("tasks/run.yml") if each["name"] == "Ask the shared storage")
    own = {
        "__failover_drill_number": number,
        "__failover_drill_moved": moved,
        "failover_drill_whole_again_timeout": 300,
    }
    variables = {**_load("defaults/main.yml"), **_load("vars/main.yml"), **own, **given}
    assert Templar(DataLoader(), variables=variables).template(task["vars"]["__failover_drill_patience"]) == seconds


def test_one_host_of_ceph_is_asked_and_without_patience_once(tmp_path: Path) -> None:
    (entry,) = asked(tmp_path, OWN_CEPH, whole_at=2)
    assert (entry["host"], entry["kind"]) == ("n1", "ceph_health")
    assert storage_faults(entry) == ["Ceph, says n1: HEALTH_WARN: it does not say why"]
    assert (tmp_path / "ceph.asked").read_text() == "--connect-timeout 5 health detail --format json\n"


def test_a_fault_of_ceph_is_waited_for_while_there_is_patience(tmp_path: Path) -> None:
    (entry,) = asked(tmp_path, OWN_CEPH, whole_at=2, patience=1)
    assert storage_faults(entry) == []


def test_one_that_does_not_pass_is_kept_and_fails_no_task(tmp_path: Path) -> None:
    (entry,) = asked(tmp_path, OWN_CEPH, whole_at=9, patience=1)
    assert storage_faults(entry) != []
    assert len((tmp_path / "ceph.asked").read_text().splitlines()) == len(NODES)


@pytest.mark.parametrize("patience", [0, 1])
def test_of_cephs_hosts_the_one_that_tells_speaks_for_those_that_do_not(tmp_path: Path, patience: int) -> None:
    (entry,) = asked(tmp_path, OWN_CEPH, silent="n2", gone=("n1",), patience=patience)
    assert entry == {"host": "n3", "kind": "ceph_health", "text": WHOLE, "why": ""}


def test_where_no_host_of_ceph_tells_they_are_asked_again_and_each_has_its_reason(tmp_path: Path) -> None:
    told = asked(tmp_path, OWN_CEPH, silent="n2 n3", gone=("n1",), patience=len(NODES))
    first, *others = [storage_faults(entry) for entry in told]
    assert first[0].startswith("n1 does not tell Ceph's health: ")
    assert first[0].endswith("Connection refused")
    assert others == [[f"{name} does not tell Ceph's health: no keyring"] for name in ("n2", "n3")]
    assert len((tmp_path / "ceph.asked").read_text().splitlines()) == 2 * 2


def test_each_host_of_glusterfs_is_asked_for_peers_and_heals(tmp_path: Path) -> None:
    told = asked(tmp_path, {"shared_storage_backend": "glusterfs", "shared_storage_volume": "v"}, patience=60)
    kinds = ("gluster_peers", "gluster_heal")
    assert [(each["host"], each["kind"]) for each in told] == [(name, kind) for name in NODES for kind in kinds]
    lines = (tmp_path / "gluster.asked").read_text().splitlines()
    assert lines == ["peer status", "volume heal v info"] * len(NODES)
