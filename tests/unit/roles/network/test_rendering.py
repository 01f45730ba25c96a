# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role renders and finds out by itself: attachments, scripts, the ring of neighbours, clashes, KubeVirt's network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).resolve().parents[4] / "roles"
ROLE = ROLES / "network"
HOSTS = ["n1", "n2", "n3"]


def _load(name: str, role: Path = ROLE) -> Any:
    return DataLoader().load_from_file(str(role / name), trusted_as_template=True)


def _templar(host: str = "n1", **given: Any) -> Templar:
    variables = {
        **_load("defaults/main.yml"),
        **_load("vars/main.yml"),
        "inventory_hostname": host,
        "ansible_play_hosts": HOSTS,
        "groups": {"kvm_nodes": HOSTS},
        **given,
    }
    return Templar(DataLoader(), variables=variables)


def _value(name: str, host: str = "n1", **given: Any) -> Any:
    return _templar(host, **given).template(trust_as_template("{{ " + name + " }}"))


def _render(template: str, **given: Any) -> str:
    return str(_templar(**given).template(trust_as_template((ROLE / "templates" / template).read_text())))


def _attachments(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        found
        for found in yaml.safe_load_all(_render("attachments.yaml.j2", network_attachments=list(entries)))
        if found
    ]


def test_an_attachment_is_what_the_plugin_takes() -> None:
    namespace, made = _attachments({"name": "lan", "bridge": "br-vm", "vlan": 100, "mtu": 9000})
    assert namespace["metadata"] == {"name": "default"}
    assert made["metadata"]["namespace"] == "default"
    assert json.loads(made["spec"]["config"]) == {
        "cniVersion": "0.3.1",
        "name": "lan",
        "type": "bridge",
        "bridge": "br-vm",
        "vlan": 100,
        "mtu": 9000,
        "ipam": {},
    }


def test_a_macvlan_has_a_master_and_options_of_its_own() -> None:
    ipam = {"type": "whereabouts", "range": "192.0.2.0/24"}
    entry = {
        "name": "mv",
        "namespace": "vms",
        "type": "macvlan",
        "parent": "eth2",
        "ipam": ipam,
        "options": {"mode": "private"},
    }
    config = json.loads(_attachments(entry)[1]["spec"]["config"])
    assert (config["master"], config["mode"], config["ipam"]) == ("eth2", "private", ipam)
    assert "bridge" not in config


def test_each_namespace_is_made_once() -> None:
    made = _attachments(
        {"name": "a", "namespace": "vms", "bridge": "b"},
        {"name": "b", "namespace": "vms", "bridge": "b"},
        {"name": "c", "bridge": "b", "vlan": None},
    )
    assert [found["metadata"]["name"] for found in made if found["kind"] == "Namespace"] == ["vms", "default"]
    assert len({found["metadata"]["name"] for found in made if found["kind"] == "NetworkAttachmentDefinition"}) == 3


def test_the_definition_of_attachments_takes_them() -> None:
    crd = yaml.safe_load(_render("crd.yaml.j2"))
    assert crd["metadata"]["name"] == f"{crd['spec']['names']['plural']}.{crd['spec']['group']}"
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert properties["spec"]["properties"]["config"]["type"] == "string"


PLAN = {
    "files": {"/etc/a": "x", "/etc/b c": "y"},
    "kept": ["/etc/a"],
    "apply": ["networkctl reload", "false", "echo not reached"],
    "rollback": ["ip link set eth1 up || true"],
}


def test_scripts_are_shell_and_whoever_comes_first_decides(tmp_path: Path) -> None:
    for name in ("apply.j2", "rollback.j2"):
        text = _render(name, __network_host={"plan": PLAN}, __network_folder=str(tmp_path))
        assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    assert "rm -f '/etc/b c'" in text
    # Nothing but the mark may tell it whether to go on: without it, it ends before it touches a file.
    assert text.index("unconfirmed") < text.index("|| exit 0") < text.index("rm -f")
    # What it restores are files only: an archive of folders would set the modes of the host's own.
    assert "--extract --file" in text
    assert "cp " not in text


def test_what_was_applied_says_its_code_and_words(tmp_path: Path) -> None:
    plan = {**PLAN, "apply": ["echo begun", "sh -c 'exit 3'", "echo not reached"]}
    text = _render("apply.j2", __network_host={"plan": plan}, __network_folder=str(tmp_path))
    subprocess.run(["sh"], input=text, text=True, check=True)
    assert (tmp_path / "applied").read_text().splitlines() == ["3", "begun"]


def _networks(number: int, network: str = "10.0.0.0/24") -> dict[str, Any]:
    return {"networks": [{"link": "br", "address": f"10.0.0.{number}", "network": network, "mtu": 9000}]}


def test_neighbours_are_a_ring_of_those_in_the_network() -> None:
    hostvars = {
        "n1": {"__network_host": _networks(1)},
        "n2": {"__network_host": {"networks": []}},
        "n3": {"__network_host": _networks(3)},
    }
    found = {
        host: _value("__network_neighbours", host, hostvars=hostvars, __network_host=hostvars[host]["__network_host"])
        for host in HOSTS
    }
    assert [(entry["host"], entry["peer"], entry["mtu"]) for entry in found["n1"]] == [("n3", "10.0.0.3", 9000)]
    assert [entry["host"] for entry in found["n3"]] == ["n1"]
    assert found["n2"] == []


def test_a_host_alone_in_its_network_asks_nobody() -> None:
    hostvars = {"n1": {"__network_host": _networks(1)}, "n2": {}, "n3": {"__network_host": _networks(1, "10.9.0.0/24")}}
    assert _value("__network_neighbours", hostvars=hostvars, __network_host=hostvars["n1"]["__network_host"]) == []


def _inventory_faults(**given: Any) -> list[str]:
    task = _load("tasks/inventory.yml")[0]
    variables = {
        "hostvars": {host: {"__network_host": _networks(number)} for number, host in enumerate(HOSTS)},
        **given,
    }
    text = task["ansible.builtin.set_fact"]["__network_inventory_faults"]
    return list(_templar("localhost", **{**task["vars"], **variables}).template(text))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ""),
        ({"network_apply_timeout": 5}, "network_apply_timeout: 5 must be 20 seconds or more"),
        (
            {"network_multus_manifest": "/nonexistent.yaml"},
            "network_multus_manifest: /nonexistent.yaml is no file of the controller",
        ),
        (
            {"network_multus_manifest": "https://example.org/m.yaml", "network_attachment_crd_only": True},
            "network_attachment_crd_only: true and network_multus_manifest exclude each other",
        ),
        (
            {"hostvars": {host: {"__network_host": _networks(7)} for host in HOSTS[:2]} | {"n3": {}}},
            "inventory: n2: br: address 10.0.0.7 is that of n1, too",
        ),
    ],
)
def test_faults_of_the_inventory(given: dict[str, Any], told: str) -> None:
    found = _inventory_faults(**given)
    assert len(found) == (1 if told else 0), found
    assert told in "".join(found)


@pytest.mark.parametrize(
    ("given", "concerned"),
    [
        ({}, False),
        ({"network_bridges": [{"name": "br0"}]}, True),
        ({"network_migration_attachment": "m"}, True),
    ],
)
def test_without_variables_the_host_is_left_alone(given: dict[str, Any], concerned: bool) -> None:
    assert _value("__network_concerned", __network_record={"stat": {"exists": False}}, **given) is concerned


def test_what_was_laid_out_concerns_the_role_until_it_is_gone() -> None:
    assert _value("__network_concerned", __network_record={"stat": {"exists": True}}) is True


def test_tries_name_what_is_plugged_in() -> None:
    entries = [
        {"name": "a", "bridge": "br", "vlan": 7},
        {"name": "b", "namespace": "n", "type": "macvlan", "parent": "e", "mtu": 9000},
    ]
    assert _value("__network_tries", network_attachments=entries) == ["bridge br 7 0 default/a", "macvlan e 0 9000 n/b"]


def test_plugins_are_those_that_the_attachments_call() -> None:
    entries = [
        {"name": "a", "bridge": "b"},
        {"name": "c", "type": "macvlan", "parent": "e", "ipam": {"type": "static"}},
    ]
    assert _value("__network_plugins", network_attachments=entries) == ["bridge", "macvlan", "static"]


def test_defaults_and_argument_specs_have_the_same_variables_in_the_same_order() -> None:
    options = _load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert list(options) == list(_load("defaults/main.yml"))


@pytest.mark.parametrize("network", ["", "migration"])
def test_kubevirt_migrates_by_the_network(network: str) -> None:
    role = ROLES / "kubevirt"
    variables = {
        **_load("defaults/main.yml", role),
        **_load("vars/main.yml", role),
        "network_migration_attachment": network,
    }
    asked = Templar(DataLoader(), variables=variables).template(
        trust_as_template("{{ __kubevirt_settings.migration_network }}")
    )
    assert (asked or "") == network
