# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of modules share: a cluster with the KubeVirt API, a namespace of one's own, and modules run as Ansible does.

The cluster is the one of MODULES_KUBECONFIG, or the stand-in without nodes: etcd and kube-apiserver are real then, guests
are simulated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "contract"))

COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(Path(__file__).resolve().parents[2] / ".cache"))
MODULES = "ansible_collections.virtops.kubevirt_ha.plugins.modules"
Run = Callable[..., dict[str, Any]]


def pytest_configure(config: pytest.Config) -> None:
    """Declares the mark of the tests that `make test-long` alone runs."""
    config.addinivalue_line("markers", "long: takes many minutes; run by make test-long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the long tests out unless marks are chosen on the command line."""
    if not config.option.markexpr:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long; run by make test-long"))


@pytest.fixture(scope="session")
def instance_spec() -> dict[str, Any]:
    """The spec of an instance that boots everywhere, real or simulated; the contract's variables name the guest."""
    from kubevirt_contract import manifests

    boot = {"image": manifests.IMAGE, "kernelPath": manifests.KERNEL, "initrdPath": manifests.INITRD}
    return {
        "terminationGracePeriodSeconds": 2,
        "domain": {
            "cpu": {"model": manifests.CPU_MODEL},
            "firmware": {"kernelBoot": {"kernelArgs": "console=ttyS0 quiet", "container": boot}},
        },
    }


@pytest.fixture(scope="session")
def guest(instance_spec: dict[str, Any]) -> dict[str, Any]:
    """Options of the module vm for a machine that boots everywhere."""
    return {"memory": "128Mi", "requests": {"cpu": "50m"}, "spec": {"template": {"spec": instance_spec}}}


@pytest.fixture(scope="session")
def cluster_options() -> list[str]:
    """More flags of the stand-in; a folder of tests overrides this."""
    return []


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, cluster_options: list[str]) -> Iterator[Path]:
    """The kubeconfig of a cluster."""
    from kubevirt_contract.devcluster import DevCluster

    given = os.environ.get("MODULES_KUBECONFIG")
    if given:
        yield Path(given)
        return
    reason = DevCluster.lacks()
    if reason:
        pytest.skip(f"neither MODULES_KUBECONFIG nor the stand-in: {reason}")
    devcluster = DevCluster(tmp_path_factory.mktemp("devcluster"), options=cluster_options)
    devcluster.start()
    try:
        yield devcluster.kubeconfig
    finally:
        devcluster.stop()


@pytest.fixture(scope="session")
def client(cluster: Path) -> Any:
    """The collection's own client of the cluster."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import resolve
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client

    return Client(resolve({"kubeconfig": str(cluster)}))


@pytest.fixture
def namespace(client: Any) -> Iterator[str]:
    """A namespace that is deleted afterwards."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import NAMESPACE

    name = f"test-{uuid.uuid4().hex[:8]}"
    client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    client.delete(NAMESPACE, name)


def run_module(name: str, folder: Path, arguments: dict[str, Any], seconds: float = 300) -> dict[str, Any]:
    """One run of a module in a process of its own, with its arguments in a file, as Ansible runs it."""
    path = folder / f"{name}-{uuid.uuid4().hex[:8]}.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    path.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{name}", str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": COLLECTIONS.split(":")[0]},
        check=False,
        timeout=seconds,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def module(cluster: Path, tmp_path: Path) -> Run:
    """Runs a module: `module("vm", name="a", ...)`; `check=True` and `diff=True` are Ansible's modes."""

    def run(which: str, /, *, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        modes = {"_ansible_check_mode": check, "_ansible_diff": diff}
        return run_module(which, tmp_path, {"kubeconfig": str(cluster), **arguments, **modes})

    return run
