# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What trips naive clients of KubeVirt, and the modules' way round it.

| what KubeVirt does | what a naive client gets | here |
| --- | --- | --- |
| refuses plain `application/json` on subresources | 406 | both types accepted |
| reads `dryRun` in the body only | check mode starts the machine | check mode starts nothing |
| answers 409 to start and stop in that state already | an error, or one swallowed | nothing is sent |
| shows Stopped while the instance still ends | a start that is refused | waits for the instance |
| rewrites Once to Halted, and that to Always | a strategy nobody asked for | the result names it |
| leaves `ready` and `created` out | a missing key | a boolean |
| tells some failures in a condition only | a wait without end | fails with the reason |
| fills firmware and MAC addresses in | they are lost with a PUT or a merged list | they stay |
| raises RestartRequired until the old value is back | changes that never become live | `restart_required` |
| ignores a patch of `status` | a success that did nothing | `status` is never sent |
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, Conflict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    PRIORITY_CLASS,
    VM,
    VM_ACTION,
    VMI,
    VMI_ACTION,
)

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def vm(module: Run, namespace: str, guest: dict[str, Any]) -> Run:
    """Runs `vm` for the machine `v`; with `whole` the options of a guest that boots are given."""

    def run(whole: bool = True, **options: Any) -> dict[str, Any]:
        given = {**guest, **options} if whole else options
        return module("vm", **{"name": "v", "namespace": namespace, "wait_timeout": 60, **given})

    return run


@pytest.fixture
def power(module: Run, namespace: str) -> Run:
    def run(state: str, **options: Any) -> dict[str, Any]:
        return module("vm_power", name="v", namespace=namespace, state=state, wait_timeout=60, **options)

    return run


def raw_put(kubeconfig: Path, path: str, accept: str) -> int:
    """A bare PUT; its status."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    if "token" not in user or "certificate-authority" not in cluster:
        pytest.skip("the bare client of this test logs in by a token and an authority's file only")
    headers = {"Authorization": f"Bearer {user['token']}", "Accept": accept, "Content-Type": "application/json"}
    request = urllib.request.Request(cluster["server"] + path, data=b"{}", headers=headers, method="PUT")
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def test_plain_json_is_refused_where_ours_is_accepted(cluster: Path, vm: Run, power: Run, namespace: str) -> None:
    vm(run_strategy="Halted")
    start = VM_ACTION.path(namespace, "v", "start")
    assert raw_put(cluster, start, "application/json") == 406
    assert power("started")["changed"]


def test_check_mode_starts_nothing_though_a_dry_run_in_the_query_does(
    client: Any, cluster: Path, vm: Run, power: Run, namespace: str
) -> None:
    vm(run_strategy="Halted")
    assert power("started", check=True)["changed"]
    assert client.get(VM, "v", namespace)["spec"]["runStrategy"] == "Halted" and not client.find(VMI, "v", namespace)
    assert raw_put(cluster, VM_ACTION.path(namespace, "v", "start") + "?dryRun=All", "*/*") == 202
    assert client.get(VM, "v", namespace)["spec"]["runStrategy"] == "Always"


def test_check_mode_pauses_and_restarts_nothing(client: Any, vm: Run, power: Run, namespace: str) -> None:
    vm()
    before = client.get(VMI, "v", namespace)
    assert power("paused", check=True)["changed"] and power("restarted", check=True)["changed"]
    after = client.get(VMI, "v", namespace)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not [found for found in after["status"]["conditions"] if found["type"] == "Paused"]


def test_conflicts_of_a_state_that_is_there_are_not_sent(client: Any, vm: Run, power: Run, namespace: str) -> None:
    vm()
    with pytest.raises(Conflict, match="already running"):
        client.put(VM_ACTION, "v", namespace, subresource="start")
    for check in (True, False):
        again = power("started", check=check)
        assert not again["changed"] and again["requests"]["writes"] == 0
    power("stopped")
    with pytest.raises(Conflict, match="not running"):
        client.put(VM_ACTION, "v", namespace, subresource="stop")
    again = power("stopped")
    assert not again["changed"] and again["requests"]["writes"] == 0


def test_a_start_while_the_last_instance_ends(client: Any, vm: Run, power: Run, namespace: str) -> None:
    vm()
    power("stopped", wait=False)
    with pytest.raises(Conflict, match="already running"):
        client.put(VM_ACTION, "v", namespace, subresource="start")
    assert power("started")["vms"][0]["ready"]


def test_stopped_means_that_the_instance_is_gone(client: Any, vm: Run, power: Run, namespace: str) -> None:
    vm()
    client.put(VM_ACTION, "v", namespace, subresource="stop")
    assert client.find(VMI, "v", namespace)
    power("stopped")
    assert not client.find(VMI, "v", namespace)


def test_once_becomes_always_and_the_result_says_so(vm: Run, power: Run) -> None:
    vm(run_strategy="Once")
    assert power("stopped")["vms"][0]["run_strategy"] == "Halted"
    assert power("started")["vms"][0]["run_strategy"] == "Always"


def test_a_restart_ends_with_another_instance(client: Any, vm: Run, power: Run, namespace: str) -> None:
    vm()
    before = client.get(VMI, "v", namespace)["metadata"]["uid"]
    done = power("restarted")["vms"][0]
    assert done["ready"] and done["instance"]["uid"] not in (before, None)


def test_a_label_leaves_the_run_strategy_alone(client: Any, vm: Run, namespace: str) -> None:
    vm(run_strategy="Manual")
    before = client.get(VM, "v", namespace)["spec"]
    changed = vm(whole=False, labels={"app": "shop"})
    after = client.get(VM, "v", namespace)["spec"]
    assert changed["changed"] and changed["requests"]["writes"] == 1 and after == before
    assert after["runStrategy"] == "Manual" and "running" not in after


def test_a_status_that_moves_is_no_change(vm: Run) -> None:
    vm(wait=False)
    for _again in range(3):
        again = vm(wait=False)
        assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}, again


def test_starting_a_missing_machine_makes_none(client: Any, power: Run, namespace: str) -> None:
    missing = power("started")
    assert missing["failed"] and f"VirtualMachine {namespace}/v: does not exist" in missing["msg"]
    assert not client.find(VM, "v", namespace) and missing["requests"]["writes"] == 0


def test_a_list_is_merged_by_name_and_keeps_mac_addresses(client: Any, vm: Run, namespace: str) -> None:
    vm(run_strategy="Halted", networks=[{"name": "default", "mac": "02:00:00:00:00:01"}])
    vm(whole=False, networks=[{"name": "default", "model": "e1000"}])

    def interface() -> dict[str, Any]:
        found = client.get(VM, "v", namespace)["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"]
        return dict(found[0])

    assert interface()["macAddress"] == "02:00:00:00:00:01" and interface()["model"] == "e1000"
    naive = {"interfaces": [{"name": "default", "masquerade": {}}]}
    client.patch(VM, "v", {"spec": {"template": {"spec": {"domain": {"devices": naive}}}}}, namespace)
    assert "macAddress" not in interface()


def test_firmware_that_the_server_filled_in_stays(client: Any, vm: Run, namespace: str) -> None:
    vm(run_strategy="Halted")
    first = client.get(VM, "v", namespace)
    firmware = first["spec"]["template"]["spec"]["domain"]["firmware"]
    assert firmware["uuid"] and firmware["serial"]
    assert not vm(run_strategy="Halted")["changed"]
    vm(run_strategy="Halted", memory="192Mi")
    kept = client.get(VM, "v", namespace)["spec"]["template"]["spec"]["domain"]["firmware"]
    assert kept == firmware


def test_quantities_in_other_words_are_no_change(vm: Run) -> None:
    vm(run_strategy="Halted", memory="1024Mi", requests={"cpu": "1000m"})
    again = vm(run_strategy="Halted", memory="1Gi", requests={"cpu": "1"})
    assert not again["changed"] and again["requests"]["writes"] == 0


def test_restart_required_and_its_end_with_the_old_value(client: Any, vm: Run, namespace: str) -> None:
    vm()
    assert vm(memory="192Mi")["restart_required"] == [f"{namespace}/v"]
    back = vm()
    assert back["changed"] and back["restart_required"] == []


def test_a_live_field_needs_no_restart(vm: Run) -> None:
    vm()
    assert vm(tolerations=[{"key": "a", "operator": "Exists"}])["restart_required"] == []


def test_a_patch_of_the_status_does_nothing_on_the_server(client: Any, vm: Run, namespace: str) -> None:
    vm(run_strategy="Halted")
    before = client.get(VM, "v", namespace)["metadata"]["generation"]
    client.patch(VM, "v", {"status": {"ready": True}}, namespace)
    after = client.get(VM, "v", namespace)
    assert after["metadata"]["generation"] == before and "ready" not in after["status"]
    assert vm(run_strategy="Halted")["vms"][0]["ready"] is False


def test_what_the_server_leaves_out_is_a_boolean_here(client: Any, vm: Run, module: Run, namespace: str) -> None:
    vm(run_strategy="Halted")
    assert "ready" not in client.get(VM, "v", namespace).get("status", {})
    shown = module("vm_info", name="v", namespaces=[namespace])["vms"][0]
    assert shown["ready"] is False and shown["created"] is False and shown["instance"] is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"node_selector": {"no": "such"}}, "ErrorUnschedulable"),
        ({"disks": [{"name": "d", "pvc": "missing"}]}, "ErrorPvcNotFound"),
        ({"disks": [{"name": "d", "data_volume": "missing"}]}, "ErrorPvcNotFound"),
    ],
)
def test_an_error_state_fails_with_its_reason(vm: Run, options: dict[str, Any], reason: str) -> None:
    failed = vm(unschedulable_grace=1, **options)
    assert failed["failed"] and failed["changed"] and reason in failed["msg"], failed
    assert "will not become ready" in failed["msg"] and failed["error"]["fix"]


def test_a_failure_in_a_condition_only_ends_the_wait(client: Any, vm: Run, namespace: str) -> None:
    failed = vm(memory=None, instancetype={"name": "missing"})
    assert failed["failed"] and "FailedFindInstancetype" in failed["msg"], failed
    assert "will not become ready" in failed["msg"]
    # Who looks at this alone waits for good.
    assert client.get(VM, "v", namespace)["status"]["printableStatus"] == "Stopped"


def test_an_unknown_field_is_named_when_made_and_when_changed(client: Any, vm: Run, namespace: str) -> None:
    spec = {"template": {"spec": {"domain": {"cpus": 2}}}}
    for state, code in (("made", 400), ("changed", 422)):
        refused = vm(whole=False, memory="64Mi", run_strategy="Halted", spec=spec)
        assert refused["failed"] and "cpus" in refused["msg"] and refused["error"]["status"] == code, (state, refused)
        vm(run_strategy="Halted")


def test_a_wrong_type_deep_in_the_spec_names_machine_and_reason(vm: Run, namespace: str) -> None:
    refused = vm(whole=False, spec={"template": {"spec": {"domain": {"cpu": {"cores": -1}}}}})
    assert refused["failed"] and f"VirtualMachine {namespace}/v" in refused["msg"] and "cores" in refused["msg"]
    assert not refused["changed"]


def test_a_refusal_in_the_shape_of_a_500_is_told(client: Any, vm: Run, namespace: str, module: Run) -> None:
    vm()
    with pytest.raises(ApiError) as caught:
        client.put(VMI_ACTION, "v", namespace, subresource="freeze")
    assert caught.value.status == 500
    refused = module("vmi", name="v", namespace=namespace, state="frozen")
    assert refused["failed"] and "no guest agent is connected" in refused["msg"]
    assert refused["requests"]["writes"] == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "n" * 64}, "name:"),
        ({"memory": "0"}, "memory"),
        ({"memory": "-1Gi"}, "memory"),
        ({"termination_grace_period": -1}, "termination_grace_period"),
        ({"disks": [{"name": "d", "pvc": ""}]}, "d"),
    ],
)
def test_what_the_admission_lets_through_is_a_fault_of_the_parameters(
    vm: Run, options: dict[str, Any], told: str
) -> None:
    refused = vm(**options)
    assert refused["failed"] and told in refused["msg"] and not refused.get("changed"), refused
    assert refused["error"].get("faults"), refused


def test_an_unknown_priority_class_is_refused_before_anything_changes(client: Any, module: Run, namespace: str) -> None:
    vms = [{"name": "a"}, {"name": "b", "priority_class": "missing"}]
    options: dict[str, Any] = {"vms": vms, "namespace": namespace, "defaults": {"run_strategy": "Halted"}}
    for check in (True, False):
        refused = module("vm", check=check, **options)
        (fault,) = refused["error"]["faults"]
        assert fault.startswith(f"VirtualMachine {namespace}/b: priority_class: PriorityClass missing is not there")
        assert "placement_priority_classes" in fault and "kubevirt-cluster-critical" in fault
        assert (refused["changed"], refused["requests"]) == (False, {"reads": 2, "writes": 0, "watches": 0})
    assert not client.list(VM, namespace).items
    alone = module("vmi", name="b", namespace=namespace, spec={"priorityClassName": "missing"})
    assert f"VirtualMachineInstance {namespace}/b: spec.priorityClassName:" in alone["msg"] and not alone["changed"]
    assert alone["requests"]["writes"] == 0


def test_a_machine_whose_class_was_deleted_stays_as_it_is(client: Any, vm: Run) -> None:
    body = {"apiVersion": PRIORITY_CLASS.api_version, "kind": PRIORITY_CLASS.kind, "value": 1}
    client.create(PRIORITY_CLASS, {**body, "metadata": {"name": "for-a-while"}})
    try:
        made = vm(priority_class="for-a-while")
    finally:
        client.delete(PRIORITY_CLASS, "for-a-while")
    assert not made.get("failed") and made["changed"], made
    again = vm(priority_class="for-a-while")
    assert not again.get("failed") and not again["changed"], again
    assert again["requests"] == {"reads": 1, "writes": 0, "watches": 0}
    refused = vm(priority_class="for-a-while", template_labels={"a": "b"})
    assert refused["failed"] and not refused["changed"] and "for-a-while is not there" in refused["msg"], refused
    stopped = vm(priority_class="for-a-while", run_strategy="Halted")
    assert not stopped.get("failed") and stopped["changed"], stopped
