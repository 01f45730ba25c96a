# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs over several hosts: the one that all can give to guests, and which hosts cannot give a wanted one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import capabilities, cpu
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.cpu import Cpu, HostCpu
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.domain_capabilities import host_model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.look import Look, reason_of
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import (
    Denied,
    LibvirtError,
    Unsupported,
    call,
    code_of,
    constant,
    message_of,
)

Facts = dict[str, Any]
_RESULTS = {0: "incompatible", 1: "identical", 2: "superset"}


def baseline(look: Look) -> Facts:
    """The CPU that this host and all of `host_cpus` can give to guests.

    virConnectBaselineHypervisorCPU needs a read-write connection; where that or the call is not to be had,
    virConnectBaselineCPU answers, which knows processors but not what the hypervisor can do with them.
    """
    hosts, own_failure = _hosts(look)
    if own_failure is not None:
        look.failed("baseline", own_failure, "this host")
    if not hosts:
        raise HaError("there is no CPU to compute it from")
    arch = capabilities.architecture(look.documents.capabilities)
    flags = _baseline_flags(look)
    method, why = "hypervisor", None
    try:
        document = _of_hypervisor(look, hosts, flags)
    except (HaError, LibvirtError) as error:
        try:
            document = _of_processors(look, hosts, arch, flags)
        except (HaError, LibvirtError) as second:
            raise (second if isinstance(error, (Denied, Unsupported)) else error) from second
        method, why = "host", reason_of(error)
    found = cpu.baseline_result(document)
    return {"baseline": {"hosts": [host.host for host in hosts], "method": method, "why": why, **found}}


def _of_hypervisor(look: Look, hosts: list[HostCpu], flags: int) -> str:
    documents = [host.guest_xml or host.xml for host in hosts]
    return str(call(look.session.read_write(), "baselineHypervisorCPU", *look.wanted.flavour, documents, flags))


def _of_processors(look: Look, hosts: list[HostCpu], arch: str | None, flags: int) -> str:
    documents = [cpu.as_host(cpu.read(host.xml), arch) for host in hosts]
    return str(call(look.connection, "baselineCPU", documents, flags))


def comparison(look: Look) -> Facts:
    """Whether this host can give the wanted CPU, by libvirt's own comparison, and which of `host_cpus` lack what.

    The others' features are expanded by virConnectBaselineCPU of each alone, and compared here.
    """
    wants = look.wanted.wanted_cpu
    if wants is None:
        raise HaError("wanted_cpu is not given")
    arch = capabilities.architecture(look.documents.capabilities)
    hosts = [_verdict(look, host, wants, arch) for host in look.wanted.host_cpus]
    return {
        "comparison": {
            "wanted": wants.model,
            "this_host": _this_host(look, wants),
            "hosts": hosts,
            "incompatible": [entry["host"] for entry in hosts if entry["compatible"] is False],
        }
    }


def _hosts(look: Look) -> tuple[list[HostCpu], Exception | None]:
    """This host's CPU, unless it is among the others already, and the others'; two hosts of one name are both there."""
    given = list(look.wanted.host_cpus)
    try:
        own = _own(look)
    except (HaError, LibvirtError) as error:
        return given, error
    there = any((host.host, host.xml) == (own.host, own.xml) for host in given)
    return given if there else [own, *given], None


def _own(look: Look) -> HostCpu:
    root = look.documents.capabilities.find("host/cpu")
    if root is None or root.find("model") is None:
        raise HaError("its capabilities document names no CPU model")
    name = str(call(look.connection, "getHostname"))
    try:
        model = host_model(look.documents.domain_capabilities)
    except (HaError, LibvirtError):
        model = None  # the capabilities' CPU serves
    return HostCpu(name, cpu.to_text(root), cpu.to_text(model) if model is not None else None)


def _baseline_flags(look: Look) -> int:
    flags = constant("VIR_CONNECT_BASELINE_CPU_MIGRATABLE") if look.wanted.migratable else 0
    expand = constant("VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES") if look.wanted.expand_features else 0
    return (flags or 0) | (expand or 0)


def _this_host(look: Look, wants: Cpu) -> Facts:
    """{result, method, reason}: result is identical, superset or incompatible, None where libvirt cannot tell."""
    document = cpu.as_guest(wants)
    flag = constant("VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE") or 0
    try:
        connection = look.session.read_write()
        return _compared("hypervisor", connection, "compareHypervisorCPU", *look.wanted.flavour, document, flag)
    except (Denied, Unsupported):
        try:
            return _compared("host", look.connection, "compareCPU", document, flag)
        except (HaError, LibvirtError) as error:
            look.failed("comparison", error, "this host")
    except LibvirtError as error:
        look.failed("comparison", error, "this host")
    return {"result": None, "method": None, "reason": None}


def _compared(method: str, connection: Any, name: str, *arguments: Any) -> Facts:
    try:
        result = _RESULTS.get(call(connection, name, *arguments))
        return {"result": result, "method": method, "reason": None}
    except LibvirtError as error:
        if code_of(error) != constant("VIR_ERR_CPU_INCOMPATIBLE"):
            raise
        return {"result": "incompatible", "method": method, "reason": message_of(error)}


def _verdict(look: Look, host: HostCpu, wants: Cpu, arch: str | None) -> Facts:
    """arch: this host's, for CPUs that name none."""
    has = replace(cpu.read(host.guest_xml or host.xml), arch=cpu.read(host.xml).arch or arch)
    try:
        has_all = _expanded(look, has, has.arch)
        wants_all = _expanded(look, wants, wants.arch or has.arch)
    except (HaError, LibvirtError) as error:
        look.failed("comparison", error, host.host)
        return {"host": host.host, "compatible": None, "missing": [], "reason": reason_of(error)}
    return cpu.verdict(host.host, has, has_all, wants, wants_all)


def _expanded(look: Look, entry: Cpu, arch: str | None) -> frozenset[str]:
    """All features of a CPU, those of its model too."""
    flag = constant("VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES") or 0
    document = call(look.connection, "baselineCPU", [cpu.as_host(entry, arch)], flag)
    return cpu.read(document).features - entry.disabled


def parts(wanted: Any) -> Iterable[str]:
    """The parts of this file that the parameters ask for."""
    if wanted.host_cpus:
        yield "baseline"
    if wanted.wanted_cpu is not None:
        yield "comparison"
