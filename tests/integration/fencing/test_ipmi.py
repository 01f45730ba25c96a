# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""node_fence with Debian's fence_ipmilan over an ipmitool that stands in for a BMC and notes how it is called."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import PASSWORD, UUID

pytestmark = pytest.mark.skipif(
    not shutil.which("fence_ipmilan", path="/usr/sbin:/usr/bin"), reason="fence_ipmilan is not installed"
)
Run = Callable[..., dict[str, Any]]

_IPMITOOL = r"""#!/bin/sh
tr '\0' ' ' </proc/$$/cmdline >>{folder}/calls; echo >>{folder}/calls
[ "$IPMI_PASSWORD" = "$(cat {folder}/expected)" ] || {{ echo "Error: Unable to establish IPMI v2 / RMCP+ session"; exit 1; }}
case "$*" in
  *"mc guid"*) echo "System GUID  : {uuid}" ;;
  *"power status"*) echo "Chassis Power is $(cat {folder}/power)" ;;
  *"power off"*) [ -e {folder}/stubborn ] || echo off >{folder}/power ;;
  *"power on"*) echo on >{folder}/power ;;
esac
"""


@pytest.fixture
def ipmi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_fence: Run) -> Run:
    """Runs the module against the stand-in, which is on."""
    folder = tmp_path / "ipmi"
    folder.mkdir()
    program = folder / "ipmitool"
    program.write_text(_IPMITOOL.format(folder=folder, uuid=UUID))
    program.chmod(0o755)
    (folder / "expected").write_text(PASSWORD)
    (folder / "power").write_text("on\n")
    monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/bin")
    return lambda state, **more: run_fence("ipmi://127.0.0.1", state, bmc_type="ipmi", **{"bmc_identity": UUID, **more})


def test_off_is_proven_and_the_password_stays_off_command_lines(ipmi: Run, tmp_path: Path) -> None:
    off = ipmi("off")
    assert off["changed"], off
    assert off["proof"]["power_state"] == "Off"
    assert off["proof"]["identity"] == UUID
    assert not ipmi("off")["changed"]
    assert ipmi("on")["power_state"] == "On"
    calls = (tmp_path / "ipmi" / "calls").read_text()
    assert "chassis power off" in calls
    assert PASSWORD not in calls
    assert " -P" not in calls


def test_another_machine_is_never_powered_off(ipmi: Run, tmp_path: Path) -> None:
    result = ipmi("off", bmc_identity=UUID.replace("02", "03"))
    assert "does not answer for this node" in result["msg"]
    assert (tmp_path / "ipmi" / "power").read_text() == "on\n"


def test_wrong_password(ipmi: Run, tmp_path: Path) -> None:
    (tmp_path / "ipmi" / "expected").write_text("other")
    result = ipmi("off")
    assert result["failed"]
    assert "Unable to establish IPMI" in result["msg"]


def test_stubborn_machine_proves_nothing(ipmi: Run, tmp_path: Path) -> None:
    (tmp_path / "ipmi" / "stubborn").touch()
    result = ipmi("off", timeout=4)
    assert result["failed"]
    assert "proof" not in result
