# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no output may show: secrets of kubeconfigs, of patches and of URLs, in parameters and in objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import json_patches, objects, redaction, vm_restore
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import without_password

PLACE = "/spec/template/spec/volumes/0/cloudInitNoCloud/userDataBase64"
PROVIDER = {
    "name": "oidc",
    "config": {"refresh-token": "refresh1", "client-secret": "client1", "client-id": "production"},
}
EXEC = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "helper",
    "args": ["eks", "--region", "production", "--token=argument1", "argument2"],
    "env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "env123"}, {"name": "AWS_PROFILE", "value": "prod"}],
}
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": "colourful"},
    "current-context": "production",
    "contexts": [{"name": "production", "context": {"cluster": "cluster-1", "user": "user-1", "namespace": "default"}}],
    "clusters": [
        {
            "name": "cluster-1",
            "cluster": {
                "server": "https://api.example:6443",
                "proxy-url": "http://u:proxied@proxy:3128",
                "extensions": [{"name": "minikube", "extension": {"provider": "minikube.sigs.k8s.io"}}],
            },
        }
    ],
    "users": [
        {"name": "user-1", "user": {"exec": EXEC, "auth-provider": PROVIDER}},
        {"name": "admin1", "user": {"username": "admin1", "password": "admin1", "token": "t"}},
    ],
}


def test_of_a_kubeconfig_all_is_secret_but_names_urls_and_words() -> None:
    known = {"refresh1", "client1", "argument1", "argument2", "env123", "proxied", "admin1", "t", "--region"}
    assert redaction.kubeconfig_secrets(KUBECONFIG) == known - {"--region"}


@pytest.mark.parametrize(
    ("given", "shown", "secret"),
    [
        (None, None, set()),
        ("/home/me/.kube/config:/etc/other", "/home/me/.kube/config:/etc/other", set()),
        ("kind: Config\nusers: []\n", "(hidden)", {"kind: Config\nusers: []\n"}),
        ('{"kind": "Config"}', "(hidden)", {'{"kind": "Config"}'}),
        ({"users": [{"user": {"token": "x"}}]}, "(hidden)", {"x"}),
    ],
)
def test_a_kubeconfig_is_shown_as_its_path_only(given: Any, shown: Any, secret: set[str]) -> None:
    assert redaction.hide_kubeconfig(given) == shown
    assert redaction.kubeconfig_secrets(given) == secret


@pytest.mark.parametrize(
    ("patch", "shown"),
    [
        ({"op": "add", "path": PLACE, "value": "aHVudGVy"}, {"op": "add", "path": PLACE, "value": "(hidden)"}),
        ({"op": "add", "path": PLACE, "valeu": "aHVudGVy"}, {"op": "add", "path": PLACE, "valeu": "(hidden)"}),
        (
            {"op": "add", "path": "/spec/a", "value": {"userData": "x", "b": 1}},
            {"op": "add", "path": "/spec/a", "value": {"userData": "(hidden)", "b": 1}},
        ),
        (
            {
                "op": "add",
                "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
                "value": "x",
            },
            {
                "op": "add",
                "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
                "value": "(hidden)",
            },
        ),
        ({"op": "remove", "path": "/spec/running"}, {"op": "remove", "path": "/spec/running"}),
        ({"op": "add", "path": "/spec/running", "value": True}, {"op": "add", "path": "/spec/running", "value": True}),
        (7, 7),
    ],
)
def test_a_patch_does_not_show_the_secret_that_it_sets(patch: Any, shown: Any) -> None:
    assert redaction.hide_secrets({"patches": [patch]}) == {"patches": [shown]}
    if isinstance(patch, dict):
        hidden = redaction.hide_secrets({"spec": {"patches": json_patches.write([patch])}})
        assert [json.loads(text) for text in hidden["spec"]["patches"]] == [shown]


def test_a_text_that_is_no_patch_is_not_shown() -> None:
    assert redaction.hide_secrets({"patches": ["op=add value=x"]}) == {"patches": ["(hidden)"]}
    assert redaction.hide_secrets({"patches": "x", "defaults": {"patches": None}}) == {
        "patches": "(hidden)",
        "defaults": {"patches": None},
    }


def test_the_diff_of_a_restore_does_not_show_the_user_data_that_its_patch_sets() -> None:
    def restore(value: str) -> dict[str, Any]:
        patch = {"op": "replace", "path": PLACE, "value": value}
        return vm_restore.new({"name": "r", "namespace": "a", "snapshot": "s", "vm": "v", "patches": [patch]})

    made = restore("aHVudGVyMQ")
    todo = objects.Plan("created", body=made, after=made)
    kind = objects.Kind(vm_restore.VM_RESTORE, vm_restore.desired, vm_restore.new)
    assert "aHVudGVyMQ" not in json.dumps(objects.diff(kind, objects.Done(("a", "r"), todo)))
    assert redaction.secrets(made) == ["aHVudGVyMQ"]
    changed = redaction.hide_secrets(restore("aHVudGVyMg"), made)
    assert "(hidden, changed)" in changed["spec"]["patches"][0]


def test_passwords_of_urls_are_hidden() -> None:
    source = {"http": {"url": "https://me:hunter2@host/disk.img"}, "urls": ["ftp://me:hunter3@host"], "mail": "a@b"}
    shown = redaction.hide_secrets({"spec": {"source": source}})["spec"]["source"]
    assert shown == {
        "http": {"url": "https://me:(hidden)@host/disk.img"},
        "urls": ["ftp://me:(hidden)@host"],
        "mail": "a@b",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:a@b@c@host/x", "https://me:(hidden)@host/x"),
        ('["https://me:a@host","b@c"]', '["https://me:(hidden)@host","b@c"]'),
        ("https://me:a@host?mail=b@c", "https://me:(hidden)@host?mail=b@c"),
        ("https://me@host:443/x", "https://me@host:443/x"),
    ],
)
def test_a_password_ends_before_the_host(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_the_same_keys_are_secret_in_parameters_and_objects() -> None:
    keys = ("userData", "user_data", "networkData", "network_data", "api_key", "password", "token", "client-key-data")
    headers = ("extraHeaders", "extra_headers", "request_headers", redaction.LAST_APPLIED)
    assert set(redaction.hide_secrets(dict.fromkeys((*keys, *headers), "x")).values()) == {"(hidden)"}
    assert redaction.hide_secrets({"api_key": None, "token": ""}) == {"api_key": None, "token": ""}
