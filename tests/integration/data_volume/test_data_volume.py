# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""data_volume and data_volume_info on a real kube-apiserver: every way a volume can go, and again.

With MODULES_KUBECONFIG of another cluster the StorageClasses are the stand-in's still.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CDI_CONFIG,
    DATA_VOLUME,
    PVC,
    Resource,
)

Run = Callable[..., dict[str, Any]]
DATA_SOURCE = Resource("cdi.kubevirt.io/v1beta1", "datasources", "DataSource")
UPLOADED = "kubevirt-ha.virtops/simulated-upload-sha256"
IMAGE = {"http": {"url": "http://images.example.com/debian.img"}}
RERUN = {"reads": 1, "writes": 0, "watches": 0}


@pytest.fixture
def volume(module: Run, namespace: str) -> Run:
    """Runs data_volume for one volume or several of the test's namespace."""

    def run(**options: Any) -> dict[str, Any]:
        modes = {key: options.pop(key) for key in ("check", "diff") if key in options}
        shared = {} if "items" in options else {"name": options.pop("name", "d")}
        return module("data_volume", namespace=namespace, **shared, **options, **modes)

    return run


def only(result: dict[str, Any]) -> dict[str, Any]:
    (entry,) = result["data_volumes"]
    return dict(entry)


def test_an_import_and_again(volume: Run) -> None:
    made = volume(source=IMAGE, size="1Gi", labels={"tier": 1})
    assert made["changed"] and made["requests"]["writes"] == 1, made
    entry = only(made)
    assert (entry["action"], entry["phase"], entry["progress"]) == ("created", "Succeeded", "100.0%")
    assert (entry["claim_phase"], entry["storage_class"], entry["source"]) == ("Bound", "simulated", "http")
    # CDI adds what the file system takes.
    assert entry["size"] == "1Gi" and int(entry["capacity"]) > 1 << 30
    again = volume(source=IMAGE, size="1024Mi", labels={"tier": 1})
    assert not again["changed"] and again["requests"] == RERUN, again


def test_many_at_once_and_again(volume: Run) -> None:
    items = [{"name": f"d{index}"} for index in range(30)]
    defaults = {"source": {"blank": True}, "size": "64Mi"}
    made = volume(items=items, defaults=defaults)
    assert made["requests"]["writes"] == 30 and made["requests"]["reads"] <= 4, made["requests"]
    assert {entry["phase"] for entry in made["data_volumes"]} == {"Succeeded"}
    again = volume(items=items, defaults=defaults)
    assert not again["changed"] and again["requests"] == RERUN, again["requests"]


def test_what_check_mode_says_is_what_the_run_does(volume: Run, client: Any, namespace: str) -> None:
    options = {"source": IMAGE, "size": "1Gi"}
    said = volume(**options, check=True, diff=True)
    assert said["changed"] and only(said)["action"] == "created" and said["requests"]["writes"] == 0, said
    assert client.find(DATA_VOLUME, "d", namespace) is None
    done = volume(**options, diff=True)
    assert said["diff"] == done["diff"] and only(done)["action"] == "created"


@pytest.mark.parametrize(
    ("storage_class", "phase"),
    [
        ("simulated-wffc", "WaitForFirstConsumer"),
        ("simulated-csi-wffc", "PendingPopulation"),
        ("simulated-csi", "Succeeded"),
    ],
)
def test_a_volume_that_waits_for_its_consumer_is_reached(volume: Run, storage_class: str, phase: str) -> None:
    options = {"source": IMAGE, "size": "1Gi", "storage_class": storage_class}
    assert only(volume(**options))["phase"] == phase
    assert volume(**options)["requests"] == RERUN


@pytest.mark.parametrize("storage_class", ["simulated-wffc", "simulated-csi-wffc"])
def test_and_is_filled_at_once_where_that_is_asked_for(volume: Run, storage_class: str) -> None:
    made = volume(source=IMAGE, size="1Gi", storage_class=storage_class, bind_immediately=True)
    assert only(made)["phase"] == "Succeeded"


@pytest.mark.parametrize("storage_class", ["simulated", "simulated-wffc", "simulated-csi-wffc"])
def test_a_machine_gets_its_disk(module: Run, namespace: str, storage_class: str) -> None:
    template = {"size": "1Gi", "storage_class": storage_class, "source": {"http": {"url": "http://h/i"}}}
    made = module(
        "vm",
        name="v",
        namespace=namespace,
        memory="64Mi",
        disks=[{"name": "root", "data_volume_template": template}],
        wait_timeout=60,
    )
    assert not made.get("failed") and made["vms"][0]["ready"], made
    found = only(module("data_volume_info", name="v-root", namespaces=[namespace]))
    assert (found["phase"], found["vm"]) == ("Succeeded", "v")
    refused = module("data_volume", name="v-root", namespace=namespace, state="absent")
    assert refused["failed"] and "it belongs to VirtualMachine v" in refused["msg"], refused


def test_a_machine_whose_disk_cannot_be_filled(module: Run, namespace: str) -> None:
    template = {"size": "1Gi", "source": {"http": {"url": "http://h/missing"}}}
    disks = [{"name": "root", "data_volume_template": template}]
    made = module("vm", name="v", namespace=namespace, memory="64Mi", disks=disks, wait_timeout=60)
    assert made["failed"] and "DataVolumeError" in made["msg"], made


def test_a_copy_of_a_claim_needs_no_size(volume: Run) -> None:
    volume(name="first", source=IMAGE, size="1Gi")
    first = only(volume(name="first", source=IMAGE, size="1Gi"))
    copy = {"source": {"pvc": {"name": "first"}}}
    made = only(volume(name="second", **copy))
    assert (made["phase"], made["source"], made["size"]) == ("Succeeded", "pvc", None), made
    assert made["claim_phase"] == "Bound" and first["phase"] == "Succeeded"
    assert volume(name="second", **copy)["requests"] == RERUN


def test_a_data_source_stands_for_a_claim(volume: Run, client: Any, namespace: str) -> None:
    volume(name="first", source=IMAGE, size="1Gi")
    body = {
        "apiVersion": DATA_SOURCE.api_version,
        "kind": "DataSource",
        "metadata": {"name": "debian"},
        "spec": {"source": {"pvc": {"name": "first", "namespace": namespace}}},
    }
    client.create(DATA_SOURCE, body, namespace)
    made = only(volume(name="second", source={"data_source": {"name": "debian"}}))
    assert (made["phase"], made["source"]) == ("Succeeded", "data_source")


def test_a_failing_import_fails_before_the_time_is_over(volume: Run) -> None:
    options = {"source": {"http": {"url": "http://h/missing.img"}}, "size": "1Gi", "wait_timeout": 600}
    begun = time.monotonic()
    made = volume(**options, max_restarts=2)
    assert made["failed"] and time.monotonic() - begun < 300
    for part in (
        "will not become ready",
        "2 restarts",
        "Error: Unable to process data: expected status code 200, got 404",
    ):
        assert part in made["msg"], made["msg"]
    entry = only(made)
    assert entry["action"] == "created" and entry["restarts"] >= 2 and entry["error"]["fix"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            {"source": {"http": {"url": "http://h/tampered", "checksum": "md5:" + "0" * 32}}, "size": "1Gi"},
            "ChecksumError: Unable to process data: checksum mismatch",
        ),
        ({"source": {"pvc": {"name": "no-such"}}}, "CloneWithoutSource: The source pvc no-such doesn't exist"),
        (
            {"source": {"blank": True}, "size": "1Gi", "spec": {"storage": {"storageClassName": "no-such"}}},
            "ErrClaimNotValid: PVC spec is missing accessMode and no storageClass to choose profile",
        ),
    ],
)
def test_what_cannot_succeed_says_why(volume: Run, options: dict[str, Any], why: str) -> None:
    made = volume(**options, failure_grace=1, wait_timeout=600)
    assert made["failed"] and why in made["msg"], made


def test_a_time_that_is_over_tells_how_far_it_came(volume: Run) -> None:
    made = volume(source={"http": {"url": "http://h/slow.img"}}, size="1Gi", wait_timeout=4)
    assert made["failed"], made
    assert "did not become ready within 4 s: ImportInProgress at " in made["msg"] and "%" in made["msg"], made["msg"]
    assert only(made)["progress"].endswith("%")


def test_what_the_cluster_refuses_stops_nobody_else(volume: Run) -> None:
    items = [
        {"name": "good"},
        {"name": "bad", "spec": {"storage": {"accessModes": ["Bogus"]}}},
        {"name": "good-too"},
    ]
    made = volume(items=items, defaults={"source": {"blank": True}, "size": "64Mi"})
    assert made["failed"] and made["changed"], made
    assert [entry["action"] for entry in made["data_volumes"]] == ["created", "failed", "created"]
    assert 'Unsupported value: "Bogus"' in made["msg"] and made["msg"].startswith("DataVolume") is False


def test_growth_and_again(volume: Run, client: Any, namespace: str) -> None:
    volume(source=IMAGE, size="1Gi")
    said = volume(size="2Gi", check=True)
    assert said["changed"] and only(said)["grown"] and said["requests"]["writes"] == 0
    grown = volume(size="2Gi", source=IMAGE, diff=True)
    assert grown["changed"] and grown["requests"]["writes"] == 2, grown
    entry = only(grown)
    assert (entry["size"], entry["grown"], entry["action"]) == ("2Gi", True, "changed")
    assert int(entry["capacity"]) >= (2 << 30) * 1.06
    assert "2Gi" in json.dumps(grown["diff"][0]["after"]) and "2Gi" not in json.dumps(grown["diff"][0]["before"])
    assert volume(size="2Gi", source=IMAGE)["requests"] == RERUN
    assert client.get(DATA_VOLUME, "d", namespace)["spec"]["storage"]["resources"]["requests"]["storage"] == "1Gi"


def test_a_shrink_is_refused_by_name(volume: Run, client: Any, namespace: str) -> None:
    volume(source=IMAGE, size="2Gi")
    before = client.get(PVC, "d", namespace)["metadata"]["resourceVersion"]
    for options in ({"size": "1Gi"}, {"size": "1Gi", "source": IMAGE, "check": True}):
        made = volume(**options)
        assert made["failed"] and "size: cannot become 1Gi, it is 2Gi and a volume does not shrink" in made["msg"], made
        assert made["requests"]["writes"] == 0
    assert client.get(PVC, "d", namespace)["metadata"]["resourceVersion"] == before


def test_a_class_that_lets_no_claim_grow_is_named(volume: Run) -> None:
    volume(source={"blank": True}, size="1Gi", storage_class="simulated-fixed")
    for check in (True, False):
        made = volume(size="2Gi", check=check)
        assert made["failed"] and "StorageClass simulated-fixed does not let claims grow" in made["msg"], made


@pytest.mark.parametrize("check", [True, False])
def test_a_class_that_does_not_exist_is_told_with_those_that_do(
    volume: Run, client: Any, namespace: str, check: bool
) -> None:
    good = {"name": "good", "source": {"blank": True}, "size": "1Gi", "storage_class": "simulated"}
    made = volume(items=[good, {**good, "name": "bad", "storage_class": "simulate"}], check=check)
    assert made["failed"] and "there is no StorageClass simulate" in made["msg"], made
    assert "simulated-fixed" in made["msg"] and "as storage_class" in made["msg"]
    assert client.find(DATA_VOLUME, "bad", namespace) is None
    assert (client.find(DATA_VOLUME, "good", namespace) is None) is check


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"source": {"http": {"url": "http://images.example.com/other.img"}}}, "spec.source"),
        ({"source": {"blank": True}}, "spec.source"),
        ({"source": IMAGE, "storage_class": "simulated-fixed"}, "spec.storage"),
    ],
)
def test_another_source_or_class_is_refused_by_name(volume: Run, options: dict[str, Any], field: str) -> None:
    volume(source=IMAGE, size="1Gi")
    made = volume(**options, size="1Gi")
    assert made["failed"] and f"{field} cannot be changed once it is there" in made["msg"], made
    assert made["requests"] == RERUN


def test_labels_alone_change_labels_alone(volume: Run, client: Any, namespace: str) -> None:
    volume(source=IMAGE, size="1Gi", annotations={"keep": "me"})
    changed = volume(labels={"tier": "gold"})
    assert changed["changed"] and changed["requests"] == {"reads": 1, "writes": 1, "watches": 0}, changed
    meta = client.get(DATA_VOLUME, "d", namespace)["metadata"]
    assert meta["labels"] == {"tier": "gold"} and meta["annotations"]["keep"] == "me"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A few megabytes that no two runs share."""
    path = tmp_path / "disk.img"
    path.write_bytes(os.urandom(5_000_003))
    return path


@pytest.mark.parametrize("storage_class", ["simulated", "simulated-wffc"])
def test_an_upload_and_again(volume: Run, client: Any, namespace: str, image: Path, storage_class: str) -> None:
    options = {"source": {"upload": {"path": str(image)}}, "size": "64Mi", "storage_class": storage_class}
    said = volume(**options, check=True)
    assert said["changed"] and only(said)["uploaded_bytes"] is None and said["requests"]["writes"] == 0
    sent = volume(**options)
    entry = only(sent)
    assert (entry["phase"], entry["uploaded_bytes"]) == ("Succeeded", 5_000_003), sent
    # The object and a token.
    assert sent["requests"]["writes"] == 2, sent
    annotations = client.get(PVC, "d", namespace)["metadata"]["annotations"]
    assert annotations[UPLOADED] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert "oken" not in json.dumps({key: value for key, value in sent.items() if key != "invocation"})
    image.unlink()
    again = volume(**options)
    assert not again["changed"] and again["requests"] == RERUN, again


def test_an_archive_goes_the_same_way(volume: Run, client: Any, namespace: str, image: Path) -> None:
    """Its upload server takes data only, and answers no question before."""
    sent = volume(source={"upload": {"path": str(image)}}, size="64Mi", content_type="archive")
    assert only(sent)["phase"] == "Succeeded", sent
    annotations = client.get(PVC, "d", namespace)["metadata"]["annotations"]
    assert annotations[UPLOADED] == hashlib.sha256(image.read_bytes()).hexdigest()


def test_without_waiting_the_file_is_sent_all_the_same(volume: Run, image: Path) -> None:
    sent = volume(source={"upload": {"path": str(image)}}, size="64Mi", wait=False)
    assert only(sent)["uploaded_bytes"] == 5_000_003 and only(sent)["phase"] == "UploadReady", sent


def test_several_uploads_at_once(volume: Run, image: Path) -> None:
    items = [{"name": f"d{index}"} for index in range(4)]
    sent = volume(items=items, defaults={"source": {"upload": {"path": str(image)}}, "size": "64Mi"})
    assert [entry["uploaded_bytes"] for entry in sent["data_volumes"]] == [5_000_003] * 4, sent
    assert {entry["phase"] for entry in sent["data_volumes"]} == {"Succeeded"}


def test_an_upload_that_somebody_else_began_is_finished(volume: Run, image: Path) -> None:
    ready = volume(source={"upload": {}}, size="64Mi")
    assert only(ready)["phase"] == "UploadReady", ready
    options = {"source": {"upload": {"path": str(image)}}, "size": "64Mi"}
    said = volume(**options, check=True)
    assert said["changed"] and only(said)["action"] == "changed", said
    sent = volume(**options)
    assert sent["changed"] and only(sent)["action"] == "changed" and only(sent)["phase"] == "Succeeded", sent


def test_data_that_cdi_cannot_use(volume: Run, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"corrupt" + bytes(1 << 20))
    sent = volume(source={"upload": {"path": str(path)}}, size="64Mi")
    assert sent["failed"] and "Unable to convert source data to target format" in sent["msg"], sent
    assert only(sent)["uploaded_bytes"] is None


def test_a_file_larger_than_the_volume_is_refused_before_anything_is_written(volume: Run, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    with path.open("wb") as stream:
        stream.truncate(65 << 20)
    sent = volume(source={"upload": {"path": str(path)}}, size="64Mi")
    assert sent["failed"] and "more than the 67108864 of the volume" in sent["msg"], sent
    assert sent["requests"]["writes"] == 0


def test_a_proxy_of_ones_own_address_and_authority(volume: Run, client: Any, image: Path, tmp_path: Path) -> None:
    published = client.get(CDI_CONFIG, "config")["status"]
    authority = tmp_path / "proxy.crt"
    authority.write_text(published["uploadProxyCA"])
    url = f"https://{published['uploadProxyURL'].replace('127.0.0.1', 'localhost')}/"
    options = {"source": {"upload": {"path": str(image)}}, "size": "64Mi"}
    assert only(volume(**options, upload_proxy_url=url, upload_proxy_ca=str(authority)))["phase"] == "Succeeded"


def test_a_proxy_that_cannot_be_reached_or_trusted(volume: Run, image: Path, tmp_path: Path, cluster: Path) -> None:
    options = {"source": {"upload": {"path": str(image)}}, "size": "64Mi", "upload_retries": 0}
    lost = volume(**options, upload_proxy_url="https://127.0.0.1:9")
    assert lost["failed"] and "https://127.0.0.1:9" in lost["msg"] and "upload_proxy_url" in lost["msg"], lost
    other = cluster.parent / "ca.crt"
    wrong = volume(**options, upload_proxy_ca=str(other))
    assert wrong["failed"] and "upload_proxy_ca" in wrong["msg"], wrong
    assert (
        only(volume(**options, validate_certs=False, host=_host(cluster), api_key=_token(cluster)))["phase"]
        == "Succeeded"
    )


def _config(cluster: Path) -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(cluster.read_text()))


def _host(cluster: Path) -> str:
    return str(_config(cluster)["clusters"][0]["cluster"]["server"])


def _token(cluster: Path) -> str:
    return str(_config(cluster)["users"][0]["user"]["token"])


def test_absent_takes_the_claim_along_and_again(volume: Run, client: Any, namespace: str) -> None:
    volume(source=IMAGE, size="1Gi")
    said = volume(state="absent", check=True)
    assert said["changed"] and said["requests"]["writes"] == 0
    gone = volume(state="absent", wait_timeout=120)
    assert gone["changed"] and gone["requests"]["writes"] == 1 and only(gone)["action"] == "deleted", gone
    assert client.find(DATA_VOLUME, "d", namespace) is None and client.find(PVC, "d", namespace) is None
    again = volume(state="absent")
    assert not again["changed"] and again["requests"] == {"reads": 2, "writes": 0, "watches": 0}, again


def test_absent_waits_for_a_claim_that_is_held(volume: Run, client: Any, namespace: str) -> None:
    volume(source=IMAGE, size="1Gi")
    client.patch(PVC, "d", {"metadata": {"finalizers": ["example.com/hold"]}}, namespace)
    for writes in (1, 0):
        held = volume(state="absent", wait_timeout=3)
        assert held["failed"] and "its claim waits for example.com/hold" in held["msg"], held
        assert held["requests"]["writes"] == writes
    client.patch(PVC, "d", {"metadata": {"finalizers": None}}, namespace)
    assert not volume(state="absent").get("failed")
    assert client.find(PVC, "d", namespace) is None


def test_a_claim_that_is_in_the_way(volume: Run, client: Any, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    client.create(
        PVC, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"}, "spec": spec}, namespace
    )
    refused = volume(source=IMAGE, size="1Gi")
    assert refused["failed"] and "a claim of its name is there that is no DataVolume's" in refused["msg"], refused
    adopted = volume(source=IMAGE, size="1Gi", annotations={"cdi.kubevirt.io/allowClaimAdoption": True})
    assert only(adopted)["phase"] == "Succeeded", adopted


def test_a_volume_whose_object_cdi_deleted(module: Run, volume: Run, client: Any, namespace: str) -> None:
    """As CDI before 1.62 left it: the claim without owner, and an annotation."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    marks = {"cdi.kubevirt.io/garbageCollected": "true", "cdi.kubevirt.io/storage.pod.phase": "Succeeded"}
    meta = {"name": "d", "annotations": marks}
    client.create(PVC, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}, namespace)
    again = volume(source=IMAGE, size="1Gi")
    assert not again["changed"] and only(again)["phase"] == "Succeeded" and again["requests"]["writes"] == 0, again
    assert client.find(DATA_VOLUME, "d", namespace) is None
    (shown,) = module("data_volume_info", namespaces=[namespace])["data_volumes"]
    assert (shown["name"], shown["ready"]) == ("d", True)
    assert volume(state="absent")["changed"] and client.find(PVC, "d", namespace) is None


def test_stages_of_a_warm_import(volume: Run, client: Any, namespace: str) -> None:
    vddk = {
        "url": "https://vcenter.example.com",
        "uuid": "u",
        "backing_file": "[ds] v.vmdk",
        "thumbprint": "AA",
        "secret": "s",
    }
    stages = [{"previous": "", "current": "s1"}]
    volume(source={"vddk": vddk}, size="1Gi", checkpoints=stages)
    stages.append({"previous": "s1", "current": "s2"})
    changed = volume(source={"vddk": vddk}, size="1Gi", checkpoints=stages, final_checkpoint=True)
    assert changed["changed"] and changed["requests"]["writes"] == 1, changed
    assert client.get(DATA_VOLUME, "d", namespace)["spec"]["checkpoints"] == stages


def test_all_faults_come_at_once_and_nothing_is_changed(volume: Run) -> None:
    items = [
        {"name": "a", "size": "1GB", "source": {"blank": True}},
        {"name": "b", "source": {"http": {"url": "http://h/i"}, "blank": True}, "size": "1Gi"},
        {"name": "c", "source": {"vddk": {"url": "https://v"}}, "size": "1Gi"},
        {"name": "D", "source": {"blank": True}, "size": "1Gi"},
    ]
    result = volume(items=items, failure_grace=-1)
    faults = "\n".join(result["error"]["faults"])
    for part in (
        "a: size: '1GB' is no quantity",
        "b: source: has 2 kinds",
        "backing_file",
        "name: 'D'",
        "failure_grace: -1",
    ):
        assert part in faults, faults
    assert "requests" not in result


def test_headers_of_an_import_are_shown_nowhere(module: Run, volume: Run, namespace: str) -> None:
    source = {"http": {"url": "http://h/i", "extra_headers": ["Authorization: t0p-s3cret"]}}
    made = volume(source=source, size="1Gi", diff=True)
    assert made["changed"] and "t0p-s3cret" not in json.dumps(made), made
    shown = module("data_volume_info", name="d", namespaces=[namespace], full=True)
    assert "object" in only(shown) and "t0p-s3cret" not in json.dumps(shown)


def test_what_info_tells(module: Run, volume: Run, namespace: str) -> None:
    volume(name="good", source=IMAGE, size="1Gi", labels={"tier": "gold"})
    volume(name="bad", source={"http": {"url": "http://h/missing"}}, size="1Gi", max_restarts=1)
    volume(name="waits", source=IMAGE, size="1Gi", storage_class="simulated-wffc")
    found = module("data_volume_info", namespaces=[namespace])
    assert found["requests"] == {"reads": 2, "writes": 0, "watches": 0} and not found["changed"]
    bad, good, waits = found["data_volumes"]
    assert (good["phase"], good["ready"], good["source"], good["size"]) == ("Succeeded", True, "http", "1Gi")
    assert good["claim_phase"] == "Bound" and int(good["capacity"]) > 1 << 30 and good["storage_class"] == "simulated"
    assert bad["restarts"] >= 1 and not bad["ready"] and "restarts" in bad["reason"], bad
    assert (waits["phase"], waits["claim_phase"], waits["capacity"]) == ("WaitForFirstConsumer", "Pending", None)
    labelled = module("data_volume_info", namespaces=[namespace], label_selectors=["tier=gold"])
    assert [entry["name"] for entry in labelled["data_volumes"]] == ["good"]
    nothing = module("data_volume_info", name="no-such", namespaces=[namespace])
    assert nothing["data_volumes"] == [] and not nothing.get("failed")


def test_progress_is_seen_from_elsewhere(module: Run, volume: Run, namespace: str) -> None:
    source = {"http": {"url": "http://h/slow.img"}}
    running = threading.Thread(target=volume, kwargs={"source": source, "size": "1Gi", "wait_timeout": 15})
    running.start()
    seen: set[str] = set()
    try:
        while running.is_alive() and len(seen) < 3:
            for entry in module("data_volume_info", name="d", namespaces=[namespace])["data_volumes"]:
                seen |= {str(entry["progress"])} if str(entry["progress"]).endswith("%") else set()
    finally:
        running.join()
    assert len(seen) >= 2, seen


def test_the_contracts_rows_about_cdi_hold(cluster: Path) -> None:
    """The facts that need CDI are left out of the contract's own run, whose cluster has none."""
    folder = Path(__file__).resolve().parents[1] / "contract"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_contract.py", "-k", "DataVolume"],
        cwd=folder,
        env={**os.environ, "CONTRACT_KUBECONFIG": str(cluster)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert int(done.stdout.rsplit(" passed", 1)[0].rsplit(None, 1)[-1]) >= 20, done.stdout[-500:]


def test_a_namespace_that_does_not_exist_is_told(module: Run) -> None:
    shown = module("data_volume_info", namespaces=["typo"])
    assert shown["data_volumes"] == [] and "Namespace typo does not exist" in str(shown["warnings"]), shown
