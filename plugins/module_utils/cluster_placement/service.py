# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `placement`: one LIST a kind, then only what differs is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import changes, checks, manifests
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement.changes import Change
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement.options import OWNER
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    Conflict,
    HaError,
    InputError,
    ManyFailed,
    NotFound,
    Refused,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CLUSTER_INSTANCETYPE,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    DEPLOYMENT,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    POD,
    PRIORITY_CLASS,
    QUOTA,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    VM,
    VMI,
    Resource,
    is_deleting,
)

Object = dict[str, Any]
Values = Mapping[str, Any]
# Kind, namespace, name.
Name = tuple[str, str, str]

# In the order in which they can be made; taken away in the reverse one.
KINDS: tuple[Resource, ...] = (
    NAMESPACE,
    PRIORITY_CLASS,
    CLUSTER_INSTANCETYPE,
    SERVICE_ACCOUNT,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    CONFIG_MAP,
    QUOTA,
    LIMIT_RANGE,
    DEPLOYMENT,
)
_BY_KIND = {kind.kind: kind for kind in KINDS}
# Of these all are read: others' classes and namespaces count, too.
_WHOLE = (NAMESPACE, PRIORITY_CLASS)
_CONFLICTS = 5


@dataclass
class Found:
    """What a cluster holds: owned objects by name, all classes and nodes, names of the namespaces."""

    owned: dict[Name, Object] = field(default_factory=dict)
    classes: list[Object] = field(default_factory=list)
    nodes: list[Object] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)


@dataclass
class Step:
    """One object's change and what came of it."""

    resource: Resource
    namespace: str
    name: str
    change: Change
    # The change of a newer state of it, where a lost race is tried again.
    again: Callable[[Object], Change] | None = None
    error: HaError | None = None
    written: bool = False

    @property
    def where(self) -> str:
        return self.resource.describe(self.namespace, self.name)


def run_module(module: Module) -> None:
    """Carries out `placement`."""
    params = module.params
    run(module, lambda client: work(client, params, check=module.check_mode, diff=module._diff))  # pylint: disable=protected-access


def work(client: Client, params: Values, *, check: bool, diff: bool) -> Object:
    """The module's result. InputError, before anything is written, with all that stands against it in the cluster."""
    present = params["state"] == "present"
    found = gather(client, params["workers"])
    given = params if present else {}
    bad = list(checks.faults(params, found.classes, found.nodes)) if present else []
    declared = manifests.build(given, found.nodes) if not bad else []
    steps = _steps(found, declared, given)
    bad += _unknown_kinds(declared, found)
    if not params["force"]:
        bad += _used(client, steps)
    if bad:
        raise InputError(bad)
    warnings = _overdrawn(client, steps)
    for batch in _batches(steps):
        bulk.each(batch, lambda step: _write(client, step, check, found), params["workers"])
    return _result(steps, found, params, warnings, check=check, diff=diff)


def gather(client: Client, workers: int) -> Found:
    """Reads everything, a LIST a kind; a kind that the server does not know holds nothing."""

    def read(resource: Resource) -> list[Object] | None:
        selector = None if resource in (*_WHOLE, NODE) else f"{manifests.LABEL}={OWNER}"
        try:
            return client.list(resource, label_selector=selector).items
        except NotFound:
            return None

    found = Found()
    kinds = (*KINDS, NODE)
    for resource, items in zip(kinds, bulk.each(kinds, read, workers)):
        if isinstance(items, HaError):
            raise items
        if items is None:
            found.absent.add(resource.kind)
        else:
            _keep(found, resource, items)
    return found


def _keep(found: Found, resource: Resource, items: list[Object]) -> None:
    if resource is NODE:
        found.nodes = items
        return
    if resource is NAMESPACE:
        found.namespaces = {str(item["metadata"]["name"]) for item in items if not is_deleting(item)}
    if resource is PRIORITY_CLASS:
        found.classes = items
    for item in items:
        if checks.is_owned(item):
            # Objects in a LIST name neither.
            whole = {**item, "apiVersion": resource.api_version, "kind": resource.kind}
            found.owned[_name(whole)] = whole


def _name(item: Values) -> Name:
    meta = item["metadata"]
    return str(item["kind"]), str(meta.get("namespace") or ""), str(meta["name"])


def _steps(found: Found, declared: Sequence[Values], params: Values) -> list[Step]:
    """All changes: namespaces of machines' owners, what is declared, what is owned and not declared, nodes."""
    wanted = {_name(item): item for item in declared}
    steps = []
    for name in manifests.own_namespaces(params):
        if name not in found.namespaces and ("Namespace", "", name) not in wanted:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            steps.append(Step(NAMESPACE, "", name, Change("created", body, {}, body)))
    for key, item in wanted.items():
        if key[0] in _BY_KIND:
            steps.append(_step(key, changes.change(item, found.owned.get(key))))
    for key, item in found.owned.items():
        if key not in wanted and not is_deleting(item):
            steps.append(_step(key, changes.removal(item)))
    return [*steps, *_node_steps(found.nodes, params)]


def _step(key: Name, todo: Change) -> Step:
    kind, namespace, name = key
    return Step(_BY_KIND[kind], namespace, name, todo)


def _node_steps(nodes: Sequence[Object], params: Values) -> Iterator[Step]:
    """Of the nodes that are declared, or were."""
    labels, taints = params.get("node_labels") or {}, params.get("node_taints") or {}
    concerned = {*labels, *taints, *changes.noted_nodes(nodes)}
    for node in nodes:
        name = str(node["metadata"]["name"])
        if name in concerned:
            again = partial(changes.node_change, labels=labels.get(name) or {}, taints=taints.get(name) or [])
            yield Step(NODE, "", name, again(node), again)


def _unknown_kinds(declared: Sequence[Values], found: Found) -> list[str]:
    kinds = sorted({str(item["kind"]) for item in declared})
    unknown = [
        f"objects: {kind} is none of the kinds {', '.join(sorted(_BY_KIND))}" for kind in kinds if kind not in _BY_KIND
    ]
    absent = [
        f"{kind}: the cluster does not know the kind; install KubeVirt first" for kind in kinds if kind in found.absent
    ]
    return [*unknown, *absent]


def _used(client: Client, steps: Iterable[Step]) -> list[str]:
    """Faults of classes that would go while somebody names them; machines and pods are read only where one would."""
    going = [step for step in steps if step.resource is PRIORITY_CLASS and step.change.action == "deleted"]
    if not going:
        return []
    machines: list[Object] = []
    for resource in (VM, VMI):
        try:
            machines += [{**item, "kind": resource.kind} for item in client.list(resource).items]
        except NotFound:
            continue  # KubeVirt is not there
    pods = [pod for pod in client.list(POD).items if not _is_launcher(pod)]
    found = [(step.name, checks.users(step.name, machines, pods)) for step in going]
    return [checks.in_use(name, users) for name, users in found if users]


def _is_launcher(pod: Values) -> bool:
    return (pod["metadata"].get("labels") or {}).get("kubevirt.io") == "virt-launcher"


def _overdrawn(client: Client, steps: Iterable[Step]) -> list[str]:
    """Warnings of quotas that are about to be written below what runs."""
    found: list[str] = []
    for step in steps:
        if step.resource is QUOTA and step.change.action in ("created", "changed", "replaced"):
            pods = client.list(POD, step.namespace).items
            found += checks.overdrawn(step.change.after, pods)
    return found


def _batches(steps: Sequence[Step]) -> list[list[Step]]:
    """Steps that may be under way at once: a kind after the other, then nodes, then what goes in the reverse order."""
    todo = [step for step in steps if step.change.action != "unchanged"]
    goes = [step for step in todo if step.change.action == "deleted"]
    stays = [step for step in todo if step.change.action != "deleted"]
    made = [[step for step in stays if step.resource is kind and not _is_default(step)] for kind in (*KINDS, NODE)]
    # Only one class may be the default: the old one gives it up first.
    made.insert(KINDS.index(PRIORITY_CLASS) + 1, [step for step in stays if _is_default(step)])
    gone = [[step for step in goes if step.resource is kind] for kind in KINDS]
    return [batch for batch in (*made, *reversed(gone)) if batch]


def _is_default(step: Step) -> bool:
    return step.resource is PRIORITY_CLASS and bool(step.change.after.get("globalDefault"))


def _write(client: Client, step: Step, check: bool, found: Found) -> None:
    """One request; in check mode the server says what it would do, unless the namespace is not there yet."""
    try:
        if check and step.namespace and step.namespace not in found.namespaces:
            step.written = True
            return
        _send(client, step, check)
        step.written = True
    except Conflict as error:
        exists = step.change.action == "created"
        step.error = (
            Refused(
                "is there and not this role's",
                where=step.where,
                fix=f"Take another name, or hand it over: label it {manifests.LABEL}={OWNER}",
            )
            if exists
            else error
        )
    except HaError as error:
        step.error = error


def _send(client: Client, step: Step, check: bool) -> None:
    resource, namespace, name, todo = step.resource, step.namespace or None, step.name, step.change
    if todo.action in ("deleted", "replaced"):
        client.delete(resource, name, namespace, propagation="Background", dry_run=check)
    if todo.action == "created" or (todo.action == "replaced" and not check):
        client.create(resource, todo.body, namespace, dry_run=check)
    elif todo.action == "changed" and resource is NODE:
        _patch_node(client, step, check)
    elif todo.action == "changed":
        client.patch(resource, name, todo.body, namespace, dry_run=check)


def _patch_node(client: Client, step: Step, check: bool) -> None:
    """Taints are written with the node's version: kubelets write often, so a lost race is tried again."""
    for attempt in range(_CONFLICTS):
        try:
            client.patch(NODE, step.name, step.change.body, dry_run=check)
            return
        except Conflict:
            if attempt == _CONFLICTS - 1 or step.again is None:
                raise
        step.change = step.again(client.get(NODE, step.name))
        if step.change.action == "unchanged":
            return


def _result(
    steps: Sequence[Step], found: Found, params: Values, warnings: Sequence[str], *, check: bool, diff: bool
) -> Object:
    counted: dict[str, int] = {}
    for step in steps:
        action = "failed" if step.error else step.change.action
        counted[action] = counted.get(action, 0) + 1
    result: Object = {
        "changed": any(step.written for step in steps),
        "counts": counted,
        "objects": [
            {"object": step.where, "action": step.change.action} for step in steps if step.change.action != "unchanged"
        ],
        "reserve": _reserve(found, params),
    }
    warnings = [*warnings, *_not_held(result["reserve"])]
    if warnings:
        result["warnings"] = warnings
    if diff:
        result["diff"] = [_diff(step) for step in steps if step.written]
    errors = [step.error for step in steps if step.error is not None]
    if errors:
        result["failure"] = errors[0] if len(steps) == 1 else ManyFailed(errors, len(steps))
    return result


def _reserve(found: Found, params: Values) -> Object | None:
    """How much of what each node keeps free, and how many placeholders hold it now."""
    if params["state"] != "present" or not params.get("reserve"):
        return None
    hosts = manifests.machine_nodes(found.nodes)
    kept = manifests.share(hosts, params["reserve"]["resources"])
    status = (found.owned.get(("Deployment", str(params["namespace"]), manifests.RESERVE)) or {}).get("status") or {}
    return {
        "cpu": kept["cpu"] / 1000 if "cpu" in kept else None,
        "memory": kept.get("memory"),
        "wanted": len(hosts) * int(params["reserve"]["pieces"]),
        "held": int(status.get("readyReplicas") or 0),
    }


def _not_held(reserve: Object | None) -> Iterator[str]:
    """A warning where placeholders were there before and lack room."""
    if reserve and 0 < reserve["held"] < reserve["wanted"]:
        yield (
            f"reserve: {reserve['held']} of {reserve['wanted']} placeholders have their room; the loss of a node may not be borne."
            " Machines have taken it, or a node is gone"
        )


def _diff(step: Step) -> Object:
    before, after = step.change.before, step.change.after
    if step.resource is not NODE:
        before, after = (changes.shown(item) if item else {} for item in (before, after))
    return {"before_header": step.where, "after_header": step.where, "before": before, "after": after}
