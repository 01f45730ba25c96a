# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of a restore: the machine runs, and its guest says what it must."""

from __future__ import annotations

import time

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import guest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import Probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restored import ANSWERED, RUNS, Restored
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM, VMI

_TICK = 0.2


def prove(client: Client, kubeconfig: str, restored: Restored, began: float) -> None:
    """Waits until the machine runs and its guest answers; Refused where it answers other than it must.

    began: in seconds of the monotonic clock, when the restore began, of which the time to the first answer counts.
    """
    wanted = restored.wanted
    told = restored.source.record.get("probe") or {}
    probe = wanted.probe if wanted.probe.port else Probe(int(told.get("port") or 0), str(told.get("path") or "/"))
    give_up = began + wanted.timeout
    _wait_running(client, wanted, give_up)
    if not probe.port:
        restored.proof = RUNS
        restored.warnings.append("nobody asked the guest: give restore_probe_port, and its answer counts as the proof")
        return
    # A short patience: what counts is the first answer, not a retry of one that the server gave up.
    asking = Client(auth.resolve({"kubeconfig": kubeconfig}), timeout=3.0, patience=0.0)
    restored.answer = guest.wait(asking, wanted.target, wanted.name, probe, max(1.0, give_up - time.monotonic()))
    restored.seconds = round(time.monotonic() - began, 3)
    restored.proof = ANSWERED
    restored.compared = guest.compare(restored.source.record.get("answer"), restored.answer)
    if restored.compared.faults:
        raise Refused(
            "its guest answers, but not as it must",
            where=VM.describe(wanted.target, wanted.name),
            why="; ".join(restored.compared.faults),
            fix="Restore an older snapshot, and look at how this one was taken: its consistency is "
            + str(restored.source.record["consistency"]),
        )


def _wait_running(client: Client, wanted: Wanted, give_up: float) -> None:
    while True:
        vmi = client.find(VMI, wanted.name, wanted.target)
        if vmi and (vmi.get("status") or {}).get("phase") == "Running":
            return
        if time.monotonic() > give_up:
            vm = client.find(VM, wanted.name, wanted.target) or {}
            raise WaitFailed(
                f"did not run within {wanted.timeout:g} s",
                where=VM.describe(wanted.target, wanted.name),
                why=vm_state.describe(vm),
                fix="Look at its events; raise restore_timeout where it only needs longer",
            )
        time.sleep(_TICK)
