# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of `kubevirt_info`, and its result from what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, platform_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import (
    capacity,
    checks,
    components,
    details,
    findings,
    leaders,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.gather import gather
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.migration import configuration
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.registry import RULES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.sources import Scope
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault

Params = Mapping[str, Any]
NEVER = "never"
_POSITIVE = ("certificate_days", "heartbeat_seconds", "lease_factor")
_NOT_NEGATIVE = ("etcd_members", "max_objects")


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    limits = Settings()
    backup = {"path": {"type": "path"}, "max_age_hours": {"type": "float", "default": limits.backup_hours}}
    own = argspec.ArgumentSpec(
        {
            "namespaces": {"type": "list", "elements": "str", "default": [], "aliases": ["namespace"]},
            "kubevirt_namespace": {"type": "str"},
            "api_endpoint": {"type": "str"},
            "etcd_members": {"type": "int", "default": limits.etcd_members},
            "etcd_backup": {"type": "dict", "options": backup, "apply_defaults": True},
            "state_dir": {"type": "path"},
            "failure_domain_label": {"type": "str", "default": limits.domain_label},
            "certificate_days": {"type": "float", "default": limits.certificate_days},
            "heartbeat_seconds": {"type": "float", "default": limits.heartbeat_seconds},
            "lease_factor": {"type": "float", "default": limits.lease_factor},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "fail_on": {"type": "str", "choices": ["critical", "warning", NEVER], "default": NEVER},
            "max_objects": {"type": "int", "default": 100},
            "details": {"type": "bool", "default": False},
        }
    )
    return own.merge(argspec.connection(), argspec.bulk())


def faults(params: Params) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    names = [("kubevirt_namespace", params.get("kubevirt_namespace"))]
    names += [("namespaces", name) for name in params.get("namespaces") or []]
    for key, name in names:
        wrong = name_fault(name)
        if wrong:
            yield f"{key}: {wrong}"
    unknown = sorted(set(params.get("ignore") or []) - RULES.keys())
    if unknown:
        yield f"ignore: no finding is called {', '.join(unknown)}; there are {', '.join(sorted(RULES))}"
    hours = ("etcd_backup.max_age_hours", (params.get("etcd_backup") or {}).get("max_age_hours"))
    for key, value in [*((key, params.get(key)) for key in _POSITIVE), hours]:
        if isinstance(value, (int, float)) and value <= 0:
            yield f"{key}: {value:g} must be more than 0"
    for key in _NOT_NEGATIVE:
        if isinstance(params.get(key), int) and params[key] < 0:
            yield f"{key}: {params[key]} must be 0 or more"


def run_module(module: Module) -> None:
    """Carries out `kubevirt_info`."""
    params = module.params

    def work(client: Client) -> Mapping[str, Any]:
        cluster = gather(client, module.connection or resolve(params), scope_of(params))
        return result(View(cluster, settings_of(params)), params)

    run(module, work)


def scope_of(params: Params) -> Scope:
    return Scope(
        namespaces=tuple(params["namespaces"]),
        kubevirt_namespace=params["kubevirt_namespace"] or "",
        endpoint=params["api_endpoint"] or "",
        backup_path=params["etcd_backup"]["path"] or "",
        state_dir=params["state_dir"] or "",
        workers=params["workers"],
        details=params["details"],
    )


def settings_of(params: Params) -> Settings:
    return Settings(
        certificate_days=params["certificate_days"],
        heartbeat_seconds=params["heartbeat_seconds"],
        lease_factor=params["lease_factor"],
        domain_label=params["failure_domain_label"],
        etcd_members=params["etcd_members"],
        backup_hours=params["etcd_backup"]["max_age_hours"],
        state_dir=params["state_dir"] or "",
    )


def result(view: View, params: Params) -> dict[str, Any]:
    """The module's result; with `failure` where the gate is closed."""
    losses = checks.losses(view)
    found = [*checks.run(view), *capacity.findings(view, losses)]
    ignored = set(params["ignore"])
    entries = findings.entries(found, ignore=ignored, most=params["max_objects"])
    shown: dict[str, Any] = {
        "changed": False,
        "ha": not any(entry["severity"] == "critical" for entry in entries),
        "findings": entries,
        "ignored": sorted({finding.id for finding in found} & ignored),
        "summary": findings.summary(entries),
        "components": components.overview(view),
        "leaders": leaders.overview(view),
        "capacity": capacity.overview(view, losses, params["max_objects"]) if checks.can_pack(view) else None,
        "kubevirt": kubevirt(view),
        "versions": versions(view),
    }
    if params["details"]:
        shown["details"] = details.overview(view, found)
    failure = findings.gate(entries, params["fail_on"])
    return {**shown, "failure": failure} if failure else shown


def kubevirt(view: View) -> dict[str, Any]:
    """What KubeVirt is: where it comes from, and which feature gates are set."""
    developer = configuration(view).get("developerConfiguration") or {}
    return {
        "namespace": view.cluster.namespace,
        "source": platform_state.source_of(view.cluster.deployments),
        "feature_gates": sorted(developer.get("featureGates") or []),
        "disabled_feature_gates": sorted(developer.get("disabledFeatureGates") or []),
        "eviction_strategy": configuration(view).get("evictionStrategy"),
    }


def versions(view: View) -> dict[str, str | None]:
    """Versions by what they are of; None where that could not be read."""
    unread = view.cluster.unread
    found = platform_state.versions(view.cluster.kubevirt, [node.info for node in view.cluster.nodes])
    return {
        "api_server": view.cluster.server_version,
        "kubelet": found["kubernetes"],
        "container_runtime": found["container runtime"],
        "kernel": found["kernel"],
        "kubevirt": None if "kubevirts" in unread else found["kubevirt"],
        "cdi": None if "cdis" in unread else ", ".join(sorted(_observed(view.cluster.cdis))),
    }


def _observed(cdis: Iterable[Mapping[str, Any]]) -> set[str]:
    """The versions that CDI objects say they run, none before they do."""
    return {str(version) for cdi in cdis if (version := (cdi.get("status") or {}).get("observedVersion"))}
