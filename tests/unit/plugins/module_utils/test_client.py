# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retries, paging, log-in and watches, against a scripted server."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import transport
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    Gone,
    HaError,
    NotFound,
    Refused,
    without_password,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NODE, POD, VM, VM_ACTION


def status(code: int, reason: str = "", message: str = "no", **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}


def page(names: list[str], version: str, more: str | None = None) -> dict[str, Any]:
    items = [{"metadata": {"name": name, "namespace": "a"}} for name in names]
    return {"metadata": {"resourceVersion": version, **({"continue": more} if more else {})}, "items": items}


def test_a_list_goes_by_pages_of_500(api: Any, reply: Any) -> None:
    api.says(reply(body=page(["a"], "7", "next")), reply(body=page(["b"], "7")))
    client = api.client()
    found = client.list(VM, "a")
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]
    assert found.resource_version == "7"
    assert "limit=500" in api.asked[0].path and "continue=next" in api.asked[1].path
    assert client.requests.as_dict() == {"reads": 2, "writes": 0, "watches": 0}


def test_a_list_that_expired_between_pages_begins_anew(api: Any, reply: Any) -> None:
    expired = reply(410, status(410, "Expired"))
    api.says(reply(body=page(["a"], "7", "next")), expired, reply(body=page(["a", "b"], "9")))
    found = api.client().list(VM)
    assert len(found.items) == 2 and found.resource_version == "9"


def test_a_list_that_expires_again_and_again_ends(api: Any, reply: Any) -> None:
    api.says(*[reply(410, status(410, "Expired"))] * 3)
    with pytest.raises(Gone):
        api.client().list(VM)


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_read_is_tried_again_after_a_server_error(api: Any, reply: Any, code: int) -> None:
    api.says(reply(code, status(code)), reply(body={"kind": "Node"}))
    client = api.client()
    assert client.get(NODE, "n1") == {"kind": "Node"}
    assert client.requests.reads == 2


def test_429_waits_as_long_as_the_server_says(api: Any, reply: Any) -> None:
    api.says(reply(429, status(429, "TooManyRequests"), {"Retry-After": "1"}), reply(body={}))
    begun = time.monotonic()
    api.client().patch(VM, "v", {}, "a")
    assert time.monotonic() - begun >= 0.75


def test_429_without_retry_after_is_an_answer(api: Any, reply: Any) -> None:
    # So KubeVirt says that an eviction has begun to migrate the machine.
    api.says(reply(429, status(429, message="Eviction triggered evacuation of VMI")))
    with pytest.raises(ApiError, match="triggered evacuation") as caught:
        api.client().create(POD, {}, "a", name="virt-launcher-x", subresource="eviction")
    assert caught.value.status == 429 and len(api.asked) == 1


def test_a_500_to_a_subresource_is_an_answer(api: Any, reply: Any) -> None:
    # KubeVirt says many refusals with 500: they are not tried again.
    api.says(reply(500, status(500, "InternalError", "in-flight migration detected")))
    with pytest.raises(ApiError, match="in-flight migration"):
        api.client().put(VM_ACTION, "v", "a", subresource="restart")
    assert len(api.asked) == 1


def test_a_write_is_tried_again_where_a_webhook_was_out_of_reach(api: Any, reply: Any) -> None:
    refused = status(500, "InternalError", 'failed calling webhook "virtualmachine-validator.kubevirt.io": refused')
    api.says(reply(500, refused), reply(201, {"ok": 1}))
    client = api.client()
    assert client.create(VM, {"metadata": {"name": "v"}}, "a") == {"ok": 1}
    assert client.requests.writes == 2


def test_patience_ends(api: Any, reply: Any) -> None:
    api.says(*[reply(503, status(503, "ServiceUnavailable", "starting"))] * 20)
    with pytest.raises(ApiError, match="starting"):
        api.client(patience=0.5).get(NODE, "n1")


def test_a_cut_connection_is_tried_again_and_the_conflict_that_follows_is_known_to_be_ambiguous(
    api: Any, reply: Any
) -> None:
    api.says(reply(cut=True), reply(409, status(409, "AlreadyExists", 'virtualmachines "v" already exists')))
    with pytest.raises(Conflict) as caught:
        api.client().create(VM, {"metadata": {"name": "v"}}, "a")
    assert caught.value.ambiguous


def test_what_must_not_be_done_twice_is_not_sent_again_once_it_may_have_been_done(api: Any, reply: Any) -> None:
    api.says(reply(cut=True))
    with pytest.raises(ConnectionFailed, match="may have been carried out") as caught:
        api.client().put(VM_ACTION, "v", "a", subresource="restart", repeat=False)
    assert caught.value.ambiguous and len(api.asked) == 1
    api.says(reply(504, status(504)))
    with pytest.raises(ApiError) as given_up:
        api.client().put(VM_ACTION, "v", "a", subresource="restart", repeat=False)
    assert given_up.value.ambiguous and len(api.asked) == 2


def test_a_read_that_is_cut_is_not_ambiguous(api: Any, reply: Any) -> None:
    api.says(*[reply(cut=True)] * 20)
    with pytest.raises(ConnectionFailed) as caught:
        api.client(patience=0.3).get(NODE, "n1")
    assert not caught.value.ambiguous


def test_429_without_a_time_is_load_where_nothing_is_evicted(api: Any, reply: Any) -> None:
    api.says(reply(429, status(429, "TooManyRequests")), reply(body={}))
    api.client().patch(VM, "v", {}, "a")
    assert len(api.asked) == 2


def test_an_outage_is_waited_for_once_and_not_by_each_request(api: Any, reply: Any) -> None:
    api.says(*[reply(503, status(503))] * 50)
    client = api.client(patience=1.0)
    with pytest.raises(ApiError):
        client.get(NODE, "n1")
    before = len(api.asked)
    for _again in range(3):
        with pytest.raises(ApiError):
            client.get(NODE, "n1")
    assert len(api.asked) - before < 3 * before - 3
    api.replies.clear()
    api.says(reply(body={}), reply(503, status(503)), reply(body={}))
    client.get(NODE, "n1")
    client.get(NODE, "n1")


@pytest.mark.parametrize("code", [302, 401, 404, 409])
def test_an_outage_ends_with_any_answer_of_the_server(api: Any, reply: Any, code: int) -> None:
    api.says(reply(cut=True), reply(code, status(code)))
    client = api.client(patience=0.4)
    with pytest.raises(ApiError):
        client.get(NODE, "n1")
    time.sleep(0.5)
    api.says(reply(cut=True), reply(body={"kind": "Node"}))
    assert client.get(NODE, "n1") == {"kind": "Node"}


def test_a_server_that_asks_to_come_back_later_does_not_end_an_outage(api: Any, reply: Any) -> None:
    api.says(reply(cut=True), reply(429, status(429), {"Retry-After": "9"}))
    client = api.client(patience=0.4)
    with pytest.raises(ApiError):
        client.get(NODE, "n1")
    time.sleep(0.5)
    api.says(reply(cut=True))
    with pytest.raises(ConnectionFailed):
        client.get(NODE, "n1")
    assert len(api.asked) == 3


def test_a_plain_conflict_is_not_ambiguous(api: Any, reply: Any) -> None:
    api.says(reply(409, status(409, "Conflict")))
    with pytest.raises(Conflict) as caught:
        api.client().patch(VM, "v", {}, "a")
    assert not caught.value.ambiguous


def test_a_server_that_is_away_is_named() -> None:
    client = Client(Connection(host="http://127.0.0.1:1"), patience=0.3)
    with pytest.raises(ConnectionFailed, match=r"Node n1: .*cannot be reached: http://127\.0\.0\.1:1"):
        client.get(NODE, "n1")


def test_subresources_are_asked_for_any_kind_of_answer(api: Any, reply: Any) -> None:
    # KubeVirt's PUT subresources answer 406 to `Accept: application/json`, and success with an empty body.
    api.says(reply(202, b""))
    assert api.client().put(VM_ACTION, "v", "a", subresource="start", body={"dryRun": ["All"]}) == {}
    asked = api.asked[0]
    assert asked.path == "/apis/subresources.kubevirt.io/v1/namespaces/a/virtualmachines/v/start"
    assert "*/*" in asked.headers["Accept"] and asked.body == {"dryRun": ["All"]}


def test_writes_are_strict_about_fields_and_dry_runs_count_as_reads(api: Any, reply: Any) -> None:
    api.says(reply(201, {}), reply(200, {}), reply(200, {}))
    client = api.client()
    client.create(VM, {"metadata": {"name": "v"}}, "a", dry_run=True)
    client.patch(VM, "v", {}, "a")
    client.delete(VM, "v", "a", uid="u", dry_run=True)
    assert "fieldValidation=Strict" in api.asked[0].path and "dryRun=All" in api.asked[0].path
    assert api.asked[1].headers["Content-Type"] == "application/merge-patch+json"
    assert api.asked[2].body == {"preconditions": {"uid": "u"}, "dryRun": ["All"]}
    assert client.requests.as_dict() == {"reads": 2, "writes": 1, "watches": 0}


def test_a_delete_of_what_is_gone_says_so(api: Any, reply: Any) -> None:
    api.says(reply(404, status(404, "NotFound")))
    assert api.client().delete(VM, "v", "a") is False


def test_a_token_that_expired_is_read_anew_once(api: Any, reply: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    client = api.client(token_file=str(token))
    token.write_text("new\n")
    api.says(reply(401, status(401, "Unauthorized")), reply(body={"kind": "Node"}))
    assert client.get(NODE, "n1") == {"kind": "Node"}
    assert [asked.headers["Authorization"] for asked in api.asked] == ["Bearer old", "Bearer new"]
    api.says(reply(401, status(401, "Unauthorized", "Unauthorized")))
    with pytest.raises(ApiError, match="may have expired"):
        client.get(NODE, "n1")


@pytest.mark.parametrize(
    ("login", "pair"),
    [
        ("ops:p%40ss@", "ops:p@ss"),
        ("ops:p@ss@", "ops:p@ss"),
        ("ops:p%C3%A4%3A@", "ops:pä:"),
        ("ops@", "ops:"),
        ("", None),
    ],
)
def test_a_proxy_is_logged_in_to_by_its_url(api: Any, reply: Any, login: str, pair: str | None) -> None:
    proxy = api.url.replace("http://", f"http://{login}")
    expected = pair and "Basic " + base64.b64encode(pair.encode()).decode()
    api.says(reply(body={"kind": "Node"}), reply(407))
    assert Client(Connection(host="http://cluster.invalid", proxy=proxy)).get(NODE, "n1") == {"kind": "Node"}
    with pytest.raises(ConnectionFailed, match="407") as caught:
        Client(Connection(host="https://cluster.invalid", proxy=proxy, verify=False), patience=0).get(NODE, "n1")
    assert [asked.method for asked in api.asked] == ["GET", "CONNECT"]
    headers = [{name.lower(): value for name, value in asked.headers.items()} for asked in api.asked]
    assert [found.get("proxy-authorization") for found in headers] == [expected] * 2
    assert "p%40ss" not in str(caught.value) and "p@ss" not in str(caught.value)
    assert "ss@" not in without_password(proxy)


@pytest.mark.parametrize("proxy", ["ops:hunter2@proxy:3128", "http://ops:hunter2#@proxy", "http://ops:hunter2/@proxy"])
def test_a_proxy_url_that_is_none_is_named_without_its_password(proxy: str) -> None:
    with pytest.raises(ConnectionFailed, match="the proxy's URL cannot be used.*Write http://address:port") as caught:
        Client(Connection(host="https://cluster.invalid", proxy=proxy, verify=False))
    assert "hunter2" not in str(caught.value) and caught.value.__cause__ is None


def test_who_acts_as_another_says_so(api: Any, reply: Any) -> None:
    api.says(reply(body={}))
    connection = Connection(host=api.url, token="t", impersonate_user="u", impersonate_groups=("g", "h"))
    Client(connection).get(NODE, "n1")
    headers = api.asked[0].headers
    assert headers["Impersonate-User"] == "u" and headers["Authorization"] == "Bearer t"


def test_a_refusal_that_quotes_the_object_does_not_show_its_user_data(api: Any, reply: Any) -> None:
    quoted = json.dumps(json.dumps({"spec": {"userData": "hunter2", "a": 'b"c'}}))
    message = f' "" is invalid: patch: Invalid value: {quoted}: strict decoding error: unknown field "spec.foo"'
    details = {"causes": [{"field": "patch", "message": f"Invalid value: {quoted}"}]}
    api.says(reply(422, status(422, "Invalid", message, **details)))
    with pytest.raises(ApiError) as caught:
        api.client().patch(VM, "v", {}, "a")
    assert "hunter2" not in json.dumps(caught.value.as_dict()) + str(caught.value)
    assert 'unknown field "spec.foo"' in str(caught.value)


def test_the_fields_of_the_causes_are_named(api: Any, reply: Any) -> None:
    causes = [{"field": "spec.running", "message": "RunStrategy must be specified", "reason": "FieldValueInvalid"}]
    api.says(reply(422, status(422, "Invalid", "RunStrategy must be specified", causes=causes)))
    with pytest.raises(ApiError, match=r"in spec\.running"):
        api.client().create(VM, {"metadata": {"name": "v"}}, "a")


@pytest.mark.parametrize("body", [b"<html>log in: hunter2</html>", b"[]", b'"hunter2"', b"\xff\xfe", b'{"kind": '])
def test_a_success_that_is_no_object_is_an_error(api: Any, reply: Any, body: bytes) -> None:
    # So a log-in page of a proxy between answers.
    api.says(*[reply(body=body)] * 3)
    client = api.client()
    for ambiguous, ask in (
        (False, lambda: client.find(VM, "v", "a")),
        (True, lambda: client.patch(VM, "v", {}, "a")),
        (False, lambda: client.patch(VM, "v", {}, "a", dry_run=True)),
    ):
        with pytest.raises(HaError, match="VirtualMachine a/v: the answer is no object: .*a proxy between") as caught:
            ask()
        assert caught.value.ambiguous is ambiguous
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"404 page not found\n", b"[]"])
def test_an_answer_without_a_status_object_still_makes_an_error(api: Any, reply: Any, body: bytes) -> None:
    api.says(reply(404, body))
    with pytest.raises(NotFound) as caught:
        api.client().get(VM, "v", "a")
    assert str(caught.value).startswith("VirtualMachine a/v: could not be read: ")


def events(*found: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(json.dumps({"type": kind, "object": item}).encode() + b"\n" for kind, item in found)


def test_a_watch_yields_its_events_and_ends_quietly_where_it_is_cut(api: Any, reply: Any) -> None:
    whole = events(("ADDED", {"metadata": {"name": "v"}}), ("BOOKMARK", {"metadata": {}}))
    api.says(reply(body=whole + b'{"type": "MODI', headers={"Content-Length": str(len(whole) + 200)}))
    client = api.client()
    found = [event.type for event in client.watch(VM, "a", resource_version="5", seconds=1)]
    assert found == ["ADDED", "BOOKMARK"]
    assert "resourceVersion=5" in api.asked[0].path and client.requests.watches == 1


@pytest.mark.parametrize("as_event", [True, False])
def test_a_watch_from_a_version_that_is_forgotten_says_so(api: Any, reply: Any, as_event: bool) -> None:
    gone = status(410, "Expired", "too old resource version")
    api.says(reply(body=events(("ERROR", gone))) if as_event else reply(410, gone))
    with pytest.raises(Gone, match="too old"):
        list(api.client().watch(VM, "a", resource_version="5", seconds=1))


def test_trouble_inside_the_server_ends_a_watch_as_an_old_version_does(api: Any, reply: Any) -> None:
    api.says(reply(body=events(("ERROR", status(500, "InternalError", "etcdserver: no leader")))))
    with pytest.raises(Gone, match="no leader"):
        list(api.client().watch(VM, "a", resource_version="5", seconds=1))


def test_a_watch_that_falls_silent_ends(api: Any, reply: Any) -> None:
    api.says(reply(body=events(("ADDED", {"metadata": {}})), headers={"Content-Length": "5000"}))
    found = list(api.client(timeout=0.5).watch(VM, "a", resource_version="5", seconds=200))
    assert [event.type for event in found] == ["ADDED"]


def test_importing_the_client_leaves_the_large_package_alone() -> None:
    # Importing it takes longer than creating 200 objects.
    assert "kubernetes" not in {name.split(".")[0] for name in vars(transport)}


def test_the_servers_version_and_clock(api: Any, reply: Any) -> None:
    api.says(reply(body={"gitVersion": "v1.34.4"}), reply(body=b"no JSON"))
    version, moment = api.client().server()
    assert version == "v1.34.4" and moment is not None and abs(moment - time.time()) < 60
    assert api.client().server() == ("unknown", None)
    assert api.asked[0].path == "/version"


@pytest.mark.parametrize("call", ["get", "delete"])
def test_an_empty_name_never_stands_for_all_objects(api: Any, call: str) -> None:
    with pytest.raises(Refused, match="by an empty name"):
        getattr(api.client(), call)(VM, "", "shop")
    assert api.asked == []
