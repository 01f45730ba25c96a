# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own test driver: a host that knows little, and tells so; and what needs no libvirt at all."""

from __future__ import annotations

import json
from typing import Any

from .conftest import MODULE, Host
from .machine import LIBRARY, PYTHON, Machine

HOST = """<node><cpu><mhz>2000</mhz><model>x86_64</model><active>4</active><nodes>2</nodes><sockets>1</sockets>
<cores>2</cores><threads>1</threads></cpu><memory>4194304</memory>
<domain type='test'><name>one</name><uuid>{0}0001</uuid><memory>1048576</memory><currentMemory>524288</currentMemory>
<vcpu>3</vcpu><os><type>hvm</type></os></domain>
<domain type='test'><name>two</name><uuid>{0}0002</uuid><memory>65536</memory><os><type>hvm</type></os></domain>
<network><name>bridged</name><forward mode='bridge'/><bridge name='br7'/></network>
<pool type='logical'><name>vg</name><source><device path='/dev/sdx'/><name>vg</name><format type='lvm2'/></source>
<target><path>/dev/vg</path></target><volume type='block'><name>disk</name><capacity unit='MiB'>16</capacity></volume></pool>
</node>"""
UUIDS = "5c2b1f4e-30f5-4d2f-8f50-1d3b5a6c"


def test_the_default_host(machine: Machine) -> None:
    facts = Host(machine).facts(uri="test:///default", include=["volumes", "dhcp_leases", "node_devices"])
    assert facts["hypervisor_type"] == "TEST" and facts["node"]["numa_nodes"] == 2
    assert [len(cell["cpus"]) for cell in facts["numa"]["cells"]] == [8, 8]
    assert facts["pools"][0]["name"] == "default-pool" and facts["networks"][0]["bridge"] == "virbr0"
    # It is no machine, so this one's kernel is not asked about it.
    assert facts["iommu"]["groups"] is None and facts["virtualization"]["kvm_device"] is None
    lacking = {(error["part"], error.get("object")) for error in facts["errors"]}
    assert lacking == {
        ("domain_capabilities", None),
        ("security", None),
        ("cpu", "host model"),
        ("hugepages", "free pages from cell 0 on"),
        ("networks", "leases of default"),
    }
    assert {error["code"] for error in facts["errors"] if error["part"] != "hugepages"} == {3}


def test_statistics_that_its_bulk_call_lacks_come_one_by_one_and_that_is_told(machine: Machine) -> None:
    path = machine.folder / "node.xml"
    path.write_text(HOST.format(UUIDS))
    facts = Host(machine).facts(
        uri=f"test://{path}", gather=["host", "domains", "networks", "pools"], include=["volumes"]
    )
    assert facts["errors"] == []
    one, two = facts["domains"]
    assert (one["name"], one["state"], one["vcpu"]["current"]) == ("one", "running", 3)
    assert one["balloon"] == {"current": 524288, "maximum": 1048576}
    assert two["uuid"] == f"{UUIDS}0002"
    how = facts["domain_statistics"]
    assert (how["method"], how["asked_one_by_one"]) == ("bulk", ["one", "two"])
    assert how["why"] == "the driver's bulk call tells the state only"
    only_state = Host(machine).facts(uri=f"test://{path}", gather=["domains"], stats=["state"])
    assert only_state["domain_statistics"]["asked_one_by_one"] == []
    assert facts["networks"][0]["forward_mode"] == "bridge" and facts["networks"][0]["bridge"] == "br7"
    (pool,) = facts["pools"]
    assert pool["source"] == {"devices": ["/dev/sdx"], "name": "vg", "format": "lvm2"}
    assert pool["volumes"][0]["capacity_bytes"] == 16 << 20


def test_a_wanted_model_is_compared_without_a_hypervisor(machine: Machine) -> None:
    cpus = [
        {"host": name, "xml": f"<cpu><arch>x86_64</arch><model>{name}</model></cpu>"} for name in ("Conroe", "Haswell")
    ]
    facts = Host(machine).facts(
        uri="test:///default", gather=["host"], host_cpus=cpus, wanted_cpu="Nehalem", migratable=False
    )
    assert facts["comparison"]["incompatible"] == ["Conroe"]
    assert facts["comparison"]["this_host"]["result"] is None
    assert facts["baseline"]["method"] == "host" and facts["baseline"]["model"] == "Conroe"


def test_a_driver_that_is_not_there(machine: Machine) -> None:
    result = Host(machine).module(uri="nothing:///x")
    assert "no connection driver available" in result["msg"] and "Check the driver in uri" in result["msg"]


def test_all_faults_of_the_parameters_at_once(machine: Machine) -> None:
    result = Host(machine).module(
        uri="qemu+ssh://u:hunter2@h/system",
        gather=["everything"],
        keyfile="/nonexistent",
        pkipath="/nonexistent",
        timeout=-1,
        username="x",
        include=["volumes"],
        host_cpus=[{"host": "a"}, {"host": "b", "xml": "<cpu"}, {"xml": "<cpu/>"}],
        wanted_cpu="<cpu/>",
    )
    assert result["failed"] and "hunter2" not in str(result)
    faults = "\n".join(result["error"]["faults"])
    for expected in (
        "value of gather",
        "parameters are required together: username, password",
        "uri: holds a password",
        "pkipath: is for tls URIs",
        "keyfile: /nonexistent is no file on this host",
        "pkipath: /nonexistent lacks cacert.pem",
        "timeout: -1 must be more than 0 seconds",
        "include: volumes is part of pools",
        "host_cpus[a]: xml is missing",
        "host_cpus[b]: xml is no XML",
        "host_cpus[2]: host is missing",
        "wanted_cpu names no model",
    ):
        assert expected in faults, faults


def test_a_python_without_libvirt(machine: Machine) -> None:
    code = f"import sys, runpy; sys.modules['libvirt'] = None; runpy.run_module({MODULE!r}, run_name='__main__')"
    path = machine.folder / "none.json"
    path.write_text('{"ANSIBLE_MODULE_ARGS": {}}')
    said = machine.run(PYTHON, "-c", code, str(path), check=False, PYTHONPATH=LIBRARY).stdout
    result: dict[str, Any] = json.loads(said)
    assert result["failed"] and "python3-libvirt" in result["msg"]
    assert "Failed to import the required Python library (libvirt)" in result["msg"]
