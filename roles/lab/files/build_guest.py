# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the lab's guest: Debian's cloud kernel and an initramfs of busybox, as an OCI image archive.

The image holds /boot/vmlinuz and /boot/initrd and is meant for KubeVirt's `kernelBoot.container`.
The same packages give the same bytes. Needs only Python and, to fetch the packages, apt-get of a
Debian: of this machine, or of the root folder given by --root.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from oci_image import Image, layer_of_files, write

SOURCES = Path(__file__).resolve().parent / "guest"
REFERENCE = "quay.io/virtops/counter-guest:1"
ARCHIVE = "counter-guest.tar"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX_PACKAGE = "busybox-static"
# The drivers the guest needs; what they depend on is read from them.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "button", "evdev")
SCRIPTS = {
    "init": "init",
    "dhcp": "dhcp",
    "httpd.conf": "httpd.conf",
    "power_button": "etc/acpi/PWRF/00000080",
}
# KubeVirt reads the kernel as its QEMU user.
QEMU_UID = 107


class BuildError(Exception):
    """Why the guest could not be built."""


def members(package: Path) -> dict[str, bytes]:
    """The files of a Debian package, by path without a leading './'."""
    blob = package.read_bytes()
    if not blob.startswith(b"!<arch>\n"):
        raise BuildError(f"{package} is no Debian package")
    position = 8
    while position + 60 <= len(blob):
        name = blob[position : position + 16].decode().strip().rstrip("/")
        size = int(blob[position + 48 : position + 58])
        data = blob[position + 60 : position + 60 + size]
        if name == "data.tar.xz":
            return _files(lzma.decompress(data))
        position += 60 + size + size % 2
    raise BuildError(f"{package} has no data.tar.xz")


def _files(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            reader = archive.extractfile(member) if member.isfile() else None
            if reader is not None:
                found[member.name.removeprefix("./")] = reader.read()
    return found


def module_order(wanted: tuple[str, ...], modules: dict[str, bytes]) -> list[str]:
    """The wanted modules after all that they depend on; `modules` is name -> content of the .ko file."""
    order: list[str] = []

    def add(name: str) -> None:
        if name in order:
            return
        if name not in modules:
            raise BuildError(f"the kernel package has no module {name}")
        found = re.search(rb"\0depends=([^\0]*)\0", modules[name])
        for dependency in (found.group(1).decode() if found else "").split(","):
            if dependency:
                add(dependency.replace("-", "_"))
        order.append(name)

    for name in wanted:
        add(name)
    return order


def initramfs(files: dict[str, tuple[int, bytes]]) -> bytes:
    """A gzipped cpio archive in the kernel's newc format; `files` is path -> (mode, content)."""
    folders = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
    entries = [(folder, 0o040755, b"") for folder in folders]
    entries += [(path, 0o100000 | mode, content) for path, (mode, content) in files.items()]
    out = io.BytesIO()
    for number, (path, mode, content) in enumerate([*sorted(entries), ("TRAILER!!!", 0, b"")], start=1):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(content + b"\0" * (-len(content) % 4))
    return gzip.compress(out.getvalue(), compresslevel=6, mtime=0)


def boot_files(kernel_package: Path, busybox_package: Path) -> dict[str, bytes]:
    """`boot/vmlinuz` and `boot/initrd` made of the two packages and the scripts in guest/."""
    kernel = members(kernel_package)
    images = [path for path in kernel if path.startswith("boot/vmlinuz-")]
    if len(images) != 1:
        raise BuildError(f"{kernel_package} holds {len(images)} kernels, not one")
    modules = {Path(path).stem.replace("-", "_"): content for path, content in kernel.items() if path.endswith(".ko")}
    order = module_order(MODULES, modules)
    files = {target: (0o755, (SOURCES / source).read_bytes()) for source, target in SCRIPTS.items()}
    files["bin/busybox"] = (0o755, members(busybox_package)["bin/busybox"])
    files["modules/order"] = (0o644, "".join(f"{name}.ko\n" for name in order).encode())
    files.update({f"modules/{name}.ko": (0o644, modules[name]) for name in order})
    return {"boot/vmlinuz": kernel[images[0]], "boot/initrd": initramfs(files)}


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def fetch_packages(root: Path, target: Path) -> tuple[Path, Path]:
    """Downloads the kernel's and busybox's packages with apt-get of `root` into `target`: their two paths."""
    depends = _run(root, ["apt-cache", "depends", "--important", KERNEL_PACKAGE])
    found = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", depends)
    if not found:
        raise BuildError(f"apt of {root} knows no {KERNEL_PACKAGE}: run apt-get update there first")
    kernel, busybox = (_download(root, name, target) for name in (found.group(1), BUSYBOX_PACKAGE))
    return kernel, busybox


def _download(root: Path, name: str, target: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=root / "tmp", prefix="guest-") as folder:
        os.chmod(folder, 0o777)
        download = f"cd /tmp/{Path(folder).name} && apt-get download {name}"
        uri = _run(root, ["sh", "-c", f"{download} --print-uris"]).split()
        if len(uri) < 2:
            raise BuildError(f"apt of {root} offers no package {name}: run apt-get update there first")
        package = target / uri[1]
        if not package.exists():
            _run(root, ["sh", "-c", download])
            _replace(package, (Path(folder) / uri[1]).read_bytes())
    return package


def _run(root: Path, command: list[str]) -> str:
    full = command if root == Path("/") else ["chroot", str(root), *command]
    done = subprocess.run(full, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(full)}: {done.stderr.strip()}")
    return done.stdout


def build(root: Path, output: Path) -> dict[str, object]:
    """Writes ARCHIVE, vmlinuz and initrd into `output`: {changed, reference, file, digest, made_of}."""
    folder = output / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    packages = fetch_packages(root, folder)
    sources = [Path(__file__), *(SOURCES / name for name in SCRIPTS)]
    made_of = {path.name: _digest(path.read_bytes()) for path in (*packages, *sources)}
    stamp, archive = output / "build.json", output / ARCHIVE
    if stamp.exists() and archive.exists():
        last = json.loads(stamp.read_text())
        if last["made_of"] == made_of:
            return {**last, "changed": False}
    boot = boot_files(*packages)
    for path, content in boot.items():
        _replace(output / Path(path).name, content)
    layer = layer_of_files(output / "layer", {path: (0o644, content) for path, content in boot.items()})
    digest = write(archive, Image(REFERENCE, (layer,), {"User": str(QEMU_UID)}))
    layer.path.unlink()
    result = {"changed": True, "reference": REFERENCE, "file": str(archive), "digest": digest, "made_of": made_of}
    _replace(stamp, json.dumps(result, sort_keys=True).encode())
    return result


def _replace(target: Path, content: bytes) -> None:
    partial = target.with_name(target.name + ".part")
    partial.write_bytes(content)
    partial.replace(target)


def main() -> int:
    """Prints the result as one line of JSON; 1 and a sentence on stderr where it cannot build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the image and what it is made of")
    parser.add_argument("--root", type=Path, default=Path("/"), help="root folder of the Debian whose apt-get is used")
    options = parser.parse_args()
    try:
        print(json.dumps(build(options.root, options.output)))
    except (BuildError, OSError) as error:
        print(f"build_guest: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
