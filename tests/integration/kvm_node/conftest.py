# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is its own, for the role to change: this machine with copies of its settings, in namespaces of mounts.

/etc, /boot, /proc/sys and what /sys tells of memory are files of the test there, and the kernel is not shared by its own word.
All else is real: the role, its module, sysctl, systemd-tmpfiles, openssl.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = str(Path(__file__).resolve().parents[5])
GI = 1024**3
PAGES = "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
NODE_PAGES = "sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
KSM = "sys/kernel/mm/ksm/run"
WATCHDOG = "sys/class/watchdog/watchdog0"
FILES = {
    "boot/grub/grub.cfg": "linux quiet\n",
    "proc/cmdline": "quiet\n",
    "proc/swaps": "Filename Type Size Used Priority\n",
    "proc/meminfo": f"MemTotal: {16 * GI // 1024} kB\n",
    "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
    "proc/sys/kernel/panic": "0\n",
    "proc/sys/fs/aio-max-nr": "65536\n",
    "proc/sys/vm/swappiness": "60\n",
    "proc/sys/net/ipv4/ip_forward": "0\n",
    PAGES: "0\n",
    KSM: "1\n",
    f"{WATCHDOG}/identity": "iTCO_wdt\n",
    f"{WATCHDOG}/max_timeout": "613\n",
    f"{WATCHDOG}/nowayout": "0\n",
    f"{WATCHDOG}/state": "inactive\n",
    f"{WATCHDOG}/held": "0\n",
    **{
        f"sys/devices/system/node/node{node}/meminfo": f"Node {node} MemTotal: {8 * GI // 1024} kB\n" for node in (0, 1)
    },
    **{NODE_PAGES.replace("node1", f"node{node}"): "0\n" for node in (0, 1)},
}
# Mounts are this process's alone and end with it.
BEGIN = r"""
set -eu
root=$1; shift
for path in etc boot proc/sys proc/cmdline proc/swaps proc/meminfo sys/kernel/mm sys/devices/system/node sys/class/watchdog; do
  mount --bind "$root/$path" "/$path"
done
exec "$@"
"""
# As Debian's does, it reads the parts of GRUB's defaults and writes its configuration.
UPDATE_GRUB = """#!/bin/sh
for part in /etc/default/grub.d/*.cfg; do [ ! -e $part ] || . $part; done
echo linux $GRUB_CMDLINE_LINUX >/boot/grub/grub.cfg
"""
# As systemd does, it reads its configuration when it is executed anew, and then holds the device or lets go of it.
SYSTEMCTL = """#!/bin/sh
device=/sys/class/watchdog/watchdog0
case $1 in
daemon-reexec)
  held=$(cat /etc/systemd/system.conf.d/*.conf 2>/dev/null | sed -n 's/^RuntimeWatchdogSec=//p' | tail -n 1)
  echo "${held:-0}" >$device/held
  if [ "${held:-0}" = 0 ]; then echo inactive; else echo active; fi >$device/state ;;
show) sed 's/^[1-9].*/&s/' $device/held ;;
*) exec /usr/bin/systemctl "$@" ;;
esac
"""
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "virtops.kubevirt_ha.kvm_node"}}],
    }
]
# Nothing is installed, loaded or opened here.
QUIET = {
    "packages": [],
    "time_packages": [],
    "modules": [],
    "devices": [],
    "allow_emulation": True,
    "sysctls": {"net.ipv4.ip_forward": 1, "kernel.panic": 10},
    "sysctls_at_least": {"fs.aio-max-nr": 1048576},
}


@dataclass
class Host:
    """`root` holds what is its own. A run of the role tells how many tasks changed something."""

    root: Path
    folder: Path

    def apply(self, *arguments: str, tasks: str = "", **variables: Any) -> subprocess.CompletedProcess[str]:
        play = json.loads(json.dumps(PLAY))
        if tasks:
            play[0]["tasks"][0]["ansible.builtin.include_role"]["tasks_from"] = tasks
        (self.folder / "play.json").write_text(json.dumps(play))
        own = {name: value for name, value in variables.items() if name.startswith("__")}
        given = {f"kvm_node_{name}": value for name, value in {**QUIET, **variables}.items() if name not in own}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (self.folder / "variables.json").write_text(json.dumps({**local, **given, **own}))
        program = str(Path(sys.executable).parent / "ansible-playbook")
        playbook = (program, "-i", "host,", "-e", f"@{self.folder}/variables.json", str(self.folder / "play.json"))
        environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_PIPELINING": "true",
        }
        command = ("unshare", "--mount", "--propagation", "private", "sh", "-c", BEGIN, "sh", str(self.root))
        return subprocess.run(
            [*command, *playbook, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def changed(self, *arguments: str, **variables: Any) -> int:
        """Applies the role without faults."""
        done = self.apply(*arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.search(r"^host .*changed=(\d+)", done.stdout, re.MULTILINE)
        assert found, done.stdout
        return int(found.group(1))

    def read(self, path: str) -> str | None:
        file = self.root / path
        return file.read_text().strip() if file.exists() else None

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def boot(self) -> None:
        """What a boot does to the kernel's settings: all as they were, then what is kept in files."""
        for path in (*(name for name in FILES if name.startswith(("proc/sys", "sys"))),):
            self.write(path, FILES[path])
        for part in sorted((self.root / "etc/tmpfiles.d").glob("kubevirt-ha*")):
            subprocess.run(["systemd-tmpfiles", "--create", f"--root={self.root}", part], check=True)
        for part in sorted((self.root / "etc/sysctl.d").glob("*kubevirt-ha*")):
            for line in part.read_text().splitlines():
                if line and not line.startswith("#"):
                    name, value = line.split(" = ")
                    self.write(f"proc/sys/{name.replace('.', '/')}", value + "\n")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes namespaces of mounts")
    root = tmp_path / "root"
    shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True)
    host = Host(root, tmp_path)
    for name, text in FILES.items():
        host.write(name, text)
    (tmp_path / "bin").mkdir()
    programs = {"systemd-detect-virt": "#!/bin/sh\necho none\n", "update-grub": UPDATE_GRUB, "systemctl": SYSTEMCTL}
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return host
