# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's /proc, /sys and /dev in a folder: two NUMA nodes, four processors, two sizes of huge pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.read import read

GI = 1024**3
RELEASE = "6.1.0-18-amd64"
FILES = {
    "proc/cpuinfo": "processor : 0\nflags\t\t: fpu vmx ssse3\n",
    "proc/meminfo": f"MemTotal:       {16 * GI // 1024} kB\nMemFree: 1 kB\n",
    "proc/cmdline": "quiet hugepagesz=1G hugepages=2\n",
    "proc/swaps": "Filename Type Size Used Priority\n/dev/dm-1 partition 1 0 -2\n",
    "proc/sys/kernel/osrelease": RELEASE,
    "proc/sys/fs/aio-max-nr": "65536\n",
    "proc/sys/net/ipv4/ip_forward": "0\n",
    "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t33554432\n",
    "proc/sys/net/ipv4/conf/eth0.7/rp_filter": "2\n",
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/module/tun/refcnt": "1\n",
    "sys/module/kvm_intel/parameters/nested": "N\n",
    "sys/kernel/mm/ksm/run": "1\n",
    "sys/class/watchdog/watchdog0/identity": "iTCO_wdt\n",
    "sys/class/watchdog/watchdog0/timeout": "30\n",
    "sys/class/watchdog/watchdog0/min_timeout": "4\n",
    "sys/class/watchdog/watchdog0/max_timeout": "613\n",
    "sys/class/watchdog/watchdog0/state": "inactive\n",
    f"lib/modules/{RELEASE}/modules.builtin": "kernel/fs/fuse/fuse.ko\n",
    f"lib/modules/{RELEASE}/modules.dep": "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\n",
    "var/lib/kubelet/cpu_manager_state": json.dumps({"policyName": "none", "defaultCpuSet": ""}),
}


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    _write(tmp_path, FILES)
    for node, cpus in enumerate(("0-1", "2-3")):
        folder = f"sys/devices/system/node/node{node}"
        memory = f"Node {node} MemTotal:       {8 * GI // 1024} kB\n"
        _write(tmp_path, {f"{folder}/cpulist": cpus, f"{folder}/meminfo": memory})
    for folder in ("sys/kernel/mm", *(f"sys/devices/system/node/node{node}" for node in (0, 1))):
        for size in (2048, 1048576):
            pages = f"{folder}/hugepages/hugepages-{size}kB"
            _write(tmp_path, {f"{pages}/nr_hugepages": "0\n", f"{pages}/free_hugepages": "0\n"})
    return tmp_path


@pytest.fixture
def host(root: Path) -> Callable[..., dict[str, Any]]:
    """The facts of the host as the module has them; keywords replace some."""

    def facts(**changed: Any) -> dict[str, Any]:
        found = read(
            str(root),
            sysctls=["fs.aio-max-nr", "net.ipv4.ip_forward", "net.ipv4.tcp_rmem", "net.bridge.bridge-nf-call-iptables"],
            modules=["tun", "fuse", "br_netfilter", "nope"],
            devices=["/dev/kvm"],
        )
        outside = {
            "machine": "x86_64",
            "container": None,
            "shared_kernel": False,
            "update_grub": True,
            "multipath": False,
            "watchdog_seconds": 0.0,
        }
        return {**found, **outside, **changed}

    return facts
