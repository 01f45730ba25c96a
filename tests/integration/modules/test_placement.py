# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""placement on a real kube-apiserver: what is declared is taken as it is, again costs no write, and a machine gets its preset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    LIMIT_RANGE,
    NODE,
    PRIORITY_CLASS,
    QUOTA,
    VM,
)

ROLE = Path(__file__).resolve().parents[3] / "roles" / "placement"
Run = Callable[..., dict[str, Any]]
TAINT = {"key": "example.com/molecule", "value": "x", "effect": "PreferNoSchedule"}


@pytest.fixture
def declared(module: Run, client: Any, namespace: str) -> Iterator[dict[str, Any]]:
    """One of everything; taken away afterwards."""
    node = client.list(NODE).items[0]["metadata"]["name"]
    limits = {"max": {"memory": "2048Mi"}, "default_request": {"cpu": "0.01"}}
    yield {
        "priority_classes": [
            {"name": "test-high", "value": 1000, "description": "first"},
            {"name": "test-low", "value": 10},
        ],
        "node_labels": {node: {"example.com/rack": 7}},
        "node_taints": {node: [TAINT]},
        "instancetypes": [{"name": "test-one", "cpu": 1, "memory": "2Gi", "overcommit_percent": 50}],
        "presets": {"web": {"priority_class": "test-high", "limits": {"cpu": "1"}, "one_per_node": {"group": "web"}}},
        "namespaces": [
            {"name": namespace, "quotas": [{"name": "all", "hard": {"pods": 10, "limits.cpu": 1000}}], "limits": limits}
        ],
    }
    gone = module("placement", state="absent", force=True)
    assert not gone.get("failed"), gone["msg"]


def test_all_is_taken_and_again_costs_no_write(
    module: Run, client: Any, declared: dict[str, Any], namespace: str
) -> None:
    predicted = module("placement", check=True, **declared)
    assert not predicted.get("failed"), predicted["msg"]
    assert client.find(PRIORITY_CLASS, "test-high") is None
    first = module("placement", **declared)
    assert not first.get("failed"), first["msg"]
    assert first["counts"] == predicted["counts"] and first["requests"]["writes"] == len(first["objects"])
    again = module("placement", **declared)
    assert (again["changed"], again["requests"]["writes"]) == (False, 0), again["objects"]
    assert client.get(QUOTA, "all", namespace)["spec"]["hard"]["limits.cpu"] == "1k"
    (limits,) = client.get(LIMIT_RANGE, "kubevirt-ha-placement", namespace)["spec"]["limits"]
    assert limits["default"] == {"memory": "2Gi"}, "the server's own default is kept"
    declared["priority_classes"][0].update(value=2000)
    del declared["priority_classes"][0]["description"]
    assert module("placement", **declared)["counts"]["replaced"] == 1
    found = client.get(PRIORITY_CLASS, "test-high")
    assert found["value"] == 2000 and "description" not in found


def test_a_machine_gets_its_preset(module: Run, client: Any, declared: dict[str, Any], namespace: str) -> None:
    assert not module("placement", **declared).get("failed")
    options: dict[str, Any] = {"namespace": namespace, "run_strategy": "Halted", "memory": "128Mi", "preset": "web"}
    first = module("vm", name="a", **options)
    assert not first.get("failed"), first["msg"]
    spec = client.get(VM, "a", namespace)["spec"]["template"]["spec"]
    assert spec["priorityClassName"] == "test-high" and spec["domain"]["resources"]["limits"] == {"cpu": "1"}
    assert "podAntiAffinity" in spec["affinity"]
    again = module("vm", name="a", **options)
    assert (again["changed"], again["requests"]["reads"], again["requests"]["writes"]) == (False, 2, 0)
    unknown = module("vm", name="a", **{**options, "preset": "gone"})
    assert "preset: gone is not there; there are web" in unknown["msg"] and unknown["changed"] is False
    refused = module("placement", state="absent")
    assert f"PriorityClass test-high: is used by VirtualMachine {namespace}/a" in refused["msg"]
    assert refused["requests"]["writes"] == 0


def descheduler() -> list[dict[str, Any]]:
    """The descheduler's objects as the role renders them by default."""
    variables = DataLoader().load_from_file(str(ROLE / "defaults" / "main.yml"), trusted_as_template=True)
    text = trust_as_template((ROLE / "templates" / "descheduler.yaml.j2").read_text())
    return [item for item in yaml.safe_load_all(str(Templar(DataLoader(), variables=variables).template(text))) if item]


def test_the_descheduler_is_taken_as_it_is_rendered(module: Run, declared: dict[str, Any]) -> None:
    """No node runs it here: the API server holds its fields against its own schemas."""
    given = {"objects": descheduler(), "priority_classes": declared["priority_classes"]}
    first = module("placement", **given)
    assert not first.get("failed"), first["msg"]
    assert first["counts"] == {"created": len(given["objects"]) + 2}
    again = module("placement", **given)
    assert (again["changed"], again["requests"]["writes"]) == (False, 0), again["objects"]
