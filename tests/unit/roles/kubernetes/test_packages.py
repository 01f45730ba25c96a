# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packages come from, which keys are taken, and what a host says of a repository."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from .kubernetes_role import host_faults, inventory_faults, value

ARMOURED = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEa\n-----END PGP PUBLIC KEY BLOCK-----\n"
BINARY = b"\x98\x33\x04\xff\xfe\x00"
LINE = "https://pkgs.example.org/deb/ /"
GIVEN = {"kubernetes_source": "packages", "kubernetes_cni": "routes", "kubernetes_package_repository": LINE}


def faults(**given: Any) -> list[str]:
    return inventory_faults(**{**GIVEN, **given})


@pytest.mark.parametrize(("version", "minor"), [("1.34.4", "1.34"), ("1.35.0-rc.1", "1.35")])
def test_the_repository_follows_the_minor_version(version: str, minor: str) -> None:
    line = value("kubernetes_package_repository", kubernetes_version=version)
    assert line == f"https://pkgs.k8s.io/core:/stable:/v{minor}/deb/ /"
    assert faults(kubernetes_package_repository=line, kubernetes_version="1.34.4") == []


@pytest.mark.parametrize("line", ["", LINE.split()[0], f"[trusted=yes] {LINE}", f"deb {LINE}", f"{LINE}\ndeb {LINE}"])
def test_a_repository_is_an_address_and_a_suite_and_nothing_else(line: str) -> None:
    (fault,) = faults(kubernetes_package_repository=line)
    assert fault.startswith("kubernetes_package_repository: ")
    assert faults(kubernetes_package_repository=line, kubernetes_source="release") == []


def test_a_repository_may_have_components() -> None:
    assert faults(kubernetes_package_repository="https://mirror.example.org/kubernetes stable main") == []


def test_a_key_is_not_taken_over_a_way_that_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(ARMOURED)
    line = "http://mirror.example.org/deb/ /"
    (fault,) = faults(kubernetes_package_repository=line)
    assert "set kubernetes_package_key_file" in fault
    assert faults(kubernetes_package_repository=line, kubernetes_package_key_file=str(tmp_path / "key")) == []
    assert faults(kubernetes_package_repository="http://127.0.0.1:8000/ /") == []


@pytest.mark.parametrize("content", [ARMOURED, BINARY, b"\x99\x01\x0d\x04", b"\xc6\x33\x04"])
def test_keys_are_taken_in_each_form(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "the key").write_bytes(content)
    given = {"kubernetes_package_key_file": str(tmp_path / "the key")}
    assert faults(**given) == []
    assert base64.b64decode(value("__kubernetes_package_key", **given)) == content


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\n", b"<html>"])
def test_what_is_no_key_is_a_fault(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    (fault,) = faults(kubernetes_package_key_file=str(tmp_path / "key"))
    assert fault.startswith(f"kubernetes_package_key_file: {tmp_path}/key is no OpenPGP key on the controller; ")


def test_a_page_in_the_place_of_the_key_is_none() -> None:
    for content, found in (("<html>login</html>", b""), (ARMOURED.decode(), ARMOURED)):
        given = {"__kubernetes_package_key_said": {"status": 200, "content": content}}
        assert base64.b64decode(value("__kubernetes_package_key", **given)) == found


KEY = {"__kubernetes_package_key_said": {"status": 200, "content": ARMOURED.decode()}}


def listed(*lines: str, code: int = 0) -> dict[str, Any]:
    """What a host's apt says."""
    return {**KEY, "__kubernetes_package_list": {"rc": code, "stdout_lines": list(lines)}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"__kubernetes_package_key_said": {"status": 404, "msg": "HTTP Error 404: Not Found"}},
            f"{LINE} gives no Release.key (HTTP Error 404: Not Found); set kubernetes_package_repository to",
        ),
        (
            listed("W: GPG error", "E: The repository is not signed.", code=100),
            f"{LINE} is refused by apt (W: GPG error E: The repository is not signed.); set kubernetes_package_repository",
        ),
        (
            listed("kubeadm 1.34.5", "kubeadm 1.34.3", "kubelet 1.34.4", "kubelet 1.34.5"),
            f"{LINE} has no kubeadm 1.34.4; its versions are 1.34.5, 1.34.3, 1.34.4; set kubernetes_version to",
        ),
        (
            listed("N: Unable to locate package kubeadm"),
            f"{LINE} has no kubeadm 1.34.4, kubelet 1.34.4; its versions are none; set",
        ),
        (listed("kubeadm 1.34.4", "kubelet 1.34.4"), ""),
        ({"__kubernetes_package_list": {"msg": "no bash"}}, f"{LINE} is refused by apt (no bash); set"),
        ({"__kubernetes_outdated": []}, ""),  # it was not asked
    ],
)
def test_a_host_names_what_the_repository_lacks(given: dict[str, Any], said: str) -> None:
    found = host_faults(**{**GIVEN, "__kubernetes_outdated": ["kubeadm", "kubelet"], **given})
    assert len(found) == bool(said)
    assert all(fault.startswith(f"n1: kubernetes_package_repository {said}") for fault in found), found


def test_a_login_in_the_address_is_not_told() -> None:
    (fault,) = faults(kubernetes_package_repository="http://me:sesame@mirror.example.org/deb/ /")
    assert "http://mirror.example.org/deb/ /" in fault
    assert "sesame" not in fault
