# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers the wanted parts of a host's facts: a part that fails is named, the rest is still there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import fleet, parts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.look import Documents, Look, Wanted
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import (
    LibvirtError,
    Session,
    TimedOut,
    bounded,
    call,
)

Facts = dict[str, Any]
Part = Callable[[Look], Facts]
_PING_SECONDS = 5.0
_READERS: Mapping[str, Part] = {
    **parts.PARTS,
    "node_devices": parts.node_devices,
    "baseline": fleet.baseline,
    "comparison": fleet.comparison,
}


def collect(session: Session, wanted: Wanted) -> Facts:
    """The facts: what each part returns, and `errors` [{part, object, reason, code}].

    Raises HaError when no part could be read at all.
    """
    whole = Look(session, wanted, Documents(session, wanted))
    facts: Facts = {"uri": session.target.shown, "remote": session.target.remote}
    errors: list[Facts] = []
    names = _names(wanted)
    alive, read = True, 0
    for name in names:
        look = replace(whole, errors=[])
        found, failure = _read(look, name) if alive else ({}, HaError("not tried: libvirt no longer answers"))
        facts.update(found)
        read += failure is None
        if failure is not None:
            look.failed(name, failure)
            alive = alive and (not isinstance(failure, TimedOut) or _answers(session))
        errors += look.errors
    if not read:
        why = errors[0]["reason"] if errors else ""
        raise HaError("no part of the facts could be read", where=session.target.shown, why=why)
    return {**facts, "errors": errors}


def _names(wanted: Wanted) -> list[str]:
    more = ["node_devices"] if "node_devices" in wanted.include else []
    return [*wanted.parts, *more, *fleet.parts(wanted)]


def _read(look: Look, name: str) -> tuple[Facts, Exception | None]:
    try:
        return look.session.bounded(lambda: _READERS[name](look)), None
    except (HaError, LibvirtError) as error:
        return {}, error
    except (KeyError, TypeError, ValueError) as error:  # an answer of a shape that no libvirt is known to give
        return {}, HaError("libvirt's answer was not understood", why=f"{type(error).__name__}: {error}")


def _answers(session: Session) -> bool:
    """Whether libvirt answers anything at all after a part's time was over."""
    try:
        bounded(lambda: call(session.connection, "getLibVersion"), _PING_SECONDS)
    except (HaError, LibvirtError):
        return False
    return True
