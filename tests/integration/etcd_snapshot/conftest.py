# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real etcd of three members with TLS, and the module as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .etcd_cluster import ROOT, Authority, EtcdCluster
from .proxy import Proxy

MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.etcd_snapshot"
COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".cache"))
KEYS = 400
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Three members with some content, of which one key was deleted and one was written twice."""
    cluster = EtcdCluster(tmp_path_factory.mktemp("etcd"))
    try:
        cluster.start()
        for number in range(KEYS):
            cluster.put(f"/registry/key-{number}", b"value" * 1500)
        cluster.put("/registry/key-1", b"second")
        cluster.put("/registry/gone", b"soon")
        cluster.delete("/registry/gone")
        yield cluster
    finally:
        cluster.kill()


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    """Where a test's snapshots go."""
    return tmp_path / "snapshots"


def command(cluster: EtcdCluster, arguments: Path, **options: Any) -> list[str]:
    """How the module is run: with the cluster's certificates unless others are given; None leaves an option out."""
    given = {
        "endpoints": cluster.endpoints,
        "ca_cert": str(cluster.authority.certificate),
        "client_cert": str(cluster.client[0]),
        "client_key": str(cluster.client[1]),
        "request_timeout": 8,
        **options,
    }
    given = {key: str(value) if isinstance(value, Path) else value for key, value in given.items() if value is not None}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
    return [sys.executable, "-m", MODULE, str(arguments)]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The module's environment, that of a bare host: no etcdutl on its path, and no package beside Python's own."""
    absent = folder / "absent"
    absent.mkdir(exist_ok=True)
    for package in ("urllib3", "requests", "kubernetes", "cryptography"):
        (absent / f"{package}.py").write_text("raise ImportError('this host does not have it')\n")
    return {**os.environ, "PYTHONPATH": f"{absent}:{COLLECTIONS}", "PATH": "/usr/bin:/bin", **more}


@pytest.fixture
def run(etcd: EtcdCluster, tmp_path: Path) -> Run:
    """Runs the module to its end; returns its result."""

    def call(cluster: EtcdCluster | None = None, *, search: str = "/usr/bin:/bin", **options: Any) -> dict[str, Any]:
        line = command(cluster or etcd, tmp_path / "arguments.json", **options)
        done = subprocess.run(
            line, capture_output=True, text=True, env=environment(tmp_path, PATH=search), check=False, timeout=120
        )
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    return call


@pytest.fixture
def other_authority(tmp_path: Path) -> Authority:
    """An authority that etcd knows nothing of."""
    return Authority(tmp_path / "other", "stranger")


@pytest.fixture
def proxies() -> Iterator[Callable[..., Proxy]]:
    """Proxies before endpoints; all end with the test."""
    begun: list[Proxy] = []

    def begin(endpoint: str, *, limit: int, **options: Any) -> Proxy:
        begun.append(Proxy(endpoint, limit=limit, **options))
        return begun[-1]

    yield begin
    for proxy in begun:
        proxy.close()
