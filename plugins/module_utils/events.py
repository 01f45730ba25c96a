# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warnings that controllers leave beside an object, for the reasons that its status does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, shorten
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import EVENT

Object = Mapping[str, Any]


def last_warning(client: Client, namespace: str, selector: str) -> str:
    """The newest warning as `reason: message`, empty where there is none or events may not be read."""
    try:
        found = client.list(EVENT, namespace, field_selector=f"type=Warning,{selector}").items
    except HaError:
        return ""
    newest = max(found, key=_time, default=None)
    if newest is None:
        return ""
    return shorten(": ".join(str(newest[key]) for key in ("reason", "message") if newest.get(key)))


def explain(client: Client, error: HaError, item: Object) -> None:
    """Adds an object's newest warning to an error, unless it says the same already."""
    meta = item["metadata"]
    warning = last_warning(client, str(meta.get("namespace") or ""), f"involvedObject.uid={meta.get('uid')}")
    if warning and warning not in error.why:
        error.why = f"{error.why}; {warning}" if error.why else warning


def _time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
