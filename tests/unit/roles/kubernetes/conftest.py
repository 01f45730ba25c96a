# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables and templates as Ansible renders them, without a host."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

REPOSITORY = Path(__file__).resolve().parents[4]
ROLE = REPOSITORY / "roles" / "kubernetes"
BINARIES = Path(os.environ.get("KUBEVIRT_HA_BINARIES", REPOSITORY / ".cache" / "lab" / "bin"))
HOST = {
    "inventory_hostname": "n1",
    "groups": {"control_plane": ["n1"]},
    "ansible_host": "192.0.2.11",
    "kubernetes_api_endpoint": "192.0.2.100:8443",
}
Render = Callable[..., Any]


@pytest.fixture
def value() -> Render:
    """The value of an expression among the role's variables; keywords are what a user sets."""

    def evaluate(expression: str, **given: Any) -> Any:
        return _templar(given).template(trust_as_template("{{ " + expression + " }}"))

    return evaluate


@pytest.fixture
def documents() -> Render:
    """The YAML documents of a template; keywords are what a user sets."""

    def render(template: str, **given: Any) -> list[Any]:
        return list(yaml.safe_load_all(text(template, **given)))

    return render


def text(template: str, **given: Any) -> str:
    """A template as the module `template` renders it."""
    source = trust_as_template((ROLE / "templates" / template).read_text())
    return str(_templar(given).template(source, overrides={"trim_blocks": True, "keep_trailing_newline": True}))


def _templar(given: dict[str, Any]) -> Templar:
    loader = DataLoader()
    variables: dict[str, Any] = {}
    for name in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / name / "main.yml"), trusted_as_template=True)
    return Templar(loader=loader, variables={**variables, **HOST, **given})
