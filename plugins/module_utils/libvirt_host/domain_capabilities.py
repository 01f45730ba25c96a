# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests of one emulator, machine and virtualization can have: the domain capabilities document."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import (
    Element,
    attribute,
    children,
    flag,
    number,
    number_at,
    parse,
    snake,
    text,
    texts,
)

_CUSTOM = "cpu/mode[@name='custom']"


def root_of(document: str) -> Element:
    """The document's root. Raises HaError when it is malformed."""
    return parse(document, "the domain capabilities document", "domainCapabilities")


def overview(root: Element) -> dict[str, Any]:
    """The whole document as a map; names in snake_case, enumerations as lists, `supported` None where it is not said."""
    loader = root.find("os/loader")
    return {
        "emulator": text(root, "path"),
        "virttype": text(root, "domain"),
        "machine": text(root, "machine"),
        "arch": text(root, "arch"),
        "vcpus_max": number(attribute(root, "vcpu", "max")),
        "iothreads": flag(attribute(root, "iothreads", "supported")),
        "firmware": {
            "types": _enum(root.find("os"), "firmware"),
            "loaders": texts(loader, "value"),
            "loader_types": _enum(loader, "type"),
            "secure_boot": _secure_boot(root),
        },
        "cpu": {"modes": _modes(root), "models": _models(root)},
        "memory_backing": described(root.find("memoryBacking")),
        "devices": {snake(device.tag): described(device) for device in children(root, "devices/*")},
        "features": {snake(feature.tag): described(feature) for feature in children(root, "features/*")},
    }


def confidential(root: Element) -> dict[str, Any]:
    """Which kinds of guests with protected memory can be had; None where this libvirt does not tell."""
    types = launch_security(root)
    sev = root.find("features/sev")
    supported = flag(sev.get("supported")) if sev is not None else None
    es_guests = number_at(sev, "maxESGuests")
    es = supported and es_guests > 0 if es_guests is not None else (False if supported is False else None)
    return {
        "launch_security": types,
        "sev": {
            "supported": supported if supported is not None else _among("sev", types),
            "es": es,
            "snp": _among("sev-snp", types),
            "cbitpos": number_at(sev, "cbitpos"),
            "reduced_phys_bits": number_at(sev, "reducedPhysBits"),
            "max_guests": number_at(sev, "maxGuests"),
            "max_es_guests": es_guests,
        },
        "tdx": {"supported": _first(flag(attribute(root, "features/tdx", "supported")), _among("tdx", types))},
        "s390_pv": {
            "supported": _first(flag(attribute(root, "features/s390-pv", "supported")), _among("s390-pv", types))
        },
    }


def launch_security(root: Element) -> list[str] | None:
    """The kinds of launch security; None where this libvirt does not list them."""
    node = root.find("features/launchSecurity")
    return None if node is None else _enum(node, "sectype")


def firmware(root: Element) -> dict[str, Any]:
    """The kinds of firmware for guests, and whether secure boot can be enforced with one of them."""
    return {"types": _enum(root.find("os"), "firmware"), "secure_boot": _secure_boot(root)}


def host_model(root: Element) -> Element | None:
    """The CPU that `host-model` gives to guests, as a guest's <cpu>; None where it is not supported."""
    mode = root.find("cpu/mode[@name='host-model']")
    if mode is None or not flag(mode.get("supported")) or mode.find("model") is None:
        return None
    cpu = Element("cpu", {"mode": "custom", "match": "exact"})
    cpu.extend(child for child in mode if child.tag in ("model", "vendor", "feature"))
    return cpu


def usable_models(root: Element) -> list[str]:
    """The names of the CPU models that guests can have here."""
    return [str(text(model)) for model in root.iterfind(_CUSTOM + "/model[@usable='yes']")]


def described(node: Element | None) -> dict[str, Any]:
    """`{supported, enumerations as lists, numbers and texts of its children}` of a device or a feature."""
    if node is None:
        return {}
    found: dict[str, Any] = {"supported": flag(node.get("supported"))}
    for child in node:
        if child.tag == "enum":
            found[snake(str(child.get("name")))] = texts(child, "value")
        elif len(child) == 0 and text(child) is not None:
            plain = number(text(child))
            found[snake(child.tag)] = text(child) if plain is None else plain
        elif len(child):
            found[snake(child.tag)] = described(child)
    return found


def _modes(root: Element) -> dict[str, Any]:
    return {snake(str(mode.get("name"))): _mode(mode) for mode in root.iterfind("cpu/mode")}


def _mode(mode: Element) -> dict[str, Any]:
    enums = {snake(str(enum.get("name"))): texts(enum, "value") for enum in mode.iterfind("enum")}
    return {"supported": flag(mode.get("supported")), **enums}


def _models(root: Element) -> list[dict[str, Any]]:
    blockers = {
        blocker.get("model"): [feature.get("name") for feature in blocker.iterfind("feature")]
        for blocker in root.iterfind(_CUSTOM + "/blockers")
    }
    return [
        {
            "name": text(model),
            "usable": flag(model.get("usable")),
            "vendor": model.get("vendor"),
            "deprecated": bool(flag(model.get("deprecated"))),
            "missing": blockers.get(text(model), []),
        }
        for model in root.iterfind(_CUSTOM + "/model")
    ]


def _enum(node: Element | None, name: str) -> list[str]:
    return texts(node, f"enum[@name='{name}']/value")


def _secure_boot(root: Element) -> bool | None:
    loader = root.find("os/loader")
    if loader is None or loader.find("enum[@name='secure']") is None:
        return None
    return "yes" in _enum(loader, "secure")


def _among(kind: str, types: list[str] | None) -> bool | None:
    return None if types is None else kind in types


def _first(*answers: bool | None) -> bool | None:
    return next((answer for answer in answers if answer is not None), None)
