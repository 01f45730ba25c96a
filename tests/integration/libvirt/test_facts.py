# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module reads from a libvirtd with running domains, compared with what virsh and the kernel say."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from .conftest import LEASED_MAC, Host
from .machine import wait_until

GET_ALL_DOMAIN_STATS, DOMAIN_GET_INFO = 344, 16


@pytest.fixture(scope="session")
def whole(host: Host) -> dict[str, Any]:
    """All parts of the facts, and what is included."""
    return host.facts(include=["volumes", "dhcp_leases", "node_devices"], virttype="qemu")


def test_nothing_is_left_out(whole: dict[str, Any]) -> None:
    assert whole["errors"] == []
    assert (whole["uri"], whole["remote"]) == ("qemu:///system", False)


def test_the_host_itself(host: Host, whole: dict[str, Any]) -> None:
    processors = re.search(r"CPU\(s\): +(\d+)", host.virsh("nodeinfo"))
    assert processors and whole["node"]["cpus"] == int(processors[1])
    assert whole["node"]["arch"] == os.uname().machine
    version = re.search(r"Using library: libvirt (\S+)", host.virsh("version"))
    assert version and whole["versions"]["libvirt"] == whole["versions"]["library"] == version[1]
    assert whole["hypervisor_type"] == "QEMU"
    assert whole["hostname"] == host.virsh("hostname").strip()


def test_capabilities(host: Host, whole: dict[str, Any]) -> None:
    said = ElementTree.fromstring(host.virsh("capabilities"))
    assert whole["capabilities"]["host_uuid"] == said.findtext("host/uuid")
    guests = {guest["arch"]: guest for guest in whole["capabilities"]["guests"]}
    assert "qemu" in guests["x86_64"]["domain_types"]
    machines = {machine["name"] for machine in guests["x86_64"]["machines"]}
    assert machines == {node.text for node in said.findall("guest/arch[@name='x86_64']/machine")}
    assert whole["virtualization"]["kvm_device"] is os.path.exists("/dev/kvm")
    assert whole["virtualization"]["kvm"] is ("kvm" in whole["virtualization"]["domain_types"])


def test_domain_capabilities_are_of_what_was_asked_for(host: Host, whole: dict[str, Any]) -> None:
    assert whole["domain_capabilities"]["virttype"] == "qemu"
    modes = whole["domain_capabilities"]["cpu"]["modes"]
    assert modes["custom"]["supported"] and not modes["host_passthrough"]["supported"]  # as under emulation
    other = host.facts(gather=["domain_capabilities"], virttype="qemu", arch="i686", machine="q35")
    found = other["domain_capabilities"]
    assert found["arch"] == "i686" and found["machine"].startswith("pc-q35")
    assert set(other) == {"uri", "remote", "errors", "domain_capabilities"}


def test_numa_and_huge_pages_are_the_kernels(whole: dict[str, Any]) -> None:
    cells = {cell["id"]: cell for cell in whole["numa"]["cells"]}
    nodes = Path("/sys/devices/system/node").glob("node[0-9]*")
    assert set(cells) == {int(node.name[4:]) for node in nodes} or set(cells) == {0}
    assert sum(len(cell["cpus"]) for cell in cells.values()) == whole["node"]["cpus"]
    sizes = {int(path.name[10:-2]) * 1024 for path in Path("/sys/kernel/mm/hugepages").glob("hugepages-*")}
    assert {page["size_bytes"] for page in whole["hugepages"]} == sizes
    for page in whole["hugepages"]:
        kernel = Path(f"/sys/kernel/mm/hugepages/hugepages-{page['size_bytes'] // 1024}kB")
        assert page["total"] == int((kernel / "nr_hugepages").read_text())
        assert page["free"] == int((kernel / "free_hugepages").read_text())


def test_iommu_groups_are_the_kernels(whole: dict[str, Any]) -> None:
    groups = Path("/sys/kernel/iommu_groups")
    kernel = sorted(int(path.name) for path in groups.iterdir()) if groups.exists() else []
    assert [group["id"] for group in whole["iommu"]["groups"]] == kernel
    assert whole["iommu"]["enabled"] is bool(kernel)


def test_protected_guests_are_not_promised(whole: dict[str, Any]) -> None:
    security = whole["security"]
    assert security["sev"]["supported"] is False  # under emulation
    assert security["tdx"]["supported"] in (None, False)
    assert set(security["kernel"]) == {"sev", "sev_es", "sev_snp", "tdx"}


def test_pools_and_volumes(whole: dict[str, Any]) -> None:
    images, spare = whole["pools"]
    assert (images["name"], images["state"], images["autostart"]) == ("images", "running", True)
    assert images["target_path"] == "/var/lib/libvirt/images"
    assert images["capacity_bytes"] == images["allocation_bytes"] + images["available_bytes"]
    assert [volume["name"] for volume in images["volumes"]] == ["alpha.img", "beta.img", "gamma.img"]
    assert images["volumes"][0]["capacity_bytes"] == 8 << 20 and images["volumes"][0]["format"] == "raw"
    assert (spare["name"], spare["active"], spare["autostart"], spare["volumes"]) == ("spare", False, False, [])


def test_networks_and_the_lease_of_a_running_domain(host: Host) -> None:
    def leases() -> list[dict[str, Any]]:
        facts = host.facts(gather=["networks"], include=["dhcp_leases"])
        (network,) = facts["networks"]
        assert (network["bridge"], network["forward_mode"], network["active"]) == ("lan0", "isolated", True)
        assert network["mtu"] == 1400
        assert network["ips"][0]["dhcp_ranges"] == [{"start": "192.0.2.10", "end": "192.0.2.99"}]
        return list(network["leases"])

    wait_until(leases, "the guest's network boot to ask for an address")
    (lease,) = leases()
    assert lease["mac"] == LEASED_MAC and lease["ip"].startswith("192.0.2.") and lease["prefix"] == 24


def test_node_devices(whole: dict[str, Any]) -> None:
    bus = Path("/sys/bus/pci/devices")
    kernel = sorted(path.name for path in bus.iterdir()) if bus.exists() else []
    assert sorted(device["address"] for device in whole["node_devices"]) == kernel
    for device in whole["node_devices"]:
        assert int(device["vendor"]["id"], 16) == int((bus / device["address"] / "vendor").read_text(), 16)


def test_statistics_of_all_domains(host: Host, whole: dict[str, Any]) -> None:
    domains = {domain["name"]: domain for domain in whole["domains"]}
    assert list(domains) == ["alpha", "beta", "gamma"]
    assert [domain["state"] for domain in domains.values()] == ["running", "running", "shutoff"]
    alpha = domains["alpha"]
    assert alpha["uuid"] == host.virsh("domuuid", "alpha").strip()
    assert alpha["balloon"]["maximum"] == 64 * 1024
    assert [vcpu["index"] for vcpu in alpha["vcpus"]] == [0, 1] and alpha["vcpu"]["current"] == 2
    assert alpha["blocks"][0]["path"].endswith("/alpha.img") and alpha["blocks"][0]["capacity"] == 8 << 20
    assert alpha["iothreads"][0]["index"] == 1
    assert domains["beta"]["interfaces"] == [] and len(alpha["interfaces"]) == 1
    assert domains["beta"]["blocks"][0]["rd"]["reqs"] > 0  # the firmware has read the boot sector
    assert domains["gamma"]["id"] is None and "cpu" not in domains["gamma"]
    how = whole["domain_statistics"]
    assert (how["method"], how["bulk_calls"], how["asked_one_by_one"]) == ("bulk", 1, [])


def test_processor_time_goes_on(host: Host) -> None:
    def used() -> int:
        facts = host.facts(gather=["domains"], stats=["cpu_total"], active_only=True)
        assert [domain["name"] for domain in facts["domains"]] == ["alpha", "beta"]
        assert "blocks" not in facts["domains"][0]
        return int(facts["domains"][0]["cpu"]["time"])

    first = used()
    wait_until(lambda: used() > first, "a running domain to use its processor")


def test_one_bulk_call_however_many_domains(host: Host) -> None:
    before = host.calls(gather=["domains"])
    names = [f"more-{number}" for number in range(6)]
    for name in names:
        host.domain(name, start=name in names[:2])
    try:
        after = host.calls(gather=["domains"])
        assert len(host.facts(gather=["domains"])["domains"]) == 9
    finally:
        for name in names:
            host.machine.run("virsh", "destroy", name, check=False)
            host.virsh("undefine", name)
    assert after.count(GET_ALL_DOMAIN_STATS) == 1
    assert DOMAIN_GET_INFO not in after
    assert after == before


def test_one_domain_that_hangs_is_named_and_the_others_are_told(host: Host) -> None:
    pid = host.machine.run("cat", "/run/libvirt/qemu/alpha.pid").stdout.strip()
    host.machine.run("kill", "-STOP", pid)
    try:
        for bulk_calls in (2, 1):  # the first look is held up; the next finds the monitor in use
            facts = host.facts(gather=["domains"], timeout=6)
            assert facts["domain_statistics"]["bulk_calls"] == bulk_calls
            (error,) = facts["errors"]
            assert (error["part"], error["object"]) == ("domains", "alpha")
            assert "does not answer" in error["reason"]
            alpha, beta, _gamma = facts["domains"]
            assert "rd" not in alpha["blocks"][0] and "time" in alpha["cpu"]
            assert "rd" in beta["blocks"][0]
    finally:
        host.machine.run("kill", "-CONT", pid)
    wait_until(lambda: not host.facts(gather=["domains"], timeout=6)["errors"], "the domain to answer again")


def test_the_look_changes_nothing(host: Host) -> None:
    def state() -> list[str]:
        kinds = ("list --all", "pool-list --all", "net-list --all", "vol-list images")
        return [host.virsh(*kind.split()) for kind in kinds] + [host.virsh("dumpxml", "gamma")]

    before = state()
    host.facts(include=["volumes", "dhcp_leases", "node_devices"], host_cpus=[_own_cpu(host)], wanted_cpu="Nehalem")
    assert state() == before


def _own_cpu(host: Host) -> dict[str, Any]:
    return dict(host.facts(gather=["cpu"], virttype="qemu")["cpu"])


def test_baseline_over_hosts(host: Host) -> None:
    own = _own_cpu(host)
    # A host whose processor has less: this one's CPU without one feature that guests can have.
    required = re.findall(r'<feature policy="require" name="([^"]+)"', own["host_model_xml"])
    gone = required[0]
    line = f'<feature policy="require" name="{gone}" />'
    less = {
        **own,
        "host": "less",
        "host_model_xml": own["host_model_xml"].replace(line, line.replace("require", "disable")),
    }
    facts = host.facts(gather=["cpu"], virttype="qemu", host_cpus=[less], migratable=False)
    baseline = facts["baseline"]
    assert baseline["hosts"] == [own["host"], "less"]
    assert (baseline["method"], baseline["why"]) == ("hypervisor", None)
    assert gone not in baseline["features"]
    alone = host.facts(gather=["cpu"], virttype="qemu", host_cpus=[own], migratable=False, expand_features=True)
    assert gone in alone["baseline"]["features"]
    # And it can be given to a domain here.
    path = host.machine.folder / "baseline.xml"
    path.write_text(baseline["xml"])
    said = host.virsh("hypervisor-cpu-compare", "--virttype", "qemu", path)
    assert "superset" in said or "identical" in said


def test_hosts_that_cannot_give_a_wanted_model(host: Host) -> None:
    cpus = [
        {"host": "old", "xml": "<cpu><arch>x86_64</arch><model>core2duo</model></cpu>"},
        {"host": "new", "xml": "<cpu><arch>x86_64</arch><model>Haswell</model><vendor>Intel</vendor></cpu>"},
        {"host": "amd", "xml": "<cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor></cpu>"},
        {"host": "arm", "xml": "<cpu><arch>aarch64</arch><model>cortex-a57</model></cpu>"},
    ]
    wanted = "<cpu><arch>x86_64</arch><model>Nehalem</model><vendor>Intel</vendor><feature name='avx'/></cpu>"
    facts = host.facts(gather=["host"], virttype="qemu", host_cpus=cpus, wanted_cpu=wanted)
    comparison = facts["comparison"]
    verdicts = {entry["host"]: entry for entry in comparison["hosts"]}
    assert set(comparison["incompatible"]) >= {"old", "amd"} and "new" not in comparison["incompatible"]
    assert {"avx", "sse4.2"} <= set(verdicts["old"]["missing"]) and verdicts["new"]["missing"] == []
    assert "AMD" in verdicts["amd"]["reason"]
    assert verdicts["arm"]["compatible"] is not True
    assert comparison["this_host"]["method"] == "hypervisor"
    # CPUs of two vendors have no baseline: that is told, and the comparison is there all the same.
    assert [error["part"] for error in facts["errors"] if "object" not in error] == ["baseline"]


def test_this_host_compared_with_a_wanted_model(host: Host) -> None:
    good = host.facts(gather=["host"], virttype="qemu", wanted_cpu="qemu64")["comparison"]["this_host"]
    bad = host.facts(gather=["host"], virttype="qemu", wanted_cpu="Skylake-Server")["comparison"]["this_host"]
    assert good["result"] in ("superset", "identical")
    assert bad["result"] == "incompatible" and "does not provide required features" in bad["reason"]


def test_read_only_is_enough_for_all_but_three_parts(host: Host) -> None:
    facts = host.facts(read_write=False, virttype="qemu", host_cpus=[_own_cpu(host)], wanted_cpu="kvm64")
    lacking = {error["part"] for error in facts["errors"]}
    assert lacking == {"domain_capabilities", "security", "cpu"}
    assert all("read_write" in error["reason"] for error in facts["errors"])
    assert facts["baseline"]["method"] == "host" and "read-write" in facts["baseline"]["why"]
    assert facts["comparison"]["this_host"]["method"] == "host"
    assert facts["comparison"]["this_host"]["result"] in ("superset", "identical")
    assert facts["cpu"]["xml"] and facts["cpu"]["host_model_xml"] is None


def test_documents_where_asked_for(host: Host) -> None:
    facts = host.facts(gather=["capabilities"], xml=True)
    assert ElementTree.fromstring(facts["capabilities"]["xml"]).tag == "capabilities"


def test_facts_are_json_of_bearable_size(whole: dict[str, Any]) -> None:
    assert len(json.dumps(whole)) < 200_000
