# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Alertmanagers of a lost node until its alert fires, and until it is over."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import alerts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.alerts import Fired
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.ask import NO_ANSWER, Access, get

_PERIOD = 0.5
Answer = Optional[list[dict[str, Any]]]


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
        try:
            return list(get(f"{url.rstrip('/')}/api/v2/alerts?{query}", self._access))
        except NO_ANSWER:
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
