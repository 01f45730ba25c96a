# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import ha_probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe import options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.verdict import Terms

URL = {"url": "https://h/x"}
GUEST = {"namespace": "shop", "name": "web-1"}


def faults(**given: Any) -> str:
    return "\n".join(options.faults(given))


class TestFaults:
    @pytest.mark.parametrize(
        "given",
        [
            URL,
            {"tcp": "h:1", "banner": "^x", "tls": {}},
            {"tcp": "[::1]:443"},
            {"guest": GUEST},
            {"guest": {**GUEST, "name": "a.b"}},
            {"guest": {**GUEST, "port": 22}, "banner": "^SSH"},
            {"guest": {**GUEST, "port": 80, "path": "/x"}, "body_contains": "ok"},
            {**URL, "count": 5, "rise": 5, "success_ratio": 1.0, "max_gap_seconds": 0.0},
            {**URL, "for_seconds": 30.0, "interval": 0.1, "timeout": 1.0},
            {**URL, "for_seconds": 30.0, "while_exists": "/run/asking"},
            {**URL, "wait_timeout": 30, "rise": 3, "expect": "down"},
        ],
    )
    def test_good_ones_have_none(self, given: dict[str, Any]) -> None:
        assert faults(**given) == ""

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ({}, "no target: give exactly one of url, tcp, guest"),
            ({**URL, "tcp": "h:1"}, "url and tcp: give exactly one"),
            ({"url": "ftp://h"}, "must be of the form http://host/path"),
            ({"url": "http:///x"}, "must be of the form"),
            ({"url": "http://h:99999/"}, "cannot be read"),
            ({"url": "https://u:secret@h/"}, "url: holds a user or a password"),
            ({"tcp": "h"}, "tcp: h must be of the form host:port"),
            ({"tcp": "h:0"}, "must be of the form host:port"),
            ({"tcp": "h:80/x"}, "must be of the form host:port"),
            ({"tcp": "::1:80"}, "must be of the form host:port"),
            ({**URL, "while_exists": "/run/asking"}, "while_exists: needs for_seconds"),
            ({"guest": {}}, "guest: namespace: is missing"),
            ({"guest": {}}, "guest: name: is missing"),
            ({"guest": {**GUEST, "namespace": "Shop"}}, "guest: namespace: 'Shop' must be"),
            ({"guest": {**GUEST, "agent": False}}, "agent: without it, give the port"),
            ({"guest": {**GUEST, "port": 0}}, "port: 0 must be from 1 to 65535"),
            ({"guest": {**GUEST, "path": "/x"}}, "path: needs port"),
            ({"guest": {**GUEST, "port": 80, "path": "x"}}, "path: x must begin with /"),
            ({"tcp": "h:1", "status": ["200"], "body_regex": "x"}, "status, body_regex: goes with url"),
            ({"guest": {**GUEST, "port": 80}, "body_contains": "x"}, "body_contains: goes with url"),
            ({**URL, "banner": "x"}, "banner: goes with tcp"),
            ({"guest": GUEST, "banner": "x"}, "banner: goes with tcp"),
            ({**URL, "method": "HEAD", "body_contains": "x"}, "method: HEAD brings no body"),
            ({**URL, "body_regex": "("}, "body_regex: '(' is no regular expression"),
            ({**URL, "response_headers": {"A": "["}}, "response_headers.A: '[' is no regular expression"),
            ({**URL, "status": ["good"]}, "status: 'good' is no status"),
            ({**URL, "tls": {"cert_file": "/x"}}, "tls: cert_file and key_file belong together"),
            ({**URL, "count": 1, "for_seconds": 1.0}, "count and for_seconds: exclude each other"),
            ({**URL, "interval": 0.001}, "interval: 0.001 must be 0.01 seconds or more"),
            ({**URL, "timeout": math.inf}, "timeout: inf must be"),
            ({**URL, "timeout": math.nan}, "timeout: nan must be"),
            ({**URL, "for_seconds": 0.0}, "for_seconds: 0 must be"),
            ({**URL, "count": 0}, "count: 0 must be 1 or more"),
            ({**URL, "interval": 0.01, "timeout": 60.0}, "leaves more than 500 questions under way"),
            ({**URL, "count": 2, "rise": 3}, "rise: 3 in a row cannot come of count 2"),
            ({**URL, "count": 2, "fall": 3, "expect": "down"}, "fall: 3 in a row cannot come of count 2"),
            ({**URL, "success_ratio": 95.0}, "success_ratio: 95 must be from 0 to 1"),
            ({**URL, "max_gap_seconds": -1.0}, "max_gap_seconds: -1 must be"),
            ({**URL, "wait_timeout": 5, "success_ratio": 0.5}, "success_ratio: goes with count or for_seconds"),
            ({**URL, "expect": "down", "max_gap_seconds": 1.0}, "max_gap_seconds: goes with expect up"),
        ],
    )
    def test_each_is_named(self, given: dict[str, Any], fault: str) -> None:
        assert fault in faults(**given)


class TestDefaults:
    @pytest.mark.parametrize(
        ("given", "count"),
        [
            ({}, 1),
            ({"rise": 3}, 3),
            ({"fall": 3}, 1),
            ({"fall": 3, "expect": "down"}, 3),
            ({"count": 9, "rise": 3}, 9),
            ({"for_seconds": 1.0}, None),
            ({"wait_timeout": 1}, None),
        ],
    )
    def test_it_asks_as_often_as_it_needs(self, given: dict[str, Any], count: int | None) -> None:
        assert options.count_of(given) == count

    def test_terms(self) -> None:
        assert options.terms_of({}) == Terms("up", 1, 1, None, None)

    @pytest.mark.parametrize(
        ("given", "name"), [({"name": "n", **URL}, "n"), (URL, "https://h/x"), ({"guest": GUEST}, "guest shop/web-1")]
    )
    def test_a_probe_is_called_by_its_target(self, given: dict[str, Any], name: str) -> None:
        assert options.name_of(given) == name


class TestWanted:
    def test_the_short_form_is_one_probe(self) -> None:
        params = {"url": "http://h", "tcp": None, "probes": None, "defaults": None, "rise": 2, "host": "https://api"}
        assert ha_probe.wanted(params) == [{"url": "http://h", "rise": 2}]

    def test_an_entry_wins_over_the_defaults(self) -> None:
        defaults = {"interval": 0.1, "tls": {"verify": False, "ca_file": None}, "request_headers": {"A": "1"}}
        entry = {"url": "http://h", "tls": {"ca_file": "/x"}, "request_headers": {"B": "2"}, "interval": None}
        found = ha_probe.wanted({"probes": [entry], "defaults": defaults})
        assert found == [
            {
                "url": "http://h",
                "interval": 0.1,
                "tls": {"verify": False, "ca_file": "/x"},
                "request_headers": {"A": "1", "B": "2"},
            }
        ]

    def test_a_target_and_a_loop_of_its_own_replace_those_of_the_defaults(self) -> None:
        defaults = {"for_seconds": 30.0, "guest": GUEST}
        entries = [{"tcp": "h:1", "count": 3}, {"guest": {"name": "web-2"}}]
        first, second = ha_probe.wanted({"probes": entries, "defaults": defaults})
        assert first == {"tcp": "h:1", "count": 3}
        assert second == {"guest": {**GUEST, "name": "web-2"}, "for_seconds": 30.0}

    @pytest.mark.parametrize(
        ("params", "fault"),
        [
            ({"probes": []}, "probes: is empty"),
            ({"probes": [URL], "rise": 2}, "rise: beside probes, put it into defaults"),
            ({"probes": [URL, URL]}, "https://h/x: is there more than once"),
            ({"probes": [{**URL, "name": "a"}, {"tcp": "h", "name": "b"}]}, "b: tcp: h must be of the form"),
        ],
    )
    def test_faults_of_the_whole_task(self, params: dict[str, Any], fault: str) -> None:
        assert fault in "\n".join(ha_probe.faults(params))

    def test_the_api_is_needed_for_guests_only(self) -> None:
        assert not ha_probe.connects({"probes": [URL]}) and not ha_probe.connects(URL)
        assert ha_probe.connects({"probes": [URL, {"guest": GUEST}]}) and ha_probe.connects({"guest": GUEST})

    def test_one_that_lives_by_a_file_ends_with_it(self, tmp_path: Path) -> None:
        file = tmp_path / "asking"
        probe = ha_probe.Probe({**URL, "for_seconds": 3600.0, "while_exists": str(file)}, ha_probe.Samples())
        assert not probe.over(0)  # one answer at least
        assert probe.over(1)
        file.touch()
        assert not probe.over(1)
        assert probe.result()["missed_samples"] is None

    def test_sockets_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert ha_probe.under_way(URL) == 1
        assert ha_probe.under_way({**URL, "count": 100}) == 4
        assert ha_probe.under_way({**URL, "for_seconds": 9.0, "interval": 0.1, "timeout": 1.0}) == 11
        limits: list[tuple[int, int]] = []
        monkeypatch.setattr(ha_probe.resource, "getrlimit", lambda _which: (256, 4096))
        monkeypatch.setattr(ha_probe.resource, "setrlimit", lambda _which, given: limits.append(given))
        ha_probe.make_room(10)
        assert limits == []
        ha_probe.make_room(1000)
        assert limits == [(1100, 4096)]
        with pytest.raises(ha_probe.InputError, match="need 4100 open files, this process may have 4096"):
            ha_probe.make_room(4000)
