# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' entry: all faults at once, no secret in any output, one shape of result."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth
from ansible_collections.virtops.kubevirt_ha.plugins.modules import vm, vm_clone, vm_info, vm_restore, vmi_info

HOST = {"host": "http://127.0.0.1:9"}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr(auth, "SERVICE_ACCOUNT", "/nonexistent")
    logged: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, msg, **_more: logged.append(str(msg)))

    def call(module: Any = vm, **args: Any) -> dict[str, Any]:
        with patch_module_args(args), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        result["logged"] = logged
        return result

    return call


def test_all_faults_of_all_kinds_come_at_once(run: Run) -> None:
    result = run(
        workers=100,
        wait_timeout="soon",
        defaults={"memory": "1GB"},
        vms=[
            {"name": "x" * 64, "namespace": "shop"},
            {"name": "b", "namespace": "shop", "frobnicate": 1},
            {"name": "c", "cpu": {"cores": "two"}, "disks": [{"name": "root"}]},
        ],
    )
    faults = "\n".join(result["error"]["faults"])
    for expected in (
        "wait_timeout",
        "workers: 100 must be from 1 to 64",
        "has 64 characters",
        "vms[b]: frobnicate",
        "vms[c]: argument 'cores'",
        "VirtualMachine c: namespace: is missing",
        "VirtualMachine c: disks[root]: has no source",
        "memory: '1GB' is no quantity: write 1Gi",
        "no way to log in to an API server was given",
    ):
        assert expected in faults
    assert "got: None" not in faults
    assert result["failed"] and "nothing was changed" in result["msg"]


def test_an_invocation_shows_of_each_entry_what_was_given(run: Run) -> None:
    shown = run(vms=[{"name": "a", "labels": {"gone": None}}], namespace="shop")["invocation"]["module_args"]
    assert shown["vms"] == [{"name": "a", "labels": {"gone": None}}]
    assert (shown["namespace"], shown["context"]) == ("shop", None)


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ({}, "one of the following is required: name, vms"),
        ({"name": "a", "vms": []}, "mutually exclusive"),
        ({"name": "a", "namespace": "b", "defaults": {}}, "mutually exclusive"),
        ({"vms": [{"name": "a"}], "namespace": "b", "memory": "1Gi"}, "memory: beside vms, put it into defaults"),
        ({"vms": [{"name": "a"}, {"name": "a"}], "namespace": "b"}, "b/a: is there more than once in vms"),
        ({"name": "a", "namespace": "b", "impersonate_groups": ["g"]}, "missing parameter"),
        ({"name": "a", "namespace": "b", "unschedulable_grace": -1}, "unschedulable_grace: -1 must be 0 or more"),
        ({"name": "a", "namespace": "b", "wait_timeout": 0}, "wait_timeout: 0 must be 1 second or more"),
    ],
)
def test_faults_of_the_whole_task(run: Run, args: dict[str, Any], fault: str) -> None:
    assert fault in "\n".join(run(**HOST, **args)["error"]["faults"])


def test_what_is_no_map_is_named(run: Run) -> None:
    vms = [
        {"name": "a", "namespace": "shop", "cpu": -1, "cloud_init": 3, "disks": [7, {"name": "root", "pvc": "r"}]},
        {"name": "b", "namespace": "shop", "networks": {"name": "default", "ports": 80}},
        5,
    ]
    faults = "\n".join(run(vms=vms)["error"]["faults"])
    for expected in (
        "vms[a]: cpu: must be a map of options, not a number",
        "vms[a]: cloud_init: must be a map of options, not a number",
        "vms[a]: disks[0]: must be a map of options, not a number",
        "vms[b]: networks.ports: must be a map of options, not a number",
        "vms[2]: must be a map of options, not a number",
    ):
        assert expected in faults, faults


@pytest.mark.parametrize("vms", [["a", {"name": "b"}], "a,b", ""])
def test_a_list_of_names_is_not_a_list_of_machines(run: Run, vms: Any) -> None:
    error = run(vms=vms, namespace="shop", **HOST)["error"]
    assert "vms[0]: must be a map of options, not text" in error["faults"] and "0 faults" not in error["what"]


def test_an_option_that_there_is_not_names_the_one_that_was_meant(run: Run) -> None:
    disks = [{"name": "root", "contaner_disk": "x"}]
    faults = run(vms=[{"name": "a", "memroy": "1Gi", "disks": disks}], namespace="shop", **HOST)["error"]["faults"]
    assert "vms[a]: memroy: there is no such option; did you mean memory?" in faults
    assert "vms[a]: disks.contaner_disk: there is no such option; did you mean container_disk?" in faults
    assert "Supported parameters include" not in str(faults)


def test_an_empty_name_is_none(run: Run) -> None:
    (fault,) = run(name="", namespace="shop", state="absent", **HOST)["error"]["faults"]
    assert fault.startswith("VirtualMachine shop: name: '' must be of lower-case letters")


@pytest.mark.parametrize("wrong", ["password: STRSECRET", ["STRSECRET"]])
def test_cloud_init_of_a_wrong_type_is_hidden_too(run: Run, wrong: Any) -> None:
    for args in ({"name": "a", "cloud_init": wrong}, {"vms": [{"name": "a", "cloud_init": wrong}]}):
        assert "STRSECRET" not in str(run(namespace="shop", **args, **HOST))


@pytest.mark.parametrize("good", [True, False])
def test_no_secret_is_in_the_output_or_the_log(run: Run, good: bool) -> None:
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "ftp://x" if good else "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "hunter0", "client-key-data": "hunter1"}}],
    }
    volume = {"name": "v", "cloudInitNoCloud": {"userData": "hunter2", "networkData": "hunter3"}}
    result = run(
        kubeconfig=kubeconfig,
        api_key="hunter4",
        workers=8 if good else 0,
        vms=[
            {
                "name": "a",
                "namespace": "b" if good else 5,
                "run_strategy": "Always" if good else "Sometimes",
                "cloud_init": {"user_data": {"password": "hunter5"}, "network_data": "hunter6"},
                "spec": {"template": {"spec": {"volumes": [volume]}}},
            }
        ],
    )
    assert result["failed"]
    assert "hunter" not in json.dumps(result)


def test_a_kubeconfigs_plug_ins_are_in_no_output(run: Run) -> None:
    plugin = {"command": "/nowhere/helper", "args": ["hunter1"], "env": [{"name": "SECRET", "value": "hunter2"}]}
    user = {"exec": plugin, "auth-provider": {"name": "oidc", "config": {"refresh-token": "hunter3"}}}
    kubeconfig = {"current-context": "c", "users": [{"name": "shop-admin", "user": user}]}
    result = run(name="hunter2", namespace="shop-admin", kubeconfig=kubeconfig)
    assert result["invocation"]["module_args"]["kubeconfig"] == "(hidden)"
    assert result["invocation"]["module_args"]["namespace"] == "shop-admin"
    assert "hunter" not in json.dumps(result)


@pytest.mark.parametrize("module", [vm_restore, vm_clone])
def test_a_patch_of_user_data_is_in_no_output(run: Run, module: Any) -> None:
    patch = {"op": "add", "path": "/spec/template/spec/volumes/0/cloudInitNoCloud/userDataBase64", "value": "hunter1"}
    for patches in ([patch], [json.dumps(patch)], [patch, 5]):
        for args in ({"name": "a", "patches": patches}, {"items": [{"name": "a", "patches": patches}]}):
            assert "hunter" not in json.dumps(run(module, namespace="b", workers=0, **HOST, **args))


def test_a_kubeconfigs_path_does_not_blot_out_words(run: Run) -> None:
    result = run(name="a", namespace="b", kubeconfig="/nowhere/config")
    assert "/nowhere/config: the kubeconfig cannot be read" in result["msg"]


def test_a_server_out_of_reach_fails_in_the_common_shape(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import client, module

    monkeypatch.setattr(module, "Client", lambda *given, **more: client.Client(*given, patience=0.1, **more))
    result = run(name="a", namespace="b", memory="1Gi", **HOST)
    assert result["failed"] and not result["changed"]
    assert set(result["error"]) == {"what", "where", "why", "fix"}
    assert result["requests"]["writes"] == 0 and result["requests"]["reads"] >= 1


@pytest.mark.parametrize("module", [vm_info, vmi_info])
@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ({"name": "a"}, "name: needs exactly one of namespaces"),
        ({"name": "a", "namespaces": ["b"], "label_selectors": ["x=y"]}, "exclude each other"),
        ({"namespaces": ["B"]}, "namespaces: 'B' must be of lower-case"),
    ],
)
def test_faults_of_the_info_modules(run: Run, module: Any, args: dict[str, Any], fault: str) -> None:
    assert fault in "\n".join(run(module, **HOST, **args)["error"]["faults"])
