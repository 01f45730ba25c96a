# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fencing without a BMC: what is refused before anything is sent, how identities compare, what an agent is told."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import node_fence
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing import bounded
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.agent import Agent
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import (
    Bmc,
    FencingError,
    Reading,
    recognise,
)

UUID = "6b2f1f5e-53b1-4d7c-9c77-0b3e6a1d2c02"
SWAPPED = "5e1f2f6b-b153-7c4d-9c77-0b3e6a1d2c02"
GIVEN = {"type": "redfish", "url": "https://192.0.2.2", "user": "u", "password_file": "/p", "identity": "n2"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"identity": None}, "bmc.identity is missing"),
        ({"user": ""}, "bmc.user is missing"),
        ({"url": "http://192.0.2.2"}, "https://"),
        ({"url": "https://u:p@192.0.2.2"}, "holds a user or a password"),
        ({"url": "https://192.0.2.2:none"}, "a port that is no number"),
        ({"type": "ipmi"}, "ipmi://"),
        ({"type": "snmp"}, "'snmp'"),
    ],
)
def test_faults_of_a_bmc(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        Bmc.parse({**GIVEN, **changes})
    assert any(told in fault for fault in error.value.faults)


def test_all_faults_at_once() -> None:
    with pytest.raises(InputError) as error:
        Bmc.parse({"type": "redfish", "url": "http://192.0.2.2"})
    assert len(error.value.faults) == 4


def test_parts_of_the_url() -> None:
    bmc = Bmc.parse({**GIVEN, "url": "https://192.0.2.2:8443/redfish/v1/Systems/1/"})
    assert (bmc.host, bmc.port, bmc.path) == ("192.0.2.2", 8443, "/redfish/v1/Systems/1")
    assert Bmc.parse({**GIVEN, "type": "ipmi", "url": "ipmi://192.0.2.2"}).port == 623


@pytest.mark.parametrize(
    ("enrolled", "found", "same"),
    [
        (UUID, [UUID.upper()], True),
        (UUID, [SWAPPED], True),
        (UUID, [UUID.replace("-", "")], True),
        (UUID, [UUID.replace("02", "03")], False),
        ("n2", ["System", "n2"], True),
        ("n2", ["n20"], False),
        ("n2", ["N2"], False),
        ("n2", ["", "none"], False),
        (UUID, [], False),
    ],
)
def test_identities(enrolled: str, found: list[str], same: bool) -> None:
    assert (recognise(enrolled, found) is not None) is same


@pytest.mark.parametrize(("content", "why"), [("", "one line"), ("a\nb\n", "one line"), (None, "cannot read")])
def test_unusable_password_files(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    with pytest.raises(FencingError, match=why):
        Bmc.parse({**GIVEN, "password_file": str(path)}).password()


def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "fence_test"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_agent_is_told_by_stdin_and_its_words_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, monkeypatch, f'cat >{tmp_path}/told; echo "failed with s3cret" >&2; exit 1')
    agent = Agent("fence_test", {"ip": "192.0.2.2", "password": "s3cret"}, "https://192.0.2.2", secret="s3cret")
    with pytest.raises(FencingError) as error:
        agent.run("off", 5)
    assert "s3cret" not in str(error.value)
    assert "failed with ********" in str(error.value)
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ['ip="192.0.2.2"', 'password="s3cret"', 'action="off"', 'power_timeout="5"']


def test_hanging_agent_ends_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, monkeypatch, f"sleep 300 & echo $! >{tmp_path}/child; wait")
    began = time.monotonic()
    with pytest.raises(FencingError, match="did not end in 1 s"):
        Agent("fence_test", {}, "https://192.0.2.2").run("off", 1)
    assert time.monotonic() - began < 4
    child = int((tmp_path / "child").read_text())
    time.sleep(0.2)
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text()


def test_missing_agent_names_the_package() -> None:
    with pytest.raises(FencingError, match="fence-agents"):
        Agent("fence_no_such", {}, "").run("off", 1)


def test_bounded_call() -> None:
    assert bounded.call(lambda: 7, 1) == 7
    with pytest.raises(ZeroDivisionError):
        bounded.call(lambda: 1 // 0, 1)
    with pytest.raises(bounded.Overdue):
        bounded.call(lambda: time.sleep(5), 0.05)
    done = bounded.run([sys.executable, "-c", "print(input())"], stdin="x\n", env=os.environ, seconds=20)
    assert (done.code, done.output) == (0, "x\n")


class ScriptedDevice:
    """A BMC that answers with one reading after the other, the last one for good; an exception is raised."""

    def __init__(self, *readings: str | FencingError) -> None:
        self.readings = list(readings)
        self.switched: list[str] = []

    def read(self, seconds: float) -> Reading:
        found = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        if isinstance(found, FencingError):
            raise found
        return Reading(found, "n2", time.time())

    def switch(self, state: str, reading: Reading, seconds: float) -> None:
        self.switched.append(state)


def _fence(monkeypatch: pytest.MonkeyPatch, device: ScriptedDevice, state: str, **options: Any) -> dict[str, Any]:
    monkeypatch.setattr(node_fence, "device_of", lambda _bmc: device)
    monkeypatch.setattr(node_fence, "_POLL_SECONDS", 0.01)
    return node_fence.fence(node_fence.Request("n2", Bmc.parse(GIVEN), state, **options))


def test_power_off_is_proven_by_a_later_read(monkeypatch: pytest.MonkeyPatch) -> None:
    device = ScriptedDevice("On", "On", FencingError("busy"), "PoweringOff", "Off")
    result = _fence(monkeypatch, device, "off", timeout=2)
    assert result["changed"]
    assert device.switched == ["off"]
    assert result["proof"]["power_state"] == "Off"
    assert result["diff"] == {"before": {"power_state": "On"}, "after": {"power_state": "Off"}}


@pytest.mark.parametrize("readings", [("On",), ("On", "PoweringOff"), ("On", "unknown")])
def test_without_off_there_is_no_proof(monkeypatch: pytest.MonkeyPatch, readings: tuple[str, ...]) -> None:
    with pytest.raises(FencingError, match=r"node n2 is not proven.*Take n2 as running"):
        _fence(monkeypatch, ScriptedDevice(*readings), "off", timeout=0.05)


def test_off_already_changes_nothing_but_proves(monkeypatch: pytest.MonkeyPatch) -> None:
    device = ScriptedDevice("Off")
    result = _fence(monkeypatch, device, "off")
    assert not result["changed"]
    assert result["proof"]["node"] == "n2"
    assert device.switched == []


def test_check_mode_switches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    device = ScriptedDevice("On")
    result = _fence(monkeypatch, device, "off", check_mode=True)
    assert result["changed"]
    assert "proof" not in result
    assert device.switched == []


def test_read_that_fails_names_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FencingError, match="node n2: cannot"):
        _fence(monkeypatch, ScriptedDevice(FencingError("cannot")), "off")
