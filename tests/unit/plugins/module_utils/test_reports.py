# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure, Origin, as_entries

ORIGIN = Origin("make bench", "0123abc", "stand-in")


def test_what_a_figure_brings_along_stands_beside_its_fields() -> None:
    figure = Figure("create", 3.0, "times", 2.5, at_least=True, more={"ours": 1.0, "peer": 3.0})
    assert as_entries([figure], ORIGIN, at=0)["create"] == {
        "value": 3.0,
        "unit": "times",
        "limit": 2.5,
        "passed": True,
        "samples": 0,
        "command": "make bench",
        "commit": "0123abc",
        "kubevirt_source": "stand-in",
        "at": "1970-01-01T00:00:00Z",
        "ours": 1.0,
        "peer": 3.0,
    }


def test_nothing_that_is_brought_along_hides_a_field() -> None:
    figure = Figure("create", 3.0, "times", 2.5, more={"value": 1.0, "passed": True})
    found = as_entries([figure], ORIGIN)["create"]
    assert (found["value"], found["passed"]) == (3.0, False)
