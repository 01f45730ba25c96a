# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill's report: report.json, junit.xml, index.html, summary.txt and events.jsonl in one folder, the newest also as `latest`."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import figures
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Scene
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.page import page, with_figures
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Timeline
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.summary import table
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.verdict import PARTITION_CONTROL, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

EVENTS = "events.jsonl"
REPORT = "report.json"
LATEST = "latest"


@dataclass(frozen=True)
class Setting:
    """What a report says of the platform: versions by name, what ran where, and what kind of loss the drill could show.

    places: node → components; loss: `process` where the host's page cache outlives the node (nodes in containers), else `power`.
    """

    origin: reports.Origin
    versions: Mapping[str, str] = field(default_factory=dict)
    loss: str = "power"
    places: Mapping[str, list[str]] = field(default_factory=dict)


def stamp(scenario: str, at: float) -> str:
    """The name of a report's folder: UTC time and scenario."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}-{scenario}"


def summary(timeline: Timeline, scene: Scene, verdict: Verdict, setting: Setting, t0_at: float) -> dict[str, Any]:
    """The content of report.json."""
    values = {figure.name: figure.value for figure in verdict.figures}
    return {
        "scenario": scene.scenario,
        "kubevirt_source": setting.origin.kubevirt_source,
        "passed": verdict.passed,
        **values,
        "phases": verdict.phases,
        "versions": dict(setting.versions),
        "node": scene.node,
        "t0": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t0_at)) + f".{int(t0_at % 1 * 1000):03d}Z",
        "loss": setting.loss,
        "notes": notes(scene, setting),
        "faults": list(verdict.faults),
        "figures": reports.as_entries(list(verdict.figures), setting.origin, t0_at),
        "places": dict(setting.places),
        "machines": [_machine(timeline, scene, machine) for machine in scene.machines],
        "samples": timeline.counts(),
        "seconds_recorded": round(scene.ended - scene.started, 3),
    }


def notes(scene: Scene, setting: Setting) -> list[str]:
    """What a reader must know of the figures before taking them for more than they are."""
    found = []
    if setting.loss == "process":
        found.append(
            "Process loss: the nodes share one machine, whose page cache outlives them; disks are opened without it."
        )
    if "stand-in" in setting.origin.kubevirt_source:
        found.append("The KubeVirt of this drill is the lab's stand-in: its figures say nothing of a real one's speed.")
    if scene.scenario == PARTITION_CONTROL:
        found.append("Control drill: fencing is off, and it passes when the recorder sees two writers of one disk.")
    return found


def _machine(timeline: Timeline, scene: Scene, machine: figures.Machine) -> dict[str, Any]:
    lost = machine.node == scene.node
    successor = figures.successor(timeline, scene, machine) if lost else None
    return {
        "name": machine.name,
        "node": machine.node,
        "lost": lost,
        "recovered_on": successor["node"] if successor else None,
        "recovery_seconds": figures.recovery_time(timeline, scene, machine).value if lost else None,
        "writes_lost": figures.writes_lost(timeline, scene, machine).value,
        "phases": figures.phases(timeline, scene, machine) if lost else {},
    }


def junit(verdict: Verdict, scenario: str, seconds: float) -> str:
    """The verdict as JUnit XML: a test case a figure, and one for everything else that was wrong."""
    own = [figure.fault() for figure in verdict.figures if not figure.passed]
    rest = [fault for fault in verdict.faults if fault not in own]
    cases = [(figure.name, figure.fault() if figure.fault() in verdict.faults else "") for figure in verdict.figures]
    cases.append(("phases_and_probes", "\n".join(rest)))
    suite = ElementTree.Element("testsuite", name=f"failover drill {scenario}", time=f"{seconds:.3f}")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(1 for _name, fault in cases if fault)))
    for name, fault in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=f"failover_drill.{scenario}", name=name)
        if fault:
            ElementTree.SubElement(case, "failure", message=fault.splitlines()[0]).text = fault
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def write(
    folder: str, timeline: Timeline, scene: Scene, verdict: Verdict, setting: Setting, t0_at: float
) -> dict[str, Any]:
    """Writes the report beside the events.jsonl in `folder` and makes it the latest: report.json's content."""
    content = summary(timeline, scene, verdict, setting, t0_at)
    reports.write_json(os.path.join(folder, REPORT), content)
    reports.write_text(os.path.join(folder, "junit.xml"), junit(verdict, scene.scenario, scene.ended - scene.started))
    reports.write_text(os.path.join(folder, "index.html"), page(timeline, scene, verdict, content))
    reports.write_text(os.path.join(folder, "summary.txt"), table(content, os.path.abspath(folder)))
    _make_latest(folder)
    return content


def amend(folder: str, more: Sequence[Figure], origin: reports.Origin) -> dict[str, Any]:
    """Adds figures that were measured after the report was written, to all of its files: report.json's new content."""
    path = os.path.join(folder, REPORT)
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    faults = [figure.fault() for figure in more if not figure.passed]
    content.update({figure.name: figure.value for figure in more})
    content["figures"].update(reports.as_entries(list(more), origin))
    content["faults"] += faults
    content["passed"] = bool(content["passed"]) and not faults
    reports.write_json(path, content)
    reports.write_text(os.path.join(folder, "summary.txt"), table(content, os.path.abspath(folder)))
    for name, change in (("junit.xml", _more_cases), ("index.html", with_figures)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            changed = change(file.read(), more)
        reports.write_text(os.path.join(folder, name), changed)
    _make_latest(folder)
    return dict(content)


def _more_cases(text: str, more: Sequence[Figure]) -> str:
    suite = ElementTree.fromstring(text)
    scenario = suite[0].get("classname", "")
    for figure in more:
        case = ElementTree.SubElement(suite, "testcase", classname=scenario, name=figure.name)
        if not figure.passed:
            ElementTree.SubElement(case, "failure", message=figure.fault()).text = figure.fault()
    failed = sum(not figure.passed for figure in more)
    suite.set("tests", str(int(suite.get("tests", "0")) + len(more)))
    suite.set("failures", str(int(suite.get("failures", "0")) + failed))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _make_latest(folder: str) -> None:
    latest = os.path.join(os.path.dirname(os.path.abspath(folder)), LATEST)
    fresh = f"{latest}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(folder, fresh)
    shutil.rmtree(latest, ignore_errors=True)
    os.rename(fresh, latest)
