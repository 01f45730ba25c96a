# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader gets: the table, the page, the drawing and the files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import build, page, picture, table
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import Facts
from ansible_collections.virtops.kubevirt_ha.plugins.modules import status_report
from story import Platform

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


def drawn(platform: Platform) -> ElementTree.Element:
    return ElementTree.fromstring(picture.picture(platform.facts))


def boxes(root: ElementTree.Element, kind: str) -> int:
    return sum(each.get("class") == kind for each in root.iter("rect"))


def test_each_node_is_a_box_with_what_runs_on_it() -> None:
    root = drawn(Platform())
    texts = [str(each.text) for each in root.iter("text")]
    assert boxes(root, "box") == 3
    assert [text for text in texts if text.startswith("VIP")] == ["VIP api 192.0.2.100"]
    assert texts.count("etcd, the leader") == 1
    assert texts.count("brick online") == 3
    assert [text for text in texts if text.startswith("VM")] == ["VM demo/demo-1", "VM demo/demo-2", "VM demo/demo-3"]
    assert boxes(root, "chip bad") == 0


def test_what_is_lost_is_red() -> None:
    platform = Platform()
    platform.lose("n2")
    root = drawn(platform)
    texts = [str(each.text) for each in root.iter("text")]
    assert (boxes(root, "box"), boxes(root, "box lost")) == (2, 1)
    assert "n2 - lost" in texts
    # Its API server, etcd member, brick and machine.
    assert boxes(root, "chip bad") == 4


def test_a_vip_on_two_nodes_is_red_on_both() -> None:
    platform = Platform()
    platform.look("n3")["addresses"].append("192.0.2.100")
    assert boxes(drawn(platform), "chip bad") == 2


def test_the_page_is_whole_in_itself_and_escapes_what_it_shows() -> None:
    platform = Platform()
    platform.cluster["details"]["machines"][0]["state"] = "<script>alert(1)</script>"
    platform.lose("n2")
    text = page.page(platform.status)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=|url\(|@import|https?://(?!192)", text)
    ElementTree.fromstring(SVG.findall(text)[0])
    for title in (
        "Nodes",
        "etcd",
        "VIPs",
        "Load balancers",
        "Shared storage",
        "Virtual machines",
        "Placement",
        "VM networks",
        "Monitoring",
        "Watcher",
        "Versions",
    ):
        assert f">{title}" in text
    assert "A host does not answer" in text
    assert "critical</span>" in text
    assert 'class="verdict passed">nothing critical' in page.page(Platform().status)


def test_the_table_marks_what_is_bad_and_ends_with_the_count() -> None:
    platform = Platform()
    platform.lose("n2")
    text = table.table(platform.status, "/reports/status/index.html")
    assert "!!n2" in text
    assert "== Nodes: BAD" in text
    assert "critical host-unreachable: A host does not answer" in text
    assert text.endswith("Status: CRITICAL (2 critical, 2 warning, 0 info)\nPage: /reports/status/index.html\n")
    good = table.table(Platform().status)
    assert "!!" not in good
    assert "== Findings: none" in good
    assert good.endswith("Status: nothing critical (0 critical, 0 warning, 0 info)\n")


def test_the_page_of_nothing_is_a_page() -> None:
    status = build.build(Facts())
    assert "no API" not in page.page(status)
    assert "cluster-unknown" in table.table(status)


def facts(platform: Platform) -> dict[str, Any]:
    given = platform.facts
    return {
        "hosts": given.hosts,
        "cluster": given.cluster,
        "probes": given.probes,
        "vips": given.vips,
        "redundancy": given.redundancy,
        "monitoring": given.monitoring,
        "watcher": given.watcher,
        "storage": given.storage,
        "api_endpoint": given.api_endpoint,
    }


def report(capsys: pytest.CaptureFixture[str], **given: Any) -> dict[str, Any]:
    with patch_module_args(given), pytest.raises(SystemExit):
        status_report.main()
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_module_writes_page_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drill = tmp_path / "report.json"
    drill.write_text(json.dumps(Platform().drill))
    folder = tmp_path / "status"
    platform = Platform()
    platform.cluster["details"]["backups"] = None  # of the story's time
    found = report(capsys, facts=facts(platform), folder=str(folder), drill_report=str(drill), fail_on="warning")
    # The heartbeat of the story is of another time than this test's, but ages by the watcher's own clock.
    assert found["findings"] == [] or [entry["id"] for entry in found["findings"]] == ["drill-old"]
    assert sorted(each.name for each in folder.iterdir()) == ["index.html", "status.json", "status.txt"]
    told = json.loads((folder / "status.json").read_text())
    assert told["sections"]["vips"]["rows"][0]["held by"] == {"text": "n1", "state": "good"}
    assert (folder / "status.txt").read_text() == found["table"]


def test_the_gate_closes_after_the_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    platform = Platform()
    platform.lose("n2")
    found = report(capsys, facts=facts(platform), folder=str(tmp_path), fail_on="critical")
    assert found["failed"]
    assert "critical host-unreachable" in found["msg"]
    assert "drill-missing" not in found["msg"]
    assert (tmp_path / "index.html").exists()
    open_ = report(capsys, facts=facts(platform), folder=str(tmp_path))
    assert "failed" not in open_


def test_check_mode_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, facts={}, folder=str(tmp_path / "status"), _ansible_check_mode=True)
    assert found["changed"] is False
    assert not (tmp_path / "status").exists()


def test_unknown_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys, facts={"nodes": {}}, folder=str(tmp_path), ignore=["no-such"])
    assert "ignore: no finding is called no-such" in found["msg"]
    assert "facts: there is no part nodes" in found["msg"]
