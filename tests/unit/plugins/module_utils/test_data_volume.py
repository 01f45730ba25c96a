# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data volumes against a scripted server: what is read and written, and what the cluster gets in the way."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import data_volume, objects
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_state import Patience

OPTIONS = {"name": "d", "namespace": "a", "source": {"blank": True}, "size": "1Gi"}
ABSENT = {"name": "d", "namespace": "a", "state": "absent"}
QUICK = objects.Settings(wait=False)
COLLECTED = {"cdi.kubevirt.io/garbageCollected": "true"}
DVS, PVCS = "/datavolumes/d", "/persistentvolumeclaims/d"


def dv(phase: str = "Succeeded", **meta: Any) -> dict[str, Any]:
    found = {"name": "d", "namespace": "a", "uid": "u", "resourceVersion": "5", **meta}
    spec = {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}}
    return {"metadata": found, "spec": spec, "status": {"phase": phase}}


def claim(phase: str = "Bound", **meta: Any) -> dict[str, Any]:
    found = {"name": "d", "namespace": "a", "uid": "c", "resourceVersion": "6", **meta}
    spec = {"resources": {"requests": {"storage": "1138166334"}}, "storageClassName": "k", "volumeMode": "Filesystem"}
    return {"metadata": found, "spec": spec, "status": {"phase": phase, "capacity": {"storage": "1138166334"}}}


class Cluster:
    """Answers by what is asked for: the objects given, or 404; every write succeeds unless `refuse` names its path."""

    def __init__(self, api: Any, reply: Any, **stored: Any) -> None:
        self.api, self.reply, self.stored = api, reply, stored
        self.refuse: dict[str, Any] = {}
        items = [{"metadata": {"name": name}} for name in ("fast", "slow")]
        self.classes = reply(200, {"metadata": {}, "items": items})
        api.says(*[self.answer] * 200)

    def answer(self, asked: Any) -> Any:
        path, _mark, query = asked.path.partition("?")
        for end, refusal in self.refuse.items():
            if asked.method != "GET" and path.endswith(end):
                return refusal
        if "watch=" in query:
            return self.reply(200, b"")
        if path.endswith("/events"):
            return self.reply(200, {"metadata": {}, "items": self.stored.get("events", [])})
        if path.endswith("/cdiconfigs/config"):
            return self.reply(200, {"status": {"filesystemOverhead": {"global": "0.06"}}})
        if path.endswith("/storageclasses"):
            return self.classes
        kind = "dv" if "/datavolumes" in path else "pvc"
        found = self.stored.get(kind)
        if asked.method == "POST":
            return self.reply(201, {**asked.body, "metadata": {**asked.body["metadata"], "resourceVersion": "7"}})
        if path.endswith("s"):
            items = [found] if found else []
            return self.reply(200, {"metadata": {"resourceVersion": "9"}, "items": items})
        if found is None:
            return self.reply(404, {"kind": "Status", "reason": "NotFound", "message": f'{kind} "d" not found'})
        return self.reply(200, found)

    def writes(self) -> list[tuple[str, str]]:
        found = [(one.method, one.path) for one in self.api.asked if one.method != "GET"]
        return [(method, path.rpartition("/")[2]) for method, path in found]

    def body(self, method: str, end: str) -> Any:
        return next(one.body for one in self.api.asked if one.method == method and end in one.path)

    def apply(self, options: dict[str, Any], settings: objects.Settings = QUICK) -> Any:
        client = self.api.client()
        rules = data_volume.Rules(patience=Patience(3, 0.0))
        (found,) = data_volume.apply(client, [options], settings, rules, lambda _key, _text: None)
        self.requests = client.requests.as_dict()
        return found


def test_a_new_volume_costs_two_reads_and_a_write(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply)
    found = cluster.apply(OPTIONS)
    assert data_volume.result(found)["action"] == "created"
    assert cluster.requests == {"reads": 2, "writes": 1, "watches": 0}


def test_a_class_that_does_not_exist_is_told_before_anything_is_written(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply)
    found = cluster.apply({**OPTIONS, "storage_class": "fats"})
    assert "there is no StorageClass fats" in str(found.done.error) and "one of fast, slow" in str(found.done.error)
    assert not cluster.writes()
    assert not cluster.apply({**OPTIONS, "storage_class": "fast"}).done.error
    # Who may not read classes is left to what CDI says.
    cluster.classes = reply(403, {"reason": "Forbidden", "message": "forbidden"})
    assert not cluster.apply({**OPTIONS, "storage_class": "fats"}).done.error
    # One that is there keeps its class, be that gone or not.
    cluster = Cluster(api, reply, dv=dv(), pvc=claim())
    cluster.classes = reply(500, {})
    assert cluster.apply(OPTIONS).done.error is None


def test_a_volume_as_wanted_costs_one_read(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, dv=dv(), pvc=claim())
    assert data_volume.result(cluster.apply(OPTIONS, objects.Settings()))["action"] == "unchanged"
    assert cluster.requests == {"reads": 1, "writes": 0, "watches": 0}


def test_a_volume_whose_object_cdi_deleted_is_not_filled_again(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, pvc=claim(annotations=COLLECTED))
    found = data_volume.result(cluster.apply(OPTIONS, objects.Settings()))
    assert (found["action"], found["phase"], found["capacity"]) == ("unchanged", "Succeeded", "1138166334")
    # The size that it was made with is not told, so CDI's share for file systems is asked for.
    assert cluster.requests == {"reads": 3, "writes": 0, "watches": 0}


def test_it_grows_all_the_same(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, pvc=claim(annotations=COLLECTED))
    found = data_volume.result(cluster.apply({**OPTIONS, "size": "2Gi"}))
    assert found["grown"] and found["action"] == "changed"
    assert cluster.body("PATCH", PVCS) == {
        "metadata": {"annotations": {"kubevirt-ha.virtops/size": "2Gi"}},
        "spec": {"resources": {"requests": {"storage": "2276332667"}}},
    }


def test_absent_takes_its_claim_along(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, pvc=claim(annotations=COLLECTED))
    assert data_volume.result(cluster.apply(ABSENT))["action"] == "deleted"
    assert cluster.writes() == [("DELETE", "d")]
    assert cluster.body("DELETE", PVCS)["preconditions"] == {"uid": "c"}


def test_absent_leaves_a_claim_alone_that_was_never_a_volume(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, pvc=claim())
    assert data_volume.result(cluster.apply(ABSENT))["action"] == "unchanged"
    assert cluster.writes() == []


@pytest.mark.parametrize(
    ("meta", "options", "action"),
    [
        ({}, {}, "failed"),
        ({"annotations": {"cdi.kubevirt.io/storage.populatedFor": "d"}}, {}, "created"),
        ({"annotations": {"cdi.kubevirt.io/storage.populatedFor": "other"}}, {}, "failed"),
        ({}, {"annotations": {"cdi.kubevirt.io/allowClaimAdoption": True}}, "created"),
        ({"ownerReferences": [{"kind": "DataVolume", "name": "d", "controller": True}]}, {}, "created"),
    ],
)
def test_a_claim_of_the_same_name(
    api: Any, reply: Any, meta: dict[str, Any], options: dict[str, Any], action: str
) -> None:
    cluster = Cluster(api, reply, pvc=claim(**meta))
    found = data_volume.result(cluster.apply({**OPTIONS, **options}))
    assert found["action"] == action
    if action == "failed":
        assert found["error"]["what"] == "cannot be created, a claim of its name is there that is no DataVolume's"
        assert cluster.writes() == []


def test_growth_raises_the_claim_first_and_then_notes_the_size(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, dv=dv(), pvc=claim())
    found = cluster.apply({**OPTIONS, "size": "2Gi", "labels": {"x": "y"}})
    assert found.done.written and found.request == 2276332667
    paths = [path for one in api.asked if one.method == "PATCH" for path in [one.path.partition("?")[0]]]
    assert [path.endswith(PVCS) for path in paths] == [False, True, False]
    assert cluster.body("PATCH", PVCS) == {"spec": {"resources": {"requests": {"storage": "2276332667"}}}}
    assert found.done.plan.after["metadata"]["annotations"] == {"kubevirt-ha.virtops/size": "2Gi"}


def test_growth_in_check_mode_only_asks(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, dv=dv(), pvc=claim())
    found = data_volume.result(cluster.apply({**OPTIONS, "size": "2Gi"}, objects.Settings(check=True)))
    assert found["changed"] and found["grown"]
    assert cluster.requests == {"reads": 5, "writes": 0, "watches": 0}


@pytest.mark.parametrize(
    ("volume", "held", "size", "why"),
    [
        (
            dv(annotations={"kubevirt-ha.virtops/size": "4Gi"}),
            claim(),
            "2Gi",
            "cannot become 2Gi, it is 4Gi and a volume",
        ),
        (dv(), None, "2Gi", "cannot become 2Gi now: its claim is not bound yet"),
        (dv("WaitForFirstConsumer"), claim("Pending"), "2Gi", "its claim is not bound yet"),
        (dv("ImportInProgress"), claim(), "2Gi", "it is not filled yet: ImportInProgress"),
    ],
)
def test_growth_that_cannot_be(api: Any, reply: Any, volume: Any, held: Any, size: str, why: str) -> None:
    cluster = Cluster(api, reply, dv=volume, pvc=held)
    found = cluster.apply({**OPTIONS, "size": size})
    assert why in str(found.done.error) and cluster.writes() == []


def test_a_class_that_lets_no_claim_grow_is_named(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, dv=dv(), pvc=claim())
    message = "the storageclass that provisions the pvc must support resize"
    cluster.refuse = {PVCS: reply(403, {"kind": "Status", "reason": "Forbidden", "message": message})}
    found = cluster.apply({**OPTIONS, "size": "2Gi"})
    assert "size: cannot become 2Gi: StorageClass k does not let claims grow" in str(found.done.error)
    assert not found.done.written


def test_a_right_that_is_missing_is_no_matter_of_the_class(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, dv=dv(), pvc=claim())
    cluster.refuse = {PVCS: reply(403, {"kind": "Status", "reason": "Forbidden", "message": "user x cannot patch"})}
    assert "user x cannot patch" in str(cluster.apply({**OPTIONS, "size": "2Gi"}).done.error)


def test_the_volume_of_a_machine_is_not_deleted(api: Any, reply: Any) -> None:
    owner = {"kind": "VirtualMachine", "name": "web", "controller": True}
    cluster = Cluster(api, reply, dv=dv(ownerReferences=[owner]), pvc=claim())
    found = cluster.apply(ABSENT)
    assert "it belongs to VirtualMachine web" in str(found.done.error) and cluster.writes() == []


def test_a_cluster_without_cdi(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply)
    message = "the server could not find the requested resource"
    cluster.refuse = {"/datavolumes": reply(404, {"kind": "Status", "reason": "NotFound", "message": message})}
    assert "Install CDI" in str(cluster.apply(OPTIONS).done.error)


def test_why_a_claim_is_not_bound_is_in_its_events(api: Any, reply: Any) -> None:
    events = [
        {"reason": "Old", "message": "old", "lastTimestamp": "2026-01-01T00:00:00Z"},
        {"reason": "ProvisioningFailed", "message": "no class k", "lastTimestamp": "2026-01-02T00:00:00Z"},
    ]
    cluster = Cluster(api, reply, dv=dv("Pending"), pvc=claim("Pending"), events=events)
    found = cluster.apply(OPTIONS, objects.Settings(wait_timeout=1.0))
    assert "did not become ready within 1 s: Pending; ProvisioningFailed: no class k" in str(found.done.error)


def test_a_claim_that_may_not_be_read_is_done_without(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply, dv=dv())
    refused = reply(403, {"kind": "Status", "reason": "Forbidden", "message": "no"})
    answer = cluster.answer
    api.replies[:] = [lambda asked: refused if "persistentvolumeclaims" in asked.path else answer(asked)] * 50
    assert "no" in str(cluster.apply({**OPTIONS, "size": "2Gi"}).done.error)
    cluster.stored = {}
    assert data_volume.result(cluster.apply(OPTIONS))["action"] == "created"


def test_a_file_that_is_not_there_writes_nothing(api: Any, reply: Any) -> None:
    cluster = Cluster(api, reply)
    found = cluster.apply({**OPTIONS, "source": {"upload": {"path": "/no/such/file"}}})
    assert "/no/such/file: No such file" in str(found.done.error) and cluster.writes() == []


def test_the_file_of_a_filled_volume_is_not_looked_at(api: Any, reply: Any) -> None:
    filled = dv()
    filled["spec"]["source"] = {"upload": {}}
    cluster = Cluster(api, reply, dv=filled)
    found = cluster.apply({**OPTIONS, "source": {"upload": {"path": "/no/such/file"}}}, objects.Settings())
    assert data_volume.result(found)["action"] == "unchanged" and cluster.requests["writes"] == 0
