# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A brick that runs and is not on the list of ports is started again, and no other. `gluster` is a script of the test."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from storages import ROLE

SCRIPT = ROLE / "files" / "brick-port"
GLUSTER = """#!/bin/sh
echo "$*" >>"$FOLDER/calls"
case "$*" in
  *"volume status"*)
    [ -e "$FOLDER/answers" ] || exit 1
    port=$(head -n 1 "$FOLDER/ports"); sed -i 1d "$FOLDER/ports"
    echo "<node><status>1</status>"
    echo "<port>$port</port><pid>$(cat "$FOLDER/pid")</pid></node>" ;;
  *"volume start shared force"*) echo 49152 >"$FOLDER/ports" ;;
esac
"""


@pytest.fixture
def brick() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    reaper = threading.Thread(target=process.wait)  # what has ended is to be gone, as a daemon's would be
    reaper.start()
    yield process
    process.kill()
    reaper.join()


def look_after(folder: Path, brick: subprocess.Popen[bytes], *ports: str) -> tuple[str, list[str]]:
    """What the script says and asks where the brick tells these ports, one a question."""
    (folder / "gluster").write_text(GLUSTER)
    (folder / "gluster").chmod(0o755)
    (folder / "answers").touch()
    (folder / "pid").write_text(str(brick.pid))
    (folder / "ports").write_text("".join(f"{port}\n" for port in ports))
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "FOLDER": str(folder),
        "BRICK_PORT_PAUSE": "0.05",
    }
    done = subprocess.run(
        ["sh", str(SCRIPT), "shared", "192.0.2.11:/brick"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout, (folder / "calls").read_text().splitlines()


def test_one_that_is_listed_is_left_alone(tmp_path: Path, brick: subprocess.Popen[bytes]) -> None:
    said, calls = look_after(tmp_path, brick, "49153")
    assert (said, calls) == ("", ["--mode=script --xml volume status shared 192.0.2.11:/brick"])
    assert brick.poll() is None


def test_one_that_says_its_port_a_moment_later_is_left_alone(tmp_path: Path, brick: subprocess.Popen[bytes]) -> None:
    said, calls = look_after(tmp_path, brick, "N/A", "49153")
    assert (said, len(calls)) == ("", 2)
    assert brick.poll() is None


def test_one_that_stays_unlisted_is_started_again(tmp_path: Path, brick: subprocess.Popen[bytes]) -> None:
    said, calls = look_after(tmp_path, brick, "N/A", "N/A")
    assert f"runs as {brick.pid} and has no port" in said
    assert "--mode=script volume start shared force" in calls
    assert brick.wait(5) == -15
