# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volume of a restored claim that was removed is free again, also where Kubernetes changes it at the same moment."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import restore_removal
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restore_plan import NewDisk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Conflict, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PV

DISK = NewDisk("disks/root", "root", "web-two-root", 1, {}, persistent="pv-1", path="/shared/1", node="n1")


class Volumes:
    """One volume; the first `refusals` changes come too late."""

    def __init__(self, refusals: int, claim: str = "web-two-root") -> None:
        self.refusals, self.version = refusals, 1
        self.spec: dict[str, Any] = {"claimRef": {"name": claim}, "persistentVolumeReclaimPolicy": "Retain"}

    def find(self, resource: Any, name: str, _namespace: str = "") -> Any:
        if resource is not PV:
            return None
        return {"metadata": {"name": name, "resourceVersion": str(self.version)}, "spec": dict(self.spec)}

    def patch(self, _resource: Any, _name: str, change: dict[str, Any]) -> None:
        assert change["metadata"]["resourceVersion"] == str(self.version)
        if self.refusals:
            self.refusals, self.version = self.refusals - 1, self.version + 1
            raise Conflict("could not be changed")
        self.spec.update(change["spec"])


def free(volumes: Any) -> None:
    restore_removal.free(volumes, "shop", DISK)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_removal, "_TICK", 0.001)
    monkeypatch.setattr(restore_removal, "GONE_SECONDS", 0.2)


def test_a_change_that_came_too_late_is_made_again() -> None:
    volumes = Volumes(refusals=2)
    free(volumes)
    assert volumes.spec["claimRef"] is None


def test_one_that_another_claim_has_taken_is_left_alone() -> None:
    volumes = Volumes(refusals=0, claim="another")
    free(volumes)
    assert volumes.spec["claimRef"] == {"name": "another"}


def test_one_that_never_stands_still_is_named() -> None:
    with pytest.raises(WaitFailed, match="PersistentVolume pv-1"):
        free(Volumes(refusals=10**9))
