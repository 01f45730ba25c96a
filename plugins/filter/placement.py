# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of the role placement, before there is a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# What the filters are made of is imported by them: Ansible loads every filter file of a collection, compiling it, in each worker
# that uses one of them.

_RESERVE = re.compile(r"^reserve\.")
_CLASSES = re.compile(r"(?<=declare it in )(?=priority_classes)")


def placement_faults(wanted: Any, nodes: Iterable[str] | None = None, first: bool = False) -> list[str]:
    """The faults of the module's parameters, in the role's words.

    first: there is no cluster yet, so that a class must be declared and a node must be one of `nodes`, where those are given.
    """
    if not isinstance(wanted, Mapping):
        raise AnsibleFilterError("virtops.kubevirt_ha.placement_faults: give a map of the module's parameters")
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import options

    given = _plain(wanted)
    found = options.all_faults(given)
    if first:
        found += options.missing(given, [], nodes)
    return [placement_words(fault) for fault in found]


def _plain(value: Any) -> Any:
    """Maps and lists of Python's own: a copy of Ansible's, which the check of parameters makes, copies all variables with them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def placement_words(fault: str) -> str:
    """A fault with the role's variable in place of the module's parameter.

    Parameters of the module, where they begin a sentence, are variables of the role; those of the reserve one each.
    """
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import options

    parameter = re.compile(rf"^(?:{'|'.join(sorted([*options.options(), 'namespace']))})\b")
    fault = _CLASSES.sub("placement_", _RESERVE.sub("placement_reserve_", fault))
    return parameter.sub(lambda match: f"placement_{match.group()}", fault)


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"placement_faults": placement_faults, "placement_words": placement_words}
