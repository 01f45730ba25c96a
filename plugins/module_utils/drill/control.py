# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control drill: what a recovery without fencing does, so that the recorder can show that it would see it.

Only for a lab: it lets two QEMU processes write one disk.
"""

from __future__ import annotations

import time

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.lookers import LAUNCHERS
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Timeline
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import actions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import POD

_PATIENCE = 30.0
_PAUSE = 0.5


def let_go(client: Client, node: str, namespace: str) -> None:
    """Taints a node whose link alone was cut and deletes its launcher pods by force, without any proof."""
    until = time.monotonic() + _PATIENCE
    actions.taint(client, node, until)
    while True:
        try:
            pods = client.list(POD, namespace, label_selector=LAUNCHERS, field_selector=f"spec.nodeName={node}").items
            actions.delete_pods(client, pods, workers=4)
            return
        except HaError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


def two_writers(timeline: Timeline) -> bool:
    """Whether the newest look shows one disk open in two processes."""
    disks = [entry[0] for place in timeline.targets("writers") for entry in _last(timeline, place)]
    return len(disks) != len(set(disks))


def _last(timeline: Timeline, place: str) -> list[list[str]]:
    sample = timeline.last("writers", place)
    return list(sample["open"]) if sample and sample["ok"] else []
