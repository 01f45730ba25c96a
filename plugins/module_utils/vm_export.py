# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports of machines, snapshots and claims: what is asked for, what their status says, and their files brought here."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    bulk,
    durations,
    objects,
    vm_export_state,
    vm_restore,
    vm_state,
    vm_volume_state,
    volumes,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.declared import Declared, Finish, owned, whole
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.downloads import Source, download
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Existing, Once
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import Items
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    PVC,
    SECRET,
    VM,
    VM_EXPORT,
    VM_SNAPSHOT,
    VMI,
    Resource,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target

Object = dict[str, Any]
Options = Mapping[str, Any]

TOKEN_HEADER = "x-kubevirt-export-token"
_TOKEN = "token"
_SOURCES: dict[str, Resource] = {"vm": VM, "snapshot": VM_SNAPSHOT, "pvc": PVC}
_DOWNLOAD: dict[str, Option] = {
    "dest": {"type": "path", "required": True},
    "volume": {"type": "str"},
    "format": {"type": "str", "choices": ["gzip", "raw", "tar.gz"]},
    "manifest": {"type": "str", "choices": ["all", "auth-header-secret"]},
    "force": {"type": "bool"},
}
_OPTIONS: dict[str, Option] = {
    "namespace": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"]},
    **{key: {"type": "str"} for key in _SOURCES},
    "ttl": {"type": "int"},
    "token_secret": {"type": "str", "no_log": False},
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "downloads": {"type": "list", "elements": "dict", "options": _DOWNLOAD},
    "link": {"type": "str", "choices": ["external", "internal"]},
    "via": {"type": "str"},
}
_FROZEN = tuple(("spec", field) for field in ("source", "ttlDuration", "tokenSecretRef"))


def faults(options: Options) -> Iterator[str]:
    """What is wrong with an export's options beyond their types; the folders that files go to are looked at."""
    given = [key for key in _SOURCES if options.get(key)]
    absent = options.get("state") == "absent"
    if not absent and len(given) != 1:
        yield f"{' and '.join(given) or 'vm'}: give one of vm, snapshot and pvc as the source"
    for key in (*given, "token_secret"):
        wrong = name_fault(options.get(key), subdomain=key != "vm")
        if wrong:
            yield f"{key}: {wrong}"
    ttl = options.get("ttl")
    if isinstance(ttl, int) and ttl < 1:
        yield f"ttl: {ttl} must be 1 second or more"
    if absent and options.get("downloads"):
        yield "downloads: cannot go with state absent"
    via = urlsplit(options.get("via") or "https://x")
    if via.scheme != "https" or not via.hostname or via.username or via.password:
        yield "via: must be like https://127.0.0.1:8443, without a user; the token is not sent in clear"
    for index, one in enumerate(options.get("downloads") or []):
        yield from (f"downloads[{index}]: {wrong}" for wrong in _download_faults(one))


def _download_faults(one: Options) -> Iterator[str]:
    if bool(one.get("volume")) == bool(one.get("manifest")):
        yield "give either volume or manifest"
    if one.get("format") and one.get("manifest"):
        yield "format: goes with volume only"
    dest = str(one.get("dest") or "")
    folder = os.path.dirname(os.path.abspath(dest))
    if os.path.isdir(dest):
        yield f"dest: {dest} is a folder; name a file in it"
    elif not os.path.isdir(folder):
        yield f"dest: the folder {folder} does not exist where the module runs"


def desired(options: Options) -> Object:
    """The owned fields that the options stand for."""
    spec: Object = {}
    for key, resource in _SOURCES.items():
        if options.get(key):
            group, _slash, version = resource.api_version.partition("/")
            spec["source"] = {"kind": resource.kind, "name": options[key], **({"apiGroup": group} if version else {})}
    if options.get("ttl") is not None:
        spec["ttlDuration"] = durations.write(options["ttl"])
    if options.get("token_secret"):
        spec["tokenSecretRef"] = options["token_secret"]
    return owned(options, spec)


def new(options: Options) -> Object:
    """The whole object to create. Without a secret named KubeVirt makes the token, and deletes it with the export."""
    return whole(VM_EXPORT, options, desired(options))


class _Exports:
    """The exports of one task, with what they are made of."""

    def __init__(self, client: Client, wanted: Sequence[Options], settings: Settings) -> None:
        def keys(field: str) -> list[tuple[str, str]]:
            return [(str(one["namespace"]), str(one[field])) for one in wanted if one.get(field)]

        self._sources = {
            key: Existing(client, resource, keys(key), settings.workers) for key, resource in _SOURCES.items()
        }
        self._secrets = Existing(client, SECRET, keys("token_secret"), settings.workers)
        namespaces = {str(one["namespace"]) for one in wanted}
        self._instances = Once(lambda: bulk.read(client, VMI, namespaces, workers=settings.workers))

    def accept(self, options: Options, todo: Plan) -> Plan | None:
        """Refuses a new export that would not become ready by itself."""
        if todo.action != "created":
            return None
        namespace = str(options["namespace"])
        where = VM_EXPORT.describe(namespace, str(options["name"]))
        kind = next(key for key in _SOURCES if options.get(key))
        name = _SOURCES[kind].describe(namespace, str(options[kind]))
        found = self._sources[kind].find((namespace, str(options[kind])))
        if kind == "snapshot":
            vm_restore.refuse_snapshot(where, name, found)
        if found is None:
            raise Refused("cannot be made", where=where, why=f"{name} does not exist", fix="Correct its name")
        if kind == "vm":
            _refuse_machine(where, name, found)
        elif kind == "snapshot":
            _refuse_empty(where, name, found)
        else:
            self._refuse_used(where, name, namespace, str(options["pvc"]))
        if options.get("token_secret"):
            self._refuse_secret(where, namespace, str(options["token_secret"]))
        return None

    def _refuse_used(self, where: str, name: str, namespace: str, claim: str) -> None:
        found = self._instances.get()
        if namespace in found.unreadable:
            raise found.unreadable[namespace]
        near = [vmi for key, vmi in found.objects.items() if key[0] == namespace]
        users = vm_volume_state.holders(claim, near, "")
        if users:
            why = f"{name} is in use by {', '.join(users)}"
            raise Refused("would not become ready", where=where, why=why, fix=_FIX_RUNS)

    def _refuse_secret(self, where: str, namespace: str, name: str) -> None:
        secret = self._secrets.find((namespace, name))
        if secret is None or _TOKEN not in (secret.get("data") or {}):
            why = f"{SECRET.describe(namespace, name)} " + ("does not exist" if secret is None else "has no key token")
            fix = "Create it with the key token, or leave token_secret out, and KubeVirt makes one"
            raise Refused("would not become ready", where=where, why=why, fix=fix)

    @staticmethod
    def target(done: Done) -> Target:
        """What an export is waited for."""
        return Target(done.key, vm_export_state.ready, done.current)


_FIX_RUNS = "Stop the machine with the module vm_power, or export a snapshot of it"


def _refuse_machine(where: str, name: str, vm: Mapping[str, Any]) -> None:
    if not volumes.claims(volumes.template_spec(vm)):
        why, fix = f"{name} has no volume with a claim", "Take the machine's definition from the module vm_info"
        raise Refused("would hold nothing", where=where, why=why, fix=fix)
    if vm_state.is_created(vm):
        why = f"{name} runs: {vm_state.describe(vm)}"
        raise Refused("would not become ready", where=where, why=why, fix=_FIX_RUNS)


def _refuse_empty(where: str, name: str, snapshot: Mapping[str, Any]) -> None:
    lists = vm_state.status(snapshot).get("snapshotVolumes") or {}
    if lists and not lists.get("includedVolumes"):
        fix = "Take a snapshot with require_all_volumes, which says what stands in its way"
        raise Refused("would hold nothing", where=where, why=f"{name} holds no volumes", fix=fix)


def finish(client: Client, options: Options, done: Done, settings: Settings) -> Finish | None:
    """Brings the files here that are not there yet."""
    wanted = options.get("downloads") or []
    if not wanted or done.plan.action == "deleted":
        return None
    todo = [one for one in wanted if one.get("force") or not os.path.exists(one["dest"])]
    entries: list[Object] = [{"dest": one["dest"], "changed": one in todo} for one in wanted]
    error: HaError | None = None
    if todo and not settings.check:
        error = _download_all(client, options, done, wanted, entries)
    changed = done.written or any(entry["changed"] for entry in entries)
    return Finish({"downloads": entries, "changed": changed}, [_difference(one) for one in todo], error)


def _download_all(
    client: Client, options: Options, done: Done, wanted: Sequence[Options], entries: Sequence[Object]
) -> HaError | None:
    """Downloads one after the other; what came of each is put into its entry, the first error is returned."""
    first: HaError | None = None
    for one, entry in zip(wanted, entries):
        if not entry["changed"]:
            continue
        try:
            source = _source(client, options, done, one)
            found = download(source, str(one["dest"]))
        except HaError as error:
            entry.update(changed=False, error=error.as_dict())
            first = first or error
        else:
            entry.update(size=found.size, sha256=found.sha256, resumed=found.resumed)
    return first


def _source(client: Client, options: Options, done: Done, one: Options) -> Source:
    export = done.current or {}
    link = vm_export_state.link(export, str(options.get("link") or "external"), VM_EXPORT.describe(*done.key))
    url = vm_export_state.url(link, one, VM_EXPORT.describe(*done.key))
    headers = {TOKEN_HEADER: _token(client, export, done.key[0])}
    return Source(url, str(link.get("cert") or ""), headers, str(options.get("via") or ""))


def _token(client: Client, export: Mapping[str, Any], namespace: str) -> str:
    name = str(vm_state.status(export).get("tokenSecretRef") or "")
    secret = client.get(SECRET, name, namespace)
    return base64.b64decode((secret.get("data") or {}).get(_TOKEN, "")).decode()


def _difference(one: Options) -> Object:
    dest = str(one["dest"])
    before = {"file": "there" if os.path.exists(dest) else "missing"}
    return {"before_header": dest, "after_header": dest, "before": before, "after": {"file": "downloaded"}}


def result(done: Done) -> Object:
    """One export's entry in the module's result; never the token."""
    return {**objects.result(done), **vm_export_state.summary(done.current or {}), "downloads": []}


def kind(client: Client, wanted: Sequence[Options], settings: Settings) -> objects.Kind:
    """Exports as declared objects."""
    found = _Exports(client, wanted, settings)
    return objects.Kind(VM_EXPORT, desired, new, found.accept, found.target, _FROZEN)


ITEMS = Items("items", VM_EXPORT, _OPTIONS, faults, subdomain=True)
DECLARED = Declared(ITEMS, "exports", kind, result, finish)
