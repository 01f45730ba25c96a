# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import BadAnswer, Found
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.guest import Guest, Name, address_in, bad_answer

PATH = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachineinstances/web-1"
AGENT = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachineinstances/web-1/guestosinfo"


def vmi(ip: str = "10.0.0.5", phase: str = "Running", **meta: Any) -> dict[str, Any]:
    interfaces = [{"name": "default", "ipAddress": ip}, {"name": "storage", "ipAddresses": ["fd00::7"]}]
    return {"metadata": {"name": "web-1", **meta}, "status": {"phase": phase, "interfaces": interfaces}}


class TestAddress:
    def test_the_first_or_that_of_the_interface(self) -> None:
        assert address_in(vmi(), "") == "10.0.0.5"
        assert address_in(vmi(), "storage") == "fd00::7"
        assert address_in(vmi(""), "") == "fd00::7"

    @pytest.mark.parametrize(
        ("found", "interface", "kind", "said"),
        [
            (vmi(phase="Scheduling"), "", "not running", "is Scheduling"),
            (vmi(deletionTimestamp="now"), "", "not running", "is being deleted"),
            (vmi(""), "default", "no address", "no address for its interface default"),
            ({"metadata": {"name": "a"}, "status": {"phase": "Running"}}, "", "no address", "shows no address"),
        ],
    )
    def test_why_there_is_none(self, found: dict[str, Any], interface: str, kind: str, said: str) -> None:
        with pytest.raises(BadAnswer, match=said) as caught:
            address_in(found, interface)
        assert caught.value.kind == kind


class Asked:
    """A guest that answers as a test says; keeps the addresses it was asked at."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.good = True

    async def __call__(self, address: str) -> Found:
        self.addresses.append(address)
        if not self.good:
            raise BadAnswer("no", "http 503")
        return {"status": 200}


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def ask(guest: Guest) -> Any:
    """What comes of a question: what was found, or the kind of what went wrong."""
    try:
        return asyncio.run(guest.ask())
    except BadAnswer as error:
        return error.kind


class TestGuest:
    def guest(self, api: Any, executor: ThreadPoolExecutor, asked: Asked | None, *, agent: bool = False) -> Guest:
        client = api.client(patience=0)
        return Guest(client, executor, Name("shop", "web-1"), agent=agent, ask_at=asked)

    def test_the_address_is_read_once_and_again_after_a_failure(
        self, api: Any, reply: Any, executor: ThreadPoolExecutor
    ) -> None:
        asked = Asked()
        guest = self.guest(api, executor, asked)
        api.says(reply(200, vmi()), reply(200, vmi("10.0.0.6")))
        assert ask(guest) == {"status": 200, "address": "10.0.0.5"}
        assert ask(guest)["address"] == "10.0.0.5"
        assert [one.path for one in api.asked] == [PATH]
        asked.good = False
        assert ask(guest) == "http 503"
        asked.good = True
        assert ask(guest)["address"] == "10.0.0.6" and ask(guest)["address"] == "10.0.0.6"
        assert len(api.asked) == 2

    def test_an_api_that_is_away_does_not_make_it_look_down(
        self, api: Any, reply: Any, executor: ThreadPoolExecutor
    ) -> None:
        asked = Asked()
        guest = self.guest(api, executor, asked)
        api.says(reply(200, vmi()), *[reply(503, {"message": "away"})] * 2)
        asked.good = False
        assert ask(guest) == "http 503"
        asked.good = True
        assert ask(guest)["address"] == "10.0.0.5"
        assert asked.addresses == ["10.0.0.5"] * 2

    def test_without_an_address_nothing_is_known(self, api: Any, reply: Any, executor: ThreadPoolExecutor) -> None:
        asked = Asked()
        guest = self.guest(api, executor, asked)
        api.says(reply(503, {"message": "away"}), reply(404, {"message": "not found"}), reply(403, {"message": "no"}))
        assert [ask(guest) for _number in range(3)] == ["api", "no instance", "api"]
        assert asked.addresses == []

    def test_a_guest_that_is_gone_is_not_asked_at_its_old_address(
        self, api: Any, reply: Any, executor: ThreadPoolExecutor
    ) -> None:
        asked = Asked()
        guest = self.guest(api, executor, asked)
        api.says(reply(200, vmi()), reply(200, vmi(phase="Failed")), reply(404, {}))
        asked.good = False
        assert [ask(guest) for _number in range(3)] == ["http 503", "not running", "no instance"]
        assert len(asked.addresses) == 1

    def test_both_ways_must_answer(self, api: Any, reply: Any, executor: ThreadPoolExecutor) -> None:
        asked = Asked()
        guest = self.guest(api, executor, asked, agent=True)
        told = {"hostname": "web", "os": {"prettyName": "Debian 12", "name": "Debian"}}
        api.says(reply(200, told), reply(200, vmi()), reply(500, b"VMI does not have guest agent connected"))
        assert ask(guest) == {"guest_os": "Debian 12", "hostname": "web", "status": 200, "address": "10.0.0.5"}
        assert [one.path for one in api.asked] == [AGENT, PATH]
        assert ask(guest) == "no agent"
        assert len(asked.addresses) == 1

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (500, b'virtualmachineinstance.kubevirt.io "web-1" not found', "no instance"),
            (500, b"VMI is not running", "not running"),
            (500, b"VMI does not have guest agent connected", "no agent"),
            (409, b'{"message": "VMI does not have guest agent connected", "reason": "Conflict"}', "no agent"),
            (500, b"dial tcp: connection refused", "api"),
            (401, b"{}", "api"),
        ],
    )
    def test_what_kubevirt_says_of_an_agent(
        self, api: Any, reply: Any, executor: ThreadPoolExecutor, status: int, body: bytes, kind: str
    ) -> None:
        api.says(reply(status, body))
        assert ask(self.guest(api, executor, None, agent=True)) == kind

    def test_an_api_out_of_reach_says_nothing_of_the_guest(self) -> None:
        assert bad_answer(ConnectionFailed("cannot be reached")).kind == "api"
