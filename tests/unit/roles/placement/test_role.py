# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables, the faults of an inventory, and what is rendered for the descheduler."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import parameters
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import options, service

ROLE = Path(__file__).resolve().parents[4] / "roles" / "placement"


@functools.cache
def _load(name: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / name), trusted_as_template=True)


def _task(name: str) -> dict[str, Any]:
    """A task that looks for faults of the inventory."""
    return dict(next(task for task in _load("tasks/inventory.yml") if task["name"] == name))


def templar(**given: Any) -> Templar:
    hosts = {
        "n1": {"placement_labels": {"rack": "r1"}, "kubernetes_node_labels": {"disk": "ssd"}},
        "n2": {"placement_taints": [{"key": "a", "effect": "NoSchedule"}]},
    }
    own = {
        "groups": {"control_plane": ["n1"], "kvm_nodes": ["n1", "n2"]},
        "hostvars": hosts,
        "kubernetes_kubeconfig": "/nonexistent",
        "role_path": str(ROLE),
    }
    loader = DataLoader()
    loader.set_basedir(str(ROLE))
    variables = {**_load("defaults/main.yml"), **_load("vars/main.yml"), **own, **given}
    read = _task("Read what hosts say of themselves")
    said = Templar(loader, variables={**variables, **read["vars"]}).template(read["ansible.builtin.set_fact"])
    return Templar(loader, variables={**variables, **said})


def value(name: str, **given: Any) -> Any:
    return templar(**given).template(trust_as_template("{{ " + name + " }}"))


def faults(**given: Any) -> list[str]:
    task = _task("Find faults of the inventory")
    found = templar(**task["vars"], **given).template(task["ansible.builtin.set_fact"]["__placement_inventory_faults"])
    return list(found)


def descheduler(**given: Any) -> dict[str, Any]:
    """What the template makes, by kind."""
    text = (ROLE / "templates" / "descheduler.yaml.j2").read_text()
    rendered = templar(**given).template(trust_as_template(text))
    return {item["kind"]: item for item in yaml.safe_load_all(str(rendered)) if item}


def test_the_defaults_have_no_fault_and_change_nothing_but_classes() -> None:
    assert faults() == []
    wanted = value("__placement_wanted")
    assert [one["name"] for one in wanted.pop("priority_classes")] == [
        "kubevirt-ha-critical",
        "kubevirt-ha-high",
        "kubevirt-ha-standard",
        "kubevirt-ha-low",
    ]
    assert {key for key, found in wanted.items() if found} == {"namespace", "node_labels", "node_taints"}


def test_the_higher_class_comes_first_and_all_are_below_kubevirt_itself() -> None:
    values = [one["value"] for one in value("placement_priority_classes")]
    assert values == sorted(values, reverse=True) and values[-1] > 0 and values[0] < 1_000_000_000


def test_a_label_that_another_role_writes_is_told_once_by_node() -> None:
    """Of the role's own map, too, which may name a host that is no node yet."""
    (fault,) = faults(placement_node_labels={"n1": {"disk": "hdd", "rack": "r1"}, "n2": {"a": "b"}})
    assert "disk of n1 has another value in kubernetes_node_labels" in fault
    assert faults(placement_node_labels={"n1": {"disk": "ssd"}}) == []


def test_labels_and_taints_come_from_hosts_and_from_the_map_which_wins() -> None:
    given = {"placement_node_labels": {"n1": {"rack": "r9", "zone": "z"}, "x": {"a": "b"}}}
    assert value("__placement_labels", **given) == {"n1": {"rack": "r9", "zone": "z"}, "x": {"a": "b"}}
    assert value("__placement_taints", placement_node_taints={"n2": []}) == {"n2": []}
    assert value("__placement_taints") == {"n2": [{"key": "a", "effect": "NoSchedule"}]}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kubernetes_kubeconfig": ""}, "kubernetes_kubeconfig is empty; give"),
        ({"placement_reserve": "all"}, "placement_reserve: all is unknown; allowed are none, n_plus_one"),
        ({"placement_descheduler_interval": "5"}, "placement_descheduler_interval: 5 is no duration"),
        ({"placement_descheduler_min_age": "0"}, "placement_descheduler_min_age: 0 is no duration"),
        ({"placement_descheduler_max": 0}, "must be 1 or more"),
        (
            {"placement_descheduler_low": {"cpu": 90, "memory": 30, "pods": 30}},
            "placement_descheduler_high: cpu; each must",
        ),
        ({"placement_descheduler_low": {"cpu": 30}}, "memory, pods; each must"),
        ({"placement_presets": {"web": {"priority_class": "gold"}}}, "PriorityClass gold is not there; declare it in"),
        (
            {"placement_node_labels": {"n9": {"a": "b"}}},
            "placement_node_labels: node n9 does not exist; there are n1, n2",
        ),
        ({"placement_node_labels": ["n1"]}, "placement_node_labels: must be a map, {} for none"),
        ({"placement_node_taints": "n1"}, "placement_node_taints: must be a map"),
        ({"placement_descheduler_low": None}, "placement_descheduler_low: must be a map"),
        ({"placement_namespace": "Ha: {"}, "placement_namespace: 'Ha: {' must be of lower-case letters"),
        ({"placement_descheduler": True, "placement_descheduler_image": ""}, "_image: '' is no image"),
        (
            {"placement_reserve": "n_plus_one", "placement_reserve_image": "a b"},
            "placement_reserve_image: 'a b' is no image",
        ),
        (
            {"placement_reserve": "n_plus_one", "placement_reserve_priority": 5},
            "placement_reserve_priority: 5 must be below 0",
        ),
    ],
)
def test_each_fault_is_told_with_what_is_allowed(given: dict[str, Any], told: str) -> None:
    found = faults(**given)
    assert len(found) == 1 and told in found[0]


def test_faults_of_all_kinds_come_at_once() -> None:
    assert (
        len(
            faults(placement_reserve="all", placement_descheduler_interval="x", placement_node_labels={"n9": {"-": ""}})
        )
        == 4
    )


def test_what_the_role_gives_the_module_takes() -> None:
    given = {"placement_reserve": "n_plus_one", "placement_presets": {"a": {"memory": "1Gi"}}}
    wanted = value("__placement_wanted", **given)
    assert options.all_faults(wanted) == [] and wanted["reserve"]["pieces"] == 4
    task = _load("tasks/configure.yml")[0]["virtops.kubevirt_ha.placement"]
    assert set(task) - {"kubeconfig", "namespace"} == set(options.options()) == set(wanted) - {"namespace"}
    asked = _task("Ask the cluster what stands against it")["virtops.kubevirt_ha.placement"]
    assert asked == task, "what is asked before is what is written later"
    assert parameters.explain(options.spec(), {key: item for key, item in wanted.items() if item}) == []


def test_the_descheduler_only_moves_machines_and_only_logs_unless_told() -> None:
    found = descheduler()
    assert set(found) <= {kind.kind for kind in service.KINDS}
    policy = yaml.safe_load(found["ConfigMap"]["data"]["policy.yaml"])
    (profile,) = policy["profiles"]
    plugins = {plugin["name"]: plugin.get("args") for plugin in profile["pluginConfig"]}
    assert plugins["DefaultEvictor"]["labelSelector"]["matchLabels"] == {"kubevirt.io": "virt-launcher"}
    assert plugins["LowNodeUtilization"]["targetThresholds"] == {"cpu": 80, "memory": 80, "pods": 80}
    enabled = {name for kind in profile["plugins"].values() for name in kind["enabled"]}
    assert enabled == set(plugins) - {"DefaultEvictor"}
    assert (policy["maxNoOfPodsToEvictTotal"], plugins["DefaultEvictor"]["minPodAge"]) == (2, "10m")
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert "--dry-run=true" in container["args"] and "--feature-gates=EvictionsInBackground=true" in container["args"]
    (container,) = descheduler(placement_descheduler_dry_run=False)["Deployment"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert "--dry-run=false" in container["args"]


def test_defaults_and_argument_specs_name_the_same_in_the_same_order() -> None:
    specs = _load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert list(_load("defaults/main.yml")) == list(specs)


def test_a_changed_policy_makes_new_pods() -> None:
    def mark(**given: Any) -> str:
        annotations = descheduler(**given)["Deployment"]["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["kubevirt-ha.virtops/policy"])

    assert mark() == mark()
    assert len({mark(), mark(placement_descheduler_max=3), mark(placement_descheduler_min_age="1m")}) == 3


def test_the_descheduler_may_ask_for_evictions_and_delete_nothing() -> None:
    rules = descheduler()["ClusterRole"]["rules"]
    verbs = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert ("pods/eviction", "create") in verbs and not [pair for pair in verbs if pair[1] == "delete"]


def test_a_name_of_digits_stays_a_name() -> None:
    found = descheduler(placement_namespace=2026)
    assert found["Deployment"]["metadata"]["namespace"] == "2026"


def test_a_time_that_the_command_line_gives_is_a_number() -> None:
    task = next(task for task in _load("tasks/verify.yml") if "retries" in task)
    assert templar(placement_timeout="60").template(task["retries"]) in (12, "12")


def test_pods_are_waited_for_where_there_are_some() -> None:
    assert value("__placement_pods") == []
    given = {"placement_reserve": "n_plus_one", "placement_descheduler": True}
    assert value("__placement_pods", **given) == ["kubevirt-ha-reserve", "kubevirt-ha-descheduler"]
