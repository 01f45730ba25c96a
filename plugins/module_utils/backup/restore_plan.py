# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the machine, the claims and the volumes that a restore makes, so that they do not meet those they were made from."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import conditions, quantity, vm_state, volumes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import (
    ANNOTATION_RESTORED,
    ANNOTATION_RESTORING,
    Probe,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.plan import file_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import LONGEST_LABEL, name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CLUSTER_INSTANCETYPE,
    CLUSTER_PREFERENCE,
    CONFIG_MAP,
    INSTANCETYPE,
    PREFERENCE,
    PRIORITY_CLASS,
    SECRET,
    Resource,
)

Object = dict[str, Any]
Given = Mapping[str, Any]

NO_PROVISIONER = "kubernetes.io/no-provisioner"
LABEL_RESTORED = "kubevirt-ha.virtops/restored"
_LONGEST = 86400
RESTS = frozenset({"Halted", "Manual", "Once"})
# Annotations that say what a machine was, not what it is to be.
_SERVERS = ("kubectl.kubernetes.io/", "kubevirt.io/", "kubemacpool.io/")
# What a machine takes defaults from: the kind that is meant where none is given comes first.
_MATCHED = {"instancetype": (CLUSTER_INSTANCETYPE, INSTANCETYPE), "preference": (CLUSTER_PREFERENCE, PREFERENCE)}


@dataclass(frozen=True)
class Wanted:
    """What is asked for. snapshot: `latest` or how its identifier begins; probe port 0: the one that was recorded."""

    namespace: str
    vm: str
    name: str
    target: str
    snapshot: str = "latest"
    replace: bool = False
    keep_labels: bool | None = None
    keep_networks: bool | None = None
    probe: Probe = Probe()
    timeout: float = 300.0
    remove: bool = False

    @property
    def same(self) -> bool:
        """Whether the machine comes back under its own name, so as what it was."""
        return (self.namespace, self.vm) == (self.target, self.name)

    def faults(self) -> Iterator[str]:
        """What is wrong with it beyond types."""
        for option, name in (("restore_as", self.name), ("restore_namespace", self.target)):
            wrong = name_fault(name)
            if wrong:
                yield f"{option}: {wrong}"
        if self.snapshot != "latest" and not (
            len(self.snapshot) >= 4 and set(self.snapshot) <= set("0123456789abcdef")
        ):
            yield f"restore_snapshot: {self.snapshot} is no snapshot; write latest, or 4 or more digits of its identifier"
        if self.remove and self.same:
            yield "restore_remove: would take away the machine itself; give restore_as another name"
        if not 0 < self.timeout <= _LONGEST:
            yield f"restore_timeout: {self.timeout:g} must be from 1 to {_LONGEST} seconds"
        if not 0 <= self.probe.port < 65536:
            yield f"restore_probe_port: {self.probe.port} is no port; allowed are 1 to 65535"
        if any(sign.isspace() for sign in self.probe.path):
            yield f"restore_probe_path: {self.probe.path!r} must be a path such as /health"


@dataclass(frozen=True)
class NewDisk:
    """A disk that is written. source: its folder in the backup; volume: of the machine; claim: the new claim's name; size: of
    the claim; bytes: of the file, of which so many are allocated; persistent, path, node: the volume that was chosen and
    where its file is, empty where a driver makes one."""

    volume: str
    source: str
    claim: str
    size: int
    spec: Mapping[str, Any]
    bytes: int = 0
    allocated: int = 0
    persistent: str = ""
    path: str = ""
    node: str = ""


def machine(vm: Given, wanted: Wanted, claims: Mapping[str, str], origin: str) -> tuple[Object, str]:
    """The machine to make, and the run strategy that it had: one that rests is made to run until it has answered.

    claims: the new claims by the machine's volumes; origin: which backup it is from.
    """
    spec = copy.deepcopy(dict(vm["spec"]))
    strategy = vm_state.run_strategy(vm)
    for field in ("dataVolumeTemplates", "running"):
        spec.pop(field, None)
    spec["runStrategy"] = "Always" if strategy in RESTS else strategy
    for field in _MATCHED:
        if isinstance(spec.get(field), dict):
            spec[field].pop("revisionName", None)  # a revision goes with the machine that it was made for
    template = spec.setdefault("template", {})
    template["metadata"] = _template_metadata(template.get("metadata") or {}, wanted)
    inner = template.setdefault("spec", {})
    inner["volumes"] = list(_volumes(inner, claims))
    kept = {volume["name"] for volume in inner["volumes"]}
    devices = inner.setdefault("domain", {}).setdefault("devices", {})
    if "disks" in devices:
        devices["disks"] = [disk for disk in devices["disks"] if disk["name"] in kept]
    if not wanted.same:
        _become_another(inner, wanted)
    return {
        "apiVersion": str(vm.get("apiVersion") or "kubevirt.io/v1"),
        "kind": "VirtualMachine",
        "metadata": _metadata(vm["metadata"], wanted, origin),
        "spec": spec,
    }, strategy


def _metadata(meta: Given, wanted: Wanted, origin: str) -> Object:
    annotations = {ANNOTATION_RESTORED: origin}
    made: Object = {"name": wanted.name, "namespace": wanted.target, "annotations": annotations}
    if wanted.same:
        kept = meta.get("annotations") or {}
        made["annotations"] = {key: text for key, text in kept.items() if not key.startswith(_SERVERS)} | annotations
        made["labels"] = dict(meta.get("labels") or {})
    return made


def _template_metadata(meta: Given, wanted: Wanted) -> Object:
    keep = wanted.same if wanted.keep_labels is None else wanted.keep_labels
    kept = {key: text for key, text in (meta.get("labels") or {}).items() if not key.startswith("kubevirt.io/")}
    # Without them no Service sends it anything that is meant for the machine it was made from.
    labels = kept if keep else {}
    made: Object = {"labels": {**labels, **({} if wanted.same else {LABEL_RESTORED: wanted.name})}}
    annotations = {key: text for key, text in (meta.get("annotations") or {}).items() if not key.startswith(_SERVERS)}
    return {**made, "annotations": annotations} if annotations else made


def _volumes(spec: Given, claims: Mapping[str, str]) -> Iterator[Object]:
    for volume in spec.get("volumes") or []:
        if volume["name"] in claims:
            yield {"name": volume["name"], "persistentVolumeClaim": {"claimName": claims[volume["name"]]}}
        elif volumes.claim(volume) is None:
            yield dict(volume)


def _become_another(spec: Object, wanted: Wanted) -> None:
    """Takes away what two machines at once must not share: identity of the firmware, addresses, networks of their own."""
    domain = spec["domain"]
    for field in ("uuid", "serial"):
        (domain.get("firmware") or {}).pop(field, None)
    interfaces = domain["devices"].get("interfaces") or []
    for interface in interfaces:
        interface.pop("macAddress", None)
    if wanted.keep_networks:
        return
    gone = {network["name"] for network in spec.get("networks") or [] if "multus" in network}
    if gone:
        spec["networks"] = [network for network in spec["networks"] if network["name"] not in gone]
        domain["devices"]["interfaces"] = [interface for interface in interfaces if interface["name"] not in gone]


def claim_name(
    original: str, volume: str, wanted: Wanted, short: str, taken: Collection[str], ours: Collection[str]
) -> str:
    """The name of a new claim; "" where all that would do are taken. ours: claims that a restore which broke off has left."""
    own = [original] if wanted.same else []
    whole, room = f"{wanted.name}-{volume}", LONGEST_LABEL - len(short) - 1
    stem = whole
    if len(whole) > room:  # what is cut off may be all that tells two volumes apart
        mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
        stem = f"{whole[: room - len(mark) - 1].rstrip('-.')}-{mark}"
    for name in (*own, stem, f"{stem}-{short}"):
        if name not in taken or name in ours:
            return name
    return ""


def claim(disk: NewDisk, wanted: Wanted, origin: str) -> Object:
    """The claim of a disk."""
    spec: Object = {
        "accessModes": list(disk.spec.get("accessModes") or ["ReadWriteMany"]),
        "resources": {"requests": {"storage": str(disk.size)}},
        "volumeMode": disk.spec.get("volumeMode") or "Filesystem",
    }
    if disk.spec.get("storageClassName"):
        spec["storageClassName"] = disk.spec["storageClassName"]
    if disk.persistent:
        spec["volumeName"] = disk.persistent
    meta = {"name": disk.claim, "namespace": wanted.target, "annotations": {ANNOTATION_RESTORING: origin}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def candidates(disk: NewDisk, persistent: Iterable[Given], settings: Settings, taken: Collection[str]) -> list[NewDisk]:
    """The free volumes that a disk may be written to, the smallest that is large enough first."""
    found = []
    for one in persistent:
        spec, name = one["spec"], str(one["metadata"]["name"])
        free = (one.get("status") or {}).get("phase") == "Available" and not spec.get("claimRef")
        modes = set(disk.spec.get("accessModes") or ()) <= set(spec.get("accessModes") or ())
        same = str(spec.get("storageClassName") or "") == str(disk.spec.get("storageClassName") or "")
        room = int(quantity.parse((spec.get("capacity") or {}).get("storage") or 0))
        path, node = file_of(one, settings)
        if free and modes and same and path and name not in taken and room >= disk.size:
            found.append((room, name, path, node))
    found.sort()
    return [replace(disk, persistent=name, path=path, node=node) for _room, name, path, node in found]


def origin(wanted: Wanted, short: str) -> str:
    """What a restored object says of where it is from; short: the snapshot."""
    return f"{wanted.namespace}/{wanted.vm}@{short}"


def restoring(item: Given) -> str:
    """Which backup a claim is being written from; empty where it is not, or not any more."""
    return str((item["metadata"].get("annotations") or {}).get(ANNOTATION_RESTORING) or "")


def left_behind(wanted: Wanted, origin: str, claims: Mapping[str, Given]) -> Iterator[str]:
    """A warning for each claim that a restore of another snapshot of the same machine has begun and not ended."""
    for name, item in sorted(claims.items()):
        found = restoring(item)
        if found != origin and found.startswith(f"{wanted.namespace}/{wanted.vm}@"):
            yield (
                f"claim {wanted.target}/{name} is left of a restore of snapshot {found.rpartition('@')[2]} that is not at its end;"
                " give restore_snapshot to go on with it, or remove the claim"
            )


def target_faults(wanted: Wanted, vm: Given | None, vmi: Given | None) -> list[str]:
    """Why the machine that is there already must not be restored over."""
    where = f"VirtualMachine {wanted.target}/{wanted.name}"
    if vmi is not None and (vmi.get("status") or {}).get("phase") not in conditions.FINAL_PHASES:
        return [
            f"{where} runs; a restore never goes over a machine that runs: stop it, or give restore_as another name"
        ]
    if vm is None:
        return []
    if not wanted.replace:
        return [f"{where} exists; set restore_replace: true while it is stopped, or give restore_as another name"]
    rests = vm_state.run_strategy(vm) in RESTS
    return [] if rests else [f"{where} is about to run (run strategy {vm_state.run_strategy(vm)}); stop it first"]


def references(vm: Given) -> list[tuple[Resource, str]]:
    """What a machine cannot start without, beside its disks, by kind and name."""
    spec = volumes.template_spec(vm)
    found: list[tuple[Resource, str]] = []
    for volume in spec.get("volumes") or []:
        for kind, names in _named(volume):
            found += [(kind, str(name)) for name in names if name]
    for credential in spec.get("accessCredentials") or []:
        for body in credential.values():
            name = (((body or {}).get("source") or {}).get("secret") or {}).get("secretName")
            found += [(SECRET, str(name))] if name else []
    if spec.get("priorityClassName"):
        found.append((PRIORITY_CLASS, str(spec["priorityClassName"])))
    return list(dict.fromkeys([*found, *_matched(vm["spec"])]))


def _matched(spec: Given) -> Iterator[tuple[Resource, str]]:
    """Its instance type and its preference; KubeVirt takes their kinds in any case."""
    for field, kinds in _MATCHED.items():
        matcher = spec.get(field) or {}
        asked = str(matcher.get("kind") or kinds[0].kind).lower()
        name = str(matcher.get("name") or "")
        yield from ((kind, name) for kind in kinds if name and asked in (kind.kind.lower(), kind.plural))


def _named(volume: Given) -> Iterator[tuple[Resource, Sequence[Any]]]:
    for cloud in (volume.get("cloudInitNoCloud"), volume.get("cloudInitConfigDrive")):
        for field in ("secretRef", "networkDataSecretRef"):
            yield SECRET, [((cloud or {}).get(field) or {}).get("name")]
    sysprep = volume.get("sysprep") or {}
    yield SECRET, [(volume.get("secret") or {}).get("secretName"), (sysprep.get("secret") or {}).get("name")]
    yield CONFIG_MAP, [(volume.get("configMap") or {}).get("name"), (sysprep.get("configMap") or {}).get("name")]
