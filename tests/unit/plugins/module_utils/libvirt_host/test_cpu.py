# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs in libvirt's three ways of writing them, and who has what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import (
    capabilities,
    cpu,
    domain_capabilities,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.cpu import Cpu

from .conftest import ARM, SEV, X86

HOST = "<cpu><arch>x86_64</arch><model>Haswell</model><vendor>Intel</vendor><feature name='vmx'/></cpu>"
GUEST = """<cpu mode='custom' match='exact'><model fallback='forbid'>Haswell</model>
<feature policy='require' name='pcid'/><feature policy='disable' name='rtm'/><feature policy='optional' name='x'/></cpu>"""


def test_a_hosts_and_a_guests_cpu() -> None:
    assert cpu.read(HOST) == Cpu("Haswell", "x86_64", "Intel", frozenset({"vmx"}))
    assert cpu.read(GUEST) == Cpu("Haswell", None, None, frozenset({"pcid"}), frozenset({"rtm"}))


@pytest.mark.parametrize(
    ("given", "expected"), [("Haswell", Cpu("Haswell")), (" Haswell\n", Cpu("Haswell")), (HOST, cpu.read(HOST))]
)
def test_a_wanted_cpu_is_a_name_or_a_document(given: str, expected: Cpu) -> None:
    assert cpu.wanted(given) == expected


def test_it_is_written_back_in_both_ways() -> None:
    assert cpu.read(cpu.as_guest(cpu.read(GUEST))) == cpu.read(GUEST)
    assert 'mode="custom"' in cpu.as_guest(cpu.read(GUEST))
    host = cpu.as_host(cpu.read(GUEST), "x86_64")
    assert cpu.read(host) == Cpu("Haswell", "x86_64", None, frozenset({"pcid"}))
    assert "policy=" not in host and "mode=" not in host  # which virConnectBaselineCPU refuses


@pytest.mark.parametrize("document", ["<cpu>", "<cpu/>", "<cpu><model/></cpu>", "<domain/>", ""])
def test_a_cpu_that_cannot_be_read_is_named(document: str) -> None:
    with pytest.raises(HaError, match="wanted_cpu"):
        cpu.read(document, "wanted_cpu")


def test_a_hosts_cpu_as_facts() -> None:
    root = capabilities.root_of(X86).find("host/cpu")
    assert root is not None
    found = cpu.described(root)
    assert found["features"] == ["pdpe1gb", "vmx"] and found["microcode"] == 16
    assert found["topology"] == {"sockets": 1, "dies": 1, "cores": 2, "threads": 2}
    assert (found["tsc_frequency_hz"], found["tsc_scaling"]) == (2300000000, "yes")
    assert found["physical_address_bits"] == 46
    bare = capabilities.root_of(ARM).find("host/cpu")
    assert bare is not None
    assert cpu.described(bare)["model"] is None and cpu.described(bare)["topology"] == {}


def test_the_host_model_is_a_guests_cpu() -> None:
    model = domain_capabilities.host_model(domain_capabilities.root_of(SEV))
    assert model is not None
    text = cpu.to_text(model)
    assert "\n" not in text and "maxphysaddr" not in text
    assert cpu.read(text) == Cpu("EPYC-Milan", None, "AMD", frozenset({"x2apic"}), frozenset({"svm"}))


@pytest.mark.parametrize(
    ("has", "has_all", "wants", "wants_all", "compatible", "missing", "reason"),
    [
        (Cpu("B"), {"a", "b"}, Cpu("A"), {"a"}, True, [], None),
        (Cpu("A"), {"a"}, Cpu("B"), {"a", "c", "b"}, False, ["b", "c"], "it lacks b, c"),
        (Cpu("A", vendor="AMD"), {"a"}, Cpu("A", vendor="Intel"), {"a"}, False, [], "it is of AMD, wanted is Intel"),
        (Cpu("A", vendor="AMD"), {"a"}, Cpu("A"), {"a"}, True, [], None),
        (Cpu("A", "s390x"), {"a"}, Cpu("A", "x86_64"), {"a"}, False, [], "it is of s390x, wanted is x86_64"),
    ],
)
def test_verdicts(
    has: Cpu, has_all: set[str], wants: Cpu, wants_all: set[str], compatible: bool, missing: list[str], reason: Any
) -> None:
    found = cpu.verdict("h", has, frozenset(has_all), wants, frozenset(wants_all))
    assert found == {"host": "h", "compatible": compatible, "missing": missing, "reason": reason}


def test_cpus_of_other_hosts_are_this_modules_facts() -> None:
    facts = {
        "host": "h2",
        "arch": "x86_64",
        "features": [],
        "xml": HOST,
        "host_model_xml": GUEST,
        "usable_models": None,
    }
    found, faults = cpu.host_cpus([facts, {"host": "h3", "xml": HOST, "host_model_xml": None}])
    assert faults == [] and [(host.host, host.guest_xml) for host in found] == [("h2", GUEST), ("h3", None)]


def test_all_faults_of_other_hosts_cpus() -> None:
    entries = [{"host": "a"}, {"xml": HOST}, "x", {"host": "b", "xml": "<cpu>"}, {"host": "c", "xml": HOST}]
    entries.append({"host": "d", "xml": HOST, "host_model_xml": "<cpu/>"})
    found, faults = cpu.host_cpus(entries)
    assert [host.host for host in found] == ["c"]
    for expected, fault in zip(
        (
            "host_cpus[a]: xml is missing",
            "host_cpus[1]: host is missing",
            "host_cpus[2]: must be a map",
            "host_cpus[b]: xml is no XML",
            "host_cpus[d]: host_model_xml names no model",
        ),
        faults,
        strict=True,
    ):
        assert expected in fault
