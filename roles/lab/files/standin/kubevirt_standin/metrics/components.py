"""The text of /metrics of each component."""

from __future__ import annotations

from .. import VERSION
from ..controllers.cluster import Cluster
from ..operator.status import outdated
from ..resources import Object
from . import Labels, render
from .catalogue import API, CONTROLLER, HANDLER, OPERATOR
from .guests import Guests
from .machines import Machines
from .queues import QUEUES

Found = dict[str, list[tuple[Labels, float]]]


def _flags(**values: bool) -> Found:
    return {f"kubevirt_{name}": [({}, float(value))] for name, value in values.items()}


async def api_text() -> str:
    """virt-api: it is ready while it answers."""
    return render((API,), _flags(virt_api_ready_status=True))


def controller_samples(cluster: Cluster, image: str, ready: bool, leading: bool) -> Found:
    """Only the replica that leads speaks of the machines: they are the same to all."""
    flags = _flags(virt_controller_ready_status=ready, virt_controller_leading_status=leading)
    if not leading:
        return flags
    machines = Machines(image, cluster.pods_of)
    for vm in cluster.vms.all():
        machines.vm(vm)
    for vmi in cluster.vmis.all():
        machines.vmi(vmi)
    machines.migrations(list(cluster.migrations.all()))
    machines.add("vmi_number_of_outdated", {}, len(outdated(cluster.vmis.all(), image)))
    return flags | machines.found


def controller_text(cluster: Cluster, image: str, ready: bool, leading: bool) -> str:
    """virt-controller."""
    return render((CONTROLLER,), controller_samples(cluster, image, ready, leading) | QUEUES.samples())


def handler_samples(guests: Guests, ready: bool) -> Found:
    info: Found = {"kubevirt_info": [({"goversion": "", "kubeversion": VERSION}, 1.0)]}
    return info | _flags(virt_handler_ready_status=ready) | guests.found


def handler_text(guests: Guests, ready: bool) -> str:
    """virt-handler."""
    return render((HANDLER,), handler_samples(guests, ready) | QUEUES.samples())


def operator_samples(kubevirts: list[Object], ready: bool, leading: bool) -> Found:
    found = _flags(virt_operator_ready_status=ready, virt_operator_leading_status=leading)
    for kubevirt in kubevirts:
        configuration = (kubevirt.get("spec") or {}).get("configuration") or {}
        emulated = bool((configuration.get("developerConfiguration") or {}).get("useEmulation"))
        found |= _flags(configuration_emulation_enabled=emulated)
    return found


def operator_text(kubevirts: list[Object], ready: bool, leading: bool) -> str:
    """virt-operator."""
    return render((OPERATOR,), operator_samples(kubevirts, ready, leading) | QUEUES.samples())
