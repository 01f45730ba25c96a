# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host import read as reader

from .conftest import FILES, GI, RELEASE


def test_what_the_kernel_tells(root: Path) -> None:
    facts = reader.read(
        str(root),
        sysctls=["net.ipv4.tcp_rmem", "no.such", "net.ipv4"],
        modules=["tun", "fuse", "br-netfilter", "nope"],
        devices=["/dev/kvm"],
    )
    assert facts["kernel"] == RELEASE
    assert facts["virtualization"] == "vmx"
    assert (facts["nested"], facts["kvm_modules"]) == (False, ["kvm_intel"])
    assert facts["cpus"] == [0, 1, 2, 3]
    assert facts["memory_bytes"] == 16 * GI
    assert [(node["node"], node["cpus"], node["memory_bytes"]) for node in facts["numa_nodes"]] == [
        (0, [0, 1], 8 * GI),
        (1, [2, 3], 8 * GI),
    ]
    assert {found["size_bytes"] for found in facts["hugepages"]} == {GI, 2 * 1024**2}
    assert facts["swaps"] == ["/dev/dm-1"]
    assert facts["ksm"] == 1
    assert facts["boot_parameters"] == FILES["proc/cmdline"].split()
    # A folder of parameters is none itself.
    assert facts["sysctls"] == {"net.ipv4.tcp_rmem": "4096 131072 33554432", "no.such": None, "net.ipv4": None}
    assert facts["modules"] == {"tun": "loaded", "fuse": "loaded", "br-netfilter": "loadable", "nope": "missing"}
    assert facts["devices"] == {"/dev/kvm": False}
    assert facts["watchdogs"] == [
        {
            "device": "/dev/watchdog0",
            "identity": "iTCO_wdt",
            "timeout": 30,
            "min_timeout": 4,
            "max_timeout": 613,
            "active": False,
        }
    ]
    assert facts["kubelet"] == {"cpuManagerPolicy": "none", "memoryManagerPolicy": None}


def test_a_host_that_tells_nothing(tmp_path: Path) -> None:
    facts = reader.read(str(tmp_path), modules=["tun"])
    silent: dict[str, Any] = {"virtualization": None, "nested": None, "iommu": False, "cpus": [], "memory_bytes": 0}
    silent |= {
        "numa_nodes": [],
        "hugepages": [],
        "ksm": None,
        "swaps": [],
        "watchdogs": [],
        "modules": {"tun": "unknown"},
    }
    assert {name: facts[name] for name in silent} == silent


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.7/rp_filter", "net/ipv4/conf/eth0.7/rp_filter"),
        ("net.ipv4.conf.eth0/7.rp_filter", "net/ipv4/conf/eth0.7/rp_filter"),
    ],
)
def test_a_parameter_with_a_dotted_interface(name: str, path: str) -> None:
    assert reader.sysctl_path(name) == f"proc/sys/{path}"
