# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs as libvirt describes them: a host's, a guest's, a named model; and whether a host has what a model wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import (
    Element,
    attribute,
    number,
    number_at,
    parse,
    text,
)

_WANTED_POLICIES = frozenset({"require", "force"})
_ABSENT_POLICIES = frozenset({"disable", "forbid"})


@dataclass(frozen=True)
class Cpu:
    """A CPU: `features` come on top of the model's, `disabled` are taken from them."""

    model: str | None
    arch: str | None = None
    vendor: str | None = None
    features: frozenset[str] = field(default_factory=frozenset)
    disabled: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class HostCpu:
    """The CPU of a named host: `xml` as its capabilities tell, `guest_xml` as guests can have it, where that is known."""

    host: str
    xml: str
    guest_xml: str | None = None


def read(document: str, what: str = "the CPU") -> Cpu:
    """A CPU from a host's or a guest's <cpu>. Raises HaError naming `what` when it is malformed or names no model."""
    root = parse(document, what, "cpu")
    if not text(root, "model"):
        raise HaError(f"{what} names no model", fix="Give the <cpu> that this module returned for that host")
    features = [(str(feature.get("name")), feature.get("policy")) for feature in root.iterfind("feature")]
    return Cpu(
        model=text(root, "model"),
        arch=text(root, "arch"),
        vendor=text(root, "vendor"),
        features=frozenset(name for name, policy in features if policy is None or policy in _WANTED_POLICIES),
        disabled=frozenset(name for name, policy in features if policy in _ABSENT_POLICIES),
    )


def wanted(given: str) -> Cpu:
    """A wanted CPU from a model's name or a <cpu>."""
    return read(given, "wanted_cpu") if given.lstrip().startswith("<") else Cpu(given.strip())


def as_host(cpu: Cpu, arch: str | None) -> str:
    """The CPU as a host's <cpu>, which virConnectBaselineCPU wants; what is disabled cannot be said in it."""
    root = Element("cpu")
    ElementTree.SubElement(root, "arch").text = cpu.arch or arch
    ElementTree.SubElement(root, "model").text = cpu.model
    if cpu.vendor:
        ElementTree.SubElement(root, "vendor").text = cpu.vendor
    for name in sorted(cpu.features):
        ElementTree.SubElement(root, "feature", {"name": name})
    return to_text(root)


def as_guest(cpu: Cpu) -> str:
    """The CPU as a guest's <cpu>, which comparing wants."""
    root = Element("cpu", {"mode": "custom", "match": "exact"})
    ElementTree.SubElement(root, "model", {"fallback": "forbid"}).text = cpu.model
    if cpu.vendor:
        ElementTree.SubElement(root, "vendor").text = cpu.vendor
    for policy, names in (("require", cpu.features), ("disable", cpu.disabled)):
        for name in sorted(names):
            ElementTree.SubElement(root, "feature", {"policy": policy, "name": name})
    return to_text(root)


def to_text(root: Element) -> str:
    """The element as one line."""
    for node in root.iter():
        node.tail = None
        node.text = (node.text or "").strip() or None
    return ElementTree.tostring(root, encoding="unicode")


def described(root: Element) -> dict[str, Any]:
    """A host's <cpu> as facts."""
    topology = root.find("topology")
    return {
        "arch": text(root, "arch"),
        "model": text(root, "model"),
        "vendor": text(root, "vendor"),
        "microcode": number(attribute(root, "microcode", "version")),
        "tsc_frequency_hz": number(attribute(root, "counter[@name='tsc']", "frequency")),
        "tsc_scaling": attribute(root, "counter[@name='tsc']", "scaling"),
        "physical_address_bits": number(attribute(root, "maxphysaddr", "bits")) or number_at(root, "maxphysaddr"),
        "topology": {name: number(value) for name, value in topology.attrib.items()} if topology is not None else {},
        "features": sorted(_feature_names(root)),
    }


def _feature_names(root: Element) -> Iterable[str]:
    return (str(feature.get("name")) for feature in root.iterfind("feature") if feature.get("name"))


def baseline_result(document: str) -> dict[str, Any]:
    """What the computing of a baseline gave, as facts: {model, vendor, features, disabled, xml}."""
    found = read(document, "the baseline CPU")
    return {
        "model": found.model,
        "vendor": found.vendor,
        "features": sorted(found.features),
        "disabled": sorted(found.disabled),
        "xml": to_text(parse(document, "the baseline CPU", "cpu")),
    }


def verdict(host: str, has: Cpu, has_all: frozenset[str], wants: Cpu, wants_all: frozenset[str]) -> dict[str, Any]:
    """Whether a host has what a CPU wants: {host, compatible, missing, reason}; `*_all` are the expanded features."""
    missing = sorted(wants_all - has_all)
    reason = None
    if wants.arch and has.arch and wants.arch != has.arch:
        reason = f"it is of {has.arch}, wanted is {wants.arch}"
    elif wants.vendor and has.vendor and wants.vendor != has.vendor:
        reason = f"it is of {has.vendor}, wanted is {wants.vendor}"
    elif missing:
        reason = f"it lacks {', '.join(missing)}"
    return {"host": host, "compatible": reason is None, "missing": missing, "reason": reason}


def host_cpus(given: Iterable[Any]) -> tuple[list[HostCpu], list[str]]:
    """The CPUs of other hosts from the parameter, and its faults: entries are {host, xml} or `cpu` of this module's facts."""
    found: list[HostCpu] = []
    faults: list[str] = []
    for index, entry in enumerate(given):
        label = f"host_cpus[{(entry.get('host') if isinstance(entry, Mapping) else None) or index}]"
        try:
            found.append(_host_cpu(entry, label))
        except HaError as error:
            faults.append(str(error).rstrip("."))
    return found, faults


def _host_cpu(entry: Any, label: str) -> HostCpu:
    if not isinstance(entry, Mapping):
        raise HaError("must be a map with host and xml", where=label)
    lacking = [key for key in ("host", "xml") if not isinstance(entry.get(key), str) or not entry[key].strip()]
    if lacking:
        raise HaError(f"{' and '.join(lacking)} is missing", where=label, fix="Give `cpu` of this module's facts")
    read(entry["xml"], f"{label}: xml")
    guest_xml = entry.get("host_model_xml")
    if guest_xml:
        read(str(guest_xml), f"{label}: host_model_xml")
    return HostCpu(entry["host"], entry["xml"], str(guest_xml) if guest_xml else None)
