# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers in network namespaces: the role's own files, real HAProxy, nginx and keepalived, and no host is touched.

The programs are those of a Debian in a folder: the lab's nodes' system, or the one that LOAD_BALANCER_SYSTEM names. Nothing is
written there: what programs write goes to a tmpfs. Each node is one namespace of processes, mounts and network; it ends with
its first process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import balancers
from balancers import HOSTS, ROLE
from nets import bridge, run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
COPIED = ROOT.parts[-3:] == ("ansible_collections", "virtops", "kubevirt_ha")
REPOSITORY = ROOT.parents[3] if COPIED else ROOT
SYSTEM = Path(os.environ.get("LOAD_BALANCER_SYSTEM", REPOSITORY / ".cache" / "lab" / "system")).resolve()
PROGRAMS = ("haproxy", "keepalived", "nft")
PREFIX, CLIENT = "kvhalb", "192.0.2.1"
SWITCH = f"{PREFIX}-net"
PROFILE = "fast"
VIP = {
    **balancers.API,
    "backends": {"group": "control_plane", "port": 6443, "check": "/readyz", "check_kind": "http"},
}
MOUNTS = """
set -e
for folder in run var/log var/lib/nginx; do mount -t tmpfs tmpfs "$0/$folder"; done
mkdir -p "$0/run/haproxy" "$0/var/log/nginx"
mount --bind "$1" "$0/srv"
mount --bind "$1" "$0/usr/local/sbin"
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
exec sleep infinity
"""


def lacks(*more: str) -> str:
    """Why there can be no stage with these programs here; empty where there can."""
    if os.geteuid() != 0:
        return "needs root: load balancers run in namespaces"
    missing = [name for name in (*PROGRAMS, *more) if not (SYSTEM / "usr/sbin" / name).exists()]
    return f"needs {', '.join(missing)} in {SYSTEM}/usr/sbin: `make lab` installs them" if missing else ""


def wait_until(question: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Asks again and again; fails with `what` when the time is over."""
    over = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < over, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@dataclass
class Node:
    """One load balancer; `given` are the variables that its files are rendered with."""

    name: str
    folder: Path
    given: dict[str, Any]
    pid: int = 0
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def netns(self) -> str:
        return f"{PREFIX}-{self.name}"

    @property
    def proxy(self) -> str:
        return str(self.given["load_balancer_proxy"])

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command as one of the node."""
        return ("nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "chroot", str(SYSTEM), *command)

    def write(self, **given: Any) -> None:
        """Renders and writes the files; each must please the checker that the role would ask."""
        self.given = {**self.given, **given}
        proxy = balancers.value("__load_balancer_proxies", self.name, **self.given)[self.proxy]
        name = Path(proxy["config"]).name
        for file, checker in ((name, proxy["validate"]), ("keepalived.conf", "keepalived --config-test --use-file %s")):
            (self.folder / f"{file}.new").write_text(balancers.render(f"{file}.j2", self.name, **self.given))
            run(*self.inside(*(checker % f"/srv/{file}.new").split()))
            os.replace(self.folder / f"{file}.new", self.folder / file)

    def start(self, name: str) -> None:
        """Starts a program as its systemd unit does."""
        commands = {
            "haproxy": ("haproxy", "-Ws", "-f", "/srv/haproxy.cfg", "-p", "/run/haproxy.pid"),
            "nginx": ("nginx", "-g", "daemon off;", "-c", "/srv/nginx.conf"),
            "keepalived": ("keepalived", "--dont-fork", "--log-console", "--use-file", "/srv/keepalived.conf"),
        }
        log = (self.folder / f"{name}.log").open("ab")
        self.started[name] = subprocess.Popen(self.inside(*commands[name]), stdout=log, stderr=log)

    def signal(self, name: str, which: str, *options: str) -> None:
        """Signals the program's processes that pgrep finds with these options."""
        run(*self.inside("sh", "-c", f"kill -{which} $(pgrep {' '.join(options)} --exact {name})"))

    def reload(self) -> None:
        """Reloads the proxy as its systemd unit does."""
        if self.proxy == "haproxy":
            run(*self.inside("haproxy", "-Ws", "-f", "/srv/haproxy.cfg", "-c", "-q"))
            self.signal("haproxy", "USR2", "--oldest")
        else:
            run(*self.inside("nginx", "-c", "/srv/nginx.conf", "-s", "reload"))

    def has(self, address: str) -> bool:
        return f" {address}/" in run("ip", "-netns", self.netns, "-4", "-oneline", "address")

    def listens(self, port: int) -> bool:
        return f":{port} " in run(*self.inside("ss", "-Hltn"))


@dataclass
class Stage:
    """The nodes, and a client beside them in the same network."""

    nodes: list[Node]

    def holders(self, address: str = str(VIP["address"])) -> list[Node]:
        return [node for node in self.nodes if node.has(address)]

    def one_holder(self) -> Node:
        """Waits until the VIP is on one node."""
        found: list[Node] = []

        def one() -> bool:
            found[:] = self.holders()
            return len(found) == 1

        wait_until(one, "the VIP is on one node")
        return found[0]

    def client(self, per_second: float, timeout: float = 1.0) -> subprocess.Popen[str]:
        """Asks the VIP until its standard input ends."""
        command = ("ip", "netns", "exec", SWITCH, sys.executable, str(HERE / "client.py"))
        arguments = (str(VIP["address"]), str(VIP["port"]), str(per_second), str(timeout))
        return subprocess.Popen((*command, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _network(done: ExitStack) -> None:
    bridge(done, PREFIX, HOSTS, CLIENT)
    for node in HOSTS:
        run("ip", "netns", "exec", f"{PREFIX}-{node}", "sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1")


def _boot(node: Node, done: ExitStack) -> None:
    node.folder.mkdir(mode=0o755)
    shutil.copy(ROLE / "files" / "proxy-answers", node.folder / "kubevirt-ha-proxy-answers")
    (node.folder / "kubevirt-ha-proxy-answers").chmod(0o755)
    shutil.copy(HERE / "backend.py", node.folder)
    spaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
    command = ("ip", "netns", "exec", node.netns, *spaces, "sh", "-c", MOUNTS, str(SYSTEM), str(node.folder))
    first = subprocess.Popen(command)
    done.callback(first.wait)
    done.callback(first.kill)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
    wait_until(lambda: bool(children.read_text()), f"{node.name} has a first process")
    node.pid = int(children.read_text().split()[0])
    comm = Path(f"/proc/{node.pid}/comm")
    wait_until(lambda: comm.read_text() == "sleep\n", f"{node.name} has its mounts")
    backend = ("python3", "/srv/backend.py", node.name, str(VIP["backends"]["port"]), "/srv/sick")
    node.started["backend"] = subprocess.Popen(node.inside(*backend))


@contextmanager
def stage(folder: Path, **given: Any) -> Iterator[Stage]:
    """Nodes whose proxies serve the VIP; all is gone afterwards."""
    variables = {"load_balancer_vips": [VIP], "load_balancer_proxy": "haproxy", **given}
    # Programs read their files as users of their own.
    folder.mkdir(mode=0o755, exist_ok=True)
    with ExitStack() as done:
        _network(done)
        nodes = [Node(name, folder / name, variables) for name in HOSTS]
        for node in nodes:
            _boot(node, done)
            node.write()
            node.start(node.proxy)
            node.start("keepalived")
        try:
            yield Stage(nodes)
        finally:
            for node in nodes:
                _end(node)


def _end(node: Node) -> None:
    """All of the node ends with its first process; nsenter outside, which stopped with a stopped child, does not."""
    os.kill(node.pid, signal.SIGKILL)
    for process in node.started.values():
        process.kill()
        process.wait()
