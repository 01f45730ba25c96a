# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine on an attachment of the host, plugged in as Multus and KubeVirt do it, and asked for from outside.

The reference plugin makes the attachment's link in the pod's network namespace, and a bridge there joins it with the machine's tap, which is
KubeVirt's bridge binding. The guest and QEMU are those of the lab.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLUGINS = "/usr/lib/cni"
POD = "pod"
PREFIX, MACHINE, OUTSIDE = "10.80.100.0/24", "10.80.100.5", "10.80.100.1"
SECONDS = 300
BINDING = f"""
ip -n {POD} link add k6t-net1 type bridge
ip -n {POD} link set net1 master k6t-net1
ip netns exec {POD} ip tuntap add tap1 mode tap
ip -n {POD} link set tap1 master k6t-net1
for link in net1 k6t-net1 tap1; do ip -n {POD} link set $link up; done
"""


def _sh(text: str) -> str:
    done = subprocess.run(["sh", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return f"{done.returncode} {done.stdout}".strip()


def _plugin(act: str, attachment: dict[str, Any]) -> dict[str, Any]:
    """What the plugin answers; as CNI has it, the result of ADD, else {code, msg}, or nothing."""
    given = {
        "CNI_COMMAND": act,
        "CNI_CONTAINERID": POD,
        "CNI_NETNS": f"/run/netns/{POD}",
        "CNI_IFNAME": "net1",
        "CNI_PATH": PLUGINS,
        "PATH": "/usr/sbin:/usr/bin",
    }
    done = subprocess.run(
        [f"{PLUGINS}/{attachment['type']}"],
        input=json.dumps(attachment),
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    return answer


def _root(cache: Path) -> Path:
    """The lab's launcher image, which has QEMU, with devices and processes; the guest's files beside."""
    said = _sh(f"""set -e
modprobe tun
mount --bind /dev {cache}/qemu/dev
mount -t proc none {cache}/qemu/proc
cp {cache}/guest/vmlinuz {cache}/guest/initrd {cache}/qemu/tmp/
truncate --size 1M {cache}/qemu/tmp/disk""")
    assert said == "0", said
    return cache / "qemu"


@contextmanager
def _running(root: Path) -> Iterator[None]:
    command = [
        *(
            "ip",
            "netns",
            "exec",
            POD,
            "chroot",
            str(root),
            "qemu-system-x86_64",
            "-machine",
            "q35,accel=tcg",
            "-cpu",
            "max",
        ),
        *("-m", "96", "-nodefaults", "-display", "none", "-serial", "file:/tmp/console"),
        *("-kernel", "/tmp/vmlinuz", "-initrd", "/tmp/initrd"),
        *("-append", f"console=ttyS0 quiet counter_address={MACHINE}/{PREFIX.rpartition('/')[2]}"),
        *("-drive", "file=/tmp/disk,format=raw,if=virtio"),
        *(
            "-netdev",
            "tap,id=net1,ifname=tap1,script=no,downscript=no",
            "-device",
            "virtio-net-pci,netdev=net1,romfile=",
        ),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as machine:
        try:
            yield
        finally:
            machine.kill()


def _asked(link: str, seconds: float) -> int:
    """The guest's counter, asked for from outside through a link; -1 where none answered in time."""
    ask = (
        f"import urllib.request as r; print(r.urlopen('http://{MACHINE}:8080/counter.json', timeout=5).read().decode())"
    )
    _sh(f"ip -n outside address add {OUTSIDE}/{PREFIX.rpartition('/')[2]} dev {link}")
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            said = _sh(f'ip netns exec outside python3 -c "{ask}"')
            if said.startswith("0 "):
                return int(json.loads(said[2:])["counter"])
            time.sleep(1)
        return -1
    finally:
        _sh(f"ip -n outside address flush dev {link}")


def seen(cache: Path, attachment: dict[str, Any]) -> dict[str, Any]:
    """How the plugin answered, what the guest said in its VLAN, in another, and in its own again."""
    root = _root(cache)
    _sh(f"ip netns add {POD}")
    found: dict[str, Any] = {"plugged": _plugin("ADD", attachment), "bound": _sh(f"set -e\n{BINDING}")}
    with _running(root):
        found["first"] = _asked("v100", SECONDS)
        found["of_another_vlan"] = _asked("v101", 10)
        found["last"] = _asked("v100", 30)
    found["console"] = (root / "tmp/console").read_text(errors="replace")[-2000:]
    found["unplugged"] = _plugin("DEL", attachment)
    found["left"] = _sh(f"ip -n {POD} -brief link | grep net1@")
    _sh(f"ip netns delete {POD}")
    return found
