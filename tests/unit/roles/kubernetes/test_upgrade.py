# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade has to do on a node, whatever an earlier one left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .kubernetes_role import text, value

OLD, NEW = "1.34.4", "1.35.2"
NOTE = value("__kubernetes_annotation")


def node(kubelet: str, *, running: str = "", cordoned: bool = False, note: str = "") -> dict[str, Any]:
    """What the role knows of a host: its processes and manifest, and its Node."""
    metadata = {"annotations": {NOTE: note}} if note else {}
    resource = {"metadata": metadata, "spec": {"unschedulable": True} if cordoned else {}}
    return {
        "kubernetes_version": NEW,
        "__kubernetes_host": {"stdout": json.dumps({"running": running or f"v{kubelet}"})},
        "__kubernetes_node": {"resources": [{**resource, "status": {"nodeInfo": {"kubeletVersion": f"v{kubelet}"}}}]},
    }


@pytest.mark.parametrize(
    ("given", "behind"),
    [
        (node(OLD), True),
        (node(NEW), False),
        (node(NEW, cordoned=True, note="uncordon"), False),
        (node(NEW, running=f"v{NEW} v{OLD}"), True),  # its kube-apiserver is left
        (node(NEW, running=f"v{OLD}"), True),  # the Node is older than the process
    ],
)
def test_a_node_is_behind_where_anything_of_it_is(given: dict[str, Any], behind: bool) -> None:
    assert value("__kubernetes_upgrade_behind", **given) is behind


@pytest.mark.parametrize(
    ("given", "end"),
    [
        (node(OLD), "uncordon"),
        (node(OLD, cordoned=True), "leave"),
        (node(OLD, cordoned=True, note="uncordon"), "uncordon"),  # cordoned by an upgrade that was broken off
        (node(NEW, cordoned=True, note="leave"), "leave"),
    ],
)
def test_only_a_cordon_of_the_upgrade_itself_is_taken_back(given: dict[str, Any], end: str) -> None:
    assert value("__kubernetes_upgrade_noted", **given) == end


@pytest.mark.parametrize(
    ("configured", "control_plane", "command"),
    [
        (OLD, ["n1"], f"upgrade apply --yes v{NEW}"),
        (NEW, ["n1"], "upgrade node"),
        (NEW, ["n2"], "upgrade node"),
        (OLD, ["n2"], "upgrade node"),
    ],
)
def test_the_first_control_plane_leads_and_the_others_follow(
    configured: str, control_plane: list[str], command: str
) -> None:
    unit = text(
        "kubevirt-ha-kubeadm@upgrade.service.j2",
        kubernetes_version=NEW,
        kubernetes_ignore_preflight_errors=["Swap", "Mem"],
        groups={"control_plane": control_plane},
        __kubernetes_cluster={"stdout": f"kubernetesVersion: v{configured}"},
    )
    assert f"ExecStart=/usr/local/bin/kubeadm {command} --ignore-preflight-errors=Swap,Mem\n" in unit


def test_the_cluster_keeps_its_version_until_kubeadm_changes_it() -> None:
    assert f"kubernetesVersion: v{NEW}\n" in text("kubeadm-init.yaml.j2", kubernetes_version=NEW)
    before = text("kubeadm-init.yaml.j2", kubernetes_version=NEW, __kubernetes_configured=f"v{OLD}")
    assert f"kubernetesVersion: v{OLD}\n" in before
