# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `gluster_brick`: replaces the brick of a lost host, and waits until the volume is healed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable
from xml.etree import ElementTree

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.gluster import model
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.gluster.replacement import (
    NONE,
    RESET,
    Plan,
    State,
    Wish,
    left_to_heal,
    plan,
)

# Runs a command: (exit code, stdout, stderr).
Runner = Callable[[Sequence[str]], "tuple[int, str, str]"]
STATES = ("planned", "replaced", "healed")
_POLL_SECONDS = 2.0
_LOCAL = "localhost"  # what the host that was asked calls itself
# While another command holds the pool's lock, and while the pool has not noticed yet that a host is lost.
_BUSY = ("another transaction", "locking failed", "please try again", "timed out")


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec."""
    own = argspec.ArgumentSpec(
        {
            "volume": {"type": "str", "required": True},
            "state": {"type": "str", "choices": list(STATES), "default": "planned"},
            "lost": {"type": "str"},
            "new": {"type": "str"},
            "path": {"type": "path"},
        },
        required_if=[(key, state, ("lost", "path")) for key, state in (("state", "planned"), ("state", "replaced"))],
    )
    return own.merge(argspec.wait(timeout=600))


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    path = params.get("path")
    if path and not str(path).startswith("/"):
        yield f"path: {path} must be an absolute path"


class Gluster:
    """GlusterFS's command line on a host of the pool."""

    def __init__(self, run: Runner, patience: float = 600.0) -> None:
        self._run = run
        self._patience = patience

    def ask(self, *arguments: str) -> ElementTree.Element:
        """An answer; tried again while another command holds the pool's lock."""
        command = ["gluster", "--mode=script", *arguments, "--xml"]
        until = time.monotonic() + self._patience
        while True:
            _code, out, err = self._run(command)
            try:
                return model.output(out or err, " ".join(command))
            except HaError as error:
                if not any(sign in str(error).lower() for sign in _BUSY) or time.monotonic() > until:
                    raise
            time.sleep(_POLL_SECONDS)

    def heal(self, name: str) -> None:
        """Asks for a heal of all files. It is refused while a brick comes up, and answers by no XML; what is left tells."""
        self._run(["gluster", "--mode=script", "volume", "heal", name, "full"])

    def state(self, name: str) -> State:
        """What the pool and the volume are like now."""
        volume = model.volume(self.ask("volume", "info"), name)
        started = volume is not None and volume.started
        return State(
            volume=volume,
            online=model.online(self.ask("volume", "status", name)) if started else frozenset(),
            peers=model.peers(self.ask("pool", "list")),
            heals=model.heals(self.ask("volume", "heal", name, "info", "summary")) if started else (),
        )


class Job:
    """One run of the module. Only reads, where `check`."""

    def __init__(self, gluster: Gluster, params: Mapping[str, Any], *, check: bool) -> None:
        self._gluster = gluster
        self._params = params
        self._check = check
        self._name = params["volume"]

    def run(self) -> dict[str, Any]:
        """The module's result. Raises HaError."""
        if self._params["state"] == "healed":
            return self._healed()
        wish = Wish(self._name, self._params["lost"], self._params["new"] or self._params["lost"], self._params["path"])
        found = plan(self._gluster.state(self._name), wish)
        if self._params["state"] == "planned":
            return {"changed": False, **described(found)}
        if found.faults:
            raise Refused("the brick is not replaced", where=f"volume {self._name}", why="; ".join(found.faults))
        if not self._check:
            self._replace(found)
        return {"changed": found.action != NONE, **described(found)}

    def _replace(self, found: Plan) -> None:
        if found.action == NONE:
            return
        old, new = str(found.old), str(found.new)
        if found.action == RESET:
            self._gluster.ask("volume", "reset-brick", self._name, old, "start")
            self._gluster.ask("volume", "reset-brick", self._name, old, new, "commit", "force")
        else:
            self._gluster.ask("volume", "replace-brick", self._name, old, new, "commit", "force")

    def _healed(self) -> dict[str, Any]:
        """Waits until nothing is left to heal. The full crawl finds what an index does not list, and is asked for once."""
        until = time.monotonic() + (self._params["wait_timeout"] if self._params["wait"] else 0)
        left = left_to_heal(self._gluster.state(self._name))
        asked = False
        while left:
            if self._check:
                return {"changed": False, "left": left}
            down = any("is down" in one or "not connected" in one for one in left)
            if not asked and not down:
                self._gluster.heal(self._name)
                asked = True
            if time.monotonic() >= until:
                raise WaitFailed("the volume is not healed", where=f"volume {self._name}", why="; ".join(left))
            time.sleep(_POLL_SECONDS)
            left = left_to_heal(self._gluster.state(self._name))
        return {"changed": asked, "left": []}


def described(found: Plan) -> dict[str, Any]:
    """A plan in the module's result."""
    return {
        "faults": list(found.faults),
        "action": found.action,
        "peer_uuid": found.uuid,
        "pool": [{"uuid": peer.uuid, "host": "" if _LOCAL in peer.hosts else peer.hosts[0]} for peer in found.others],
        "old_brick": str(found.old) if found.old else "",
        "new_brick": str(found.new) if found.new else "",
        "diff": {
            "before": f"{found.old or ''}\n",
            "after": f"{(found.old if found.action == NONE else found.new) or ''}\n",
        },
    }
