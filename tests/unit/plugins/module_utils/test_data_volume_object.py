# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DataVolume that the parameters describe, and what can be wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import data_volume_object, objects, redaction
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_kind import kind
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_module import ITEMS
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_options import SOURCES, faults
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused

NAMED = {"name": "d", "namespace": "shop"}
IMMEDIATE = data_volume_object.IMMEDIATE
MD5 = "md5:0123456789abcdef0123456789abcdef"


def new(**options: Any) -> dict[str, Any]:
    return data_volume_object.new({**NAMED, **options})


SOURCE_CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "http": (
        {
            "url": "https://h/i",
            "secret": "s",
            "cert_config_map": "c",
            "extra_headers": ["A: b"],
            "secret_extra_headers": ["sh"],
            "checksum": MD5,
            "insecure_skip_verify": True,
        },
        {
            "url": "https://h/i",
            "secretRef": "s",
            "certConfigMap": "c",
            "extraHeaders": ["A: b"],
            "secretExtraHeaders": ["sh"],
            "checksum": MD5,
            "insecureSkipVerify": True,
        },
    ),
    "registry": (
        {"url": "docker://r/i", "pull_method": "node", "secret": "s", "cert_config_map": "c", "architecture": "arm64"},
        {
            "url": "docker://r/i",
            "pullMethod": "node",
            "secretRef": "s",
            "certConfigMap": "c",
            "platform": {"architecture": "arm64"},
        },
    ),
    "pvc": ({"name": "p"}, {"name": "p", "namespace": "shop"}),
    "snapshot": ({"name": "p", "namespace": "other"}, {"name": "p", "namespace": "other"}),
    "upload": ({"path": "/srv/disk.img"}, {}),
    "blank": (True, {}),
    "s3": ({"url": "https://h/b/o", "secret": "s"}, {"url": "https://h/b/o", "secretRef": "s"}),
    "gcs": ({"url": "gs://b/o", "secret": "s"}, {"url": "gs://b/o", "secretRef": "s"}),
    "imageio": (
        {"url": "https://h/", "disk_id": "1", "secret": "s", "cert_config_map": "c"},
        {"url": "https://h/", "diskId": "1", "secretRef": "s", "certConfigMap": "c"},
    ),
    "vddk": (
        {
            "url": "https://v",
            "uuid": "u",
            "backing_file": "[ds] v.vmdk",
            "thumbprint": "AA",
            "secret": "s",
            "init_image_url": "i",
            "extra_args": "e",
        },
        {
            "url": "https://v",
            "uuid": "u",
            "backingFile": "[ds] v.vmdk",
            "thumbprint": "AA",
            "secretRef": "s",
            "initImageURL": "i",
            "extraArgs": "e",
        },
    ),
}


def test_every_source_has_a_case() -> None:
    assert SOURCE_CASES.keys() == SOURCES.keys() - {"data_source"}


@pytest.mark.parametrize("name", sorted(SOURCE_CASES))
def test_a_source_in_the_words_of_the_api(name: str) -> None:
    options, expected = SOURCE_CASES[name]
    given = {"source": {name: options}, "size": "1Gi"}
    assert list(faults({**NAMED, **given})) == []
    assert new(**given)["spec"] == {
        "source": {name: expected},
        "storage": {"resources": {"requests": {"storage": "1Gi"}}},
    }


def test_a_data_source_is_a_reference_and_tells_the_size() -> None:
    options = {"source": {"data_source": {"name": "debian", "namespace": "images"}}}
    assert list(faults({**NAMED, **options})) == []
    assert new(**options)["spec"] == {
        "sourceRef": {"kind": "DataSource", "name": "debian", "namespace": "images"},
        "storage": {},
    }


def test_everything_else_goes_where_it_belongs() -> None:
    made = new(
        source={"vddk": SOURCE_CASES["vddk"][0]},
        size="2Gi",
        storage_class="fast",
        access_modes=["ReadWriteMany"],
        volume_mode="Block",
        content_type="kubevirt",
        preallocation=True,
        priority_class="high",
        service_account="importer",
        checkpoints=[{"previous": "", "current": "s1"}],
        final_checkpoint=False,
        labels={"tier": 1},
        annotations={"a": True},
        bind_immediately=True,
    )
    assert made["metadata"] == {
        "name": "d",
        "namespace": "shop",
        "labels": {"tier": "1"},
        "annotations": {"a": "true", IMMEDIATE: ""},
    }
    spec = {key: value for key, value in made["spec"].items() if key != "source"}
    assert spec == {
        "storage": {
            "resources": {"requests": {"storage": "2Gi"}},
            "storageClassName": "fast",
            "accessModes": ["ReadWriteMany"],
            "volumeMode": "Block",
        },
        "contentType": "kubevirt",
        "preallocation": True,
        "priorityClassName": "high",
        "serviceAccountName": "importer",
        "checkpoints": [{"previous": "", "current": "s1"}],
        "finalCheckpoint": False,
    }


@pytest.mark.parametrize(
    ("upload", "bind", "bound"),
    [({"path": "/f"}, None, True), ({"path": "/f"}, False, False), ({}, None, False), ({}, True, True)],
)
def test_a_file_needs_its_claim_bound(upload: dict[str, str], bind: bool | None, bound: bool) -> None:
    made = new(source={"upload": upload}, size="1Gi", bind_immediately=bind)
    assert (IMMEDIATE in (made["metadata"].get("annotations") or {})) is bound


def test_the_free_spec_comes_last() -> None:
    made = new(spec={"pvc": {"resources": {"requests": {"storage": "3Gi"}}}, "source": {"blank": {}}})
    assert made["spec"] == {"pvc": {"resources": {"requests": {"storage": "3Gi"}}}, "source": {"blank": {}}}
    assert data_volume_object.size(made["spec"]) == "3Gi"


def test_a_volume_without_a_source_is_not_made() -> None:
    with pytest.raises(Refused, match="DataVolume shop/d: is not there, and nothing says what to fill it with"):
        new(size="1Gi")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"source": {"http": {"url": "https://h/i"}}}, "size: is missing; http does not tell it"),
        ({"source": {"blank": True}, "size": "1GB"}, "size: '1GB' is no quantity: write 1Gi"),
        ({"source": {"blank": True}, "size": "1Ki"}, "size: 1Ki must be 1Mi or more"),
        ({"source": {}, "size": "1Gi"}, "source: has none; give one of http"),
        ({"source": {"blank": False}, "size": "1Gi"}, "source: has none"),
        ({"source": {"blank": True, "upload": {}}, "size": "1Gi"}, "source: has 2 kinds"),
        (
            {"source": {"http": {"url": "ftp://h/i"}}, "size": "1Gi"},
            "source.http.url: must begin with http:// or https",
        ),
        ({"source": {"http": {"url": "http:///i"}}, "size": "1Gi"}, "source.http.url: names no host"),
        ({"source": {"s3": {"url": "https://me:secret@h/i"}}, "size": "1Gi"}, "put it into a Secret"),
        ({"source": {"http": {"url": "http://h", "checksum": "crc:1"}}, "size": "1Gi"}, "must be algorithm:hash"),
        ({"source": {"http": {"url": "http://h", "checksum": "md5:1"}}, "size": "1Gi"}, "md5 has 32 hexadecimal"),
        ({"source": {"registry": {}}, "size": "1Gi"}, "source.registry: give either url or image_stream"),
        ({"source": {"registry": {"image_stream": "s"}}, "size": "1Gi"}, "image_stream: needs pull_method node"),
        ({"source": {"registry": {"url": "quay.io/x"}}, "size": "1Gi"}, "must begin with docker:// or oci-archive://"),
        (
            {"source": {"imageio": {"url": "https://h", "disk_id": "1", "secret": "s"}}, "size": "1Gi"},
            "source.imageio: needs cert_config_map, or insecure_skip_verify",
        ),
        ({"source": {"blank": True}, "size": "1Gi", "content_type": "archive"}, "archive does not go with blank"),
        ({"size": "1Gi", "content_type": "archive", "volume_mode": "Block"}, "leave out volume_mode Block"),
        (
            {"source": {"blank": True}, "size": "1Gi", "checkpoints": [{"previous": "", "current": "a"}]},
            "checkpoints: are for imageio and vddk, blank is imported at once",
        ),
        ({"size": "1Gi", "spec": {"pvc": {}}}, "spec.pvc: and size exclude each other"),
        (
            {"source": {"pvc": {"name": "p"}}, "spec": {"sourceRef": {}}},
            "spec: holds a source beside that of the option",
        ),
    ],
)
def test_a_fault_is_named(options: dict[str, Any], fault: str) -> None:
    found = list(faults({**NAMED, **options}))
    assert len(found) == 1 and fault in found[0], found


@pytest.mark.parametrize(
    "options",
    [
        {"state": "absent", "size": "1GB"},
        {"source": {"pvc": {"name": "p"}}},
        {"size": "2Gi"},
        {"labels": {"a": "b"}},
        {"source": {"blank": True}, "spec": {"storage": {"resources": {"requests": {"storage": "1Gi"}}}}},
    ],
)
def test_what_is_enough(options: dict[str, Any]) -> None:
    assert list(faults({**NAMED, **options})) == []


def test_an_entrys_source_replaces_that_of_the_defaults() -> None:
    params = {
        "items": [{"name": "a"}, {"name": "b", "source": {"blank": True}}],
        "defaults": {"namespace": "shop", "size": "1Gi", "source": {"http": {"url": "http://h/i"}}},
    }
    first, second = ITEMS.wanted(params)
    assert first["source"] == {"http": {"url": "http://h/i"}}
    assert second["source"] == {"blank": True}


def stored(**spec: Any) -> dict[str, Any]:
    meta = {"name": "d", "namespace": "shop", "resourceVersion": "5", "annotations": {"cdi": "x"}}
    return {"metadata": meta, "spec": {**new(source={"http": {"url": "http://h/i"}}, size="1Gi")["spec"], **spec}}


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"source": {"http": {"url": "http://h/other"}}}, "spec.source"),
        ({"source": {"blank": True}}, "spec.source"),
        ({"source": {"data_source": {"name": "x"}}}, "spec.sourceRef"),
        ({"storage_class": "other"}, "spec.storage"),
        ({"volume_mode": "Block", "priority_class": "p"}, "spec.storage, spec.priorityClassName"),
    ],
)
def test_what_cdi_does_not_change_is_refused_by_name(options: dict[str, Any], fields: str) -> None:
    with pytest.raises(Refused, match=f"DataVolume shop/d: {fields} cannot be changed once it is there"):
        objects.make_plan(kind(), {**NAMED, **options}, stored())


@pytest.mark.parametrize(
    "options",
    [
        {"source": {"http": {"url": "http://h/i"}}, "size": "1024Mi"},
        {"source": {"http": {"url": "http://h/i"}}, "size": "5Gi"},
        {"bind_immediately": True},
        {"labels": {}},
    ],
)
def test_nothing_of_the_object_is_written(options: dict[str, Any]) -> None:
    """A larger size is a matter of the claim."""
    assert objects.make_plan(kind(), {**NAMED, **options}, stored()).action == "unchanged"


def test_labels_and_checkpoints_change() -> None:
    before = stored(checkpoints=[{"previous": "", "current": "s1"}])
    stages = [{"previous": "", "current": "s1"}, {"previous": "s1", "current": "s2"}]
    todo = objects.make_plan(kind(), {**NAMED, "labels": {"a": "b"}, "checkpoints": stages}, before)
    assert todo.body == {
        "metadata": {"labels": {"a": "b"}, "resourceVersion": "5"},
        "spec": {"checkpoints": stages},
    }


def test_headers_are_hidden_wherever_they_stand() -> None:
    made = new(source={"http": {"url": "http://h/i", "extra_headers": ["Authorization: t0p"]}}, size="1Gi")
    made["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.import.extraHeaders.0": "Authorization: t0p"}
    assert "t0p" not in str(redaction.hide_secrets(made))
    assert redaction.secrets(made) == ["Authorization: t0p", "Authorization: t0p"]
