# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what is wrong with the settings of role `kubevirt`, all at once, each with the option's name and what is allowed.

Settings are the role's variables without their prefix `kubevirt_`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import durations, quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import gates, openshift, resource

Settings = Mapping[str, Any]

# Names and the numbers that are allowed; the CR keeps replicas in a byte.
_NUMBERS = {
    "infra_replicas": (1, 255),
    "operator_replicas": (1, 255),
    "cdi_replicas": (1, 255),
    "migrations_per_cluster": (1, 2**32 - 1),
    "migrations_per_node": (1, 2**32 - 1),
    "migration_completion_timeout": (1, 2**31 - 1),
    "migration_progress_timeout": (1, 2**31 - 1),
    "workload_update_batch_size": (1, 2**31 - 1),
    "workload_update_timeout": (0, 2**31 - 1),
    "timeout": (1, 2**31 - 1),
}
_DURATIONS = (
    "certificate_ca_duration",
    "certificate_ca_renew_before",
    "certificate_server_duration",
    "certificate_server_renew_before",
    "workload_update_batch_interval",
)
_CHOICES = {
    "distribution": ("kubernetes", "openshift"),
    "infra_spread": ("required", "preferred"),
    "eviction_strategy": ("None", "LiveMigrate", "LiveMigrateIfPossible", "External"),
    "olm_approval": ("Automatic", "Manual"),
}
_METHODS = ("LiveMigrate", "Evict")
_PLACEMENT = ("nodeSelector", "affinity", "tolerations")
_AFFINITY = ("nodeAffinity", "podAffinity", "podAntiAffinity")
_TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_RESOURCES = ("requests", "limits")


def faults(settings: Settings, version: object, nodes: int | None = None) -> Iterator[str]:
    """A sentence a fault.

    version: KubeVirt's, for its feature gates; nodes: how many nodes the components may run on, None where it is not known.
    """
    for name, allowed in _CHOICES.items():
        if str(settings[name]) not in allowed:
            yield f"kubevirt_{name}: {settings[name]} is unknown; allowed are {', '.join(allowed)}"
    yield from _of_numbers(settings)
    yield from _of_replicas(settings, nodes)
    yield from _of_migrations(settings)
    yield from _of_workload_updates(settings)
    yield from _of_durations(settings)
    for name in ("infra_node_placement", "workloads_node_placement"):
        yield from placement_faults(f"kubevirt_{name}", settings[name])
    yield from _of_resources(settings["component_resources"])
    if settings["distribution"] == "openshift":
        yield from openshift.faults(settings)
    for name in ("cr_overrides", "hyperconverged_overrides"):
        if not isinstance(settings[name], Mapping):
            yield f"kubevirt_{name}: {settings[name]!r} must be a map, {{}} for none"
    yield from _of_gates(settings, version)


def number(value: Any) -> int | None:
    """A whole number, also as text as `-e` gives it; None where it is none."""
    text = str(value).strip()
    return int(text) if not isinstance(value, bool) and re.fullmatch("-?[0-9]{1,20}", text) else None


def _of_numbers(settings: Settings) -> Iterator[str]:
    for name, (least, most) in _NUMBERS.items():
        found = number(settings[name])
        if found is None or not least <= found <= most:
            upper = f" to {most}" if most < 2**16 else ""
            yield f"kubevirt_{name}: {settings[name]!r} must be a whole number from {least}{upper}"


def _of_replicas(settings: Settings, nodes: int | None) -> Iterator[str]:
    """What the KubeVirt object will ask for, also where the overrides say it, must fit on the nodes."""
    own, overrides = settings["infra_replicas"], settings["cr_overrides"]
    asked = {"spec": {"infra": {"replicas": own}}}
    whole = resource.combine(asked, overrides, append=True) if isinstance(overrides, Mapping) else asked
    infra = _below(whole, "spec", "infra", "replicas")  # None leaves it to KubeVirt
    option = "kubevirt_infra_replicas" if infra == own else "kubevirt_cr_overrides: spec.infra.replicas"
    least, most = _NUMBERS["infra_replicas"]
    found = number(infra)
    if infra not in (own, None) and (found is None or not least <= found <= most):
        yield f"{option}: {infra!r} must be a whole number from {least} to {most}"
    if nodes is None:
        return
    for name, value in ((option, infra), ("kubevirt_operator_replicas", settings["operator_replicas"])):
        wanted = number(value)
        if wanted is not None and wanted > nodes:
            yield (
                f"{name}: {wanted} replicas cannot run on as many nodes, KubeVirt's components may run on {nodes};"
                f" allowed are 1 to {nodes}, or let kubevirt_infra_node_placement name more nodes"
            )


def _below(value: Any, *keys: str) -> Any:
    """What lies below nested maps, None where one is missing or no map."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _of_migrations(settings: Settings) -> Iterator[str]:
    cluster, node = number(settings["migrations_per_cluster"]), number(settings["migrations_per_node"])
    if cluster is not None and node is not None and 1 <= cluster < node:
        yield (
            f"kubevirt_migrations_per_node: {node} is above kubevirt_migrations_per_cluster, {cluster};"
            f" allowed are 1 to {cluster}"
        )
    bandwidth = settings["migration_bandwidth"]
    wrong = quantity.fault(bandwidth) if bandwidth not in ("", None) else None
    if wrong:
        yield f"kubevirt_migration_bandwidth: {wrong}; leave it empty for no limit"
    for name in ("migration_auto_converge", "migration_post_copy"):
        if _truth(settings[name]) is None:
            yield f"kubevirt_{name}: {settings[name]!r} must be true or false"


def _truth(value: Any) -> bool | None:
    known = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    return known.get(str(value).strip().lower())


def _of_workload_updates(settings: Settings) -> Iterator[str]:
    methods = settings["workload_update_methods"]
    if not isinstance(methods, list):
        yield f"kubevirt_workload_update_methods: {methods!r} must be a list of {', '.join(_METHODS)}"
        return
    for method in methods:
        if method not in _METHODS:
            yield f"kubevirt_workload_update_methods: {method} is unknown; allowed are {', '.join(_METHODS)}, or [] for none"


def _of_durations(settings: Settings) -> Iterator[str]:
    found: dict[str, Fraction] = {}
    for name in _DURATIONS:
        try:
            seconds = durations.parse(settings[name])
        except ValueError as error:
            yield f"kubevirt_{name}: {error}"
            continue
        if seconds <= 0:
            yield f"kubevirt_{name}: {settings[name]} must be longer than nothing, such as 24h"
            continue
        if seconds.denominator != 1:
            yield f"kubevirt_{name}: {settings[name]} must be whole seconds"
            continue
        found[name] = seconds
    for kind in ("ca", "server"):
        whole, before = found.get(f"certificate_{kind}_duration"), found.get(f"certificate_{kind}_renew_before")
        if whole and before and before >= whole:
            yield (
                f"kubevirt_certificate_{kind}_renew_before: {settings[f'certificate_{kind}_renew_before']} must be shorter than"
                f" kubevirt_certificate_{kind}_duration, {settings[f'certificate_{kind}_duration']}"
            )
    authority, server = found.get("certificate_ca_duration"), found.get("certificate_server_duration")
    if authority and server and server > authority:
        yield (
            f"kubevirt_certificate_server_duration: {settings['certificate_server_duration']} must not be longer than"
            f" kubevirt_certificate_ca_duration, {settings['certificate_ca_duration']}: a certificate ends with its CA"
        )


def placement_faults(option: str, value: Any) -> Iterator[str]:
    """What is wrong with a node placement as KubeVirt has it."""
    if not isinstance(value, Mapping):
        yield f"{option}: must be a map of {', '.join(_PLACEMENT)}"
        return
    yield from _strangers(option, value, _PLACEMENT)
    selector, affinity, tolerations = (value.get(key) for key in _PLACEMENT)
    if selector is not None and not _texts(selector):
        yield f"{option}.nodeSelector: must be a map of labels and their values, both text"
    if affinity is not None:
        if not isinstance(affinity, Mapping):
            yield f"{option}.affinity: must be a map of {', '.join(_AFFINITY)}"
        else:
            yield from _strangers(f"{option}.affinity", affinity, _AFFINITY)
            yield from (
                f"{option}.affinity.{key}: must be a map"
                for key in _AFFINITY
                if not isinstance(affinity.get(key, {}), Mapping)
            )
    if tolerations is not None and not isinstance(tolerations, list):
        yield f"{option}.tolerations: must be a list of {{key, operator, value, effect}}"
        return
    for index, toleration in enumerate(tolerations or []):
        yield from _of_toleration(f"{option}.tolerations[{index}]", toleration)


def _of_toleration(place: str, toleration: Any) -> Iterator[str]:
    if not isinstance(toleration, Mapping):
        yield f"{place}: must be a map of {', '.join(_TOLERATION)}"
        return
    yield from _strangers(place, toleration, _TOLERATION)
    if toleration.get("operator", "Equal") not in ("Exists", "Equal"):
        yield f"{place}.operator: {toleration['operator']} is unknown; allowed are Exists, Equal"
    if toleration.get("effect") not in (None, "", *_EFFECTS):
        yield f"{place}.effect: {toleration['effect']} is unknown; allowed are {', '.join(_EFFECTS)}"


def _strangers(place: str, value: Mapping[str, Any], allowed: Sequence[str]) -> Iterator[str]:
    for key in value:
        if key not in allowed:
            near = gates.nearest(str(key), allowed)
            yield f"{place}: {key} is unknown; " + (
                f"did you mean {near}?" if near else f"allowed are {', '.join(allowed)}"
            )


def _texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for each in (*value, *value.values()))


def _of_resources(value: Any) -> Iterator[str]:
    option = "kubevirt_component_resources"
    known = tuple(resource.CONTAINERS)
    if not isinstance(value, Mapping):
        yield f"{option}: must be a map of components, each {{requests, limits}}"
        return
    yield from _strangers(option, value, known)
    for component, both in value.items():
        place = f"{option}.{component}"
        if not isinstance(both, Mapping) or not all(isinstance(each, Mapping) for each in both.values()):
            yield f"{place}: must be {{requests: {{cpu, memory}}, limits: {{cpu, memory}}}}"
            continue
        yield from _strangers(place, both, _RESOURCES)
        for kind, amounts in both.items():
            for name, amount in amounts.items():
                wrong = quantity.fault(amount)
                if wrong:
                    yield f"{place}.{kind}.{name}: {wrong}"
        for name, least in both.get("requests", {}).items():
            most = both.get("limits", {}).get(name)
            sound = most is not None and not quantity.fault(least) and not quantity.fault(most)
            if sound and quantity.parse(least) > quantity.parse(most):
                yield f"{place}.requests.{name}: {least} is above its limit, {most}"


def _of_gates(settings: Settings, version: object) -> Iterator[str]:
    names = ("kubevirt_feature_gates", "kubevirt_disabled_feature_gates")
    if settings["distribution"] == "openshift":
        yield from openshift.gate_faults(settings["feature_gates"], settings["disabled_feature_gates"], names)
        return
    yield from gates.faults(settings["feature_gates"], settings["disabled_feature_gates"], version, names)
    developer = _below(settings["cr_overrides"], "spec", "configuration", "developerConfiguration")
    if isinstance(developer, Mapping):
        places = tuple(f"kubevirt_cr_overrides: {key}" for key in ("featureGates", "disabledFeatureGates"))
        both = [developer.get(key) or [] for key in ("featureGates", "disabledFeatureGates")]
        yield from gates.faults(both[0], both[1], version, (places[0], places[1]))
