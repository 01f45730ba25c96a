"""VirtualMachineClone: a second, halted VM of the same spec; claims cannot be cloned here, and the status says so."""

from __future__ import annotations

import copy

from ..conditions import put
from ..kube import ApiError
from ..recorder import now
from ..resources import CLONE, VM, Object, deleting, key_of
from ..work import WorkQueue
from .claims import claims_of
from .cluster import Cluster
from .vm_revision import interfaces_of

WAIT = 5.0
OVER = ("Succeeded", "Failed")


class Clones:
    """The controller of clones."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.queue = WorkQueue("clone", self.reconcile, workers=2)
        cluster.clones.on_change(lambda old, new: self.queue.add(key_of(new or old or {})))

    async def reconcile(self, key: str) -> float | None:
        clone = self.cluster.clones.get(key)
        if clone is None or deleting(clone) or (clone.get("status") or {}).get("phase") in OVER:
            return None
        namespace, spec = clone["metadata"]["namespace"], clone["spec"]
        source = self.cluster.vms.get(f"{namespace}/{spec['source']['name']}")
        status: Object = copy.deepcopy(clone.get("status") or {})
        if source is None:
            self._tell(status, "", "SourceDoesNotExist", f"VirtualMachine {spec['source']['name']} does not exist")
        elif claims_of(source["spec"]["template"]["spec"]):
            self._tell(status, "Failed", "NotServed", "the KubeVirt stand-in does not clone claims")
        else:
            await self._make(clone, source, status)
        await self.cluster.write_status(CLONE, clone, status)
        return WAIT if source is None else None

    async def _make(self, clone: Object, source: Object, status: Object) -> None:
        namespace, name = clone["metadata"]["namespace"], clone["spec"]["target"]["name"]
        try:
            await self.cluster.make(VM, render(clone, source))
        except ApiError as error:
            if error.status not in (409, 422):
                raise
            self._tell(status, "Failed", "TargetNotCreated", error.message)
            return
        status |= {"targetName": name, "creationTime": now()}
        self._tell(status, "Succeeded", "Succeeded", f"made VirtualMachine {namespace}/{name}")

    @staticmethod
    def _tell(status: Object, phase: str, reason: str, message: str) -> None:
        if phase:
            status["phase"] = phase
        put(status, "Progressing", "False", reason, message)
        put(status, "Ready", "True" if phase == "Succeeded" else "False", reason, message)


def render(clone: Object, source: Object) -> Object:
    """The target: identities of the machine are its own, and it does not start by itself."""
    meta, wanted = source["metadata"], clone["spec"]
    spec = copy.deepcopy(source["spec"])
    spec.pop("running", None)
    spec["runStrategy"] = "Halted"
    template = spec["template"]["spec"]
    firmware = template["domain"].get("firmware") or {}
    for field in ("uuid", "serial"):
        firmware.pop(field, None)
    if wanted.get("newSMBiosSerial"):
        firmware["serial"] = wanted["newSMBiosSerial"]
    addresses = wanted.get("newMacAddresses") or {}
    for item in interfaces_of(template):
        item.pop("macAddress", None)
        if item["name"] in addresses:
            item["macAddress"] = addresses[item["name"]]
    target = {"name": wanted["target"]["name"], "namespace": meta["namespace"]}
    if meta.get("labels"):
        target["labels"] = meta["labels"]
    return {"metadata": target, "spec": spec}
