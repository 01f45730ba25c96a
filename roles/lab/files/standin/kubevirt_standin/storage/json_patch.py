"""JSON patches (RFC 6902) in the reading of the library that KubeVirt applies them with: a field that is missing is replaced, too."""

from __future__ import annotations

import copy
from typing import Any

from ..resources import Object


class PatchError(Exception):
    """The patch does not fit the document."""


def apply(document: Object, operations: list[Object]) -> Object:
    """A copy of the document with the operations carried out."""
    wanted = copy.deepcopy(document)
    for operation in operations:
        _apply(wanted, operation)
    return wanted


def _apply(document: Any, operation: Object) -> None:
    op, path = operation.get("op"), str(operation.get("path", ""))
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]] or [""]
    holder = document
    for part in parents:
        holder = _step(holder, part, path)
    if op == "test":
        if _step(holder, last, path) != operation.get("value"):
            raise PatchError(f"testing value {path} failed")
    elif op == "remove":
        _step(holder, last, path)
        del holder[_index(holder, last)]
    elif op in ("add", "replace"):
        _put(holder, last, operation.get("value"), insert=op == "add")
    else:
        raise PatchError(f"Unexpected kind: {op}")


def _index(holder: Any, part: str) -> Any:
    return int(part) if isinstance(holder, list) else part


def _step(holder: Any, part: str, path: str) -> Any:
    try:
        return holder[_index(holder, part)]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise PatchError(f"doc is missing path: {path}") from error


def _put(holder: Any, part: str, value: Any, insert: bool) -> None:
    if not isinstance(holder, list):
        holder[part] = value
    elif part == "-":
        holder.append(value)
    elif insert:
        holder.insert(int(part), value)
    else:
        holder[int(part)] = value
