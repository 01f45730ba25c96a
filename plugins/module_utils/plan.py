# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what an object should become, and the smallest merge patch that gets it there.

Only what is given is compared and changed ("owned fields"). What the server filled in stays: a MAC address in an
interface, a firmware UUID, a default. Lists whose entries have a name are merged by it; others are taken whole.
Objects are dicts and lists, as JSON has them: to ask for an abstract Mapping takes several times as long, and is asked
a hundred times an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import durations, quantity

Object = dict[str, Any]

# An entry of a named list that is to go, in the words of Kubernetes' own patches.
DELETE = "$patch"
# Fields whose values are quantities: by their own name, or by the name of the map they stand in.
_QUANTITY_FIELDS = frozenset({"guest", "maxGuest", "capacity", "storage"})
_QUANTITY_MAPS = frozenset({"requests", "limits"})
_DURATION_FIELDS = frozenset({"failureDeadline", "ttlDuration"})
# Maps that the server drops when they are empty; elsewhere an empty map such as `masquerade: {}` has a meaning.
_MAPS = frozenset({"labels", "annotations", "nodeSelector", "matchLabels", "requests", "limits", "resources"})
# Where of several fields just one may be set; None stands for all fields but the name.
_ONE_OF: dict[str, frozenset[str] | None] = {
    "volumes": None,
    "source": None,
    "networks": frozenset({"pod", "multus"}),
    "disks": frozenset({"disk", "cdrom", "lun"}),
    "interfaces": frozenset(
        {"bridge", "masquerade", "sriov", "binding", "passtBinding", "macvtap", "passt", "slirp", "deprecatedSlirp"}
    ),
}
_MISSING = object()


def merge(current: Any, desired: Any, path: tuple[str, ...] = ()) -> Any:
    """`current` with `desired` in it; neither is changed. None removes a field; equal values stay as written."""
    if isinstance(desired, dict):
        return _merge_maps(current if isinstance(current, dict) else {}, desired, path)
    if isinstance(desired, list):
        return _merge_lists(current if isinstance(current, list) else [], desired, path)
    return current if same(current, desired, path) else desired


def same(one: Any, other: Any, path: tuple[str, ...] = ()) -> bool:
    """Whether two scalars mean the same at this place: quantities and durations by value, MAC addresses in any writing."""
    if one is other:
        return True
    if path and path[-1] in _DURATION_FIELDS:
        return one == other or durations.same(one, other)
    if path and (path[-1] in _QUANTITY_FIELDS or path[-2:-1] and path[-2] in _QUANTITY_MAPS):
        return one == other or quantity.same(one, other)
    if (
        path
        and (path[-1] == "macAddress" or path[-2:-1] == ("newMacAddresses",))
        and isinstance(one, str)
        and isinstance(other, str)
    ):
        return one.lower().replace("-", ":") == other.lower().replace("-", ":")
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return isinstance(one, bool) == isinstance(other, bool) and one == other
    return type(one) is type(other) and bool(one == other)


def overlay(under: Any, over: Any, path: tuple[str, ...] = ()) -> Any:
    """Two layers of what is desired as one, `over` winning; unlike in merge() removals are kept, not carried out."""
    if isinstance(under, dict) and isinstance(over, dict):
        merged = dict(under)
        for key, value in over.items():
            merged[key] = overlay(merged[key], value, (*path, str(key))) if key in merged else value
        _drop_alternatives(merged, over, path)
        return merged
    if isinstance(under, list) and isinstance(over, list) and all(entry_name(entry) for entry in [*under, *over]):
        entries = {entry_name(entry): entry for entry in under}
        for entry in over:
            name = entry_name(entry)
            keep = name in entries and not is_deleted(entry, path)
            entries[name] = overlay(entries[name], entry, path) if keep else entry
        return list(entries.values())
    return over


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """The JSON merge patch that turns one object into another; empty where they are equal."""
    patch: Object = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key, _MISSING)
        if isinstance(old, dict) and isinstance(value, dict):
            inner = merge_patch(old, value)
            if inner:
                patch[key] = inner
        elif old is _MISSING or old != value or type(old) is not type(value):
            patch[key] = value
    return patch


def has_list(patch: Any) -> bool:
    """Whether a patch replaces a list, so that it must not meet an object that has changed since."""
    if isinstance(patch, dict):
        return any(has_list(value) for value in patch.values())
    return isinstance(patch, list)


def touches(patch: Mapping[str, Any], *path: str) -> bool:
    """Whether a patch changes anything at or below a path."""
    here: Any = patch
    for key in path:
        if not isinstance(here, dict) or key not in here:
            return False
        here = here[key]
    return True


def _merge_maps(current: Mapping[str, Any], desired: Mapping[str, Any], path: tuple[str, ...]) -> Object:
    merged = dict(current)
    for key, value in desired.items():
        here = (*path, str(key))
        if value is None:
            merged.pop(key, None)
        elif key in merged:
            merged[key] = merge(merged[key], value, here)
        else:
            new = merge(None, value, here)
            if not _means_nothing(key, new) and (new != {} or value == {}):
                merged[key] = new
    _drop_alternatives(merged, desired, path)
    return merged


def _means_nothing(key: str, value: Any) -> bool:
    return value == [] or (value == {} and key in _MAPS)


def _drop_alternatives(merged: Object, desired: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Where one of several exclusive fields is given, the others go: a volume's old source, a disk's old kind."""
    place = path[-1] if path else ""
    if place not in _ONE_OF or (place == "source" and "dataVolumeTemplates" not in path):
        return
    group = _ONE_OF[place]
    given = {key for key in desired if key != "name" and (group is None or key in group) and desired[key] is not None}
    if given:
        for key in [key for key in merged if key != "name" and (group is None or key in group) and key not in given]:
            del merged[key]


def _merge_lists(current: list[Any], desired: list[Any], path: tuple[str, ...]) -> list[Any]:
    if all(entry_name(entry) for entry in [*desired, *current]):
        return _merge_named(current, desired, path)
    if len(current) != len(desired):
        return [merge(None, entry, path) for entry in desired]
    return [_kept(old, new, path) for old, new in zip(current, desired)]


def _kept(current: Any, desired: Any, path: tuple[str, ...]) -> Any:
    """An entry without a name: the current one where it says all that is desired, defaults beside; else the desired one.

    What stands at the same place need not be the same thing: two tolerations merged are a third one.
    """
    merged = merge(current, desired, path)
    return merged if same(merged, current) else merge(None, desired, path)


def _merge_named(current: list[Any], desired: list[Any], path: tuple[str, ...]) -> list[Any]:
    merged = {str(entry_name(entry)): entry for entry in current}
    for entry in desired:
        name = str(entry_name(entry))
        if is_deleted(entry, path):
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), entry, path)
    return list(merged.values())


def entry_name(entry: Any) -> str | None:
    """The name that an entry of a list goes by, None where it has none."""
    if not isinstance(entry, dict):
        return None
    name = entry.get("name") or (entry.get("metadata") or {}).get("name")
    return str(name) if name else None


def is_deleted(entry: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether a named entry is to go. An interface's own `state: absent` is KubeVirt's way to unplug it."""
    if entry.get(DELETE) == "delete":
        return True
    return entry.get("state") == "absent" and path[-1:] != ("interfaces",)
