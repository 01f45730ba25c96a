# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of paths beside what is there: faults, steps, differences. Pure."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FILE, DIRECTORY, ABSENT, OTHER = "file", "directory", "absent", "other"
_MODE = re.compile(r"0?[0-7]{3}")


@dataclass(frozen=True)
class Wanted:
    """One path. `content` is of a file; `owner` and `group` are names, empty for whom they have or root."""

    path: str
    state: str
    content: bytes = b""
    mode: int = 0
    owner: str = ""
    group: str = ""
    validate: str = ""
    secret: bool = False


@dataclass(frozen=True)
class Found:
    """What is at a path; `content` is None where it is no file."""

    state: str
    content: bytes | None = None
    mode: int = 0
    owner: str = ""
    group: str = ""


@dataclass(frozen=True)
class Step:
    """What is done to one path: `write` its content or make it, `attributes` only, or `remove`."""

    wanted: Wanted
    verb: str


def wanted(entries: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """The entries of the option `files`, which have no faults."""
    return [
        Wanted(
            path=entry["path"],
            state=entry.get("state") or FILE,
            content=(entry.get("content") or "").encode("utf-8", "surrogateescape"),
            mode=int(entry["mode"], 8) if entry.get("mode") else 0,
            owner=entry.get("owner") or "",
            group=entry.get("group") or "",
            validate=entry.get("validate") or "",
            secret=bool(entry.get("secret")),
        )
        for entry in entries
    ]


def faults(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """All that is wrong with the option `files`, each by the path and the key."""
    found: list[str] = []
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        path = entry.get("path") or ""
        where = f"files[{path or index}]"
        if not path.startswith("/") or posixpath.normpath(path) != path or path == "/":
            found.append(f"{where}.path: must be an absolute path without . and .. and without / at its end")
        elif path in seen:
            found.append(f"{where}.path: is given twice; give each path once")
        seen.add(path)
        found += [f"{where}.{fault}" for fault in _entry_faults(entry)]
    return found


def _entry_faults(entry: Mapping[str, Any]) -> Iterator[str]:
    state = entry.get("state") or FILE
    mode = entry.get("mode")
    if state == FILE and entry.get("content") is None:
        yield "content: is missing; a file has one, be it empty"
    if state != FILE:
        for key in ("content", "validate"):
            if entry.get(key) is not None:
                yield f"{key}: goes with state: file only, not with {state}"
    if state != ABSENT and (not isinstance(mode, str) or not _MODE.fullmatch(mode)):
        yield f'mode: {mode!r} must be three octal digits in quotation marks, such as "0644"'
    if "%s" not in (entry.get("validate") or "%s"):
        yield "validate: has no %s, which stands for the file to be checked"


def steps(paths: Iterable[Wanted], found: Mapping[str, Found]) -> list[Step]:
    """What has to be done, in the order in which it was asked for."""
    planned = ((each, _verb(each, found[each.path])) for each in paths)
    return [Step(each, verb) for each, verb in planned if verb]


def _verb(path: Wanted, found: Found) -> str:
    if path.state == ABSENT:
        return "remove" if found.state != ABSENT else ""
    if found.state != path.state or (path.state == FILE and found.content != path.content):
        return "write"
    differs = (
        found.mode != path.mode
        or (path.owner and found.owner != path.owner)
        or (path.group and found.group != path.group)
    )
    return "attributes" if differs else ""


def obstacles(planned: Iterable[Step], found: Mapping[str, Found]) -> list[str]:
    """What stands where a step cannot go: nothing is removed but files, links and empty folders."""
    told: list[str] = []
    for step in planned:
        there = found[step.wanted.path].state
        if there == OTHER or {there, step.wanted.state} == {FILE, DIRECTORY}:
            kind = "neither a plain file nor a folder" if there == OTHER else f"a {there}"
            told.append(
                f"files[{step.wanted.path}]: there is {kind}, {step.wanted.state} is wanted; look at it and move it away"
            )
    return told


def differences(planned: Iterable[Step], found: Mapping[str, Found]) -> list[dict[str, str]]:
    """Ansible's differences, a unified one a path; of a secret file that it differs, not how."""
    return [{"prepared": "".join(_lines(step, found[step.wanted.path]))} for step in planned]


def _lines(step: Step, found: Found) -> Iterator[str]:
    path = step.wanted
    old, new = _text(found), _text(path) if step.verb != "remove" else ""
    if path.secret and old != new:
        yield f"{path.path}: the content differs, which is not shown\n"
    else:
        lines = difflib.unified_diff(
            old.splitlines(keepends=True), new.splitlines(keepends=True), f"before: {path.path}", f"after: {path.path}"
        )
        yield from (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    before, after = _attributes(found), _attributes(path) if step.verb != "remove" else ABSENT
    if before != after:
        yield f"{path.path}: {before} -> {after}\n"


def _attributes(path: Wanted | Found) -> str:
    if path.state == ABSENT:
        return ABSENT
    whom = ":".join(filter(None, (path.owner, path.group)))
    return f"{path.state} {path.mode:04o}" + (f" {whom}" if isinstance(path, Wanted) and whom else "")


def _text(path: Wanted | Found) -> str:
    return (path.content or b"").decode("utf-8", "replace")
