# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that run, for tests of moving them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE, VM, VMI

from .world import World


@pytest.fixture
def simulated() -> None:
    """For tests of what only simulated guests do."""
    if "MODULES_KUBECONFIG" in os.environ:
        pytest.skip("needs the stand-in's simulated guests, and MODULES_KUBECONFIG names another cluster")


@pytest.fixture
def world(client: Any, namespace: str) -> Iterator[World]:
    """The cluster with a namespace of its own; nodes are uncordoned and machines deleted at the end."""
    found = World(client, namespace)
    cordoned = {item["metadata"]["name"] for item in client.list(NODE).items if item["spec"].get("unschedulable")}
    yield found
    for item in client.list(NODE).items:
        name = item["metadata"]["name"]
        if item["spec"].get("unschedulable") and name not in cordoned:
            client.patch(NODE, name, {"spec": {"unschedulable": None}})
    for item in client.list(VM, namespace).items:
        client.delete(VM, item["metadata"]["name"], namespace)
    for item in client.list(VMI, namespace).items:
        client.delete(VMI, item["metadata"]["name"], namespace, grace_seconds=0)
