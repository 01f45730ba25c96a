# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with thousands of instances that nobody works on: a real API server with KubeVirt's kinds, no controllers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubevirt_contract.devcluster import DevCluster

from kubevirt_bench import playbooks
from kubevirt_bench.floor import PLURALS, Bare
from kubevirt_bench.stage import Stage

INSTANCES = 5000
_KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_API = "/apis/kubevirt.io/v1"
_SERVED_SECONDS = 60.0


@contextmanager
def still(kinds_of: Bare, folder: Path) -> Iterator[Stage]:
    """A second cluster with the kinds of the first and its instances, all of them running."""
    folder.mkdir(parents=True)
    cluster = DevCluster(folder / "cluster", options=["--no-standin"])
    cluster.start()
    try:
        stage = Stage(cluster.kubeconfig, folder)
        _copy_kinds(kinds_of, stage.bare)
        spaces = [stage.namespace() for _turn in range(playbooks.INVENTORY_NAMESPACES)]
        items = [playbooks.running_instance(index, spaces) for index in range(INSTANCES)]
        # A kind without a status subresource takes the status with the object.
        stage.bare.create_all(items)
        yield stage
    finally:
        cluster.stop()


def _copy_kinds(source: Bare, target: Bare) -> None:
    for plural in PLURALS.values():
        kind = json.loads(source.send("GET", f"{_KINDS}/{plural}.kubevirt.io"))
        body = {key: kind[key] for key in ("apiVersion", "kind", "spec")}
        target.send("POST", _KINDS, {**body, "metadata": {"name": kind["metadata"]["name"]}})
    end = time.monotonic() + _SERVED_SECONDS
    for plural in PLURALS.values():
        while True:
            try:
                target.send("GET", f"{_API}/{plural}?limit=1")
                break
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
