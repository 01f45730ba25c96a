# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's table says what each profile renders, and no profile contradicts itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .kubernetes_role import ROLE, text, value

PROFILES = tuple(value("__kubernetes_profiles"))


def rendered(profile: str) -> dict[str, int]:
    """Every duration that the profile sets, by the name of its setting; kubelet's and kube-proxy's environment included."""
    given = {"kubernetes_failure_detection": profile}
    found: dict[str, Any] = dict(value("__kubernetes_kubelet_configuration", **given))
    for document in yaml.safe_load_all(text("kubeadm-init.yaml.j2", **given)):
        for component in ("apiServer", "controllerManager", "scheduler"):
            for pair in [one for of in ("extraArgs", "extraEnvs") for one in document.get(component, {}).get(of, [])]:
                assert found.setdefault(pair["name"], pair["value"]) == pair["value"], (
                    f"{pair['name']} of {component} differs"
                )
    unit = text("kubelet.service.j2", **given)
    for name, said in value("__kubernetes_http_env", **given).items():
        assert f"Environment={name}={said}\n" in unit
    durations = {name: re.fullmatch(r"(\d+)s?", str(said)) for name, said in found.items()}
    return {name: int(match[1]) for name, match in durations.items() if match and name != "maxParallelImagePulls"}


def test_the_readme_tells_all_that_a_profile_sets() -> None:
    rows = [
        row.strip("| ").split(" | ") for row in (ROLE / "README.md").read_text().splitlines() if row.startswith("| ")
    ]
    table = next(index for index, row in enumerate(rows) if row[0] == "what")
    columns = [name.strip("`") for name in rows[table]]
    told: dict[str, dict[str, int]] = {profile: {} for profile in PROFILES}
    for row in rows[table + 2 :]:
        if len(row) != len(columns):
            break
        for profile in PROFILES:
            told[profile] |= dict.fromkeys(re.findall("`([^`]+)`", row[1]), int(row[columns.index(profile)]))
    assert told == {profile: rendered(profile) for profile in PROFILES}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_does_not_contradict_itself(profile: str) -> None:
    is_ = value(f"__kubernetes_profiles.{profile}")
    # client-go refuses a lease that is not longer than its renewal, and a renewal not longer than 1.2 times its retry.
    assert is_["leader_lease"] > is_["leader_renew"] > 1.2 * is_["leader_retry"]
    # A kubelet that misses one renewal, or whose connection must be made anew, is not lost.
    assert is_["grace"] >= is_["lease"] / 2 + is_["monitor"]
    assert is_["grace"] > is_["http_idle"] + is_["http_ping"]


def test_each_profile_is_faster_than_the_one_before() -> None:
    profiles = value("__kubernetes_profiles")
    for slower, faster in zip(PROFILES, PROFILES[1:], strict=False):
        assert all(profiles[faster][key] <= profiles[slower][key] for key in profiles[slower])
        assert profiles[faster]["grace"] < profiles[slower]["grace"]
