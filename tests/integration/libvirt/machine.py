# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private machine made of namespaces: its own network, processes, libvirt folders and users; gone with its first process.

The system's libvirt, bridges, cgroups and users are neither seen nor touched from within.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PACKAGES = (
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "libvirt-clients",
    "python3-libvirt",
    "qemu-system-x86",
    "ipxe-qemu",
    "libsasl2-modules",
    "dnsmasq-base",
    "dropbear-bin",
    "openssh-client",
    "iproute2",
    "iptables",
    "openssl",
)
# None of them starts a service. The module runs in the system's Python, which has libvirt-python from its package.
PYTHON = "/usr/bin/python3"
LIBRARY = "/run/library"
_OWN_FOLDERS = ("etc/libvirt", "var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt")

_BEGIN = r"""
set -eu
own=$1
ip link set lo up
for folder in etc/libvirt var/lib/libvirt var/cache/libvirt var/log/libvirt; do mount --bind "$own/$folder" "/$folder"; done
mount --bind "$own/passwd" /etc/passwd
mount --bind "$own/group" /etc/group
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/libvirt "$3/ansible" "$3/ansible_collections"
mount --bind "$2" "$3/ansible"
mount --bind "$4" "$3/ansible_collections"
umount -R /sys/fs/cgroup 2>/dev/null || mount -t tmpfs tmpfs /sys/fs/cgroup
touch "$own/begun"
sleep infinity &
wait
"""


def install() -> str:
    """Installs what is missing; returns why it cannot, or an empty string."""
    if shutil.which("apt-get") is None:
        return f"needs Debian's packages {', '.join(PACKAGES)}: there is no apt-get"
    missing = [name for name in PACKAGES if not _installed(name)]
    if not missing:
        return ""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ("--quiet", "--quiet", "--yes", "--no-install-recommends", "--option", "DPkg::Lock::Timeout=300")
    for command in (("apt-get", "update", "-qq"), ("apt-get", "install", *options, *missing)):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"needs the packages {', '.join(missing)}: {' '.join(done.stderr.split())[-300:]}"
    return ""


def _installed(name: str) -> bool:
    command = ("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", name)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.startswith("ii")


class NoNamespaces(RuntimeError):
    """This system, a container perhaps, lets nobody make a machine of namespaces."""


class Machine:
    """Runs programs inside; `folder` is what the machine keeps, its log of libvirt among that."""

    def __init__(self, folder: Path, ansible: Path, collections: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._made = [path for path in (Path("/", name) for name in _OWN_FOLDERS) if not path.exists()]
        for name in _OWN_FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
            Path("/", name).mkdir(parents=True, exist_ok=True)
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        self._users()
        command = ("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")
        script = ("sh", "-c", _BEGIN, "sh", str(folder), str(ansible), LIBRARY, str(collections))
        with open(folder / "machine.log", "w", encoding="utf-8") as log:
            self._holder = subprocess.Popen((*command, *script), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: (folder / "begun").exists() or self._holder.poll() is not None, "the machine to begin")
        if self._holder.poll() is not None:
            self.end()
            raise NoNamespaces((folder / "machine.log").read_text().strip())
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        self._first = int(children[0])

    def _users(self) -> None:
        """Users of its own: root lives in the machine's folder, and libvirt's default user is there."""
        users = [line.split(":") for line in Path("/etc/passwd").read_text().splitlines()]
        for user in users:
            if user[0] == "root":
                user[5], user[6] = str(self.home), "/bin/sh"
        lines = [":".join(user) for user in users if user[0] != "libvirt-qemu"]
        lines.append("libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin")
        (self.folder / "passwd").write_text("\n".join(lines) + "\n")
        groups = [line for line in Path("/etc/group").read_text().splitlines() if not line.startswith("libvirt-qemu:")]
        (self.folder / "group").write_text("\n".join([*groups, "libvirt-qemu:x:64055:"]) + "\n")

    def inside(self, *command: str | Path) -> list[str]:
        """The command that runs another inside."""
        enter = (
            "nsenter",
            "-t",
            str(self._first),
            "--net",
            "--mount",
            "--pid",
            "--uts",
            "--ipc",
            f"--wd={self.folder}",
        )
        return [*enter, "--", *map(str, command)]

    def environment(self, **more: str) -> dict[str, str]:
        """A small environment with the machine's home."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", **more}

    def run(self, *command: str | Path, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a program inside to its end."""
        done = subprocess.run(
            self.inside(*command),
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
        return done

    def start(self, log: str, *command: str | Path, **environment: str) -> None:
        """Starts a program inside that ends with the machine; its output goes to `log` in the folder."""
        with open(self.folder / log, "ab") as handle:
            process = subprocess.Popen(
                self.inside(*command),
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
            )
        self._started.append(process)

    def end(self) -> None:
        """Ends the first process and with it all others."""
        if self._holder.poll() is None:
            os.kill(self._first, 9)
        for process in (self._holder, *self._started):
            process.wait(30)
        for path in self._made:
            path.rmdir()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Waits for a condition."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:g} seconds for {what}")
        time.sleep(0.1)


def ansible_package() -> Path:
    """The ansible package of this Python; its module_utils run in the machine's Python, too."""
    import ansible

    return Path(str(ansible.__file__)).parent


def listening(machine: Machine, port: int) -> bool:
    """Whether something listens on a port of 127.0.0.1 inside."""
    code = f"import socket, sys; sys.exit(socket.socket().connect_ex(('127.0.0.1', {port})))"
    return machine.run(PYTHON, "-c", code, check=False).returncode == 0


def write(path: Path, lines: Mapping[str, str] | Sequence[str]) -> Path:
    """Writes `key = value` lines, or plain ones."""
    text = [f"{key} = {value}" for key, value in lines.items()] if isinstance(lines, Mapping) else list(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(text) + "\n")
    return path
