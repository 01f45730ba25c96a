# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what is declared: each by name, all at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.filter.placement import placement_faults
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.cluster_placement import options, presets
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError

CASES: list[tuple[dict[str, Any], str]] = [
    ({"priority_classes": [{"name": "a", "value": 1_000_000_001}]}, "[a].value: 1000000001 must be from"),
    (
        {"priority_classes": [{"name": "system-a", "value": 1}]},
        "[system-a].name: the prefix system- is Kubernetes' own",
    ),
    ({"priority_classes": [{"name": "A", "value": 1}]}, "[A].name: 'A' must be of lower-case"),
    ({"priority_classes": [{"name": "a"}]}, "priority_classes[a]: missing required arguments: value"),
    ({"priority_classes": [{"name": "a", "value": "much"}]}, "value"),
    ({"priority_classes": [{"name": "a", "value": 1}, {"name": "a", "value": 2}]}, "[a]: is there 2 times"),
    (
        {"priority_classes": [{"name": n, "value": 1, "global_default": True} for n in "ab"]},
        "a, b are each global_default; there can be one only",
    ),
    ({"node_labels": {"n1": {"-bad": "x"}}}, "node_labels[n1]: the key '-bad' must be"),
    ({"node_labels": {"n1": {"a": "x y"}}}, "node_labels[n1][a]: 'x y' must be"),
    ({"node_labels": {"n1": {"kubernetes.io/hostname": "x"}}}, "is written by the node itself"),
    ({"node_labels": {"n1": "rack"}}, "node_labels[n1]: must be a map of labels"),
    ({"node_taints": {"n1": [{"key": "a", "effect": "NoWay"}]}}, "effect NoWay of a is unknown; allowed are NoExecute"),
    ({"node_taints": {"n1": {"key": "a"}}}, "node_taints[n1]: must be a list of taints"),
    ({"node_taints": {"n1": [{"key": "node.kubernetes.io/x", "effect": "NoSchedule"}]}}, "stands for the node's state"),
    ({"node_taints": {"n1": [{"key": "a", "effect": "NoSchedule"}] * 2}}, "a:NoSchedule is there twice"),
    ({"instancetypes": [{"name": "a", "cpu": 0, "memory": "1Gi"}]}, "instancetypes[a].cpu: 0 must be 1 or more"),
    ({"instancetypes": [{"name": "a", "cpu": 1, "memory": "1GB"}]}, "instancetypes[a].memory: '1GB' is no quantity"),
    (
        {"presets": {"a": {"priorityclass": "x"}}},
        "presets[a].priorityclass: is no option of a preset; did you mean priority_class?",
    ),
    ({"presets": {"a": {"disks": []}}}, "presets[a].disks: is no option of a preset; there are affinity"),
    (
        {"presets": {"a": {"requests": {"cpu": "4"}, "limits": {"cpu": "2"}}}},
        "requests.cpu: 4 is more than limits.cpu, 2",
    ),
    ({"presets": {"a": {"memory": "much"}}}, "presets[a].memory: 'much' is no quantity"),
    (
        {"presets": {"a": {"instancetype": {"name": "x"}, "memory": "1Gi"}}},
        "presets[a].instancetype: sets CPU and memory",
    ),
    ({"presets": {"a": {"eviction_strategy": "Sometimes"}}}, "presets[a]: value of eviction_strategy must be one of"),
    (
        {"namespaces": [{"name": "a", "quotas": [{"name": "q", "hard": {"pods": "many"}}]}]},
        "quotas[q].hard.pods: 'many'",
    ),
    (
        {"namespaces": [{"name": "a", "limits": {"default": {"cpu": 1}, "max": {"cpu": "500m"}}}]},
        "default.cpu: 1 is more than max.cpu",
    ),
    ({"namespaces": [{"name": "A"}]}, "namespaces[A].name"),
    ({"reserve": {"image": "x", "priority": 0}}, "reserve_priority: 0 must be below 0"),
    ({"reserve": {"image": "x", "pieces": 0}}, "reserve_pieces: 0 must be from 1 to 50"),
    ({"priority_classes": [{"name": "a", "value": float("inf")}]}, "a number is none that can be reckoned with"),
    ({"priority_classes": [{"name": "a", "value": 1, 2: 3}]}, "2: an option's name must be a text"),
    ({"reserve": {"image": ""}}, "reserve_image: '' is no image"),
    ({"reserve": {"image": "i", "pieces": None}}, "reserve_pieces: is null"),
]


@pytest.mark.parametrize(("wanted", "told"), CASES, ids=[told[:30] for _wanted, told in CASES])
def test_each_fault_is_told_with_the_variable(wanted: dict[str, Any], told: str) -> None:
    found = placement_faults(wanted)
    assert told in "\n".join(found)
    assert all(fault.startswith("placement_") for fault in found)


def test_all_faults_come_at_once_and_what_is_right_is_none() -> None:
    wanted: dict[str, Any] = {}
    for given, _told in CASES[:1] + CASES[7:8] + CASES[11:12] + CASES[15:16] + CASES[17:18] + CASES[23:24]:
        wanted.update(given)
    assert len(placement_faults(wanted)) == 6
    right = {
        "priority_classes": [{"name": "gold", "value": 10, "global_default": True}],
        "node_labels": {"n1": {"topology.kubernetes.io/zone": "z1", "old": None}},
        "node_taints": {"n1": [{"key": "a", "value": "b", "effect": "NoSchedule"}]},
        "instancetypes": [{"name": "a", "cpu": 1, "memory": "1Gi", "overcommit_percent": 50}],
        "presets": {"web": {"priority_class": "gold", "requests": {"cpu": 1}, "limits": {"cpu": "1000m"}}},
        "namespaces": [{"name": "shop", "quotas": [{"name": "q", "hard": {"pods": 0}, "priority_classes": ["gold"]}]}],
        "reserve": {"image": "pause"},
    }
    assert placement_faults(right, ["n1"], True) == []


def test_before_there_is_a_cluster_classes_must_be_declared_and_nodes_be_hosts() -> None:
    wanted = {
        "presets": {"web": {"priority_class": "gold"}, "core": {"priority_class": "system-cluster-critical"}},
        "namespaces": [{"name": "shop", "quotas": [{"name": "q", "hard": {}, "priority_classes": ["silver"]}]}],
        "node_labels": {"n9": {"a": "b"}},
    }
    assert placement_faults(wanted, ["n1"]) == []
    found = placement_faults(wanted, ["n1"], True)
    assert len(found) == 3
    assert found[0].startswith(
        "placement_presets[web].priority_class: PriorityClass gold is not there; declare it in placement_priority_classes"
    )
    assert found[2] == "placement_node_labels: node n9 does not exist; there are n1"
    assert len(placement_faults(wanted, None, True)) == 2


def test_a_machine_gets_its_preset_under_its_own_options() -> None:
    known = {
        "db": {"requests": {"cpu": "2", "memory": "4Gi"}, "priority_class": "gold", "node_selector": {"disk": "fast"}}
    }
    machines = [
        {"name": "a", "namespace": "shop", "preset": "db", "requests": {"cpu": "1"}},
        {"name": "b", "namespace": "shop", "memory": "1Gi"},
    ]
    first, second = presets.combine(machines, known)
    assert first["requests"] == {"cpu": "1", "memory": "4Gi"} and first["priority_class"] == "gold"
    assert second == machines[1]


def test_a_preset_that_somebody_broke_is_none_and_spoils_no_other() -> None:
    class Client:
        def find(self, *_given: Any) -> Any:
            return {"data": {"broken": "{", "text": '"x"', "db": '{"memory": "1Gi"}'}}

    client: Any = Client()
    (found,) = presets.resolve(client, [{"name": "a", "preset": "db"}])
    assert found["memory"] == "1Gi"
    with pytest.raises(InputError, match="preset: broken is not there; there are db"):
        presets.resolve(client, [{"name": "a", "preset": "broken"}])


def test_a_preset_that_is_not_there_or_does_not_fit_is_told_for_each_machine() -> None:
    known = {"typed": {"instancetype": {"name": "one"}}}
    machines = [
        {"name": "a", "namespace": "shop", "preset": "gone"},
        {"name": "b", "namespace": "shop", "preset": "typed", "memory": "1Gi"},
        {"name": "c", "namespace": "shop", "preset": "gone", "state": "absent"},
    ]
    with pytest.raises(InputError) as error:
        presets.combine(machines, known)
    assert error.value.faults == [
        "VirtualMachine shop/a: preset: gone is not there; there are typed",
        "VirtualMachine shop/b: with preset typed: instancetype: sets CPU and memory itself; leave out cpu and memory",
    ]


def test_a_preset_takes_what_the_module_vm_takes() -> None:
    assert set(options.PRESET_KEYS) == set(options.preset_options())


def test_the_filter_copies_nothing_that_hangs_on_ansible_s_own_maps() -> None:
    """A copy of one of them copies the variables of the whole run."""

    class Lazy(dict[str, Any]):
        def __deepcopy__(self, _memo: Any) -> Any:
            raise AssertionError("was copied")

    wanted = Lazy(presets=Lazy(web=Lazy(priority_class="gold")), node_labels=Lazy(n1=Lazy(rack="r1")))
    (fault,) = placement_faults(wanted, ["n1"], first=True)
    assert "PriorityClass gold is not there" in fault
