# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's settings are what the modules take, its faults name what is allowed, and systemd takes its units."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_services import plan as host_services

ROLE = Path(__file__).resolve().parents[4] / "roles" / "backup"
GROUPS = {
    "control_plane": ["n1", "n2"],
    "kvm_nodes": ["n1", "n3"],
    "storage_nodes": ["n1", "n2"],
    "backup_hosts": ["b"],
}
HOSTS = {
    "n1": {
        "ansible_host": "192.0.2.11",
        "ansible_ssh_private_key_file": "/keys/n",
        "ansible_ssh_common_args": "-o A=b",
    },
    "n2": {"ansible_host": "192.0.2.12", "kubernetes_node_address": "198.51.100.12", "ansible_port": 2222},
    "n3": {"ansible_user": "ops"},
    "b": {},
}
GIVEN = {
    "backup_repository": "/srv/restic",
    "backup_repository_password_file": "/etc/password",
    "backup_kubeconfig": "/root/config",
    "backup_machines": [{"namespace": "shop", "labels": "a=b", "probe": {"port": 8080, "path": "/x"}}],
    "shared_storage_backend": "glusterfs",
    "shared_storage_mount": "/srv/shared",
}


@functools.cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def templar(**given: Any) -> Templar:
    own = {
        "groups": GROUPS,
        "hostvars": HOSTS,
        "inventory_hostname": "b",
        "role_path": "/c/ansible_collections/virtops/kubevirt_ha/roles/backup",
        "ansible_playbook_python": "/opt/python",
        "backup_commit": "x",
    }
    return Templar(
        DataLoader(), variables={**_load("defaults/main.yml"), **_load("vars/main.yml"), **own, **GIVEN, **given}
    )


def value(expression: str, **given: Any) -> Any:
    return templar(**given).template(trust_as_template("{{ " + expression + " }}"))


def faults(**given: Any) -> list[str]:
    task = _load("tasks/inventory.yml")[0]
    checks = templar(**given, **task["vars"]).template(task["vars"]["__backup_checks"])
    told = templar(**given, **task["vars"]).template(task["vars"]["__backup_of_settings"])
    return [check["fault"] for check in checks if check["bad"] in (True, "True")] + told


def host_faults(asked: dict[str, Any], *said: str, **given: Any) -> list[str]:
    """What preflight says of a host that said this of itself, and whose repository answered that."""
    task = next(task for task in _load("tasks/faults.yml") if task["name"] == "List this host's faults")
    own = {"__backup_host": {"stdout_lines": list(said)}, "__backup_asked": asked, "__backup_inventory_faults": []}
    return list(templar(**own, **given, **task["vars"]).template(task["ansible.builtin.set_fact"]["__backup_faults"]))


def test_the_settings_are_what_the_modules_take() -> None:
    found = settings.of(value("__backup_settings"))
    assert found.machines[0].probe.port == 8080
    assert found.keep == {"last": 3, "daily": 7, "weekly": 4}
    assert found.etcd.endpoints == ("https://192.0.2.11:2379", "https://198.51.100.12:2379")
    assert found.etcd.client_key == "/var/lib/kubevirt-ha/backup/etcd/client.pem"
    assert (found.mount, found.brick) == ("/srv/shared", "/var/lib/kubevirt-ha/brick")
    assert [host.name for host in found.hosts] == ["n1", "n3"]
    assert [host.name for host in found.brick_hosts] == ["n1", "n2"]


def test_nodes_are_reached_as_the_inventory_says() -> None:
    commands = {host["name"]: " ".join(host["command"]) for host in value("__backup_by_ssh")}
    assert commands["n1"].endswith("-i /keys/n -o A=b root@192.0.2.11")
    assert commands["n2"].endswith("-p 2222 root@192.0.2.12")
    assert commands["n3"].endswith("ops@n3 sudo -n")
    assert all("BatchMode=yes" in command for command in commands.values())
    assert "-i /keys/b " in value("__backup_by_ssh[0].command | join(' ')", backup_ssh_key="/keys/b")
    assert "ControlPath=/var/lib/kubevirt-ha/backup/%C" in commands["n1"]
    assert "ControlPath" not in value("__backup_by_ssh[0].command | join(' ')", backup_state_dir="/x" * 25)


def test_quoted_arguments_of_ssh_stay_one_word() -> None:
    proxy = "ProxyCommand=ssh -W %h:%p -q bastion"
    hosts = {**HOSTS, "n1": {"ansible_ssh_common_args": f"-o '{proxy}'"}}
    assert proxy in value("__backup_by_ssh", hostvars=hosts)[0]["command"]


def test_etcd_and_bricks_are_left_out_where_there_are_none() -> None:
    assert value("__backup_settings.etcd", backup_etcd=False) == {}
    assert value("__backup_settings.brick_hosts", shared_storage_backend="cephfs") == []
    external = {
        "kubernetes_etcd": "external",
        "kubernetes_etcd_endpoints": ["https://e:2379"],
        "kubernetes_etcd_ca_file": "/ca",
        "kubernetes_etcd_cert_file": "/cert",
        "kubernetes_etcd_key_file": "/key",
    }
    found = value("__backup_settings.etcd", **external)
    assert (found["endpoints"], found["client_key"]) == (["https://e:2379"], "/key")


def test_the_certificates_of_etcd_are_told_apart() -> None:
    def pem(kind: str, word: str) -> str:
        return f"-----BEGIN {kind}-----\n{word}\n-----END {kind}-----\n"

    parts = pem("CERTIFICATE", "authority"), pem("CERTIFICATE", "client"), pem("PRIVATE KEY", "key")
    folder, authority, client = value("__backup_etcd_files", __backup_etcd_pem={"stdout": "".join(parts).rstrip("\n")})
    assert (folder["state"], folder["mode"]) == ("directory", "0700")
    assert (authority["content"], client["content"]) == (parts[0], parts[1] + parts[2])
    assert (client["secret"], client["mode"]) == (True, "0600")


def test_a_repository_that_a_url_logs_in_to_shows_its_settings_to_nobody() -> None:
    def shown(repository: str) -> bool:
        return not value("__backup_files", backup_repository=repository)[1]["secret"]

    assert shown("/srv/restic") and shown("sftp:user@host:/srv/restic")
    assert not shown("rest:https://user:word@host:8000/")


def test_a_schedule_brings_the_timer_and_none_takes_it_away() -> None:
    given = {"backup_schedule": "*-*-* 02:30:00", "ansible_search_path": [str(ROLE)]}
    assert [one["mode"] for one in value("__backup_unit_files", **given)] == ["0644"] * 3
    service, release, timer = value("__backup_services", **given)
    assert service == {"name": "kubevirt-ha-backup.service"}
    assert (release["enabled"], "state" in release) == (True, False)
    assert (timer["enabled"], timer["state"], timer["reads"]) == (
        True,
        "started",
        [f"/etc/systemd/system/{timer['name']}"],
    )
    for none in ("", None):
        assert [one["state"] for one in value("__backup_unit_files", backup_schedule=none)] == ["absent"] * 3
    assert [(one["enabled"], one.get("state")) for one in value("__backup_services", backup_schedule="")[1:]] == [
        (False, None),
        (False, "stopped"),
    ]
    assert host_services.faults(value("__backup_services", **given)) == []
    assert host_services.faults(value("__backup_services", backup_schedule="")) == []


def test_a_sound_inventory_has_no_fault_and_no_repository_is_none() -> None:
    assert faults() == []
    assert faults(backup_repository="", backup_repository_password_file="", backup_kubeconfig="") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"backup_repository_password_file": ""}, "backup_repository_password_file is empty"),
        ({"backup_kubeconfig": ""}, "backup_kubeconfig is empty"),
        ({"backup_method": "magic"}, "backup_method: magic is unknown; allowed are auto, snapshot, copy, export"),
        ({"backup_machines": ["shop"]}, "backup_machines[0]: must be {namespace, names, labels, probe}"),
        ({"backup_machines": "shop"}, "backup_machines: 'shop' must be a list"),
        ({"backup_machines": [{"names": ["a"]}]}, "backup_machines[0]: namespace: is missing"),
        ({"backup_machines": [{"namespace": "a", "names": "web"}]}, "names: 'web' must be a list of names"),
        ({"backup_machines": [{"namespace": "a", "names": []}]}, "names: is empty; name machines, or leave it out"),
        ({"backup_machines": [{"namespace": "a", "labels": {"b": "c"}}]}, "must be a label selector such as"),
        ({"backup_machines": [{"namespace": "a", "probe": {"port": 80, "pth": "/"}}]}, "pth is unknown; allowed are"),
        ({"backup_machines": [{"namespace": "a", "probe": {"path": "/"}}]}, "goes with a port, which is missing"),
        ({"backup_namespaces": "shop"}, "backup_namespaces: 'shop' must be a list"),
        ({"backup_namespaces": ["Shop"]}, "backup_namespaces[0]: 'Shop' must be of lower-case letters"),
        (
            {"backup_disk_hosts": [{"name": "n", "command": "ssh n"}]},
            "backup_disk_hosts[0]: command: 'ssh n' must be a list",
        ),
        ({"backup_disk_owner": "qemu"}, "backup_disk_owner: 'qemu' must be user and group as numbers"),
        ({"backup_state_dir": "backup"}, "backup_state_dir: backup must be a path from / on"),
        ({"backup_etcd_endpoints": ["n1:2379"]}, "backup_etcd_endpoints: 'n1:2379' is no endpoint"),
        ({"backup_verify_subset": "150%"}, "backup_verify_subset: 150% is no part"),
        ({"backup_keep_last": "three"}, "three, 7, 4 must be whole numbers"),
        ({"backup_max_frozen_seconds": "inf"}, "must be a number above 0, at most 86400"),
        ({"backup_parts": ["disks"]}, "backup_parts: disks is unknown; allowed are etcd, objects, machines, verify"),
        ({"backup_keep_last": 0, "backup_keep_daily": 0, "backup_keep_weekly": 0}, "would keep nothing"),
        ({"backup_max_frozen_seconds": 0}, "0 must be a number above 0"),
        ({"backup_parts": None}, "backup_parts: None is unknown; allowed are etcd, objects, machines, verify"),
        ({"backup_etcd_endpoints": None}, "backup_etcd_endpoints is empty"),
        ({"backup_state_dir": None, "backup_spool_dir": "/s"}, "is missing"),
        ({"groups": {**GROUPS, "control_plane": []}}, "backup_etcd_endpoints is empty"),
    ],
)
def test_each_fault_is_told_with_what_is_allowed(given: dict[str, Any], said: str) -> None:
    (fault,) = faults(**given)
    assert said in fault


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"settled": True}, []),
        ({"skipped": True}, []),
        ({"msg": "m", "error": {"faults": ["restic is not installed; run the role backup, which installs it"]}}, []),
        ({"msg": "m", "error": {"faults": ["a: b", "c: d"]}}, ["b: a: b", "b: c: d"]),
        ({"msg": "r: cannot be opened.", "error": {"what": "x"}}, ["b: backup_repository: r: cannot be opened"]),
        ({"msg": "no such file"}, ["b: backup_python: /opt/python cannot ask the repository (no such file); give a"]),
    ],
)
def test_what_the_repository_answers_is_told_and_what_the_role_brings_is_not(
    asked: dict[str, Any], told: list[str]
) -> None:
    found = host_faults(asked)
    assert len(found) == len(told)
    assert all(fault.startswith(start) for fault, start in zip(found, told, strict=True))


def test_a_schedule_that_nobody_runs_is_told() -> None:
    assert host_faults({"settled": True}, "systemd", "calendar", backup_schedule="daily") == []
    refused, runs = host_faults({"settled": True}, backup_schedule="daily")
    assert refused.startswith('b: backup_schedule: systemd-analyze calendar refuses "daily"')
    assert runs.startswith("b: backup_schedule: this host does not run systemd; leave it empty")


def test_defaults_and_argument_specs_have_the_same_order() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert list(specs) == list(yaml.safe_load((ROLE / "defaults/main.yml").read_text()))


@pytest.mark.parametrize("folder", ["plain", "with space and 100%"])
def test_systemd_takes_the_units(tmp_path: Path, folder: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    (tmp_path / folder).mkdir()
    python = tmp_path / folder / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    given = {
        "backup_python": str(python),
        "backup_schedule": "*-*-* 02:30:00",
        "backup_state_dir": f'/var/{folder}/"$HOME"',
        "backup_collections_path": f'/opt/{folder}/"$HOME"',
    }
    names = value("__backup_units")
    for name in names:
        text = (ROLE / "templates" / f"{name}.j2").read_text()
        (tmp_path / name).write_text(templar(**given).template(trust_as_template(text)))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "kubevirt-ha-backup" not in done.stderr
    assert "release" in (tmp_path / names[0]).read_text()
