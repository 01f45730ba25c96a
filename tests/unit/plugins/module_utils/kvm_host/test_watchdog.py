# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host import watchdog
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kvm_host.service import judge

Host = Callable[..., dict[str, Any]]
WANTED = {"watchdog_seconds": 30}


def _dogs(facts: dict[str, Any], **changed: Any) -> list[dict[str, Any]]:
    return [{**facts["watchdogs"][0], **changed}]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"watchdogs": []}, "no watchdog device; load its driver"),
        ({"watchdogs": []}, "softdog, which is weaker"),
        # The device that is seen there is another's.
        ({"shared_kernel": True}, "the kernel is shared with the machine outside"),
    ],
)
def test_a_host_that_has_none_to_use(host: Host, changed: dict[str, Any], told: str) -> None:
    faults = judge(host(**changed), WANTED)["faults"]
    assert len(faults) == 1
    assert told in faults[0]
    assert judge(host(**changed), {"watchdog_seconds": 0})["faults"] == []


def test_a_device_that_another_program_holds(host: Host) -> None:
    held = host(watchdogs=_dogs(host(), active=True))
    assert "is held by another program than systemd" in judge(held, WANTED)["faults"][0]
    assert judge({**held, "watchdog_seconds": 30.0}, WANTED)["faults"] == []


def test_a_device_that_takes_no_time_that_is_long_enough(host: Host) -> None:
    facts = host(watchdogs=_dogs(host(), max_timeout=8))
    assert "takes at most 8 s, and a busy host needs 10" in judge(facts, WANTED)["faults"][0]


@pytest.mark.parametrize(("most", "asked"), [(None, 86400), (0, 86400), (613, 613)])
def test_a_device_that_names_no_limit_has_none(host: Host, most: int | None, asked: int) -> None:
    facts = host(watchdogs=_dogs(host(), max_timeout=most))
    assert judge(facts, {"watchdog_seconds": asked})["faults"] == []


@pytest.mark.parametrize(("most", "reboot"), [(None, 600), (0, 600), (613, 600), (39, 39)])
def test_what_systemd_is_told(host: Host, most: int | None, reboot: int) -> None:
    facts = host(watchdogs=_dogs(host(), max_timeout=most))
    assert judge(facts, {"watchdog_seconds": "30"})["plan"]["watchdog"] == {"runtime": 30, "reboot": reboot}
    assert judge(facts, {"watchdog_seconds": "0"})["plan"]["watchdog"] == {}


@pytest.mark.parametrize(
    ("told", "active", "text"),
    [
        (0.0, False, "RuntimeWatchdogSec is 0, not 30"),
        (10.0, True, "RuntimeWatchdogSec is 10, not 30"),
        (None, False, "RuntimeWatchdogSec is unknown, not 30"),
        # systemd tells what it was told also where it could not open the device.
        (30.0, False, "systemd does not hold /dev/watchdog0"),
    ],
)
def test_what_systemd_does_not_do(host: Host, told: float | None, active: bool, text: str) -> None:
    facts = host(watchdogs=_dogs(host(), active=active), watchdog_seconds=told)
    differences = judge(facts, {**WANTED, "prefix": "v_"})["differences"]
    assert [(found["option"], found["holds"]) for found in differences] == [("watchdog_seconds", "now")]
    assert differences[0]["text"].startswith("v_watchdog_seconds: ")
    assert text in differences[0]["text"]


@pytest.mark.parametrize("active", [True, None])
def test_what_systemd_does_is_no_difference(host: Host, active: bool | None) -> None:
    facts = host(watchdogs=_dogs(host(), active=active), watchdog_seconds=30.0)
    assert judge(facts, WANTED)["differences"] == []
    # Left alone is left alone, whoever has set it.
    assert judge(facts, {"watchdog_seconds": 0})["differences"] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0\n", 0), ("30s\n", 30), ("1min 30s\n", 90), ("2h 10min\n", 7800), ("infinity\n", None), ("", None)],
)
def test_a_time_as_systemd_prints_it(text: str, seconds: float | None) -> None:
    assert watchdog.span(text) == seconds
