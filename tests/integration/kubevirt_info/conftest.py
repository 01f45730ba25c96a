# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform that all tests of this folder look at, and a look at it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from platform_of_standin import VIP, Platform, write_heartbeat

# What the stand-in lacks on purpose, and what is not labelled.
ALWAYS = {"domains-unknown", "kind-missing", "snapshot-class-missing"}
Look = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def platform(client: Any) -> Platform:
    built = Platform(client)
    built.build()
    return built


@pytest.fixture
def look(module: Any, platform: Platform, tmp_path: Path) -> Look:
    """Runs the module as a user would, and takes the ages of what nobody renews here out of play."""

    def run(**given: Any) -> dict[str, Any]:
        write_heartbeat(tmp_path)
        return dict(module("kubevirt_info", **{"api_endpoint": f"{VIP}:8443", "state_dir": str(tmp_path), **given}))

    return run


@pytest.fixture
def found(look: Look) -> Callable[..., set[str]]:
    """The findings beside those that are always there."""

    def run(**given: Any) -> set[str]:
        result = look(**given)
        assert not result.get("failed"), result["msg"]
        assert not result["changed"] and result["requests"]["writes"] == result["requests"]["watches"] == 0
        ids = {entry["id"] for entry in result["findings"]}
        assert ids >= ALWAYS
        return ids - ALWAYS

    return run
