# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import report, series, summary
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.lanes import lanes
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import Budget, judge
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure, Origin
from drill_story import EPOCH, PROBES, T0, Story

PLACES = {"n1": ["etcd", "virt-api"], "n2": ["etcd"], "n3": ["virt-controller"]}
ORIGIN = Origin("make drill", "0123abc", "stand-in <of the lab>")
SETTING = report.Setting(ORIGIN, {"kubevirt": "v1.9.0"}, "process", PLACES)


def write(folder: Path, story: Story) -> dict[str, Any]:
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("{}\n")
    timeline = story.timeline()
    verdict = judge(timeline, story.scene, Budget(), PROBES)
    return report.write(str(folder), timeline, story.scene, verdict, SETTING, EPOCH)


def test_the_report_has_what_it_promises(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "a", Story())
    found = json.loads((tmp_path / "reports" / "a" / "report.json").read_text())
    assert found["passed"] is True
    assert found["scenario"] == "node_power_loss"
    assert found["kubevirt_source"] == "stand-in <of the lab>"
    assert (found["rto_seconds"], found["rpo_writes_lost"], found["writers_at_once"]) == (14.0, 0, 1)
    assert (found["api_gap_seconds"], found["vip_gap_seconds"]) == (1.2, 0.8)
    assert list(found["phases"]) == ["detect", "fence", "release", "schedule", "boot", "serve"]
    assert found["versions"] == {"kubevirt": "v1.9.0"}
    assert found["machines"][0]["recovered_on"] == "n3"
    assert found["machines"][1]["recovered_on"] is None
    notes = " ".join(found["notes"])
    assert "Process loss" in notes
    assert "stand-in" in notes


def test_a_figure_without_samples_is_null_and_failed(tmp_path: Path) -> None:
    found = write(tmp_path / "reports" / "a", Story(drop=("writers",)))
    assert found["writers_at_once"] is None
    assert found["figures"]["writers_at_once"]["passed"] is False
    assert found["passed"] is False


def test_the_newest_is_also_the_latest(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "a", Story(answers=None))
    write(tmp_path / "reports" / "b", Story())
    latest = tmp_path / "reports" / "latest"
    assert {path.name for path in latest.iterdir()} == {
        "events.jsonl",
        "index.html",
        "junit.xml",
        "report.json",
        "summary.txt",
    }
    assert json.loads((latest / "report.json").read_text())["passed"] is True


@pytest.mark.parametrize(("story", "failures"), [(Story(), 0), (Story(answers=None), 3), (Story(drop=("power",)), 1)])
def test_junit_counts_a_case_a_figure_and_one_for_the_rest(tmp_path: Path, story: Story, failures: int) -> None:
    write(tmp_path / "reports" / "a", story)
    suite = ElementTree.parse(tmp_path / "reports" / "a" / "junit.xml").getroot()
    assert suite.get("tests") == "8"
    assert suite.get("failures") == str(failures) == str(len(suite.findall("testcase/failure")))


def test_the_page_loads_nothing_and_escapes_what_it_shows(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "a", Story())
    page = (tmp_path / "reports" / "a" / "index.html").read_text()
    assert "stand-in &lt;of the lab&gt;" in page
    assert "<svg" in page
    for outside in ("http:", "https:", "src=", "@import", "url("):
        assert outside not in page


def test_each_lane_shows_what_its_target_was() -> None:
    found = {lane.name: lane.spans for lane in lanes(Story().timeline(), Story.scene)}
    assert [span.kind for span in found["recovery of demo-1"]] == list(judge_phases())
    assert [(span.kind, span.label) for span in found["guest demo-1"]][-1] == ("new", "new epoch")
    assert [span.kind for span in found["writers of demo-1"]] == ["good", "off", "good"]
    assert [span.label for span in found["power of n1"]] == ["On", "Off"]
    assert "API server of n1" not in found


def judge_phases() -> dict[str, float | None]:
    return judge(Story().timeline(), Story.scene, Budget(), PROBES).phases


def test_two_writers_are_drawn_as_bad() -> None:
    found = {lane.name: lane.spans for lane in lanes(Story(old_writer_until=15.0).timeline(), Story.scene)}
    bad = [span for span in found["writers of demo-1"] if span.kind == "bad"]
    assert [(span.begin - T0, span.label) for span in bad] == [(11.0, "2 on n1, n3")]


class TestSharedWriter:
    def test_its_shape(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "bench.json"
        figure = Figure("create_seconds", 1.25, "s", 2, [1.2, 1.3])
        reports.write_figures(str(path), [figure], Origin("make bench", "0123abc", "release"), EPOCH)
        assert json.loads(path.read_text()) == {
            "create_seconds": {
                "value": 1.25,
                "unit": "s",
                "limit": 2,
                "passed": True,
                "samples": [1.2, 1.3],
                "command": "make bench",
                "commit": "0123abc",
                "kubevirt_source": "release",
                "at": "2026-09-21T14:13:20Z",
            }
        }

    def test_it_leaves_the_figures_of_others(self, tmp_path: Path) -> None:
        path = tmp_path / "platform.json"
        origin = Origin("make test", "0123abc", "release")
        for name, value in (("a", 1), ("b", 2), ("a", 3)):
            reports.add_figures(str(path), [Figure(name, value, "s")], origin, EPOCH)
        assert {name: entry["value"] for name, entry in json.loads(path.read_text()).items()} == {"a": 3, "b": 2}

    @pytest.mark.parametrize(
        ("figure", "passed"),
        [
            (Figure("a", None, "s", None), False),
            (Figure("a", 3.0, "s", 3), True),
            (Figure("a", 3.1, "s", 3), False),
            (Figure("a", 1, "processes", 2, at_least=True), False),
            (Figure("a", 2, "processes", 2, at_least=True), True),
        ],
    )
    def test_what_passes(self, figure: Figure, passed: bool) -> None:
        assert figure.passed is passed
        assert bool(figure.fault()) is not passed


class TestSeries:
    def one(self, rto: float | None, gap: float = 1.0, passed: bool = True) -> dict[str, Any]:
        values = {"rto_seconds": rto, "rpo_writes_lost": 0, "writers_at_once": 1}
        phases = {"detect": 4.0}
        return {**values, "api_gap_seconds": gap, "vip_gap_seconds": 0.8, "passed": passed, "phases": phases}

    def figures(self, *drills: dict[str, Any]) -> dict[str, Figure]:
        return {figure.name: figure for figure in series.figures(drills, Budget())}

    def test_recovery_counts_by_the_median_and_all_else_by_the_worst(self) -> None:
        found = self.figures(self.one(20.0), self.one(50.0, gap=3.5, passed=False), self.one(30.0))
        assert found["rto_seconds_median"].value == 30.0
        assert found["rto_seconds_median"].passed
        assert found["api_gap_seconds_worst"].value == 3.5
        assert not found["api_gap_seconds_worst"].passed
        assert found["drills_failed"].value == 1
        assert found["phase_detect_seconds_median"].value == 4.0

    def test_a_drill_without_the_figure_leaves_none(self) -> None:
        found = self.figures(self.one(20.0), self.one(None, passed=False))
        assert found["rto_seconds_median"].value is None
        assert "1 of 2 drills" in found["rto_seconds_median"].fault()

    def test_nobody_left_to_write_in_one_drill_leaves_the_stall_of_the_others(self) -> None:
        found = self.figures({**self.one(20.0), "write_stall_seconds": 4.0}, self.one(20.0))
        assert (found["write_stall_seconds_worst"].value, found["write_stall_seconds_worst"].samples) == (4.0, [4.0])
        assert "write_stall_seconds_worst" not in self.figures(self.one(20.0))

    def test_each_node_in_turn_gives_the_worst_under_the_names_of_the_platform(self) -> None:
        drills = [{**self.one(20.0, gap=gap), "requests_failed_beyond_gap": 0} for gap in (1.0, 1.4, 1.2)]
        found = series.of_each_node(series.figures(drills, Budget(api_gap_seconds=1.5)), ["n1", "n2", "n3"])
        (gap,) = [figure for figure in found if figure.name == "node_loss_api_gap_seconds"]
        assert (gap.value, gap.limit, gap.samples, gap.more) == (
            1.4,
            1.5,
            [1.0, 1.4, 1.2],
            {"nodes": ["n1", "n2", "n3"], "storage": ""},
        )
        assert gap.passed

    @pytest.mark.parametrize(
        ("storage", "name"),
        [
            ("glusterfs", "node_loss_write_stall_seconds"),
            ("cephfs", "node_loss_cephfs_write_stall_seconds"),
            ("local-only", "node_loss_local_only_write_stall_seconds"),
        ],
    )
    def test_the_figures_of_one_storage_do_not_replace_those_of_another(self, storage: str, name: str) -> None:
        drills = [{**self.one(20.0), "write_stall_seconds": 4.0, "requests_failed_beyond_gap": 0}]
        found = series.of_each_node(series.figures(drills, Budget()), ["n1"], storage)
        assert {figure.more["storage"] for figure in found} == {storage}
        (stall,) = [figure for figure in found if figure.name.endswith("write_stall_seconds")]
        assert (stall.name, stall.value) == (name, 4.0)

    def test_no_drills_are_no_figures(self) -> None:
        assert not any(figure.passed for figure in self.figures().values())


def test_the_summary_says_what_ran_where_and_each_figure(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "a", Story())
    text = (tmp_path / "reports" / "a" / "summary.txt").read_text()
    assert "passed" in text.splitlines()[0]
    assert "stand-in <of the lab> (v1.9.0)" in text
    assert re.search(r"^n1 .*etcd, virt-api ", text, re.MULTILINE)
    assert "back on n3 after 14.0 s" in text
    assert re.search(r"^RTO.* 14 s +40$", text, re.MULTILINE)
    assert text.splitlines()[-1] == f"report: {tmp_path}/reports/a/index.html"


def test_the_summary_of_a_failed_drill_says_what_failed(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "a", Story(answers=None))
    text = (tmp_path / "reports" / "a" / "summary.txt").read_text()
    assert "FAILED" in text.splitlines()[0]
    assert "did not come back" in text
    assert re.search(r"^RTO.* no data +40 +over its limit$", text, re.MULTILINE)
    assert re.search(r"^fault: ", text, re.MULTILINE)


def test_components_are_placed_by_their_labels() -> None:
    pods = [
        {"metadata": {"labels": {"component": "etcd"}}, "spec": {"nodeName": "n2"}},
        {"metadata": {"labels": {"kubevirt.io": "virt-api", "app": "x"}}, "spec": {"nodeName": "n1"}},
        {"metadata": {"labels": {"kubevirt.io": "virt-api"}}, "spec": {"nodeName": "n1"}},
        {"metadata": {"labels": {"k8s-app": "kube-dns"}}, "spec": {}},
        {"metadata": {}, "spec": {"nodeName": "n1"}},
    ]
    assert summary.places(pods) == {"n1": ["virt-api"], "n2": ["etcd"]}
