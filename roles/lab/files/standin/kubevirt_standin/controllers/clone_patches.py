"""The JSON patches that make a clone of what was snapshotted: identities of its own, and the keys that its filters leave."""

from __future__ import annotations

import json
import re

from ..resources import Object
from .vm_revision import interfaces_of

TEMPLATE = "/spec/template"
LAST = "restore.kubevirt.io/lastRestoreUID"


def patches(vm: Object, wanted: Object) -> list[str]:
    """All operations, each as text."""
    template = vm["spec"]["template"]
    operations = [*_identity(template["spec"], wanted)]
    meta, inner = vm["metadata"], template.get("metadata") or {}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST}
    filters = wanted.get("template") or {}
    for values, given, path in (
        (meta.get("labels"), wanted.get("labelFilters"), "/metadata/labels"),
        (annotations, wanted.get("annotationFilters"), "/metadata/annotations"),
        (inner.get("labels"), filters.get("labelFilters"), f"{TEMPLATE}/metadata/labels"),
        (inner.get("annotations"), filters.get("annotationFilters"), f"{TEMPLATE}/metadata/annotations"),
    ):
        operations += _removals(values or {}, given, path)
    texts = [json.dumps(operation, separators=(",", ":")) for operation in operations]
    return texts + list(wanted.get("patches") or [])


def _replace(path: str, value: str) -> Object:
    return {"op": "replace", "path": path, "value": value}


def _identity(spec: Object, wanted: Object) -> list[Object]:
    found = []
    addresses = wanted.get("newMacAddresses") or {}
    for index, item in enumerate(interfaces_of(spec)):
        path = f"{TEMPLATE}/spec/domain/devices/interfaces/{index}/macAddress"
        found.append(_replace(path, addresses.get(item["name"], "")))
    if (spec.get("domain") or {}).get("firmware") is not None:
        found.append(_replace(f"{TEMPLATE}/spec/domain/firmware/serial", wanted.get("newSMBiosSerial") or ""))
        found.append(_replace(f"{TEMPLATE}/spec/domain/firmware/uuid", ""))
    return found


def _removals(values: Object, filters: list[str] | None, path: str) -> list[Object]:
    """Filters are regular expressions; those that begin with `!` win over the others."""
    if filters is None:
        return []
    allowed = [".*" if text == "*" else text for text in filters if not text.startswith("!")]
    barred = [text[1:] for text in filters if text.startswith("!")]
    return [
        {"op": "remove", "path": f"{path}/{key.replace('~', '~0').replace('/', '~1')}"}
        for key in values
        if not (_matches(allowed, key) and not _matches(barred, key))
    ]


def _matches(patterns: list[str], key: str) -> bool:
    return any(re.search(pattern, key) for pattern in patterns)
