# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces on one bridge, a host each."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import ExitStack


def run(*command: str, check: bool = True) -> str:
    """Runs a command to its end; returns what it said."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def bridge(done: ExitStack, prefix: str, hosts: Mapping[str, str], client: str) -> None:
    """Namespaces `<prefix>-<host>` with eth0 and the host's address, and `<prefix>-net` with the bridge and the client's."""
    switch = f"{prefix}-net"
    for name in (switch, *(f"{prefix}-{host}" for host in hosts)):
        run("ip", "netns", "delete", name, check=False)
        run("ip", "netns", "add", name)
        done.callback(run, "ip", "netns", "delete", name, check=False)
        run("ip", "-netns", name, "link", "set", "lo", "up")
    run("ip", "-netns", switch, "link", "add", "br0", "type", "bridge")
    run("ip", "-netns", switch, "address", "add", f"{client}/24", "dev", "br0")
    run("ip", "-netns", switch, "link", "set", "br0", "up")
    for host, address in hosts.items():
        inside = f"{prefix}-{host}"
        run("ip", "-netns", switch, "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", inside)
        run("ip", "-netns", switch, "link", "set", host, "master", "br0", "up")
        run("ip", "-netns", inside, "address", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-netns", inside, "link", "set", "eth0", "up")
