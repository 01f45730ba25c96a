# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of etcd_snapshot and ha_probe: all faults at once, no secret in any output, nothing needed that is not used."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth, module
from ansible_collections.virtops.kubevirt_ha.plugins.modules import etcd_snapshot, ha_probe

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_HOST", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr(auth, "SERVICE_ACCOUNT", "/nonexistent")
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, _msg, **_more: None)

    def call(which: Any, **args: Any) -> dict[str, Any]:
        with patch_module_args(args), pytest.raises(SystemExit):
            which.main()
        return dict(json.loads(capsys.readouterr().out))

    return call


def test_all_faults_of_a_snapshot_come_at_once(run: Run) -> None:
    result = run(
        etcd_snapshot,
        state="kept",
        endpoints=["127.0.0.1:2379"],
        client_cert="/x",
        directory="/b",
        path="/b/s.db",
        keep="some",
        max_age=0,
        prefix="a/b",
    )
    faults = "\n".join(result["error"]["faults"])
    for expected in (
        "value of state must be one of: present, verified",
        "parameters are required together: client_cert, client_key",
        "mutually exclusive: directory|path",
        "keep",
        "max_age: 0 must be 1 or more",
        "prefix: 'a/b' must be the beginning of a file's name",
        "127.0.0.1:2379 must be of the form https://address:port",
    ):
        assert expected in faults, faults
    assert "nothing was changed" in result["msg"]


@pytest.mark.parametrize("urllib3", [True, False])
def test_only_guests_need_the_api_and_its_packages(run: Run, monkeypatch: pytest.MonkeyPatch, urllib3: bool) -> None:
    monkeypatch.setattr(module, "HAS_URLLIB3", urllib3)
    probe = {"tcp": "127.0.0.1:9", "expect": "down"}
    assert run(ha_probe, **probe)["probes"][0]["passed"]
    result = run(ha_probe, probes=[probe, {"guest": {"namespace": "shop", "name": "web-1"}}])
    needed = "no way to log in to an API server was given" if urllib3 else "urllib3"
    assert needed in "\n".join(result["error"]["faults"])
    verified = run(etcd_snapshot, state="verified", directory="/nonexistent/b")
    assert "there is no snapshot to verify" in verified["msg"]


def test_headers_of_a_request_are_in_no_output(run: Run) -> None:
    headers = {"Authorization": "Bearer hunter2"}
    for probe in (
        {"tcp": "127.0.0.1:9", "frobnicate": 1, "request_headers": headers},
        {"probes": [{"url": "http://127.0.0.1:9/", "request_headers": headers}]},
        {"probes": [{"url": 5}], "defaults": {"request_headers": headers}},
        {"url": "http://127.0.0.1:9/", "request_headers": headers, "expect": "down"},
    ):
        assert "hunter2" not in json.dumps(run(ha_probe, **probe))
