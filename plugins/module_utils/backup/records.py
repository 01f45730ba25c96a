# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup host knows of its backups: `state.json` beside them, and the same in a ConfigMap for whoever looks at the
cluster.

{"repository": {"location", "id"}, "machines": {key: newest backup}, "etcd", "objects": newest backup each,
"selected": keys of the machines that are to be backed up, "proven": the last restore that was booted or opened,
"checked": the last look at the repository, "run": the last run that ended, {"at", "failures": {part: why things of it were not taken, by the last run of it}}}
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.model import MACHINE, PARTS
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic_output import Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, NotFound
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import CONFIG_MAP, Resource

NAMESPACE = "kube-system"
NAME = "kubevirt-ha-backup"
ETCD_NAME = "kubevirt-ha-etcd-backup"
KEY = "state"
_FILE = "state.json"
# A ConfigMap holds a mebibyte; of more machines than that the file alone tells.
_MOST = 900_000

Object = dict[str, Any]


def read(state_dir: str) -> Object:
    """The state, empty where there is none yet."""
    try:
        with open(os.path.join(state_dir, _FILE), encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        fix = "Remove it: it is written anew, out of what the repository holds"
        raise HaError(
            "the state cannot be read", where=os.path.join(state_dir, _FILE), why=str(error), fix=fix
        ) from error
    if not isinstance(found, dict):
        fix = "Remove it: it is written anew, out of what the repository holds"
        raise HaError("the state cannot be read", where=os.path.join(state_dir, _FILE), why="it is no map", fix=fix)
    return found


def write(state_dir: str, state: Mapping[str, Any]) -> None:
    """Writes the state whole or not at all; a restore may do so while a backup does."""
    path = os.path.join(state_dir, _FILE)
    draft = f"{path}.{os.getpid()}"
    try:
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        try:
            with open(draft, "w", encoding="utf-8") as file:
                json.dump(state, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
    except OSError as error:
        fix = "Free space there, or set backup_state_dir to another file system"
        raise HaError("the state cannot be written", where=path, why=str(error.strerror), fix=fix) from error


def newest(snapshots: Iterable[Snapshot]) -> Object:
    """The newest backup of each thing: `machines` by key, `etcd`, `objects`. The snapshots come newest first."""
    found: Object = {"machines": {}}
    for one in snapshots:
        kind = one.tags.get("kind", "")
        entry = _entry(one)
        if kind == MACHINE:
            found["machines"].setdefault(f"{one.tags.get('namespace')}/{one.tags.get('vm')}", entry)
        elif kind:
            found.setdefault(kind, entry)
    return found


def _entry(one: Snapshot) -> Object:
    entry: Object = {"snapshot": one.short, "taken_at": one.tags.get("taken") or one.time}
    for name in ("consistency", "method", "proof"):
        if one.tags.get(name):
            entry[name] = one.tags[name]
    with contextlib.suppress(ValueError):
        if one.tags.get("frozen"):
            entry["frozen_seconds"] = float(one.tags["frozen"])
    return entry


def merged(state: Mapping[str, Any], snapshots: Iterable[Snapshot], **more: Any) -> Object:
    """The state with what the repository holds now, and with what else is new."""
    kept = {key: value for key, value in state.items() if key not in ("machines", "etcd", "objects")}
    return {**kept, **newest(snapshots), **more}


def run(before: Mapping[str, Any], parts: Iterable[str], failed: Mapping[str, Sequence[str]], at: str) -> Object:
    """The last run; one of other parts does not hide what an earlier one could not take."""
    asked = set(parts)
    kept = {part: why for part, why in (before.get("failures") or {}).items() if part in PARTS and part not in asked}
    return {"at": at, "failures": {**kept, **failed}}


def publish(client: Client, state: Mapping[str, Any]) -> None:
    """Writes the state's ConfigMap."""
    text = json.dumps(state, sort_keys=True)
    if len(text) > _MOST:
        text = json.dumps({**state, "machines": {}, "more": "see state.json on the backup host"}, sort_keys=True)
    put_config_map(client, NAME, {KEY: text})


def publish_etcd(client: Client, taken_at: str, location: str, proof: str) -> None:
    """Notes etcd's newest backup where `kubevirt_info` looks; proof: empty where nothing verified it."""
    data = {"taken_at": taken_at, "location": location, **({"hash": proof} if proof else {})}
    put_config_map(client, ETCD_NAME, data)


def put_config_map(client: Client, name: str, data: Mapping[str, str]) -> None:
    """Makes or changes a ConfigMap of ours."""
    body: Object = {"data": dict(data)}
    try:
        client.patch(CONFIG_MAP, name, body, NAMESPACE)
    except NotFound:
        meta = {"name": name, "namespace": NAMESPACE}
        client.create(CONFIG_MAP, _whole(CONFIG_MAP, meta, body), NAMESPACE)


def _whole(resource: Resource, meta: Mapping[str, str], body: Mapping[str, Any]) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": dict(meta), **body}
