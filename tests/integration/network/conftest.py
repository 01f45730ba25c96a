# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a kernel of its own: user-mode Linux over the lab's Debian, with bonds, VLANs and systemd-networkd.

The lab's nodes share the machine's kernel, which may have none of these. user-mode Linux is a program of Debian's and is fetched into
the cache. Inside, `story_of_a_host.py` plays the story and leaves what it saw.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible
import pytest

HERE = Path(__file__).resolve().parent
# The folder that collections are imported from, which is the cache.
CACHE = HERE.parents[5]
SECONDS = 900
UNIT = """\
[Unit]
After=systemd-networkd.service dbus.service
Wants=systemd-networkd.service

[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=file:/story.log
StandardError=inherit
Environment=PYTHONPATH={packages}:{cache}
ExecStartPre=/usr/bin/mkdir -p {packages} {cache}
ExecStartPre=/usr/bin/mount -t hostfs none {packages} -o {packages}
ExecStartPre=/usr/bin/mount -t hostfs none {cache} -o {cache}
ExecStart=/usr/bin/python3 {story} {cache} /result.json
ExecStopPost=/usr/bin/systemctl --force --force poweroff
"""
# What reaches for a machine's own devices is masked in a lab's node, and is at home here.
MASKED = (
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
)
# What a node of the lab starts and this host has no use for.
LEFT_OUT = ("containerd", "glusterd", "haproxy", "keepalived", "lab-prepare", "nginx", "ssh")


def _kernel() -> Path:
    """The folder of the package's files, fetched where they are not there."""
    folder = CACHE / "uml"
    if not (folder / "usr/bin/linux.uml").exists():
        shutil.rmtree(folder, ignore_errors=True)
        new = folder.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        fetched = subprocess.run(
            ["apt-get", "download", "user-mode-linux"], cwd=new, capture_output=True, text=True, check=False
        )
        packages = list(new.glob("*.deb"))
        if not packages:
            pytest.skip(f"needs the package user-mode-linux: {fetched.stderr.strip()}")
        subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(new)], check=True)
        packages[0].unlink()
        new.rename(folder)
    return folder


def _lay_out(root: Path, kernel: Path) -> None:
    """The lab's Debian, with a kernel's modules, udev, and the story as all that it starts."""
    subprocess.run(["cp", "--archive", "--reflink=auto", str(CACHE / "lab/system"), str(root)], check=True)
    shutil.copytree(kernel / "usr/lib/uml/modules", root / "usr/lib/modules", dirs_exist_ok=True)
    units = root / "etc/systemd/system"
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
    for name in LEFT_OUT:
        (units / f"{name}.service").unlink(missing_ok=True)
        (units / f"{name}.service").symlink_to("/dev/null")
    packages = Path(ansible.__file__).resolve().parents[1]
    text = UNIT.format(packages=packages, cache=CACHE, story=HERE / "story_of_a_host.py")
    (units / "story.service").write_text(text)
    (units / "multi-user.target.wants/story.service").symlink_to("/etc/systemd/system/story.service")
    (root / "etc/machine-id").write_text("5f2c6a3e7d8149b0a1b2c3d4e5f60718\n")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the host saw, by the step."""
    kernel, work = _kernel(), tmp_path_factory.mktemp("uml")
    root, log = work / "root", work / "console.log"
    _lay_out(root, kernel)
    program = [str(kernel / "usr/bin/linux.uml"), "mem=512M", f"umid={work.name}", "con=null", "con0=null,fd:1"]
    boot = ["rootfstype=hostfs", f"rootflags={root}", "rw", "init=/lib/systemd/systemd"]
    with log.open("w") as out:
        subprocess.run(
            ["timeout", "--signal", "KILL", str(SECONDS), *program, *boot],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": "/dev/shm", "HOME": str(work)},
            check=False,
        )
    result, said = root / "result.json", root / "story.log"
    told = said.read_text(errors="replace") if said.exists() else log.read_text(errors="replace")
    seen = json.loads(result.read_text()) if result.exists() else None
    shutil.rmtree(root, ignore_errors=True)
    if seen is None:
        pytest.fail(f"the host left no result: {told[-4000:]}")
    yield seen
