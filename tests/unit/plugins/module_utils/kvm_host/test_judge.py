# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.service import judge

from .conftest import GI

Host = Callable[..., dict[str, Any]]
STATIC = {"cpuManagerPolicy": "static"}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"hugepages": "512"}, ["'512' is no list of {size, count, numa_node}"]),
        ({"hugepages": [{"size": "3Mi", "count": 1}]}, ["size: 3Mi is unknown; this host offers", "1Gi", "2Mi"]),
        ({"hugepages": [{"size": "2MB", "count": 1}]}, ["size: ", "2Mi"]),
        ({"hugepages": [{"size": "2Mi", "pages": 1}]}, ["must be {size, count} or {size, count, numa_node}"]),
        ({"hugepages": [{"size": "2Mi", "count": -1}]}, ["count: -1 must be a whole number"]),
        ({"hugepages": [{"size": "2Mi", "count": True}]}, ["count: True must be a whole number"]),
        ({"hugepages": [{"size": "2Mi", "count": 1, "numa_node": 2}]}, ["numa_node: 2 is none of this host's: 0, 1"]),
        ({"hugepages": [{"size": "2Mi", "count": 1}, {"size": "2048Ki", "count": 1}]}, ["2Mi is given 2 times"]),
        (
            {"hugepages": [{"size": "2Mi", "count": 1}, {"size": "2Mi", "count": 1, "numa_node": 0}]},
            ["2Mi is given 2 times"],
        ),
        ({"host_memory": "2GB"}, ["v_host_memory", "2Gi"]),
        ({"boot_parameters": "quiet"}, ["is no list of kernel parameters"]),
        (
            {"boot_parameters": ["a b", 'c="d"']},
            ["'a b' is no kernel parameter", "is no kernel parameter; give one a line"],
        ),
        ({"nested": "yes"}, ["'yes' is unknown; allowed are enabled, disabled, kept"]),
        ({"ksm": True}, ["True is unknown; allowed are enabled, disabled, kept"]),
        ({"swap": "off"}, ["'off' is unknown; allowed are disabled, refused, kept"]),
        ({"swap": "refused"}, ["/dev/dm-1 is in use; turn it off"]),
        ({"minimum_kernel": "6.2"}, ["6.1.0-18-amd64, older than 6.2"]),
        ({"minimum_kernel": 5.10}, ["5.1 is no version; write it in quotes"]),
        ({"iommu_required": True}, ["no IOMMU groups", "v_boot_parameters"]),
        ({"devices": ["/dev/kvm"]}, ["/dev/kvm is missing"]),
        ({"modules": ["nope"]}, ["has no module nope"]),
        ({"sysctls": {"no.such": 1}}, ["no.such: this kernel has no such parameter"]),
        ({"sysctls": {"fs.aio-max-nr": True}}, ["fs.aio-max-nr: True must be a number or a text"]),
        (
            {"sysctls": {"fs.aio-max-nr": 1}, "sysctls_at_least": {"fs.aio-max-nr": 2}},
            ["stands in v_sysctls_at_least, too"],
        ),
        ({"sysctls_at_least": {"net.ipv4.tcp_rmem": 1}}, ["is no whole number; put it into v_sysctls"]),
        ({"sysctls_at_least": {"fs.aio-max-nr": "many"}}, ["the value asked for, many, is no whole number"]),
        ({"watchdog_seconds": "soon"}, ["'soon' must be whole seconds, such as 30, or 0"]),
        ({"watchdog_seconds": True}, ["True must be whole seconds"]),
        ({"watchdog_seconds": -1}, ["-1 must be whole seconds"]),
        ({"watchdog_seconds": 9}, ["/dev/watchdog0 (iTCO_wdt) cannot be set to 9 here; allowed are 10 to 613, or 0"]),
        ({"watchdog_seconds": "614"}, ["cannot be set to 614 here; allowed are 10 to 613"]),
        ({"kubelet": {"cpuManagerPolicy": "fast"}}, ["cpuManagerPolicy: 'fast' is unknown; allowed are none, static"]),
        (
            {"kubelet": {"topologyManagerPolicy": "numa"}},
            ["allowed are none, best-effort, restricted, single-numa-node"],
        ),
        (
            {"kubelet": STATIC},
            [
                "static is not none, which this node's kubelet runs with",
                "set reservedSystemCPUs to some, not all, of 0-3",
            ],
        ),
        ({"kubelet": {"reservedSystemCPUs": "0,3-9"}}, ["4-9 are not this host's; allowed are some, not all, of 0-3"]),
        ({"kubelet": {"reservedSystemCPUs": "0-3"}}, ["leaves no processor for virtual machines"]),
        ({"kubelet": {"reservedSystemCPUs": "first"}}, ["is no list of processors such as '0-1,4'"]),
    ],
)
def test_faults(host: Host, wanted: dict[str, Any], told: list[str]) -> None:
    result = judge(host(), {**wanted, "prefix": "v_"})
    for text in told:
        assert [fault for fault in result["faults"] if text in fault], result["faults"]
    named = {f"v_{option}" for option in wanted}
    assert all(fault.split(":")[0] in named for fault in result["faults"])
    assert result["plan"] == {"sysctls": {}, "writes": [], "boot_parameters": [], "watchdog": {}}


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"virtualization": None}, {"allow_emulation": True}),
        ({"virtualization": None, "machine": "aarch64"}, {"allow_emulation": False}),
        ({}, {"minimum_kernel": "5.10"}),
        ({}, {"minimum_kernel": "6"}),
        # They come with a module that is loaded before they are set.
        ({}, {"modules": ["br_netfilter"], "sysctls": {"net.bridge.bridge-nf-call-iptables": 1}}),
        ({"kubelet": {}}, {"kubelet": {**STATIC, "reservedSystemCPUs": 0}}),
        ({"kubelet": {}}, {"kubelet": {**STATIC, "kubeReserved": {"cpu": "500m"}}}),
        ({"shared_kernel": True, "modules": {}}, {"modules": ["nope"]}),
    ],
)
def test_no_fault(host: Host, changed: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert judge(host(**changed), wanted)["faults"] == []


def test_an_absent_parameter_is_a_fault_where_nothing_loads_its_module(host: Host) -> None:
    assert judge(host(), {"sysctls": {"net.bridge.bridge-nf-call-iptables": 1}})["faults"]


def _largest(fault: str) -> int:
    return int(fault.split("largest allowed count is ")[1].split()[0])


@pytest.mark.parametrize("node", [None, 1])
def test_pages_beyond_memory_name_the_largest_allowed_count(host: Host, node: int | None) -> None:
    def asked(count: int) -> dict[str, Any]:
        page = {"size": "1Gi", "count": count} if node is None else {"size": "1Gi", "count": count, "numa_node": node}
        return {"hugepages": [{"size": "2Mi", "count": 512, "numa_node": 1}, page], "host_memory": "2Gi"}

    found = [fault for fault in judge(host(), asked(1000))["faults"] if "1Gi" in fault]
    assert len(found) == 1
    largest = _largest(found[0])
    assert judge(host(), asked(largest))["faults"] == []
    assert judge(host(), asked(largest + 1))["faults"]
    memory = 16 * GI if node is None else 8 * GI
    assert largest * GI < memory


def test_pages_at_boot_of_a_node_want_a_newer_kernel(host: Host) -> None:
    wanted = {"hugepages": [{"size": "1Gi", "count": 1, "numa_node": 0}], "hugepages_at_boot": True}
    assert judge(host(), wanted)["faults"] == []
    assert "5.16 does" in judge(host(kernel="5.10.0-28-amd64"), wanted)["faults"][0]


def test_boot_parameters_want_grub(host: Host) -> None:
    wanted = {"hugepages": [{"size": "1Gi", "count": 1}], "hugepages_at_boot": True, "boot_parameters": []}
    assert "no update-grub" in judge(host(update_grub=False), wanted)["faults"][0]
    assert judge(host(update_grub=False), {**wanted, "hugepages_at_boot": False})["faults"] == []


WANTED: dict[str, Any] = {
    "modules": ["tun", "br_netfilter"],
    "sysctls": {"net.ipv4.ip_forward": 1},
    "sysctls_at_least": {"fs.aio-max-nr": 1048576},
    "hugepages": [{"size": "2Mi", "count": 8, "numa_node": 1}, {"size": "1Gi", "count": 2}],
    "ksm": "disabled",
    "nested": "enabled",
    "swap": "disabled",
    "boot_parameters": ["intel_iommu=on", "quiet"],
    "prefix": "v_",
}


def test_what_is_written_and_what_differs(host: Host) -> None:
    result = judge(host(), WANTED)
    assert result["faults"] == []
    assert result["plan"] == {
        "sysctls": {"net.ipv4.ip_forward": "1", "fs.aio-max-nr": "1048576"},
        "writes": [
            {"path": "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "value": "8"},
            {"path": "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "value": "2"},
            {"path": "/sys/kernel/mm/ksm/run", "value": "0"},
        ],
        "boot_parameters": ["intel_iommu=on", "quiet"],
        "watchdog": {},
    }
    assert [(found["text"].split(": ")[0], found["holds"]) for found in result["differences"]] == [
        ("v_modules", "now"),
        ("v_sysctls", "now"),
        ("v_sysctls_at_least", "now"),
        ("v_boot_parameters", "after_boot"),
        ("v_hugepages", "now"),
        ("v_hugepages", "now"),
        ("v_ksm", "now"),
        ("v_nested", "after_boot"),
        ("v_swap", "now"),
    ]


def test_a_higher_minimum_is_never_lowered(host: Host) -> None:
    facts = host()
    facts["sysctls"]["fs.aio-max-nr"] = "2000000"
    result = judge(facts, {"sysctls_at_least": {"fs.aio-max-nr": 1048576}})
    assert result["plan"]["sysctls"] == {"fs.aio-max-nr": "2000000"}
    assert result["differences"] == []


def test_on_a_shared_kernel_only_the_own_network_is_planned(host: Host) -> None:
    result = judge(host(shared_kernel=True), WANTED)
    assert result["plan"] == {
        "sysctls": {"net.ipv4.ip_forward": "1"},
        "writes": [],
        "boot_parameters": [],
        "watchdog": {},
    }
    now = [found["text"] for found in result["differences"] if found["holds"] != "shared_kernel"]
    assert now == ["v_sysctls: net.ipv4.ip_forward is 0, not 1"]


@pytest.mark.parametrize(
    ("cmdline", "holds"), [("quiet", "after_boot"), ("hugepagesz=1G hugepages=0:2,1:1 quiet", "now")]
)
def test_pages_that_the_kernel_sets_aside_at_boot(host: Host, cmdline: str, holds: str) -> None:
    pages = [{"size": "1Gi", "count": 2, "numa_node": 0}, {"size": "1Gi", "count": 1, "numa_node": 1}]
    result = judge(host(boot_parameters=cmdline.split()), {"hugepages": pages, "hugepages_at_boot": True})
    assert result["plan"]["writes"] == []
    assert result["plan"]["boot_parameters"] == ["hugepagesz=1G hugepages=0:2,1:1"]
    assert {found["holds"] for found in result["differences"]} == {holds}


def test_what_holds_is_no_difference(host: Host) -> None:
    facts = host(ksm=0, swaps=[], nested=True)
    wanted = {
        "ksm": "disabled",
        "swap": "disabled",
        "nested": "enabled",
        "modules": ["tun", "fuse"],
        "boot_parameters": ["quiet"],
    }
    assert judge(facts, wanted)["differences"] == []
