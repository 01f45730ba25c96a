# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at paths, has new contents checked by their programs, and writes what differs."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import shutil
import stat
import tempfile
from collections.abc import Sequence
from typing import Any, Protocol

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_files import plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_files.plan import Found, Step, Wanted


class Host(Protocol):
    """The verbs of AnsibleModule that are needed."""

    def run_command(self, args: Sequence[str]) -> tuple[int, str, str]:
        """Runs a program."""

    def atomic_move(self, src: str, dest: str) -> None:
        """Puts a file in another's place, with the attributes that the other has."""

    def set_mode_if_different(self, path: str, mode: int, changed: bool) -> bool:
        """Sets a mode."""

    def set_owner_if_different(self, path: str, owner: str, changed: bool) -> bool:
        """Sets an owner."""

    def set_group_if_different(self, path: str, group: str, changed: bool) -> bool:
        """Sets a group."""


def run(host: Host, entries: Sequence[dict[str, Any]], folder: str, *, check: bool) -> dict[str, Any]:
    """Brings the paths to what is wanted; `changed`, `paths` (those that differed), `diff`.

    folder: where files are written before they are checked, on the host. All faults are told before anything is changed.
    """
    faults = plan.faults(entries)
    if faults:
        raise InputError(faults)
    paths = plan.wanted(entries)
    found = _look_at_all(paths)
    planned = plan.steps(paths, found)
    result = {
        "changed": bool(planned),
        "paths": [step.wanted.path for step in planned],
        "diff": plan.differences(planned, found),
    }
    # In check mode a folder may be missing that comes with a package.
    faults = plan.obstacles(planned, found) + ([] if check else _missing_folders(planned))
    with tempfile.TemporaryDirectory(dir=folder) as drafts:
        ready = [(step, _draft(drafts, number, step.wanted)) for number, step in enumerate(planned)]
        faults += [fault for step, draft in ready for fault in _refusals(host, step, draft, check=check)]
        if faults:
            raise InputError(faults)
        if not check:
            for step, draft in ready:
                try:
                    _do(host, step, draft)
                except OSError as error:
                    raise HaError(
                        "it cannot be written; what stands before it in the list is",
                        where=f"files[{step.wanted.path}]",
                        why=error.strerror or str(error),
                        fix="mend the cause and run again",
                    ) from error
    return result


def _look_at_all(paths: Sequence[Wanted]) -> dict[str, Found]:
    found, faults = {}, []
    for path in paths:
        try:
            found[path.path] = look(path.path)
        except OSError as error:
            faults.append(f"files[{path.path}]: it cannot be read: {error.strerror or error}")
    if faults:
        raise InputError(faults)
    return found


def look(path: str) -> Found:
    """What is at a path. A link to a folder counts as the folder, any other link as none of either."""
    try:
        seen = os.lstat(path)
        if stat.S_ISLNK(seen.st_mode) and os.path.isdir(path):
            seen = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found(plan.ABSENT)
    kinds = {stat.S_IFREG: plan.FILE, stat.S_IFDIR: plan.DIRECTORY}
    state = kinds.get(stat.S_IFMT(seen.st_mode), plan.OTHER)
    content = None
    if state == plan.FILE:
        with open(path, "rb") as file:
            content = file.read()
    return Found(state, content, stat.S_IMODE(seen.st_mode), _user(seen.st_uid), _group(seen.st_gid))


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _missing_folders(planned: Sequence[Step]) -> list[str]:
    made = {step.wanted.path for step in planned if step.wanted.state == plan.DIRECTORY}
    return [
        f"files[{step.wanted.path}]: the folder {parent} is not there; list it before, with state: directory"
        for step in planned
        if step.verb == "write"
        for parent in [os.path.dirname(step.wanted.path)]
        if step.wanted.state == plan.FILE and parent not in made and not os.path.isdir(parent)
    ]


def _draft(folder: str, number: int, path: Wanted) -> str:
    """The file as it is to be, under its own name: checkers look at endings."""
    place = os.path.join(folder, str(number))
    os.mkdir(place, 0o700)
    draft = os.path.join(place, os.path.basename(path.path))
    if path.state == plan.FILE:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(path.content)
    return draft


def _refusals(host: Host, step: Step, draft: str, *, check: bool) -> list[str]:
    """What a file's checker says against its new content."""
    path = step.wanted
    if not path.validate or step.verb != "write":
        return []
    command = [part.replace("%s", draft) for part in shlex.split(path.validate)]
    if check and not shutil.which(command[0]):
        return []  # comes with a package that check mode did not install
    try:
        code, out, err = host.run_command(command)
    except OSError as error:
        return [f"files[{path.path}].validate: {command[0]} cannot be run: {error.strerror}"]
    said = "its words are not shown" if path.secret else (err.strip() or out.strip()).replace(draft, path.path)
    return [f"files[{path.path}]: {command[0]} refuses the new content: {said}"] if code else []


def _do(host: Host, step: Step, draft: str) -> None:
    path = step.wanted
    if step.verb == "remove":
        if os.path.isdir(path.path) and not os.path.islink(path.path):
            os.rmdir(path.path)
        else:
            os.unlink(path.path)
        return
    if step.verb == "write" and path.state == plan.DIRECTORY:
        os.makedirs(path.path, exist_ok=True)
    elif step.verb == "write":
        # Before it is in its place: a secret is never there with another's mode.
        _own(host, path, draft)
        if os.path.exists(path.path):
            _own(host, path, path.path)  # atomic_move hands on what the old file has
        host.atomic_move(draft, path.path)
    _own(host, path, path.path)


def _own(host: Host, path: Wanted, place: str) -> None:
    if path.owner:
        host.set_owner_if_different(place, path.owner, False)
    if path.group:
        host.set_group_if_different(place, path.group, False)
    host.set_mode_if_different(place, path.mode, False)
