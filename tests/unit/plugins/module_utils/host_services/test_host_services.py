# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many services at once: one look, only what differs is done, an interrupted run is made up for, faults before anything is done."""

from __future__ import annotations

import os

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_services import plan, service

SINCE = "Sun 2026-11-29 05:40:00.500000 UTC"
SINCE_SECONDS = 1795930800.5


class Systemd:
    """A systemd of made-up units; each action is kept."""

    def __init__(self, **units):
        self.units = units
        self.calls = []
        self.refuses = ""

    def __call__(self, command):
        if command[1] == "show":
            return 0, "\n\n".join(self._shown(name) for name in command[5:]) + "\n", ""
        self.calls.append(command[2:])
        if command[2] == "daemon-reload":
            for unit in self.units.values():
                unit["NeedDaemonReload"] = "no"
        return (1, "", "Job failed.\nSee it.") if command[2] == self.refuses else (0, "", "")

    def _shown(self, name):
        unit = self.units.get(name.split(".", 1)[0])
        said = {"Id": name, "LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""}
        if unit is not None:
            said.update(LoadState="loaded", ActiveState="active", UnitFileState="enabled", NeedDaemonReload="no")
            said.update({"StateChangeTimestamp": SINCE, **unit})
        return "\n".join(f"{key}={value}" for key, value in said.items())


RUNS = {"state": "started", "enabled": True}


def play(systemd, *entries, check=False):
    return service.run(systemd, list(entries), check=check)


def test_what_is_as_wanted_is_left_alone_after_one_look():
    systemd = Systemd(haproxy={}, keepalived={})
    told = play(systemd, {"name": "haproxy", **RUNS}, {"name": "keepalived.service", **RUNS})
    assert (told["changed"], told["actions"], systemd.calls) == (False, [], [])


def test_each_is_enabled_and_started_in_the_order_given():
    systemd = Systemd(b={"ActiveState": "inactive", "UnitFileState": "disabled"}, a={"ActiveState": "failed"})
    told = play(systemd, {"name": "b", **RUNS}, {"name": "a", **RUNS})
    assert systemd.calls == [["enable", "b.service"], ["start", "b.service"], ["start", "a.service"]]
    assert told["actions"][2] == "start a.service: is failed"


def test_check_mode_tells_the_same_and_does_nothing():
    systemd = Systemd(a={"ActiveState": "inactive", "NeedDaemonReload": "yes"})
    told = play(systemd, {"name": "a", **RUNS}, check=True)
    assert systemd.calls == []
    assert told == play(systemd, {"name": "a", **RUNS})
    assert systemd.calls == [["daemon-reload"], ["start", "a.service"]]


@pytest.mark.parametrize("apply", ["restart", "reload"])
def test_a_service_older_than_what_it_reads_is_brought_up_to_date(tmp_path, apply):
    file = tmp_path / "a.conf"
    file.write_text("")
    entry = {"name": "a", **RUNS, "reads": [str(tmp_path / "*.conf"), str(tmp_path / "missing")], "apply": apply}
    os.utime(file, (SINCE_SECONDS - 1, SINCE_SECONDS - 1))
    systemd = Systemd(a={})
    assert not play(systemd, entry)["changed"]
    os.utime(file, (SINCE_SECONDS + 0.25, SINCE_SECONDS + 0.25))
    assert str(tmp_path) in play(systemd, entry)["actions"][0]
    assert systemd.calls == [[apply, "a.service"]]


def test_one_that_does_not_run_is_not_restarted_for_a_young_file(tmp_path):
    (tmp_path / "a.conf").write_text("")
    entry = {"name": "a", "reads": [str(tmp_path / "a.conf")]}
    assert not play(Systemd(a={"ActiveState": "inactive", "StateChangeTimestamp": ""}), entry)["changed"]


def test_stopping_and_disabling_what_is_not_there_is_nothing():
    systemd = Systemd(a={})
    gone = {"state": "stopped", "enabled": False}
    play(systemd, {"name": "a", **gone}, {"name": "missing", **gone})
    assert systemd.calls == [["disable", "a.service"], ["stop", "a.service"]]


def test_missing_and_masked_units_are_told_at_once_before_anything_is_done():
    systemd = Systemd(a={"ActiveState": "inactive"}, m={"LoadState": "masked", "UnitFileState": "masked"})
    with pytest.raises(InputError) as refused:
        play(systemd, {"name": "a", **RUNS}, {"name": "missing", **RUNS}, {"name": "m", **RUNS})
    assert systemd.calls == []
    assert "services[missing]: there is no such unit" in str(refused.value)
    assert "services[m]: is masked" in str(refused.value)
    assert play(systemd, {"name": "missing", **RUNS}, check=True)["changed"]


def test_a_failure_names_unit_reason_and_where_to_look():
    systemd = Systemd(a={"ActiveState": "inactive"})
    systemd.refuses = "start"
    with pytest.raises(HaError) as failed:
        play(systemd, {"name": "a", **RUNS})
    for told in ("a.service", "start failed", "Job failed. See it.", "journalctl --unit a.service"):
        assert told in str(failed.value)


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([{"name": "a b"}], "services[a b].name: must be"),
        ([{"name": "a"}, {"name": "a.service"}], "services[a.service].name: is given twice"),
        ([{"name": "a", "reads": ["a.conf"]}], "absolute"),
        ([{"name": "a", "state": "stopped", "reads": ["/a"]}], "leave it out"),
    ],
)
def test_faults_name_unit_and_key(entries, told):
    faults = plan.faults(entries)
    assert len(faults) == 1
    assert told in faults[0]
