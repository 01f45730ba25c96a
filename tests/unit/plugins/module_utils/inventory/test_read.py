# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many LISTs are sent, over what, and what comes of those that are refused; on a scripted API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import read
from made_up_cluster import Object, service, settings, vm, vmi

KINDS = {"virtualmachineinstances": vmi, "virtualmachines": vm, "services": service}


class Cluster:
    """Answers LISTs; `forbidden` are pairs of a kind's plural, or None for all, and a namespace, "" for the whole cluster."""

    def __init__(self, api: Any, reply: Any, *forbidden: tuple[str | None, str]) -> None:
        self.api = api
        self._reply = reply
        self._forbidden = forbidden
        api.says(*[self._answer] * 20)

    def _answer(self, asked: Any) -> Any:
        path = urlsplit(asked.path).path
        plural, namespace = (
            path.rsplit("/", 1)[1],
            path.split("/namespaces/")[-1].split("/")[0] if "/namespaces/" in path else "",
        )
        if {(plural, namespace), (None, namespace)} & set(self._forbidden):
            return self._reply(403, {"message": f"{plural} is forbidden", "reason": "Forbidden"})
        namespaces = [namespace] if namespace else ["a", "b", "c"]
        items = [KINDS[plural]("web-1", each) for each in namespaces]
        return self._reply(200, {"items": items, "metadata": {"resourceVersion": "7"}})

    def read(self, **given: Any) -> Any:
        client = self.api.client(workers=read.WORKERS)
        self.seen: list[Any] = []
        return read.content(client, settings(**given), self.seen.append)

    @property
    def lists(self) -> list[tuple[str, dict[str, list[str]]]]:
        parts = [urlsplit(asked.path) for asked in self.api.asked]
        return sorted(((part.path, parse_qs(part.query)) for part in parts), key=lambda pair: pair[0])

    @property
    def paths(self) -> list[str]:
        return [path for path, _query in self.lists]


@pytest.fixture
def cluster(api: Any, reply: Any) -> Callable[..., Cluster]:
    return lambda *forbidden: Cluster(api, reply, *forbidden)


VMIS, VMS, SERVICES = (
    "/apis/kubevirt.io/v1/virtualmachineinstances",
    "/apis/kubevirt.io/v1/virtualmachines",
    "/api/v1/services",
)


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({}, [VMIS]),
        ({"machines": "all"}, [VMIS, VMS]),
        ({"connect_by": "service"}, [SERVICES, VMIS]),
        ({"connect_by": ["service", "network"], "machines": "all"}, [SERVICES, VMIS, VMS]),
        ({"namespaces": ["a", "b"]}, [VMIS]),
        ({"namespaces": ["a"]}, ["/apis/kubevirt.io/v1/namespaces/a/virtualmachineinstances"]),
    ],
)
def test_one_list_a_kind(cluster: Callable[..., Cluster], given: dict[str, Any], paths: list[str]) -> None:
    one = cluster()
    found = one.read(**given)
    assert one.paths == paths
    assert (found.warnings, found.unreadable) == ([], [])
    expected = given.get("namespaces", ["a", "b", "c"])
    assert [item["namespace"] for item in found.vmis] == expected
    assert all(query["limit"] == ["5000"] for _path, query in one.lists)


def test_selectors_are_the_server_s_where_nothing_else_needs_the_rest(cluster: Callable[..., Cluster]) -> None:
    one = cluster()
    one.read(label_selectors=["app=web", "tier in (gold)"])
    assert one.lists[0][1]["labelSelector"] == ["app=web,tier in (gold)"]


@pytest.mark.parametrize("given", [{"connect_by": "service"}, {"machines": "all"}])
def test_selectors_are_our_own_where_the_rest_is_needed(cluster: Callable[..., Cluster], given: dict[str, Any]) -> None:
    one = cluster()
    one.read(label_selectors=["app=web"], **given)
    assert len(one.lists) == 2
    assert not any("labelSelector" in query for _path, query in one.lists)


def test_a_list_a_namespace_where_the_cluster_is_forbidden(cluster: Callable[..., Cluster]) -> None:
    one = cluster((None, ""))
    found = one.read(namespaces=["a", "b"])
    assert one.paths == [f"/apis/kubevirt.io/v1/namespaces/{name}/virtualmachineinstances" for name in "ab"] + [VMIS]
    assert found.warnings == [
        "Listing VirtualMachineInstance over the whole cluster is forbidden: each of the 2 namespaces was listed by itself"
    ]
    assert found.unreadable == []


def test_a_forbidden_namespace_of_three_is_named_and_the_others_are_read(cluster: Callable[..., Cluster]) -> None:
    found = cluster((None, ""), (None, "b")).read(namespaces=["a", "b", "c"])
    assert sorted(item["namespace"] for item in found.vmis) == ["a", "c"]
    (sentence,) = found.unreadable
    assert sentence.startswith("Namespace b is left out: list of VirtualMachineInstance b: could not be read")
    assert "Ask for the missing right" in sentence


@pytest.mark.parametrize("namespaces", [["a"], ["a", "b"]])
def test_nothing_readable_is_an_error(cluster: Callable[..., Cluster], namespaces: list[str]) -> None:
    with pytest.raises(HaError, match="is forbidden"):
        cluster((None, ""), (None, "a"), (None, "b")).read(namespaces=namespaces)


def test_a_forbidden_cluster_without_namespaces_says_to_name_them(cluster: Callable[..., Cluster]) -> None:
    with pytest.raises(HaError) as caught:
        cluster((None, "")).read()
    assert "Name the namespaces that may be listed in namespaces" in str(caught.value)


@pytest.mark.parametrize("namespaces", [[], ["a"], ["a", "b"]])
def test_forbidden_services_leave_the_other_ways(cluster: Callable[..., Cluster], namespaces: list[str]) -> None:
    one = cluster(("services", ""), ("services", "a"), ("services", "b"))
    found = one.read(namespaces=namespaces, connect_by=["service", "network"])
    assert found.vmis
    assert found.services == []
    assert found.unreadable[0].startswith("No machine is reached through a Service: list of Service")


def test_a_cluster_without_kubevirt_is_told(api: Any, reply: Any) -> None:
    api.says(reply(404, {"message": "the server could not find the requested resource"}))
    with pytest.raises(HaError, match="that KubeVirt is installed"):
        read.content(api.client(), settings())


def test_only_what_is_needed_is_kept(cluster: Callable[..., Cluster]) -> None:
    def depth(item: Object) -> set[str]:
        return {key for key in ("spec", "metadata", "object") if key in item}

    found = cluster().read(machines="all", connect_by="service")
    assert not any(depth(item) for item in (*found.vms, *found.vmis, *found.services))


@pytest.mark.parametrize(("given", "seen"), [({}, 3), ({"machines": "all"}, 0), ({"connect_by": ["service"]}, 0)])
def test_instances_are_told_as_they_come_in_where_nothing_else_is_read(
    cluster: Any, given: dict[str, Any], seen: int
) -> None:
    asked = cluster()
    found = asked.read(**given)
    assert len(found.vmis) == 3
    assert asked.seen == found.vmis[:seen]
