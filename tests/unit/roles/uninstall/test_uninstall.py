# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an uninstall refuses, in which order it goes, and what it leaves."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

REPOSITORY = Path(__file__).resolve().parents[4]
ENDPOINT = "192.0.2.100:8443"


@cache
def load(path: str) -> Any:
    return DataLoader().load_from_file(str(REPOSITORY / path), trusted_as_template=True)


def templar(role: str, given: dict[str, Any]) -> Templar:
    known = {**load(f"roles/{role}/defaults/main.yml"), **load(f"roles/{role}/vars/main.yml")}
    host = {"inventory_hostname": "n1", "groups": {"control_plane": ["n1"]}, "kubernetes_api_endpoint": ENDPOINT}
    return Templar(DataLoader(), variables={**known, **host, **given})


def faults(role: str, name: str, **given: Any) -> list[str]:
    """What the role's uninstall_faults.yml finds."""
    task = load(f"roles/{role}/tasks/uninstall_faults.yml")[-1]
    found = templar(role, {**task["vars"], **given}).template(task["ansible.builtin.set_fact"][name])
    return list(found)


def machines(*names: str) -> dict[str, Any]:
    found = [{"metadata": {"namespace": "demo", "name": name}} for name in names]
    return {"results": [{"resources": found}, {"resources": found[:1]}]}


def test_virtual_machines_are_named_before_they_are_lost() -> None:
    (fault,) = faults("kubevirt", "__kubevirt_uninstall_faults", __kubevirt_machines=machines("a", "b"))
    assert fault.startswith("2 virtual machines are there (demo/a, demo/b); delete them, or")


@pytest.mark.parametrize(
    "given",
    [
        {"__kubevirt_machines": machines()},
        {"__kubevirt_machines": machines("a"), "uninstall_virtual_machines": "true"},
        {"__kubevirt_machines": {"results": [{"skipped": True}]}},  # no API, nobody to ask
    ],
)
def test_nothing_stands_against_it_without_virtual_machines(given: dict[str, Any]) -> None:
    assert faults("kubevirt", "__kubevirt_uninstall_faults", **given) == []


@pytest.mark.parametrize(
    ("state", "status", "more", "count"),
    [
        ("member", 200, {}, 0),
        ("member", -1, {}, 1),
        ("member", -1, {"uninstall_virtual_machines": True}, 0),
        ("none", -1, {}, 0),  # it was taken away already
    ],
)
def test_a_control_plane_without_an_api_is_a_fault(state: str, status: int, more: dict[str, Any], count: int) -> None:
    given = {"__kubernetes_state": state, "hostvars": {"localhost": {"__kubevirt_api": {"status": status}}}, **more}
    assert len(faults("kubernetes", "__kubernetes_uninstall_faults", **given)) == count


def files(**given: Any) -> list[str]:
    found = templar("kubernetes", {"__kubernetes_containerd_ours": {"rc": 1}, **given})
    return list(found.template(trust_as_template("{{ __kubernetes_files }}")))


def test_keys_and_audit_log_stay_unless_data_is_to_go() -> None:
    kept = ("/etc/kubevirt-ha", "/var/log/kubernetes/audit")
    assert not set(kept) & set(files())
    assert not [path for path in files() if path.startswith("/etc/kubevirt-ha/api-server")]
    assert set(kept) <= set(files(uninstall_data="true"))


def test_only_what_the_role_brought_goes() -> None:
    assert "/etc/containerd/config.toml" not in files()
    assert "/etc/containerd/config.toml" in files(__kubernetes_containerd_ours={"rc": 0})
    assert "/opt/kubernetes/1.34.4/bin" in files()
    assert "/opt/kubernetes/1.34.4/bin" in files(kubernetes_source="packages")
    assert "/opt/kubernetes/1.34.4/bin" not in files(kubernetes_source="directory")
    assert "/usr/local/bin/kubeadm" in files()


@pytest.mark.parametrize(
    ("given", "confirmed"),
    [
        ({}, False),
        ({"uninstall_confirm": "yes"}, False),
        ({"uninstall_confirm": ENDPOINT}, True),
        ({"uninstall_confirm": "", "kubernetes_api_endpoint": ""}, False),
    ],
)
def test_it_wants_the_endpoint_as_a_confirmation(given: dict[str, Any], confirmed: bool) -> None:
    (asked,) = [task for task in load("playbooks/uninstall.yml")[0]["tasks"] if "ansible.builtin.assert" in task]
    found = templar("kubernetes", given)
    that = asked["ansible.builtin.assert"]["that"]
    assert all(found.evaluate_conditional(condition) for condition in that) is confirmed


def roles_of(playbook: str) -> list[str]:
    """The roles that a playbook's plays are about, in their order."""
    found = []
    for play in load(f"playbooks/{playbook}.yml"):
        entries = [entry["role"] for entry in play.get("roles", [])]
        entries += [task["ansible.builtin.include_role"]["name"] for task in play.get("tasks", []) if _lays_out(task)]
        found += [str(entry).rpartition(".")[2] for entry in entries]
    return found


def _lays_out(task: dict[str, Any]) -> bool:
    included = task.get("ansible.builtin.include_role", {})
    return bool(included) and included.get("tasks_from", "uninstall") in ("uninstall", "hosts")


def test_it_goes_the_way_back() -> None:
    undone = [role for role in roles_of("site") if (REPOSITORY / "roles" / role / "tasks" / "uninstall.yml").exists()]
    assert {"kubernetes", "kubevirt", "kvm_node"} <= set(undone)
    assert roles_of("uninstall") == undone[::-1]
