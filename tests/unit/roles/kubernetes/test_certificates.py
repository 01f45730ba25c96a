# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates a run renews and which it warns of, by what kubeadm says of those that it made."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from .kubernetes_role import BINARIES, inventory_faults, script, text, value

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


def test_an_api_server_s_certificate_has_every_name_that_clients_ask_by(tmp_path: Path) -> None:
    given = {
        "kubernetes_api_endpoint": "api.example.org:8443",
        "kubernetes_api_names": ["k8s.example.org", "192.0.2.9"],
    }
    names = value("__kubernetes_api_names", **given)
    assert names == ["api.example.org", "k8s.example.org", "192.0.2.9"]
    if not (BINARIES / "kubeadm").is_file():
        pytest.skip(f"{BINARIES / 'kubeadm'} is not there: `make lab` builds it")
    pki = tmp_path / "pki"
    pki.mkdir()
    config, before = tmp_path / "kubeadm-init.yaml", tmp_path / "before.yaml"
    config.write_text(text("kubeadm-init.yaml.j2", **given))
    old = text(
        "kubeadm-init.yaml.j2", kubernetes_api_endpoint="192.0.2.100:8443", kubernetes_api_names=["old.example.org"]
    )
    before.write_text(old.replace("controlPlaneEndpoint:", f"certificatesDir: {pki}\ncontrolPlaneEndpoint:"))
    for kind in ("ca", "apiserver"):
        kubeadm("init", "phase", "certs", kind, "--config", before)
    make = script(
        "api_names_certificate.yml", "Make the API server's certificate anew", __kubernetes_folder=str(tmp_path)
    )
    told = {"NAMES": value("__kubernetes_api_names | map('to_json') | join(', ')", **given)}
    done = subprocess.run(
        ["bash", "-c", make.replace("/etc/kubernetes", str(tmp_path))],
        env={**os.environ, **told, "PATH": f"{BINARIES}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", pki / "apiserver.crt"]
    said = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    kept = ["192.0.2.100", "old.example.org"]
    assert [name for name in [*names, *kept] if f":{name}" not in said] == []
    # Nothing is left of the folder beside.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before.yaml", "kubeadm-init.yaml", "pki"]


@pytest.mark.parametrize(("new", "still"), [("certificates", True), ("configuration", False)])
def test_renewed_certificates_do_not_hide_a_configuration_that_is_still_to_be_applied(
    tmp_path: Path, new: str, still: bool
) -> None:
    config, applied = tmp_path / "kubeadm-init.yaml", tmp_path / "kubeadm-init.applied"
    for path in (applied, config):
        path.touch()
    os.utime(applied, (0, 0))
    keep = script(
        "apply_host.yml", "Keep what they run with", __kubernetes_folder=str(tmp_path), __kubernetes_new=[new]
    )
    subprocess.run(["sh", "-ec", keep], check=True)
    assert (config.stat().st_mtime > applied.stat().st_mtime) is still


def test_names_of_the_api_are_names_or_addresses() -> None:
    odd = ["https://api.example.org", "api.example.org:6443", "api.example.org.", "a..b", "12:34", ""]
    (fault,) = [
        one
        for one in inventory_faults(kubernetes_api_names=[*odd, "API.example.org", "192.0.2.9", "2001:db8::9"])
        if one.startswith("kubernetes_api_names")
    ]
    assert "2001" not in fault
    assert all(name in fault for name in odd)
