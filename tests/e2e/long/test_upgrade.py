# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes goes one minor version up, node by node; the run is killed in the middle and completed by the next."""

from __future__ import annotations

import time
from typing import Any

import keep_figure
import platform_lab as platform
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure

VERSION = "1.35.4"
GIVEN = ("-e", f"kubernetes_version={VERSION}", "-e", f"kubernetes_binaries_dir=/opt/lab/bin/{VERSION}")
NODES = ("n1", "n2", "n3")


def kubelets() -> dict[str, str]:
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes()}


def nodes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = platform.get("nodes")["items"]
    return found


def test_an_upgrade_that_is_killed_in_the_middle_is_completed_by_the_next_run() -> None:
    platform.lay_out(lab_kubernetes_next_version=VERSION)
    before, machines = kubelets(), platform.machines()
    assert set(before.values()).isdisjoint({f"v{VERSION}"})
    assert len(machines) == 3

    # The first node's control plane is new then, and the node is drained; its kubelet is the old one.
    begun = time.monotonic()
    platform.break_off("upgrade", *GIVEN, at=": Put in the other programs]")
    assert any(node["spec"].get("unschedulable") for node in nodes()), "it was killed before anything was done"

    played = platform.play("upgrade", *GIVEN)
    seconds = time.monotonic() - begun
    assert played.code == 0, played.text[-8000:]
    assert kubelets() == dict.fromkeys(NODES, f"v{VERSION}")
    assert not any(node["spec"].get("unschedulable") for node in nodes())
    assert platform.machines() == machines
    pods = platform.get("pods", "--namespace=kube-system", "--selector=component=kube-apiserver")["items"]
    images = {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}
    assert (len(pods), images) == (3, {f"v{VERSION}"})

    figure = Figure(
        "upgrade_seconds", round(seconds, 1), "s", None, 1, more={"from": sorted(set(before.values())), "to": VERSION}
    )
    keep_figure.keep("platform", figure, command="pytest tests/e2e/long")


def test_another_run_and_the_site_have_nothing_to_do() -> None:
    for name in ("upgrade", "site"):
        played = platform.play(name, *GIVEN)
        assert played.code == 0, played.text[-6000:]
        assert set(played.changed.values()) == {0}, (name, played.changed)


def test_a_version_two_minors_up_and_one_that_is_older_are_refused_before_anything_is_changed() -> None:
    for version, told in (("1.37.0", "2 minor versions above"), ("1.34.4", "Kubernetes does not go back")):
        played = platform.play(
            "upgrade", "-e", f"kubernetes_version={version}", "-e", "version_matrix_allow_untested=true"
        )
        assert played.code != 0
        assert told in " ".join(played.text.split()), played.text[-4000:]
        assert set(played.changed.values()) <= {0}
