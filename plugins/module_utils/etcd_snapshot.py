# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `etcd_snapshot`: its parameters, and what it takes, verifies and keeps."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec, too_small
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import cluster, content, options, store
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.cluster import Health
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.content import Content, SnapshotDamaged
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import Status
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.store import Kept
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, end

STATUS = "status"
_ETCDUTL = "etcdutl"


def spec() -> ArgumentSpec:
    """The module's argument spec."""
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["present", "verified", STATUS], "default": "present"},
            "directory": {"type": "path"},
            "prefix": {"type": "str", "default": "etcd-snapshot-"},
            "path": {"type": "path"},
            "keep": {"type": "int"},
            "max_age": {"type": "int"},
            "force": {"type": "bool", "default": False},
            "etcdutl": {"type": "path"},
            "timeout": {"type": "int", "default": 600},
        },
        required_if=[("state", state, ("directory", "path"), True) for state in ("present", "verified")],
        mutually_exclusive=[("directory", "path")],
    )
    return own.merge(options.login())


def faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters beyond their types."""
    yield from too_small(params, keep=1, max_age=1, timeout=1)
    yield from options.login_faults(params)
    if not params.get("prefix") or "/" in params["prefix"]:
        yield f"prefix: {params.get('prefix')!r} must be the beginning of a file's name, without /"
    if params.get("keep") and params.get("path"):
        yield "keep: needs directory: a path names one snapshot"
    if params.get("state") == "verified":
        yield from (f"{name}: has no meaning with state verified" for name in ("keep", "force") if params.get(name))
    program = params.get("etcdutl")
    if program and not os.access(program, os.X_OK):
        yield f"etcdutl: {program} is no program that can be run"


@dataclass
class Taken:
    """A snapshot that was taken, or would be: by which member, beginning when, lasting how many seconds."""

    path: str
    member: Status
    began: float
    seconds: float = 0.0
    content: Content | None = None


class Job:
    """What one run does. Reads only, where `check`."""

    def __init__(self, params: Mapping[str, Any], *, check: bool) -> None:
        self._params = params
        self._check = check
        self._etcdutl = params["etcdutl"] or shutil.which(_ETCDUTL) or ""
        self._open = options.Opener(params)
        self._notices: list[str] = []
        self._directory = os.path.abspath(
            params["directory"] or os.path.dirname(os.path.abspath(params["path"] or "."))
        )

    def run(self) -> dict[str, Any]:
        """The module's result, with `notices` for a person; HaError where it fails."""
        if self._params["state"] == STATUS:
            health = cluster.survey(self._params["endpoints"], self._open)
            return {"changed": False, "taken": False, "cluster": health.as_dict(), "notices": list(health.warnings())}
        kept = self._kept()
        verify_only = self._params["state"] == "verified"
        result = self._verified(kept) if verify_only else self._current(kept) or self._take(kept)
        return {**result, "notices": self._notices}

    # Without etcd

    def _kept(self) -> list[Kept]:
        path = self._params["path"]
        if path:
            found = store.kept_at(os.path.abspath(path))
            return [found] if found else []
        return store.kept_in(self._directory, self._params["prefix"])

    def _verified(self, kept: Sequence[Kept]) -> dict[str, Any]:
        path = os.path.abspath(self._params["path"]) if self._params["path"] else (kept[0].path if kept else "")
        if not path:
            raise Refused(
                "there is no snapshot to verify",
                where=self._directory,
                fix=f"Take one; its name begins with {self._params['prefix']} and it has a note beside it",
            )
        found = self._verify(path, kept[0] if kept else None)
        limit = self._params["max_age"]
        if limit and not (kept and kept[0].is_younger(limit, time.time())):
            taken = store.time_text(kept[0].taken_at) if kept else "at an unknown time: it has no note"
            raise Refused("the snapshot is too old", where=path, why=f"taken {taken}, max_age is {limit} s")
        note = noted(kept[0]) if kept else {"taken_at": None}
        return {"changed": False, "taken": False, **described(path, found), **note}

    def _current(self, kept: Sequence[Kept]) -> dict[str, Any] | None:
        """The result where what is there is enough; Refused where it is not and stands in the way."""
        path, limit = self._params["path"], self._params["max_age"]
        if self._params["force"] or not (limit or path):
            return None
        if not path:
            young = [one for one in kept if one.is_younger(limit, time.time())]
            return next(filter(None, map(self._if_sound, young)), None)
        path = os.path.abspath(path)
        if not os.path.lexists(path):
            return None
        if not kept:
            raise store.exists(path, "it is no snapshot that this module took")
        if limit and not kept[0].is_younger(limit, time.time()):
            raise store.exists(path, f"a snapshot of {store.time_text(kept[0].taken_at)}, max_age is {limit} s")
        try:
            return self._unchanged(kept[0])
        except SnapshotDamaged as error:
            raise store.exists(path, f"a damaged snapshot: {error.why}") from error

    def _if_sound(self, kept: Kept) -> dict[str, Any] | None:
        try:
            return self._unchanged(kept)
        except SnapshotDamaged:
            return None  # one that cannot be restored is no reason not to take another

    def _unchanged(self, kept: Kept) -> dict[str, Any]:
        found = described(kept.path, self._verify(kept.path, kept))
        return {"changed": False, "taken": False, **found, **noted(kept), "removed": []}

    def _verify(self, path: str, kept: Kept | None = None) -> Content:
        sha256 = str(kept.note.get("sha256") or "") if kept else ""
        try:
            return content.verify(path, sha256=sha256, etcdutl=self._etcdutl)
        except SnapshotDamaged:
            raise
        except HaError as error:
            if self._params["etcdutl"] or not self._etcdutl:
                raise
            self._notices.append(str(error))
            self._etcdutl = ""  # one that was only found cannot be run: Python's look is enough
            return self._verify(path, kept)

    # With etcd

    def _take(self, kept: list[Kept]) -> dict[str, Any]:
        health = cluster.survey(self._params["endpoints"], self._open)
        old = store.surplus(kept, self._params["keep"], to_come=1)
        store.prepare(self._directory, health.candidates[0].db_size, check=self._check)
        self._notices += health.warnings()
        if self._check:
            return self._result(self._predicted(health.candidates[0]), health, kept, old)
        taken = self._from_any(health)
        result = self._result(taken, health, kept, old)
        try:
            self._note(taken, health)
            store.remove(old)
        except HaError as error:
            result["failure"] = error  # the snapshot is there all the same
        return result

    def _path(self, moment: float) -> str:
        path = self._params["path"]
        if path:
            return os.path.abspath(path)
        while os.path.lexists(found := os.path.join(self._directory, store.name_of(self._params["prefix"], moment))):
            moment += 1
        return found

    def _predicted(self, member: Status) -> Taken:
        now = time.time()
        return Taken(self._path(now), member, now)

    def _from_any(self, health: Health) -> Taken:
        errors: list[HaError] = []
        for member in health.candidates:
            try:
                return self._from(member)
            except HaError as error:
                errors.append(error)
        raise cluster.all_failed(HaError, "no member of etcd gave a snapshot", errors)

    def _from(self, member: Status) -> Taken:
        """Takes a snapshot from one member: beside its place, verified there, then named."""
        began, clock = time.time(), time.monotonic()
        path = self._path(began)
        try:
            with store.partial(path) as file:
                for blob in self._open(member.endpoint).snapshot(self._params["timeout"]):
                    file.write(blob)
                file.flush()
                found = self._verify(file.name)
                if found.revision < member.revision:
                    raise SnapshotDamaged(
                        "the snapshot is older than the member said it was",
                        where=member.endpoint,
                        why=f"it ends at revision {found.revision}, the member was at {member.revision}",
                    )
                store.place(file, path, force=self._params["force"])
        except OSError as error:
            raise HaError("the snapshot could not be written", where=path, why=str(error.strerror)) from error
        return Taken(path, member, began, time.monotonic() - clock, found)

    def _note(self, taken: Taken, health: Health) -> None:
        shown = described(taken.path, taken.content)
        note = {key: value for key, value in shown.items() if key != "path"}
        try:
            store.write_note(taken.path, {"taken_at": store.time_text(taken.began), **note, **origin(taken, health)})
        except OSError as error:
            raise HaError("the snapshot's note could not be written", where=taken.path, why=str(error)) from error

    def _result(self, taken: Taken, health: Health, kept: Sequence[Kept], old: Sequence[Kept]) -> dict[str, Any]:
        before = sorted(one.path for one in kept)
        after = sorted({*before, taken.path} - {one.path for one in old})
        return {
            "changed": True,
            "taken": not self._check,
            **described(taken.path, taken.content),
            **origin(taken, health),
            "expected_size": taken.member.db_size + content.DIGEST_SIZE,
            "taken_at": None if self._check else store.time_text(taken.began),
            "duration_seconds": None if self._check else round(taken.seconds, 3),
            "cluster": health.as_dict(),
            "removed": [one.path for one in old],
            "diff": {
                "before": "".join(f"{path}\n" for path in before),
                "after": "".join(f"{path}\n" for path in after),
            },
        }


def described(path: str, found: Content | None) -> dict[str, Any]:
    """A snapshot's file in a module's result; without content where there is none yet."""
    if found is None:
        empty = ("size", "sha256", "revision", "total_keys", "version", "hash")
        return {"path": path, **dict.fromkeys(empty), "verified_with": []}
    return {
        "path": path,
        "size": found.size,
        "sha256": found.sha256,
        "revision": found.revision,
        "total_keys": found.total_keys,
        "version": found.storage_version or None,
        "hash": found.hash or None,
        "verified_with": found.verified_with,
    }


def origin(taken: Taken, health: Health) -> dict[str, Any]:
    """Which member of which cluster a snapshot is from."""
    member = taken.member
    return {
        "member": {
            "id": member.member,
            "name": health.name_of(member.member),
            "endpoint": member.endpoint,
            "version": member.version,
            "leader": member.leads,
        },
        "cluster_id": member.cluster,
    }


def noted(kept: Kept) -> dict[str, Any]:
    """What a module's result takes from a snapshot's note."""
    return {
        "taken_at": store.time_text(kept.taken_at),
        "age_seconds": max(0, int(time.time() - kept.taken_at)),
        "member": kept.note.get("member"),
        "cluster_id": kept.note.get("cluster_id"),
    }


def run_module(module: Module) -> NoReturn:
    """Carries out the module and ends it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        result = Job(module.params, check=module.check_mode).run()
    except HaError as error:
        module.fail_with(error, changed=False)
    for notice in result.pop("notices", ()):
        module.warn(notice)
    if not module._diff:  # pylint: disable=protected-access
        result.pop("diff", None)
    end(module, result)


def _stop(number: int, _frame: Any) -> NoReturn:
    """Turns a signal into an exception, so that a partial file is removed."""
    raise SystemExit(128 + number)
