"""ControllerRevisions: the template a VM was started with, and whether it has changed since."""

from __future__ import annotations

import copy

from ..kube import ApiError
from ..resources import REVISION, VM, Object, owner_reference
from . import hotplug
from .cluster import Cluster

LIVE_TEMPLATE_FIELDS = ("nodeSelector", "affinity", "tolerations")
_cache: dict[str, Object] = {}


def start_name(vm: Object) -> str:
    """The name of the revision that a start of the VM as it is now makes."""
    return f"revision-start-vm-{vm['metadata']['uid']}-{vm['metadata']['generation']}"


async def ensure_start(cluster: Cluster, vm: Object) -> str:
    """Keep the spec that the VM is started with; the revision's name."""
    name = start_name(vm)
    body = {
        "metadata": {
            "name": name,
            "namespace": vm["metadata"]["namespace"],
            "ownerReferences": [owner_reference(vm)],
        },
        "data": {"spec": vm["spec"]},
        "revision": vm["metadata"]["generation"],
    }
    try:
        await cluster.kube.create(REVISION, body)
    except ApiError as error:
        if error.status != 409:
            raise
    _cache[name] = vm["spec"]
    return name


async def _started_with(cluster: Cluster, vm: Object, vmi: Object) -> Object | None:
    name = (vmi.get("status") or {}).get("virtualMachineRevisionName")
    if not name:
        return None
    if name not in _cache:
        found = await cluster.kube.find(REVISION, vm["metadata"]["namespace"], name)
        if found is None:
            return None
        if len(_cache) > 1000:
            _cache.clear()
        _cache[name] = (found.get("data") or {}).get("spec") or {}
    return _cache[name]


async def needs_restart(cluster: Cluster, vm: Object, vmi: Object) -> str:
    """Why the running VMI lacks something of the template that does not go live; empty when it lacks nothing."""
    if vmi["metadata"].get("deletionTimestamp") and not _marked(vm):
        return ""
    began = await _started_with(cluster, vm, vmi)
    if began is None:
        return ""
    if _loses_sockets(vm, vmi):
        return "Reduction of CPU socket count requires a restart"
    return difference(_plugged(began), _plugged(vm["spec"])) if cluster.hotplugs else difference(began, vm["spec"])


def _plugged(spec: Object) -> Object:
    """The spec without what can be plugged while the guest runs."""
    template = spec["template"]
    rest = hotplug.without(template["spec"], set(hotplug.hotplugged(template["spec"])))
    return spec | {"template": template | {"spec": rest}}


def _loses_sockets(vm: Object, vmi: Object) -> bool:
    """A template with a CPU and no topology counts as one with no sockets, where its VMI has got some."""
    if vm["spec"].get("instancetype"):
        return False
    cpu = (vm["spec"]["template"]["spec"].get("domain") or {}).get("cpu")
    given = (vmi["spec"].get("domain") or {}).get("cpu") or {}
    return cpu is not None and int(cpu.get("sockets") or 0) < int(given.get("sockets") or 0)


def difference(began: Object, spec: Object) -> str:
    """The words of the RestartRequired condition for what changed since the start."""
    before, after = _fixed(began), _fixed(spec)
    if before == after:
        return ""
    if _without(before, "sockets") == _without(after, "sockets"):
        return "CPU sockets updated in template spec to a value higher than what's available"
    if _without(before, "memory") == _without(after, "memory"):
        return "memory updated in template spec. Memory-hotplug is not available for this VM configuration"
    return "a non-live-updatable field was changed in the template spec"


def _without(fixed: Object, part: str) -> Object:
    rest = copy.deepcopy(fixed)
    domain = rest["template"].get("domain") or {}
    if part == "memory":
        domain.pop("memory", None)
    else:
        (domain.get("cpu") or {}).pop("sockets", None)
    return rest


def _marked(vm: Object) -> bool:
    conditions = (vm.get("status") or {}).get("conditions") or []
    return any(item["type"] == "RestartRequired" for item in conditions)


def interfaces_of(spec: Object) -> list[Object]:
    """The interfaces of a VMI's spec."""
    return list(((spec.get("domain") or {}).get("devices") or {}).get("interfaces") or [])


def _fixed(spec: Object) -> Object:
    """The part of a VM's spec that a running guest cannot take over."""
    template = copy.deepcopy(spec["template"]["spec"])
    for field in LIVE_TEMPLATE_FIELDS:
        template.pop(field, None)
    for interface in interfaces_of(template):
        interface.pop("state", None)
    return {
        "template": template,
        "instancetype": spec.get("instancetype"),
        "preference": spec.get("preference"),
        "dataVolumeTemplates": None,
    }


async def drop_all_of(cluster: Cluster, vm: Object) -> None:
    """Where no garbage collector runs: remove the revisions of a VM that is gone."""
    for item in await cluster.kube.list(REVISION, vm["metadata"]["namespace"]):
        owners = item["metadata"].get("ownerReferences") or []
        if any(owner["uid"] == vm["metadata"]["uid"] and owner["kind"] == VM.kind for owner in owners):
            await cluster.kube.delete(REVISION, vm["metadata"]["namespace"], item["metadata"]["name"])
            _cache.pop(item["metadata"]["name"], None)
