# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import (
    calm,
    figures,
    lookers,
    questions,
    scenario,
    writers,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.figures import Machine
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.samples import Recorder, Sample, Timeline
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import (
    Asker,
    BadAnswer,
    Question,
    connects,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.http import Site
from drill_story import T0, guest, sample

ANSWER = {"epoch": 1, "counter": 7, "recovered": 0, "boot_id": "b", "uptime": 3.2}


class Server(http.server.ThreadingHTTPServer):
    """Answers /counter as a guest, /slow never in time, and all else with 503."""

    daemon_threads = True


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(3)
        body = json.dumps(ANSWER).encode()
        self.send_response(200 if self.path in ("/counter", "/slow") else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def record(seconds: float, *questions: Question) -> Timeline:
    recorder = Recorder(io.StringIO())
    probes = Asker(recorder, questions)
    probes.start()
    time.sleep(seconds)
    probes.stop()
    return recorder.timeline


class TestAsker:
    def test_answers_come_at_their_pace(self, server: str) -> None:
        question = Question("guest", "demo-1", questions.counter(Site.of(f"{server}/counter")), period=0.05)
        samples = record(1.0, question).of("guest", "demo-1")
        assert 12 <= len(samples) <= 24
        assert all(found["ok"] and found["counter"] == 7 for found in samples)

    def test_a_question_that_hangs_holds_up_no_other(self, server: str) -> None:
        slow = Question("api", "slow", questions.readyz(Site.of(f"{server}/slow")), period=0.1, timeout=0.5)
        good = Question("api", "good", questions.readyz(Site.of(f"{server}/counter")), period=0.1)
        timeline = record(1.5, slow, good)
        asked = timeline.of("api", "slow")
        assert len(asked) >= 10
        assert {found["why"] for found in asked} == {"no answer in 0.5 s"}
        pauses = [b["monotonic"] - a["monotonic"] for a, b in zip(asked, asked[1:], strict=False)]
        assert max(pauses) < 0.4
        assert all(found["ok"] for found in timeline.of("api", "good"))

    def test_the_time_that_probes_take_to_end_is_no_silence(self, server: str) -> None:
        slow = Question("api", "slow", questions.readyz(Site.of(f"{server}/slow")), period=0.1, timeout=1.5)
        good = Question("api", "good", questions.readyz(Site.of(f"{server}/counter")), period=0.1)
        file = io.StringIO()
        recorder = Recorder(file)
        probes = Asker(recorder, (slow, good))
        probes.start()
        time.sleep(0.6)
        ended = recorder.end()
        seen = len(file.getvalue().splitlines())
        probes.stop()  # waits for what hangs
        assert time.monotonic() - ended > 0.5
        assert len(file.getvalue().splitlines()) == seen
        assert recorder.timeline.of("api", "slow") == []
        assert figures.longest_gap(recorder.timeline.of("api", "good"), ended).value < 0.5

    def test_what_goes_wrong_is_a_sample_too(self, server: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        bad = Question("api", "bad", questions.readyz(Site.of(f"{server}/else")))
        closed = Question("vip", "closed", connects("127.0.0.1", port))
        timeline = record(0.3, bad, closed)
        assert timeline.of("api", "bad")[0]["why"].startswith("HTTP 503")
        assert not timeline.of("vip", "closed")[0]["ok"]

    def test_a_connection_is_enough_for_the_vip(self, server: str) -> None:
        port = int(server.rsplit(":", 1)[1])
        assert record(0.3, Question("vip", "vip", connects("127.0.0.1", port))).of("vip")[0]["ok"]

    def test_it_stops_soon_and_asks_no_more(self, server: str) -> None:
        recorder = Recorder(io.StringIO())
        probes = Asker(recorder, [Question("api", "vip", questions.readyz(Site.of(f"{server}/slow")), timeout=0.5)])
        probes.start()
        time.sleep(0.2)
        begin = time.monotonic()
        probes.stop()
        assert time.monotonic() - begin < 1.5
        count = len(recorder.timeline.of("api"))
        time.sleep(0.3)
        assert len(recorder.timeline.of("api")) == count

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b'{"epoch": "1", "counter": 1, "recovered": 0, "boot_id": ""}']
    )
    def test_only_a_counting_guests_answer_is_one(self, body: bytes) -> None:
        with pytest.raises(BadAnswer):
            questions.guest_answer(body)

    def test_an_answer_without_length_is_read_to_its_end(self) -> None:
        async def ask() -> dict[str, Any]:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(ANSWER).encode())
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            async with server:
                return await questions.counter(Site("127.0.0.1", port))()

        assert asyncio.run(ask())["counter"] == 7


MOUNTS = (
    "22 1 0:21 / /proc rw - proc proc rw\n"
    "36 22 0:52 /volumes/0001 /disks/data rw - fuse.glusterfs n1:/shared rw\n"
    "37 22 254:1 / / rw - ext4 /dev/vda1 rw\n"
)


class TestWriters:
    @pytest.mark.parametrize(
        ("name", "machine"),
        [("guest=demo_web-1,debug-threads=on", "demo/web-1"), ("demo_web-1", "demo/web-1"), ("plain", "")],
    )
    def test_the_machine_stands_in_the_arguments(self, name: str, machine: str) -> None:
        assert writers.machine_of(["/usr/bin/qemu-system-x86_64", "-name", name, "-S"]) == machine

    @pytest.mark.parametrize(
        ("path", "flags", "mount", "disk"),
        [
            ("/disks/data/disk.img", "02140002", "36", "fuse.glusterfs:shared:77"),
            ("/disks/data/disk.img", "02100000", "36", ""),
            ("/local/disk.img", "02000002", "37", "ext4:254:1:77"),
            ("/var/log/qemu.log", "02000001", "37", ""),
            ("/run/console.log", "02000001", "37", ""),
            ("socket:[123]", "02000002", "9", ""),
        ],
    )
    def test_a_disk_is_told_by_volume_and_inode(self, path: str, flags: str, mount: str, disk: str) -> None:
        fdinfo = f"pos:\t0\nflags:\t{flags}\nmnt_id:\t{mount}\nino:\t77\n"
        arguments = ["-blockdev", '{"driver":"file","filename":"/local/disk.img"}', "file,path=/run/console.log"]
        assert writers.disk_of(path, fdinfo, writers.mounts_of(MOUNTS), arguments) == disk

    def test_the_server_that_a_node_mounts_from_makes_no_difference(self) -> None:
        other = writers.mounts_of(MOUNTS.replace("n1:/shared", "10.0.0.2:shared"))
        assert other["36"] == writers.mounts_of(MOUNTS)["36"]

    def test_live_processes_are_found_and_ended_ones_are_not(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk.img"
        disk.write_bytes(b"\0" * 4096)
        program = tmp_path / "qemu-test"
        program.symlink_to(os.path.realpath(sys.executable))
        code = "import sys, time; f = open(sys.argv[-1], 'r+b'); print('open', flush=True); time.sleep(60)"
        drive = f"file={disk},format=raw"
        command = [str(program), "-c", code, "-name", "guest=demo_web-1", "-drive", drive, str(disk)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout
            process.stdout.readline()
            mine = [entry for entry in writers.look() if entry[3].startswith(f"{process.pid}-")]
            assert [entry[1] for entry in mine] == ["demo/web-1"]
            assert mine[0][0].endswith(f":{disk.stat().st_ino}")
        finally:
            process.kill()
        time.sleep(0.2)
        assert not [entry for entry in writers.look() if entry[3].startswith(f"{process.pid}-")]
        process.wait()

    def test_the_observer_runs_elsewhere_by_its_source_alone(self) -> None:
        recorder = Recorder(io.StringIO())
        remote = lookers.Remote(recorder, "n1", [sys.executable], "demo", 0.05)
        remote.start()
        until = time.monotonic() + 10
        while not recorder.timeline.of("writers", "n1") and time.monotonic() < until:
            time.sleep(0.05)
        remote.stop()
        assert recorder.timeline.of("writers", "n1")[0]["ok"]

    def test_machines_of_the_drill_go_by_their_name_alone(self) -> None:
        entries = [["d", "demo/web-1", "n1", "1"], ["e", "other/web-1", "n1", "2"]]
        assert [entry[1] for entry in lookers.in_namespace(entries, "demo")] == ["web-1", "other/web-1"]


class TestTail:
    def test_only_what_comes_from_now_on_is_taken_and_halves_are_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        path.write_text('{"at": 1, "monotonic": 1, "node": "n1", "event": "recovered"}\n')
        recorder = Recorder(io.StringIO())
        tail = lookers.Tail(recorder, str(path))
        with path.open("a") as file:
            file.write('{"at": 2, "monotonic": 2, "node": "n1", "event": "susp')
            file.flush()
            tail.look()
            assert recorder.timeline.of("recovery") == []
            file.write('ected"}\nnonsense\n')
        tail.look()
        assert [found["event"] for found in recorder.timeline.of("recovery", "n1")] == ["suspected"]
        assert not recorder.timeline.of("drill")[0]["ok"]


def test_a_broken_probe_is_recorded_and_ends() -> None:
    recorder = Recorder(io.StringIO())

    def look() -> None:
        raise RuntimeError("no more")

    probe = lookers.Probe(recorder, "pods", look, 0.01)
    probe.start()
    time.sleep(0.2)
    probe.stop()
    assert [found["event"] for found in recorder.timeline.of("drill")] == ["probe pods broke: RuntimeError('no more')"]


class TestCalm:
    machines = (Machine("demo-1", "n1", "u1"),)

    def timeline(self, *changed: Sample, pid: str = "1", step: int = 1) -> Timeline:
        samples = [sample("vmi", "demo-1", -9, uid="u1", phase="Running", node="n1")]
        for tick in range(-50, 1):
            samples += [sample("api", "vip", tick / 10), sample("vip", "vip", tick / 10)]
            samples.append(guest("demo-1", tick / 10, 1, 100 + tick * step, 0))
            open_ = [["d", "demo-1", "n1", "1" if tick < 0 else pid]]
            samples.append(sample("writers", "here", tick / 10, open=open_))
        return Timeline([*samples, *changed])

    def faults(self, timeline: Timeline) -> str:
        return "; ".join(calm.faults(timeline, self.machines, T0, 5.0))

    def test_a_calm_platform_has_no_faults(self) -> None:
        assert self.faults(self.timeline()) == ""

    def test_unrest_is_named(self) -> None:
        assert "has 2 processes" in self.faults(self.timeline(pid="2"))
        assert "does not write" in self.faults(self.timeline(step=0))
        moved = sample("vmi", "demo-1", -0.1, uid="u1", phase="Running", node="n2")
        assert "has moved" in self.faults(self.timeline(moved))
        assert "gave no good answer" in self.faults(self.timeline(sample("backend", "n1", -1, ok=False)))


class TestCut:
    begin = {"at": 100.0, "monotonic": 50.0}

    def test_the_moment_that_the_command_tells_counts(self) -> None:
        output = 'cutting\n{"node": "n1", "t0": 100.2, "t0_monotonic": 50.2}\n'
        assert scenario.told_moment(output, self.begin, 51.0) == {"at": 100.2, "monotonic": 50.2}

    @pytest.mark.parametrize("output", ["", "done\n", '{"t0": 7, "t0_monotonic": 7}\n', "[1]\n", '{"t0": null}\n'])
    def test_without_one_the_beginning_of_the_command_counts(self, output: str) -> None:
        assert scenario.told_moment(output, self.begin, 51.0) == self.begin

    def test_the_node_with_most_machines_is_chosen_and_the_first_of_equals(self) -> None:
        assert scenario.node_with_most({"a": {"node": "n2"}, "b": {"node": "n3"}, "c": {"node": "n3"}}) == "n3"
        assert scenario.node_with_most({"a": {"node": "n2"}, "b": {"node": "n1"}}) == "n1"
        assert scenario.node_with_most({}) == ""
