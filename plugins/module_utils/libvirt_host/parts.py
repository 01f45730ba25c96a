# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a host's facts: each a function of the look, and what it reads is said in its sentence."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import (
    capabilities,
    cpu,
    domain_capabilities,
    domains,
    local,
    objects,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.look import Look
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import (
    LibvirtError,
    Unsupported,
    call,
    constant,
    versions,
)

Facts = dict[str, Any]
_KIB = 1024


def host(look: Look) -> Facts:
    """Names, versions and the sum of memory and processors: five short calls."""
    model, memory_mib, cpus, mhz, nodes, sockets, cores, threads = call(look.connection, "getInfo")
    return {
        "hostname": call(look.connection, "getHostname"),
        "hypervisor_type": call(look.connection, "getType"),
        "versions": versions(look.connection),
        "node": {
            "arch": model,
            "memory_bytes": memory_mib * 1024**2,
            "free_memory_bytes": _free_memory(look),
            "cpus": cpus,
            "mhz": mhz,
            "numa_nodes": nodes,
            "sockets_per_node": sockets,
            "cores_per_socket": cores,
            "threads_per_core": threads,
        },
    }


def _free_memory(look: Look) -> int | None:
    try:
        return int(call(look.connection, "getFreeMemory"))
    except (HaError, LibvirtError) as error:
        look.failed("host", error, "free memory")
        return None


def host_capabilities(look: Look) -> Facts:
    """The capabilities document."""
    found = capabilities.overview(look.documents.capabilities)
    return {"capabilities": {**found, "xml": look.documents.capabilities_text} if look.wanted.xml else found}


def guest_capabilities(look: Look) -> Facts:
    """The domain capabilities document."""
    found = domain_capabilities.overview(look.documents.domain_capabilities)
    document = {"xml": look.documents.domain_capabilities_text} if look.wanted.xml else {}
    return {"domain_capabilities": {**found, **document}}


def numa(look: Look) -> Facts:
    """The cells of the capabilities."""
    return {"numa": {"cells": capabilities.cells(look.documents.capabilities)}}


def hugepages(look: Look) -> Facts:
    """Totals from the capabilities, free ones by one call over all cells."""
    cells = capabilities.cells(look.documents.capabilities)
    sizes = capabilities.page_sizes(look.documents.capabilities)
    free = _free_pages(look, [cell["id"] for cell in cells if cell["id"] is not None], sizes)
    return {"hugepages": capabilities.hugepages(cells, sizes, free)}


def _free_pages(look: Look, cells: list[int], sizes: list[int]) -> dict[int, dict[int, int]]:
    """{cell: {bytes of a page: free pages}}; cells whose numbers have gaps are asked one by one."""
    if not cells or not sizes:
        return {}
    kib = [size // _KIB for size in sizes]
    low, high = min(cells), max(cells)
    spans = [(low, high - low + 1)] if high - low + 1 == len(cells) else [(cell, 1) for cell in cells]
    found: dict[int, dict[int, int]] = {}
    for first, count in spans:
        try:
            answer = call(look.connection, "getFreePages", kib, first, count, 0)
            if not answer:
                raise Unsupported("the driver does not tell")
            found.update(answer)
        except (HaError, LibvirtError) as error:
            look.failed("hugepages", error, f"free pages from cell {first} on")
    return {cell: {size * _KIB: count for size, count in pages.items()} for cell, pages in found.items()}


def iommu(look: Look) -> Facts:
    """Whether the IOMMU is in use, and this machine's groups where the hypervisor is this machine's."""
    told = capabilities.overview(look.documents.capabilities)["iommu"]
    groups = local.iommu_groups(look.wanted.root) if look.session.target.this_machine else None
    enabled = True if groups else told
    if enabled is None and groups is not None:
        enabled = False
    return {"iommu": {"enabled": enabled, "groups": groups}}


def virtualization(look: Look) -> Facts:
    """Whether guests have KVM; its device and nesting are this machine's."""
    types = capabilities.domain_types(
        look.documents.capabilities, capabilities.architecture(look.documents.capabilities)
    )
    kernel = _kernel(look)
    found = {"kvm": "kvm" in types, "domain_types": types, "kvm_device": kernel["device"], "nested": kernel["nested"]}
    return {"virtualization": found}


def security(look: Look) -> Facts:
    """Guests with protected memory and firmware with secure boot, as the domain capabilities tell."""
    root = look.documents.domain_capabilities
    found = {**domain_capabilities.confidential(root), "firmware": domain_capabilities.firmware(root)}
    return {"security": {**found, "kernel": _kernel(look)["protected"]}}


def _kernel(look: Look) -> Facts:
    if look.session.target.this_machine:
        return local.kvm(look.wanted.root)
    return {"device": None, "nested": None, "protected": None}


def pools(look: Look) -> Facts:
    """The storage pools: one list, three calls a pool; one more a volume where volumes are included."""
    found = look.each("pools", call(look.connection, "listAllStoragePools", 0), lambda pool: _pool(look, pool))
    return {"pools": found}


def _pool(look: Look, pool: Any) -> Facts:
    state = call(pool, "info")[0]
    found = objects.pool(call(pool, "XMLDesc", 0), state)
    found["active"] = found["state"] != "inactive"
    found["autostart"] = bool(call(pool, "autostart"))
    if "volumes" in look.wanted.include:
        found["volumes"] = _volumes(look, pool, found)
    return found


def _volumes(look: Look, pool: Any, facts: Facts) -> list[Facts]:
    if not facts["active"]:
        return []
    try:
        volumes = call(pool, "listAllVolumes", 0)
    except (HaError, LibvirtError) as error:
        look.failed("pools", error, f"volumes of {facts['name']}")
        return []
    return look.each("pools", volumes, lambda volume: objects.volume(call(volume, "XMLDesc", 0)))


def networks(look: Look) -> Facts:
    """The networks: one list, three calls a network; one more where DHCP leases are included."""
    found = look.each("networks", call(look.connection, "listAllNetworks", 0), lambda net: _network(look, net))
    return {"networks": found}


def _network(look: Look, network: Any) -> Facts:
    found = objects.network(call(network, "XMLDesc", 0))
    found["active"] = bool(call(network, "isActive"))
    found["autostart"] = bool(call(network, "autostart"))
    if "dhcp_leases" in look.wanted.include:
        found["leases"] = _leases(look, network, found)
    return found


def _leases(look: Look, network: Any, facts: Facts) -> list[Facts]:
    if not facts["active"]:
        return []
    try:
        leases = call(network, "DHCPLeases")
    except (HaError, LibvirtError) as error:
        look.failed("networks", error, f"leases of {facts['name']}")
        return []
    return sorted((objects.lease(lease) for lease in leases), key=lambda lease: str(lease["mac"]))


def node_devices(look: Look) -> Facts:
    """The host's PCI devices: one list, one call a device."""
    flag = constant("VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV") or 0
    devices = call(look.connection, "listAllDevices", flag)
    found = look.each("node_devices", devices, lambda device: objects.node_device(call(device, "XMLDesc", 0)))
    return {"node_devices": found}


def cpu_facts(look: Look) -> Facts:
    """The host's CPU, and the one that guests can have of it, where libvirt gives the domain capabilities."""
    root = look.documents.capabilities.find("host/cpu")
    if root is None:
        raise HaError("the capabilities document has no <cpu>")
    found = cpu.described(root)
    found["host"] = call(look.connection, "getHostname")
    found["xml"] = cpu.to_text(root) if found["model"] else None
    found.update(_guest_cpu(look))
    return {"cpu": found}


def _guest_cpu(look: Look) -> Facts:
    try:
        root = look.documents.domain_capabilities
    except (HaError, LibvirtError) as error:
        look.failed("cpu", error, "host model")
        return {"host_model": None, "host_model_xml": None, "usable_models": None}
    model = domain_capabilities.host_model(root)
    document = cpu.to_text(model) if model is not None else None
    return {
        "host_model": cpu.read(document).model if document else None,
        "host_model_xml": document,
        "usable_models": domain_capabilities.usable_models(root),
    }


PARTS: dict[str, Callable[[Look], Facts]] = {
    "host": host,
    "capabilities": host_capabilities,
    "domain_capabilities": guest_capabilities,
    "cpu": cpu_facts,
    "numa": numa,
    "hugepages": hugepages,
    "iommu": iommu,
    "virtualization": virtualization,
    "security": security,
    "pools": pools,
    "networks": networks,
    "domains": domains.statistics_of_all,
}
