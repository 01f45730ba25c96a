# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at the repository: which of the backups cannot be read any more, by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic import Restic
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic_output import Damage, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError

_FIX = (
    "Take a backup of what is named now; the newest sound snapshot of each restores as before. Then restic rebuild-index, "
    "restic forget the damaged snapshots, restic prune, and look at the disk that the repository is on"
)


@dataclass
class Checked:
    """What a look found. affected: snapshots by identifier, each with the paths that cannot be read."""

    subset: str
    damage: Damage
    affected: dict[str, list[str]] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage.words

    @property
    def count(self) -> int:
        """How many things are damaged."""
        found = self.damage
        return len(found.packs) + len(found.indexes) + len(found.snapshots) or len(found.words)

    def as_dict(self) -> dict[str, Any]:
        """As results and the state show it."""
        return {
            "sound": self.sound,
            "subset": self.subset,
            "damaged": {
                "packs": self.damage.packs,
                "indexes": self.damage.indexes,
                "snapshots": self.damage.snapshots,
            },
            "affected": [
                {"snapshot": name[:8], "what": self._what(name), "taken_at": self._taken(name), "paths": paths}
                for name, paths in sorted(self.affected.items())
            ],
            "said": self.damage.words[:20],
        }

    def _what(self, name: str) -> str:
        found = self.snapshots.get(name)
        return found.what if found else "unknown: the snapshot itself cannot be read"

    def _taken(self, name: str) -> str | None:
        found = self.snapshots.get(name)
        return (found.tags.get("taken") or found.time) if found else None

    def failure(self, where: str) -> HaError | None:
        """What to fail with; None where all is sound."""
        if self.sound:
            return None
        things = [f"pack {pack[:8]}" for pack in self.damage.packs]
        things += [f"index {index[:8]}" for index in self.damage.indexes]
        hit = dict.fromkeys(f"{self._what(name)} (snapshot {name[:8]})" for name in sorted(self.affected))
        why = "; ".join(part for part in (", ".join(things), f"affected: {', '.join(hit)}" if hit else "") if part)
        return HaError("is damaged", where=where, why=why or "; ".join(self.damage.words[:3]), fix=_FIX)


def check(restic: Restic, subset: str) -> Checked:
    """Reads the structure and a part of the data, and names what is damaged."""
    done = Checked(subset, restic.check(subset))
    if done.sound:
        return done
    try:
        done.snapshots = {one.id: one for one in restic.snapshots()}
    except HaError as error:
        done.damage.words.append(str(error))
    for name in done.damage.snapshots:
        done.affected.setdefault(_whole(name, done.snapshots), []).append("the snapshot itself")
    unknown = bool(done.damage.trees or done.damage.indexes)
    for pack in done.damage.packs:
        places = restic.places(pack)
        unknown = unknown or not places  # its own list cannot be read, or nothing refers to it
        for snapshot, place in places or []:
            path = "/".join(place.split("/")[:3])  # a disk, and not each of its regions
            paths = done.affected.setdefault(_whole(snapshot, done.snapshots), [])
            paths += [path] if path not in paths else []
    if unknown:
        _read_all(restic, done)
    return done


def _whole(name: str, known: Iterable[str]) -> str:
    return next((one for one in known if one.startswith(name)), name)


def _read_all(restic: Restic, done: Checked) -> None:
    """Where it cannot be told otherwise, what can be read is found by reading it."""
    todo: Sequence[str] = [name for name in done.snapshots if name not in done.affected]
    for name in todo:
        if not restic.readable(name):
            done.affected[name] = ["something in it"]
