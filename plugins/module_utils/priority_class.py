# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PriorityClasses that machines and instances name: of one that is not there KubeVirt could not make the pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, plan, vm_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Kind, Options, Plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import PRIORITY_CLASS

Object = dict[str, Any]

_FIELD = "priorityClassName"
# Kubernetes' own, meant for the cluster's pods.
_SYSTEM = "system-"


def checked(kind: Kind, client: Client, *path: str) -> Kind:
    """The kind, of which nothing is written where one names a class that is not there. The classes are read once, and only
    if one that would be written names any.

    path: from an object's spec to that of its instance.
    """
    classes = Names(client, PRIORITY_CLASS)
    return replace(kind, faults=lambda options, current: faults(kind, options, current, path, classes))


def faults(
    kind: Kind, options: Options, current: Object | None, path: tuple[str, ...], classes: Names
) -> Iterator[str]:
    """The sentence about a class that is not there, by the object's state that was found."""
    field, name = _named(options, path)
    if not name or options.get("state") == "absent":
        return
    try:
        todo = objects.make_plan(kind, options, current)
    except HaError:
        return  # that object's own error, when its turn comes
    known = classes.get() if _asks_for_it(todo, path) else None
    if known is None or name in known:
        return
    others = ", ".join(sorted(one for one in known if not one.startswith(_SYSTEM)))
    yield (
        f"{kind.resource.describe(str(options['namespace']), str(options['name']))}: {field}: PriorityClass {name} is not there;"
        f" declare it in placement_priority_classes{f', or use one of {others}' if others else ''}"
    )


def _named(options: Options, path: tuple[str, ...]) -> tuple[str, str]:
    """The option that names the class, and the name, empty where none is wanted. `spec` has the last word."""
    inner: Any = options.get("spec")
    for part in path:
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    if isinstance(inner, Mapping) and _FIELD in inner:
        return ".".join(("spec", *path, _FIELD)), str(inner[_FIELD] or "")
    return "priority_class", str(options.get("priority_class") or "")


def _asks_for_it(todo: Plan, path: tuple[str, ...]) -> bool:
    """Whether a pod would be made with the class by this plan. What bears it already is left alone where nothing about it
    changes, or where it is off or an instance, which is not made again: its class may have been deleted since."""
    if todo.action != "changed":
        return todo.action == "created"
    if not plan.touches(todo.body, "spec"):
        return False
    return plan.touches(todo.body, "spec", *path, _FIELD) or vm_state.run_strategy(todo.after or {}) != "Halted"
