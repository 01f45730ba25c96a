# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's documents as facts: rich ones, those of hosts that tell little, and malformed ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import (
    capabilities,
    domain_capabilities,
    objects,
    xmltools,
)

from .conftest import ARM, S390, SEV, TDX, X86

MIB = 1 << 20


def test_a_host_that_tells_much() -> None:
    found = capabilities.overview(capabilities.root_of(X86))
    assert found["host_uuid"].endswith("0001") and found["arch"] == "x86_64" and found["iommu"] is True
    assert found["migration"] == {"live": True, "transports": ["tcp", "rdma"]}
    assert found["power_management"] == ["suspend_mem"] and found["security_models"] == ["apparmor", "dac"]
    assert found["caches"] == [{"id": 0, "level": 3, "type": "both", "size_bytes": 32 * MIB, "cpus": [0, 1, 2, 3]}]
    (guest,) = found["guests"]
    assert guest["domain_types"] == ["kvm", "qemu"] and guest["features"] == ["acpi", "cpuselection"]
    assert [machine["canonical"] for machine in guest["machines"]][:2] == ["pc-i440fx-7.2"] * 2
    assert [machine["deprecated"] for machine in guest["machines"]] == [False, False, True]


def test_numa_cells_with_and_without_processors() -> None:
    first, second = capabilities.cells(capabilities.root_of(X86))
    assert first["memory_bytes"] == 4 * MIB and second["memory_bytes"] == 2 * MIB
    assert [cpu["id"] for cpu in first["cpus"]] == [0, 2] and second["cpus"] == []
    assert first["cpus"][1] == {"id": 2, "socket": 0, "die": 0, "core": 0, "siblings": [0, 2]}
    assert first["distances"] == [{"cell": 0, "value": 10}, {"cell": 1, "value": 21}]
    assert first["pages"][1] == {"size_bytes": 2 * MIB, "total": 8}


def test_huge_pages_of_the_host_and_of_each_cell() -> None:
    root = capabilities.root_of(X86)
    cells, sizes = capabilities.cells(root), capabilities.page_sizes(root)
    assert sizes == [4096, 2 * MIB, 1024 * MIB]
    two_mib, one_gib = capabilities.hugepages(cells, sizes, {0: {4096: 7, 2 * MIB: 5}, 1: {2 * MIB: 1}})
    assert (two_mib["size_bytes"], two_mib["total"], two_mib["free"]) == (2 * MIB, 12, 6)
    assert two_mib["cells"][1] == {"cell": 1, "total": 4, "free": 1}
    assert (one_gib["total"], one_gib["free"]) == (None, None)  # the processor has them, no cell tells of any


def test_a_mainframe_and_a_board_that_tell_little() -> None:
    root = capabilities.root_of(S390)
    assert capabilities.overview(root)["iommu"] is None
    assert capabilities.domain_types(root, "s390x") == ["kvm"]
    assert capabilities.domain_types(root, "x86_64") == ["qemu"]
    cells = capabilities.cells(root)
    assert cells[0]["distances"] == [] and cells[0]["pages"] == []
    assert capabilities.hugepages(cells, capabilities.page_sizes(root), {}) == []
    bare = capabilities.root_of(ARM)
    assert capabilities.overview(bare) == {
        "host_uuid": None,
        "arch": "aarch64",
        "power_management": [],
        "iommu": None,
        "migration": {"live": False, "transports": []},
        "security_models": [],
        "caches": [],
        "guests": [],
    }
    assert capabilities.cells(bare) == [] and capabilities.page_sizes(bare) == []


def test_what_guests_can_have() -> None:
    found = domain_capabilities.overview(domain_capabilities.root_of(SEV))
    assert (found["vcpus_max"], found["iothreads"], found["virttype"]) == (288, True, "kvm")
    assert found["firmware"]["types"] == ["bios", "efi"] and found["firmware"]["secure_boot"] is True
    assert found["firmware"]["loaders"] == ["/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"]
    assert found["cpu"]["modes"]["host_passthrough"] == {"supported": True, "host_passthrough_migratable": ["on"]}
    assert found["cpu"]["models"][1] == {
        "name": "Skylake-Server",
        "usable": False,
        "vendor": "Intel",
        "deprecated": True,
        "missing": ["hle", "rtm"],
    }
    assert found["memory_backing"] == {"supported": True, "source_type": ["file", "memfd"]}
    assert found["devices"] == {"disk": {"supported": True, "disk_device": ["disk"]}, "tpm": {"supported": False}}
    assert found["features"]["sev"]["max_es_guests"] == 99
    assert found["features"]["hyperv"] == {"supported": True, "features": ["relaxed"]}


def test_sev_with_all_its_kinds() -> None:
    found = domain_capabilities.confidential(domain_capabilities.root_of(SEV))
    assert found["sev"] == {
        "supported": True,
        "es": True,
        "snp": True,
        "cbitpos": 51,
        "reduced_phys_bits": 1,
        "max_guests": 410,
        "max_es_guests": 99,
    }
    assert found["tdx"] == {"supported": False} and found["launch_security"] == ["sev", "sev-snp"]


def test_tdx() -> None:
    found = domain_capabilities.confidential(domain_capabilities.root_of(TDX))
    assert found["tdx"] == {"supported": True}
    assert (found["sev"]["supported"], found["sev"]["es"], found["sev"]["snp"]) == (False, False, False)


@pytest.mark.parametrize(
    ("features", "sev", "es", "snp", "tdx"),
    [
        ("", None, None, None, None),
        ("<sev supported='no'/>", False, False, None, None),
        ("<sev supported='yes'/>", True, None, None, None),
        ("<sev supported='yes'><maxESGuests>0</maxESGuests></sev>", True, False, None, None),
        ("<launchSecurity supported='no'/>", False, None, False, False),
        ("<tdx supported='no'/>", None, None, None, False),
    ],
)
def test_what_an_older_libvirt_does_not_tell_is_unknown_and_not_no(
    features: str, sev: bool | None, es: bool | None, snp: bool | None, tdx: bool | None
) -> None:
    root = domain_capabilities.root_of(f"<domainCapabilities><features>{features}</features></domainCapabilities>")
    found = domain_capabilities.confidential(root)
    assert (found["sev"]["supported"], found["sev"]["es"], found["sev"]["snp"]) == (sev, es, snp)
    assert found["tdx"]["supported"] is tdx


def test_domain_capabilities_without_anything() -> None:
    root = domain_capabilities.root_of("<domainCapabilities/>")
    found = domain_capabilities.overview(root)
    assert found["firmware"]["secure_boot"] is None and found["cpu"] == {"modes": {}, "models": []}
    assert domain_capabilities.host_model(root) is None and domain_capabilities.usable_models(root) == []


@pytest.mark.parametrize("document", ["", "<capabilities>", "no xml at all", "<capabilities></other>", "<a>&x;</a>"])
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (capabilities.root_of, "the capabilities document"),
        (domain_capabilities.root_of, "the domain capabilities document"),
        (lambda text: objects.pool(text, 2), "a storage pool's document"),
        (objects.volume, "a storage volume's document"),
        (objects.network, "a network's document"),
        (objects.node_device, "a node device's document"),
    ],
)
def test_a_malformed_document_is_named(read: Callable[[str], Any], name: str, document: str) -> None:
    with pytest.raises(HaError, match=f"{name} is no XML"):
        read(document)


def test_a_document_of_another_kind_is_named() -> None:
    with pytest.raises(HaError, match="is no <capabilities>: its root is <domain>"):
        capabilities.root_of("<domain/>")


def test_a_pool() -> None:
    found = objects.pool(
        """<pool type='netfs'><name>nfs</name><uuid>u</uuid><capacity unit='GiB'>2</capacity>
        <allocation>5</allocation><source><host name='nas'/><dir path='/exports/vms'/><format type='nfs'/></source>
        <target><path>/mnt/vms</path></target></pool>""",
        3,
    )
    assert found["state"] == "degraded" and found["capacity_bytes"] == 2 << 30 and found["allocation_bytes"] == 5
    assert found["available_bytes"] is None and found["target_path"] == "/mnt/vms"
    assert found["source"] == {"hosts": ["nas"], "dir": "/exports/vms", "format": "nfs"}
    assert objects.pool("<pool/>", 9)["state"] == "unknown (9)"


def test_a_volume_on_another() -> None:
    found = objects.volume(
        """<volume type='file'><name>a.qcow2</name><key>/k</key><capacity unit='bytes'>10</capacity>
        <target><path>/p</path><format type='qcow2'/></target>
        <backingStore><path>/base</path><format type='raw'/></backingStore></volume>"""
    )
    assert (found["format"], found["backing_path"], found["capacity_bytes"]) == ("qcow2", "/base", 10)


@pytest.mark.parametrize(
    ("forward", "mode", "devices"),
    [
        ("", "isolated", []),
        ("<forward/>", "nat", []),
        ("<forward mode='route' dev='eth1'/>", "route", ["eth1"]),
        ("<forward mode='hostdev'><interface dev='a'/><interface dev='b'/></forward>", "hostdev", ["a", "b"]),
    ],
)
def test_where_a_network_goes(forward: str, mode: str, devices: list[str]) -> None:
    found = objects.network(f"<network><name>n</name>{forward}<vlan trunk='yes'><tag id='42'/></vlan></network>")
    assert (found["forward_mode"], found["forward_devices"]) == (mode, devices)
    assert found["vlans"] == [42] and found["bridge"] is None and found["ips"] == []


def test_a_networks_addresses() -> None:
    (found,) = objects.network(
        """<network><ip family='ipv6' address='2001:db8::1' prefix='64'><dhcp><range start='a' end='b'/>
        <host mac='m' name='h' ip='i'/></dhcp></ip></network>"""
    )["ips"]
    assert (found["family"], found["prefix"], found["dhcp_ranges"]) == ("ipv6", 64, [{"start": "a", "end": "b"}])
    assert found["dhcp_hosts"] == [{"mac": "m", "name": "h", "ip": "i"}]


def test_a_pci_device_with_its_iommu_group() -> None:
    address = "<address domain='0x0000' bus='0x3b' slot='0x00' function='0x{0}'/>"
    found = objects.node_device(
        f"""<device><name>pci_0000_3b_00_0</name><parent>pci_up</parent><driver><name>mlx5_core</name></driver>
        <capability type='pci'><class>0x020000</class><domain>0</domain><bus>59</bus><slot>0</slot><function>0</function>
        <product id='0x1017'>MT27800</product><vendor id='0x15b3'>Mellanox</vendor>
        <capability type='virt_functions' maxCount='8'>{address.format(1)}{address.format(2)}</capability>
        <iommuGroup number='27'>{address.format(0)}</iommuGroup><numa node='1'/></capability></device>"""
    )
    assert found["address"] == "0000:3b:00.0" and found["driver"] == "mlx5_core"
    assert found["vendor"] == {"id": "0x15b3", "name": "Mellanox"} and found["numa_node"] == 1
    assert (found["iommu_group"], found["iommu_group_devices"]) == (27, ["0000:3b:00.0"])
    assert (found["virtual_functions_max"], found["virtual_functions"]) == (8, ["0000:3b:00.1", "0000:3b:00.2"])


def test_a_device_that_is_no_pci_device() -> None:
    found = objects.node_device("<device><name>computer</name></device>")
    assert found["address"] is None and found["iommu_group"] is None and found["virtual_functions"] == []


@pytest.mark.parametrize(
    ("given", "expected"), [("0-2,5", [0, 1, 2, 5]), ("0-3,^2", [0, 1, 3]), ("7", [7]), ("", []), ("x-1,3", [3])]
)
def test_lists_of_processors(given: str, expected: list[int]) -> None:
    assert xmltools.processors(given) == expected


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("<m unit='KiB'>2</m>", 2048),
        ("<m unit='KB'>2</m>", 2000),
        ("<m unit='G'>1</m>", 1 << 30),
        ("<m>3</m>", 3),
        ("<m unit='furlong'>3</m>", None),
        ("<m unit='KiB'>many</m>", None),
    ],
)
def test_sizes(element: str, expected: int | None) -> None:
    assert xmltools.size(xmltools.parse(f"<x>{element}</x>", "x", "x"), "m") == expected
