# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host cannot become what is wanted. No I/O.

Wishes are a role's variables as an inventory gives them, so their types are looked at here and every fault is told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import quantity
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host import pages, watchdog
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.pages import Facts, Wanted, kernel_numbers

CHOICES = {
    "nested": ("enabled", "disabled", "kept"),
    "ksm": ("enabled", "disabled", "kept"),
    "swap": ("disabled", "refused", "kept"),
}
# The KubeletConfiguration's own words.
KUBELET = {
    "cpuManagerPolicy": ("none", "static"),
    "memoryManagerPolicy": ("None", "Static"),
    "topologyManagerPolicy": ("none", "best-effort", "restricted", "single-numa-node"),
    "topologyManagerScope": ("container", "pod"),
}
# Parameters that come with a module, which may yet be loaded.
_COME_WITH = {"net.bridge.": "br_netfilter", "net.netfilter.nf_conntrack": "nf_conntrack"}
_PARAMETER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:,=/+@-]*$")
_VERSION, _CPUS = re.compile(r"^\d+(\.\d+)*$"), re.compile(r"^\d+(-\d+)?(,\d+(-\d+)?)*$")
_MOST_CPUS = 65536


def faults(facts: Facts, wanted: Wanted) -> list[str]:
    """Why the host cannot become what is wanted: a sentence each with what is allowed instead, options as `<name>`."""
    return [
        f"<{option}>: {text}"
        for option, check in _CHECKS.items()
        if wanted.get(option) is not None
        for text in check(facts, wanted[option], wanted)
    ]


def _check_emulation(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    if not value and facts["machine"] == "x86_64" and not facts["virtualization"]:
        yield (
            "the processors offer neither vmx nor svm; switch virtualization on in the firmware,"
            " or set this to true for a host that may emulate"
        )


def _check_iommu(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    if value and not facts["iommu"]:
        yield (
            "the kernel has no IOMMU groups; switch VT-d or AMD-Vi on in the firmware, add intel_iommu=on to"
            " <boot_parameters> on Intel, or set this to false"
        )


def _check_kernel(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    if not isinstance(value, str) or not _VERSION.match(value):
        yield f"{value!r} is no version; write it in quotes, such as '5.10'"
    elif kernel_numbers(facts["kernel"]) < kernel_numbers(value):
        yield f"the kernel is {facts['kernel']}, older than {value}; install a newer one"


def _check_devices(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    for path in value if isinstance(value, list) else []:
        if not facts["devices"].get(path):
            hint = "; dmesg tells whether the firmware locked virtualization" if path == "/dev/kvm" else ""
            yield f"{path} is missing; load its kernel module, or take it out{hint}"


def _check_modules(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    for name in value if isinstance(value, list) and not facts["shared_kernel"] else []:
        if facts["modules"].get(name) == "missing":
            yield f"kernel {facts['kernel']} has no module {name}; take it out, or install the kernel's package that has it"


def _check_nested(facts: Facts, value: Any, wanted: Wanted) -> Iterator[str]:
    yield from _check_choice("nested", value)
    if value == "enabled" and not facts["kvm_modules"] and not facts["shared_kernel"]:
        yield "neither kvm_intel nor kvm_amd is loaded; load one, or set this to kept"


def _check_ksm(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    yield from _check_choice("ksm", value)
    if value == "enabled" and facts["ksm"] is None:
        yield "this kernel is built without KSM; set this to kept"


def _check_swap(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    yield from _check_choice("swap", value)
    if value == "refused" and facts["swaps"]:
        yield f"{', '.join(facts['swaps'])} is in use; turn it off, or set this to disabled or kept"


def _check_choice(option: str, value: Any) -> Iterator[str]:
    if value not in CHOICES[option]:
        yield f"{value!r} is unknown; allowed are {', '.join(CHOICES[option])}"


def _check_host_memory(_facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    wrong = quantity.fault(value, positive=False)
    if wrong:
        yield wrong


def _check_boot_parameters(facts: Facts, value: Any, wanted: Wanted) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{value!r} is no list of kernel parameters, such as intel_iommu=on"
        return
    yield from (
        f"{text!r} is no kernel parameter; give one a line, such as intel_iommu=on, without blanks and quotes"
        for text in value
        if not isinstance(text, str) or not _PARAMETER.match(text)
    )
    asked = value or (wanted.get("hugepages") and wanted.get("hugepages_at_boot"))
    if asked and not facts["update_grub"] and not facts["shared_kernel"]:
        yield (
            "this host has no update-grub; leave this empty and <hugepages_at_boot> false,"
            " and give the parameters to its own boot loader"
        )


def _check_sysctls(facts: Facts, value: Any, wanted: Wanted) -> Iterator[str]:
    yield from _check_parameters(facts, value, wanted)
    twice = set(value) & set(wanted.get("sysctls_at_least") or {}) if isinstance(value, dict) else set()
    yield from (f"{name} stands in <sysctls_at_least>, too; take it out of one" for name in sorted(twice))


def _check_parameters(facts: Facts, value: Any, wanted: Wanted) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{value!r} is no map of kernel parameters, such as {{net.ipv4.ip_forward: 1}}"
        return
    for name, asked in value.items():
        module = next((module for start, module in _COME_WITH.items() if str(name).startswith(start)), None)
        to_come = module in (wanted.get("modules") or []) and facts["modules"].get(module) != "loaded"
        if facts["sysctls"].get(name) is None and not to_come:
            yield f"{name}: this kernel has no such parameter; `sysctl --all --names` lists what it has"
        if isinstance(asked, bool) or not isinstance(asked, (int, str)):
            yield f"{name}: {asked!r} must be a number or a text, such as 1"


def _check_least(facts: Facts, value: Any, wanted: Wanted) -> Iterator[str]:
    yield from _check_parameters(facts, value, wanted)
    for name, asked in value.items() if isinstance(value, dict) else ():
        for text, what in (
            (str(asked), "the value asked for"),
            (facts["sysctls"].get(name) or "0", "the kernel's value"),
        ):
            if not re.fullmatch(r"-?\d+", text):
                yield f"{name}: {what}, {text}, is no whole number; put it into <sysctls>"


def _check_kubelet(facts: Facts, value: Any, _wanted: Wanted) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{value!r} is no map of a KubeletConfiguration's fields"
        return
    for name, allowed in KUBELET.items():
        given = value.get(name)
        if given is not None and given not in allowed:
            yield f"{name}: {given!r} is unknown; allowed are {', '.join(allowed)}"
            continue
        kept = facts["kubelet"].get(name)
        if given is not None and kept is not None and kept != given:
            # A kubelet that finds another policy in its state does not start.
            state = "cpu_manager_state" if name == "cpuManagerPolicy" else "memory_manager_state"
            yield (
                f"{name}: {given} is not {kept}, which this node's kubelet runs with; drain the node, stop the kubelet"
                f" and remove /var/lib/kubelet/{state}, then run this again"
            )
    yield from _check_reserved(facts, value)


def _check_reserved(facts: Facts, kubelet: Mapping[str, Any]) -> Iterator[str]:
    given, cpus = kubelet.get("reservedSystemCPUs"), facts["cpus"]
    if given is not None:
        reserved = _cpus(given)
        allowed = f"allowed are some, not all, of {_ranges(cpus)}"
        if reserved is None:
            yield f"reservedSystemCPUs: {given!r} is no list of processors such as '0-1,4'"
        elif set(reserved) - set(cpus):
            yield f"reservedSystemCPUs: {_ranges(sorted(set(reserved) - set(cpus)))} are not this host's; {allowed}"
        elif len(reserved) >= len(cpus):
            yield f"reservedSystemCPUs: {given} leaves no processor for virtual machines; {allowed}"
    elif kubelet.get("cpuManagerPolicy") == "static":
        kept = [(kubelet.get(name) or {}).get("cpu") for name in ("kubeReserved", "systemReserved")]
        if not any(kept):
            yield (
                "cpuManagerPolicy: static wants processors kept for the host; set reservedSystemCPUs to some, not all,"
                f" of {_ranges(cpus)}"
            )


def _cpus(text: Any) -> list[int] | None:
    text = str(text)
    if not _CPUS.match(text):
        return None
    numbers: set[int] = set()
    for part in text.split(","):
        first, _dash, last = part.partition("-")
        numbers |= set(range(int(first), min(int(last or first), _MOST_CPUS) + 1))
    return sorted(numbers)


def _ranges(numbers: list[int]) -> str:
    """[0, 1, 2, 5] as `0-2,5`."""
    starts = [number for number in numbers if number - 1 not in numbers]
    ends = [number for number in numbers if number + 1 not in numbers]
    return ",".join(str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends))


_CHECKS = {
    "allow_emulation": _check_emulation,
    "boot_parameters": _check_boot_parameters,
    "devices": _check_devices,
    "host_memory": _check_host_memory,
    "hugepages": pages.check,
    "iommu_required": _check_iommu,
    "ksm": _check_ksm,
    "kubelet": _check_kubelet,
    "minimum_kernel": _check_kernel,
    "modules": _check_modules,
    "nested": _check_nested,
    "swap": _check_swap,
    "sysctls": _check_sysctls,
    "sysctls_at_least": _check_least,
    "watchdog_seconds": watchdog.check,
}
