# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher's configuration: one JSON file, all its faults told at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.profiles import PROFILES

_NUMBERS = ("max_dead_share", "recovery_timeout", "retry_seconds", "max_attempts")


@dataclass(frozen=True)
class Config:
    """What the watcher watches and what it does about it; times are seconds.

    nodes: each node's address; ports: of the direct path, the first a TLS one; recover_command: argv with `{node}`;
    environment: added to its environment.
    """

    kubeconfig: str
    state_dir: str
    nodes: Mapping[str, str]
    recover_command: tuple[str, ...] = ()
    profile: str = "standard"
    automatic: bool = False
    ports: tuple[int, ...] = (10250, 22)
    max_dead_share: float = 0.4
    recovery_timeout: float = 600
    retry_seconds: float = 15
    max_attempts: int = 4
    environment: Mapping[str, str] = field(default_factory=dict)


def load(path: str) -> Config:
    """Reads and checks a configuration file. Raises InputError with every fault."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except OSError as error:
        raise InputError([f"{path}: {error.strerror}"]) from error
    except ValueError as error:
        raise InputError([f"{path} is no JSON: {error}"]) from error
    return parse(content)


def parse(content: Any) -> Config:
    """Pure but for the look whether the folders are there. Raises InputError with every fault."""
    if not isinstance(content, dict):
        raise InputError(["the configuration is not a JSON object"])
    faults = _faults(content)
    if faults:
        raise InputError(faults)
    lists = {name: tuple(content[name]) for name in ("recover_command", "ports") if name in content}
    return Config(**{**content, **lists})


def _faults(content: Mapping[str, Any]) -> list[str]:
    faults = [f"{name} is unknown" for name in sorted(set(content) - set(Config.__dataclass_fields__))]
    faults += [f"{name} is missing" for name in ("kubeconfig", "state_dir", "nodes") if not content.get(name)]
    if content.get("profile", "standard") not in PROFILES:
        faults.append(f"profile is {content['profile']!r}; known are {', '.join(PROFILES)}")
    nodes = content.get("nodes") or {}
    if not isinstance(nodes, dict) or not all(isinstance(address, str) and address for address in nodes.values()):
        faults.append("nodes must give each node's name an address")
    elif len(set(nodes.values())) != len(nodes):
        faults.append("two nodes have one address")
    if content.get("automatic") and "{node}" not in " ".join(map(str, content.get("recover_command") or [])):
        faults.append("automatic needs a recover_command with {node} in it")
    for name in _NUMBERS:
        value = content.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            faults.append(f"{name} must be a number above 0")
    for name in ("kubeconfig", "state_dir"):
        if content.get(name) and not os.path.exists(str(content[name])):
            faults.append(f"{name} {content[name]} does not exist")
    return faults
