# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill asks: API servers whether they are ready, guests how far they counted."""

from __future__ import annotations

import json

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import Ask, BadAnswer, Found
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.http import Site, fetch

GUEST_FIELDS = ("epoch", "counter", "recovered", "boot_id")


def readyz(site: Site) -> Ask:
    """Asks an API server whether it is ready."""

    async def ask() -> Found:
        await _get(site)
        return {}

    return ask


def counter(site: Site) -> Ask:
    """Asks a guest how far it counted."""

    async def ask() -> Found:
        return guest_answer(await _get(site))

    return ask


def guest_answer(body: bytes) -> Found:
    """The fields of a guest's answer. Raises BadAnswer where one is missing or no number."""
    try:
        answer = json.loads(body)
        found = {name: answer[name] for name in GUEST_FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswer(f"not the answer of a counting guest: {error}") from error
    if not all(isinstance(found[name], int) for name in ("epoch", "counter", "recovered")):
        raise BadAnswer("not the answer of a counting guest: its numbers are none")
    return found


async def _get(site: Site) -> bytes:
    reply = await fetch(site)
    if reply.status != 200:
        text = reply.body[:200].decode(errors="replace").strip()
        raise BadAnswer(f"HTTP {reply.status}: {text}", f"http {reply.status}")
    return reply.body
