# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole look over a libvirt that is told what to answer: what fails is named, the rest is there."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import collector, local
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.cpu import Cpu, HostCpu
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.look import Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import Denied, Unsupported

from .conftest import ARM, SEV, X86, Connection, Domain, FakeSession

HOSTNAME = {"getHostname": "h1", "getCapabilities": X86}


def look(session: FakeSession, *parts: str, **wanted: Any) -> dict[str, Any]:
    return collector.collect(session, Wanted(parts=parts, **wanted))  # the session is all that is used of it


def reasons(facts: dict[str, Any]) -> dict[tuple[str, str | None], str]:
    return {(error["part"], error.get("object")): error["reason"] for error in facts["errors"]}


def test_documents_are_asked_for_once(told: SimpleNamespace) -> None:
    read = Connection(**HOSTNAME, getFreePages={0: {4: 1, 2048: 2}, 1: {4: 1, 2048: 3}})
    write = Connection(getDomainCapabilities=SEV)
    parts = ("capabilities", "domain_capabilities", "cpu", "numa", "hugepages", "virtualization", "security")
    facts = look(FakeSession(read, write), *parts, virttype="kvm")
    assert facts["errors"] == []
    assert read.times("getCapabilities") == write.times("getDomainCapabilities") == 1
    assert ("getDomainCapabilities", None, None, None, "kvm", 0) in write.asked
    assert ("getFreePages", [4, 2048, 1048576], 0, 2, 0) in read.asked
    assert facts["hugepages"][0]["free"] == 5
    assert facts["cpu"]["host_model"] == "EPYC-Milan" and facts["cpu"]["usable_models"] == ["EPYC"]
    assert facts["virtualization"]["kvm"] is True and facts["security"]["firmware"]["secure_boot"] is True


def test_free_pages_of_cells_with_gaps_in_their_numbers(told: SimpleNamespace) -> None:
    document = X86.replace("<cell id='1'>", "<cell id='8'>")

    def free(_sizes: list[int], first: int, _count: int, _flags: int) -> dict[int, dict[int, int]]:
        if first == 8:
            raise Unsupported("no such cell")
        return {first: {2048: 4}}

    facts = look(FakeSession(Connection(getCapabilities=document, getFreePages=free)), "hugepages")
    assert reasons(facts) == {("hugepages", "free pages from cell 8 on"): "no such cell."}
    assert [cell["free"] for cell in facts["hugepages"][0]["cells"]] == [4, None]


def test_a_part_that_fails_does_not_take_the_others_along(told: SimpleNamespace) -> None:
    read = Connection(getCapabilities="<capabilities>", listAllNetworks=[], listAllStoragePools=Unsupported("no pools"))
    facts = look(FakeSession(read), "capabilities", "pools", "networks", "numa")
    assert facts["networks"] == []
    found = reasons(facts)
    assert "the capabilities document is no XML" in found[("capabilities", None)]
    assert found[("pools", None)] == "no pools." and ("numa", None) in found
    assert "pools" not in facts


def test_nothing_at_all_is_a_failure(told: SimpleNamespace) -> None:
    with pytest.raises(HaError, match="no part of the facts could be read"):
        look(FakeSession(Connection(getCapabilities=ARM[:-1])), "capabilities", "numa")


def test_an_answer_of_an_unknown_shape_is_told(told: SimpleNamespace) -> None:
    facts = look(FakeSession(Connection(getInfo=["x86_64"], listAllNetworks=[])), "host", "networks")
    assert "not understood" in reasons(facts)[("host", None)]


def test_a_call_that_this_libvirt_python_lacks(told: SimpleNamespace) -> None:
    facts = look(FakeSession(Connection(listAllNetworks=[])), "networks", "pools")
    assert "this libvirt-python has no listAllStoragePools" in reasons(facts)[("pools", None)]


def test_one_object_that_is_gone_meanwhile(told: SimpleNamespace) -> None:
    def network(name: str, document: Any) -> Connection:
        return Connection(
            name=name, XMLDesc=document, isActive=1, autostart=0, DHCPLeases=[{"mac": "m", "ipaddr": "i"}]
        )

    networks = [network("b", "<network><name>b</name></network>"), network("a", Unsupported("network not found"))]
    facts = look(FakeSession(Connection(listAllNetworks=networks)), "networks", include=frozenset({"dhcp_leases"}))
    assert [found["name"] for found in facts["networks"]] == ["b"]
    assert facts["networks"][0]["leases"][0]["ip"] == "i"
    assert reasons(facts) == {("networks", "a"): "network not found."}


def test_volumes_are_read_of_active_pools_and_only_where_asked_for(told: SimpleNamespace) -> None:
    def pool(name: str, state: int, volumes: Any) -> Connection:
        document = f"<pool><name>{name}</name></pool>"
        return Connection(name=name, info=[state], XMLDesc=document, autostart=1, listAllVolumes=volumes)

    volume = Connection(name="v", XMLDesc="<volume><name>v</name></volume>")
    pools = [
        pool("on", 2, [volume]),
        pool("off", 0, HaError("never asked")),
        pool("sick", 3, Unsupported("unreachable")),
    ]
    session = FakeSession(Connection(listAllStoragePools=pools))
    facts = look(session, "pools", include=frozenset({"volumes"}))
    assert {found["name"]: [entry["name"] for entry in found["volumes"]] for found in facts["pools"]} == {
        "on": ["v"],
        "off": [],
        "sick": [],
    }
    assert reasons(facts) == {("pools", "volumes of sick"): "unreachable."}
    assert "volumes" not in look(session, "pools")["pools"][0]
    assert pools[0].times("listAllVolumes") == 1


FLAT = {"state.state": 1, "cpu.time": 5, "balloon.rss": 1}


@pytest.mark.parametrize("count", [1, 1000])
def test_any_number_of_domains_is_one_call(told: SimpleNamespace, count: int) -> None:
    domains = [Domain(f"d{number:04}") for number in range(count)]
    read = Connection(getAllDomainStats=[(domain, FLAT) for domain in reversed(domains)])
    facts = look(FakeSession(read), "domains", stats=("state", "cpu_total", "balloon"))
    assert len(facts["domains"]) == count and facts["domains"][0]["name"] == "d0000"
    assert read.asked == [("getAllDomainStats", 7, 1 << 29)]
    assert sum(domain.asked for domain in domains) == 0
    assert facts["domain_statistics"]["method"] == "bulk" and facts["domain_statistics"]["bulk_calls"] == 1


def test_what_may_be_said_about_the_bulk_call(told: SimpleNamespace) -> None:
    read = Connection(getAllDomainStats=[])
    wanted = {"stats": ("state", "dirtyrate"), "active_only": True, "wait_for_busy_domains": True}
    facts = look(FakeSession(read), "domains", **wanted)
    assert read.asked == [("getAllDomainStats", 1, 1)]
    assert "knows no statistics of dirtyrate" in reasons(facts)[("domains", "dirtyrate")]


def test_a_driver_without_the_bulk_call_is_asked_domain_by_domain_and_that_is_told(told: SimpleNamespace) -> None:
    domains = [Domain("a", 1, [1, 2048, 1024, 2, 77]), Domain("b", -1, Unsupported("gone"))]
    read = Connection(
        getAllDomainStats=Unsupported("not supported: virConnectGetAllDomainStats"), listAllDomains=domains
    )
    facts = look(FakeSession(read), "domains", stats=("state", "cpu_total"))
    a, b = facts["domains"]
    assert (a["state"], a["cpu"], a["balloon"]) == ("running", {"time": 77}, {"current": 1024, "maximum": 2048})
    assert b["state"] is None and reasons(facts) == {("domains", "b"): "gone."}
    how = facts["domain_statistics"]
    assert (how["method"], how["asked_one_by_one"]) == ("each", ["a", "b"])
    assert "virConnectGetAllDomainStats" in how["why"]


def test_only_a_live_domain_of_which_the_state_alone_is_told_is_asked_on_its_own(told: SimpleNamespace) -> None:
    domains = [Domain("full"), Domain("bare", 2, [3, 8, 8, 1, 9]), Domain("off", -1)]
    flats = [FLAT, {"state.state": 3}, {"state.state": 5}]
    read = Connection(getAllDomainStats=list(zip(domains, flats, strict=True)))
    facts = look(FakeSession(read), "domains", stats=("state", "cpu_total", "balloon"))
    assert facts["domain_statistics"]["asked_one_by_one"] == ["bare"]
    assert [domain.asked for domain in domains] == [0, 1, 0]


def test_a_domain_that_hangs_holds_up_the_first_call_only(told: SimpleNamespace) -> None:
    release = threading.Event()
    hung = {"state.state": 1, "cpu.time": 5}
    answers = [lambda: release.wait(30), lambda: [(Domain("good"), FLAT), (Domain("hung"), hung)]]
    read = Connection(getAllDomainStats=lambda *_: answers.pop(0)())
    facts = look(FakeSession(read, timeout=1), "domains", stats=("state", "cpu_total", "balloon"))
    release.set()
    assert [domain["name"] for domain in facts["domains"]] == ["good", "hung"]
    assert facts["domain_statistics"]["bulk_calls"] == 2
    assert "does not answer" in reasons(facts)[("domains", "hung")]


def test_a_part_that_hangs_is_given_up_and_the_next_is_read(told: SimpleNamespace) -> None:
    release = threading.Event()
    read = Connection(listAllStoragePools=lambda _: release.wait(30), listAllNetworks=[], getLibVersion=1)
    facts = look(FakeSession(read, timeout=0.2), "pools", "networks")
    release.set()
    assert "timed out after 0.2 seconds" in reasons(facts)[("pools", None)]
    assert facts["networks"] == []


def test_when_nothing_answers_any_more_the_rest_is_not_tried(
    told: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_PING_SECONDS", 0.1)
    release = threading.Event()

    def hang(*_: Any) -> bool:
        return release.wait(30)

    read = Connection(getCapabilities=X86, listAllStoragePools=hang, listAllNetworks=[], getLibVersion=hang)
    facts = look(FakeSession(read, timeout=0.2), "numa", "pools", "networks")
    release.set()
    assert "not tried" in reasons(facts)[("networks", None)] and read.times("listAllNetworks") == 0
    assert len(facts["numa"]["cells"]) == 2


OWN = "<cpu mode='custom' match='exact'><model fallback='forbid'>Base</model></cpu>"
OTHERS = (HostCpu("h2", "<cpu><arch>x86_64</arch><model>Haswell</model></cpu>"),)


def test_the_baseline_is_the_hypervisors_where_that_can_be_had(told: SimpleNamespace) -> None:
    write = Connection(getDomainCapabilities=SEV, baselineHypervisorCPU=OWN)
    facts = look(FakeSession(Connection(**HOSTNAME), write), host_cpus=OTHERS, virttype="kvm", expand_features=True)
    baseline = facts["baseline"]
    assert (baseline["hosts"], baseline["method"], baseline["model"]) == (["h1", "h2"], "hypervisor", "Base")
    *_rest, documents, flags = next(asked for asked in write.asked if asked[0] == "baselineHypervisorCPU")
    assert "EPYC-Milan" in documents[0] and documents[1] == OTHERS[0].xml  # the host model where it is known
    assert flags == 3 and _rest == ["baselineHypervisorCPU", None, None, None, "kvm"]


def test_hosts_of_one_name_are_all_in_the_baseline_and_this_one_once(told: SimpleNamespace) -> None:
    namesake = HostCpu("h1", OTHERS[0].xml)
    read = Connection(**HOSTNAME, baselineCPU=OWN)
    assert look(FakeSession(read), host_cpus=(namesake,))["baseline"]["hosts"] == ["h1", "h1"]
    own = look(FakeSession(Connection(**HOSTNAME)), "cpu")["cpu"]
    again = HostCpu("h1", own["xml"])
    assert look(FakeSession(read), host_cpus=(*OTHERS, again))["baseline"]["hosts"] == ["h2", "h1"]


@pytest.mark.parametrize("why", [Denied("read only"), Unsupported("too old")])
def test_the_baseline_is_of_processors_where_the_hypervisors_is_refused(told: SimpleNamespace, why: HaError) -> None:
    read = Connection(**HOSTNAME, baselineCPU=OWN)
    facts = look(FakeSession(read, Connection(baselineHypervisorCPU=why)), host_cpus=OTHERS, migratable=False)
    assert facts["baseline"]["method"] == "host" and str(why) in facts["baseline"]["why"]
    ((_name, documents, flags),) = [asked for asked in read.asked if asked[0] == "baselineCPU"]
    assert len(documents) == 2 and "<arch>x86_64</arch>" in documents[1] and flags == 0


def test_a_baseline_that_no_way_gives_tells_the_better_ways_reason(told: SimpleNamespace) -> None:
    read = Connection(**HOSTNAME, baselineCPU=HaError("vendors do not match, said again"))
    write = Connection(baselineHypervisorCPU=HaError("vendors do not match"))
    facts = look(FakeSession(read, write), "capabilities", host_cpus=OTHERS)
    assert reasons(facts)[("baseline", None)] == "vendors do not match."
    assert "baseline" not in facts


def test_a_host_without_a_model_still_computes_for_the_others(told: SimpleNamespace) -> None:
    read = Connection(getCapabilities=ARM, getHostname="h1", baselineCPU=OWN)
    facts = look(FakeSession(read), host_cpus=OTHERS)
    assert facts["baseline"]["hosts"] == ["h2"]
    assert "names no CPU model" in reasons(facts)[("baseline", "this host")]


def _expand(documents: list[str], _flags: int) -> str:
    features = {"Old": ["a"], "New": ["a", "b", "c"], "Wanted": ["a", "b"]}
    model = next((name for name in features if f"<model>{name}</model>" in documents[0]), None)
    if model is None:
        raise HaError("unknown CPU model")
    lines = "".join(f"<feature policy='require' name='{name}'/>" for name in features[model])
    return f"<cpu mode='custom' match='exact'><model>{model}</model>{lines}</cpu>"


def test_which_hosts_cannot_give_a_wanted_model(told: SimpleNamespace) -> None:
    def host(name: str, guest: str | None = None) -> HostCpu:
        return HostCpu(name.lower(), f"<cpu><arch>x86_64</arch><model>{name}</model></cpu>", guest)

    # A guest on `masked` cannot have b, though its processor does.
    masked = "<cpu mode='custom'><model>New</model><feature policy='disable' name='b'/></cpu>"
    cpus = (host("Old"), host("New"), HostCpu("masked", host("New").xml, masked), host("Strange"))
    read = Connection(**HOSTNAME, baselineCPU=_expand, compareCPU=2)
    facts = look(FakeSession(read), "capabilities", host_cpus=cpus, wanted_cpu=Cpu("Wanted"))
    comparison = facts["comparison"]
    assert comparison["incompatible"] == ["old", "masked"]
    verdicts = {entry["host"]: entry for entry in comparison["hosts"]}
    assert verdicts["old"]["missing"] == verdicts["masked"]["missing"] == ["b"]
    assert verdicts["new"]["compatible"] is True and verdicts["strange"]["compatible"] is None
    assert "unknown CPU model" in reasons(facts)[("comparison", "strange")]
    assert comparison["this_host"] == {"result": "superset", "method": "host", "reason": None}


def test_sysfs_is_read_for_this_machine_alone(told: SimpleNamespace, tmp_path: Path) -> None:
    for path in ("sys/kernel/iommu_groups/10/devices/0000:00:02.0", "sys/kernel/iommu_groups/9/devices/0000:00:01.0"):
        (tmp_path / path).mkdir(parents=True)
    parameters = tmp_path / "sys/module/kvm_amd/parameters"
    parameters.mkdir(parents=True)
    for name, value in (("nested", "1"), ("sev", "Y"), ("sev_es", "N"), ("sev_snp", "maybe")):
        (parameters / name).write_text(f"{value}\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kvm").touch()
    assert local.iommu_groups(str(tmp_path)) == [
        {"id": 9, "devices": ["0000:00:01.0"]},
        {"id": 10, "devices": ["0000:00:02.0"]},
    ]
    assert local.kvm(str(tmp_path)) == {
        "device": True,
        "nested": True,
        "protected": {"sev": True, "sev_es": False, "sev_snp": None, "tdx": None},
    }
    facts = look(FakeSession(Connection(**HOSTNAME)), "iommu", "virtualization", root=str(tmp_path))
    assert facts["iommu"]["enabled"] is True and facts["virtualization"]["nested"] is True
    far = FakeSession(Connection(**HOSTNAME), uri_given="qemu+ssh://h2/system")
    facts = look(far, "iommu", "virtualization", root=str(tmp_path))
    assert facts["iommu"] == {"enabled": True, "groups": None}  # the capabilities say so
    assert facts["virtualization"]["nested"] is None and facts["virtualization"]["kvm_device"] is None


def test_a_machine_without_sysfs(tmp_path: Path) -> None:
    assert local.iommu_groups(str(tmp_path)) == []
    assert local.kvm(str(tmp_path))["nested"] is None and local.kvm(str(tmp_path))["device"] is False


@pytest.mark.parametrize(
    ("told_by_libvirt", "groups", "enabled"), [("yes", False, True), ("no", True, True), ("no", False, False)]
)
def test_whether_the_iommu_is_on(
    told: SimpleNamespace, tmp_path: Path, told_by_libvirt: str, groups: bool, enabled: bool
) -> None:
    if groups:
        (tmp_path / "sys/kernel/iommu_groups/0/devices").mkdir(parents=True)
    document = X86.replace("<iommu support='yes'/>", f"<iommu support='{told_by_libvirt}'/>")
    facts = look(FakeSession(Connection(getCapabilities=document)), "iommu", root=str(tmp_path))
    assert facts["iommu"]["enabled"] is enabled
    silent = document.replace(f"<iommu support='{told_by_libvirt}'/>", "")
    facts = look(FakeSession(Connection(getCapabilities=silent)), "iommu", root=str(tmp_path))
    assert facts["iommu"]["enabled"] is groups
