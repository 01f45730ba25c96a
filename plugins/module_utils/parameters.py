# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is wrong with the parameters of an argument spec, at once and each by its place. Pure.

Apart from the module, so that a filter that checks parameters does not load the API's client.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_dict
from ansible.module_utils.errors import UnsupportedError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec, Option

# What YAML's reader makes, in words of YAML.
_KINDS = {str: "text", list: "a list", int: "a number", float: "a number", bool: "true or false", type(None): "nothing"}


def explain(whole: ArgumentSpec, params: Mapping[str, Any]) -> list[str]:
    """All messages of an argument spec, each naming the entry of a list that it is about."""
    spec = whole.options
    lists = {key for key, option in spec.items() if option.get("elements") == "dict" and option.get("options")}
    outer = {key: _without_options(option) if key in lists else option for key, option in spec.items()}
    validator = ArgumentSpecValidator(**{**whole.to_kwargs(), "argument_spec": outer})
    given, faults = well_shaped(without_nulls(params, outer), outer)
    for key in sorted(lists & given.keys()):
        entries = given[key].split(",") if isinstance(given[key], str) else given[key]
        if isinstance(entries, list):
            faults += [_no_map(f"{key}[{index}]", entry) for index, entry in enumerate(entries) if not _is_map(entry)]
            given[key] = [entry for entry in entries if _is_map(entry)]
    faults += _complaints(validator, given, outer)
    for key in sorted(lists):
        entries = params.get(key)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, Mapping):
                label = f"{key}[{entry.get('name') or index}]"
                inner = spec[key]["options"]
                given, messages = well_shaped(without_nulls(entry, inner), inner)
                messages += _complaints(ArgumentSpecValidator(inner), given, inner)
                faults += [f"{label}: {message}" for message in messages]
    return faults


def _complaints(validator: ArgumentSpecValidator, given: Mapping[str, Any], spec: Mapping[str, Option]) -> list[str]:
    """What a validator says; of options that there are not, which one may have been meant."""
    try:
        result = validator.validate(given)
    except OverflowError as error:
        return [f"a number is none that can be reckoned with: {error}"]
    found = [error.msg for error in result.errors if not isinstance(error, UnsupportedError)]
    for name in sorted(result.unsupported_parameters, key=str):
        path = name if isinstance(name, tuple) else (name,)
        known: Mapping[str, Option] = spec
        for part in path[:-1]:
            known = known.get(part, {}).get("options") or {}
        near = get_close_matches(str(path[-1]), known, 1)
        found.append(
            f"{'.'.join(map(str, path))}: there is no such option;"
            + (f" did you mean {near[0]}?" if near else f" there are {', '.join(sorted(known))}")
        )
    return found


def _no_map(place: str, value: Any) -> str:
    return f"{place}: must be a map of options, not {_KINDS.get(type(value), type(value).__name__)}"


def _is_map(value: Any) -> bool:
    """Whether Ansible takes a value for a map of options: JSON and key=value are, too."""
    if not isinstance(value, str):
        return isinstance(value, Mapping)
    try:
        check_type_dict(value)
    except TypeError:
        return False
    return True


def well_shaped(
    values: Mapping[str, Any], spec: Mapping[str, Option], where: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """The values without those that stand where options of their own belong and are no map, and a fault for each of those.

    Ansible's validator breaks off at them with an error of Python's; a string it tries to read as a map.
    """
    kept: dict[str, Any] = {}
    faults: list[str] = []
    for key, value in values.items():
        if not isinstance(key, str):  # Ansible's own sentence about it breaks off
            faults.append(f"{where}{key!r}: an option's name must be a text")
            continue
        inner = spec.get(key, {}).get("options")
        if not inner:
            kept[key] = value
            continue
        listed = isinstance(value, list) or (isinstance(value, str) and spec[key].get("type") == "list")
        entries = value if isinstance(value, list) else value.split(",") if listed else [value]
        places = [f"{where}{key}[{index}]" if listed else f"{where}{key}" for index in range(len(entries))]
        sound: list[Any] = []
        for place, entry in zip(places, entries):
            if isinstance(entry, Mapping):
                entry, more = well_shaped(entry, inner, f"{place}.")
                faults += more
            if _is_map(entry):
                sound.append(entry)
            else:
                faults.append(_no_map(place, entry))
        if listed:
            kept[key] = sound
        elif sound:
            kept[key] = sound[0]
    return kept, faults


def without_nulls(values: Mapping[str, Any], spec: Mapping[str, Option]) -> dict[str, Any]:
    """The options that were given: None stands for "not given" in an option, and for "remove" inside a free map."""
    given: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            continue
        inner = spec.get(key, {}).get("options")
        if inner and isinstance(value, Mapping):
            value = without_nulls(value, inner)
        elif inner and isinstance(value, list):
            value = [without_nulls(entry, inner) if isinstance(entry, Mapping) else entry for entry in value]
        given[key] = value
    return given


def _without_options(option: Option) -> Option:
    return {key: value for key, value in option.items() if key != "options"}
