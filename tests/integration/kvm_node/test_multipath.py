# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What multipathd must leave to virtual machines, as multipath itself reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Host

GUARD = "etc/multipath/conf.d/kubevirt-ha.conf"


def _run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs Debian's package multipath-tools: {done.stderr.strip()[-200:]}")
    return done.stdout


@pytest.fixture
def multipath(host: Host) -> None:
    """The program: the machine's, or unpacked from its packages, of which none is installed."""
    if shutil.which("multipath"):
        return
    if not shutil.which("apt-get"):
        pytest.skip("needs multipath, or apt-get to fetch it")
    folder = host.folder / "multipath"
    folder.mkdir()
    wanted = _run(
        "apt-get", "install", "--print-uris", "--yes", "--no-install-recommends", "multipath-tools", folder=folder
    )
    names = [line.split()[1].split("_")[0] for line in wanted.splitlines() if line.startswith("'")]
    _run("apt-get", "download", *names, folder=folder)
    for package in folder.glob("*.deb"):
        _run("dpkg-deb", "--extract", package, folder, folder=folder)
    libraries = ":".join(sorted({str(path.parent) for path in folder.rglob("*.so*")}))
    program = next(path for path in folder.rglob("multipath") if path.is_file() and path.parent.name == "sbin")
    wrapper = host.folder / "bin/multipath"
    wrapper.write_text(f'#!/bin/sh\nexport LD_LIBRARY_PATH="{libraries}"\nexec "{program}" "$@"\n')
    wrapper.chmod(0o755)


@pytest.mark.usefixtures("multipath")
@pytest.mark.long
def test_the_guard_is_checked_by_multipath_itself(host: Host) -> None:
    assert host.changed() > 0
    assert '"^(drbd|loop|nbd|rbd|zd)[0-9]"' in (host.read(GUARD) or "")
    mine = {"devnode": ["^sd"], "wwid": ["^3600"]}
    assert host.changed(multipath_blacklist=mine) > 0
    good = host.read(GUARD)

    done = host.apply(multipath_blacklist={"devnode": ["^(sd"]})
    assert done.returncode != 0
    assert "refuses the new content" in " ".join(done.stdout.split()), done.stdout
    assert host.read(GUARD) == good

    assert host.changed(multipath_blacklist={}) > 0
    assert host.read(GUARD) is None
