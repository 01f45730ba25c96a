# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attachments as the role offers them to a real kube-apiserver, without Multus behind it: rendered, not run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NETWORK_ATTACHMENT, Resource

Offer = Callable[..., tuple[int, str]]
LAN = {"name": "lan", "bridge": "br-vm", "vlan": 100}
MIGRATION = {
    "name": "migration",
    "namespace": "kubevirt",
    "bridge": "br-mig",
    "ipam": {"type": "whereabouts", "range": "192.0.2.0/24"},
}
PLAYBOOK = """
- hosts: node
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: virtops.kubevirt_ha.network, tasks_from: attachments}
"""


@pytest.fixture
def offer(cluster: Path, tmp_path: Path) -> Offer:
    """Runs the role's second part: what it changed, -1 where it failed, and what it said."""
    playbook = tmp_path / "offer.yml"
    playbook.write_text(PLAYBOOK)

    def run(*attachments: dict[str, Any], **given: Any) -> tuple[int, str]:
        more = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "kubernetes_kubeconfig": str(cluster),
            "network_attachments": attachments,
            **given,
        }
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                "-i",
                "node,",
                "-e",
                json.dumps(more),
                str(playbook),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(Path(__file__).resolve().parents[6])},
            timeout=300,
        )
        said = " ".join(done.stdout.split())
        changed = re.search(r"changed=(\d+)", said)
        return (int(changed.group(1)) if changed and done.returncode == 0 else -1), said

    return run


def test_attachments_come_stay_and_go(offer: Offer, client: Any) -> None:
    changed, said = offer(LAN)
    assert changed == -1
    assert "Ask whether the API knows them" in said

    changed, said = offer(LAN, MIGRATION, network_attachment_crd_only=True)
    assert changed > 0, said
    assert "rendered, not run" in said
    assert offer(LAN, MIGRATION, network_attachment_crd_only=True)[0] == 0
    found = json.loads(client.get(NETWORK_ATTACHMENT, "migration", "kubevirt")["spec"]["config"])
    assert (found["bridge"], found["ipam"]["type"]) == ("br-mig", "whereabouts")

    assert offer(MIGRATION, network_attachment_crd_only=True)[0] == 1
    names = [entry["metadata"]["name"] for entry in client.list(NETWORK_ATTACHMENT).items]
    assert names == ["migration"]


def test_the_api_refuses_what_is_no_attachment(offer: Offer, client: Any) -> None:
    offer(LAN, network_attachment_crd_only=True)
    wrong = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "wrong", "namespace": "default"},
        "spec": {"config": {"type": "bridge"}},
    }
    with pytest.raises(ApiError, match="config"):
        client.create(NETWORK_ATTACHMENT, wrong, "default")


def test_the_api_takes_the_migration_network(client: Any) -> None:
    kubevirts = Resource("kubevirt.io/v1", "kubevirts", "KubeVirt")
    known = client.list(kubevirts).items[0]["metadata"]
    wanted = {"spec": {"configuration": {"migrations": {"network": "migration"}}}}
    made = client.patch(kubevirts, known["name"], wanted, known["namespace"], dry_run=True)
    assert made["spec"]["configuration"]["migrations"]["network"] == "migration"
