"""Build the stand-in as an archive folder: manifests, one OCI image under five names, archive.json.

Runs as root on a Debian machine with debootstrap; needs only the standard library.
usage: build_standin.py --output DIR --cache DIR [--version VERSION]

With a version it calls itself that: the same programs, to upgrade from or to.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from oci_image import Image, Layer, layer_of_folders, write

HERE = Path(__file__).resolve().parent / "standin"
VERSION = "v1.9.0-standin"
PREFIX = "quay.io/kubevirt"
COMPONENTS = ("virt-operator", "virt-api", "virt-controller", "virt-handler", "virt-exportproxy", "virt-launcher")
RELEASE = "bookworm"
PACKAGES = ("python3", "qemu-system-x86", "qemu-utils", "genisoimage", "busybox-static", "ca-certificates")
UNNEEDED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/qemu/keymaps",
    "usr/share/icons",
    "usr/lib/python3/dist-packages",
    "usr/share/qemu/edk2-aarch64-code.fd",
    "usr/share/qemu/openbios-ppc",
    "usr/share/perl",
    "dev",
    "proc",
    "sys",
    "tmp",
    "run",
)
PYTHON = "opt/standin"


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
    run(
        "debootstrap",
        "--variant=minbase",
        f"--cache-dir={debs}",
        f"--include={','.join(PACKAGES)}",
        RELEASE,
        str(new),
        *mirror(),
    )
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
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            str(new),
            "--python-version",
            "3.11",
            "--implementation",
            "cp",
            "--platform",
            "manylinux2014_x86_64",
            "--platform",
            "manylinux_2_28_x86_64",
            "--platform",
            "manylinux_2_34_x86_64",
            "--only-binary=:all:",
            "--no-compile",
            "--no-deps",
            "--require-hashes",
            "-r",
            str(HERE / "requirements.txt"),
        )
        new.rename(root)
    return root


def app_root(cache: Path, version: str) -> Path:
    """The layer of the application: packages, the stand-in, which calls itself `version`, its commands."""
    new = cache / "app.new"
    shutil.rmtree(new, ignore_errors=True)
    target = new / PYTHON
    shutil.copytree(python_root(cache), target)
    shutil.copytree(
        HERE / "kubevirt_standin", target / "kubevirt_standin", ignore=shutil.ignore_patterns("__pycache__")
    )
    about = target / "kubevirt_standin" / "__init__.py"
    about.write_text(about.read_text().replace(f'"{VERSION}"', f'"{version}"'))
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


def cached_base_layer(cache: Path) -> Layer:
    """The base layer, packed once."""
    root = base_root(cache)
    target, note = cache / f"{root.name}.layer", cache / f"{root.name}.json"
    if not note.exists():
        say("packing the base layer")
        layer = layer_of_folders(target, [(root, "")])
        note.write_text(json.dumps({"digest": layer.digest, "size": layer.size, "diff_id": layer.diff_id}))
    return Layer(target, **json.loads(note.read_text()))


def make_image(cache: Path, target: Path, version: str) -> tuple[str, str]:
    """Write the OCI archive: the digest of its manifest, and a tag that changes with what is in it."""
    base = cached_base_layer(cache)
    say("packing the application layer")
    app = layer_of_folders(cache / "app.layer", [(app_root(cache, version), "")])
    tag = f"{version}-{app.digest.removeprefix('sha256:')[:8]}"
    environment = [
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        f"PYTHONPATH=/{PYTHON}",
        "PYTHONUNBUFFERED=1",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    config: dict[str, object] = {"Env": environment, "WorkingDir": "/"}
    return write(target, Image(f"{PREFIX}/virt-operator:{tag}", (base, app), config)), tag


def write_manifests(output: Path, tag: str) -> None:
    """The operator's manifest and the KubeVirt CR, as the package itself renders them."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from kubevirt_standin.operator.manifest import main; main(sys.argv[1], sys.argv[2])"
    run(sys.executable, "-B", "-c", code, str(output), f"{PREFIX}/virt-operator:{tag}")


def ingredients(version: str) -> str:
    """A digest of all that decides what the archive holds, but for Debian's packages."""
    digest = hashlib.sha256(json.dumps([version, RELEASE, PACKAGES, UNNEEDED, shutil.which("python3.11")]).encode())
    own = [Path(__file__).resolve(), HERE.parent / "oci_image.py"]
    for path in [*own, *sorted(HERE.rglob("*"))]:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(HERE.parent)} {path.stat().st_mode:o}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the stand-in as an archive folder.")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument(
        "--version", default=VERSION, help=f"what it calls itself, such as v1.8.4-standin; {VERSION} by default"
    )
    arguments = parser.parse_args()
    if os.geteuid():
        print("build_standin.py needs root: debootstrap makes device files and owners", file=sys.stderr)
        return 1
    cache: Path = arguments.cache.resolve()
    output: Path = arguments.output.resolve()
    version: str = arguments.version
    note, made_of = cache / f"{output.name}.made-of", ingredients(version)
    if (output / "archive.json").exists() and note.exists() and note.read_text() == made_of:
        say(f"unchanged: {output}")
        return 0
    new = output.with_name(output.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "images").mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    digest, tag = make_image(cache, new / "images/kubevirt-standin.tar", version)
    write_manifests(new, tag)
    images = {
        f"{PREFIX}/{name}:{tag}": {"file": "images/kubevirt-standin.tar", "digest": digest} for name in COMPONENTS
    }
    about = {"source": "stand-in", "version": version, "images": images}
    (new / "archive.json").write_text(json.dumps(about, indent=2) + "\n")
    note.unlink(missing_ok=True)
    shutil.rmtree(output, ignore_errors=True)
    new.rename(output)
    note.write_text(made_of)
    say(f"archive: {output} ({digest})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
