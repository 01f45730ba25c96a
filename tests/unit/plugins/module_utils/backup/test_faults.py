# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk, a wrong line, a host or a namespace that goes, and two at once: told with the way out, and nothing else suffers."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import etcd, hold, objects, records, runner
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import restic as repository
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import DiskFailed, HostFiles, Hosts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.locks import locked
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import COPY, NOTHING, Plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.plan import Found
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic, ResticFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.run_result import Result
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Etcd, Host, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    Answer,
    Conflict,
    HaError,
    ManyFailed,
    NotFound,
    Refused,
)

FULL = OSError(errno.ENOSPC, "No space left on device")


def settings(folder: Path, **given: Any) -> Settings:
    return Settings("/r", str(folder / "password"), str(folder / "state"), "/k", **given)


def test_a_repository_that_does_not_answer_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restic = tmp_path / "restic"
    restic.write_text("#!/bin/sh\nexec sleep 60\n")
    restic.chmod(0o755)
    assert repository._ASK_SECONDS == 30
    monkeypatch.setattr(repository, "_ASK_SECONDS", 0.2)
    said = r"repository /r.* does not answer.*restic cat took longer than 0.2 s.*Check the way to it"
    with pytest.raises(ResticFailed, match=said):
        Restic(settings(tmp_path, restic=str(restic))).exists()


def test_one_run_at_a_time_and_each_restore_by_its_name(tmp_path: Path) -> None:
    folder = str(tmp_path / "state")
    refused = pytest.raises(Refused, match=f"process {os.getpid()} holds")
    with locked(folder), locked(folder, "restore-shop_web.lock"), refused, locked(folder):
        pass
    with locked(folder):
        pass


def test_a_folder_that_cannot_be_written_is_told_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = str(tmp_path / "file" / "state")
    with pytest.raises(HaError, match="cannot be written.*set backup_state_dir"), locked(folder):
        pass
    with pytest.raises(HaError, match="state cannot be written.*set backup_state_dir"):
        records.write(folder, {})


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records.write(str(tmp_path), {"a": 1})

    def full(_file: int) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HaError, match="No space left"):
        records.write(str(tmp_path), {"a": 2})
    assert records.read(str(tmp_path)) == {"a": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_a_state_of_another_shape_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("null")
    with pytest.raises(HaError, match="it is no map. Remove it"):
        records.read(str(tmp_path))


def test_a_full_spool_stops_its_part_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runner.Run(settings(tmp_path, etcd=Etcd(("https://e:2379",)), namespaces=("shop",)))
    result = Result()

    def full(_self: Any, _client: Any) -> dict[str, Any]:
        raise FULL

    monkeypatch.setattr(runner.Run, "_etcd", full)
    monkeypatch.setattr(runner.Run, "_objects", lambda _self, _client: {"files": 1})
    monkeypatch.setattr(runner.Run, "_forget", lambda _self, _result: 0)
    work: Any = type("Work", (), {"client": None})
    run._take_all(work, ["etcd", "objects"], Found(), result)
    assert result.objects == {"files": 1}
    assert "No space left on device. Free space there, or set backup_spool_dir" in str(result.failure)


def test_the_note_of_etcd_in_the_cluster_shows_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings("rest:https://user:word@host/", "/p", str(tmp_path), "/k")
    taken = {"taken_at": "t", "size": 1, "revision": 2, "total_keys": 3, "verified_with": ["sha256"], "hash": 4}
    noted: list[str] = []
    monkeypatch.setattr(etcd, "take", lambda *_given: dict(taken))
    monkeypatch.setattr(etcd, "prove", lambda *_given: None)
    monkeypatch.setattr(Restic, "backup", lambda *_given: {"snapshot_id": "a" * 64})
    monkeypatch.setattr(records, "publish_etcd", lambda _client, *words: noted.extend(words))
    client: Any = None
    runner.Run(given)._etcd(client)
    assert "rest:https://user:(hidden)@host/" in " ".join(noted)
    assert "word" not in " ".join(noted)


def test_a_repository_that_cannot_be_opened_shows_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Fatal: Get https://user:word@host/config: refused"
    done = subprocess.CompletedProcess(["restic"], 1, "", said)
    monkeypatch.setattr(Restic, "_run", lambda *_self, **_given: done)
    with pytest.raises(ResticFailed) as caught:
        Restic(settings(tmp_path)).exists()
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"A=b\n# note\n\nB = 'c'\n", ""),
        (b"A=b\nexport SECRET=x\n", "line 2: is not NAME=VALUE"),
        (b"SECRET\nA=b\n=x\n", "line 1, 3: is not NAME=VALUE"),
        (b"A=\xff\n", "it is no text"),
        (b"A=x\0y\n", "line 1: is not NAME=VALUE"),
    ],
)
def test_lines_that_say_nothing_are_told_by_their_numbers(tmp_path: Path, text: bytes, said: str) -> None:
    for name, content in (("password", b"p"), ("variables", text)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    given = settings(tmp_path, environment_file=str(tmp_path / "variables"), restic="sh")
    told = " ".join(Restic(given).faults())
    assert bool(told) == bool(said) and said in told
    assert "SECRET" not in told


# Machines that are held


class Cluster:
    """A client whose writes do what the test says."""

    def __init__(self, refuse: str = "", vmi: Any = None) -> None:
        self.refuse, self.vmi = refuse, vmi
        self.done: list[str] = []

    def put(self, _resource: Any, name: str, _namespace: str, **given: Any) -> None:
        if name == self.refuse:
            raise Conflict("refused", answer=Answer(409, {}, None))
        self.done.append(f"{given['subresource']} {name}")

    def delete(self, resource: Any, name: str, _namespace: str) -> None:
        if name == self.refuse:
            raise HaError("cannot be deleted")
        self.done.append(f"delete {resource.kind} {name}")

    def find(self, *_given: Any) -> Any:
        return self.vmi


def holder(folder: Path, client: Any) -> hold.Holder:
    return hold.Holder(client, lambda: client, str(folder), 30)


def note(one: hold.Holder, name: str) -> None:
    one._note({"namespace": "shop", "name": name, "how": "pause", "pid": 1})


def test_a_machine_that_stays_held_keeps_no_other_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "_RELEASE_SECONDS", -1.0)
    client = Cluster(refuse="a", vmi={"metadata": {"name": "a"}, "status": {"phase": "Running"}})
    one = holder(tmp_path, client)
    for name in ("a", "b"):
        note(one, name)
    with pytest.raises(HaError, match="virtctl unpause vm a"):
        one.release()
    assert client.done == ["unpause b"]
    assert [left["name"] for left in one.leftovers()] == ["a"]
    note(one, "c")
    client.refuse = ""
    assert one.release() == ["shop/a", "shop/c"]


def test_all_machines_that_stay_held_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "_RELEASE_SECONDS", -1.0)
    one = holder(tmp_path, Cluster(refuse="a", vmi={"metadata": {"name": "a"}}))
    path = Path(tmp_path, "held", "z.json")
    note(one, "a")
    path.write_text((tmp_path / "held" / "shop_a.json").read_text())
    with pytest.raises(ManyFailed):
        one.release()


@pytest.mark.parametrize(
    ("vmi", "free"),
    [
        (None, False),
        ({"metadata": {}, "status": {"phase": "Running"}}, True),
        ({"metadata": {"deletionTimestamp": "t"}, "status": {"phase": "Running"}}, False),
        ({"metadata": {}, "status": {"phase": "Succeeded"}}, False),
    ],
)
def test_a_machine_on_its_way_down_is_not_started_yet(vmi: Any, free: bool) -> None:
    client: Any = Cluster(vmi=vmi)
    refused = Conflict("running already", answer=Answer(409, {}, None))
    assert hold._is_free(client, "shop", "a", hold.STOP, refused, 0.0) is free


def test_a_machine_that_was_stopped_is_started_when_the_run_is_gone(tmp_path: Path) -> None:
    class Telling(Cluster):
        def put(self, _resource: Any, name: str, _namespace: str, **given: Any) -> None:
            (tmp_path / "told").write_text(f"{given['subresource']} {name}")

    one = holder(tmp_path, Telling())
    plan = Plan("shop", "a", "u", COPY, NOTHING, ())
    seen: list[hold.Watchdog] = []

    class Seen(hold.Watchdog):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            seen.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hold, "Watchdog", Seen)
        with one.noted(plan, hold.STOP, lambda: None):
            pass
    assert not (tmp_path / "told").exists()  # the run itself has undone it
    assert len(seen) == 1
    watchdog = hold.Watchdog({"namespace": "shop", "name": "a", "how": hold.STOP}, one._again, None)
    os.close(watchdog._pipe)  # as when the run is killed
    os.waitpid(watchdog._pid, 0)
    assert (tmp_path / "told").read_text() == "start a"


def test_a_snapshot_goes_with_its_backup_or_with_the_next_run(tmp_path: Path) -> None:
    client, plan = Cluster(), Plan("shop", "a", "u", COPY, NOTHING, ())
    one, warnings = holder(tmp_path, client), list[str]()
    with one.dropping(plan, "a-backup-1", warnings):
        pass
    assert (client.done, warnings, one.leftovers()) == (["delete VirtualMachineSnapshot a-backup-1"], [], [])
    client.refuse = "a-backup-2"
    with one.dropping(plan, "a-backup-2", warnings):
        pass
    assert "shop/a-backup-2: stays until the next run, which takes it away: cannot be deleted" in warnings[0]
    client.refuse = ""
    assert one.release() == ["shop/a"]
    assert client.done[-1] == "delete VirtualMachineSnapshot a-backup-2"


# Hosts and namespaces that go


def test_a_command_that_is_none_is_told_with_its_host() -> None:
    with pytest.raises(DiskFailed, match="n1: the host's command cannot be run: /no/such: No such file"):
        HostFiles(Host("n1", ("/no/such",))).look("/disk")


def test_a_host_that_goes_is_not_asked_for_ever(tmp_path: Path) -> None:
    mark = tmp_path / "up"
    mark.write_text("")
    goes = Host("goes", ("sh", "-c", f'test -e {mark} && exec sh -c "$0"'))
    hosts = Hosts((goes, Host("stays")))
    assert hosts.of(str(mark)).name == "goes"
    mark.rename(tmp_path / "gone")
    hosts.forget()
    assert hosts.of(str(tmp_path / "gone")).name == "stays"


def test_a_namespace_that_goes_meanwhile_costs_no_other(tmp_path: Path) -> None:
    class Client:
        def kinds(self) -> list[Any]:
            return []

        def find(self, _resource: Any, name: str) -> Any:
            return None if name == "gone" else {"metadata": {"name": name}}

        def get(self, resource: Any, name: str) -> Any:
            found = self.find(resource, name)
            if found is None:
                raise NotFound("cannot be read", answer=Answer(404, {}, None))
            return found

    client: Any = Client()
    done = objects.write(client, str(tmp_path), ["gone", "shop"], secrets=False)
    assert done.unread == {"Namespace gone": "it was deleted meanwhile"}
    assert (tmp_path / "cluster" / "namespaces" / "shop.json").exists()
