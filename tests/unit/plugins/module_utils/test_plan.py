# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owned fields: only what was given is compared, what the server filled in stays."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import plan

STORED: dict[str, Any] = {
    "metadata": {"name": "v", "labels": {"a": "1", "theirs": "x"}},
    "spec": {
        "runStrategy": "Manual",
        "template": {
            "spec": {
                "architecture": "amd64",
                "domain": {
                    "memory": {"guest": "1Gi"},
                    "resources": {"requests": {"cpu": "1500m"}},
                    "firmware": {"uuid": "u-1", "serial": "s-1"},
                    "devices": {
                        "disks": [
                            {"name": "root", "disk": {"bus": "virtio"}},
                            {"name": "data", "disk": {"bus": "sata"}},
                        ],
                        "interfaces": [{"name": "default", "masquerade": {}, "macAddress": "02:aa:bb:cc:dd:01"}],
                    },
                },
                "networks": [{"name": "default", "pod": {}}],
                "volumes": [
                    {"name": "root", "containerDisk": {"image": "i:1", "imagePullPolicy": "IfNotPresent"}},
                    {"name": "data", "persistentVolumeClaim": {"claimName": "c"}},
                ],
            }
        },
    },
}


def patch_for(desired: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(STORED)
    patch = plan.merge_patch(STORED, plan.merge(STORED, desired))
    assert before == STORED, "merge must not change what it is given"
    return patch


def in_template(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": fields}}}


@pytest.mark.parametrize(
    "desired",
    [
        {},
        {"metadata": {"labels": {"a": "1"}}},
        {"spec": {"runStrategy": "Manual", "running": None}},
        in_template(domain={"memory": {"guest": "1024Mi"}}),
        in_template(domain={"resources": {"requests": {"cpu": 1.5}}}),
        in_template(domain={"devices": {"disks": [{"name": "data", "disk": {"bus": "sata"}}]}}),
        in_template(domain={"devices": {"interfaces": [{"name": "default", "masquerade": {}}]}}),
        in_template(domain={"devices": {"interfaces": [{"name": "default", "macAddress": "02-AA-BB-CC-DD-01"}]}}),
        in_template(volumes=[{"name": "root", "containerDisk": {"image": "i:1"}}]),
        in_template(volumes=[{"name": "gone", "$patch": "delete"}]),
        # The server drops empty lists and maps.
        in_template(tolerations=[], nodeSelector={}),
        in_template(volumes=[], networks=[]),
        in_template(hostname=None),
        {"spec": {"dataVolumeTemplates": [{"metadata": {"name": "gone"}, "$patch": "delete"}]}},
        {"spec": {"template": {"spec": {"affinity": {"podAffinity": None}}}}},
    ],
)
def test_what_is_there_already_is_no_change(desired: dict[str, Any]) -> None:
    assert patch_for(desired) == {}


def test_a_label_change_touches_nothing_but_the_label() -> None:
    # A label-only change used to send runStrategy: null and running: true.
    assert patch_for({"metadata": {"labels": {"a": "2"}}}) == {"metadata": {"labels": {"a": "2"}}}


def test_a_list_keeps_what_the_server_filled_in() -> None:
    # A JSON merge patch replaces lists: it used to drop macAddress.
    ports = {"name": "default", "ports": [{"port": 80}]}
    patch = patch_for(in_template(domain={"devices": {"interfaces": [ports]}}))
    interfaces = patch["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"]
    expected = {"name": "default", "masquerade": {}, "macAddress": "02:aa:bb:cc:dd:01", "ports": [{"port": 80}]}
    assert interfaces == [expected]


def test_a_new_entry_joins_the_list() -> None:
    patch = patch_for(in_template(volumes=[{"name": "new", "emptyDisk": {"capacity": "1Gi"}}]))
    assert [volume["name"] for volume in patch["spec"]["template"]["spec"]["volumes"]] == ["root", "data", "new"]


@pytest.mark.parametrize("marker", [{"state": "absent"}, {"$patch": "delete"}])
def test_an_entry_goes_when_told(marker: dict[str, str]) -> None:
    patch = patch_for(in_template(volumes=[{"name": "data", **marker}]))
    assert [volume["name"] for volume in patch["spec"]["template"]["spec"]["volumes"]] == ["root"]


def test_an_interfaces_own_state_is_not_a_removal() -> None:
    patch = patch_for(in_template(domain={"devices": {"interfaces": [{"name": "default", "state": "absent"}]}}))
    assert patch["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"][0]["state"] == "absent"


@pytest.mark.parametrize(
    ("desired", "left"),
    [
        (
            in_template(volumes=[{"name": "root", "dataVolume": {"name": "d"}}]),
            {"name": "root", "dataVolume": {"name": "d"}},
        ),
        (
            in_template(networks=[{"name": "default", "multus": {"networkName": "n"}}]),
            {"name": "default", "multus": {"networkName": "n"}},
        ),
    ],
)
def test_a_new_source_takes_the_place_of_the_old_one(desired: dict[str, Any], left: dict[str, Any]) -> None:
    merged = plan.merge(STORED, desired)["spec"]["template"]["spec"]
    kind = next(iter(desired["spec"]["template"]["spec"]))
    assert merged[kind][0] == left


def test_a_new_kind_of_disk_or_binding_takes_the_place_of_the_old_one() -> None:
    devices = {"disks": [{"name": "root", "cdrom": {"bus": "sata"}}], "interfaces": [{"name": "default", "bridge": {}}]}
    merged = plan.merge(STORED, in_template(domain={"devices": devices}))["spec"]["template"]["spec"]["domain"][
        "devices"
    ]
    assert merged["disks"][0] == {"name": "root", "cdrom": {"bus": "sata"}}
    assert "masquerade" not in merged["interfaces"][0]
    assert merged["interfaces"][0]["macAddress"] == "02:aa:bb:cc:dd:01"


def test_a_removed_field_is_null_in_the_patch() -> None:
    assert patch_for({"metadata": {"labels": {"theirs": None}}}) == {"metadata": {"labels": {"theirs": None}}}


def test_an_empty_map_that_means_something_is_set() -> None:
    assert patch_for(in_template(domain={"devices": {"rng": {}}})) == in_template(domain={"devices": {"rng": {}}})


def test_a_list_without_names_is_taken_whole_unless_it_is_the_same() -> None:
    current = {"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]}
    assert plan.merge(current, {"tolerations": [{"key": "a"}]}) == current
    longer = [{"key": "a"}, {"key": "b"}]
    assert plan.merge(current, {"tolerations": longer}) == {"tolerations": longer}
    other = [{"key": "b", "operator": "Exists"}]
    assert plan.merge({"tolerations": [{"key": "a", "value": "x"}]}, {"tolerations": other}) == {"tolerations": other}
    # A port's protocol is what another port at its place had.
    assert plan.merge({"ports": [{"port": 53, "protocol": "UDP"}]}, {"ports": [{"port": 80}]}) == {
        "ports": [{"port": 80}]
    }


@pytest.mark.parametrize(("one", "other"), [(1, True), ("1", 1), (0, False), ("true", True)])
def test_values_of_different_types_are_different(one: Any, other: Any) -> None:
    assert not plan.same(one, other, ("x",))


def test_a_patch_with_a_list_is_known() -> None:
    assert plan.has_list(in_template(volumes=[]))
    assert not plan.has_list({"metadata": {"labels": {"a": "1"}}})


def test_overlay_keeps_removals_for_later() -> None:
    under = {"volumes": [{"name": "a", "containerDisk": {"image": "i"}}], "hostname": "x"}
    over = {"volumes": [{"name": "a", "$patch": "delete"}, {"name": "b"}], "hostname": None}
    assert plan.overlay(under, over) == {
        "volumes": [{"name": "a", "$patch": "delete"}, {"name": "b"}],
        "hostname": None,
    }
