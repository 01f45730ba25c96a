# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin as Ansible runs it, on a real kube-apiserver: requests, rights, the cache, groups, ways to connect."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM

Inventory = Callable[..., Any]

VMIS, VMS, SERVICES = (
    "/apis/kubevirt.io/v1/virtualmachineinstances",
    "/apis/kubevirt.io/v1/virtualmachines",
    "/api/v1/services",
)


@pytest.fixture
def mine(machines: Any) -> dict[str, Any]:
    """The options that choose the machines of these tests among all of the cluster."""
    return {"label_selectors": [f"run={machines.run}"]}


def in_namespace(namespace: str) -> str:
    return f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances"


@pytest.mark.parametrize(
    ("options", "lists"),
    [
        ({}, {VMIS: 1}),
        ({"connect_by": "service"}, {VMIS: 1, SERVICES: 1}),
        ({"machines": "all", "connect_by": ["service", "network"]}, {VMIS: 1, VMS: 1, SERVICES: 1}),
    ],
)
def test_the_whole_cluster_takes_three_lists_at_most(
    inventory: Inventory,
    proxy: Any,
    mine: dict[str, Any],
    machines: Any,
    options: dict[str, Any],
    lists: dict[str, int],
) -> None:
    found = inventory(host=proxy.url, **mine, **options)
    assert proxy.lists() == lists
    running = [
        f"{machines.namespaces[at]}-{name}" for at, name in ((0, "web-1"), (0, "web-2"), (1, "win-1"), (2, "odd"))
    ]
    stopped = [f"{machines.namespaces[0]}-rests"] if "machines" in options else []
    assert sorted(found.hosts) == sorted(running + stopped)
    assert "WARNING" not in found.said


def test_groups_and_hosts_of_another_source_keep_what_they_have(
    inventory: Inventory, proxy: Any, mine: dict[str, Any], machines: Any, tmp_path: Path
) -> None:
    known = f"{machines.namespaces[0]}-web-1"
    shared = "namespace_" + machines.namespaces[2].replace("-", "_")
    groups = {"above": {"vars": {"site": "north"}, "children": {"kubevirt": {}}}, shared: {"vars": {"tier": "edge"}}}
    other = tmp_path / "other.yml"
    other.write_text(json.dumps({"all": {"hosts": {known: {"rack": "7"}}, "children": groups}}))
    found = inventory(first=[other], host=proxy.url, **mine)
    assert {host["site"] for host in found.hosts.values()} == {"north"}
    assert [name for name, host in found.hosts.items() if "tier" in host] == found.groups[shared]
    assert (found.hosts[known]["rack"], found.hosts[known]["vmi_name"]) == ("7", "web-1")
    assert found.children["above"] == ["kubevirt"]


def test_further_pages_are_read(inventory: Inventory, proxy: Any, mine: dict[str, Any]) -> None:
    proxy.page = 1
    found = inventory(host=proxy.url, **mine)
    assert len(found.hosts) == 4
    assert (len(proxy.asked), proxy.lists()) == (4, {VMIS: 1})


def test_groups_and_variables(inventory: Inventory, proxy: Any, mine: dict[str, Any], machines: Any) -> None:
    found = inventory(host=proxy.url, machines="all", parent_group="lab", **mine)
    first, second, _third = (name.replace("-", "_") for name in machines.namespaces)
    web, rests, windows = (
        f"{machines.namespaces[0]}-web-1",
        f"{machines.namespaces[0]}-rests",
        f"{machines.namespaces[1]}-win-1",
    )
    host = found.hosts[web]
    assert sorted(found.groups[f"namespace_{first}"]) == [rests, web, f"{machines.namespaces[0]}-web-2"]
    assert found.groups["os_windows"] == found.groups[f"namespace_{second}"] == [windows]
    assert rests in found.groups["label_app_web"]
    assert found.groups["status_stopped"] == [rests]
    assert web in found.groups["status_running"]
    assert web in found.groups[f"node_{host['vmi_node_name'].replace('-', '_')}"]
    assert {f"namespace_{first}", "os_windows", "status_stopped"} <= set(found.children["lab"])
    assert host["ansible_host"] == host["vmi_addresses"]["default"][0]
    assert (host["vmi_namespace"], host["vmi_name"], host["vmi_unreachable"]) == (machines.namespaces[0], "web-1", None)
    assert (host["vm_run_strategy"], found.hosts[rests]["vm_run_strategy"]) == ("Always", "Halted")
    assert found.hosts[windows]["ansible_connection"] == "winrm"
    assert "ansible_host" not in found.hosts[rests]
    assert found.hosts[rests]["vmi_unreachable"] == "the machine does not run, it is Stopped"
    assert "s3cret" not in json.dumps(found.hosts)


def test_compose_groups_and_keyed_groups(inventory: Inventory, proxy: Any, mine: dict[str, Any], machines: Any) -> None:
    found = inventory(
        host=proxy.url,
        group_by=[],
        compose={"ansible_user": "'admin' if vmi_os == 'windows' else 'root'"},
        groups={"webs": "vmi_labels.app is defined"},
        keyed_groups=[{"key": "vmi_labels.app", "prefix": "app"}],
        **mine,
    )
    webs = [f"{machines.namespaces[0]}-web-1", f"{machines.namespaces[0]}-web-2"]
    assert found.groups["webs"] == found.groups["app_web"] == webs
    assert {host["ansible_user"] for host in found.hosts.values()} == {"admin", "root"}
    assert len(found.groups["kubevirt"]) == 4


def test_strict_fails_where_an_expression_does(ansible: Any, source: Any, proxy: Any, mine: dict[str, Any]) -> None:
    path = source(host=proxy.url, strict=True, compose={"x": "no_such_variable"}, **mine)
    done = ansible("ansible-inventory", "-i", str(path), "--list")
    assert "Could not set x for host" in done.stderr
    assert json.loads(done.stdout)["_meta"]["hostvars"] == {}


# Rights


def test_a_forbidden_namespace_of_three_is_named_and_the_others_are_there(
    inventory: Inventory, proxy: Any, machines: Any, allow: Callable[..., None]
) -> None:
    first, second, third = machines.namespaces
    allow("two-of-three", first, third)
    found = inventory(host=proxy.url, impersonate_user="two-of-three", namespaces=machines.namespaces)
    assert sorted(found.hosts) == [f"{first}-web-1", f"{first}-web-2", f"{third}-odd"]
    assert proxy.lists() == {VMIS: 1, **{in_namespace(name): 1 for name in machines.namespaces}}
    assert "over the whole cluster is forbidden: each of the 3 namespaces was listed by itself" in found.said
    assert f"Namespace {second} is left out" in found.said
    assert 'User "two-of-three" cannot list resource "virtualmachineinstances"' in found.said
    assert f"Namespace {first}" not in found.said


def test_strict_fails_where_a_namespace_is_forbidden(
    ansible: Any, source: Any, proxy: Any, machines: Any, allow: Callable[..., None]
) -> None:
    allow("strictly", machines.namespaces[0])
    path = source(host=proxy.url, impersonate_user="strictly", namespaces=machines.namespaces[:2], strict=True)
    done = ansible("ansible-inventory", "-i", str(path), "--list", ANSIBLE_INVENTORY_UNPARSED_FAILED="true")
    assert done.returncode != 0
    assert f"Namespace {machines.namespaces[1]} is left out" in done.stderr


def test_a_namespace_that_does_not_exist_is_told(inventory: Inventory, proxy: Any, machines: Any) -> None:
    first, second, _third = machines.namespaces
    # The second has no running machine that the label chooses.
    found = inventory(host=proxy.url, namespaces=[first, second, "typo"], label_selectors=["app=nothing"])
    assert not found.hosts and "Namespace typo does not exist" in found.said
    assert first not in found.said and second not in found.said


def test_groups_that_other_sources_made_are_joined(
    ansible: Any, source: Any, proxy: Any, machines: Any, tmp_path: Path
) -> None:
    first = machines.namespaces[0]
    group, host = f"namespace_{first.replace('-', '_')}", f"{first}-web-1"
    static = tmp_path / "static"
    static.write_text(f"[site:children]\n{group}\n[{group}]\nby-hand\n{host} colour=blue\n")
    path = source(host=proxy.url, namespaces=[first])
    done = ansible("ansible-inventory", "-i", str(static), "-i", str(path), "--list")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sorted(found[group]["hosts"]) == sorted(["by-hand", host, f"{first}-web-2"])
    assert found["site"]["children"] == [group] and group in found["kubevirt"]["children"]
    assert found["_meta"]["hostvars"][host]["colour"] == "blue"
    assert found["_meta"]["hostvars"][host]["vmi_name"]
    chosen = ansible("ansible", "-i", str(static), "-i", str(path), f"site:&kubevirt:&node_*:!{host}", "--list-hosts")
    assert f"{first}-web-2" in chosen.stdout and host not in chosen.stdout, chosen.stderr


def test_one_namespace_is_one_list_in_it(
    inventory: Inventory, proxy: Any, machines: Any, allow: Callable[..., None]
) -> None:
    allow("only-one", machines.namespaces[2])
    found = inventory(host=proxy.url, impersonate_user="only-one", namespaces=machines.namespaces[2:])
    assert list(found.hosts) == [f"{machines.namespaces[2]}-odd"]
    assert proxy.lists() == {in_namespace(machines.namespaces[2]): 1}
    assert "WARNING" not in found.said


def test_a_user_without_any_right_is_told_what_to_ask_for(ansible: Any, source: Any, proxy: Any, machines: Any) -> None:
    path = source(host=proxy.url, impersonate_user="nobody")
    done = ansible("ansible-inventory", "-i", str(path), "--list", ANSIBLE_INVENTORY_UNPARSED_FAILED="true")
    assert done.returncode != 0
    assert (
        "Name the namespaces that may be listed in namespaces, or ask for the right to list the cluster" in done.stderr
    )


# The cache


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, Any]:
    return {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "kept")}


def test_a_hit_sends_no_request_and_says_the_same(
    inventory: Inventory, proxy: Any, mine: dict[str, Any], cache: dict[str, Any]
) -> None:
    options = {"host": proxy.url, "machines": "all", "connect_by": "service", **mine, **cache}
    first = inventory(**options)
    assert len(proxy.asked) == 3
    second = inventory(**options)
    assert len(proxy.asked) == 3
    assert (second.hosts, second.groups) == (first.hosts, first.groups)


def test_flushing_reads_anew(inventory: Inventory, proxy: Any, mine: dict[str, Any], cache: dict[str, Any]) -> None:
    inventory(host=proxy.url, **mine, **cache)
    inventory("--flush-cache", host=proxy.url, **mine, **cache)
    assert proxy.lists() == {VMIS: 2}
    inventory(host=proxy.url, **mine, **cache)
    assert proxy.lists() == {VMIS: 2}


def test_other_options_take_effect_on_what_is_cached_and_another_question_is_asked(
    inventory: Inventory, proxy: Any, mine: dict[str, Any], machines: Any, cache: dict[str, Any]
) -> None:
    inventory(host=proxy.url, **mine, **cache)
    found = inventory(host=proxy.url, host_format="{name}", compose={"x": "vmi_name"}, **mine, **cache)
    assert proxy.lists() == {VMIS: 1}
    assert found.hosts["web-1"]["x"] == "web-1"
    inventory(host=proxy.url, namespaces=machines.namespaces[:1], **mine, **cache)
    assert proxy.lists() == {VMIS: 1, in_namespace(machines.namespaces[0]): 1}


def test_what_was_forbidden_is_told_from_the_cache_too(
    inventory: Inventory, proxy: Any, machines: Any, allow: Callable[..., None], cache: dict[str, Any]
) -> None:
    allow("cached", machines.namespaces[0])
    options = {"host": proxy.url, "impersonate_user": "cached", "namespaces": machines.namespaces[:2], **cache}
    inventory(**options)
    before = len(proxy.asked)
    assert f"Namespace {machines.namespaces[1]} is left out" in inventory(**options).said
    assert len(proxy.asked) == before


def test_no_secret_is_cached(
    inventory: Inventory, proxy: Any, mine: dict[str, Any], tmp_path: Path, cache: dict[str, Any]
) -> None:
    inventory(host=proxy.url, api_key="t0ken", machines="all", **mine, **cache)
    kept = "".join(path.read_text() for path in (tmp_path / "kept").iterdir())
    assert "web-1" in kept
    assert "s3cret" not in kept
    assert "t0ken" not in kept


# Ways to connect


def test_services_with_one_port_and_with_many(
    inventory: Inventory, proxy: Any, mine: dict[str, Any], machines: Any
) -> None:
    first, second, _third = machines.namespaces
    found = inventory(host=proxy.url, connect_by="service", node_port_host="nodes.example.org", **mine)
    web, windows, other = (found.hosts[name] for name in (f"{first}-web-1", f"{second}-win-1", f"{first}-web-2"))
    ports = {port["name"]: port for port in web["vmi_services"][1]["ports"]}
    assert (web["ansible_host"], web["ansible_port"]) == ("nodes.example.org", ports["ssh"]["node_port"])
    assert sorted(ports) == ["http", "ssh", "ui"]
    assert [(entry["name"], entry["shared"]) for entry in web["vmi_services"]] == [("web", True), ("web-1", False)]
    assert (windows["ansible_port"], windows["ansible_winrm_scheme"]) == (5985, "http")
    assert windows["ansible_host"] == windows["vmi_services"][0]["cluster_ip"]
    assert "ansible_host" not in other
    assert other["vmi_unreachable"].startswith("service: no LoadBalancer or NodePort or ClusterIP")
    by_number = inventory(
        host=proxy.url, connect_by="service", service_port="8443", service_types=["ClusterIP"], **mine
    )
    assert by_number.hosts[f"{first}-web-1"]["ansible_port"] == 443


def test_a_bastion(inventory: Inventory, proxy: Any, mine: dict[str, Any], machines: Any) -> None:
    found = inventory(host=proxy.url, connect_by="bastion", bastion="ops@jump:2222", **mine)
    host = found.hosts[f"{machines.namespaces[0]}-web-1"]
    assert host["ansible_ssh_common_args"] == "-o ProxyJump=ops@jump:2222"
    assert host["ansible_host"] == host["vmi_addresses"]["default"][0]


def test_ssh_runs_virtctl_with_the_words_that_were_meant(
    ansible: Any, source: Any, cluster: Path, mine: dict[str, Any], machines: Any, tmp_path: Path
) -> None:
    if not shutil.which("ssh"):
        pytest.skip("there is no ssh here")
    kubeconfig = tmp_path / "of the 100% lab" / "config"
    kubeconfig.parent.mkdir()
    shutil.copy(cluster, kubeconfig)
    virtctl = tmp_path / "virtctl"
    virtctl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\nexit 1\n')
    virtctl.chmod(virtctl.stat().st_mode | stat.S_IXUSR)
    path = source(kubeconfig=str(kubeconfig), connect_by="virtctl", virtctl=str(virtctl), **mine)
    host = f"{machines.namespaces[0]}-web-1"
    done = ansible(
        "ansible", "-i", str(path), host, "-m", "ansible.builtin.raw", "-a", "true", "-e", "ansible_port=2200"
    )
    assert "UNREACHABLE" in done.stdout, done.stderr
    assert (tmp_path / "words").read_text().splitlines() == [
        "--kubeconfig", str(kubeconfig), "port-forward", "--stdio=true", f"vmi/web-1/{machines.namespaces[0]}", "2200",
    ]  # fmt: skip


# What owners of machines write


def test_a_text_of_the_cluster_is_no_template(
    ansible: Any, source: Any, proxy: Any, mine: dict[str, Any], machines: Any, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    path = source(host=proxy.url, compose={"copy": "vmi_annotations.note"}, **mine)
    host, note = f"{machines.namespaces[2]}-odd", "{{ lookup('ansible.builtin.pipe', 'touch ' ~ marker) }}"
    for text in ("vmi_annotations.note", "copy", "lookup('ansible.builtin.vars', 'vmi_annotations')['note'] ~ ''"):
        done = ansible(
            "ansible",
            "-i",
            str(path),
            host,
            "-m",
            "ansible.builtin.debug",
            "-a",
            f'msg="{{{{ {text} }}}}"',
            "-e",
            f"marker={marker}",
        )
        assert json.loads(done.stdout.partition("=>")[2])["msg"] == note, done.stderr
    assert not marker.exists()


def test_two_machines_of_one_name_are_left_out_by_name(
    inventory: Inventory, proxy: Any, mine: dict[str, Any], client: Any, machines: Any
) -> None:
    found = inventory(host=proxy.url, host_format="{name}", **mine)
    assert len(found.hosts) == 4
    client.create(VM, machines.manifest("web-1"), machines.namespaces[1])
    try:
        found = inventory(host=proxy.url, host_format="{name}", machines="all", **mine)
    finally:
        client.delete(VM, "web-1", machines.namespaces[1])
    assert "web-1" not in found.hosts
    assert f"{machines.namespaces[0]}/web-1 and {machines.namespaces[1]}/web-1 would both be host web-1" in found.said


# Bad input


def failed(ansible: Any, path: Path, **environment: str) -> str:
    done = ansible("ansible-inventory", "-i", str(path), "--list", **environment)
    assert json.loads(done.stdout)["_meta"]["hostvars"] == {}
    return str(done.stderr)


def test_all_bad_options_are_named_at_once(ansible: Any, source: Any) -> None:
    path = source(
        namspaces=["a"],
        host="https://127.0.0.1:9",
        machines="some",
        label_selectors=["app in web"],
        connect_by=["bastion"],
        host_format="{nme}",
        service_port="ssh",
    )
    said = failed(ansible, path)
    for fault in (
        "6 faults in the parameters",
        "namspaces: there is no such option",
        "value of machines must be one of: running, all, got: some",
        "label_selectors: 'app in web' is no label selector",
        "bastion: is missing",
        "host_format: '{nme}' must be made of text",
        "service_port: has no effect",
    ):
        assert fault in said
    assert "cannot be reached" not in said


def test_without_a_kubeconfig_it_says_what_to_give(ansible: Any, source: Any) -> None:
    said = failed(ansible, source())
    assert "no way to log in to an API server was given: there is no kubeconfig" in said
    assert "Give kubeconfig, or host with api_key" in said


def test_a_server_out_of_reach(ansible: Any, source: Any) -> None:
    said = failed(ansible, source(host="https://127.0.0.1:9", api_key="t0ken"))
    assert "the API server cannot be reached: https://127.0.0.1:9" in said
    assert "t0ken" not in said


def test_options_come_from_the_environment_and_from_templates(
    ansible: Any, source: Any, proxy: Any, machines: Any
) -> None:
    path = source(namespaces="{{ [wanted] }}")
    wanted = f"wanted={machines.namespaces[2]}"
    done = ansible("ansible-inventory", "-i", str(path), "--graph", "-e", wanted, K8S_AUTH_HOST=proxy.url)
    assert f"{machines.namespaces[2]}-odd" in done.stdout, done.stderr
    assert proxy.lists() == {in_namespace(machines.namespaces[2]): 1}
    said = failed(ansible, source(host=proxy.url, namespaces="{{ [missing] }}"))
    assert "namespaces: " in said
    assert "'missing' is undefined" in said


@pytest.mark.parametrize(
    ("name", "taken"),
    [("kubevirt.yml", True), ("lab.kubevirt.yaml", True), ("my-kubevirt_ha.yml", True), ("lab.yml", False)],
)
def test_names_of_sources(ansible: Any, proxy: Any, tmp_path: Path, name: str, taken: bool) -> None:
    path = tmp_path / name
    path.write_text(f"plugin: virtops.kubevirt_ha.kubevirt\nhost: {proxy.url}\n")
    done = ansible("ansible-inventory", "-i", str(path), "--list")
    assert bool(proxy.asked) is taken, done.stderr
