# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the collection, installs what was built and checks what a Galaxy server would: `build_import.py FOLDER`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

NAME = "virtops.kubevirt_ha"
NOT_FOR_USERS = (".git", ".cache", ".ci", "reports", "tests/output")
# What machine code begins with; it is built or fetched where it is needed, and never part of the source.
MACHINE_CODE = (b"\x7fELF", b"!<arch>\n")


def _json(*command: str, **environment: str) -> dict[str, object]:
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def build(folder: Path) -> Path:
    """Builds the current folder's collection into `folder`; returns the artifact."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", str(folder)], check=True)
    return next(folder.glob("*.tar.gz"))


def _machine_code(archive: tarfile.TarFile) -> Iterator[str]:
    for member in archive:
        content = archive.extractfile(member)
        if content and content.read(8).startswith(MACHINE_CODE):
            yield member.name


def faults(artifact: Path, folder: Path) -> list[str]:
    """What is wrong with the artifact, in sentences; it is installed below `folder`."""
    with tarfile.open(artifact) as archive:
        names = archive.getnames()
        programs = list(_machine_code(archive))
    found = [f"{name} is not for users: add it to build_ignore" for name in names if name.startswith(NOT_FOR_USERS)]
    found += [
        f"{name} is machine code: take it out of the tree, and have it built or fetched below .cache"
        for name in programs
    ]
    roles = sorted({name.split("/")[1] for name in names if name.startswith("roles/") and name.count("/") > 1})
    for role in roles:
        for needed in ("README.md", "meta/main.yml", "meta/argument_specs.yml"):
            found += [] if f"roles/{role}/{needed}" in names else [f"roles/{role} has no {needed}"]
    subprocess.run(
        ["ansible-galaxy", "collection", "install", "--no-deps", "-p", str(folder), str(artifact)], check=True
    )
    modules = {
        f"{NAME}.{Path(name).stem}" for name in names if name.startswith("plugins/modules/") and name.endswith(".py")
    }
    documented = (
        _json("ansible-doc", "--json", *sorted(modules), ANSIBLE_COLLECTIONS_PATH=str(folder)) if modules else {}
    )
    return found + [f"{name} cannot be documented" for name in sorted(modules - set(documented))]


def main(folder: Path) -> int:
    found = faults(build(folder), folder)
    print("\n".join(found) or "The collection builds, installs and documents itself.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
