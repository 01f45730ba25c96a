# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of a disk on GlusterFS exist, and which have changed: asked of the bricks, since its mounts do not tell.

A file of a volume with the `virt` settings lies on each brick in parts of 64 MiB, made when they are first written to. The
content is read through the mount all the same. A majority of the bricks must answer: every write is on a majority, so one
of those that answer has it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import bulk
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import HostFiles, Parts
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Host
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError

Stamps = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True)
class View:
    """What bricks say of one file at one moment: stamps of its parts by brick."""

    span: int
    bricks: Mapping[str, Stamps]


class Bricks:
    """The bricks of the shared file system. mount: where it is mounted; root: a brick's folder on each of its hosts."""

    def __init__(self, hosts: Sequence[Host], mount: str, root: str) -> None:
        self._hosts, self._mount, self._root = tuple(hosts), mount, root

    def view(self, path: str) -> View | None:
        """What they say of a file; None where it is not theirs, is not in parts, or too few answer."""
        if not self._root or not self._mount or not path.startswith(self._mount.rstrip("/") + "/"):
            return None
        place = os.path.join(self._root, os.path.relpath(path, self._mount))
        told = bulk.each(self._hosts, lambda host: HostFiles(host).map(place, self._root), max(1, len(self._hosts)))
        answers = {host.name: one for host, one in zip(self._hosts, told) if not isinstance(one, HaError)}
        spans = {one["span"] for one in answers.values()}
        if len(answers) * 2 <= len(self._hosts) or len(answers) < 2 or len(spans) != 1 or not min(spans):
            return None
        return View(spans.pop(), {name: one["stamps"] for name, one in answers.items()})


def existing(view: View | None) -> Parts | None:
    """The parts that hold anything on any brick; None where that is not known."""
    if view is None:
        return None
    found = {number for stamps in view.bricks.values() for number, one in stamps.items() if one[1]}
    return Parts(view.span, tuple(sorted(found)))


def changed(before: View | None, after: View | None) -> Parts | None:
    """The parts that differ between two views on any brick; None where that is not known.

    A brick that did not answer both times says nothing, and those that did must be the same majority.
    """
    if before is None or after is None or before.span != after.span or set(before.bricks) != set(after.bricks):
        return None
    found: set[int] = set()
    for name, stamps in after.bricks.items():
        old = before.bricks[name]
        found |= {number for number in {*old, *stamps} if old.get(number) != stamps.get(number)}
    return Parts(after.span, tuple(sorted(found)))
