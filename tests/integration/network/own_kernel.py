# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a kernel of its own: the lab's Debian with Debian's kernel, in the lab's QEMU.

It has no network but what it makes itself. One unit of systemd is all that it starts; what that writes to RESULT is read when it is off.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import build_guest

DISK_BYTES = 4 << 30
RESULT, RESULT_BYTES = "/dev/vdb", 1 << 20
MODULES = ("virtio_pci", "virtio_blk")
INIT = """\
#!/bin/busybox sh
/bin/busybox mkdir -p /dev /root
/bin/busybox mount -t devtmpfs none /dev
while read -r module; do /bin/busybox insmod "/modules/$module"; done </modules/order
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount -t devtmpfs none /root/dev
exec /bin/busybox switch_root /root /lib/systemd/systemd
"""
UNIT = """\
[Unit]
After=systemd-networkd.service dbus.service
Wants=systemd-networkd.service

[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=file:/dev/ttyS0
StandardError=inherit
Environment=PYTHONPATH={path}
ExecStart={command}
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


def _initramfs(modules: Path, busybox: Path) -> bytes:
    found = {path.stem.replace("-", "_"): path.read_bytes() for path in modules.rglob("*.ko")}
    order = build_guest.module_order(MODULES, found)
    files = {
        "init": (0o755, INIT.encode()),
        "bin/busybox": (0o755, build_guest.members(busybox)["bin/busybox"]),
        "modules/order": (0o644, "".join(f"{name}.ko\n" for name in order).encode()),
        **{f"modules/{name}.ko": (0o644, found[name]) for name in order},
    }
    return build_guest.initramfs(files)


def _root(lab: Path, root: Path, unit: str, copies: Mapping[str, Path]) -> None:
    subprocess.run(["cp", "--archive", "--reflink=auto", str(lab / "system"), str(root)], check=True)
    kernel = next((lab / "guest/packages").glob("linux-image-*.deb"))
    unpacked = root.with_name("kernel")
    subprocess.run(["dpkg-deb", "-x", str(kernel), str(unpacked)], check=True)
    shutil.copytree(unpacked / "lib/modules", root / "usr/lib/modules", dirs_exist_ok=True)
    shutil.copyfile(next((unpacked / "boot").glob("vmlinuz-*")), root.with_name("vmlinuz"))
    release = next((unpacked / "lib/modules").iterdir()).name
    subprocess.run(["chroot", str(root), "/usr/sbin/depmod", release], check=True)
    busybox = next((lab / "guest/packages").glob("busybox-*.deb"))
    root.with_name("initrd").write_bytes(_initramfs(unpacked / "lib/modules", busybox))
    for target, source in copies.items():
        subprocess.run(["mkdir", "--parents", str((root / target).parent)], check=True)
        subprocess.run(["cp", "--archive", str(source), str(root / target)], check=True)
    units = root / "etc/systemd/system"
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
    for name in LEFT_OUT:
        (units / f"{name}.service").unlink(missing_ok=True)
        (units / f"{name}.service").symlink_to("/dev/null")
    (units / "story.service").write_text(unit)
    (units / "multi-user.target.wants/story.service").symlink_to("/etc/systemd/system/story.service")
    (root / "etc/machine-id").write_text("5f2c6a3e7d8149b0a1b2c3d4e5f60718\n")


def qemu(lab: Path) -> Path:
    """The root folder of the lab's launcher image, which has QEMU."""
    return next(lab.glob("archive-cache/base-*/usr/bin/qemu-system-x86_64")).parents[2]


def run(lab: Path, work: Path, command: str, copies: Mapping[str, Path], path: str, seconds: int) -> tuple[str, str]:
    """Boots the host for one command: what it wrote to RESULT, and its console.

    `copies` is path in the host -> what is there; `path` is where its Python looks. It is off after `seconds` at the latest.
    """
    root, disk, result, console = (work / name for name in ("root", "disk", "result", "console"))
    _root(lab, root, UNIT.format(path=path, command=command), copies)
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    result.write_bytes(bytes(RESULT_BYTES))
    subprocess.run(["mkfs.ext4", "-q", "-d", str(root), str(disk)], check=True)
    shutil.rmtree(root)
    base = qemu(lab)
    program = [
        *(
            str(base / "lib64/ld-linux-x86-64.so.2"),
            "--library-path",
            f"{base}/lib/x86_64-linux-gnu:{base}/usr/lib/x86_64-linux-gnu",
        ),
        *(str(base / "usr/bin/qemu-system-x86_64"), "-L", f"{base}/usr/share/qemu", "-L", f"{base}/usr/share/seabios"),
    ]
    machine = [
        *("-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults", "-no-reboot"),
        *("-display", "none", "-serial", f"file:{console}"),
        *("-kernel", str(work / "vmlinuz"), "-initrd", str(work / "initrd"), "-append", "console=ttyS0 quiet"),
        *("-drive", f"file={disk},format=raw,if=virtio", "-drive", f"file={result},format=raw,if=virtio"),
    ]
    ended = subprocess.run(
        ["timeout", "--signal", "KILL", str(seconds), *program, *machine],
        env={"QEMU_MODULE_DIR": f"{base}/usr/lib/x86_64-linux-gnu/qemu", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    disk.unlink()
    said = console.read_text(errors="replace") if console.exists() else ""
    return result.read_bytes().rstrip(b"\0").decode(), said + ended.stderr
