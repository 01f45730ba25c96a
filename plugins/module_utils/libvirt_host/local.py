# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine's kernel tells of itself in sysfs; only of use where the hypervisor is this machine's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import number

_NESTED = ("kvm_intel", "kvm_amd", "kvm")
# Parameters of KVM's modules that tell whether the kernel offers protected guests.
_PROTECTED = {"sev": "kvm_amd/sev", "sev_es": "kvm_amd/sev_es", "sev_snp": "kvm_amd/sev_snp", "tdx": "kvm_intel/tdx"}


def iommu_groups(root: str = "/") -> list[dict[str, Any]]:
    """The IOMMU groups with their devices' addresses; empty where the IOMMU is off."""
    folder = os.path.join(root, "sys/kernel/iommu_groups")
    groups = [(number(name), os.path.join(folder, name, "devices")) for name in _names(folder)]
    return [
        {"id": group, "devices": _names(path)}
        for group, path in sorted((number, path) for number, path in groups if number is not None)
    ]


def kvm(root: str = "/") -> dict[str, Any]:
    """`{device, nested, protected}`: whether /dev/kvm is there, whether guests can nest, what the kernel can protect.

    None where the kernel does not tell, because the module is not loaded or has no such parameter.
    """
    modules = os.path.join(root, "sys/module")
    nested = [_switch(os.path.join(modules, name, "parameters/nested")) for name in _NESTED]
    return {
        "device": os.path.exists(os.path.join(root, "dev/kvm")),
        "nested": next((answer for answer in nested if answer is not None), None),
        "protected": protected(modules, _PROTECTED),
    }


def protected(modules: str, names: Mapping[str, str]) -> dict[str, bool | None]:
    """Each switch of KVM's modules as yes, no or unknown."""
    paths = {kind: path.partition("/") for kind, path in names.items()}
    return {
        kind: _switch(os.path.join(modules, module, "parameters", name))
        for kind, (module, _slash, name) in paths.items()
    }


def _switch(path: str) -> bool | None:
    try:
        with open(path, encoding="ascii", errors="replace") as handle:
            return {"y": True, "1": True, "n": False, "0": False}.get(handle.read().strip().lower())
    except OSError:
        return None


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
