# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""node_fence against a Redfish BMC that behaves, and against all the ways in which one does not."""

from __future__ import annotations

import glob
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import PASSWORD, UUID, ScriptedBmc

pytestmark = pytest.mark.skipif(
    not shutil.which("fence_redfish", path="/usr/sbin:/usr/bin"), reason="fence_redfish is not installed"
)
Run = Callable[..., dict[str, Any]]


def test_off_is_proven_then_nothing_to_do_then_on(run_fence: Run, sushy: Callable[[str], str]) -> None:
    url = sushy("On")
    predicted = run_fence(url, "off", _ansible_check_mode=True)
    assert predicted["changed"] and predicted["power_state"] == "On" and "proof" not in predicted

    off = run_fence(url, "off")
    assert off["changed"] and off["proof"]["power_state"] == "Off", off
    assert off["proof"]["identity"] == "n2" and off["proof"]["node"] == "n2" and off["proof"]["bmc"] == url
    assert abs(off["proof"]["read_at"] - time.time()) < 30

    again = run_fence(url, "off")
    assert not again["changed"] and again["proof"]["power_state"] == "Off"
    assert run_fence(url, "status")["power_state"] == "Off"
    assert run_fence(url, "status", bmc_identity="n1")["power_state"] == "On"

    on = run_fence(url, "on")
    assert on["changed"] and on["power_state"] == "On" and "proof" not in on


def test_machine_is_known_by_uuid_in_either_byte_order(run_fence: Run, scripted: ScriptedBmc) -> None:
    assert run_fence(scripted.url, "status", bmc_identity=UUID.upper())["identity"] == UUID
    swapped = "5e1f2f6b-b153-7c4d-9c77-0b3e6a1d2c02"
    assert run_fence(scripted.url, "status", bmc_identity=swapped)["identity"] == UUID
    path = f"{scripted.url}/redfish/v1/Systems/1"
    assert run_fence(path, "status")["power_state"] == "On"


def test_wrong_password(run_fence: Run, sushy: Callable[[str], str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("wrong")
    other.chmod(0o600)
    result = run_fence(sushy("On"), "off", bmc_password_file=str(other))
    assert result["failed"] and "refused user fencing" in result["msg"] and "node n2" in result["msg"]


def test_wrong_identity_is_never_powered_off(run_fence: Run, scripted: ScriptedBmc) -> None:
    result = run_fence(scripted.url, "off", bmc_identity="n3")
    assert result["failed"] and "does not answer for this node" in result["msg"]
    assert scripted.resets == []


def test_unreachable(run_fence: Run) -> None:
    result = run_fence("https://127.0.0.1:9", "off")
    assert result["failed"] and "cannot be reached" in result["msg"] and "https://127.0.0.1:9" in result["msg"]


def test_unknown_authority(run_fence: Run, scripted: ScriptedBmc) -> None:
    result = run_fence(scripted.url, "off", bmc_ca_file=None)
    assert result["failed"] and "TLS failed" in result["msg"] and scripted.resets == []
    assert run_fence(scripted.url, "off", bmc_ca_file=None, bmc_validate_certs=False)["proof"]["power_state"] == "Off"


@pytest.mark.parametrize("trickle", [False, True])
def test_hanging_bmc_is_given_up_in_time(run_fence: Run, scripted: ScriptedBmc, trickle: bool) -> None:
    scripted.delay, scripted.trickle = (0.0, True) if trickle else (30.0, False)
    began = time.monotonic()
    result = run_fence(scripted.url, "off", read_timeout=1.5)
    assert result["failed"] and time.monotonic() - began < 6, result


def test_disobedient_bmc_proves_nothing(run_fence: Run, scripted: ScriptedBmc) -> None:
    scripted.obeys = False
    began = time.monotonic()
    result = run_fence(scripted.url, "off", timeout=5)
    assert result["failed"] and "proof" not in result and scripted.resets == ["ForceOff"]
    assert time.monotonic() - began < 10
    assert all(part in result["msg"] for part in ("node n2", scripted.url))


def test_what_the_agent_was_told_is_no_proof(run_fence: Run, scripted: ScriptedBmc) -> None:
    scripted.obeys, scripted.lies_to_agent = False, True
    result = run_fence(scripted.url, "off", timeout=6)
    assert result["failed"] and "not proven" in result["msg"] and "read back was On" in result["msg"]


def test_no_redfish_service(run_fence: Run, scripted: ScriptedBmc) -> None:
    scripted.body = b"<html>log in</html>"
    result = run_fence(scripted.url, "off")
    assert result["failed"] and "no JSON object" in result["msg"]


def test_password_is_in_no_list_of_processes(run_fence: Run, scripted: ScriptedBmc) -> None:
    scripted.obeys = False
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    seen.add(Path(path).read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:  # the process has ended
                    continue
            time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    run_fence(scripted.url, "off", timeout=3)
    over.set()
    watcher.join()
    assert any("fence_redfish" in line for line in seen)
    assert not any(PASSWORD in line for line in seen)


def test_file_open_to_everyone_is_refused(run_fence: Run, scripted: ScriptedBmc, password_file: Path) -> None:
    password_file.chmod(0o644)
    result = run_fence(scripted.url, "off")
    assert result["failed"] and "0644" in result["msg"] and scripted.resets == []


def test_all_faults_of_the_parameters_at_once(run_fence: Run) -> None:
    result = run_fence("http://127.0.0.1:8011", "off", bmc_identity=None)
    assert result["failed"] and len(result["error"]["faults"]) == 2
