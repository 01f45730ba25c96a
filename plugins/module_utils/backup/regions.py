# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk in a backup: a folder of regions of 16 MiB of the raw disk, each a file by its number; what is empty is not there.

restic reads every byte of a file, holes too: of a disk of a tebibyte that holds little it would read a tebibyte. By hand a
disk is put together with `dd of=DISK bs=16M seek=NUMBER conv=notrunc if=NUMBER`, for each of them.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import IO

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import extents
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.extents import BLOCK

REGION = 16 << 20


class Regions:
    """The folder of one disk while it is written."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def write(self, offset: int, data: bytes) -> None:
        """Writes a block, which never crosses the end of a region."""
        path = os.path.join(self.folder, name_of(offset))
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            extents.write_at(file, offset % REGION, data)
        finally:
            os.close(file)

    def finish(self, size: int) -> int:
        """Gives each region its length in a disk of that size; how many bytes are allocated for all of them."""
        allocated = 0
        for name in os.listdir(self.folder):
            path, begin = os.path.join(self.folder, name), int(name) * REGION
            if begin >= size:
                os.unlink(path)
                continue
            os.truncate(path, min(REGION, size - begin))
            allocated += os.stat(path).st_blocks * 512
        return allocated


def name_of(offset: int) -> str:
    """The name of the region that a byte is in."""
    return f"{offset // REGION:08d}"


def blocks(archive: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each block that is not empty, out of a tar archive of a disk's folder; ValueError where it is none."""
    try:
        with tarfile.open(fileobj=archive, mode="r|") as members:
            for member in members:
                content = members.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                begin, at = int(os.path.basename(member.name)) * REGION, 0
                while block := content.read(BLOCK):
                    if extents.digest(block) != extents.EMPTY:
                        yield begin + at, block
                    at += len(block)
    except tarfile.TarError as error:
        raise ValueError(f"it cannot be read to its end: {error}") from error
