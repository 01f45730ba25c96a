# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters that cannot be: each names the object, the field and the way out, and nothing is sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NAMESPACE, VM, Resource

Run = Callable[..., dict[str, Any]]
RBAC = "rbac.authorization.k8s.io/v1"
ROLE = Resource(RBAC, "roles", "Role")
BINDING = Resource(RBAC, "rolebindings", "RoleBinding")
USER = "two-of-three"


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"cpu": {"cores": "two"}}, ["cores", "two"]),
        ({"cpus": 2}, ["cpus"]),
        ({"disks": [{"name": "d", "pvc": "a", "container_disk": "b"}]}, ["d", "pvc", "container_disk"]),
        ({"disks": [{"name": "d"}]}, ["d", "source"]),
        ({"memory": "1GB"}, ["memory", "1GB"]),
        ({"name": "n" * 64}, ["name", "63"]),
        ({"namespace": None}, ["namespace", "is missing"]),
    ],
    ids=[
        "wrong type",
        "unknown field",
        "exclusive pair",
        "disk without a source",
        "quantity",
        "long name",
        "no namespace",
    ],
)
def test_a_fault_is_named_before_anything_is_sent(
    client: Any, module: Run, namespace: str, options: dict[str, Any], parts: list[str]
) -> None:
    refused = module("vm", **{"name": "v", "namespace": namespace, **options})
    assert refused["failed"] and refused["error"]["faults"], refused
    for part in parts:
        assert part in refused["msg"], (part, refused["msg"])
    assert not client.list(VM, namespace).items


def test_a_namespace_that_does_not_exist(module: Run, guest: dict[str, Any]) -> None:
    refused = module("vm", name="v", namespace="there-is-none", **guest)
    assert refused["failed"] and not refused["changed"] and "Create the namespace first" in refused["msg"], refused
    assert "VirtualMachine there-is-none/v" in refused["msg"]


@pytest.mark.parametrize("which", ["vm", "vm_info", "vm_power"])
def test_no_kubeconfig(module: Run, which: str) -> None:
    more = {} if which == "vm_info" else {"name": "v", "namespace": "a"}
    more.update({"state": "started"} if which == "vm_power" else {})
    refused = module(which, **{**more, "kubeconfig": "/there/is/none"})
    assert refused["failed"] and "/there/is/none" in refused["msg"] and "kubeconfig" in refused["msg"]
    assert "K8S_AUTH_KUBECONFIG" in refused["msg"]


@pytest.fixture
def three(client: Any) -> Iterator[list[str]]:
    """Three namespaces; in the first two USER may do all with machines."""
    names = [f"rbac-{uuid.uuid4().hex[:8]}" for _number in range(3)]
    for name in names:
        client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    groups = ["kubevirt.io", "subresources.kubevirt.io"]
    for name in names[:2]:
        meta = {"name": "machines", "namespace": name}
        rules = [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}]
        client.create(ROLE, {"apiVersion": RBAC, "kind": "Role", "metadata": meta, "rules": rules}, name)
        group = RBAC.partition("/")[0]
        binding = {
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "machines"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
        }
        client.create(BINDING, {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": meta, **binding}, name)
    yield names
    for name in names:
        client.delete(NAMESPACE, name)


def test_a_forbidden_namespace_of_three_does_not_stop_the_others(
    client: Any, module: Run, three: list[str], guest: dict[str, Any]
) -> None:
    vms = [{"name": "v", "namespace": name} for name in three]
    as_user: dict[str, Any] = {"impersonate_user": USER}

    made = module("vm", vms=vms, defaults=guest, **as_user)
    assert_two_of_three(made, three)
    assert [entry["action"] for entry in made["vms"]] == ["created", "created", "failed"]
    assert [bool(client.find(VM, "v", name)) for name in three] == [True, True, False]

    again = module("vm", vms=vms, defaults=guest, **as_user)
    assert_two_of_three(again, three)
    assert not again["changed"] and again["requests"]["writes"] == 0

    module("vm", name="v", namespace=three[2], **guest)
    shown = module("vm_info", namespaces=three, **as_user)
    assert_two_of_three(shown, three)
    assert sorted(entry["namespace"] for entry in shown["vms"]) == sorted(three[:2])
    assert all(entry["instance"]["ready"] for entry in shown["vms"])

    stopped = module("vm_power", state="stopped", vms=vms, **as_user)
    assert_two_of_three(stopped, three)
    assert [entry["action"] for entry in stopped["vms"]] == ["stop", "stop", "failed"]
    assert client.get(VM, "v", three[2])["spec"]["runStrategy"] == "Always"


def test_who_may_not_list_priority_classes_is_told_by_the_controller(
    module: Run, three: list[str], guest: dict[str, Any]
) -> None:
    given = {**guest, "priority_class": "missing", "wait_timeout": 15, "unschedulable_grace": 5}
    failed = module("vm", name="v", namespace=three[0], impersonate_user=USER, **given)
    assert failed["failed"] and failed["changed"] and "missing" in failed["msg"], failed


def assert_two_of_three(result: dict[str, Any], three: list[str]) -> None:
    """The task failed, and named the forbidden namespace, and it alone, with the way out."""
    assert result["failed"] and three[2] in result["msg"] and "forbidden" in result["msg"], result
    assert "Ask for the missing right" in result["msg"]
    assert not [name for name in three[:2] if name in result["msg"]], result["msg"]


@pytest.mark.parametrize("which", ["vm_info", "vmi_info"])
def test_a_namespace_that_does_not_exist_is_told_apart_from_an_empty_one(
    module: Run, namespace: str, which: str
) -> None:
    shown = module(which, namespaces=[namespace, "typo"])
    assert not shown.get("failed") and "Namespace typo does not exist" in str(shown["warnings"])
    assert len(shown["warnings"]) == 1 and "warnings" not in module(which, namespaces=[namespace])
