# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m kubevirt_bench`: measures all groups, or those of BENCH_ONLY, and writes reports/bench.json.

BENCH_KUBECONFIG: a cluster with KubeVirt to measure on, in place of the stand-in; BENCH_KUBEVIRT_SOURCE: what to call
its KubeVirt; BENCH_ONLY: groups, with commas between; BENCH_REPEATS: how often each contender runs. The exit code is 1
where a limit is missed, 2 where nothing could be measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import reports
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.reports import Figure, Origin
from kubevirt_contract.devcluster import DevCluster

from kubevirt_bench import figures
from kubevirt_bench.figures import MOST_MEMORY_MB
from kubevirt_bench.groups import GROUPS, Bench
from kubevirt_bench.measure import CommandFailed
from kubevirt_bench.picture import picture
from kubevirt_bench.stage import ROOT, Stage
from kubevirt_bench.still import still

STAND_IN = "stand-in without nodes: real etcd and kube-apiserver, its admission webhooks, simulated guests"


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """The kubeconfig of the cluster to measure on, and what ends that cluster before its time."""
    given = os.environ.get("BENCH_KUBECONFIG")
    if given:
        yield Path(given).resolve(), lambda: None
        return
    standin = DevCluster(folder / "cluster")
    standin.start()
    try:
        yield standin.kubeconfig, standin.stop
    finally:
        standin.stop()


@contextmanager
def instances(stage: Stage, end: Callable[[], None], folder: Path) -> Iterator[Stage]:
    """The cluster for the inventory: one that was given as it is, for nobody wants thousands of instances there.

    Else one of its own, alone on the machine: the first one, with all that was made there, is ended.
    """
    if os.environ.get("BENCH_KUBECONFIG"):
        yield stage
        return
    with still(stage.bare, folder) as other:
        end()
        yield other


def chosen() -> list[str]:
    """The groups to measure, in their order: the last one ends the cluster of the others."""
    asked = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name]
    unknown = sorted(set(asked) - set(GROUPS))
    if unknown:
        sys.exit(f"BENCH_ONLY: there is no {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    return [name for name in GROUPS if name in (asked or GROUPS)]


def origin() -> Origin:
    """Where the figures come from."""
    git = ("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*")
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    given = os.environ.get("BENCH_KUBEVIRT_SOURCE", "the cluster of BENCH_KUBECONFIG")
    return Origin("make bench", commit, given if os.environ.get("BENCH_KUBECONFIG") else STAND_IN)


def measured(bench: Bench, names: list[str]) -> list[Figure]:
    """The figures of the groups; one that breaks off leaves a figure without a value."""
    found: list[Figure] = []
    for name in names:
        print(f"measuring {name}", flush=True)
        try:
            new = GROUPS[name](bench)
            found += new
            print(figures.table(new), flush=True)
        except (CommandFailed, RuntimeError, OSError) as error:
            found.append(Figure(name, None, "", why=str(error)))
    return found


def main() -> int:
    """Measures, writes, prints."""
    # An end from outside is to end the clusters too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = chosen()
    lacks = "" if os.environ.get("BENCH_KUBECONFIG") else DevCluster.lacks()
    if lacks:
        print(f"{lacks}; `make lab` builds it, or give BENCH_KUBECONFIG", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="kubevirt-bench-") as folder, cluster(Path(folder)) as (kubeconfig, end):
        stage = Stage(kubeconfig, Path(folder))
        bench = Bench(
            stage, partial(instances, stage, end, Path(folder) / "still"), int(os.environ.get("BENCH_REPEATS", "3"))
        )
        try:
            found = measured(bench, names)
        finally:
            if os.environ.get("BENCH_KUBECONFIG"):
                bench.stage.close()
    reports.write_figures(str(ROOT / "reports" / "bench.json"), found, origin())
    if bench.seconds:
        panels = [("Seconds of the module", bench.seconds, None), ("Peak memory, MB", bench.memory, MOST_MEMORY_MB)]
        reports.write_text(str(ROOT / "docs" / "pictures" / "bench.svg"), picture(panels))
    print(figures.table(found))
    faults = [one.fault() for one in found if not one.passed]
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
