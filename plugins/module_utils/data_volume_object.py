# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the DataVolume object that the friendly parameters describe. Only what was given stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_options import source_of, upload_path
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import DATA_VOLUME
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.vm_object import strings

Object = dict[str, Any]
Options = Mapping[str, Any]

IMMEDIATE = "cdi.kubevirt.io/storage.bind.immediate.requested"
# Everything of the spec but the checkpoints of an import in stages; the size grows with the claim.
FROZEN = tuple(
    ("spec", field)
    for field in (
        "source",
        "sourceRef",
        "storage",
        "pvc",
        "contentType",
        "preallocation",
        "priorityClassName",
        "serviceAccountName",
    )
)
_SAME = {"url": "url", "name": "name", "namespace": "namespace", "uuid": "uuid", "thumbprint": "thumbprint"}
_FIELDS = {
    **_SAME,
    "secret": "secretRef",
    "cert_config_map": "certConfigMap",
    "extra_headers": "extraHeaders",
    "secret_extra_headers": "secretExtraHeaders",
    "checksum": "checksum",
    "insecure_skip_verify": "insecureSkipVerify",
    "image_stream": "imageStream",
    "pull_method": "pullMethod",
    "disk_id": "diskId",
    "backing_file": "backingFile",
    "init_image_url": "initImageURL",
    "extra_args": "extraArgs",
}
_SPEC_FIELDS = {
    "content_type": "contentType",
    "preallocation": "preallocation",
    "priority_class": "priorityClassName",
    "service_account": "serviceAccountName",
    "checkpoints": "checkpoints",
    "final_checkpoint": "finalCheckpoint",
}
_STORAGE_FIELDS = {"storage_class": "storageClassName", "access_modes": "accessModes", "volume_mode": "volumeMode"}


def desired(options: Options) -> Object:
    """The owned fields of a DataVolume that is there, all but its size: that one grows with its claim."""
    owned = _whole(options)
    for form in ("storage", "pvc"):
        requests = ((owned.get("spec") or {}).get(form) or {}).get("resources") or {}
        if "storage" in (requests.get("requests") or {}):
            owned = plan.merge(owned, {"spec": {form: {"resources": {"requests": {"storage": None}}}}})
    return owned


def new(options: Options) -> Object:
    """The whole object to create; Refused where the options do not describe one."""
    owned = _whole(options)
    spec, where = owned.get("spec") or {}, DATA_VOLUME.describe(options["namespace"], options["name"])
    form = spec.get("storage") or spec.get("pvc") or {}
    if not (spec.get("source") or spec.get("sourceRef") or form.get("dataSource") or form.get("dataSourceRef")):
        what = "is not there, and nothing says what to fill it with"
        raise Refused(what, where=where, fix="Give its source, or correct its name")
    if not spec.get("pvc"):
        spec.setdefault("storage", {})
    metadata: Object = {"name": options["name"], "namespace": options["namespace"], **(owned.get("metadata") or {})}
    if _binds_immediately(options):
        metadata["annotations"] = {IMMEDIATE: "", **(metadata.get("annotations") or {})}
    return {
        "apiVersion": DATA_VOLUME.api_version,
        "kind": DATA_VOLUME.kind,
        "metadata": plan.merge({}, metadata, ("metadata",)),
        "spec": plan.merge({}, spec, ("spec",)),
    }


def size(spec: Mapping[str, Any]) -> Any:
    """The size that a DataVolume's spec asks for, None where its source tells it."""
    form = spec.get("storage") or spec.get("pvc") or {}
    return ((form.get("resources") or {}).get("requests") or {}).get("storage")


def wanted_size(options: Options) -> Any:
    """The size that the options ask for, None where they do not."""
    return size(_whole(options).get("spec") or {})


def _binds_immediately(options: Options) -> bool:
    """An upload needs its claim bound, as no machine can be its first consumer before it is filled."""
    given = options.get("bind_immediately")
    return bool(given) if given is not None else upload_path(options) is not None


def _whole(options: Options) -> Object:
    spec = _renamed(options, _SPEC_FIELDS)
    spec.update(_source(options))
    storage = _renamed(options, _STORAGE_FIELDS)
    if options.get("size") is not None:
        storage["resources"] = {"requests": {"storage": options["size"]}}
    if storage:
        spec["storage"] = storage
    spec = plan.overlay(spec, options.get("spec") or {}, ("spec",))
    metadata = {key: strings(options[key]) for key in ("labels", "annotations") if options.get(key) is not None}
    return {key: part for key, part in (("metadata", metadata), ("spec", spec)) if part}


def _source(options: Options) -> Object:
    kind, parameters = source_of(options)
    if not kind:
        return {}
    found = _renamed(parameters, _FIELDS)
    if kind == "data_source":
        return {"sourceRef": {"kind": "DataSource", **found}}
    if kind in ("pvc", "snapshot"):
        found.setdefault("namespace", options["namespace"])
    elif kind in ("upload", "blank"):
        found = {}
    elif parameters.get("architecture"):
        found["platform"] = {"architecture": parameters["architecture"]}
    return {"source": {kind: found}}


def _renamed(values: Options, names: Mapping[str, str]) -> Object:
    """The values that were given, under the names of the API."""
    return {names[key]: value for key, value in values.items() if key in names and value is not None}
