# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's nodes: their own files, their processes' identity, their description."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cgroups
import config
import network
import node
import processes
import provision
import pytest

LAB = {
    "bridge": "kvha0",
    "address": "192.0.2.1",
    "prefix": 24,
    "bmc_user": "admin",
    "nodes": [
        {"name": "n1", "address": "192.0.2.11", "bmc_port": 8011},
        {"name": "n2", "address": "192.0.2.12", "bmc_port": 8012},
    ],
}


@pytest.fixture
def lab(tmp_path: Path) -> config.LabConfig:
    (tmp_path / "lab.json").write_text(json.dumps(LAB))
    (tmp_path / "ssh").mkdir()
    for name in ("n1_host", "n2_host", "id_ed25519.pub"):
        (tmp_path / "ssh" / name).write_text(f"key {name}\n")
    for folder in ("etc/ssh", "etc/systemd/network", "root"):
        (tmp_path / "system" / folder).mkdir(parents=True)
    return config.load(tmp_path)


def test_an_unknown_node_is_named_with_the_known_ones(lab: config.LabConfig) -> None:
    with pytest.raises(SystemExit, match=r"no node 'n9'; this lab has n1, n2"):
        lab.node("n9")


def test_a_folder_without_a_lab_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"lab.json is missing: create the lab first"):
        config.load(tmp_path)


def test_a_node_is_made_once_and_its_secrets_are_its_own(lab: config.LabConfig) -> None:
    node = lab.node("n2")
    assert provision.create(lab, node) is True
    assert provision.create(lab, node) is False
    root = lab.folder / "nodes" / "n2"
    assert (root / "etc/hostname").read_text() == "n2\n"
    assert "Address=192.0.2.12/24" in (root / "etc/systemd/network/80-container-host0.network").read_text()
    assert (root / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    assert "192.0.2.11 n1\n" in (root / "etc/hosts").read_text()


def test_a_copy_that_was_broken_off_is_made_anew(lab: config.LabConfig) -> None:
    broken = lab.folder / "nodes" / "n1.new"
    broken.mkdir(parents=True)
    (broken / "half").touch()
    assert provision.create(lab, lab.node("n1")) is True
    assert not (lab.folder / "nodes" / "n1" / "half").exists()


def test_a_removed_node_is_made_anew_and_alone(lab: config.LabConfig) -> None:
    for name in ("n1", "n2"):
        provision.create(lab, lab.node(name))
        (lab.folder / "nodes" / name / "left").touch()
    provision.remove(lab, lab.node("n2"))
    assert not (lab.folder / "nodes" / "n2").exists()
    assert provision.create(lab, lab.node("n2")) is True
    assert not (lab.folder / "nodes" / "n2" / "left").exists()
    assert (lab.folder / "nodes" / "n1" / "left").exists()


def test_two_nodes_have_two_machine_ids(lab: config.LabConfig) -> None:
    identities = {provision.own_files(lab, node)["etc/machine-id"] for node in lab.nodes}
    assert len(identities) == len(lab.nodes)


def test_a_daemon_is_started_once_and_stopped(tmp_path: Path) -> None:
    daemon = processes.Daemon(tmp_path, "sleeper")
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert daemon.start(command) is True
    pid = daemon.pid()
    assert daemon.start(command) is False
    assert daemon.pid() == pid
    assert daemon.stop() is True
    assert daemon.pid() is None
    assert daemon.stop() is False


def test_a_reused_process_id_is_no_daemon_of_ours(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        started = processes.start_time(stranger.pid)
        assert started is not None
        (tmp_path / "x.json").write_text(json.dumps({"pid": stranger.pid, "started": started - 1}))
        daemon = processes.Daemon(tmp_path, "x")
        assert daemon.pid() is None
        daemon.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_groups_lie_below_the_callers_own() -> None:
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    parents = cgroups.parents()
    assert parents
    for parent in parents:
        assert parent.name == cgroups.GROUP
    if "memory" in own:
        assert any(str(parent).endswith(f"{own['memory'].rstrip('/')}/{cgroups.GROUP}") for parent in parents)


def test_a_link_name_fits_the_kernels_limit() -> None:
    assert len(network.link("a" * 11)) <= 15


def test_a_reboot_lets_the_system_shut_down_before_it_boots(
    lab: config.LabConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(processes.Daemon, "stop", lambda _self, patience: done.append(f"stop {patience:g}"))
    monkeypatch.setattr(node.Node, "start", lambda _self: done.append("start"))
    monkeypatch.setattr(network, "cut", lambda _name: done.append("cut"))
    node.Node(lab, lab.node("n1")).reboot(patience=7)
    assert done == ["stop 7", "start"]


def test_a_page_is_kept_with_its_alerts_and_the_time() -> None:
    import pager

    body = json.dumps({"receiver": "pager", "alerts": [{"status": "firing", "labels": {"alertname": "NodeLost"}}]})
    kept = json.loads(pager.line(body.encode(), 12.5))
    assert kept == {"at": 12.5, "alerts": [{"status": "firing", "labels": {"alertname": "NodeLost"}}]}
    with pytest.raises(KeyError):
        pager.line(b"{}", 1.0)
