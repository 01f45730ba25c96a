# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Alertmanagers say of a lost node, and the figures in a drill's report."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import alerts, report, series
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.alerts import Fired
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.alerts_watch import Alertmanagers
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Budget, judge
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.ask import Access
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Origin
from ansible_collections.virtops.kubevirt_ha.plugins.modules import failover_drill_alerts as module
from drill_story import EPOCH, PROBES, Story

T0 = alerts.moment("2026-11-29T06:00:00Z")
FOUND = Fired(21.5, ("f1",), 40)


def alert(node: str = "n2", begun: str = "2026-11-29T06:00:21.500123456Z", **more: Any) -> dict[str, Any]:
    """An alert of Alertmanager's API."""
    return {
        "labels": {"alertname": "NodeLost", "host": node},
        "startsAt": begun,
        "updatedAt": "2026-11-29T06:00:40Z",
        "endsAt": "2026-11-29T06:04:40Z",
        "fingerprint": "f1",
        **more,
    }


def test_moments_with_many_digits_and_zones() -> None:
    assert alerts.moment("1970-01-01T00:00:01.5Z") == 1.5
    assert alerts.moment("1970-01-01T01:00:00.123456789+01:00") == pytest.approx(0.123456)
    assert alerts.moment("1970-01-01T00:01:00") == 60.0


def test_the_loss_is_told_since_the_earliest_alertmanager_had_it() -> None:
    later = alert(begun="2026-11-29T06:00:25Z")
    found = alerts.fired({"n1": [later], "n3": [alert()]}, "n2", T0, 7)
    assert found == Fired(21.5, ("f1",), 7)
    assert Fired.of(found.as_dict()) == found


@pytest.mark.parametrize(
    "other",
    [
        alert(node="n1"),
        alert(labels={"alertname": "TargetDown", "host": "n2"}),
        alert(begun="2026-11-29T05:59:00Z"),  # it began before the loss
        alert(endsAt="2026-11-29T06:00:40Z"),  # it is over
    ],
)
def test_other_alerts_tell_nothing_of_it(other: dict[str, Any]) -> None:
    found = alerts.fired({"n1": [other], "n3": None}, "n2", T0, 7)
    assert (found.seconds, found.fingerprints) == (None, ())
    assert found.why == "no Alertmanager told of the loss of n2; no answer of n3"


def page(at: float, status: str = "firing", node: str = "n2") -> str:
    """A line of a pager."""
    return json.dumps({"at": at, "alerts": [{"status": status, "labels": {"alertname": "NodeLost", "host": node}}]})


def test_notifications_since_the_loss_are_counted() -> None:
    lines = [
        page(T0 - 1),
        page(T0 + 30),
        page(T0 + 31, node="n1"),
        page(T0 + 90, status="resolved"),
        page(T0 + 99)[:20],
        "{}",
    ]
    assert alerts.deliveries(lines, "n2", T0) == 1
    assert alerts.deliveries([page(T0 + 1), page(T0 + 2)], "n2", T0) == 2


def judged(*given: Any) -> dict[str, tuple[Any, bool]]:
    """Value and verdict of each figure."""
    return {figure.name: (figure.value, figure.passed) for figure in alerts.figures(*given)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((FOUND, 1, True, 60.0), {"fired_seconds": (21.5, True), "delivered": (1, True), "cleared": (1, True)}),
        ((FOUND, None, True, 60.0), {"delivered": (1, True)}),
        ((Fired(21.5, ("f1", "f2"), 4), None, True, 60.0), {"delivered": (2, False)}),
        ((FOUND, 2, True, 60.0), {"delivered": (2, False)}),
        ((FOUND, 0, True, 60.0), {"delivered": (None, False)}),
        ((FOUND, 1, False, 60.0), {"cleared": (None, False)}),
        ((Fired(61.0, ("f1",), 4), 1, True, 60.0), {"fired_seconds": (61.0, False)}),
        ((Fired(), None, True, 60.0), {"fired_seconds": (None, False), "delivered": (None, False)}),
    ],
)
def test_a_figure_without_data_or_beyond_its_limit_fails(
    given: tuple[Any, ...], expected: dict[str, tuple[Any, bool]]
) -> None:
    found = judged(*given)
    wanted = {("alert_" if name != "delivered" else "alerts_") + name: value for name, value in expected.items()}
    assert {name: found[name] for name in wanted} == wanted


def drilled(folder: Path) -> Path:
    """A drill's report."""
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("{}\n")
    timeline, story = Story().timeline(), Story()
    verdict = judge(timeline, story.scene, Budget(), PROBES)
    report.write(str(folder), timeline, story.scene, verdict, report.Setting(Origin("make", "c", "s")), EPOCH)
    return folder


def test_the_figures_come_into_all_files_of_the_report(tmp_path: Path) -> None:
    folder = drilled(tmp_path / "a")
    content = report.amend(str(folder), alerts.figures(FOUND, 1, True, 60.0), Origin("make", "c", "s"))
    assert content == json.loads((folder / "report.json").read_text())
    assert content["passed"] and content["alert_fired_seconds"] == 21.5 and content["alerts_delivered"] == 1
    assert content["figures"]["alert_fired_seconds"]["limit"] == 60.0
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert suite.get("tests") == str(len(suite)) and suite.get("failures") == "0"
    assert {"alert_fired_seconds", "alerts_delivered", "alert_cleared"} <= {str(case.get("name")) for case in suite}
    html = (folder / "index.html").read_text()
    assert html.count("alert fired seconds") == 1 and 'verdict passed">passed<' in html
    assert "power loss to the alert of it" in (folder / "summary.txt").read_text()
    assert json.loads((tmp_path / "latest" / "report.json").read_text()) == content


def test_a_figure_that_fails_makes_it_a_failed_drill_everywhere(tmp_path: Path) -> None:
    folder = drilled(tmp_path / "a")
    content = report.amend(str(folder), alerts.figures(FOUND, 2, True, 60.0), Origin("make", "c", "s"))
    fault = "alerts_delivered is 2 notifications, over the limit of 1"
    assert not content["passed"] and fault in content["faults"]
    assert ElementTree.parse(folder / "junit.xml").getroot().get("failures") == "1"
    html = (folder / "index.html").read_text()
    assert fault in html and 'verdict failed">failed<' in html and ": failed</title>" in html
    assert "FAILED" in (folder / "summary.txt").read_text()


def test_a_series_tells_the_worst_and_only_of_drills_that_were_told(tmp_path: Path) -> None:
    plain = json.loads((drilled(tmp_path / "a") / "report.json").read_text())
    told = report.amend(str(drilled(tmp_path / "b")), alerts.figures(FOUND, 1, True, 60.0), Origin("make", "c", "s"))
    slow = {**told, "alert_fired_seconds": 70.0}
    assert not [one for one in series.figures([plain], Budget()) if "alert" in one.name]
    found = {one.name: one for one in series.figures([told, slow], Budget())}
    assert found["alert_fired_seconds_worst"].value == 70.0 and not found["alert_fired_seconds_worst"].passed
    assert found["alerts_delivered_most"].passed and found["alert_cleared"].passed
    missing = {one.name: one for one in series.figures([told, plain], Budget())}
    assert missing["alert_fired_seconds_worst"].value is None


class Server:
    """An Alertmanager that says what it is told to."""

    def __init__(self) -> None:
        self.answers: list[list[dict[str, Any]]] = [[]]
        self.headers: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.headers.append(self.headers.get("Authorization") or "")
                body = json.dumps(owner.answers.pop(0) if len(owner.answers) > 1 else owner.answers[0]).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_it_waits_until_one_tells_and_until_none_tells(server: Server) -> None:
    server.answers = [[], [alert()], [alert()], []]
    asked = Alertmanagers({"n1": server.url, "n3": "http://127.0.0.1:1"}, Access(username="a", password="b"))
    assert asked.until_fired("n2", T0, time.time() + 20) == Fired(21.5, ("f1",), 2)
    assert asked.until_cleared("n2", 20.0)
    assert set(server.headers) == {"Basic YTpi"}


def test_silence_is_no_end_of_an_alert() -> None:
    asked = Alertmanagers({"n1": "http://127.0.0.1:1"}, Access())
    assert asked.until_fired("n2", T0, 0.0).seconds is None
    assert not asked.until_cleared("n2", 0.0)


def test_an_answer_that_ends_before_its_end_is_none(api: Any, reply: Any) -> None:
    api.says(reply(200, b"[", {"Content-Length": "9"}))
    assert Alertmanagers({"n1": api.url}, Access()).ask() == {"n1": None}
    assert len(api.asked) == 1


def test_the_lost_nodes_own_alertmanager_is_not_asked_before_its_return(tmp_path: Path, server: Server) -> None:
    folder = drilled(tmp_path / "a")
    node = json.loads((folder / "report.json").read_text())["node"]
    server.answers = [
        [alert(node, begun="2099-01-01T00:00:00Z", updatedAt="2099-01-01T00:00:01Z", endsAt="2099-01-01T00:05:00Z")]
    ]
    given = {
        "folder": str(folder),
        "limit": 60.0,
        "timeout": 0.0,
        "log": None,
        "ca_cert": None,
        "username": None,
        "password_file": None,
        "fired": FOUND.as_dict(),
    }
    own = [{"host": node, "url": server.url}]
    found = module.run({**given, "state": "fired", "alertmanagers": own}, check=True)
    assert found["alert"]["seconds"] is None and server.headers == []
    other = [{"host": "other", "url": server.url}]
    assert module.run({**given, "state": "fired", "alertmanagers": other}, check=True)["alert"]["seconds"] > 0
    found = module.run({**given, "state": "cleared", "alertmanagers": own}, check=False)
    assert found["report"]["alert_cleared"] is None and found["report"]["passed"] is False
