# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a host's kernel, processors, memory and devices from /proc, /sys and /dev. It never writes."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import local
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import processors

_FLAGS = re.compile(r"^flags\s*:.*\b(vmx|svm)\b", re.MULTILINE)
_KIB = re.compile(r"MemTotal:\s+(\d+) kB")
_NODE, _SIZE = re.compile(r"^node(\d+)$"), re.compile(r"^hugepages-(\d+)kB$")
_MODULE = re.compile(r"^(?:\S*/)?([^/\s:]+)\.ko\b", re.MULTILINE)
NODES, HUGEPAGES, KSM = "sys/devices/system/node", "sys/kernel/mm/hugepages", "sys/kernel/mm/ksm/run"


def read(
    root: str = "/", *, sysctls: Iterable[str] = (), modules: Iterable[str] = (), devices: Iterable[str] = ()
) -> dict[str, Any]:
    """The facts of the host whose file system begins at `root`. Sizes are bytes; what the kernel does not tell is None.

    sysctls, modules, devices: the names of which values, presence and kind are told.
    """
    look = _Look(root)
    flags, kib = _FLAGS.search(look.text("proc/cpuinfo")), _KIB.search(look.text("proc/meminfo"))
    folders = ((_NODE.match(name), name) for name in look.names(NODES))
    nodes = [(int(match.group(1)), f"{NODES}/{name}") for match, name in folders if match]
    release = look.text("proc/sys/kernel/osrelease")
    return {
        "kernel": release,
        "machine": os.uname().machine,
        "virtualization": flags.group(1) if flags else None,
        "nested": local.kvm(root)["nested"],
        "kvm_modules": [name for name in ("kvm_intel", "kvm_amd") if look.exists(f"sys/module/{name}")],
        "iommu": bool(local.iommu_groups(root)),
        "cpus": processors(look.text("sys/devices/system/cpu/online")),
        "memory_bytes": int(kib.group(1)) * 1024 if kib else 0,
        "numa_nodes": [
            {
                "node": number,
                "cpus": processors(look.text(f"{folder}/cpulist")),
                "memory_bytes": sum(int(found) * 1024 for found in _KIB.findall(look.text(f"{folder}/meminfo"))),
                "hugepages": look.pages(f"{folder}/hugepages"),
            }
            for number, folder in sorted(nodes)
        ],
        "hugepages": look.pages(HUGEPAGES),
        "ksm": look.number(KSM),
        "swaps": [line.split()[0] for line in look.text("proc/swaps").splitlines()[1:] if line.strip()],
        "boot_parameters": look.text("proc/cmdline").split(),
        "sysctls": {name: look.sysctl(name) for name in sysctls},
        "modules": look.modules(release, modules),
        "devices": {name: look.is_device(name) for name in devices},
        "watchdogs": [
            {
                "device": f"/dev/{name}",
                "identity": look.text(f"sys/class/watchdog/{name}/identity") or None,
                "timeout": look.number(f"sys/class/watchdog/{name}/timeout"),
                "min_timeout": look.number(f"sys/class/watchdog/{name}/min_timeout"),
                "max_timeout": look.number(f"sys/class/watchdog/{name}/max_timeout"),
                "active": {"active": True, "inactive": False}.get(look.text(f"sys/class/watchdog/{name}/state")),
            }
            for name in look.names("sys/class/watchdog")
        ],
        "kubelet": {
            "cpuManagerPolicy": look.policy("cpu_manager_state"),
            "memoryManagerPolicy": look.policy("memory_manager_state"),
        },
    }


def sysctl_path(name: str) -> str:
    """The file of a kernel parameter below /proc/sys: a slash in its name is a dot of an interface's name (sysctl.d(5))."""
    first = re.search(r"[./]", name)
    if first and first.group() == "/":
        return f"proc/sys/{name}"
    return "proc/sys/" + name.translate(str.maketrans("./", "/."))


class _Look:
    def __init__(self, root: str) -> None:
        self._root = root

    def _path(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))

    def text(self, path: str) -> str:
        try:
            with open(self._path(path), encoding="utf-8", errors="replace") as handle:
                return handle.read().strip()
        except OSError:
            return ""

    def number(self, path: str) -> int | None:
        text = self.text(path)
        return int(text) if text.isdigit() else None

    def names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self._path(path)))
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        return os.path.exists(self._path(path))

    def is_device(self, path: str) -> bool:
        try:
            return stat.S_ISCHR(os.stat(self._path(path)).st_mode)
        except OSError:
            return False

    def sysctl(self, name: str) -> str | None:
        """A parameter's value with single blanks; an empty one that may only be written is empty."""
        path = sysctl_path(name)
        return " ".join(self.text(path).split()) if self.exists(path) and not os.path.isdir(self._path(path)) else None

    def pages(self, folder: str) -> list[dict[str, int]]:
        """Huge pages by their size: `size_bytes`, `total`, `free`."""
        found = ((_SIZE.match(name), f"{folder}/{name}") for name in self.names(folder))
        return [
            {
                "size_bytes": int(match.group(1)) * 1024,
                "total": self.number(f"{path}/nr_hugepages") or 0,
                "free": self.number(f"{path}/free_hugepages") or 0,
            }
            for match, path in found
            if match
        ]

    def modules(self, release: str, names: Iterable[str]) -> dict[str, str]:
        """Each module as `loaded`, `loadable`, `missing`, or `unknown` where this kernel's list of them is not there."""
        folder = f"lib/modules/{release}"
        loadable, built_in = (
            {name.replace("-", "_") for name in _MODULE.findall(self.text(f"{folder}/modules.{kind}"))}
            for kind in ("dep", "builtin")
        )
        told = {}
        for name in names:
            plain = name.replace("-", "_")
            if plain in built_in or self.exists(f"sys/module/{plain}"):
                told[name] = "loaded"
            elif plain in loadable:
                told[name] = "loadable"
            else:
                told[name] = "missing" if loadable else "unknown"
        return told

    def policy(self, state: str) -> str | None:
        """The policy of a manager that this host's kubelet has kept since it last ran."""
        try:
            found = json.loads(self.text(f"var/lib/kubelet/{state}"))
        except ValueError:
            return None
        return found.get("policyName") if isinstance(found, dict) else None
