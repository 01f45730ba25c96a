# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Alertmanagers of a lost node until its alert fires, and until it is over."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Optional

from ansible.module_utils.urls import ConnectionError as UrlsError
from ansible.module_utils.urls import open_url
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import alerts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.alerts import Fired

_TIMEOUT = 2.0
_PERIOD = 0.5
Answer = Optional[list[dict[str, Any]]]


@dataclass(frozen=True)
class Access:
    """How Alertmanagers are reached: an authority's file, a user and a password, each empty where there is none."""

    ca_cert: str = ""
    username: str = ""
    password: str = ""


class Alertmanagers:
    """The Alertmanagers of a drill, by host; urls: {host: URL}."""

    def __init__(self, urls: Mapping[str, str], access: Access) -> None:
        self._urls, self._access = dict(urls), access
        self.asked = 0

    def ask(self) -> dict[str, Answer]:
        """What each says of lost nodes; None of one that does not answer."""
        with ThreadPoolExecutor(max(1, len(self._urls))) as pool:
            found = dict(zip(self._urls, pool.map(self._ask, self._urls.values())))
        self.asked += sum(answer is not None for answer in found.values())
        return found

    def _ask(self, url: str) -> Answer:
        query = urllib.parse.urlencode({"filter": f'alertname="{alerts.ALERT}"'})
        known = {"url_username": self._access.username, "url_password": self._access.password, "force_basic_auth": True}
        try:
            with open_url(
                f"{url.rstrip('/')}/api/v2/alerts?{query}",
                timeout=_TIMEOUT,
                ca_path=self._access.ca_cert or None,
                use_proxy=False,
                **(known if self._access.username else {}),
            ) as answer:
                return list(json.load(answer))
        except (OSError, ValueError, UrlsError):
            return None

    def until_fired(self, node: str, t0: float, until: float) -> Fired:
        """Asks until one of them tells of the node's loss, or until that moment, in seconds since the epoch."""
        while True:
            found = alerts.fired(self.ask(), node, t0, self.asked)
            if found.seconds is not None or time.time() >= until:
                return found
            time.sleep(_PERIOD)

    def until_cleared(self, node: str, seconds: float) -> bool:
        """Asks until all that answer, and one at least, tell no more of it; False where the time is over."""
        until = time.monotonic() + seconds
        while True:
            answers = [answer for answer in self.ask().values() if answer is not None]
            if answers and not any(alerts.of_node(answer, node) for answer in answers):
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(_PERIOD)
