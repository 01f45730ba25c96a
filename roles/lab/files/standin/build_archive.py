#!/usr/bin/env python3
"""Build the stand-in as an archive folder: manifests, one OCI image under five names, archive.json.

Runs as root on a Debian machine with debootstrap; needs only the standard library.
usage: build_archive.py --output DIR --cache DIR
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
VERSION = "v1.9.0-standin"
PREFIX = "quay.io/kubevirt"
COMPONENTS = ("virt-operator", "virt-api", "virt-controller", "virt-handler", "virt-launcher")
RELEASE = "bookworm"
PACKAGES = ("python3", "qemu-system-x86", "qemu-utils", "genisoimage", "busybox-static", "ca-certificates")
UNNEEDED = (
    "var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale",
    "usr/share/info", "usr/share/qemu/keymaps", "usr/share/icons", "usr/lib/python3/dist-packages",
    "usr/share/qemu/edk2-aarch64-code.fd", "usr/share/qemu/openbios-ppc", "usr/share/perl", "dev", "proc", "sys", "tmp", "run",
)
PYTHON = "opt/standin"
EPOCH = 1_700_000_000


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def run(*command: str, **options: Any) -> None:
    """Run a command; its output goes to ours, a failure ends the build."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


def mirror() -> list[str]:
    """The mirror that the machine's own apt uses for this release, as debootstrap takes it; none lets debootstrap choose."""
    for path in sorted(Path("/etc/apt").glob("sources.list.d/*.sources")):
        for block in path.read_text().split("\n\n"):
            fields = dict(line.split(":", 1) for line in block.splitlines() if ":" in line and line[0] not in "# ")
            if RELEASE in fields.get("Suites", "").split():
                return [fields["URIs"].split()[0]]
    listed = Path("/etc/apt/sources.list")
    for line in listed.read_text().splitlines() if listed.exists() else []:
        words = [word for word in line.split() if not word.startswith("[")]
        if len(words) > 2 and words[0] == "deb" and words[2] == RELEASE:
            return [words[1]]
    return []


def base_root(cache: Path) -> Path:
    """Debian with Python and QEMU as a folder, made once."""
    stamp = hashlib.sha256(json.dumps([RELEASE, PACKAGES, UNNEEDED]).encode()).hexdigest()[:12]
    root = cache / f"base-{stamp}"
    if root.is_dir():
        return root
    say(f"debootstrap {RELEASE} with {', '.join(PACKAGES)}: about two minutes")
    new = cache / "base.new"
    shutil.rmtree(new, ignore_errors=True)
    debs = cache / "debs"
    debs.mkdir(exist_ok=True)
    run("debootstrap", "--variant=minbase", f"--cache-dir={debs}", f"--include={','.join(PACKAGES)}", RELEASE, str(new), *mirror())
    for name in UNNEEDED:
        shutil.rmtree(new / name, ignore_errors=True)
        if (new / name).is_file():
            (new / name).unlink()
    for name in ("dev", "proc", "sys", "tmp", "run", "var/log"):
        (new / name).mkdir(exist_ok=True)
    (new / "tmp").chmod(0o1777)
    new.rename(root)
    return root


def python_root(cache: Path) -> Path:
    """The pinned Python packages for Debian's own Python 3.11."""
    text = (HERE / "requirements.txt").read_bytes()
    root = cache / f"python-{hashlib.sha256(text).hexdigest()[:12]}"
    if not root.is_dir():
        say("pip: packages for the image")
        new = cache / "python.new"
        shutil.rmtree(new, ignore_errors=True)
        run(
            sys.executable, "-m", "pip", "install", "--quiet", "--target", str(new), "--python-version", "3.11",
            "--implementation", "cp", "--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64",
            "--platform", "manylinux_2_34_x86_64", "--only-binary=:all:", "--no-compile", "--no-deps", "--require-hashes",
            "-r", str(HERE / "requirements.txt"),
        )
        new.rename(root)
    return root


def app_root(cache: Path) -> Path:
    """The layer of the application: packages, the stand-in, its commands."""
    new = cache / "app.new"
    shutil.rmtree(new, ignore_errors=True)
    target = new / PYTHON
    shutil.copytree(python_root(cache), target)
    shutil.copytree(HERE / "kubevirt_standin", target / "kubevirt_standin", ignore=shutil.ignore_patterns("__pycache__"))
    compile_bytecode(target, new)
    commands = new / "usr/bin"
    commands.mkdir(parents=True)
    for name in ("kubevirt-standin", "kubevirt-standin-copy"):
        shutil.copy(HERE / "image" / name, commands / name)
        (commands / name).chmod(0o755)
    shutil.copy(HERE / "image" / "copy.sh", target / "copy.sh")
    return new


def compile_bytecode(target: Path, root: Path) -> None:
    """Bytecode for the image's Python 3.11, where this machine has that version: imports are then quicker."""
    python = shutil.which("python3.11")
    if python:
        options = ["-q", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(root)]
        run(python, "-m", "compileall", *options, str(target))


def entries(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*files, *folders]):
            path = Path(folder, name)
            yield str(path.relative_to(root)), path


def make_layer(root: Path, target: Path) -> tuple[str, str, int]:
    """Write the folder as a gzipped layer: digest, digest of the plain tar, size. Same folder, same digest."""
    plain = hashlib.sha256()

    class Tee(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            plain.update(data)
            packed.write(data)
            return len(data)

    with (
        open(target, "wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, mtime=0, filename="") as packed,
        io.BufferedWriter(Tee(), 1 << 20) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, path in entries(root):
            info = tar.gettarinfo(str(path), name)
            info.mtime, info.uname, info.gname = EPOCH, "", ""
            with open(path, "rb") if info.isreg() else io.BytesIO() as content:
                tar.addfile(info, content if info.isreg() else None)
    return digest_of(target), f"sha256:{plain.hexdigest()}", target.stat().st_size


def digest_of(path: Path) -> str:
    with open(path, "rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def cached_base_layer(cache: Path) -> tuple[Path, str, str, int]:
    root = base_root(cache)
    layer, note = cache / f"{root.name}.layer", cache / f"{root.name}.json"
    if not note.exists():
        say("packing the base layer")
        note.write_text(json.dumps(make_layer(root, layer)))
    digest, plain, size = json.loads(note.read_text())
    return layer, digest, plain, size


class Archive:
    """One OCI archive with one image."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w")

    def add(self, name: str, data: bytes | Path) -> None:
        info = tarfile.TarInfo(name)
        info.mtime, info.mode = EPOCH, 0o644
        if isinstance(data, Path):
            info.size = data.stat().st_size
            with open(data, "rb") as stream:
                self._tar.addfile(info, stream)
        else:
            info.size = len(data)
            self._tar.addfile(info, io.BytesIO(data))

    def blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.add(f"blobs/sha256/{digest}", data)
        return f"sha256:{digest}"

    def close(self) -> None:
        self._tar.close()


def compact(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def make_image(cache: Path, target: Path) -> tuple[str, str]:
    """Write the OCI archive: the digest of its manifest, and a tag that changes with what is in it."""
    base = cached_base_layer(cache)
    say("packing the application layer")
    layer = cache / "app.layer"
    app = (layer, *make_layer(app_root(cache), layer))
    archive = Archive(target)
    archive.add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    for path, digest, _, _ in (base, app):
        archive.add(f"blobs/sha256/{digest.removeprefix('sha256:')}", path)
    config = compact(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"PYTHONPATH=/{PYTHON}", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [base[2], app[2]]},
        }
    )
    manifest = compact(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": archive.blob(config), "size": len(config)},
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": item[1], "size": item[3]} for item in (base, app)
            ],
        }
    )
    digest = archive.blob(manifest)
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": len(manifest)}
    archive.add("index.json", compact({"schemaVersion": 2, "manifests": [entry]}))
    archive.close()
    return digest, f"{VERSION}-{app[1].removeprefix('sha256:')[:8]}"


def write_manifests(output: Path, tag: str) -> None:
    """The operator's manifest and the KubeVirt CR, as the package itself renders them."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from kubevirt_standin.operator.manifest import main; main(sys.argv[1], sys.argv[2])"
    run(sys.executable, "-B", "-c", code, str(output), f"{PREFIX}/virt-operator:{tag}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the stand-in as an archive folder.")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    if os.geteuid():
        print("build_archive.py needs root: debootstrap makes device files and owners", file=sys.stderr)
        return 1
    cache: Path = arguments.cache.resolve()
    output: Path = arguments.output.resolve()
    new = output.with_name(output.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "images").mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    digest, tag = make_image(cache, new / "images/kubevirt-standin.tar")
    write_manifests(new, tag)
    images = {f"{PREFIX}/{name}:{tag}": {"file": "images/kubevirt-standin.tar", "digest": digest} for name in COMPONENTS}
    about = {"source": "stand-in", "version": VERSION, "images": images}
    (new / "archive.json").write_text(json.dumps(about, indent=2) + "\n")
    shutil.rmtree(output, ignore_errors=True)
    new.rename(output)
    say(f"archive: {output} ({digest})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
