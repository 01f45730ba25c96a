"""The cluster that the contract is played against: the one of CONTRACT_KUBECONFIG, or the stand-in without nodes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kubevirt_contract.cluster import Cluster
from kubevirt_contract.devcluster import DevCluster
from kubevirt_contract.facts import Row
from kubevirt_contract.session import Session


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of the kubeconfig; where none is given the stand-in is started and ended."""
    given = os.environ.get("CONTRACT_KUBECONFIG")
    if given:
        yield given
        return
    reason = DevCluster.lacks()
    if reason:
        pytest.skip(f"neither CONTRACT_KUBECONFIG nor the stand-in: {reason}")
    cluster = DevCluster(tmp_path_factory.mktemp("devcluster"))
    cluster.start()
    try:
        yield str(cluster.kubeconfig)
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def contract(kubeconfig: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    """The session that plays the rows which were selected."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    rows = [
        item.callspec.params["row"] for item in items if hasattr(item, "callspec") and "row" in item.callspec.params
    ]
    session = Session(Cluster(kubeconfig, f"contract-{int(time.time()) % 100000}"))
    session.open([row for row in rows if isinstance(row, Row)])
    try:
        yield session
    finally:
        session.close()
