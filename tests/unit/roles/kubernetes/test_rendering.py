# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of a user's variables, and whether kubeadm takes it where it is at hand."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .kubernetes_role import BINARIES, text, value

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"kubernetes_audit_log": True, "kubernetes_failure_detection": "fastest"},
    {"kubernetes_secrets_encryption": "aescbc", "kubernetes_kube_proxy_mode": "nftables"},
    {"kubernetes_etcd": "external", "kubernetes_etcd_endpoints": ["https://192.0.2.21:2379"]},
)


def cluster(**given: Any) -> dict[str, Any]:
    """The ClusterConfiguration."""
    documents = yaml.safe_load_all(text("kubeadm-init.yaml.j2", **given))
    (found,) = [one for one in documents if one["kind"] == "ClusterConfiguration"]
    return dict(found)


def arguments(component: dict[str, Any]) -> dict[str, str]:
    """A component's arguments by name."""
    return {argument["name"]: argument["value"] for argument in component["extraArgs"]}


@pytest.mark.parametrize("given", CONFIGURATIONS, ids=lambda given: ",".join(given) or "defaults")
def test_kubeadm_takes_its_configuration(given: dict[str, Any], tmp_path: Path) -> None:
    kubeadm = BINARIES / "kubeadm"
    if not kubeadm.is_file():
        pytest.skip(f"{kubeadm} is not there: `make lab` builds it")
    path = tmp_path / "kubeadm-init.yaml"
    path.write_text(text("kubeadm-init.yaml.j2", **given))
    done = subprocess.run(
        [kubeadm, "config", "validate", "--config", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_audit_log_is_off_unless_asked_for() -> None:
    api_server = cluster()["apiServer"]
    assert [name for name in arguments(api_server) if name.startswith("audit")] == []
    assert "extraVolumes" not in api_server


def test_the_api_server_sees_its_audit_policy_and_writes_its_log() -> None:
    given = {"kubernetes_audit_log_dir": "/srv/audit", "kubernetes_audit_log_max_size": 7}
    api_server = cluster(kubernetes_audit_log=True, **given)["apiServer"]
    said = arguments(api_server)
    writable = {volume["mountPath"]: not volume["readOnly"] for volume in api_server["extraVolumes"]}
    assert (said["audit-log-path"], said["audit-log-maxsize"]) == ("/srv/audit/audit.log", "7")
    assert writable == {"/srv/audit": True, str(Path(said["audit-policy-file"]).parent): False}
    assert all(volume["hostPath"] == volume["mountPath"] for volume in api_server["extraVolumes"])


def test_no_rule_of_a_user_comes_before_those_that_keep_secrets_out() -> None:
    everything = {"level": "RequestResponse"}
    rules = value("__kubernetes_audit_policy", kubernetes_audit_rules=[everything])["rules"]
    before = rules[: rules.index(everything)]
    assert {rule["level"] for rule in before} == {"Metadata"}
    private = {
        (resource["group"], name)
        for rule in before
        for resource in rule["resources"]
        for name in resource.get("resources", ["*"])
    }
    assert {
        ("", "secrets"),
        ("", "configmaps"),
        ("authentication.k8s.io", "tokenreviews"),
        ("kubevirt.io", "*"),
    } <= private


def test_an_override_has_the_last_word_on_kube_proxy() -> None:
    mode = "__kubernetes_kube_proxy_configuration.mode"
    assert value(mode) == "iptables"
    assert value(mode, kubernetes_kube_proxy_mode="nftables") == "nftables"
    assert (
        value(mode, kubernetes_kube_proxy_overrides={"mode": "iptables"}, kubernetes_kube_proxy_mode="nftables")
        == "iptables"
    )


def test_the_api_server_reads_its_keys() -> None:
    api_server = cluster(kubernetes_secrets_encryption="secretbox")["apiServer"]
    (mount,) = api_server["extraVolumes"]
    assert Path(arguments(api_server)["encryption-provider-config"]).parent == Path(mount["mountPath"])
    assert mount["readOnly"]


# A host whose bridge has an address, or has none at all.
IP = """#!/bin/sh
case "$*" in
  "link show dev cni0") [ -n "$BRIDGE" ] ;;
  "-oneline address show dev cni0 to $BRIDGE") echo cni0 ;;
  "link delete dev cni0") echo deleted ;;
esac
"""


@pytest.mark.parametrize(("bridge", "said"), [("", ""), ("10.244.4.0/24", ""), ("10.244.3.0/24", "deleted\n")])
def test_a_bridge_of_an_earlier_membership_goes_before_pods_need_it(bridge: str, said: str, tmp_path: Path) -> None:
    program = tmp_path / "ip"
    program.write_text(IP)
    program.chmod(0o755)
    unit = text("kubevirt-ha-routes.service.j2", __kubernetes_cidrs={"n1": "10.244.4.0/24"}, hostvars={})
    (line,) = [line for line in unit.splitlines() if "cni0" in line]
    command = shlex.split(line.removeprefix("ExecStart="))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BRIDGE": bridge}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == said
