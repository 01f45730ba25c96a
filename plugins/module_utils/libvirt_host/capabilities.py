# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capabilities document of a host, and its parts. Sizes are bytes."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import (
    Element,
    attribute,
    children,
    flag,
    in_bytes,
    number,
    number_at,
    parse,
    processors,
    size,
    text,
    texts,
)


def root_of(document: str) -> Element:
    """The document's root. Raises HaError when it is malformed."""
    return parse(document, "the capabilities document", "capabilities")


def architecture(root: Element) -> str | None:
    """The host's architecture."""
    return text(root, "host/cpu/arch")


def overview(root: Element) -> dict[str, Any]:
    """What the host and its guests can be; absent parts are empty, and None where libvirt does not tell."""
    host = root.find("host")
    suspends = host.find("power_management") if host is not None else None
    return {
        "host_uuid": text(host, "uuid"),
        "arch": architecture(root),
        "power_management": [child.tag for child in suspends] if suspends is not None else [],
        "iommu": flag(attribute(host, "iommu", "support")),
        "migration": {
            "live": host is not None and host.find("migration_features/live") is not None,
            "transports": texts(host, "migration_features/uri_transports/uri_transport"),
        },
        "security_models": [text(model, "model") for model in children(host, "secmodel")],
        "caches": [_cache(bank) for bank in children(host, "cache/bank")],
        "guests": [_guest(guest) for guest in root.iterfind("guest")],
    }


def domain_types(root: Element, arch: str | None) -> list[str]:
    """The domain types (kvm, qemu, ...) that guests of an architecture can have."""
    return sorted(
        {
            str(domain.get("type"))
            for guest in root.iterfind("guest/arch")
            if guest.get("name") == arch
            for domain in guest.iterfind("domain")
        }
    )


def cells(root: Element) -> list[dict[str, Any]]:
    """The NUMA cells: memory, processors, distances, and the total of each page size. Empty where there are none."""
    return [_cell(cell) for cell in root.iterfind("host/topology/cells/cell")]


def page_sizes(root: Element) -> list[int]:
    """The page sizes that the host's processor has or a cell has pages of, the smallest first."""
    pages = [*root.iterfind("host/cpu/pages"), *root.iterfind("host/topology/cells/cell/pages")]
    sizes = {in_bytes(page.get("size"), page.get("unit") or "KiB") for page in pages}
    return sorted(size for size in sizes if size)


def hugepages(numa: list[dict[str, Any]], sizes: list[int], free: dict[int, dict[int, int]]) -> list[dict[str, Any]]:
    """Each huge page size: total and free pages of the host and of each cell.

    sizes: all page sizes, the smallest first, which is no huge page. free: {cell: {bytes of a page: free pages}}.
    A count that is not known is None.
    """
    return [_hugepage(size, numa, free) for size in sizes[1:]]


def _hugepage(page: int, numa: list[dict[str, Any]], free: dict[int, dict[int, int]]) -> dict[str, Any]:
    parts = [
        {
            "cell": cell["id"],
            "total": next((pages["total"] for pages in cell["pages"] if pages["size_bytes"] == page), None),
            "free": free.get(cell["id"], {}).get(page),
        }
        for cell in numa
    ]
    return {"size_bytes": page, "total": _sum(parts, "total"), "free": _sum(parts, "free"), "cells": parts}


def _sum(parts: list[dict[str, Any]], key: str) -> int | None:
    known = [part[key] for part in parts if part[key] is not None]
    return sum(known) if known else None


def _cell(cell: Element) -> dict[str, Any]:
    return {
        "id": number(cell.get("id")),
        "memory_bytes": size(cell, "memory", "KiB"),
        "cpus": [
            {
                "id": number(cpu.get("id")),
                "socket": number(cpu.get("socket_id")),
                "die": number(cpu.get("die_id")),
                "core": number(cpu.get("core_id")),
                "siblings": processors(cpu.get("siblings")),
            }
            for cpu in cell.iterfind("cpus/cpu")
        ],
        "distances": [
            {"cell": number(sibling.get("id")), "value": number(sibling.get("value"))}
            for sibling in cell.iterfind("distances/sibling")
        ],
        "pages": [
            {"size_bytes": in_bytes(pages.get("size"), pages.get("unit") or "KiB"), "total": number(pages.text)}
            for pages in cell.iterfind("pages")
        ],
    }


def _cache(bank: Element) -> dict[str, Any]:
    return {
        "id": number(bank.get("id")),
        "level": number(bank.get("level")),
        "type": bank.get("type"),
        "size_bytes": in_bytes(bank.get("size"), bank.get("unit")),
        "cpus": processors(bank.get("cpus")),
    }


def _guest(guest: Element) -> dict[str, Any]:
    arch = guest.find("arch")
    features = guest.find("features")
    return {
        "os_type": text(guest, "os_type"),
        "arch": arch.get("name") if arch is not None else None,
        "wordsize": number_at(arch, "wordsize"),
        "emulator": text(arch, "emulator"),
        "domain_types": sorted({str(domain.get("type")) for domain in children(arch, "domain")}),
        "machines": [_machine(machine) for machine in children(arch, "machine")],
        "features": [child.tag for child in features] if features is not None else [],
    }


def _machine(machine: Element) -> dict[str, Any]:
    return {
        "name": text(machine),
        "canonical": machine.get("canonical") or text(machine),
        "max_cpus": number(machine.get("maxCpus")),
        "deprecated": bool(flag(machine.get("deprecated"))),
    }
