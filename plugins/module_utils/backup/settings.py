# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the settings of a backup host, as the role writes them and modules take them; every fault at once.

No setting is a secret: passwords and keys stand in files that settings name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import COPY, EXPORT, SNAPSHOT, Probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault

AUTO = "auto"
METHODS = (AUTO, COPY, SNAPSHOT, EXPORT)
_KEEP = ("last", "daily", "weekly")
_SUBSET = re.compile(r"^(\d+/\d+|\d+(\.\d+)?%|\d+[KMGT]?)$")


@dataclass(frozen=True)
class Selection:
    """Machines of one namespace: by name, by label selector, or all of them."""

    namespace: str
    names: tuple[str, ...] = ()
    labels: str = ""
    probe: Probe = Probe()

    def describe(self) -> str:
        """As messages call it."""
        return f"{self.namespace} ({self.labels})" if self.labels else self.namespace


@dataclass(frozen=True)
class Host:
    """A host that holds disks' files, and the command that runs another there; an empty one runs it here."""

    name: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Etcd:
    """How etcd is reached; no endpoints: it is not backed up. etcd, etcdutl: programs for the proof by restore."""

    endpoints: tuple[str, ...] = ()
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    etcd: str = ""
    etcdutl: str = ""


@dataclass(frozen=True)
class Settings:
    """All of it. Paths are of the backup host; seconds."""

    repository: str
    password_file: str
    state_dir: str
    kubeconfig: str
    host: str = "backup"
    environment_file: str = ""
    restic: str = "restic"
    spool_dir: str = ""
    machines: tuple[Selection, ...] = ()
    method: str = AUTO
    stop_machines: bool = False
    namespaces: tuple[str, ...] = ()
    include_secrets: bool = False
    etcd: Etcd = Etcd()
    mount: str = ""
    hosts: tuple[Host, ...] = ()
    brick: str = ""
    brick_hosts: tuple[Host, ...] = ()
    max_frozen_seconds: float = 30.0
    keep: Mapping[str, int] = field(default_factory=dict)
    verify_subset: str = "5%"
    export_via: str = ""
    disk_owner: str = "107:107"

    @property
    def spool(self) -> str:
        """Where a machine's disks lie until they are in the repository: a folder of our own, which each run empties."""
        return f"{self.spool_dir or self.state_dir}/kubevirt-ha-backup"

    @property
    def restore_spool(self) -> str:
        """The same for disks that are uploaded."""
        return f"{self.spool_dir or self.state_dir}/kubevirt-ha-restore"


def of(content: Any) -> Settings:
    """Settings out of the content of the file; InputError with every fault."""
    if not isinstance(content, Mapping):
        raise InputError(["settings: must be a map"])
    faults = list(_faults(content))
    if faults:
        raise InputError(faults)
    given = {key: value for key, value in content.items() if value is not None}
    given["machines"] = tuple(_selection(one) for one in given.get("machines") or ())
    for name in ("hosts", "brick_hosts"):
        given[name] = tuple(Host(one["name"], tuple(one.get("command") or ())) for one in given.get(name) or ())
    given["namespaces"] = tuple(given.get("namespaces") or ())
    etcd = {key: value for key, value in (given.get("etcd") or {}).items() if value}
    given["etcd"] = Etcd(**{**etcd, "endpoints": tuple(etcd.get("endpoints") or ())})
    return Settings(**given)


def load(path: str) -> Settings:
    """Settings out of a file."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError) as error:
        fix = "Run the role backup, which writes it"
        raise HaError("the settings cannot be read", where=path, why=str(error), fix=fix) from error
    return of(content)


def probe_of(given: Any) -> Probe:
    """A probe out of {port, path}."""
    found = given or {}
    path = str(found.get("path") or "/")
    return Probe(int(found.get("port") or 0), path if path.startswith("/") else f"/{path}")


def _selection(one: Mapping[str, Any]) -> Selection:
    return Selection(
        str(one["namespace"]),
        tuple(str(name) for name in one.get("names") or ()),
        str(one.get("labels") or ""),
        probe_of(one.get("probe")),
    )


def _faults(content: Mapping[str, Any]) -> Iterator[str]:
    known = Settings.__dataclass_fields__
    yield from (f"{name}: is unknown" for name in sorted(set(content) - set(known)))
    for name in ("repository", "password_file", "state_dir", "kubeconfig"):
        if not content.get(name):
            yield f"{name}: is missing"
    if content.get("method", AUTO) not in METHODS:
        yield f"method: {content['method']} is unknown; allowed are {', '.join(METHODS)}"
    yield from _number_faults(content)
    for index, one in enumerate(content.get("machines") or ()):
        yield from (f"machines[{index}]: {fault}" for fault in _selection_faults(one))
    for name in ("hosts", "brick_hosts"):
        wrong = [one for one in content.get(name) or () if not isinstance(one, Mapping) or not one.get("name")]
        yield from (f"{name}: {one!r} must be {{name, command}}" for one in wrong)
    etcd = content.get("etcd") or {}
    yield from (f"etcd.{name}: is unknown" for name in sorted(set(etcd) - set(Etcd.__dataclass_fields__)))


def _number_faults(content: Mapping[str, Any]) -> Iterator[str]:
    longest = content.get("max_frozen_seconds", 30)
    if isinstance(longest, bool) or not isinstance(longest, (int, float)) or longest <= 0:
        yield f"max_frozen_seconds: {longest!r} must be a number of seconds above 0"
    keep = content.get("keep") or {}
    yield from (f"keep: {name} is unknown; allowed are {', '.join(_KEEP)}" for name in sorted(set(keep) - set(_KEEP)))
    wrong = [name for name, count in keep.items() if isinstance(count, bool) or not isinstance(count, int) or count < 0]
    yield from (f"keep: {name} must be a whole number, 0 or more" for name in wrong)
    if keep and not wrong and not any(keep.values()):
        yield "keep: all are 0, which would keep nothing; give at least one of last, daily and weekly"
    subset = str(content.get("verify_subset", "5%"))
    if not _SUBSET.match(subset) or subset.startswith("0%"):
        yield f"verify_subset: {subset} is no part of a repository; write 5%, 1/7 or 10G"


def _selection_faults(one: Any) -> Iterator[str]:
    if not isinstance(one, Mapping):
        yield "must be {namespace, names, labels, probe}"
        return
    unknown = sorted(set(one) - {"namespace", "names", "labels", "probe"})
    yield from (f"{name} is unknown; allowed are namespace, names, labels, probe" for name in unknown)
    wrong = name_fault(str(one.get("namespace") or "")) if one.get("namespace") else "is missing"
    if wrong:
        yield f"namespace: {wrong}"
    if one.get("names") and one.get("labels"):
        yield "give names or labels, not both"
    probe = one.get("probe") or {}
    port = probe.get("port", 0) if isinstance(probe, Mapping) else -1
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        yield "probe: must be {port, path} with a port from 1 to 65535"
