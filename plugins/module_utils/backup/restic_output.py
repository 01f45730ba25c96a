# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what restic prints, as data. Tried with restic 0.14, whose `check` knows no JSON."""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ID = re.compile(r"\b[0-9a-f]{64}\b")
_PACK = re.compile(r"(?:pack(?: ID)?|data)[^\n]*?\b(?:want )?([0-9a-f]{64})\b", re.IGNORECASE)
_SNAPSHOT = re.compile(r"load <snapshot/([0-9a-f]{8,64})>")
_INDEX = re.compile(r"(?:loading index |load <index/)([0-9a-f]{8,64})")
_TREE = re.compile(r"\btree ([0-9a-f]{8,64})")
# One blob that `find --json` tells; a list of a large disk's blobs does not fit into memory as objects.
_PLACE = re.compile(r'"path":"((?:[^"\\]|\\.)*)"[^{}]*?"snapshot":"([0-9a-f]+)"')
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NOISE = re.compile(
    r"^(\[\d+:\d+\]|using temporary|create exclusive|load indexes|check |read |no errors|repository |created |scan |\s*$)"
)


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of the repository. tags: those of the form name=value as a map."""

    id: str
    time: str
    host: str
    tags: Mapping[str, str]

    @property
    def short(self) -> str:
        """The identifier as people write it."""
        return self.id[:8]

    @property
    def what(self) -> str:
        """What it holds: `vm shop/web-1`, `etcd` or `objects`."""
        name = f"{self.tags.get('namespace', '')}/{self.tags['vm']}" if self.tags.get("vm") else ""
        return " ".join(part for part in (self.tags.get("kind", "unknown"), name) if part)

    def as_dict(self) -> dict[str, Any]:
        """As results show it."""
        return {"id": self.id, "short_id": self.short, "time": self.time, "what": self.what, "tags": dict(self.tags)}


@dataclass
class Damage:
    """What `check` found. packs, indexes, snapshots, trees: identifiers; words: restic's own sentences."""

    packs: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def snapshots(text: str) -> list[Snapshot]:
    """The list of `snapshots --json`, the newest first; ValueError where it is none."""
    found = json.loads(text or "null") or []
    if not isinstance(found, list):
        raise ValueError("restic's list of snapshots is no list")
    return sorted((_snapshot(one) for one in found), key=lambda one: _moment(one.time), reverse=True)


def _snapshot(one: Mapping[str, Any]) -> Snapshot:
    pairs = (str(tag).partition("=") for tag in one.get("tags") or ())
    tags = {name: value for name, equals, value in pairs if equals}
    return Snapshot(str(one["id"]), str(one["time"]), str(one.get("hostname") or ""), tags)


def _moment(text: str) -> tuple[float, float]:
    """A time as restic writes it, in whole seconds and their fraction: of hosts, and seasons, of other time zones, too."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"restic's list of snapshots has the time {text[:40]!r}")
    whole, fraction, zone = found.groups()
    shift = 0 if zone == "Z" else int(f"{zone[0]}1") * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - shift, float(fraction or 0)


def summary(lines: Iterable[str]) -> dict[str, Any]:
    """The last line of `backup --json`; ValueError where there is none."""
    for line in reversed(list(lines)):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("message_type") == "summary":
            return found
    raise ValueError("restic told no summary")


def removed(text: str) -> list[str]:
    """The snapshots that `forget --json` took away, by their identifiers."""
    begin = text.find("[")
    groups = json.loads(text[begin:]) if begin >= 0 else None
    return [str(one["id"]) for group in groups or [] for one in group.get("remove") or []]


def damage(text: str) -> Damage:
    """What `check` complained of; nothing where the repository is sound."""
    found = Damage()
    for line in text.splitlines():
        line = line.strip()
        if not line or _NOISE.match(line):
            continue
        found.words.append(line)
        indexes, trees = _INDEX.findall(line), _TREE.findall(line)
        found.snapshots += _SNAPSHOT.findall(line)
        found.indexes += indexes
        found.trees += trees
        if not indexes and not trees:
            found.packs += _PACK.findall(line)
    for name in ("packs", "indexes", "snapshots", "trees", "words"):
        setattr(found, name, list(dict.fromkeys(getattr(found, name))))
    return found


def places(chunks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Snapshot and path of each blob of `find --json`, each pair once; the text may come in pieces."""
    seen: set[tuple[str, str]] = set()
    rest = ""
    for chunk in chunks:
        rest += chunk
        end = rest.rfind("}") + 1
        for path, snapshot in _PLACE.findall(rest[:end]):
            if (snapshot, path) not in seen:
                seen.add((snapshot, path))
                yield snapshot, path
        rest = rest[end:]


def choose(found: Sequence[Snapshot], wanted: str) -> Snapshot | None:
    """The newest snapshot for `latest`, else the one whose identifier begins so; None where there is none."""
    if wanted == "latest":
        return next(iter(found), None)
    return next((one for one in found if len(wanted) >= 4 and one.id.startswith(wanted)), None)


def of_machine(found: Iterable[Snapshot], namespace: str, name: str) -> list[Snapshot]:
    """A machine's snapshots, in the order given."""
    wanted = ("vm", namespace, name)
    return [one for one in found if tuple(one.tags.get(tag, "") for tag in ("kind", "namespace", "vm")) == wanted]


def reason(text: str) -> tuple[str, str]:
    """Why restic failed, in a sentence, and the way out."""
    lowered = text.lower()
    for signs, why, fix in _REASONS:
        if any(sign in lowered for sign in signs):
            return why, fix
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    return (
        _ID.sub(lambda match: match.group()[:8], lines[0])[:400] if lines else "it gave no reason"
    ), "Run restic by hand"


_REASONS = (
    (
        ("wrong password or no key found",),
        "the password is wrong",
        "Put the repository's own password into backup_repository_password_file; without it the backups cannot be read by anyone",
    ),
    (
        ("is there a repository at the following location", "unable to open config file", "repository does not exist"),
        "there is no repository",
        "Run the role backup, which makes it, or correct backup_repository",
    ),
    (
        ("no space left on device",),
        "there is no space left",
        "Free space in the repository's file system, or shorten backup_keep_last, backup_keep_daily and backup_keep_weekly",
    ),
    (
        ("unable to create lock", "repository is already locked"),
        "another run of restic holds its lock",
        "Wait for it; a lock whose process is gone is taken away by the next backup. By hand: restic unlock",
    ),
    (("permission denied",), "a file may not be read or written", "Run as the user who owns the repository"),
    (
        ("no matching id found", "no snapshot found"),
        "there is no such snapshot",
        "Take one of those that restic snapshots lists",
    ),
)
