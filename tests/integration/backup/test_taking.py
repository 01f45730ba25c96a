# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines into a real repository, on the stand-in without nodes: held for moments only, and never left held."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import records
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import CONFIG_MAP, SECRET

from .conftest import COLLECTIONS, MIB, Site, until, write

COMMAND_LINE = "ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.command_line"


def snapshots(site: Site) -> list[Path]:
    return list(Path(site.settings["repository"], "snapshots").iterdir())


def state_of_cluster(site: Site) -> dict[str, Any]:
    """What the last run left in the cluster for others to read."""
    return dict(json.loads(site.client.get(CONFIG_MAP, records.NAME, records.NAMESPACE)["data"][records.KEY]))


def runner(site: Site, command: str, **settings: Any) -> subprocess.Popen[str]:
    path = site.folder / "backup.json"
    path.write_text(json.dumps({**site.settings, **settings}))
    return subprocess.Popen(
        [sys.executable, "-m", COMMAND_LINE, "--config", str(path), command],
        env={**os.environ, "PYTHONPATH": COLLECTIONS.split(":")[0]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def slow_host(folder: Path) -> dict[str, Any]:
    """A host whose second read of a disk takes a minute: a run stands there with the machine held."""
    program = folder / "slow"
    mark = folder / "reads"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1" in *"\' read /"*) echo x >>{mark}; test "$(wc -l <{mark})" -lt 2 || exec sleep 60 ;; esac\nexec sh -c "$1"\n'
    )
    program.chmod(0o755)
    return {"name": "slow", "command": [str(program)]}


def run_that_holds(site: Site, **settings: Any) -> subprocess.Popen[str]:
    """A run that stands with its only machine held."""
    site.disk("data")
    site.machine()
    process = runner(site, "take", hosts=[slow_host(site.folder)], **settings)
    until(site.paused)
    return process


def test_a_running_machine_is_paused_for_a_moment_and_its_disk_is_of_that_moment(site: Site) -> None:
    file = site.disk("data")
    write(file, 0, b"before")
    site.machine()
    # A guest that writes until it is held: what is on its disk at the end of the backup is what must come back.
    stop = threading.Event()

    def scribble() -> None:
        number = 0
        while not stop.is_set():
            if not site.paused():
                number += 1
                write(file, (number % 20) * MIB, f"block {number}".encode())
            time.sleep(0.05)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        done = site.back_up(parts=["machines", "verify"])
    finally:
        stop.set()
        writer.join()
    assert not done.get("failed"), done["msg"]
    (entry,) = done["machines"]
    assert (entry["method"], entry["consistency"]) == ("copy", "crash-consistent")
    assert 0 < entry["frozen_seconds"] < 30
    until(lambda: not site.paused(), 30)
    assert done["verified"]["sound"]
    figures = {one["name"]: one["value"] for one in done["figures"]}
    assert figures["backup_frozen_seconds"] == entry["frozen_seconds"]
    assert (figures["backup_machines"], figures["backup_damaged_parts"]) == (1, 0)
    assert state_of_cluster(site)["machines"][f"{site.namespace}/v"]["snapshot"] == entry["snapshot"]
    assert records.read(site.settings["state_dir"])["selected"] == [f"{site.namespace}/v"]
    assert os.listdir(site.settings["state_dir"] + "/held") == []
    assert "sesame" not in json.dumps(done)


def test_check_mode_tells_how_and_takes_nothing(site: Site) -> None:
    site.disk("data")
    site.machine(run_strategy="Halted")
    done = site.back_up(check=True)
    assert done["changed"]
    assert [(one["method"], one["hold"]) for one in done["plan"]] == [("copy", "nothing")]
    assert done["machines"] == []
    assert snapshots(site) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_machine_held(site: Site, number: signal.Signals) -> None:
    process = run_that_holds(site)
    process.send_signal(number)
    assert process.wait(30) != 0
    until(lambda: not site.paused(), 30)


def test_a_machine_is_let_go_when_the_time_is_over_and_its_backup_is_none(site: Site) -> None:
    process = run_that_holds(site, max_frozen_seconds=2)
    began = time.monotonic()
    until(lambda: not site.paused(), 30)
    assert time.monotonic() - began < 15
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{site.namespace}/v" in said
    assert "took too long" in said
    assert snapshots(site) == []


def test_what_a_lost_host_left_held_is_let_go_by_the_release(site: Site) -> None:
    site.disk("data")
    site.machine()
    assert not site.run("vm_power", name="v", namespace=site.namespace, state="paused").get("failed")
    held = Path(site.settings["state_dir"], "held")
    held.mkdir()
    (held / "x.json").write_text(json.dumps({"namespace": site.namespace, "name": "v", "how": "pause", "pid": 1}))
    process = runner(site, "release")
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert out == f"let go: {site.namespace}/v\n"
    until(lambda: not site.paused(), 30)
    assert list(held.iterdir()) == []


def test_a_machine_that_somebody_paused_stays_paused(site: Site) -> None:
    site.disk("data")
    site.machine()
    assert not site.run("vm_power", name="v", namespace=site.namespace, state="paused").get("failed")
    done = site.back_up()
    assert (done["machines"][0]["consistency"], done["machines"][0]["frozen_seconds"]) == ("crash-consistent", None)
    assert site.paused()


def test_one_that_cannot_be_backed_up_keeps_no_other_from_it(site: Site) -> None:
    namespace = site.namespace
    site.disk("data")
    site.machine()
    lost = site.disk("other")
    site.machine("w", claim="other", run_strategy="Halted")
    lost.unlink()
    settings = {**site.settings, "machines": [{"namespace": namespace}, {"namespace": namespace, "names": ["gone"]}]}
    told = f"{namespace}/w: {lost}: the disk's file does not exist"
    planned = site.back_up(settings=settings, check=True)
    assert (
        planned["failed"] and told in planned["msg"] and f"VirtualMachine {namespace}/gone does not" in planned["msg"]
    )
    later = site.back_up(settings=settings, missing="warn", check=True)
    assert not later.get("failed"), later["msg"]
    assert [one["name"] for one in later["plan"]] == ["v"]

    done = site.back_up(settings=settings)
    assert done["failed"] and told in done["msg"] and f"VirtualMachine {namespace}/gone does not" in done["msg"]
    (entry,) = done["machines"]
    assert entry["name"] == "v" and "error" not in entry
    alone = {**settings, "machines": settings["machines"][1:]}
    refused = site.back_up(settings=alone)
    assert refused["failed"] and not refused["changed"] and "gone does not exist" in refused["msg"]
    figures = {one["name"]: (one["value"], one["limit"]) for one in done["figures"]}
    assert figures["backup_machines"] == (1, 3)
    assert state_of_cluster(site)["selected"] == [f"{namespace}/gone", f"{namespace}/v", f"{namespace}/w"]


def test_two_runs_at_once_are_refused(site: Site) -> None:
    process = run_that_holds(site)
    done = site.back_up()
    assert f"another run is under way: process {process.pid} holds" in done["msg"]
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    until(lambda: not site.paused(), 30)


def test_objects_are_files_and_secrets_only_where_they_are_asked_for(site: Site) -> None:
    client, namespace, given = site.client, site.namespace, site.settings
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kept", "namespace": namespace},
        "data": {"a": "b"},
    }
    client.create(CONFIG_MAP, body, namespace)
    client.create(SECRET, {**body, "kind": "Secret", "data": {"a": "Yg=="}}, namespace)
    for secrets in (False, True):
        wanted = {**given, "namespaces": [namespace], "include_secrets": secrets}
        done = site.back_up(settings=wanted, parts=["objects"])
        assert not done.get("failed"), done["msg"]
        target = site.folder / f"restored-{secrets}"
        command = ["restic", "restore", done["objects"]["snapshot"], "--target", str(target)]
        environment = {"RESTIC_REPOSITORY": given["repository"], "RESTIC_PASSWORD_FILE": given["password_file"]}
        subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
        inside = target / "namespaces" / namespace
        kept = json.loads((inside / "configmaps" / "kept.json").read_text())
        assert (kept["kind"], kept["data"]) == ("ConfigMap", {"a": "b"})
        assert (inside / "secrets" / "kept.json").exists() is secrets
        assert (target / "cluster" / "storageclasses.storage.k8s.io" / "directories.json").exists()
    # One that is not there fails, keeps no other from its backup, and what older backups have of it is not forgotten.
    lacking = {**given, "namespaces": [namespace, "nowhere"], "keep": {"last": 1, "daily": 0, "weekly": 0}}
    done = site.back_up(settings=lacking, parts=["objects"])
    assert done["failed"] and "backup_namespaces: namespace nowhere does not exist" in done["msg"]
    assert done["objects"]["namespaces"][namespace] > 0 and done["forgotten"] == 0
    done = site.back_up(settings={**lacking, "namespaces": [namespace]}, parts=["objects"])
    assert not done.get("failed") and done["forgotten"] > 0
