# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the network: an archive's images go to a registry with a CA of its own, and containerd takes them from there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from registry import Registry
from role_play import ROOT, Play

Archive = Callable[..., Path]
SYSTEM = Path(os.environ.get("KUBEVIRT_HA_BINARIES", ROOT / ".cache" / "lab" / "bin")).parent / "system"
SECONDS = 30.0


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry").running() as found:
        yield found


def test_images_are_pushed_by_the_registrys_own_ca(play: Play, archive: Archive, registry: Registry) -> None:
    given = {
        "kubevirt_source": "archive",
        "kubevirt_archive": str(archive(cdi=True)),
        "kubevirt_registry": registry.address,
        "kubernetes_kubeconfig": "",
    }
    files = ["inventory", "push"]
    refused = play("kubevirt", files, **given)
    assert refused.code != 0
    assert "certificate signed by unknown authority" in refused.text
    trusted = {**given, "kubernetes_registry_ca_file": str(registry.authority)}
    first = play("kubevirt", files, **trusted)
    assert first.code == 0, first.text[-3000:]
    assert first.changed
    assert registry.has("kubevirt/virt-launcher:v1.9.0")
    assert registry.has("kubevirt/cdi-controller:v1.66.0")
    again = play("kubevirt", files, **trusted)
    assert not again.changed, again.text[-3000:]


def test_a_ca_that_is_none_is_refused_before_anything_is_pushed(play: Play, archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    given = {
        "kubevirt_source": "archive",
        "kubevirt_archive": str(archive()),
        "kubevirt_registry": "127.0.0.1:1",
        "kubevirt_registry_ca_file": str(tmp_path / "ca.pem"),
        "kubevirt_cdi": True,
        "kubernetes_kubeconfig": "",
    }
    refused = play("kubevirt", ["preflight"], **given)
    assert refused.code != 0
    assert "is no PEM file of certificates on the controller" in refused.text
    assert "has no cdi-operator.yaml and cdi-cr.yaml" in refused.text


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[Path]:
    """The nodes' containerd with a folder of its own; its socket."""
    program = SYSTEM / "usr/bin/containerd"
    if os.geteuid() or not program.exists():
        pytest.skip("needs root and the nodes' system in .cache/lab/system: `make lab` installs it")
    configuration = tmp_path / "config.toml"
    configuration.write_text(
        f'version = 2\nroot = "{tmp_path}/c-root"\nstate = "{tmp_path}/c-state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
    )
    address = Path(f"/tmp/kvha-{os.getpid()}.sock")
    command = [str(program), "--config", str(configuration), "--address", str(address)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + SECONDS
        while not address.exists():
            assert process.poll() is None and time.monotonic() < end, "containerd does not come up"
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
        for left in address.parent.glob(f"{address.name}*"):
            left.unlink()


def hosts_toml(**given: Any) -> str:
    """The file as role kubernetes writes it."""
    role = ROOT / "roles" / "kubernetes"
    variables = {**DataLoader().load_from_file(str(role / "vars/main.yml"), trusted_as_template=True), **given}
    text = trust_as_template((role / "templates/hosts.toml.j2").read_text())
    return str(Templar(loader=DataLoader(), variables=variables).template(text, overrides={"trim_blocks": True}))


def test_containerd_pulls_through_the_mirror_by_that_ca(
    play: Play, archive: Archive, registry: Registry, containerd: Path, tmp_path: Path
) -> None:
    pushed = play(
        "kubevirt",
        ["inventory", "push"],
        kubevirt_source="archive",
        kubevirt_archive=str(archive()),
        kubevirt_registry=registry.address,
        kubevirt_registry_ca_file=str(registry.authority),
        kubernetes_kubeconfig="",
    )
    assert pushed.code == 0, pushed.text[-3000:]
    mirrors = {
        "__kubernetes_registry": "quay.io",
        "__kubernetes_registry_ca": str(registry.authority),
        "kubernetes_registry_mirrors": {"quay.io": f"https://{registry.address}"},
    }
    folder = tmp_path / "certs.d" / "quay.io"
    folder.mkdir(parents=True)
    pull = [str(SYSTEM / "usr/bin/ctr"), "--address", str(containerd), "images", "pull"]
    pull += ["--hosts-dir", str(folder.parent), "--snapshotter", "native", "quay.io/kubevirt/virt-api:v1.9.0"]
    outcomes = []
    for authority in ("", str(registry.authority)):
        (folder / "hosts.toml").write_text(hosts_toml(**mirrors, kubernetes_registry_ca_file=authority))
        done = subprocess.run(pull, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60)
        outcomes.append((done.returncode == 0, done.stdout + done.stderr))
    assert not outcomes[0][0], outcomes[0][1]
    assert outcomes[1][0], outcomes[1][1]
