# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong inventories whose hosts are this machine: preflight only reads, and tells every fault in one message."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PLAYBOOK = Path(__file__).resolve().parents[3] / "playbooks" / "preflight.yml"
BMC = {"type": "redfish", "url": "https://192.0.2.1", "user": "admin", "password_file": "/nonexistent"}
LOCAL = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "/usr/bin/python3",
    "kubernetes_version": "1.34.4",
}
# Over ssh, where nobody listens.
AWAY = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
# Neither may be asked for a release here.
QUIET = {"kubernetes_source": "directory", "kubernetes_cni": "routes", "kubevirt_source": "archive"}

INCOMPLETE = {
    "variables": {
        **QUIET,
        "kubernetes_api_endpoint": "192.0.2.100:8443",
        "load_balancer_vips": [{"name": "api", "address": "not-an-ip", "backends": {"group": "control_plane"}}],
        "kubevirt_archive": "/nonexistent",
        "kubevirt_registry": "",
        "kubernetes_secrets_encryption": "secretbox",
        "kubernetes_secrets_encryption_key_file": __file__,
    },
    "groups": {
        "control_plane": {"a": {"ansible_host": "192.0.2.1"}, "b": {"ansible_host": "192.0.2.1"}},
        "storage_nodes": {},
        "backup_hosts": {"w": {}},
    },
    "faults": (
        "load_balancer_vips: api: port is missing",
        "load_balancer_vips: api: backends.port is missing",
        "load_balancer_vips: api: not-an-ip is no IPv4 address",
        "group control_plane has 2 hosts",
        f"kubernetes_secrets_encryption_key_file: {__file__} does not hold 32 bytes in base64",
        "hosts a and b have one address, 192.0.2.1",
        "group storage_nodes is empty",
        "group load_balancers is empty",
        "kubevirt_registry: '' is not host:port",
        "/nonexistent/archive.json cannot be read",
        "node_remediation_bmc is missing for a, b",
        "a: kubernetes_node_address 192.0.2.1 is on no interface of this host",
    ),
}
WRONG_TYPES = {
    "variables": {
        **QUIET,
        "kubevirt_source": "nightly",
        "load_balancer_vips": ["oops", {"name": "api", "address": "192.0.2.9", "port": "x", "backends": BMC}],
        "kubernetes_failure_detection": "hasty",
        "kubernetes_secrets_encryption": "rot13",
        "kubernetes_kube_proxy_mode": "ipvs",
        "kubernetes_version": "v1.34",
        "preflight_skip": ["everything"],
        "preflight_clock_skew_seconds": "soon",
        "kubernetes_certificates_renew_days": 365,
        "kubernetes_certificates_warn_days": "soon",
        "kubernetes_secrets_encryption_key_file": "/nonexistent/key",
        "kubernetes_audit_log": True,
        "kubernetes_audit_log_dir": "/var/log/",
        "kubernetes_audit_log_max_age": 0,
        "shared_storage_volumes": {"count": "many"},
    },
    "groups": {
        "control_plane": {
            "a": {"node_remediation_bmc": "redfish"},
            "b": {"node_remediation_bmc": {"type": "redfish", "url": 5}},
            "c": {"node_remediation_bmc": {**BMC, "type": "ilo"}},
        },
        "load_balancers": {"a": {}},
        "backup_hosts": {"w": {}},
    },
    "faults": (
        "load_balancer_vips: entry 1: must be {name, address, port, backends: {group, port, check}}",
        "load_balancer_vips: api: backends.group is missing",
        "load_balancer_vips: api: port x is no number from 1 to 65535",
        "kubernetes_failure_detection: hasty is unknown; allowed are standard, fast, fastest",
        "kubernetes_api_endpoint: '' is not host:port",
        "kubernetes_certificates_renew_days: 365 must be a whole number from 0 (never) to 300",
        "kubernetes_certificates_warn_days: soon must be a whole number from 0",
        "kubernetes_version: v1.34 is no version of Kubernetes such as 1.34.4",
        "kubernetes_kube_proxy_mode: ipvs is unknown; allowed are iptables, nftables",
        "kubernetes_secrets_encryption: rot13 is unknown; allowed are none, secretbox, aescbc, identity",
        "kubernetes_secrets_encryption_key_file: /nonexistent/key is no file of the controller",
        "kubernetes_audit_log_dir: '/var/log/' becomes readable by root alone",
        "_max_age: 100, 10, 0 must be whole numbers from 1",
        "shared_storage_volumes: count must be 1 to 9999",
        "shared_storage_volumes: size must be a quantity as 10Gi",
        "kubevirt_source: nightly is unknown",
        "preflight_skip: everything is unknown; allowed is a list of ports, vrrp, mtu, clocks, names, storage_classes",
        "preflight_clock_skew_seconds: soon must be a number above 0",
        "a must be {type, url, user, password_file, identity}",
        "b lacks user",
        "b has url 5, which must begin with https://",
        "c has the unknown type ilo",
    ),
}
EMPTY: dict[str, Any] = {
    "variables": {"kubernetes_source": "directory", "kubernetes_cni": "routes", "kubevirt_source": "archive"},
    "groups": {},
    "faults": (
        "group control_plane is empty",
        "group kvm_nodes is empty",
        "group load_balancers is empty",
        "group storage_nodes is empty",
        "load_balancer_vips is empty",
        "kubevirt_archive is empty",
    ),
}

_VIP = {"name": "api", "address": "192.0.2.9", "port": 8443, "backends": {"group": "control_plane", "port": 6443}}
BALANCERS = {
    "variables": {
        **QUIET,
        "kubernetes_version": "1.37.0",
        "kubernetes_etcd_fsync_limit_ms": 0.000001,
        "kubernetes_failure_detection": "fast",
        "load_balancer_proxy": "nginx",
        "load_balancer_firewall": "ufw",
        "load_balancer_stats_address": "0.0.0.0",
        "load_balancer_vips": [
            {**_VIP, "router_id": 5},
            {**_VIP, "name": "a b", "router_id": 6},
            {**_VIP, "name": "other", "address": "192.0.2.10", "router_id": 5, "interface": "nowhere0"},
        ],
    },
    "groups": {"control_plane": {"a": {}}, "load_balancers": {"a": {}}},
    "faults": (
        "nginx has no active checks of TCP backends and cannot keep load_balancer_failure_detection fast",
        "load_balancer_firewall: ufw is unknown; allowed are none, nftables",
        "a: load_balancer_stats_address 0.0.0.0 is no private address",
        "a b: name may have letters, digits",
        "a b: 192.0.2.9:8443 is given twice",
        "api, a b have one address, 192.0.2.9, and several of router_id (5, 6)",
        "other: router_id 5 is that of api too",
        "a: load_balancer_vips: other: 192.0.2.10: interface nowhere0 is missing",
        "kubernetes_version: 1.37 is not in the version matrix; allowed are 1.34, 1.35, 1.36",
        "a: kubernetes_etcd_fsync_limit_ms 1e-06: the disk of",
    ),
}
STORAGE = {
    "variables": {
        **QUIET,
        "shared_storage_backend": "nfs",
        "shared_storage_nfs_server": "127.0.0.1",
        "shared_storage_nfs_share": "vms",
        "shared_storage_csi_manifests": ["/nonexistent/driver.yaml"],
        "shared_storage_classes": [
            {"name": "a", "mode": "block", "default": True},
            {"name": "b", "default": True},
            "c",
        ],
    },
    "groups": {"control_plane": {"a": {}}, "load_balancers": {"a": {}}},
    "faults": (
        "name the server and the folder it exports",
        "shared_storage_csi_manifests: /nonexistent/driver.yaml: no file of the controller and no URL",
        "a: mode block: nfs has files only",
        "a, b are all the default",
        "shared_storage_classes: entry 3: must be {name, ...}",
        "a: shared_storage_nfs_server: 127.0.0.1:2049 does not answer as NFS",
    ),
}
CASES = {
    "incomplete": INCOMPLETE,
    "wrong types": WRONG_TYPES,
    "empty": EMPTY,
    "balancers": BALANCERS,
    "storage": STORAGE,
}


def refusal(
    folder: Path, variables: dict[str, Any], groups: dict[str, Any], playbook: Path = PLAYBOOK, *arguments: str
) -> str:
    """What the playbook says of such an inventory, without the line breaks that it was folded by."""
    children = {name: {"hosts": hosts} for name, hosts in groups.items()}
    if "control_plane" in groups:
        children["kvm_nodes"] = {"hosts": dict.fromkeys(groups["control_plane"], {})}
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"vars": {**LOCAL, **variables}, "children": children}}))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(playbook), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    said = re.sub(r"\s+", " ", done.stdout + done.stderr).replace("''", "'")
    assert done.returncode != 0
    assert "Nothing was changed. Faults:" in said, done.stdout[-4000:]
    assert not re.search(r"changed=[1-9]", said)
    return said


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_fault_is_told_at_once(case: dict[str, Any], tmp_path: Path) -> None:
    said = refusal(tmp_path, case["variables"], case["groups"])
    assert [fault for fault in case["faults"] if fault not in said] == []


@pytest.mark.skipif(shutil.which("promtool") is not None, reason="needs a machine without promtool")
@pytest.mark.parametrize(
    ("form", "later"),
    [("hosts", "the role does when it has installed it"), ("operator", "nobody does before the operator takes them")],
)
def test_rules_that_no_promtool_can_see_are_warned_of_once(
    form: str, later: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'E: no way there' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    rules = [{"name": "wrong", "rules": [{"alert": "Wrong", "expr": "sum(up"}]}]
    given = {**QUIET, "monitoring_form": form, "monitoring_extra_rules": rules}
    said = refusal(tmp_path, given, {"monitoring_nodes": {"a": {}, "b": {}}})
    assert said.count("monitoring_extra_rules: promtool did not look at them") == 1
    assert "WARNING: a: monitoring_extra_rules: promtool did not look at them, for Debian's package" in said
    assert f"cannot be had (E: no way there); {later}" in said


@pytest.mark.skipif(shutil.which("promtool") is not None, reason="needs a machine without promtool")
def test_of_monitoring_nodes_the_first_that_answers_asks_promtool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    rules = [{"name": "wrong", "rules": [{"alert": "Wrong", "expr": "sum(up"}]}]
    said = refusal(tmp_path, {**QUIET, "monitoring_extra_rules": rules}, {"monitoring_nodes": {"a": AWAY, "b": {}}})
    assert "a: does not answer" in said
    assert said.count("monitoring_extra_rules: promtool did not look at them") == 1
    assert "WARNING: b: monitoring_extra_rules: promtool did not look at them" in said


# Nodes that do not answer: nothing could be changed on them.
NODES = {
    "variables": {
        **QUIET,
        **AWAY,
        "kubevirt_source": "nightly",
        "shared_storage_csi_manifests": ["/nonexistent/driver.yaml"],
        "backup_method": "guess",
    },
    "groups": {
        "control_plane": {"a": {}, "b": {}},
        "backup_hosts": {"w": {"backup_repository": "/srv/restic"}},
        "spare": {"old": {}},
    },
}
OF_BACKUPS = ("w: does not answer", "backup_method: guess is unknown")
WITHOUT = "; mend it, or go on without backups with -e backup_repository="


@pytest.mark.parametrize(
    ("playbook", "wish", "reads_manifests"),
    [
        ("add_node", "add_node=b", True),
        ("replace_node", "replace_node=b", True),
        ("remove_node", "remove_node=old", False),
    ],
)
def test_what_a_playbook_of_nodes_does_not_play_does_not_stop_it(
    playbook: str, wish: str, reads_manifests: bool, tmp_path: Path
) -> None:
    said = refusal(tmp_path, NODES["variables"], NODES["groups"], PLAYBOOK.with_name(f"{playbook}.yml"), "-e", wish)
    before, _mark, faults = said.partition("Nothing was changed. Faults:")
    assert "group control_plane has 2 hosts" in faults
    assert "b: does not answer" in faults
    assert "kubevirt_source" not in faults
    assert ("/nonexistent/driver.yaml: no file of the controller" in faults) == reads_manifests
    assert "WARNING: this stands against backups" in before
    assert [fault for fault in OF_BACKUPS if fault in faults or fault not in before] == []
    assert before.count(WITHOUT) == len(OF_BACKUPS)


def test_alone_it_stops_on_what_stands_against_backups_and_names_the_way_to_go_on_without(tmp_path: Path) -> None:
    said = refusal(tmp_path, NODES["variables"], NODES["groups"])
    _before, _mark, faults = said.partition("Nothing was changed. Faults:")
    assert [fault for fault in (*OF_BACKUPS, "kubevirt_source: nightly") if fault not in faults] == []
    assert faults.count(WITHOUT) == sum(map(faults.count, OF_BACKUPS))
    without = refusal(tmp_path, NODES["variables"], NODES["groups"], PLAYBOOK, "-e", "backup_repository=")
    assert "w: does not answer" not in without
    assert "backup_method" not in without
