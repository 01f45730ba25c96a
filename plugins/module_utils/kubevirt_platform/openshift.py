# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the same settings on OpenShift, where the HyperConverged operator, brought by OLM, lays KubeVirt and CDI out.

Fields and gates are those of hco.kubevirt.io/v1beta1 as the operator's versions 1.17, 1.18 and its main branch of August 2026 serve it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import gates, resource

Object = dict[str, Any]
Settings = Mapping[str, Any]

NAME = "kubevirt-hyperconverged"
API_VERSION = "hco.kubevirt.io/v1beta1"
# What the operator still heeds of spec.featureGates.
GATES = (
    "alignCPUs",
    "containerPathVolumes",
    "decentralizedLiveMigration",
    "declarativeHotplugVolumes",
    "deployKubeSecondaryDNS",
    "disableMDevConfiguration",
    "downwardMetrics",
    "enableMultiArchBootImageImport",
    "incrementalBackup",
    "objectGraph",
    "persistentReservation",
    "videoConfig",
)
# What it has and no longer heeds.
IGNORED = (
    "autoResourceLimits",
    "deployKubevirtIpamController",
    "deployTektonTaskResources",
    "deployVmConsoleProxy",
    "enableApplicationAwareQuota",
    "enableCommonBootImageImport",
    "enableManagedTenantQuota",
    "nonRoot",
    "primaryUserDefinedNetworkBinding",
    "withHostPassthroughCPU",
)
# Settings that the operator decides by itself, and must be left as they are.
UNUSED = ("component_resources", "cr_overrides")
# What must hold before KubeVirt can be used: condition and status.
CONDITIONS = {"ReconcileComplete": "True", "Available": "True", "Progressing": "False", "Degraded": "False"}


def faults(settings: Settings) -> Iterator[str]:
    """What cannot be asked of the HyperConverged operator, beside the faults that all distributions share."""
    for name in UNUSED:
        if settings[name]:
            yield (
                f"kubevirt_{name}: the HyperConverged operator does not let it be set; leave it empty with"
                " kubevirt_distribution openshift, and say what it has in kubevirt_hyperconverged_overrides"
            )
    for name in ("olm_namespace", "olm_package", "olm_channel", "olm_source", "olm_source_namespace"):
        if not str(settings[name] or "").strip():
            yield f"kubevirt_{name}: is empty; give what `oc get packagemanifests` lists"


def gate_faults(enabled: Any, disabled: Any, options: tuple[str, str]) -> Iterator[str]:
    """What is wrong with the lists of gates; names are told apart without regard to upper and lower case, as the operator does."""
    known = {name.lower(): name for name in GATES}
    ignored = {name.lower() for name in IGNORED}
    for option, given in zip(options, (enabled, disabled)):
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            yield f"{option}: {given!r} must be a list of names of feature gates"
            return
        for name in given:
            if name.lower() in ignored:
                yield f"{option}: {name} is ignored by the HyperConverged operator; take it out"
            elif name.lower() not in known:
                near = gates.nearest(name, GATES)
                hint = f"did you mean {near}?" if near else f"allowed are {', '.join(GATES)}"
                yield f"{option}: {name} is no feature gate of the HyperConverged operator; {hint}"
    for name in sorted({each.lower() for each in enabled} & {each.lower() for each in disabled}):
        yield f"{options[0]} and {options[1]}: {known.get(name, name)} is in both; take it out of one"


def subscription(settings: Settings) -> list[Object]:
    """Namespace, OperatorGroup and Subscription that let OLM bring the operator."""
    namespace = str(settings["olm_namespace"])
    spec: Object = {
        "name": str(settings["olm_package"]),
        "channel": str(settings["olm_channel"]),
        "source": str(settings["olm_source"]),
        "sourceNamespace": str(settings["olm_source_namespace"]),
        "installPlanApproval": str(settings["olm_approval"]),
    }
    if settings["olm_starting_csv"]:
        spec["startingCSV"] = str(settings["olm_starting_csv"])
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "operators.coreos.com/v1",
            "kind": "OperatorGroup",
            "metadata": {"name": f"{NAME}-group", "namespace": namespace},
            "spec": {"targetNamespaces": [namespace]},
        },
        {
            "apiVersion": "operators.coreos.com/v1alpha1",
            "kind": "Subscription",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": spec,
        },
    ]


def hyperconverged(settings: Settings) -> Object:
    """The HyperConverged object: the settings in the operator's words, then the overrides, whose lists are appended."""
    limits = {key: value for key, value in resource.migrations(settings).items() if value is not None}
    spec: Object = {
        "infra": _placement(settings["infra_node_placement"]),
        "workloads": _placement(settings["workloads_node_placement"]),
        "evictionStrategy": str(settings["eviction_strategy"]),
        "liveMigrationConfig": limits,
        "workloadUpdateStrategy": resource.workload_updates(settings),
        "certConfig": resource.certificates(settings),
    }
    chosen = {**_gates(settings["feature_gates"], True), **_gates(settings["disabled_feature_gates"], False)}
    if chosen:
        spec["featureGates"] = chosen
    body = {
        "apiVersion": API_VERSION,
        "kind": "HyperConverged",
        "metadata": {"name": NAME, "namespace": str(settings["olm_namespace"])},
        "spec": spec,
    }
    return dict(resource.combine(body, settings["hyperconverged_overrides"], append=True))


def waiting_for(hyperconverged_object: Mapping[str, Any]) -> list[str]:
    """The conditions that do not hold yet, each with what it says."""
    status = hyperconverged_object.get("status") or {}
    found = {each["type"]: each for each in status.get("conditions") or []}
    missing = []
    for kind, wanted in CONDITIONS.items():
        condition = found.get(kind) or {}
        if condition.get("status") != wanted:
            said = ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
            missing.append(
                f"{kind} is {condition.get('status') or 'not told'}, not {wanted}" + (f" ({said})" if said else "")
            )
    return missing


def dropped(asked: Any, found: Any, path: str = "spec") -> Iterator[str]:
    """The fields of `asked` that `found` has not: the server drops without a word what the operator's version does not know."""
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        for key, value in asked.items():
            if key in found:
                yield from dropped(value, found[key], f"{path}.{key}")
            elif value is not None:
                yield f"{path}.{key}"
    elif isinstance(asked, list) and isinstance(found, list):
        for index, (one, other) in enumerate(zip(asked, found)):
            yield from dropped(one, other, f"{path}[{index}]")


def _placement(given: Mapping[str, Any]) -> Object:
    return {"nodePlacement": dict(given)} if given else {}


def _gates(given: list[str], state: bool) -> dict[str, bool]:
    known = {name.lower(): name for name in GATES}
    return {known[name.lower()]: state for name in given}
