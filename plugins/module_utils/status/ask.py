# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus and Alertmanager say. Every question is bounded in time, and one without an answer stops no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.alerts import moment
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import targets
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.ask import NO_ANSWER, Access, get
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import parse

_SECONDS = 5.0
Servers = Sequence[Mapping[str, str]]


def look(prometheus: Servers, alertmanagers: Servers, access: Access) -> dict[str, Any]:
    """An entry a server, by its host; what was asked at an URL is told without it."""
    with ThreadPoolExecutor(max(1, len(prometheus) + len(alertmanagers))) as pool:
        tasks = {
            name: [(each["host"], pool.submit(_asked, ask, each["url"].rstrip("/"), access)) for each in servers]
            for name, ask, servers in (
                ("prometheus", _prometheus, prometheus),
                ("alertmanagers", _alertmanager, alertmanagers),
            )
        }
        return {name: {host: task.result() for host, task in each} for name, each in tasks.items()}


def _asked(ask: Callable[[str, Access], dict[str, Any]], url: str, access: Access) -> dict[str, Any]:
    try:
        return {**ask(url, access), "why": ""}
    except (HTTPException, LookupError, TypeError, AttributeError) as error:
        return {"why": f"an answer of another kind ({type(error).__name__}: {error})"}
    except NO_ANSWER as error:
        return {"why": parse.reason(error)}


def _prometheus(url: str, access: Access) -> dict[str, Any]:
    active = get(f"{url}/api/v1/targets?state=active", access, _SECONDS)["data"]["activeTargets"]
    told = get(f"{url}/api/v1/alerts", access, _SECONDS)["data"]["alerts"]
    return {
        "targets": len(active),
        "up": sum(target["health"] == "up" for target in active),
        "down": targets.down(active),
        "alerts": [
            {"labels": dict(alert["labels"]), "since": moment(str(alert["activeAt"]))}
            for alert in told
            if alert["state"] == "firing"
        ],
    }


def _alertmanager(url: str, access: Access) -> dict[str, Any]:
    cluster = get(f"{url}/api/v2/status", access, _SECONDS)["cluster"]
    return {"state": str(cluster["status"]), "peers": len(cluster.get("peers") or [])}
