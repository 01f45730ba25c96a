"""The subresources of VirtualMachine and VirtualMachineInstance: checks and refusals as recorded."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ..conditions import final, has, migrating, phase
from ..controllers import hotplug
from ..controllers.instancetype import InstancetypeError, expand
from ..controllers.launcher_pod import grace_period
from ..controllers.vm import run_strategy
from ..kube import JSON_PATCH, ApiError, Kube
from ..resources import KUBEVIRT, MIGRATION, POD, PVC, VM, VMI, Object, controller_of
from .errors import Refusal, bad_request, conflict, internal, not_found, not_served
from .options import decode, dry_run_params, is_dry_run

VM_KIND, VMI_KIND = "virtualmachine", "virtualmachineinstance"


class NodeAgent(Protocol):
    """The way to the virt-handler of a VMI's node; `hotplugs` where that can give volumes to a guest that runs."""

    hotplugs: bool

    async def command(self, vmi: Object, verb: str) -> None: ...


@dataclass(frozen=True)
class Call:
    """One request to a subresource."""

    namespace: str
    name: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """Its answer: no body, or one of JSON or bytes."""

    code: int
    body: Object | bytes | None = None
    content_type: str = "application/json"


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """A subresource: its method, whether it has a JSON representation, what serves it."""

    method: str
    produces: str
    handler: Handler


class Subresources:
    """All that `subresources.kubevirt.io` serves for one VM or VMI."""

    def __init__(self, kube: Kube, agent: NodeAgent) -> None:
        self._kube, self._agent = kube, agent
        self.routes: dict[tuple[str, str], Route] = {}
        for kind, names in (("vm", VM_PUTS), ("vmi", VMI_PUTS)):
            for sub in names:
                self.routes[kind, sub] = Route("PUT", "", self._named(f"{kind}_{sub}"))
        for kind, sub in GETS:
            self.routes[kind, sub] = Route("GET", "application/json", self._named(f"{kind}_{sub}"))

    def _named(self, name: str) -> Handler:
        handler: Handler | None = getattr(self, name.replace("-", "_").replace("/", "_"), None)
        if handler is not None:
            return handler

        async def missing(call: Call) -> Answer:
            raise not_served(f"the subresource {name.split('_', 1)[1]}")

        return missing

    async def _vm(self, call: Call) -> Object:
        vm = await self._kube.find(VM, call.namespace, call.name)
        if vm is None:
            raise not_found(VM_KIND, call.name)
        return vm

    async def _vmi(self, call: Call) -> Object:
        vmi = await self._kube.find(VMI, call.namespace, call.name)
        if vmi is None:
            raise not_found(VMI_KIND, call.name)
        return vmi

    async def _patch(self, resource: object, call: Call, patch: list[Object], options: Object, sub: str = "") -> None:
        kind = VM if resource is VM else VMI
        try:
            await self._kube.patch(kind, call.namespace, call.name, patch, sub, JSON_PATCH, dry_run_params(options))
        except ApiError as error:
            if error.status in (404, 409):
                raise Refusal(error.status, error.body) from error
            raise internal(error.message) from error

    async def _request_change(self, call: Call, vm: Object, wanted: list[Object], options: Object) -> None:
        """Put state change requests into the VM's status."""
        pending = (vm.get("status") or {}).get("stateChangeRequests") or []
        action = wanted[0]["action"]
        if pending and len(wanted) > 1:
            raise internal("unable to complete request: stop/start already underway")
        if pending and action == "Start":
            if pending[0]["action"] != "Stop" or len(pending) > 1:
                raise internal("unable to complete request: stop/start already underway")
            wanted = [*pending, *wanted]
        patch: list[Object] = []
        if "status" not in vm:
            patch.append({"op": "add", "path": "/status", "value": {}})
        elif pending:
            patch.append({"op": "test", "path": "/status/stateChangeRequests", "value": pending})
        patch.append({"op": "add", "path": "/status/stateChangeRequests", "value": wanted})
        await self._patch(VM, call, patch, options, "status")

    async def _set_strategy(self, call: Call, vm: Object, value: str, options: Object) -> None:
        spec = vm["spec"]
        if "running" in spec:
            patch: list[Object] = [
                {"op": "test", "path": "/spec/running", "value": spec["running"]},
                {"op": "replace", "path": "/spec/running", "value": value == "Always"},
            ]
        else:
            patch = [
                {"op": "test", "path": "/spec/runStrategy", "value": spec.get("runStrategy")},
                {"op": "replace", "path": "/spec/runStrategy", "value": value},
            ]
        await self._patch(VM, call, patch, options)

    async def vm_start(self, call: Call) -> Answer:
        vm = await self._vm(call)
        vmi = await self._kube.find(VMI, call.namespace, call.name)
        if vmi is not None and not final(vmi):
            raise conflict(VM_KIND, call.name, "VM is already running")
        options = decode(call.body, "StartOptions", ("paused", "dryRun"))
        strategy = run_strategy(vm)
        request: Object = {"action": "Start"}
        if options.get("paused"):
            request["data"] = {"paused": "true"}
        if strategy == "Halted":
            if options.get("paused"):
                await self._request_change(call, vm, [request], options)
            else:
                await self._set_strategy(call, vm, "Always", options)
        elif strategy in ("Manual", "RerunOnFailure"):
            before = [{"action": "Stop", "uid": vmi["metadata"]["uid"]}] if vmi is not None else []
            await self._request_change(call, vm, [*before, request], options)
        else:
            raise conflict(VM_KIND, call.name, f"{strategy} does not support manual start requests")
        return Answer(202)

    async def vm_stop(self, call: Call) -> Answer:
        options = decode(call.body, "StopOptions", ("gracePeriod", "dryRun"))
        vm = await self._vm(call)
        vmi = await self._kube.find(VMI, call.namespace, call.name)
        strategy, grace = run_strategy(vm), options.get("gracePeriod")
        alive = vmi if vmi is not None and not final(vmi) else None
        if strategy == "Halted":
            if alive is None:
                raise conflict(VM_KIND, call.name, "VM is not running")
            if grace is None or grace >= grace_period(alive["spec"]):
                text = "Halted only supports manual stop requests with a shorter graceperiod"
                raise conflict(VM_KIND, call.name, text)
            await self._shorten(call, alive, grace, options)
            return Answer(202)
        if strategy in ("Manual", "RerunOnFailure"):
            if alive is None:
                raise conflict(VM_KIND, call.name, "VM is not running")
            await self._shorten(call, alive, grace, options)
            await self._request_change(call, vm, [{"action": "Stop", "uid": alive["metadata"]["uid"]}], options)
            return Answer(202)
        if alive is not None:
            await self._shorten(call, alive, grace, options)
        await self._set_strategy(call, vm, "Halted", options)
        return Answer(202)

    async def _shorten(self, call: Call, vmi: Object, grace: int | None, options: Object) -> None:
        """A stop with a grace period of its own changes the VMI's."""
        if grace is not None:
            patch = [{"op": "add", "path": "/spec/terminationGracePeriodSeconds", "value": grace}]
            await self._patch(VMI, call, patch, options)

    async def vm_restart(self, call: Call) -> Answer:
        options = decode(call.body, "RestartOptions", ("gracePeriodSeconds", "dryRun"))
        grace = options.get("gracePeriodSeconds")
        if grace is not None and grace > 0:
            raise bad_request("For force restart, only gracePeriod=0 is supported for now")
        if grace is not None and grace < 0:
            raise bad_request("gracePeriod has to be greater or equal to 0")
        vm = await self._vm(call)
        strategy = run_strategy(vm)
        if strategy in ("Halted", "Once"):
            text = f"RunStategy {strategy} does not support manual restart requests"
            raise conflict(VM_KIND, call.name, text)
        vmi = await self._kube.find(VMI, call.namespace, call.name)
        if vmi is None:
            raise conflict(VM_KIND, call.name, "VM is not running: Halted")
        wanted = [{"action": "Stop", "uid": vmi["metadata"]["uid"]}, {"action": "Start"}]
        await self._request_change(call, vm, wanted, options)
        if grace == 0 and not is_dry_run(options):
            await self._kill_pods(vmi)
        return Answer(202)

    async def _kill_pods(self, vmi: Object) -> None:
        uid, namespace = vmi["metadata"]["uid"], vmi["metadata"]["namespace"]
        for pod in await self._kube.list(POD, namespace, f"kubevirt.io/created-by={uid}"):
            await self._kube.delete(POD, namespace, pod["metadata"]["name"], pod["metadata"]["uid"], grace=0)

    async def vm_migrate(self, call: Call) -> Answer:
        options = decode(call.body, "MigrateOptions", ("dryRun", "addedNodeSelector"))
        await self._vm(call)
        vmi = await self._vmi(call)
        if phase(vmi) != "Running":
            raise conflict(VM_KIND, call.name, "VM is not running")
        spec: Object = {"vmiName": call.name}
        if options.get("addedNodeSelector"):
            spec["addedNodeSelector"] = options["addedNodeSelector"]
        body = {"metadata": {"generateName": "kubevirt-migrate-vm-", "namespace": call.namespace}, "spec": spec}
        try:
            await self._kube.create(MIGRATION, body, dry_run_params(options, "CreateOptions"))
        except ApiError as error:
            raise internal(error.message) from error
        return Answer(202)

    async def vm_evacuate_cancel(self, call: Call) -> Answer:
        options = decode(call.body, "EvacuateCancelOptions", ("dryRun", "evacuationNodeName"))
        await self._vm(call)
        vmi = await self._kube.find(VMI, call.namespace, call.name)
        if vmi is None:
            raise conflict(VM_KIND, call.name, "VMI is not started")
        return await self._cancel_evacuation(call, vmi, options)

    async def vmi_evacuate_cancel(self, call: Call) -> Answer:
        options = decode(call.body, "EvacuateCancelOptions", ("dryRun", "evacuationNodeName"))
        return await self._cancel_evacuation(call, await self._vmi(call), options)

    async def _cancel_evacuation(self, call: Call, vmi: Object, options: Object) -> Answer:
        path = "/status/evacuationNodeName"
        if (vmi.get("status") or {}).get("evacuationNodeName"):
            test = {"op": "test", "path": path, "value": options.get("evacuationNodeName") or ""}
            await self._patch(VMI, call, [test, {"op": "remove", "path": path}], options)
        return Answer(200)

    async def vm_addvolume(self, call: Call) -> Answer:
        how = await self._hotplug_mode()
        options = decode(call.body, "AddVolumeOptions", ("name", "dryRun"))
        if not options.get("name"):
            raise bad_request("AddVolumeOptions requires name to be set")
        if not options.get("disk"):
            raise bad_request("AddVolumeOptions requires disk to not be nil")
        if not options.get("volumeSource"):
            raise bad_request("AddVolumeOptions requires VolumeSource to not be nil")
        vm = await self._vm(call)
        source = options["volumeSource"]
        raise_if_known(call, vm, options["name"], hotplug.claim_of(source))
        if is_dry_run(options):
            return Answer(202)
        if not self._agent.hotplugs or not any(source.get(kind) for kind in hotplug.SOURCES):
            raise not_served("hot-plugged volumes")
        if how == hotplug.IMPERATIVE:
            return await self._request_volume(call, vm, {"addVolumeOptions": options})
        spec = vm["spec"]["template"]["spec"]
        return await self._plug(call, spec, hotplug.added(spec, options["name"], options["disk"], source), options)

    async def _hotplug_mode(self) -> str:
        """How volumes are hot-plugged here; refuses where they are not."""
        found = await self._kube.list(KUBEVIRT)
        how = hotplug.mode(found[0] if found else {})
        if how == hotplug.OFF:
            raise bad_request("Enable DeclarativeHotplugVolumes or HotplugVolumes feature gate to use this API.")
        return how

    async def _request_volume(self, call: Call, vm: Object, request: Object) -> Answer:
        """Leave a request in the VM's status; the VM's controller carries it out."""
        pending = (vm.get("status") or {}).get("volumeRequests") or []
        patch: list[Object] = [] if "status" in vm else [{"op": "add", "path": "/status", "value": {}}]
        patch.append({"op": "add", "path": "/status/volumeRequests", "value": [*pending, request]})
        await self._patch(VM, call, patch, {}, "status")
        return Answer(202)

    async def _plug(self, call: Call, spec: Object, wanted: Object, options: Object) -> Answer:
        """Change the template; the VM's controller takes it over into the VMI."""
        path = "/spec/template/spec"
        patch = [{"op": "test", "path": path, "value": spec}, {"op": "replace", "path": path, "value": wanted}]
        await self._patch(VM, call, patch, options)
        return Answer(202)

    async def vm_removevolume(self, call: Call) -> Answer:
        how = await self._hotplug_mode()
        options = decode(call.body, "RemoveVolumeOptions", ("name", "dryRun"))
        if not options.get("name"):
            raise bad_request("RemoveVolumeOptions requires name to be set")
        vm = await self._vm(call)
        spec = vm["spec"]["template"]["spec"]
        if options["name"] not in {item["name"] for item in spec.get("volumes") or []}:
            text = f"Unable to remove volume [{options['name']}] because it does not exist"
            raise conflict(VM_KIND, call.name, text)
        if options["name"] not in hotplug.hotplugged(spec):
            text = f"Unable to remove volume [{options['name']}] because it is not hotpluggable"
            raise conflict(VM_KIND, call.name, text)
        if not self._agent.hotplugs:
            raise not_served("hot-plugged volumes")
        if how == hotplug.IMPERATIVE and not is_dry_run(options):
            return await self._request_volume(call, vm, {"removeVolumeOptions": options})
        return await self._plug(call, spec, hotplug.without(spec, {options["name"]}), options)

    async def vmi_addvolume(self, call: Call) -> Answer:
        options = decode(call.body, "AddVolumeOptions", ("name", "dryRun"))
        if not options.get("name"):
            raise bad_request("AddVolumeOptions requires name to be set")
        return await self._vmi_volume(call)

    async def vmi_removevolume(self, call: Call) -> Answer:
        options = decode(call.body, "RemoveVolumeOptions", ("name", "dryRun"))
        if not options.get("name"):
            raise bad_request("RemoveVolumeOptions requires name to be set")
        return await self._vmi_volume(call)

    async def _vmi_volume(self, call: Call) -> Answer:
        vmi = await self._vmi(call)
        if controller_of(vmi) is not None:
            raise bad_request(f"VMI {call.namespace}/{call.name} is owned by a VM")
        raise not_served("hot-plugged volumes")

    async def vm_memorydump(self, call: Call) -> Answer:
        options = decode(call.body, "VirtualMachineMemoryDumpRequest", ("claimName",))
        await self._vm(call)
        if not options.get("claimName"):
            raise bad_request("Memory dump requires claim name to be set")
        await self._vmi(call)
        if await self._kube.find(PVC, call.namespace, options["claimName"]) is None:
            raise not_found("persistentvolumeclaim", options["claimName"])
        raise not_served("memory dumps")

    async def vm_removememorydump(self, call: Call) -> Answer:
        await self._vm(call)
        text = f"can't remove memory dump association for vm {call.name}, no association found"
        raise conflict(VM_KIND, call.name, text)

    async def vm_expand_spec(self, call: Call) -> Answer:
        return await self._expanded(copy.deepcopy(await self._vm(call)))

    async def expand(self, namespace: str, body: bytes) -> Answer:
        """A VM that need not exist, with its instancetype and preference written out."""
        vm = decode(body, "VirtualMachine", ())
        if not ((vm.get("spec") or {}).get("template") or {}).get("spec"):
            raise bad_request("Object is not a valid VirtualMachine")
        vm.setdefault("metadata", {})["namespace"] = namespace
        return await self._expanded(vm)

    async def _expanded(self, vm: Object) -> Answer:
        try:
            vm["spec"]["template"]["spec"], _revision = await expand(self._kube, vm)
        except InstancetypeError as error:
            raise internal(str(error)) from error
        vm["spec"].pop("instancetype", None)
        vm["spec"].pop("preference", None)
        return Answer(200, vm)

    async def vm_objectgraph(self, call: Call) -> Answer:
        raise bad_request("ObjectGraph feature gate not enabled: Unable to return object graph.")

    vmi_objectgraph = vm_objectgraph

    async def vmi_pause(self, call: Call) -> Answer:
        options = decode(call.body, "PauseOptions", ("dryRun",))
        vmi = await self._running(call)
        if has(vmi, "Paused"):
            raise conflict(VMI_KIND, call.name, "VMI is already paused")
        return await self._on_node(vmi, "pause", options)

    async def vmi_unpause(self, call: Call) -> Answer:
        options = decode(call.body, "UnpauseOptions", ("dryRun",))
        vmi = await self._running(call)
        if not has(vmi, "Paused"):
            raise conflict(VMI_KIND, call.name, "VMI is not paused")
        return await self._on_node(vmi, "unpause", options)

    async def vmi_softreboot(self, call: Call) -> Answer:
        vmi = await self._running(call)
        if has(vmi, "Paused"):
            raise conflict(VMI_KIND, call.name, "VMI is paused")
        return await self._on_node(vmi, "softreboot", {})

    async def vmi_reset(self, call: Call) -> Answer:
        return await self._on_node(await self._running(call), "reset", {})

    async def _running(self, call: Call) -> Object:
        vmi = await self._vmi(call)
        if phase(vmi) != "Running":
            raise conflict(VMI_KIND, call.name, "VM is not running")
        return vmi

    async def _on_node(self, vmi: Object, verb: str, options: Object) -> Answer:
        if not is_dry_run(options):
            try:
                await self._agent.command(vmi, verb)
            except Exception as error:
                raise internal(f"{type(error).__name__}: {error}") from error
        return Answer(200)

    async def vmi_freeze(self, call: Call) -> Answer:
        vmi = await self._running(call)
        options = decode(call.body, "FreezeUnfreezeTimeout", ())
        if not options.get("unfreezeTimeout"):
            raise self._handler_refusal("Unfreeze timeout in freeze request is not set")
        if options["unfreezeTimeout"] == "bad" or not str(options["unfreezeTimeout"])[-1:].isalpha():
            raise self._handler_refusal("failed to unmarshal unfreeze timeout")
        if migrating(vmi):
            raise self._handler_refusal(
                'server error. command Freeze failed: "failed to freeze VMI, VMI is currently during migration"'
            )
        raise self._no_agent("Freeze", vmi)

    async def vmi_unfreeze(self, call: Call) -> Answer:
        raise self._no_agent("Unfreeze", await self._running(call))

    def _no_agent(self, command: str, vmi: Object) -> Refusal:
        text = "LibvirtError(Code=86, Domain=10, Message='Guest agent is not responding: QEMU guest agent is not connected')"
        if has(vmi, "Paused"):
            text = "LibvirtError(Code=55, Domain=10, Message='Requested operation is not valid: domain is not running')"
        return self._handler_refusal(f'server error. command {command} failed: "{text}"')

    @staticmethod
    def _handler_refusal(text: str) -> Refusal:
        return internal(f"unexpected return code 400 (400 Bad Request), message: {text}")

    async def vmi_backup(self, call: Call) -> Answer:
        await self._running(call)
        raise self._handler_refusal(
            'server error. command Backup failed: "Backup failed ChangedBlockTracking is not enabled"'
        )

    async def vmi_redefine_checkpoint(self, call: Call) -> Answer:
        await self._vmi(call)
        raise conflict(VMI_KIND, call.name, "ChangedBlockTracking is not enabled")

    async def vmi_guestosinfo(self, call: Call) -> Answer:
        raise await self._plain(call, "VMI does not have guest agent connected")

    vmi_userlist = vmi_guestosinfo
    vmi_filesystemlist = vmi_guestosinfo

    async def vmi_sev_fetchcertchain(self, call: Call) -> Answer:
        raise await self._plain(call, "Attestation not requested for VMI")

    async def vmi_vnc_screenshot(self, call: Call) -> Answer:
        try:
            await self._running(call)
        except Refusal as refusal:
            raise _as_text(refusal) from refusal
        raise not_served("pictures of the screen")

    async def _plain(self, call: Call, why: str) -> Refusal:
        """These answer 500 in plain text, whatever is wrong."""
        try:
            vmi = await self._vmi(call)
        except Refusal as refusal:
            return _as_text(refusal)
        if phase(vmi) != "Running":
            why = "VMI is not running"
        return _as_text(conflict(VMI_KIND, call.name, why))


def _as_text(refusal: Refusal) -> Refusal:
    body = refusal.body
    return Refusal(500, str(body["message"]) if isinstance(body, dict) else body)


def raise_if_known(call: Call, vm: Object, name: str, claim: str) -> None:
    """The name of a volume and its claim can be used once."""
    for volume in vm["spec"]["template"]["spec"].get("volumes") or []:
        if volume["name"] == name:
            text = f"Unable to add volume [{name}] because volume with that name already exists"
            raise conflict(VM_KIND, call.name, text)
        if claim and hotplug.claim_of(volume) == claim:
            raise conflict(VM_KIND, call.name, f"Unable to add volume source [{claim}] because it already exists")


VM_PUTS = (
    "start",
    "stop",
    "restart",
    "migrate",
    "addvolume",
    "removevolume",
    "memorydump",
    "removememorydump",
    "evacuate/cancel",
)
VMI_PUTS = (
    "pause",
    "unpause",
    "freeze",
    "unfreeze",
    "softreboot",
    "reset",
    "addvolume",
    "removevolume",
    "backup",
    "redefine-checkpoint",
    "evacuate/cancel",
    "sev/setupsession",
    "sev/injectlaunchsecret",
)
GETS = (
    ("vm", "expand-spec"),
    ("vm", "objectgraph"),
    ("vm", "portforward"),
    ("vmi", "guestosinfo"),
    ("vmi", "userlist"),
    ("vmi", "filesystemlist"),
    ("vmi", "objectgraph"),
    ("vmi", "portforward"),
    ("vmi", "console"),
    ("vmi", "vnc"),
    ("vmi", "vnc/screenshot"),
    ("vmi", "vsock"),
    ("vmi", "usbredir"),
    ("vmi", "sev/fetchcertchain"),
    ("vmi", "sev/querylaunchmeasurement"),
)
