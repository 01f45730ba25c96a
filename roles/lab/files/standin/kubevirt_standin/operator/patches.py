"""spec.customizeComponents.patches of the KubeVirt CR: strategic, merge and JSON patches; pure."""

from __future__ import annotations

import copy
import fnmatch
import json
from typing import Any

from ..resources import Object


class PatchProblem(Exception):
    """A patch of the CR cannot be applied; says which and why."""


def apply_all(obj: Object, kind: str, patches: list[Object]) -> Object:
    """The object with every patch that names it; raises PatchProblem."""
    result = copy.deepcopy(obj)
    name = obj["metadata"]["name"]
    for patch in patches:
        if patch.get("resourceType", "").lower() == kind.lower() and fnmatch.fnmatch(
            name, patch.get("resourceName", "")
        ):
            try:
                result = _apply(result, str(patch.get("type", "strategic")).lower(), json.loads(patch["patch"]))
            except (KeyError, IndexError, ValueError, TypeError) as error:
                raise PatchProblem(f"customizeComponents: patch of {kind} {name}: {error}") from error
    return result


def _apply(obj: Any, kind: str, patch: Any) -> Any:
    if kind == "json":
        for operation in patch:
            _json(obj, operation)
        return obj
    return _merge(obj, patch, strategic=kind == "strategic")


def _merge(target: Any, patch: Any, strategic: bool) -> Any:
    if isinstance(patch, dict):
        merged = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = _merge(merged.get(key), value, strategic)
        return merged
    named = isinstance(patch, list) and all(isinstance(item, dict) and "name" in item for item in patch)
    if strategic and named and isinstance(target, list):
        items = {item["name"]: item for item in target}
        for item in patch:
            items[item["name"]] = _merge(items.get(item["name"]), item, strategic)
        return list(items.values())
    return patch


def _json(obj: Any, operation: Object) -> None:
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    for part in parents:
        obj = obj[int(part)] if isinstance(obj, list) else obj[part]
    verb = operation["op"]
    if isinstance(obj, list):
        index = len(obj) if last == "-" else int(last)
        if verb == "add":
            obj.insert(index, operation["value"])
        elif verb == "replace":
            obj[index] = operation["value"]
        elif verb == "remove":
            del obj[index]
    elif verb in ("add", "replace"):
        obj[last] = operation["value"]
    elif verb == "remove":
        del obj[last]
    if verb not in ("add", "replace", "remove"):
        raise ValueError(f"operation {verb} is not served")
