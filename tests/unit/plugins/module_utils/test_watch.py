# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror of objects that watches feed, against a scripted server."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import POD, VMI
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.watch import Mirror


def item(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "a", "resourceVersion": str(version)}}


def stream(*events: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(json.dumps({"type": kind, "object": found}).encode() + b"\n" for kind, found in events)


def until(mirror: Mirror, name: str, expected: dict[str, str]) -> None:
    end = time.monotonic() + 5
    while {
        key[1]: str(found["metadata"]["resourceVersion"]) for key, found in mirror.objects(name).items()
    } != expected:
        assert time.monotonic() < end, mirror.objects(name)
        mirror.wait(0.1)


def test_it_goes_on_from_what_was_read(api: Any, reply: Any) -> None:
    events = stream(("MODIFIED", item("x", 7)), ("DELETED", item("y", 8)), ("ADDED", item("z", 9)))
    api.says(reply(body=events), *[reply(body=b"")] * 30)
    mirror = Mirror(api.client(), 5)
    mirror.follow("machines", VMI, {"a": "5"}, [item("x", 4), item("y", 5)])
    assert mirror.follows("machines") and not mirror.follows("pods") and mirror.objects("pods") == {}
    until(mirror, "machines", {"x": "7", "z": "9"})
    mirror.close()
    assert "resourceVersion=5" in api.asked[0].path


def test_a_scope_without_a_version_needs_no_read(api: Any, reply: Any) -> None:
    api.says(reply(body=stream(("ADDED", item("p", 3)))), *[reply(body=b"")] * 30)
    client = api.client()
    mirror = Mirror(client, 5)
    mirror.follow("pods", POD, {"a": ""}, label_selector="job")
    until(mirror, "pods", {"p": "3"})
    mirror.close()
    assert client.requests.reads == 0 and "resourceVersion" not in api.asked[0].path
    assert "labelSelector=job" in api.asked[0].path


def test_a_version_that_is_forgotten_drops_what_is_gone(api: Any, reply: Any) -> None:
    listing = {"metadata": {"resourceVersion": "9"}, "items": [item("x", 9)]}
    api.says(reply(410, {"reason": "Expired"}), reply(body=listing), *[reply(body=b"")] * 30)
    mirror = Mirror(api.client(), 5)
    mirror.follow("pods", POD, {"a": "5"}, [item("x", 4), item("gone", 5)])
    until(mirror, "pods", {"x": "9"})
    mirror.close()


def test_what_is_older_than_an_own_write_is_not_believed(api: Any, reply: Any) -> None:
    api.says(reply(body=stream(("MODIFIED", item("x", 6)), ("ADDED", item("y", 7)))), *[reply(body=b"")] * 30)
    mirror = Mirror(api.client(), 5)
    mirror.remember("machines", item("x", 8))
    mirror.follow("machines", VMI, {"a": "5"})
    until(mirror, "machines", {"x": "8", "y": "7"})
    mirror.close()


def test_a_watch_that_cannot_go_on_is_told(api: Any, reply: Any) -> None:
    api.says(*[reply(403, {"message": "may not watch"})] * 3)
    mirror = Mirror(api.client(), 5)
    mirror.follow("machines", VMI, {"a": "5"})
    with pytest.raises(HaError, match="may not watch"):
        mirror.wait(5)
    mirror.close()


def test_a_watch_that_one_can_do_without_ends_by_itself(api: Any, reply: Any) -> None:
    api.says(reply(403, {"message": "may not watch"}))
    mirror = Mirror(api.client(), 5)
    mirror.follow("targets", POD, {"a": ""}, optional=True)
    mirror.wait(0.5)
    assert mirror.objects("targets") == {} and len(api.asked) == 1
    mirror.close()


def test_a_silent_watch_is_made_up_for_by_a_last_look(api: Any, reply: Any) -> None:
    def answer(asked: Any) -> Any:
        if "watch=true" in asked.path:
            return reply(body=b"")
        return reply(body={"metadata": {"resourceVersion": "9"}, "items": [item("x", 9)]})

    api.says(*[answer] * 60)
    mirror = Mirror(api.client(), 5)
    mirror.follow("machines", VMI, {"a": "5"}, [item("x", 5), item("gone", 4)])
    mirror.wait(0.1)
    assert {key[1] for key in mirror.objects("machines")} == {"x", "gone"}
    mirror.look_again()
    assert [found["metadata"]["resourceVersion"] for found in mirror.objects("machines").values()] == ["9"]
    mirror.close()
