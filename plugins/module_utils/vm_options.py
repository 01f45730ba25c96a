# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of one virtual machine: their spec, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_options import ACCESS_MODES
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import without_password
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import (
    annotation_faults,
    key_fault,
    label_faults,
    label_value_fault,
    name_fault,
)

RUN_STRATEGIES = ["Always", "Halted", "Manual", "Once", "RerunOnFailure"]
EVICTION_STRATEGIES = ["External", "LiveMigrate", "LiveMigrateIfPossible", "None"]
DISK_SOURCES = ("pvc", "data_volume", "data_volume_template", "container_disk", "empty_disk", "config_map", "secret")
# Of them the names of other objects; the rest are an image and a size.
_OBJECT_SOURCES = ("pvc", "data_volume", "config_map", "secret")
NETWORK_SOURCES = ("pod", "multus")
# Of a data volume template, as its spec.source names them: CDI's v1beta1, DataVolumeSource.
TEMPLATE_SOURCES = ("blank", "gcs", "http", "imageio", "pvc", "registry", "s3", "snapshot", "upload", "vddk")
# KubeVirt's validator refuses longer user data: it belongs into a Secret.
LONGEST_USER_DATA = 2048
# Of a disk and of a network just one of these can be given, so that of a later layer replaces the others.
EXCLUSIVE = {"disks": frozenset(DISK_SOURCES), "networks": frozenset(NETWORK_SOURCES)}


def _options(**options: Option) -> dict[str, Option]:
    return options


def _dict(**options: Option) -> Option:
    return {"type": "dict", "options": options}


def _choice(*choices: str) -> Option:
    return {"type": "str", "choices": list(choices)}


_STR: Option = {"type": "str"}
_INT: Option = {"type": "int"}
_BOOL: Option = {"type": "bool"}
_MAP: Option = {"type": "dict"}
_RAW: Option = {"type": "raw"}

_DATA_VOLUME_TEMPLATE = _dict(
    name=_STR,
    size=_STR,
    storage_class=_STR,
    access_modes={"type": "list", "elements": "str", "choices": ACCESS_MODES},
    volume_mode=_choice("Filesystem", "Block"),
    source=_MAP,
)

_DISK = _options(
    name={"type": "str", "required": True},
    state=_choice("present", "absent"),
    pvc=_STR,
    data_volume=_STR,
    data_volume_template=_DATA_VOLUME_TEMPLATE,
    container_disk=_STR,
    empty_disk=_STR,
    config_map=_STR,
    secret={"type": "str", "no_log": False},
    type=_choice("disk", "cdrom", "lun"),
    bus=_choice("virtio", "sata", "scsi", "usb"),
    boot_order=_INT,
    cache=_choice("none", "writethrough", "writeback"),
    serial=_STR,
    read_only=_BOOL,
)

_PORT = _options(
    name=_STR,
    port={"type": "int", "required": True},
    protocol=_choice("TCP", "UDP"),
)

_NETWORK = _options(
    name={"type": "str", "required": True},
    state=_choice("present", "absent"),
    pod=_BOOL,
    multus=_STR,
    binding=_choice("masquerade", "bridge", "sriov"),
    mac=_STR,
    model=_STR,
    boot_order=_INT,
    ports={"type": "list", "elements": "dict", "options": _PORT},
)


def options() -> dict[str, Option]:
    """The options of one virtual machine but its name. No option has a default, so that layers can be told apart."""
    return _options(
        namespace=_STR,
        state=_choice("present", "absent"),
        preset=_STR,
        run_strategy={"type": "str", "choices": RUN_STRATEGIES},
        labels=_MAP,
        annotations=_MAP,
        template_labels=_MAP,
        template_annotations=_MAP,
        instancetype=_dict(name={"type": "str", "required": True}, kind=_STR),
        preference=_dict(name={"type": "str", "required": True}, kind=_STR),
        cpu=_dict(cores=_INT, sockets=_INT, threads=_INT, model=_STR, dedicated=_BOOL),
        memory=_STR,
        requests=_dict(cpu=_STR, memory=_STR),
        limits=_dict(cpu=_STR, memory=_STR),
        disks={"type": "list", "elements": "dict", "options": _DISK},
        networks={"type": "list", "elements": "dict", "options": _NETWORK},
        cloud_init=_dict(
            type=_choice("nocloud", "configdrive"),
            user_data=_RAW,
            network_data=_RAW,
            ssh_keys={"type": "list", "elements": "str", "no_log": False},
            secret={"type": "str", "no_log": False},
        ),
        hostname=_STR,
        eviction_strategy={"type": "str", "choices": EVICTION_STRATEGIES},
        priority_class=_STR,
        termination_grace_period=_INT,
        node_selector=_MAP,
        node_affinity=_MAP,
        one_per_node=_dict(group={"type": "str", "required": True}, required=_BOOL),
        keep_together=_dict(group={"type": "str", "required": True}, required=_BOOL),
        affinity=_MAP,
        tolerations={"type": "list", "elements": "dict"},
        readiness_probe=_MAP,
        liveness_probe=_MAP,
        spec=_MAP,
    )


def faults(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the options of one virtual machine, a sentence each; values of a wrong type are passed over,
    the argument spec names those."""
    yield from _size_faults(values)
    yield from _name_faults(values)
    for disk in _entries(values, "disks"):
        yield from _disk_faults(disk)
    for network in _entries(values, "networks"):
        yield from _network_faults(network)
    for key in ("disks", "networks"):
        yield from _duplicates(values, key)
    yield from _cloud_init_faults(values.get("cloud_init"))
    yield from _placement_faults(values)
    yield from _spec_faults(values.get("spec"))


def _name_faults(values: Mapping[str, Any]) -> Iterator[str]:
    """Names of other objects, and what becomes a label of the instance's pod: most of it is refused only when that pod
    is made, which then never is."""
    for key in ("instancetype", "preference"):
        found = values.get(key)
        if isinstance(found, Mapping):
            wrong = name_fault(found.get("name"), subdomain=True)
            if wrong:
                yield f"{key}.name: {wrong}"
    cloud_init = values.get("cloud_init")
    if isinstance(cloud_init, Mapping):
        yield from _name_fault("cloud_init.secret", cloud_init.get("secret"))
    yield from _name_fault("preset", values.get("preset"))
    yield from _name_fault("priority_class", values.get("priority_class"))
    yield from _name_fault("hostname", values.get("hostname"), subdomain=False)
    yield from label_faults("template_labels", values.get("template_labels"))
    yield from annotation_faults("template_annotations", values.get("template_annotations"))
    yield from label_faults("node_selector", values.get("node_selector"))


def _name_fault(where: str, name: Any, *, subdomain: bool = True) -> Iterator[str]:
    """Of a name that may be left out; an empty one is how an entry does so against its defaults."""
    wrong = name_fault(name, subdomain=subdomain)
    if wrong and name != "":
        yield f"{where}: {wrong}"


def _spec_faults(spec: Any) -> Iterator[str]:
    """The maps on the way to what the friendly parameters describe too, and passwords; the rest the API server knows
    better."""
    where = "spec"
    templates = spec.get("dataVolumeTemplates") if isinstance(spec, Mapping) else None
    for index, template in enumerate(templates if isinstance(templates, list) else ()):
        inner = template.get("spec") if isinstance(template, Mapping) else None
        source = inner.get("source") if isinstance(inner, Mapping) else None
        yield from _password_faults(f"spec.dataVolumeTemplates[{index}].spec.source", source)
    for part in ("template", "spec", "domain", "devices"):
        if not isinstance(spec, Mapping) or spec.get(part) is None:
            return
        spec, where = spec[part], f"{where}.{part}"
        if not isinstance(spec, Mapping):
            yield f"{where}: must be a map of fields"  # its value may be data of cloud-init


def _size_faults(values: Mapping[str, Any]) -> Iterator[str]:
    places = [("memory", values.get("memory"))]
    for part in ("requests", "limits"):
        inner = values.get(part)
        if isinstance(inner, Mapping):
            places += [(f"{part}.{key}", inner.get(key)) for key in ("cpu", "memory")]
    for place, value in places:
        wrong = quantity.fault(value) if value is not None else None
        if wrong:
            yield f"{place}: {wrong}"
    cpu = values.get("cpu")
    for key in ("cores", "sockets", "threads"):
        count = cpu.get(key) if isinstance(cpu, Mapping) else None
        if isinstance(count, int) and count < 1:
            yield f"cpu.{key}: {count} must be 1 or more"
    if values.get("instancetype") and (values.get("memory") or cpu):
        yield "instancetype: sets CPU and memory itself; leave out cpu and memory"
    grace = values.get("termination_grace_period")
    if isinstance(grace, int) and grace < 0:
        yield f"termination_grace_period: {grace} must be 0 or more seconds"


def _entries(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = values.get(key)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _duplicates(values: Mapping[str, Any], key: str) -> Iterator[str]:
    names = [str(entry.get("name")) for entry in _entries(values, key)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{key}[{name}]: is there {names.count(name)} times"


def _disk_faults(disk: Mapping[str, Any]) -> Iterator[str]:
    where = f"disks[{disk.get('name')}]"
    wrong = name_fault(disk.get("name"))
    if wrong:
        yield f"{where}.name: {wrong}"
    if disk.get("state") == "absent":
        return
    # KubeVirt takes a claim or an image without a name, and the machine then waits for it.
    given = [key for key in DISK_SOURCES if disk.get(key) not in (None, "")]
    if len(given) != 1:
        found = f"has {len(given)} sources ({', '.join(given)})" if given else "has no source"
        yield f"{where}: {found}; give one of {', '.join(DISK_SOURCES)}"
    yield from _source_faults(where, disk)
    order = disk.get("boot_order")
    if isinstance(order, int) and order < 1:
        yield f"{where}.boot_order: {order} must be 1 or more"
    if disk.get("type") == "cdrom" and disk.get("bus") == "virtio":
        yield f"{where}.bus: virtio has no CD-ROM; write sata or scsi"


def _source_faults(where: str, disk: Mapping[str, Any]) -> Iterator[str]:
    for key in _OBJECT_SOURCES:
        yield from _name_fault(f"{where}.{key}", disk.get(key))
    if disk.get("empty_disk") is not None:
        wrong = quantity.fault(disk["empty_disk"])
        if wrong:
            yield f"{where}.empty_disk: {wrong}"
    template = disk.get("data_volume_template")
    if isinstance(template, Mapping):
        yield from _template_faults(where, template)


def _template_faults(where: str, template: Mapping[str, Any]) -> Iterator[str]:
    size = template.get("size")
    source = template.get("source")
    kinds = [str(kind) for kind, values in source.items() if values is not None] if isinstance(source, Mapping) else []
    kinds = kinds or ["blank"]
    # What is cloned tells its size; the API server would take the rest, and CDI would only fail later.
    if size is None and kinds[0] not in ("pvc", "snapshot") and len(kinds) == 1:
        yield f"{where}.data_volume_template.size: is missing; {kinds[0]} does not tell it"
    wrong = quantity.fault(size) if size is not None else None
    if wrong:
        yield f"{where}.data_volume_template.size: {wrong}"
    yield from _name_fault(f"{where}.data_volume_template.name", template.get("name"))
    yield from _password_faults(f"{where}.data_volume_template.source", source)
    unknown = [kind for kind in kinds if kind not in TEMPLATE_SOURCES]
    if len(kinds) != 1 or unknown:
        found = f"knows no {', '.join(unknown)}; it " if unknown else ""
        hint = "; sourceRef goes with data_volume and spec.dataVolumeTemplates" if "sourceRef" in unknown else ""
        yield f"{where}.data_volume_template.source: {found}must have one key of {', '.join(TEMPLATE_SOURCES)}{hint}"
    elif isinstance(source, Mapping) and not isinstance(source.get(kinds[0], {}), Mapping):
        yield f"{where}.data_volume_template.source.{kinds[0]}: must be a map of fields"


def _password_faults(where: str, source: Any) -> Iterator[str]:
    for kind, values in source.items() if isinstance(source, Mapping) else ():
        url = values.get("url") if isinstance(values, Mapping) else None
        if isinstance(url, str) and url != without_password(url):
            yield (
                f"{where}.{kind}.url: holds a password, which everybody who may read the machine would see; put it into"
                " a Secret"
            )


def _network_faults(network: Mapping[str, Any]) -> Iterator[str]:
    where = f"networks[{network.get('name')}]"
    if network.get("state") == "absent":
        return
    if network.get("pod") and network.get("multus"):
        yield f"{where}: pod and multus exclude each other"
    elif network.get("pod") is False and not network.get("multus"):
        yield f"{where}: has no source; give pod or multus"
    if network.get("multus") and network.get("binding") == "masquerade":
        yield f"{where}.binding: masquerade is for the pod network only; write bridge or sriov"
    for port in _entries(network, "ports"):
        number = port.get("port")
        if isinstance(number, int) and not 0 < number < 65536:
            yield f"{where}.ports: {number} is no port"


def _cloud_init_faults(cloud_init: Any) -> Iterator[str]:
    if not isinstance(cloud_init, Mapping):
        return
    inline = [key for key in ("user_data", "network_data", "ssh_keys") if cloud_init.get(key)]
    if cloud_init.get("secret") and inline:
        yield f"cloud_init: secret and {', '.join(inline)} exclude each other"
    user_data = cloud_init.get("user_data")
    for key in ("user_data", "network_data"):
        if cloud_init.get(key) is not None and not isinstance(cloud_init[key], (str, Mapping)):
            yield f"cloud_init.{key}: must be a text or a dictionary"
    if cloud_init.get("ssh_keys") and isinstance(user_data, str) and not user_data.startswith("#cloud-config"):
        yield "cloud_init.ssh_keys: can be added to user_data only where that begins with #cloud-config"
    if isinstance(user_data, str) and len(user_data.encode()) > LONGEST_USER_DATA:
        yield f"cloud_init.user_data: is longer than {LONGEST_USER_DATA} bytes; put it into a Secret, named as secret"


def _placement_faults(values: Mapping[str, Any]) -> Iterator[str]:
    affinity = values.get("node_affinity")
    if isinstance(affinity, Mapping):
        for label, wanted in affinity.items():
            if not isinstance(wanted, list) or not wanted or None in wanted:
                yield f"node_affinity[{label}]: must be a list of the label's wanted values"
                continue
            wrongs = (key_fault(str(label)), *(label_value_fault(value) for value in wanted))
            yield from (f"node_affinity[{label}]: {wrong}" for wrong in wrongs if wrong)
    yield from _affinity_faults(values.get("affinity"))
    for preset in ("one_per_node", "keep_together"):
        given = values.get(preset)
        group = given.get("group") if isinstance(given, Mapping) else None
        wrong = "is empty" if group == "" else label_value_fault(group)
        if wrong:
            yield f"{preset}.group: {wrong}"
    one, together = values.get("one_per_node"), values.get("keep_together")
    if isinstance(one, Mapping) and isinstance(together, Mapping) and one.get("group") == together.get("group"):
        yield "one_per_node: and keep_together name the same group"


def _affinity_faults(affinity: Any) -> Iterator[str]:
    """The shape of what the presets add their rules to; the rest the API server knows better."""
    for part in ("nodeAffinity", "podAffinity", "podAntiAffinity"):
        rules = affinity.get(part) if isinstance(affinity, Mapping) else None
        if rules is not None and not isinstance(rules, Mapping):
            yield f"affinity.{part}: must be a map of rules"
            continue
        for key, terms in (rules or {}).items() if part != "nodeAffinity" else ():
            if not isinstance(terms, list):
                yield f"affinity.{part}.{key}: must be a list of terms"
