# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""etcd_snapshot on a real etcd with TLS: what it takes can be restored, and nothing that cannot is ever left behind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import KEYS, Run, command, environment
from .etcd_cluster import BINARIES, Authority, EtcdCluster, free_ports, serve_restored
from .proxy import Proxy

ETCDUTL = BINARIES / "etcdutl"
HALF = 600_000
needs_etcdutl = pytest.mark.skipif(not ETCDUTL.exists(), reason="etcdutl is not built; `make lab` builds it")


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


def warnings(result: dict[str, Any]) -> str:
    return json.dumps(result["warnings"])


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_snapshot_is_whole_private_and_described(run: Run, etcd: EtcdCluster, snapshots: Path) -> None:
    result = run(directory=snapshots)
    path = Path(result["path"])
    assert result["changed"] and result["taken"], result
    assert files(snapshots) == [path.name, f"{path.name}.json"]
    assert mode(path) == 0o600 and mode(snapshots) == 0o700
    assert result["size"] == path.stat().st_size and result["size"] % 512 == 32
    assert result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert result["total_keys"] == KEYS and result["revision"] == KEYS + 4
    assert result["verified_with"] == ["sha256", "database"] and result["hash"] is None
    note = json.loads(Path(f"{path}.json").read_text())
    for key in ("taken_at", "revision", "hash", "sha256", "member", "cluster_id"):
        assert note[key] == result[key], key
    leader = etcd.leader()
    assert result["member"]["name"] != leader.name and not result["member"]["leader"]
    cluster = result["cluster"]
    assert cluster["healthy"] and cluster["leader"] == leader.name and cluster["alarms"] == []
    assert sorted(member["name"] for member in cluster["members"]) == ["m1", "m2", "m3"]
    assert all(member["reachable"] and member["db_size"] > 0 for member in cluster["members"])


@needs_etcdutl
def test_etcdutl_sees_the_same(run: Run, snapshots: Path) -> None:
    result = run(directory=snapshots, etcdutl=ETCDUTL)
    assert result["verified_with"] == ["sha256", "database", "etcdutl"]
    done = subprocess.run(
        [ETCDUTL, "snapshot", "status", result["path"], "-w", "json"], capture_output=True, check=True
    )
    status = json.loads(done.stdout)
    assert result["hash"] == f"{status['hash']:x}" and result["revision"] == status["revision"]
    assert result["version"] == (status.get("version") or None)
    found = run(directory=snapshots, state="verified")
    assert found["sha256"] == result["sha256"]


@needs_etcdutl
def test_etcdutl_on_the_path_is_used_and_a_broken_one_is_told(run: Run, snapshots: Path, tmp_path: Path) -> None:
    assert run(directory=snapshots, search=f"{BINARIES}:/usr/bin:/bin")["hash"]
    broken = tmp_path / "bin" / "etcdutl"
    broken.parent.mkdir()
    broken.write_text("no program")
    broken.chmod(0o755)
    result = run(directory=snapshots, search=f"{broken.parent}:/usr/bin:/bin")
    assert result["taken"] and result["hash"] is None and "could not be run" in warnings(result)
    assert run(directory=snapshots, etcdutl=broken)["failed"]


@needs_etcdutl
def test_what_was_taken_can_be_restored_and_read(run: Run, snapshots: Path, tmp_path: Path) -> None:
    taken = run(path=snapshots / "one.db")
    data = tmp_path / "scratch"
    restore = [ETCDUTL, "snapshot", "restore", taken["path"], "--data-dir", data]
    subprocess.run(restore, check=True, capture_output=True)
    with serve_restored(data, free_ports(2)) as read:
        assert read("/registry/key-7") == b"value" * 1500
        assert read("/registry/key-1") == b"second"
        assert read("/registry/gone") is None


def test_a_young_snapshot_is_enough(run: Run, etcd: EtcdCluster, snapshots: Path) -> None:
    first = run(directory=snapshots, max_age=3600)
    before = files(snapshots), Path(first["path"]).stat().st_mtime_ns
    # Nothing serves at this endpoint: etcd is not asked at all.
    again = run(directory=snapshots, max_age=3600, endpoints=["https://127.0.0.1:9"])
    assert not again["changed"] and not again["taken"], again
    assert (files(snapshots), Path(first["path"]).stat().st_mtime_ns) == before
    for key in ("path", "sha256", "revision", "taken_at", "member"):
        assert again[key] == first[key]
    assert run(directory=snapshots, max_age=3600, force=True)["taken"]


def test_an_old_or_a_damaged_snapshot_is_not_enough(run: Run, snapshots: Path) -> None:
    first = Path(run(directory=snapshots)["path"])
    age(first, 7200)
    second = run(directory=snapshots, max_age=3600)
    assert second["taken"]
    flip(Path(second["path"]))
    third = run(directory=snapshots, max_age=3600)
    assert third["taken"] and third["path"] not in (str(first), second["path"])


def test_check_mode_predicts_and_writes_nothing(run: Run, snapshots: Path) -> None:
    result = run(directory=snapshots, keep=1, _ansible_check_mode=True, _ansible_diff=True)
    assert result["changed"] and not result["taken"] and not snapshots.exists()
    assert result["member"]["name"] and result["expected_size"] > 0 and result["size"] is None
    real = run(directory=snapshots, keep=1)
    assert real["size"] == pytest.approx(result["expected_size"], rel=0.5)
    age(Path(real["path"]), 7200)
    before = files(snapshots)
    result = run(directory=snapshots, keep=1, max_age=3600, _ansible_check_mode=True, _ansible_diff=True)
    assert result["removed"] == [real["path"]] and files(snapshots) == before
    assert result["diff"] == {"before": f"{real['path']}\n", "after": f"{result['path']}\n"}
    real = run(directory=snapshots, max_age=3600)
    assert not run(directory=snapshots, max_age=3600, _ansible_check_mode=True)["changed"]


def test_only_what_it_wrote_is_ever_removed(run: Run, snapshots: Path) -> None:
    snapshots.mkdir()
    foreign = ["etcd-snapshot-20200101T000000Z.db", "other-20200101T000000Z.db", "etcd-snapshot-old.db", "notes.txt"]
    for name in foreign:
        (snapshots / name).write_text("not ours")
    (snapshots / f"{foreign[0]}.json").write_text('{"written_by": "someone else"}')
    paths = []
    for number in range(4):
        result = run(directory=snapshots, keep=2)
        paths.append(result["path"])
        assert result["removed"] == ([paths[number - 2]] if number >= 2 else [])
    other = run(directory=snapshots, prefix="other-", keep=1)
    left = {*foreign, f"{foreign[0]}.json"}
    left |= {Path(path).name + end for path in (*paths[2:], other["path"]) for end in ("", ".json")}
    assert set(files(snapshots)) == left


def test_what_stands_at_the_path_is_never_overwritten_unasked(run: Run, snapshots: Path) -> None:
    snapshots.mkdir()
    path = snapshots / "mine.db"
    path.write_text("precious")
    refused = run(path=path)
    assert refused["failed"] and "the path is taken" in refused["msg"] and "force" in refused["msg"]
    assert path.read_text() == "precious" and files(snapshots) == ["mine.db"]
    taken = run(path=path, force=True)
    assert taken["taken"] and mode(path) == 0o600
    again = run(path=path)
    assert not again["changed"] and again["sha256"] == taken["sha256"]
    age(path, 7200)
    assert "max_age is 3600 s" in run(path=path, max_age=3600)["msg"]
    flip(path)
    damaged = run(path=path)
    assert damaged["failed"] and "a damaged snapshot" in damaged["msg"]


@pytest.mark.parametrize("etcdutl", [False, True])
def test_every_damage_is_found(run: Run, snapshots: Path, etcdutl: bool) -> None:
    if etcdutl and not ETCDUTL.exists():
        pytest.skip("etcdutl is not built")
    path = snapshots / "one.db"
    run(path=path)
    sound = path.read_bytes()
    program = ETCDUTL if etcdutl else None
    verify: dict[str, Any] = {
        "path": path,
        "state": "verified",
        "etcdutl": program,
        "endpoints": ["https://127.0.0.1:9"],
    }
    assert not run(**verify)["changed"]
    damages = {
        "a flipped byte": sound[:5000] + bytes([sound[5000] ^ 1]) + sound[5001:],
        "a flipped byte of the digest": sound[:-1] + bytes([sound[-1] ^ 1]),
        "cut off": sound[: len(sound) // 2],
        "cut off at a page": sound[: len(sound) // 2 // 4096 * 4096],
        "without its digest": sound[:-32],
        "empty": b"",
        "something else": b"x" * (512 * 9) + hashlib.sha256(b"x" * (512 * 9)).digest(),
    }
    for name, content in damages.items():
        path.write_bytes(content)
        result = run(**verify)
        assert result["failed"] and "damaged" in result["msg"] and str(path) in result["msg"], name
        assert "Do not restore from it" in result["msg"], name
    database = sound[:4200] + bytes([sound[4200] ^ 1]) + sound[4201:-32]
    path.write_bytes(database + hashlib.sha256(database).digest())
    result = run(**verify)
    assert result["failed"] and "when it was taken" in result["msg"] or "database" in result["msg"]
    path.unlink()
    assert "cannot be read" in run(**verify)["msg"]


def test_verified_is_a_gate_on_the_newest(run: Run, snapshots: Path) -> None:
    assert "there is no snapshot" in run(directory=snapshots, state="verified")["msg"]
    taken = run(directory=snapshots)
    assert run(directory=snapshots, state="verified", max_age=60)["path"] == taken["path"]
    age(Path(taken["path"]), 7200)
    result = run(directory=snapshots, state="verified", max_age=3600)
    assert result["failed"] and "too old" in result["msg"]
    assert run(directory=snapshots, state="verified", max_age=3600, _ansible_check_mode=True)["failed"]


def test_a_stranger_is_not_trusted(run: Run, snapshots: Path, other_authority: Authority) -> None:
    result = run(directory=snapshots, ca_cert=other_authority.certificate)
    assert result["failed"] and "CERTIFICATE_VERIFY_FAILED" in result["msg"] and "ca_cert" in result["msg"]
    certificate, key = other_authority.issue("stranger")
    result = run(directory=snapshots, client_cert=certificate, client_key=key)
    assert result["failed"] and "refused the client certificate" in result["msg"], result
    assert not snapshots.exists()


def test_an_expired_certificate_is_named(run: Run, etcd: EtcdCluster, snapshots: Path) -> None:
    certificate, key = etcd.authority.issue("expired", days=-1)
    result = run(directory=snapshots, client_cert=certificate, client_key=key)
    assert result["failed"] and f"{certificate}: the client certificate has expired" in result["msg"]
    assert not snapshots.exists()


def test_certificates_that_are_none_are_named(run: Run, snapshots: Path, tmp_path: Path) -> None:
    result = run(directory=snapshots, ca_cert=tmp_path / "missing.crt")
    assert result["failed"] and "missing.crt" in result["msg"] and "No such file" in result["msg"]
    assert "/etc/kubernetes/pki/etcd" in run(directory=snapshots, ca_cert=None)["msg"]


def test_nothing_is_left_when_the_member_dies_in_the_middle(
    run: Run, snapshots: Path, tmp_path: Path, proxies: Callable[..., Proxy]
) -> None:
    cluster = filled(tmp_path / "cluster")
    try:
        leader = cluster.leader()
        followers = [member for member in cluster.members if member is not leader]
        proxy = proxies(followers[0].client, limit=HALF, at_limit=lambda: cluster.kill(followers[0].name))
        alone = run(cluster, directory=snapshots, endpoints=[proxy.endpoint])
        assert proxy.reached.is_set() and alone["failed"] and "broke off the snapshot" in alone["msg"], alone
        assert files(snapshots) == []

        cluster.start(followers[0].name)
        proxy = proxies(followers[0].client, limit=HALF, at_limit=lambda: cluster.kill(followers[0].name))
        endpoints = [proxy.endpoint, leader.client, followers[1].client]
        result = run(cluster, directory=snapshots, endpoints=endpoints)
        assert proxy.reached.is_set() and result["taken"], result
        assert result["member"]["name"] == followers[1].name
        assert len(files(snapshots)) == 2

        # Now that it is dead, it is a warning; the next in line is asked.
        result = run(cluster, directory=snapshots)
        assert result["taken"] and not result["cluster"]["healthy"]
        assert f"member {followers[0].name} does not answer" in warnings(result)
        states = {member["name"]: member["reachable"] for member in result["cluster"]["members"]}
        assert states[followers[0].name] is False and states[leader.name] is True

        cluster.kill(followers[1].name)
        before = files(snapshots)
        result = run(cluster, directory=snapshots, endpoints=[leader.client])
        assert result["failed"] and ("majority" in result["msg"] or "no leader" in result["msg"]), result
        assert files(snapshots) == before
    finally:
        cluster.kill()


def test_a_member_that_lost_its_leader_is_refused(run: Run, snapshots: Path, tmp_path: Path) -> None:
    cluster = EtcdCluster(tmp_path / "cluster")
    try:
        cluster.start()
        survivor = cluster.members[0]
        cluster.kill("m2", "m3")
        until = time.monotonic() + 30
        while cluster.ask(survivor, "/v3/maintenance/status").get("leader") and time.monotonic() < until:
            time.sleep(0.1)
        for check in (True, False):
            result = run(cluster, directory=snapshots, endpoints=[survivor.client], _ansible_check_mode=check)
            assert result["failed"] and "knows no leader" in result["msg"] and "etcdserver: no leader" in result["msg"]
        assert not snapshots.exists()
        # The dead are named beside it.
        everyone = run(cluster, directory=snapshots)
        assert all(endpoint in everyone["msg"] for endpoint in cluster.endpoints)
    finally:
        cluster.kill()


def test_an_alarm_is_a_warning(run: Run, etcd: EtcdCluster, snapshots: Path) -> None:
    leader = etcd.leader()
    member = etcd.ask(leader, "/v3/maintenance/status")["header"]["member_id"]
    alarm = {"memberID": member, "alarm": "NOSPACE"}
    etcd.ask(leader, "/v3/maintenance/alarm", {"action": "ACTIVATE", **alarm})
    try:
        result = run(directory=snapshots)
    finally:
        etcd.ask(leader, "/v3/maintenance/alarm", {"action": "DEACTIVATE", **alarm})
    assert result["taken"] and not result["cluster"]["healthy"]
    assert result["cluster"]["alarms"] == [{"member": leader.name, "alarm": "NOSPACE"}]
    assert f"the alarm NOSPACE for member {leader.name}" in warnings(result)


def test_a_corrupt_member_is_asked_last(run: Run, etcd: EtcdCluster, snapshots: Path) -> None:
    leader = etcd.leader()
    followers = [member for member in etcd.members if member is not leader]
    ids = [etcd.ask(member, "/v3/maintenance/status")["header"]["member_id"] for member in followers]
    alarms = [{"memberID": found, "alarm": "CORRUPT"} for found in ids]
    try:
        for alarm in alarms:
            etcd.ask(leader, "/v3/maintenance/alarm", {"action": "ACTIVATE", **alarm})
        result = run(directory=snapshots)
    finally:
        for alarm in alarms:
            etcd.ask(leader, "/v3/maintenance/alarm", {"action": "DEACTIVATE", **alarm})
    assert result["member"]["name"] == leader.name and warnings(result).count("CORRUPT") == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--enable-grpc-gateway=false"], "--enable-grpc-gateway"), ([], "issue that for client authentication, too")],
)
def test_a_gateway_that_cannot_serve_is_told(
    run: Run, snapshots: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    cluster = EtcdCluster(tmp_path / "cluster", size=1, options=options)
    if not options:
        cluster.server = cluster.authority.issue("server-only", for_clients=False)
    try:
        cluster.start(ready=False)
        result = run(cluster, directory=snapshots)
        assert result["failed"] and said in result["msg"], result
    finally:
        cluster.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_snapshot(
    run: Run, etcd: EtcdCluster, snapshots: Path, tmp_path: Path, proxies: Callable[..., Proxy], number: signal.Signals
) -> None:
    go_on = threading.Event()
    follower = next(member for member in etcd.members if member is not etcd.leader())
    proxy = proxies(follower.client, limit=HALF, at_limit=lambda: go_on.wait(60))
    line = command(etcd, tmp_path / "ended.json", directory=snapshots, endpoints=[proxy.endpoint])
    # Even a careless umask makes no half of it readable.
    process = subprocess.Popen(line, env=environment(tmp_path), stdout=subprocess.PIPE, umask=0)
    try:
        assert proxy.reached.wait(60)
        (half,) = snapshots.iterdir()
        assert mode(half) == 0o600 and half.name.startswith(".")
        process.send_signal(number)
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        go_on.set()
    if number == signal.SIGTERM:
        assert files(snapshots) == []
        return
    # Nobody can tidy up after SIGKILL but the next run.
    assert files(snapshots) == [half.name]
    os.utime(half, (time.time() - 60,) * 2)
    result = run(directory=snapshots, keep=1)
    assert files(snapshots) == [Path(result["path"]).name, f"{Path(result['path']).name}.json"]


def test_what_does_not_fit_is_refused_before_it_is_begun(run: Run, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.decode().strip()}")
    try:
        result = run(directory=small / "etcd")
        assert result["failed"] and "does not fit" in result["msg"] and files(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def age(path: Path, seconds: int) -> None:
    """Makes a snapshot older by its note."""
    note = json.loads(Path(f"{path}.json").read_text())
    note["taken_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))
    Path(f"{path}.json").write_text(json.dumps(note))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def filled(folder: Path) -> EtcdCluster:
    """A cluster whose snapshot is larger than HALF."""
    cluster = EtcdCluster(folder)
    cluster.start()
    for number in range(200):
        cluster.put(f"/registry/key-{number}", os.urandom(8000))
    return cluster
