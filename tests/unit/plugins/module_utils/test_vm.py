# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of machines, and how they are carried out where the server gets in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, vm
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Plan

OPTIONS = {"name": "v", "namespace": "a"}
QUICK = objects.Settings(wait=False)


def make_plan(options: dict[str, Any], current: Any) -> Plan:
    return objects.make_plan(vm.kind(), options, current)


def stored(version: int = 5, **more: Any) -> dict[str, Any]:
    meta = {"name": "v", "namespace": "a", "uid": "u", "resourceVersion": str(version), "labels": {"a": "1"}}
    spec = {"runStrategy": "Manual", "template": {"spec": {"domain": {"memory": {"guest": "1Gi"}}}}}
    return {"metadata": {**meta, **more.pop("metadata", {})}, "spec": spec, "status": more.pop("status", {})}


def refusal(reply: Any, code: int, reason: str, message: str = "no") -> Any:
    return reply(code, {"kind": "Status", "reason": reason, "message": message})


def one(api: Any, options: dict[str, Any], settings: objects.Settings = QUICK) -> tuple[dict[str, Any], Any, Any]:
    client = api.client()
    outcome = vm.apply(client, [{**OPTIONS, **options}], settings)
    done = outcome.done[0]
    return vm.result(outcome, done), done, client.requests.as_dict()


@pytest.mark.parametrize(
    ("options", "current", "action"),
    [
        ({"memory": "1Gi"}, None, "created"),
        ({"memory": "1024Mi"}, stored(), "unchanged"),
        ({"memory": "2Gi"}, stored(), "changed"),
        ({"state": "absent"}, None, "unchanged"),
        ({"state": "absent"}, stored(), "deleted"),
        ({"state": "absent"}, stored(metadata={"deletionTimestamp": "now"}), "unchanged"),
    ],
)
def test_a_plan_for_each_state(options: dict[str, Any], current: Any, action: str) -> None:
    assert make_plan({**OPTIONS, **options}, current).action == action


def test_a_machine_that_is_being_deleted_is_not_changed() -> None:
    with pytest.raises(Refused, match="a/v: cannot be changed, it is being deleted. Wait until it is gone"):
        make_plan({**OPTIONS, "memory": "2Gi"}, stored(metadata={"deletionTimestamp": "now"}))


def test_a_label_change_leaves_run_strategy_and_resource_version_alone() -> None:
    body = make_plan({**OPTIONS, "labels": {"b": 2}}, stored()).body
    assert body == {"metadata": {"labels": {"b": "2"}}}


def test_a_list_is_changed_only_where_nobody_changed_the_object_meanwhile() -> None:
    body = make_plan({**OPTIONS, "disks": [{"name": "d", "pvc": "c"}]}, stored()).body
    assert body["metadata"] == {"resourceVersion": "5"}


@pytest.mark.parametrize(
    ("options", "created", "needed"),
    [
        ({"memory": "2Gi"}, True, True),
        ({"memory": "2Gi"}, False, False),
        ({"instancetype": {"name": "u"}}, True, True),
        ({"labels": {"x": "y"}}, True, False),
        ({"template_labels": {"x": "y"}}, True, False),
        ({"node_selector": {"x": "y"}}, True, False),
        ({"tolerations": [{"operator": "Exists"}]}, True, False),
        ({"termination_grace_period": 5}, True, True),
        ({"run_strategy": "Always"}, True, False),
    ],
)
def test_what_needs_a_restart(options: dict[str, Any], created: bool, needed: bool) -> None:
    current = stored(status={"created": True} if created else {})
    assert vm.needs_restart(make_plan({**OPTIONS, **options}, current)) is needed


def test_a_rerun_writes_nothing(api: Any, reply: Any) -> None:
    api.says(reply(body=stored(status={"printableStatus": "Stopped"})))
    result, _done, requests = one(api, {"memory": "1Gi", "labels": {"a": "1"}}, objects.Settings())
    assert result["action"] == "unchanged" and not result["changed"]
    assert requests == {"reads": 1, "writes": 0, "watches": 0}


def test_status_churn_is_no_change(api: Any, reply: Any) -> None:
    # Comparing whole objects used to report a changed status as changed.
    api.says(reply(body=stored(version=77, status={"printableStatus": "Running", "ready": True, "created": True})))
    result, _done, _requests = one(api, {"labels": {"a": "1"}})
    assert not result["changed"]


def test_a_lost_race_is_tried_again_on_a_fresh_read(api: Any, reply: Any) -> None:
    fresh = stored(version=6, metadata={"labels": {"a": "1", "theirs": "x"}})
    api.says(
        reply(body=stored()),
        refusal(reply, 409, "Conflict"),
        reply(body=fresh),
        lambda asked: reply(body={**fresh, "spec": asked.body["spec"]}),
    )
    result, done, requests = one(api, {"disks": [{"name": "d", "pvc": "c"}]})
    assert result["changed"] and done.error is None
    assert api.asked[3].body["metadata"] == {"resourceVersion": "6"}
    assert requests == {"reads": 2, "writes": 2, "watches": 0}


def test_a_race_that_is_lost_again_and_again_ends(api: Any, reply: Any) -> None:
    api.says(*[reply(body=stored()), refusal(reply, 409, "Conflict", "the object has been modified")] * 5)
    result, done, requests = one(api, {"memory": "2Gi"})
    assert result["action"] == "failed" and not result["changed"]
    assert "has been modified" in str(done.error)
    assert requests["writes"] == 5


def test_a_machine_that_another_made_meanwhile_is_changed_not_made_twice(api: Any, reply: Any) -> None:
    api.says(
        refusal(reply, 404, "NotFound"),
        refusal(reply, 409, "AlreadyExists"),
        reply(body=stored()),
        reply(body=stored(version=6)),
    )
    result, _done, _requests = one(api, {"memory": "2Gi"})
    assert result["action"] == "changed"
    assert [asked.method for asked in api.asked] == ["GET", "POST", "GET", "PATCH"]


def test_a_creation_whose_answer_was_lost_is_neither_repeated_nor_called_unchanged(api: Any, reply: Any) -> None:
    api.says(refusal(reply, 404, "NotFound"), reply(cut=True), refusal(reply, 409, "AlreadyExists"))
    made: list[Any] = []

    def read(_asked: Any) -> Any:
        body = api.asked[2].body
        made.append(body)
        return reply(body={**body, "metadata": {**body["metadata"], "uid": "u", "resourceVersion": "6"}})

    api.says(read)
    result, done, _requests = one(api, {"memory": "2Gi"})
    assert result["changed"] and done.error is None and made


def test_a_machine_that_went_meanwhile_is_made_anew(api: Any, reply: Any) -> None:
    api.says(
        reply(body=stored()),
        refusal(reply, 404, "NotFound"),
        refusal(reply, 404, "NotFound"),
        lambda asked: reply(201, {**asked.body, "metadata": {**asked.body["metadata"], "uid": "n"}}),
    )
    result, _done, _requests = one(api, {"memory": "2Gi"})
    assert result["action"] == "created" and result["uid"] == "n"


def test_a_missing_namespace_is_not_tried_again(api: Any, reply: Any) -> None:
    api.says(refusal(reply, 404, "NotFound"), refusal(reply, 404, "NotFound", 'namespaces "a" not found'))
    result, done, _requests = one(api, {"memory": "2Gi"})
    assert result["action"] == "failed" and "Create the namespace first" in str(done.error)
    assert len(api.asked) == 2


def test_a_deletion_meets_just_the_machine_that_was_read(api: Any, reply: Any) -> None:
    api.says(reply(body=stored()), reply(body={"kind": "Status"}))
    result, _done, _requests = one(api, {"state": "absent"})
    assert result["changed"] and api.asked[1].body == {"preconditions": {"uid": "u"}}


def test_check_mode_asks_the_server_and_writes_nothing(api: Any, reply: Any) -> None:
    api.says(refusal(reply, 404, "NotFound"), lambda asked: reply(201, {**asked.body, "status": {}}))
    result, _done, requests = one(api, {"memory": "1Gi"}, objects.Settings(check=True))
    assert result["changed"] and result["action"] == "created" and result["uid"] is None
    assert requests == {"reads": 2, "writes": 0, "watches": 0}
    assert "dryRun=All" in api.asked[1].path


def test_check_mode_foresees_a_refusal(api: Any, reply: Any) -> None:
    api.says(refusal(reply, 404, "NotFound"), refusal(reply, 422, "Invalid", "denied the request"))
    result, done, _requests = one(api, {"memory": "1Gi"}, objects.Settings(check=True))
    assert result["action"] == "failed" and "denied the request" in str(done.error)


def test_an_error_does_not_quote_the_user_data(api: Any, reply: Any) -> None:
    message = "spec.template.spec.volumes[0].userData: Invalid value: hunter2\\nline: too long"
    api.says(refusal(reply, 404, "NotFound"), refusal(reply, 422, "Invalid", message))
    result, done, _requests = one(api, {"cloud_init": {"user_data": "hunter2\nline"}})
    assert "hunter2" not in json.dumps(result) + str(done.error)


def test_one_bad_machine_does_not_stop_the_others(api: Any, reply: Any) -> None:
    def answer(asked: Any) -> Any:
        if asked.method == "GET":
            return reply(body={"metadata": {"resourceVersion": "5"}, "items": []})
        if asked.body["metadata"]["name"] == "bad":
            return refusal(reply, 422, "Invalid")
        return reply(201, asked.body)

    api.says(*[answer] * 4)
    options = [{"name": name, "namespace": "a", "memory": "1Gi"} for name in ("x", "bad", "z")]
    outcome = vm.apply(api.client(), options, QUICK)
    assert [vm.result(outcome, entry)["action"] for entry in outcome.done] == ["created", "failed", "created"]
    assert [asked.method for asked in api.asked].count("GET") == 1


def test_an_error_from_before_our_change_gets_time_to_pass(api: Any, reply: Any) -> None:
    broken = {"printableStatus": "ErrImagePull", "created": True}
    api.says(
        reply(body=stored(status=broken)),
        reply(body=stored(version=6, status=broken)),
        reply(
            body=json.dumps(
                {"type": "MODIFIED", "object": stored(version=7, status={"printableStatus": "Stopped"})}
            ).encode()
            + b"\n"
        ),
    )
    result, done, _requests = one(api, {"labels": {"x": "y"}}, objects.Settings(wait_timeout=5))
    assert done.error is None and result["status"] == "Stopped"


def test_a_diff_shows_what_a_person_can_set() -> None:
    current = stored(metadata={"managedFields": [1], "annotations": {"k": "v"}}, status={"ready": True})
    plan = make_plan({**OPTIONS, "memory": "2Gi"}, current)
    shown = objects.diff(vm.kind(), objects.Done(("a", "v"), plan))
    assert shown["before"]["spec"]["template"]["spec"]["domain"]["memory"] == {"guest": "1Gi"}
    assert shown["after"]["spec"]["template"]["spec"]["domain"]["memory"] == {"guest": "2Gi"}
    assert set(shown["before"]) == {"metadata", "spec"} and "managedFields" not in shown["before"]["metadata"]
    assert (
        objects.diff(vm.kind(), objects.Done(("a", "v"), make_plan({**OPTIONS, "state": "absent"}, current)))["after"]
        == {}
    )
