# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the inventory: every fault at once, and the documentation says what the spec does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.inventory import kubevirt
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import options


def faults(**given: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        options.sound(given)
    return caught.value.faults


def test_everything_that_is_wrong_comes_at_once() -> None:
    found = "\n".join(
        faults(
            namespaces=["shop", "Shop_2"],
            label_selectors=["app in web"],
            machines="some",
            host_format="{name}-{node}",
            group_by=["namespace", "colour"],
            connect_by=["service", "bastion", "ssh"],
            parent_group="all",
            ip_family="ipx",
            service_types=[],
            username="ops",
        )
    )
    for expected in (
        "namespaces: 'Shop_2' must be of lower-case letters",
        "label_selectors: 'app in web' is no label selector",
        "value of machines must be one of: running, all, got: some",
        "host_format: '{name}-{node}' must be made of text and {name} and {namespace} and {uid}",
        "value of group_by must be one or more of: namespace, node, label, os, status. Got no match for: colour",
        "value of connect_by must be one or more of",
        "parent_group: 'all' cannot be it",
        "value of ip_family must be one of: ipv4, ipv6, got: ipx",
        "service_types: is empty; name at least one",
        "bastion: is missing; connect_by names bastion",
        "parameters are required together: username, password",
    ):
        assert expected in found


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"host_format": "host"}, "gives several machines one name; it needs {name} or {uid}"),
        ({"host_format": "{namespace}"}, "gives several machines one name"),
        ({"host_format": "{name"}, "is no format"),
        ({"host_format": "{name!r}"}, "must be made of text"),
        ({"host_format": "{name:>80}"}, "must be made of text"),
        ({"host_format": "{name.__class__}"}, "must be made of text"),
        ({"node_port_host": "{name}"}, "must be made of text and {node}"),
        ({"node_port_host": ""}, "must be made of text and {node}"),
        ({"bastion": "ops@jump"}, "bastion: has no effect, since connect_by does not name bastion"),
        ({"service_port": "ssh"}, "service_port: has no effect, since connect_by does not name service"),
        ({"connect_by": []}, "connect_by: is empty"),
        ({"connect_by": "virtctl", "host": "https://a", "api_key": "s3cret"}, "api_key: cannot be given to virtctl"),
        (
            {"connect_by": "virtctl", "host": "https://a", "username": "u", "password": "s3cret"},
            "password: cannot be given to virtctl",
        ),
        (
            {"connect_by": "virtctl", "kubeconfig": "/k", "api_key": "s3cret"},
            "api_key: cannot be given to virtctl, where the process list would show it; put it into a kubeconfig",
        ),
        ({"connect_by": "virtctl", "context": "c", "api_key": "s3cret"}, "api_key: cannot be given to virtctl"),
        (
            {"connect_by": "virtctl", "kubeconfig": "/k", "proxy": "http://u:s3cret@p"},
            "proxy: cannot be given to virtctl, which has no option for it; put it into a kubeconfig, as proxy-url",
        ),
        ({"connect_by": "virtctl", "kubeconfig": {"users": []}}, "kubeconfig: must be a path for virtctl"),
        ({"connect_by": "bastion", "bastion": "-oProxyCommand=id"}, "is no jump host; write user@host"),
        ({"connect_by": "bastion", "bastion": "ops@jump; id"}, "is no jump host"),
        ({"connect_by": "bastion", "bastion": "ops@jump,"}, "is no jump host"),
        ({"parent_group": ""}, "cannot be it"),
        ({"namespaces": ["x" * 64]}, "has 64 characters"),
    ],
)
def test_single_faults(given: dict[str, Any], fault: str) -> None:
    found = faults(**given)
    assert len(found) == 1
    assert fault in found[0]
    assert "s3cret" not in found[0]


def test_all_that_virtctl_cannot_be_given_is_named_at_once() -> None:
    login = {"api_key": "s3cret", "username": "u", "password": "s3cret", "proxy": "http://u:s3cret@p"}
    found = faults(connect_by=["network", "virtctl"], kubeconfig={"users": []}, context="c", **login)
    assert [fault.partition(":")[0] for fault in found] == ["kubeconfig", "api_key", "password", "proxy"]
    assert "s3cret" not in "".join(found)
    assert options.sound({"connect_by": "network", "kubeconfig": "/k", **login})["proxy"]


@pytest.mark.parametrize(
    "bastion", ["jump", "ops@jump.example.org:2222", "a@b,c@d:22", "ops@[2001:db8::1]:22", "10.0.0.1"]
)
def test_jump_hosts(bastion: str) -> None:
    assert options.sound({"connect_by": "bastion", "bastion": bastion})["bastion"] == bastion


def test_the_environment_is_that_of_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_CONTEXT", "lab")
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "no")
    monkeypatch.setenv("K8S_AUTH_IMPERSONATE_USER", "eve")
    found = options.sound({})
    assert (found["context"], found["validate_certs"], found["impersonate_user"]) == ("lab", False, "eve")
    assert options.sound({"context": "other"})["context"] == "other"


def test_aliases_and_lists_as_text() -> None:
    found = options.settings(options.sound({"namespace": "a,b", "connect_by": "service,virtctl"}))
    assert found.namespaces == ("a", "b")
    assert found.connect_by == ("service", "virtctl")


def test_the_documentation_has_the_options_and_defaults_of_the_spec() -> None:
    documented = yaml.safe_load(kubevirt.DOCUMENTATION)["options"]
    own = {name: option for name, option in options.spec().options.items() if name not in argspec.connection().options}
    assert documented.keys() == own.keys() | {"plugin"}
    for name, option in own.items():
        for part in ("type", "default", "choices", "elements", "aliases"):
            assert documented[name].get(part) == option.get(part), (name, part)


def test_only_what_decides_what_is_read_makes_another_question() -> None:
    base = {"host": "https://a:1"}
    asked = options.fingerprint(options.sound(base))
    for same in ({"host": "https://a:1/"}, {"host_format": "{name}"}, {"group_by": ["os"]}, {"connect_by": "virtctl"}):
        assert options.fingerprint(options.sound({**base, **same})) == asked
    for other in (
        {"host": "https://b:1"}, {"namespaces": ["a"]}, {"label_selectors": ["a=b"]}, {"machines": "all"},
        {"connect_by": "service"}, {"impersonate_user": "eve"}, {"api_key": "s3cret"}, {"validate_certs": False},
    ):  # fmt: skip
        assert options.fingerprint(options.sound({**base, **other})) != asked


def kubeconfig(server: str, current: str = "one") -> dict[str, Any]:
    return {
        "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in ("one", "two")],
        "clusters": [
            {"name": "one", "cluster": {"server": server}},
            {"name": "two", "cluster": {"server": "https://two:6443"}},
        ],
        "users": [{"name": "u", "user": {"token": "s3cret"}}],
    }


def test_another_cluster_is_another_question_however_it_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = options.fingerprint(options.sound({"kubeconfig": kubeconfig("https://staging")}))
    assert options.fingerprint(options.sound({"kubeconfig": kubeconfig("https://prod")})) != staging
    path, other = tmp_path / "config", tmp_path / "other"
    path.write_text(json.dumps(kubeconfig("https://staging")))
    other.write_text(json.dumps(kubeconfig("https://prod")))
    for given in (path, other):
        monkeypatch.setenv("KUBECONFIG", str(given))
        same = options.fingerprint(options.sound({})) == staging
        assert same == (given == path)
    path.write_text(json.dumps(kubeconfig("https://staging", "two")))
    assert options.fingerprint(options.sound({"kubeconfig": str(path)})) != staging
    assert options.fingerprint(options.sound({"kubeconfig": str(path), "context": "one"})) == staging
