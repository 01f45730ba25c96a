# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the guest of a virtual machine: through its agent, and at the address its instance has now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import vmi_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ApiError, HaError, NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import BadAnswer, Found
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VMI, VMI_ACTION

AskAt = Callable[[str], Coroutine[Any, Any, Found]]
# KubeVirt answers 500 with a sentence where the instance is not there, does not run, or has no agent.
_SAID = (("not found", "no instance"), ("not running", "not running"), ("guest agent", "no agent"))


@dataclass(frozen=True)
class Name:
    """A guest: its instance, and the interface whose address counts, "" for the first that has one."""

    namespace: str
    name: str
    interface: str = ""


class Guest:
    """One guest. `agent`: whether its agent is asked; `ask_at`: asks the guest at an address, None where it is not.

    The address is read before the first question and again after one that went wrong, so that a guest that has moved is
    found again. While the API is away the last known address is asked, so that it does not make the guest look down.
    """

    def __init__(
        self, client: Client, executor: Executor, guest: Name, *, agent: bool, ask_at: AskAt | None = None
    ) -> None:
        self._client, self._executor, self._guest = client, executor, guest
        self._agent, self._ask_at = agent, ask_at
        self._address, self._stale = "", False

    async def ask(self) -> Found:
        """One question by every way; all must be answered."""
        found: Found = {}
        if self._agent:
            found.update(await self._call(self._ask_agent))
        if self._ask_at:
            address = await self._where()
            answered = False
            try:
                found.update(await self._ask_at(address), address=address)
                answered = True
            finally:
                self._stale = not answered
        return found

    async def _where(self) -> str:
        if self._address and not self._stale:
            return self._address
        try:
            self._address = str(await self._call(self._read_address))
        except BadAnswer as error:
            if not self._address or error.kind != "api":
                raise
        return self._address

    async def _call(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _ask_agent(self) -> Found:
        guest = self._guest
        try:
            told = self._client.get(VMI_ACTION, guest.name, guest.namespace, "guestosinfo")
        except HaError as error:
            raise bad_answer(error) from error
        system = told.get("os") or {}
        return {"guest_os": system.get("prettyName") or system.get("name"), "hostname": told.get("hostname")}

    def _read_address(self) -> str:
        guest = self._guest
        try:
            vmi = self._client.get(VMI, guest.name, guest.namespace)
        except HaError as error:
            raise bad_answer(error) from error
        return address_in(vmi, guest.interface)


def address_in(vmi: dict[str, Any], interface: str) -> str:
    """The address of an instance's guest, or of its interface of that name; BadAnswer where it has none now."""
    seen = vmi_state.summary(vmi)
    if seen["phase"] != "Running" or seen["deleting"]:
        state = "is being deleted" if seen["deleting"] else f"is {seen['phase'] or 'not there yet'}"
        raise BadAnswer(f"its instance {state}", "not running")
    addresses = [ip for found in seen["interfaces"] if interface in ("", found["name"]) for ip in found["ips"]]
    if not addresses:
        of = f" for its interface {interface}" if interface else ""
        raise BadAnswer(f"its instance shows no address{of}", "no address")
    return str(addresses[0])


def bad_answer(error: HaError) -> BadAnswer:
    """What an answer of the API means for the guest; kind `api` where it means nothing for it."""
    text = error.why or error.what
    if isinstance(error, NotFound):
        return BadAnswer("it has no instance", "no instance")
    if isinstance(error, ApiError) and error.status in (409, 500):
        kind = next((kind for said, kind in _SAID if said in text), "api")
        return BadAnswer(text, kind)
    return BadAnswer(str(error), "api")
