# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a data volume's status, and how its claim grows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import data_volume_claim, data_volume_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_state import Patience, Upload
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import Verdict

PATIENCE = Patience(restarts=3, grace=60.0)
BOUND = ("Bound", "True", "Bound", "")
COLLECTED = {"cdi.kubevirt.io/garbageCollected": "true", "cdi.kubevirt.io/storage.pod.phase": "Succeeded"}


def volume(phase: str, *conditions: tuple[str, str, str, str], **status: Any) -> dict[str, Any]:
    found = [dict(zip(("type", "status", "reason", "message"), one, strict=True)) for one in conditions]
    return {"metadata": {"name": "d"}, "spec": {}, "status": {"phase": phase, "conditions": found, **status}}


def failing(restarts: int) -> dict[str, Any]:
    running = ("Running", "False", "Error", "got 404")
    return volume("ImportInProgress", BOUND, running, restartCount=restarts, progress="N/A")


def claim(phase: str = "Bound", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "d"}, "spec": spec, "status": {"phase": phase}}


def judge(dv: Any, pvc: Any = None, upload: Upload | None = None) -> Verdict:
    return data_volume_state.ready(dv, pvc, upload=upload, patience=PATIENCE)


@pytest.mark.parametrize(
    ("dv", "upload"),
    [
        (volume("Succeeded"), None),
        (volume("Succeeded"), Upload(sent=True)),
        (volume("WaitForFirstConsumer"), None),
        (volume("PendingPopulation"), None),
        (volume("WaitForFirstConsumer"), Upload(data=False)),
        (volume("Paused"), None),
        (volume("UploadReady"), Upload(data=False)),
        (volume("UploadReady"), Upload()),
    ],
)
def test_what_is_reached(dv: Any, upload: Upload | None) -> None:
    assert judge(dv, None, upload).done


@pytest.mark.parametrize(
    ("dv", "pvc", "why"),
    [
        ({"metadata": {}}, None, "CDI has not taken note of it"),
        (
            volume("Pending", ("Bound", "False", "Pending", "PVC d Pending")),
            claim("Pending", storageClassName="c"),
            "Pending",
        ),
        (volume("ImportInProgress", BOUND, progress="12.34%"), claim(), "ImportInProgress at 12.34%"),
        (failing(2), claim(), "ImportInProgress; 2 restarts; Error: got 404"),
    ],
)
def test_what_is_waited_for(dv: Any, pvc: Any, why: str) -> None:
    assert judge(dv, pvc) == Verdict(why=why)


@pytest.mark.parametrize(
    ("dv", "pvc", "upload", "grace", "why"),
    [
        (None, None, None, 0.0, "deleted in the meantime"),
        (failing(3), claim(), None, 0.0, "3 restarts; Error: got 404"),
        (
            volume("Failed", BOUND, ("Running", "False", "ChecksumError", "mismatch")),
            None,
            None,
            0.0,
            "Failed; ChecksumError",
        ),
        (volume("Failed", ("Bound", "False", "ClaimLost", "Claim Lost")), None, None, 0.0, "ClaimLost: Claim Lost"),
        (volume("", ("Bound", "False", "CloneWithoutSource", "no x")), None, None, 60.0, "CloneWithoutSource: no x"),
        (volume("", ("Bound", "False", "ErrClaimNotValid", "no mode")), None, None, 60.0, "ErrClaimNotValid: no mode"),
        (volume("Pending", ("Bound", "False", "ErrExceededQuota", "q")), None, None, 60.0, "ErrExceededQuota: q"),
        (
            volume("ImportScheduled", BOUND, ("Running", "False", "Unschedulable", "")),
            None,
            None,
            60.0,
            "Unschedulable",
        ),
        (
            volume("ImportScheduled", BOUND, ("Running", "False", "ImagePullFailed", "i")),
            None,
            None,
            60.0,
            "ImagePullFailed: i",
        ),
        (volume("Pending"), claim("Pending"), None, 60.0, "its claim has no StorageClass"),
        (volume("WaitForFirstConsumer"), None, Upload(), 0.0, "nothing can be uploaded before"),
        (
            volume("UploadReady", restartCount=2),
            None,
            Upload(sent=True, restarts=1),
            0.0,
            "could not use what was uploaded",
        ),
    ],
)
def test_what_fails(dv: Any, pvc: Any, upload: Upload | None, grace: float, why: str) -> None:
    found = judge(dv, pvc, upload)
    assert found.failed and found.grace == grace and why in found.why
    assert found.fix or dv is None


def test_an_upload_that_was_sent_is_waited_for() -> None:
    assert not judge(volume("UploadReady", restartCount=1), None, Upload(sent=True, restarts=1)).done


def test_a_volume_that_outlived_its_object_is_there() -> None:
    left = {"metadata": {"name": "d", "annotations": COLLECTED}, "spec": {"storageClassName": "c"}}
    assert judge(None, left).done
    assert data_volume_state.summary(None, left)["phase"] == "Succeeded"
    assert not data_volume_state.outlived(claim())
    assert not data_volume_state.outlived(None)


def test_the_owner_is_the_controller() -> None:
    owners = [{"kind": "VirtualMachine", "name": "a"}, {"kind": "VirtualMachine", "name": "b", "controller": True}]
    assert data_volume_state.owner({"metadata": {"ownerReferences": owners}}, "VirtualMachine") == "b"
    assert data_volume_state.owner({"metadata": {}}, "VirtualMachine") is None


@pytest.mark.parametrize(
    ("size", "overhead", "expected"),
    [("1Gi", 0.06, 1138166334), ("1Gi", 0.0, 1 << 30), ("1000001", 0.055, 1106248), ("5Gi", 0.06, 5690831668)],
)
def test_cdis_own_arithmetic(size: str, overhead: float, expected: int) -> None:
    """Aligned to 1 MiB, then the file system's share on top, rounded up; a block device takes what is asked for."""
    asked = data_volume_claim.larger_request(size, {"spec": {}}, overhead)
    assert asked == expected


def test_a_request_is_raised_only() -> None:
    held = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    assert data_volume_claim.larger_request("2Gi", held, 0.0) is None
    assert data_volume_claim.larger_request("1Gi", held, 0.0) is None
    assert data_volume_claim.larger_request("2Gi", held, 0.06) == 2276332667


@pytest.mark.parametrize(("known", "wanted"), [("2Gi", "1Gi"), ("2Gi", "2047Mi")])
def test_a_shrink_is_refused_by_name(known: str, wanted: str) -> None:
    with pytest.raises(Refused, match=f"w: size: cannot become {wanted}, it is {known} and a volume does not shrink"):
        data_volume_claim.refuse_shrink(wanted, known, "w")


def test_the_size_that_was_asked_for_last_counts() -> None:
    item = {"metadata": data_volume_claim.noted("3Gi")["metadata"]}
    assert data_volume_claim.asked(item, "1Gi") == "3Gi"
    assert data_volume_claim.asked({"metadata": {}}, "1Gi") == "1Gi"


def test_the_file_systems_share_is_that_of_the_class() -> None:
    config = {"status": {"filesystemOverhead": {"global": "0.05", "storageClass": {"c": "0.1"}}}}
    assert data_volume_claim.overhead_of(config, "c") == 0.1
    assert data_volume_claim.overhead_of(config, "other") == 0.05
    assert data_volume_claim.overhead_of({}, None) == 0.06


@pytest.mark.parametrize(
    ("status", "grown"),
    [
        ({"capacity": {"storage": "1Gi"}}, True),
        ({"capacity": {"storage": "1023Mi"}}, False),
        ({"capacity": {"storage": "1"}, "conditions": [{"type": "FileSystemResizePending", "status": "True"}]}, True),
        ({}, False),
    ],
)
def test_when_a_claim_has_grown(status: dict[str, Any], grown: bool) -> None:
    assert data_volume_claim.has_grown({"status": status}, 1 << 30) is grown
