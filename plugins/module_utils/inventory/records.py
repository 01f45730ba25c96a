# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what is kept of a machine, an instance and a Service; plain data, fit for a cache, and no secrets.

This is done object by object while the API server still sends: what one object says by itself is best worked out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    conditions,
    redaction,
    vm_state,
    vmi_state,
)

Object = dict[str, Any]

_PREFERENCES = ("kubevirt.io/cluster-preference-name", "kubevirt.io/preference-name")
_OS = "vm.kubevirt.io/os"
_BOOKKEEPING = frozenset(
    {
        "kubevirt.io/latest-observed-api-version",
        "kubevirt.io/storage-observed-api-version",
        "kubevirt.io/pci-topology-version",
        "kubevirt.io/vm-generation",
        redaction.LAST_APPLIED,
    }
)


def machine(vm: Object) -> Object:
    """A VirtualMachine: its status, labels and template's labels, what names its system, and its host variables."""
    meta, spec = vm["metadata"], vm.get("spec") or {}
    template, labels, name = (spec.get("template") or {}).get("metadata") or {}, meta.get("labels") or {}, meta["name"]
    return {
        "namespace": meta["namespace"],
        "name": name,
        "uid": meta.get("uid"),
        "labels": labels,
        "status": vm_state.status(vm).get("printableStatus"),
        "template_labels": template.get("labels") or {},
        "hint": _hint(template) or _hint(meta) or (spec.get("preference") or {}).get("name") or "",
        "variables": {
            "vm_uid": meta.get("uid"),
            "vm_run_strategy": vm_state.run_strategy(vm),
            "vm_ready": vm_state.is_ready(vm),
            "vm_restart_required": conditions.holds(vm, "RestartRequired"),
            "vm_reason": vm_state.describe(vm),
            "vm_labels": telling(labels, name),
            "vm_annotations": _annotations(meta, name),
        },
    }


def instance(vmi: Object) -> Object:
    """A VirtualMachineInstance: where it stands, what its connections need, and its host variables.

    guest: the guest's system by its agent in one word, "" without one; hint: the preference or the annotation that
    names a system; pod_network: the name of the pod network among its networks; ports: the named ports of its
    interfaces; host_name: the guest's, where it is not the instance's name.
    """
    meta, spec, status = vmi["metadata"], vmi.get("spec") or {}, vmi.get("status") or {}
    shown, labels = vmi_state.summary(vmi), meta.get("labels") or {}
    devices = (spec.get("domain") or {}).get("devices") or {}
    name, node = meta["name"], shown["node"]
    return {
        **{key: shown[key] for key in ("uid", "phase", "paused", "deleting", "node", "interfaces")},
        "namespace": meta["namespace"],
        "name": name,
        "labels": labels,
        "variables": {
            "vmi_uid": shown["uid"],
            "vmi_ready": shown["ready"],
            "vmi_migratable": shown["migratable"],
            "vmi_node_name": node,
            "vmi_addresses": {found["name"]: found["ips"] for found in shown["interfaces"] if found["name"]},
            "vmi_guest_os": shown["guest_os"],
            "vmi_labels": telling(labels, name, node),
            "vmi_annotations": _annotations(meta, name, node),
        },
        "guest": str((status.get("guestOSInfo") or {}).get("id") or ""),
        "hint": _hint(meta),
        "pod_network": next((str(net["name"]) for net in spec.get("networks") or [] if "pod" in net), ""),
        "ports": {
            str(port["name"]): int(port["port"])
            for interface in devices.get("interfaces") or []
            for port in interface.get("ports") or []
            if port.get("name") and port.get("port")
        },
        "host_name": spec.get("hostname") or "",
    }


def service(item: Object) -> Object | None:
    """A Service that selects pods, None for any other."""
    spec = item.get("spec") or {}
    if not spec.get("selector") or spec.get("type") == "ExternalName":
        return None
    ingress = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [found.get("hostname") or found.get("ip") for found in ingress]
    return {
        "namespace": item["metadata"]["namespace"],
        "name": item["metadata"]["name"],
        "type": spec.get("type") or "ClusterIP",
        "selector": dict(spec["selector"]),
        "cluster_ip": None if spec.get("clusterIP") in (None, "", "None") else spec["clusterIP"],
        "addresses": [str(address) for address in [*addresses, *(spec.get("externalIPs") or [])] if address],
        "ports": [_port(port) for port in spec.get("ports") or []],
    }


def os_name(vm: Mapping[str, Any] | None, vmi: Mapping[str, Any] | None) -> str | None:
    """The guest's system in one word, `windows` for any Windows: what the agent says, else a preference or annotation.

    A preference's name begins with the system (`rhel.9`, `windows.11.virtio`), as does `vm.kubevirt.io/os` (`rhel9`).
    """
    guest = (vmi or {}).get("guest") or ""
    name = str(guest or (vmi or {}).get("hint") or (vm or {}).get("hint") or "").lower()
    if name.startswith(("mswindows", "windows", "win2k")):
        return "windows"
    return (name if guest else name.split(".", maxsplit=1)[0].rstrip("0123456789-_")) or None


def telling(pairs: Mapping[str, str], *known: str | None) -> dict[str, str]:
    """Labels or annotations without those that repeat what is known, name or node, or are KubeVirt's bookkeeping."""
    return {
        key: value
        for key, value in pairs.items()
        if key not in _BOOKKEEPING and not (value in known and key.partition("/")[0].endswith("kubevirt.io"))
    }


def _annotations(meta: Mapping[str, Any], *known: str | None) -> dict[str, str]:
    found = meta.get("annotations")
    return telling(redaction.hide_secrets(found), *known) if found else {}


def _hint(meta: Mapping[str, Any]) -> str:
    annotations = meta.get("annotations")
    if not annotations:
        return ""
    return next((str(annotations[key]) for key in (*_PREFERENCES, _OS) if annotations.get(key)), "")


def _port(port: Mapping[str, Any]) -> Object:
    return {
        "name": port.get("name"),
        "port": port["port"],
        "target_port": port.get("targetPort", port["port"]),
        "node_port": port.get("nodePort"),
        "protocol": port.get("protocol") or "TCP",
    }
