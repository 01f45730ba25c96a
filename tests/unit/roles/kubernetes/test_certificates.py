# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates a run renews and which it warns of, by what kubeadm says of those that it made."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from .kubernetes_role import BINARIES, text, value

YEAR = 365


def kubeadm(*arguments: str | Path) -> str:
    """What kubeadm says."""
    return subprocess.run([BINARIES / "kubeadm", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """kubeadm's answer for certificates made just now."""
    if not (BINARIES / "kubeadm").is_file():
        pytest.skip(f"{BINARIES / 'kubeadm'} is not there: `make lab` builds it")
    folder = tmp_path_factory.mktemp("pki")
    documents = list(yaml.safe_load_all(text("kubeadm-init.yaml.j2")))
    for document in documents:
        if document["kind"] == "ClusterConfiguration":
            document["certificatesDir"] = str(folder)
    config = folder / "kubeadm-init.yaml"
    config.write_text(yaml.safe_dump_all(documents))
    kubeadm("init", "phase", "certs", "all", "--config", config)
    return kubeadm("certs", "check-expiration", "--config", config, "--output", "json")


@pytest.mark.parametrize(("days", "renewed"), [(0, False), (YEAR - 2, False), (YEAR + 1, True)])
def test_certificates_are_renewed_within_the_days_asked_for(said: str, days: int, renewed: bool) -> None:
    given = {"__kubernetes_certificates": {"stdout": said}, "kubernetes_certificates_renew_days": days}
    assert value("__kubernetes_certificates_end", **given) is renewed


def test_a_missing_or_external_certificate_is_not_renewed() -> None:
    certificates = [
        {"name": "a", "residualTime": 1, "missing": False, "externallyManaged": True},
        {"name": "b", "residualTime": 0, "missing": True, "externallyManaged": False},
    ]
    given = {"__kubernetes_certificates": {"stdout": json.dumps({"certificates": certificates})}}
    assert value("__kubernetes_certificates_end", kubernetes_certificates_renew_days=300, **given) is False
    assert [one["name"] for one in value("__kubernetes_certificates_ending", **given)] == ["a"]


def test_authorities_are_told_too(said: str) -> None:
    def told(days: int) -> set[str]:
        given = {"__kubernetes_certificates": {"stdout": said}, "kubernetes_certificates_warn_days": days}
        return {one["name"] for one in value("__kubernetes_certificates_ending", **given)}

    assert told(YEAR - 2) == set()
    assert {"apiserver", "etcd-server"} <= told(YEAR + 1)
    assert "ca" not in told(YEAR + 1)
    assert {"ca", "etcd-ca", "front-proxy-ca"} <= told(11 * YEAR)
