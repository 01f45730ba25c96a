# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a wrong type are told by their names, before any host is asked, and are faults beside the others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

COLLECTION = Path(__file__).resolve().parents[4]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
# Nobody answers under this address: a test that asks a host fails, and takes a second.
NOWHERE = {"ansible_host": "127.0.0.1", "ansible_port": 1}


def said(folder: Path, of_all: dict[str, Any], **of_hosts: dict[str, Any]) -> str:
    """What the playbook prints, without the line breaks that it was folded by."""
    hosts = {name: {**NOWHERE, **of_hosts.get(name, {})} for name in ("n1", "n2")}
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"vars": of_all, "children": {"kvm_nodes": {"hosts": hosts}}}}))
    command = [str(PLAYBOOK), "--inventory", str(inventory), str(COLLECTION / "playbooks/preflight.yml")]
    done = subprocess.run(command, cwd=COLLECTION, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return re.sub(r"\s+", " ", done.stdout)


def test_wrong_types_are_told_before_any_host_is_asked_and_are_faults(tmp_path: Path) -> None:
    wrong = {
        "load_balancer_vips": "10.0.0.1",
        "kubernetes_audit_log": "maybe",
        "backup_max_frozen_seconds": "soon",
    }
    told = said(tmp_path, wrong, n2={"monitoring_grafana_packages": {"grafana": "11"}})
    warned, _asked, faults = told.partition("PLAY [Ask the hosts]")
    assert warned.count("WARNING: variables of a wrong type") == 3
    for fault in (
        "load_balancer_vips: must be a list of elements of type dict, one is of type str",
        "kubernetes_audit_log: must be of type bool, it is of type str",
        "backup_max_frozen_seconds: must be of type float, it is of type str",
        "monitoring_grafana_packages: must be of type list, it is of type dict",
    ):
        assert fault in warned
    stopped = faults.partition("fatal: [localhost]: FAILED!")[2]
    assert "monitoring_grafana_packages: must be of type list" in stopped
    assert "backup_max_frozen_seconds" not in stopped  # no backups are taken here


def test_a_value_that_may_be_a_secret_is_not_repeated(tmp_path: Path) -> None:
    told = said(tmp_path, {"kubernetes_audit_log": "hunter2", "load_balancer_vips": 77012})
    assert "variables of a wrong type" in told
    assert "hunter2" not in told
    assert "77012" not in told


def test_a_value_that_is_not_allowed_is_told_once_beside_the_other_faults(tmp_path: Path) -> None:
    told = said(tmp_path, {"kubevirt_source": "nightly", "node_remediation_state": "asleep"})
    assert "variables of a wrong type" not in told
    faults = told.partition("fatal: [localhost]: FAILED!")[2]
    assert faults.count("kubevirt_source: ") == 1
    assert faults.count("node_remediation_state: must be one of: started, stopped") == 1
    assert "group control_plane is empty" in faults
