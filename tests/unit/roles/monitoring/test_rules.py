# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule has a test of promtool in which it fires and one in which it stays silent, and promtool plays them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitored import ROLE, check, program, value

TESTS = Path(__file__).resolve().parent / "rules"
RULES = ROLE / "files" / "rules"
NAMES = sorted(path.stem for path in RULES.glob("*.yml"))


def rules(name: str) -> list[dict[str, Any]]:
    """The rules of a file."""
    return [rule for group in yaml.safe_load((RULES / f"{name}.yml").read_text())["groups"] for rule in group["rules"]]


def test_the_role_lays_out_every_file_of_rules() -> None:
    assert sorted(value("__monitoring_rules")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_fires_in_one_test_and_stays_silent_in_another(name: str) -> None:
    cases = [
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load((TESTS / f"{name}.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    wanted = {(rule["alert"], fires) for rule in rules(name) for fires in (True, False)}
    assert wanted - set(cases) == set()


@pytest.mark.parametrize("name", NAMES)
def test_promtool_plays_the_tests(name: str) -> None:
    check([program("promtool"), "test", "rules", str(TESTS / f"{name}.yml")])


def test_a_test_fails_where_a_rule_is_broken(tmp_path: Path) -> None:
    """Else the others would say nothing."""
    (tmp_path / "nodes.yml").write_text((RULES / "nodes.yml").read_text().replace("== 0", "== 7"))
    tests = (TESTS / "nodes.yml").read_text().replace("../../../../../roles/monitoring/files/rules", str(tmp_path))
    (tmp_path / "test.yml").write_text(tests)
    done = subprocess.run(
        [program("promtool"), "test", "rules", tmp_path / "test.yml"], capture_output=True, check=False
    )
    assert done.returncode != 0


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_says_how_bad_it_is_what_it_is_and_what_to_do(name: str) -> None:
    for rule in rules(name):
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_the_guide_explains_every_alert() -> None:
    guide = (ROLE.parents[1] / "docs" / "monitoring.md").read_text()
    missing = [rule["alert"] for name in NAMES for rule in rules(name) if f"`{rule['alert']}`" not in guide]
    assert missing == []
