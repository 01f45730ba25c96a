# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the settings of a backup host, as the role writes them and modules take them; every fault at once.

No setting is a secret: passwords and keys stand in files that settings name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import COPY, EXPORT, SNAPSHOT, Probe
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError, without_password
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault

AUTO = "auto"
METHODS = (AUTO, COPY, SNAPSHOT, EXPORT)
_KEEP = ("last", "daily", "weekly")
_TEXTS = (
    "repository",
    "password_file",
    "state_dir",
    "kubeconfig",
    "host",
    "environment_file",
    "restic",
    "spool_dir",
    "mount",
    "brick",
    "export_via",
    "disk_owner",
)
_SUBSET = re.compile(r"(?:([0-9]+)/([0-9]+)|([0-9]+(?:\.[0-9]+)?)%|([0-9]+[KMGT]?))")
_MOST_PARTS = 256  # so many groups of files a repository has
_DAY = 86400
_OWNER = re.compile(r"[0-9]+:[0-9]+")
_LINE = re.compile(r"[^\0\r\n]*")
_PATH = re.compile(r"[^\s\0]*")
_ENDPOINT = re.compile(r"https?://[^\s/]+/?")


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
    wrong = list(faults(content))
    if wrong:
        raise InputError(wrong)
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


def subset_fault(given: Any) -> str:
    """What is wrong with a part of the repository that is to be read; empty where nothing is."""
    text = str(given)
    found = _SUBSET.fullmatch(text)
    number, whole, percent, size = found.groups() if found else (None,) * 4
    sound = (
        (number and whole and 1 <= int(number) <= int(whole) <= _MOST_PARTS)
        or (percent and 0 < float(percent) <= 100)
        or (size and int(size.rstrip("KMGT")) > 0)
    )
    return "" if sound else f"{text} is no part of a repository; write 5%, 1/7 or 10G"


def faults(content: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with settings, a sentence each that begins with the setting's name."""
    known = Settings.__dataclass_fields__
    yield from (f"{name}: is unknown" for name in sorted(set(map(str, content)) - set(known)))
    for name in ("repository", "password_file", "state_dir", "kubeconfig"):
        if not content.get(name):
            yield f"{name}: is missing"
    yield from _text_faults(content, _TEXTS)
    folders = {content[name]: name for name in ("spool_dir", "state_dir") if isinstance(content.get(name), str)}
    for folder, name in folders.items():  # what lies below them is emptied
        if folder and not folder.startswith("/"):
            yield f"{name}: {folder} must be a path from / on"
    for name in ("stop_machines", "include_secrets"):
        if not isinstance(content.get(name, False), bool):
            yield f"{name}: {content[name]!r} must be true or false"
    if content.get("method", AUTO) not in METHODS:
        yield f"method: {content['method']} is unknown; allowed are {', '.join(METHODS)}"
    owner = content.get("disk_owner") or ""
    if isinstance(owner, str) and owner and not _OWNER.fullmatch(owner):
        yield f"disk_owner: {owner!r} must be user and group as numbers, such as 107:107"
    yield from _number_faults(content)
    yield from _entry_faults(content, "machines", _selection_faults)
    yield from _entry_faults(content, "namespaces", _namespace_faults)
    for name in ("hosts", "brick_hosts"):
        yield from _entry_faults(content, name, _host_faults)
    yield from _etcd_faults(content.get("etcd"))


def _text_faults(content: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        value = content.get(name)
        if value is not None and not isinstance(value, str):
            yield f"{name}: {value!r} must be a text"
        elif value and not _LINE.fullmatch(value):
            yield f"{name}: {without_password(value)!r} must be one line"


def _entry_faults(content: Mapping[str, Any], name: str, told: Callable[[Any], Iterable[str]]) -> Iterator[str]:
    """Those of a list's entries, each with its number; a text is no list of its letters."""
    found = content.get(name)
    if found is not None and not isinstance(found, (list, tuple)):
        yield f"{name}: {found!r} must be a list"
        return
    for index, one in enumerate(found or ()):
        yield from (f"{name}[{index}]: {fault}" for fault in told(one))


def _number_faults(content: Mapping[str, Any]) -> Iterator[str]:
    longest = content.get("max_frozen_seconds", 30)
    number = isinstance(longest, (int, float)) and not isinstance(longest, bool)
    if not number or not 0 < longest <= _DAY:  # neither is what is no number
        yield f"max_frozen_seconds: {longest!r} must be a number of seconds above 0, at most {_DAY}"
    yield from _keep_faults(content.get("keep"))
    wrong = subset_fault(content.get("verify_subset", "5%"))
    if wrong:
        yield f"verify_subset: {wrong}"


def _keep_faults(keep: Any) -> Iterator[str]:
    if keep is None:
        return
    if not isinstance(keep, Mapping):
        yield f"keep: {keep!r} must be {{last, daily, weekly}}"
        return
    strangers = sorted(set(map(str, keep)) - set(_KEEP))
    yield from (f"keep: {name} is unknown; allowed are {', '.join(_KEEP)}" for name in strangers)
    wrong = [name for name, count in keep.items() if isinstance(count, bool) or not isinstance(count, int) or count < 0]
    yield from (f"keep: {name} must be a whole number, 0 or more" for name in wrong)
    if keep and not wrong and not any(keep.values()):
        yield "keep: all are 0, which would keep nothing; give at least one of last, daily and weekly"


def _selection_faults(one: Any) -> Iterator[str]:
    if not isinstance(one, Mapping):
        yield "must be {namespace, names, labels, probe}"
        return
    unknown = sorted(set(map(str, one)) - {"namespace", "names", "labels", "probe"})
    yield from (f"{name} is unknown; allowed are namespace, names, labels, probe" for name in unknown)
    yield from (f"namespace: {fault}" for fault in _namespace_faults(one.get("namespace")))
    names, labels = one.get("names"), one.get("labels")
    if names is not None and not isinstance(names, (list, tuple)):
        yield f"names: {names!r} must be a list of names"
    else:
        # All of the namespace would be the contrary of what an empty list says.
        wrong = (
            ["is empty; name machines, or leave it out for all of the namespace"]
            if names is not None and not names
            else []
        )
        yield from (f"names: {fault}" for fault in [*wrong, *filter(None, map(_name_fault, names or ()))])
    if labels is not None and not (isinstance(labels, str) and _LINE.fullmatch(labels)):
        yield f"labels: {labels!r} must be a label selector such as app=web,tier!=test"
    if names and labels:
        yield "give names or labels, not both"
    yield from _probe_faults(one.get("probe"))


def _name_fault(name: Any) -> str | None:
    return name_fault(name, subdomain=True) if isinstance(name, str) else f"{name!r} must be a text"


def _namespace_faults(name: Any) -> Iterator[str]:
    if not name:
        yield "is missing"
    elif not isinstance(name, str):
        yield f"{name!r} must be a text"
    else:
        wrong = name_fault(name)
        yield from [wrong] if wrong else []


def _probe_faults(given: Any) -> Iterator[str]:
    probe = {} if given is None else given
    if not isinstance(probe, Mapping):
        yield f"probe: {probe!r} must be {{port, path}}"
        return
    unknown = sorted(set(map(str, probe)) - {"port", "path"})
    yield from (f"probe: {name} is unknown; allowed are port, path" for name in unknown)
    port, path = probe.get("port", 0), probe.get("path")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        yield "probe: must be {port, path} with a port from 1 to 65535"
    elif path and not port:
        yield f"probe: path {path} goes with a port, which is missing"
    if path is not None and not (isinstance(path, str) and _PATH.fullmatch(path)):
        yield f"probe: path {path!r} must be a path such as /health"


def _host_faults(one: Any) -> Iterator[str]:
    if not isinstance(one, Mapping) or not isinstance(one.get("name"), str) or not one["name"]:
        yield f"{one!r} must be {{name, command}}"
        return
    yield from (
        f"{name} is unknown; allowed are name, command" for name in sorted(set(map(str, one)) - {"name", "command"})
    )
    command = one.get("command")
    words = () if command is None else command
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) and "\0" not in word for word in words):
        yield f"command: {command!r} must be a list of words, such as [ssh, root@{one['name']}]"


def _etcd_faults(given: Any) -> Iterator[str]:
    etcd = {} if given is None else given
    if not isinstance(etcd, Mapping):
        yield f"etcd: {etcd!r} must be {{{', '.join(Etcd.__dataclass_fields__)}}}"
        return
    yield from (f"etcd.{name}: is unknown" for name in sorted(set(map(str, etcd)) - set(Etcd.__dataclass_fields__)))
    yield from (
        f"etcd.{fault}" for fault in _text_faults(etcd, ("ca_cert", "client_cert", "client_key", "etcd", "etcdutl"))
    )
    endpoints = etcd.get("endpoints")
    if endpoints is not None and not isinstance(endpoints, (list, tuple)):
        yield f"etcd.endpoints: {endpoints!r} must be a list"
        return
    for one in endpoints or ():
        if not isinstance(one, str) or not _ENDPOINT.fullmatch(one):
            yield f"etcd.endpoints: {one!r} is no endpoint; write https://HOST:2379"
