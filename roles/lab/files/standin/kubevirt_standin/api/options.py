"""Bodies of subresource calls, decoded as Go decodes them into the options structs."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ..resources import Object
from .errors import bad_request, internal

GO_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "paused": (bool, "bool"),
    "gracePeriod": (int, "int64"),
    "gracePeriodSeconds": (int, "int64"),
    "dryRun": (list, "[]string"),
    "addedNodeSelector": (dict, "map[string]string"),
    "name": (str, "string"),
    "claimName": (str, "string"),
    "evacuationNodeName": (str, "string"),
}
NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def decode(raw: bytes, struct: str, fields: tuple[str, ...]) -> Object:
    """The options in the body, JSON or YAML whatever its type says; unknown fields are ignored."""
    if not raw.strip():
        return {}
    body = _load(raw, struct)
    if body is None:
        return {}
    for name in fields:
        if body.get(name) is not None:
            _check(struct, name, body[name])
    return body


def _load(raw: bytes, struct: str) -> Object | None:
    try:
        body: Any = json.loads(raw)
    except ValueError:
        try:
            body = yaml.safe_load(raw)
        except yaml.YAMLError as error:
            raise bad_request(
                f"Can not unmarshal Request body to struct, error: error converting YAML to JSON: {error}"
            ) from None
    if body is not None and not isinstance(body, dict):
        text = f"error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {NAMES[type(body)]} into Go value of type v1.{struct}"
        raise bad_request(f"Can not unmarshal Request body to struct, error: {text}")
    return body


def _check(struct: str, name: str, value: Any) -> None:
    wanted, go_name = GO_TYPES[name]
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return
    text = f"json: cannot unmarshal {NAMES[type(value)]} into Go struct field {struct}.{name} of type {go_name}"
    raise bad_request(f"Can not unmarshal Request body to struct, error: {text}")


def dry_run_params(options: Object, kind: str = "PatchOptions") -> dict[str, str]:
    """The query of a write that shall be tried only; refuses what is not `All`."""
    values = options.get("dryRun") or []
    if not values:
        return {}
    if values != ["All"]:
        shown = json.dumps(values)
        raise internal(f'{kind}.meta.k8s.io "" is invalid: dryRun: Unsupported value: {shown}: supported values: "All"')
    return {"dryRun": "All"}


def is_dry_run(options: Object) -> bool:
    return bool(options.get("dryRun") == ["All"])
