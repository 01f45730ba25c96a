"""What virt-handler serves of the guests on its node."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..controllers.launcher_pod import guest_memory
from ..resources import Object
from . import Labels
from .machines import sanitized

NETWORK = {
    "receive_bytes_total": "rx_bytes",
    "receive_errors_total": "rx_errors",
    "receive_packets_dropped_total": "rx_dropped",
    "receive_packets_total": "rx_packets",
    "transmit_bytes_total": "tx_bytes",
    "transmit_errors_total": "tx_errors",
    "transmit_packets_dropped_total": "tx_dropped",
    "transmit_packets_total": "tx_packets",
}


@dataclass(frozen=True)
class Usage:
    """What a guest has used; None and empty where nobody measures it, as with a guest that is simulated."""

    user: float | None = None
    system: float | None = None
    resident: int | None = None
    balloon: int | None = None
    affinity: int | None = None
    vcpus: list[dict[str, float]] = field(default_factory=list)
    network: dict[str, int] = field(default_factory=dict)


class Guests:
    """Collects the samples of the guests of one node."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[Labels, float]]] = {}

    def add(self, name: str, labels: Labels, value: float | None) -> None:
        if value is not None:
            self.found.setdefault(f"kubevirt_{name}", []).append((labels, value))

    def guest(self, vmi: Object, usage: Usage, running: bool) -> None:
        """The series of one guest."""
        meta = vmi["metadata"]
        labels = {f"kubernetes_vmi_label_{sanitized(key)}": text for key, text in (meta.get("labels") or {}).items()}
        labels |= {"name": meta["name"], "namespace": meta["namespace"]}
        labels["node"] = str((vmi.get("status") or {}).get("nodeName") or "")
        if usage.user is not None and usage.system is not None:
            self.add("vmi_cpu_usage_seconds_total", labels, usage.user + usage.system)
        self.add("vmi_cpu_user_usage_seconds_total", labels, usage.user)
        self.add("vmi_cpu_system_usage_seconds_total", labels, usage.system)
        self.add("vmi_memory_domain_bytes", labels, guest_memory(vmi["spec"]))
        self.add("vmi_memory_resident_bytes", labels, usage.resident)
        self.add("vmi_memory_actual_balloon_bytes", labels, usage.balloon)
        self.add("vmi_node_cpu_affinity", labels, usage.affinity)
        for number, vcpu in enumerate(usage.vcpus):
            own = labels | {"id": str(number)}
            state = {"state": "running" if running else "offline"}
            self.add("vmi_vcpu_seconds_total", own | state, vcpu["seconds"])
            self.add("vmi_vcpu_wait_seconds_total", own, vcpu["wait"])
            self.add("vmi_vcpu_delay_seconds_total", own, vcpu["delay"])
        self._network(labels, vmi, usage.network)

    def _network(self, labels: Labels, vmi: Object, counters: dict[str, int]) -> None:
        """The counters of the pod's interface, under the name of the VMI's interface on the pod network."""
        on_pod = [item["name"] for item in vmi["spec"].get("networks") or [] if "pod" in item]
        if not on_pod or not counters:
            return
        own = labels | {"interface": on_pod[0]}
        for name, counter in NETWORK.items():
            self.add(f"vmi_network_{name}", own, counters.get(counter))
        for direction in ("rx", "tx"):
            self.add("vmi_network_traffic_bytes_total", own | {"type": direction}, counters.get(f"{direction}_bytes"))

    def machine_types(self, node: str, deprecated: Iterable[str]) -> None:
        for name in deprecated:
            self.add("node_deprecated_machine_types", {"machine_type": name, "node": node}, 1.0)


async def deprecated_machine_types() -> list[str]:
    """The machine types that QEMU itself calls deprecated; none where there is no QEMU."""
    program = shutil.which("qemu-system-x86_64")
    if program is None:
        return []
    process = await asyncio.create_subprocess_exec(
        program, "-machine", "help", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    output, _errors = await process.communicate()
    return [line.split()[0] for line in output.decode(errors="replace").splitlines() if "(deprecated)" in line]
