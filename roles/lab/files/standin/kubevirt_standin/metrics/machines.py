"""What virt-controller serves of VMs, VMIs and migrations; pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ..conditions import has, phase, pod_done
from ..controllers.launcher_pod import OVERHEAD, guest_memory, vcpus
from ..operator.status import outdated
from ..quantity import parse, to_bytes
from ..resources import Object
from . import Labels

GROUPS = {
    "Running": "running",
    "Starting": "starting",
    "Provisioning": "starting",
    "WaitingForVolumeBinding": "starting",
    "Migrating": "migrating",
    "Stopped": "non_running",
    "Stopping": "non_running",
    "Paused": "non_running",
    "Terminating": "non_running",
}
STATUS_GROUPS = ("error", "migrating", "non_running", "running", "starting")
BINDINGS = ("bridge", "masquerade", "sriov", "macvtap", "passt", "passtBinding")


@dataclass
class Machines:
    """Collects the samples of all machines; `image` is that of the launchers of this version."""

    image: str
    pods_of: Callable[[Object], list[Object]]
    found: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)

    def add(self, name: str, labels: Labels, value: float = 1.0) -> None:
        self.found.setdefault(f"kubevirt_{name}", []).append((labels, value))

    def vm(self, vm: Object) -> None:
        """The series of one VM."""
        named = _named(vm)
        template, status = vm["spec"]["template"], vm.get("status") or {}
        self.add("vm_create_date_timestamp_seconds", named, _seconds(vm["metadata"]["creationTimestamp"]))
        shown = str(status.get("printableStatus") or "")
        group = GROUPS.get(shown, "error") if shown else ""
        info = _described(template.get("metadata") or {}) | {
            "instance_type": _matched(vm, "instancetype"),
            "preference": _matched(vm, "preference"),
            "machine_type": str((template["spec"]["domain"].get("machine") or {}).get("type") or ""),
            "status": shown.lower(),
            "status_group": group,
        }
        self.add("vm_info", named | info)
        labels = vm["metadata"].get("labels") or {}
        if labels:
            self.add("vm_labels", named | {f"label_{sanitized(name)}": value for name, value in labels.items()})
        moved = [item.get("lastTransitionTime") for item in status.get("conditions") or []]
        since = max((_seconds(stamp) for stamp in moved if stamp), default=0.0)
        for name in STATUS_GROUPS:
            value = since if name == group else 0.0
            self.add(f"vm_{name}_status_last_transition_timestamp_seconds", named, value)
        self._requests(named, template["spec"])
        self._interfaces("vm", named, template["spec"])

    def _requests(self, named: Labels, spec: Object) -> None:
        domain = spec["domain"]
        cpu, wanted = domain.get("cpu"), domain.get("resources") or {}
        if cpu:
            self._request(named, "cpu", "domain", vcpus(spec))
        self._request(named, "cpu", "guest_effective", vcpus(spec))
        for source in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                if resource in (wanted.get(source) or {}):
                    self._request(named, resource, source, float(parse(wanted[source][resource])))
        guest = (domain.get("memory") or {}).get("guest")
        if guest is not None:
            self._request(named, "memory", "guest", to_bytes(guest))
        if guest_memory(spec):
            self._request(named, "memory", "guest_effective", guest_memory(spec))

    def _request(self, named: Labels, resource: str, source: str, value: float) -> None:
        unit = "cores" if resource == "cpu" else "bytes"
        self.add("vm_resource_requests", named | {"resource": resource, "source": source, "unit": unit}, value)

    def _interfaces(self, kind: str, named: Labels, spec: Object) -> None:
        networks = {network["name"]: network for network in spec.get("networks") or []}
        for item in (spec["domain"].get("devices") or {}).get("interfaces") or []:
            plugin = (item.get("binding") or {}).get("name")
            binding = plugin or next((name for name in BINDINGS if item.get(name) is not None), "")
            network = networks.get(item["name"]) or {}
            multus = (network.get("multus") or {}).get("networkName")
            labels = {
                "binding_name": binding,
                "binding_type": "plugin" if plugin else "core",
                "model": item.get("model") or "<none>",
                "network": "pod networking" if "pod" in network else str(multus or ""),
                "vnic_name": item["name"],
            }
            self.add(f"{kind}_vnic_info", named | labels)

    def vmi(self, vmi: Object) -> None:
        """The series of one VMI."""
        named, status = _named(vmi), vmi.get("status") or {}
        node = str(status.get("nodeName") or "")
        annotations = vmi["metadata"].get("annotations") or {}
        movable = has(vmi, "LiveMigratable") or not _must_move(vmi)
        os = status.get("guestOSInfo") or {}
        info = _described(vmi["metadata"]) | {
            "evictable": str(movable).lower(),
            "guest_os_arch": str(os.get("machine") or ""),
            "guest_os_kernel_release": str(os.get("kernelRelease") or ""),
            "guest_os_machine": str((status.get("machine") or {}).get("type") or ""),
            "guest_os_name": str(os.get("name") or ""),
            "guest_os_version_id": str(os.get("versionId") or ""),
            "instance_type": _annotated(annotations, "instancetype"),
            "preference": _annotated(annotations, "preference"),
            "node": node,
            "outdated": str(bool(outdated([vmi], self.image))).lower(),
            "phase": phase(vmi).lower(),
            "vmi_pod": self._pod(vmi, node),
        }
        self.add("vmi_info", named | info)
        self.add("vmi_launcher_memory_overhead_bytes", named, OVERHEAD)
        self.add("vmi_non_evictable", named | {"node": node}, 0.0 if movable else 1.0)
        for item in status.get("interfaces") or []:
            for address in item.get("ipAddresses") or []:
                labels = {
                    "address": address,
                    "interface_name": str(item.get("interfaceName") or ""),
                    "node": node,
                    "type": "ExternalInterface",
                    "vnic_name": item.get("name", ""),
                }
                self.add("vmi_status_addresses", named | labels)
        self._interfaces("vmi", named, vmi["spec"])

    def _pod(self, vmi: Object, node: str) -> str:
        names = [
            str(pod["metadata"]["name"])
            for pod in self.pods_of(vmi)
            if node and pod["spec"].get("nodeName") == node and not pod_done(pod)
        ]
        return names[-1] if names else ""

    def migrations(self, migrations: list[Object]) -> None:
        """How many migrations are in the phases before the last."""
        phases = [phase(item) or "unset" for item in migrations]
        for name, of in (
            ("pending", ("Pending",)),
            ("scheduling", ("Scheduling",)),
            ("running", ("Scheduled", "PreparingTarget", "TargetReady", "Running")),
            ("unset", ("unset",)),
        ):
            self.add(f"vmi_migrations_in_{name}_phase", {}, sum(item in of for item in phases))


def sanitized(name: str) -> str:
    """A label's name as Prometheus allows it."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _named(obj: Object) -> Labels:
    return {"name": obj["metadata"]["name"], "namespace": obj["metadata"]["namespace"]}


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _described(meta: Object) -> Labels:
    annotations = meta.get("annotations") or {}
    return {name: str(annotations.get(f"vm.kubevirt.io/{name}") or "") for name in ("flavor", "os", "workload")}


def _matched(vm: Object, field_name: str) -> str:
    return str((vm["spec"].get(field_name) or {}).get("name") or "")


def _annotated(annotations: Object, what: str) -> str:
    names = (f"kubevirt.io/{what}-name", f"kubevirt.io/cluster-{what}-name")
    return next((str(annotations[name]) for name in names if name in annotations), "")


def _must_move(vmi: Object) -> bool:
    """Whether an eviction may not simply end the VMI; before it runs nobody knows whether it can move."""
    return vmi["spec"].get("evictionStrategy") == "LiveMigrate" and phase(vmi) == "Running"
