# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of recoveries: a Lease, so that of several controllers one acts, and on one node at a time."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Conflict, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import LEASE

Object = dict[str, Any]


def micro_time(moment: float) -> str:
    """Seconds since the epoch as the API's MicroTime."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Lock:
    """Held by `holder` for one node; a holder that dies loses it after `lasts` seconds."""

    def __init__(self, client: Client, node: str, holder: str, lasts: int) -> None:
        self._client = client
        self._holder = f"{node}@{holder}"
        self._lasts = lasts

    def other_holder(self) -> str:
        """Who else holds the lock, empty where nobody does."""
        return self._other(self._client.find(LEASE, names.LOCK_NAME, names.LOCK_NAMESPACE))

    def acquire(self) -> None:
        """Takes or renews the lock. Raises Refused where someone else has it."""
        lease = self._client.find(LEASE, names.LOCK_NAME, names.LOCK_NAMESPACE)
        other = self._other(lease)
        if other:
            raise self._taken(other)
        try:
            self._write(lease, self._holder)
        except Conflict as error:
            raise self._taken(self.other_holder() or "someone who was faster") from error

    def release(self) -> None:
        """Gives the lock back where it is ours; a lock that changed hands meanwhile is left alone."""
        lease = self._client.find(LEASE, names.LOCK_NAME, names.LOCK_NAMESPACE)
        if lease and (lease.get("spec") or {}).get("holderIdentity") == self._holder:
            try:
                self._write(lease, "")
            except Conflict:
                return

    def _other(self, lease: Object | None) -> str:
        spec = (lease or {}).get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        if not holder or holder == self._holder or _expired(spec):
            return ""
        return holder

    def _write(self, lease: Object | None, holder: str) -> None:
        now = micro_time(time.time())
        spec: Object = {
            "holderIdentity": holder,
            "leaseDurationSeconds": self._lasts,
            "renewTime": now,
            "acquireTime": now,
        }
        if lease is None:
            body = {
                "apiVersion": LEASE.api_version,
                "kind": LEASE.kind,
                "metadata": {"name": names.LOCK_NAME, "namespace": names.LOCK_NAMESPACE},
                "spec": spec,
            }
            self._client.create(LEASE, body, names.LOCK_NAMESPACE)
            return
        guarded = {"metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]}, "spec": spec}
        self._client.patch(LEASE, names.LOCK_NAME, guarded, names.LOCK_NAMESPACE)

    def _taken(self, other: str) -> Refused:
        return Refused(
            "another recovery holds the lock",
            where=f"Lease {names.LOCK_NAMESPACE}/{names.LOCK_NAME}",
            why=f"its holder is {other}",
            fix="One fencing at a time: run again when it is over",
        )


def _expired(spec: Object) -> bool:
    renewed = spec.get("renewTime")
    if not renewed:
        return True
    whole = datetime.strptime(str(renewed)[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    return time.time() > whole + float(spec.get("leaseDurationSeconds") or 0) + 1
