# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the VirtualMachine object that the friendly parameters describe. Only what was given stands in it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import plan, quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import as_text

Object = dict[str, Any]
Options = Mapping[str, Any]

ONE_PER_NODE = "kubevirt-ha.virtops/one-per-node"
KEEP_TOGETHER = "kubevirt-ha.virtops/keep-together"
CLOUD_INIT_DISK = "cloudinit"
_HOST = "kubernetes.io/hostname"
_GONE = {plan.DELETE: "delete"}


def desired(options: Options) -> Object:
    """The owned fields of a VirtualMachine; `spec` of the options is merged over them last.

    options: what items.layer() returns, without faults.
    """
    template = template_of(options)
    spec = _given(
        runStrategy=options.get("run_strategy"),
        instancetype=options.get("instancetype"),
        preference=options.get("preference"),
        dataVolumeTemplates=_data_volume_templates(options),
        template=template,
    )
    spec = plan.overlay(spec, options.get("spec") or {}, ("spec",))
    # One of two exclusive fields, and the older one may stand in an object made by hand.
    if spec.get("runStrategy"):
        spec["running"] = None
    metadata = _given(labels=strings(options.get("labels")), annotations=strings(options.get("annotations")))
    return _given(metadata=metadata, spec=spec)


def new(options: Options) -> Object:
    """The whole object to create, with what a new machine needs and nobody gave: a run strategy, a pod network."""
    owned = desired(options)
    spec = plan.merge({}, owned.get("spec") or {}, ("spec",))
    if "runStrategy" not in spec and "running" not in spec:
        spec["runStrategy"] = "Always"
    instance = spec.setdefault("template", {}).setdefault("spec", {})
    add_pod_network(instance)
    if not spec.get("instancetype"):
        add_topology(instance)
    metadata = {"name": options["name"], "namespace": options["namespace"]}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": plan.merge(metadata, owned.get("metadata") or {}, ("metadata",)),
        "spec": spec,
    }


def add_pod_network(spec: Object) -> None:
    """Gives an instance's spec the pod network, masqueraded, where it names no network and does not forbid this one."""
    devices = spec.setdefault("domain", {}).setdefault("devices", {})
    if "interfaces" not in devices and "networks" not in spec and devices.get("autoattachPodInterface") is not False:
        spec["networks"] = [{"name": "default", "pod": {}}]
        devices["interfaces"] = [{"name": "default", "masquerade": {}}]


def add_topology(spec: Object) -> None:
    """States the topology that KubeVirt would give the instance, where `cpu` is there without one.

    KubeVirt 1.9 compares the sockets of both, and would say of such a machine for ever that it needs a restart.
    """
    domain = spec.get("domain") or {}
    cpu = domain.get("cpu")
    if not cpu or any(cpu.get(part) for part in ("cores", "sockets", "threads")):
        return
    resources = domain.get("resources") or {}
    asked = [resources[kind]["cpu"] for kind in ("limits", "requests") if (resources.get(kind) or {}).get("cpu")]
    sockets = max(1, math.ceil(quantity.parse(asked[0]))) if asked else 1
    cpu.update(cores=1, sockets=sockets, threads=1)


def template_of(options: Options) -> Object:
    """The owned metadata and spec of the machine's instance."""
    labels = strings(options.get("template_labels")) or {}
    for key, label in (("one_per_node", ONE_PER_NODE), ("keep_together", KEEP_TOGETHER)):
        if options.get(key):
            labels[label] = options[key]["group"]
    metadata = _given(labels=labels, annotations=strings(options.get("template_annotations")))
    spec = _given(
        domain=_domain(options),
        networks=_each(options, "networks", _network),
        volumes=_volumes(options),
        hostname=options.get("hostname"),
        evictionStrategy=options.get("eviction_strategy"),
        priorityClassName=options.get("priority_class"),
        terminationGracePeriodSeconds=options.get("termination_grace_period"),
        nodeSelector=strings(options.get("node_selector")),
        affinity=_affinity(options),
        tolerations=options.get("tolerations"),
        readinessProbe=options.get("readiness_probe"),
        livenessProbe=options.get("liveness_probe"),
    )
    return _given(metadata=metadata, spec=spec)


def _domain(options: Options) -> Object:
    cpu = options.get("cpu") or {}
    return _given(
        cpu=_given(
            cores=cpu.get("cores"),
            sockets=cpu.get("sockets"),
            threads=cpu.get("threads"),
            model=cpu.get("model"),
            dedicatedCpuPlacement=cpu.get("dedicated"),
        ),
        memory=_given(guest=options.get("memory")),
        resources=_given(requests=options.get("requests"), limits=options.get("limits")),
        devices=_given(disks=_disks(options), interfaces=_each(options, "networks", _interface)),
    )


def _disks(options: Options) -> list[Object] | None:
    disks = _each(options, "disks", _disk) or []
    if _cloud_init_volume(options):
        disks.append({"name": CLOUD_INIT_DISK, "disk": {"bus": "virtio"}})
    return disks or None


def _disk(disk: Options) -> Object:
    if disk.get("state") == "absent":
        return {"name": disk["name"], **_GONE}
    kind = disk.get("type") or "disk"
    bus = disk.get("bus") or ("sata" if kind == "cdrom" else "virtio")
    target = _given(bus=bus, readonly=disk.get("read_only"))
    return _given(
        name=disk["name"],
        bootOrder=disk.get("boot_order"),
        cache=disk.get("cache"),
        serial=disk.get("serial"),
        **{kind: target},
    )


def _volumes(options: Options) -> list[Object] | None:
    volumes = [_volume(options, disk) for disk in options.get("disks") or []]
    cloud_init = _cloud_init_volume(options)
    if cloud_init:
        volumes.append(cloud_init)
    return volumes or None


def _volume(options: Options, disk: Options) -> Object:
    name = disk["name"]
    if disk.get("state") == "absent":
        return {"name": name, **_GONE}
    sources: Object = {
        "pvc": ("persistentVolumeClaim", {"claimName": disk.get("pvc")}),
        "data_volume": ("dataVolume", {"name": disk.get("data_volume")}),
        "data_volume_template": ("dataVolume", {"name": _template_name(options, disk)}),
        "container_disk": ("containerDisk", {"image": disk.get("container_disk")}),
        "empty_disk": ("emptyDisk", {"capacity": disk.get("empty_disk")}),
        "config_map": ("configMap", {"name": disk.get("config_map")}),
        "secret": ("secret", {"secretName": disk.get("secret")}),
    }
    field, source = next(found for key, found in sources.items() if disk.get(key) is not None)
    return {"name": name, field: source}


def _template_name(options: Options, disk: Options) -> str:
    template = disk.get("data_volume_template") or {}
    return template.get("name") or f"{options['name']}-{disk['name']}"


def _data_volume_templates(options: Options) -> list[Object] | None:
    found = []
    for disk in options.get("disks") or []:
        name = _template_name(options, disk)
        if disk.get("state") == "absent":
            found.append({"metadata": {"name": name}, **_GONE})
        elif disk.get("data_volume_template") is not None:
            found.append({"metadata": {"name": name}, "spec": _data_volume_spec(disk["data_volume_template"])})
    return found or None


def _data_volume_spec(template: Options) -> Object:
    size = template.get("size")
    return _given(
        source=_given(**(template.get("source") or {})) or {"blank": {}},
        storage=_given(
            resources={"requests": {"storage": size}} if size else None,
            storageClassName=template.get("storage_class"),
            accessModes=template.get("access_modes"),
            volumeMode=template.get("volume_mode"),
        ),
    )


def _network(network: Options) -> Object:
    if network.get("state") == "absent":
        return {"name": network["name"], **_GONE}
    if network.get("multus"):
        return {"name": network["name"], "multus": {"networkName": network["multus"]}}
    return {"name": network["name"], "pod": {}}


def _interface(network: Options) -> Object:
    if network.get("state") == "absent":
        return {"name": network["name"], **_GONE}
    binding = network.get("binding") or ("bridge" if network.get("multus") else "masquerade")
    ports = [_given(**port) for port in network.get("ports") or []]
    interface = _given(
        name=network["name"],
        macAddress=network.get("mac"),
        model=network.get("model"),
        bootOrder=network.get("boot_order"),
        ports=ports or None,
    )
    return {**interface, binding: {}}


def _cloud_init_volume(options: Options) -> Object | None:
    cloud_init = options.get("cloud_init")
    if not cloud_init:
        return None
    source = _given(networkData=_document(cloud_init.get("network_data"), ""))
    if cloud_init.get("secret"):
        source.update(secretRef={"name": cloud_init["secret"]}, userData=None, userDataBase64=None)
    elif cloud_init.get("user_data") is not None or cloud_init.get("ssh_keys"):
        source.update(userData=user_data(cloud_init), secretRef=None, userDataBase64=None)
    field = "cloudInitConfigDrive" if cloud_init.get("type") == "configdrive" else "cloudInitNoCloud"
    return {"name": CLOUD_INIT_DISK, field: source}


def user_data(cloud_init: Options) -> str | None:
    """The user data as text; SSH keys are added to a `#cloud-config`."""
    given, keys = cloud_init.get("user_data"), cloud_init.get("ssh_keys")
    if not keys:
        return _document(given, "#cloud-config\n")
    content = _cloud_config(given) if isinstance(given, str) else dict(given or {})
    known = content.get("ssh_authorized_keys") or []
    content["ssh_authorized_keys"] = [*known, *(key for key in keys if key not in known)]
    return _document(content, "#cloud-config\n")


def _cloud_config(text: str) -> Object:
    import yaml  # pylint: disable=import-outside-toplevel

    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        # The parser's message would quote the user data.
        raise InputError(["cloud_init.user_data: is no YAML dictionary, so ssh_keys cannot be added to it"])
    return content


def _document(given: Any, head: str) -> str | None:
    """A text as it is; a dictionary as JSON, which is YAML too, always in one order so that a rerun sees no change."""
    if given is None or isinstance(given, str):
        return given
    return head + json.dumps(given, sort_keys=True) + "\n"


def _affinity(options: Options) -> Object | None:
    parts = plan.merge({}, options.get("affinity") or {})
    if options.get("node_affinity"):
        rules = [
            {"key": key, "operator": "In", "values": [as_text(value) for value in values]}
            for key, values in options["node_affinity"].items()
        ]
        terms = {"nodeSelectorTerms": [{"matchExpressions": rules}]}
        parts.setdefault("nodeAffinity", {})["requiredDuringSchedulingIgnoredDuringExecution"] = terms
    for key, label, part in (
        ("one_per_node", ONE_PER_NODE, "podAntiAffinity"),
        ("keep_together", KEEP_TOGETHER, "podAffinity"),
    ):
        if options.get(key):
            _add_group_rule(parts.setdefault(part, {}), label, options[key])
    return parts or None


def _add_group_rule(part: Object, label: str, preset: Options) -> None:
    term: Object = {"labelSelector": {"matchLabels": {label: preset["group"]}}, "topologyKey": _HOST}
    if preset.get("required") is False:
        key, term = "preferredDuringSchedulingIgnoredDuringExecution", {"weight": 100, "podAffinityTerm": term}
    else:
        key = "requiredDuringSchedulingIgnoredDuringExecution"
    part[key] = [*part.get(key, []), term]


def _each(options: Options, key: str, make: Any) -> list[Object] | None:
    return [make(entry) for entry in options.get(key) or []] or None


def strings(values: Mapping[str, Any] | None) -> Object | None:
    """Labels and the like: numbers and booleans of a playbook as the strings that Kubernetes wants."""
    if values is None:
        return None
    return {key: None if value is None else as_text(value) for key, value in values.items()}


def _given(**fields: Any) -> Object:
    return {key: value for key, value in fields.items() if value is not None and value != {}}
