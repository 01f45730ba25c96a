# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a figure that a test or a scenario measured into a report of this repository.

`keep_figure.py REPORT COMMAND '{"name": ..., "value": ..., "unit": ..., "limit": ..., "samples": ...}'` adds it to
reports/REPORT.json and fails where it does not keep its limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.platform_state import source_of

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = REPOSITORY / ".cache" / "lab"


def keep(report: str, *figures: reports.Figure, command: str) -> None:
    """Writes figures with the commit that they were measured of and the KubeVirt that ran."""
    origin = reports.Origin(command, commit(), kubevirt_source())
    reports.add_figures(str(REPOSITORY / "reports" / f"{report}.json"), list(figures), origin)


def commit(repository: Path = REPOSITORY) -> str:
    """The commit that is measured; `unknown` outside of a work tree. The page that long checks write is no change of it."""
    git = ("git", "-C", str(repository))
    name = subprocess.run((*git, "describe", "--always", "--exclude=*"), capture_output=True, text=True, check=False)
    changed = subprocess.run(
        (*git, "diff", "--quiet", "HEAD", "--", ".", ":!docs/test-long.md"), check=False, capture_output=True
    )
    return (name.stdout.strip() + ("-dirty" if changed.returncode else "")) if name.returncode == 0 else "unknown"


def kubevirt_source() -> str:
    """Which KubeVirt runs on the lab, as its Deployments say; `unknown` where nobody answers."""
    kubectl = (str(LAB / "bin" / "kubectl"), "--kubeconfig", str(LAB / "kubeconfig"), "--request-timeout=10s")
    ask = (*kubectl, "--namespace=kubevirt", "get", "deployments", "--output=json")
    done = subprocess.run(ask, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return source_of(json.loads(done.stdout)["items"]) if done.returncode == 0 else "unknown"


def main(report: str, command: str, given: str) -> int:
    figure = reports.Figure(**json.loads(given))
    keep(report, figure, command=command)
    print(f"{figure.name}: {figure.value} {figure.unit}", figure.fault())
    return 0 if figure.passed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
