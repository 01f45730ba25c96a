# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPMI over LAN: read here with ipmitool, switched by fence_ipmilan."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.agent import Agent, find_program
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.bounded import Finished, Overdue, run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.fencing.model import (
    OFF,
    ON,
    Bmc,
    FencingError,
    Reading,
    recognise,
)

# fence_ipmilan puts `-P password` on ipmitool's command line, where every user of the machine can read it. It is
# given none, and this stands in for ipmitool: it drops the empty -P and takes the password from the environment,
# which only the same user can read.
_WRAPPER = """#!/bin/sh
for word in "$@"; do
  shift
  if [ "$after_p" = yes ]; then after_p=no; continue; fi
  if [ "$word" = -P ]; then after_p=yes; continue; fi
  set -- "$@" "$word"
done
exec '{ipmitool}' -E "$@"
"""
_GUID = re.compile(r"GUID\s*:\s*([0-9a-fA-F-]{32,36})")
_POWER = re.compile(r"Chassis Power is (\w+)", re.IGNORECASE)
_STATES = {"on": ON, "off": OFF}


class Ipmi:
    """A BMC that speaks IPMI 2.0 (lanplus)."""

    def __init__(self, bmc: Bmc) -> None:
        self._bmc = bmc

    def read(self, seconds: float) -> Reading:
        """See Device.read. The identity is the GUID of the managed system."""
        until = time.monotonic() + seconds
        guid = _GUID.search(self._ipmitool(["mc", "guid"], until).output)
        if not guid or not recognise(self._bmc.identity, [guid.group(1)]):
            found = guid.group(1) if guid else "none"
            raise self._error(
                f"it does not answer for this node: its GUID is {found}, enrolled is {self._bmc.identity}",
                "Correct url or identity of this node; do not power anything off before",
            )
        power = _POWER.search(self._ipmitool(["chassis", "power", "status"], until).output)
        state = _STATES.get(power.group(1).lower(), "unknown") if power else "unknown"
        return Reading(state, guid.group(1), time.time())

    def switch(self, state: str, reading: Reading, seconds: float) -> None:
        """See Device.switch."""
        with _wrapper(find_program("ipmitool", "ipmitool")) as program:
            agent = Agent(
                name="fence_ipmilan",
                options={
                    "ip": self._bmc.host,
                    "ipport": str(self._bmc.port),
                    "username": self._bmc.user,
                    "lanplus": "1",
                    "method": "onoff",
                    "power_wait": "0",
                    "ipmitool_path": program,
                },
                where=self._bmc.url,
                secret=self._bmc.password(),
                env=self._secret_env(),
            )
            agent.run(state, seconds)

    def _ipmitool(self, command: list[str], until: float) -> Finished:
        argv = [find_program("ipmitool", "ipmitool"), "-E", "-I", "lanplus", "-H", self._bmc.host]
        argv += ["-p", str(self._bmc.port), "-U", self._bmc.user, *command]
        try:
            done = run(argv, stdin="", env={**os.environ, **self._secret_env()}, seconds=until - time.monotonic())
        except Overdue:
            raise self._error("it gave no answer in time", "Check the url and the management network") from None
        if done.code != 0:
            why = done.output.replace(self._bmc.password(), "********").strip().splitlines()[-1:] or ["no reason given"]
            raise self._error(f"ipmitool {' '.join(command)} failed: {why[0]}", "Check url, user and password_file")
        return done

    def _secret_env(self) -> dict[str, str]:
        return {"IPMI_PASSWORD": self._bmc.password()}

    def _error(self, why: str, fix: str) -> FencingError:
        return FencingError("the BMC's power state cannot be read", where=self._bmc.url, why=why, fix=fix)


@contextlib.contextmanager
def _wrapper(ipmitool: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="node_fence-") as folder:
        path = os.path.join(folder, "ipmitool")
        with open(path, "w", encoding="ascii") as file:
            file.write(_WRAPPER.replace("{ipmitool}", ipmitool))
        os.chmod(path, 0o700)
        yield path
