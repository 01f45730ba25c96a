# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the shared storage's bricks, heals, quorum and mounts, Ceph's health, and what each StorageClass survives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import ceph
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import storage_faults
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import details
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import parse
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status.model import (
    BAD,
    GOOD,
    PLAIN,
    UNKNOWN,
    WARN,
    Cell,
    Facts,
    Row,
    Section,
    listed,
)

_SURVIVES = {
    details.SHARED: ("shared (RWX): machines fail over and migrate", GOOD),
    details.FOLLOWS: ("one at a time: machines fail over, do not migrate", WARN),
    details.LOCAL: ("local: nothing, its disks are gone with their node", WARN),
    details.UNKNOWN: ("not known: there is no volume of it", PLAIN),
}
# By the annotation that the role shared_storage writes on its classes.
_LOCKS = {
    "true": ("yes", GOOD),
    "false": ("no, maintenance moves machines first", PLAIN),
    "depends": ("its server decides", PLAIN),
}
_QUORUMS = ("cluster.quorum-type", "cluster.server-quorum-type")
_HEADS = ("part", "where", "state")


def volume(facts: Facts) -> Section:
    """The volume of the shared storage; nothing where there is none that is looked at."""
    backend = facts.storage.get("backend")
    if backend not in ("glusterfs", "cephfs"):
        return Section("storage", "Shared storage", _HEADS, (), (), "none that is looked at")
    rows, findings = _ceph(facts) if backend == "cephfs" else _gluster(facts)
    rows += _mounts(facts)
    findings += _mount_findings(facts)
    return Section("storage", f"Shared storage {facts.storage.get('volume', '')}", _HEADS, tuple(rows), tuple(findings))


def _gluster(facts: Facts) -> tuple[list[Row], list[Finding]]:
    bricks, info, why = known_volume(facts)
    rows: list[Row] = [
        (Cell("brick"), Cell(f"{brick['host']}:{brick['path']}"), _online(brick["online"])) for brick in bricks
    ]
    findings = list(_brick_findings(facts, bricks, info, why))
    heal_cell, heal_findings = _heal(facts)
    rows.append((Cell("heals"), Cell(""), heal_cell))
    findings += heal_findings
    if info:
        set_to = [f"{option.rpartition('.')[2]} {info['options'].get(option, 'none')}" for option in _QUORUMS]
        replicas = f"{info['replicas']} replicas, {info['status'].lower()}"
        rows.append((Cell("quorum"), Cell(replicas), Cell(listed(set_to))))
    return rows, findings


def _ceph(facts: Facts) -> tuple[list[Row], list[Finding]]:
    """Ceph's health, by the first host that tells of it, and each of its complaints."""
    reasons = []
    for name, _host in facts.of_group("storage_nodes"):
        told = facts.look(name).get("ceph") or {"text": "", "why": "not seen"}
        try:
            health = ceph.health(told["text"])
        except ValueError as error:
            reasons.append(f"{name}: {told['why'] or error}")
            continue
        rows: list[Row] = [
            (Cell("Ceph"), Cell(""), Cell(health.status, GOOD if health.status == ceph.WHOLE else PLAIN))
        ]
        rows += [(Cell("check"), Cell(each.code), Cell(each.message, _ceph_state(each))) for each in health.checks]
        return rows, list(_ceph_findings(health.checks))
    why = "; ".join(reasons) or "no storage host was reached"
    return [(Cell("Ceph"), Cell(""), Cell("not known", UNKNOWN))], [Finding("storage-unknown", why)]


def _ceph_state(check: ceph.Check) -> str:
    return PLAIN if check.is_advice else BAD if check.leaves_no_spare else WARN


def _ceph_findings(checks: Iterable[ceph.Check]) -> Iterator[Finding]:
    for each in checks:
        if not each.muted:
            kind = "ceph-advice" if each.is_advice else "ceph-no-spare" if each.leaves_no_spare else "ceph-unhealthy"
            yield Finding(kind, f"{each.code}: {each.message}")


def known_volume(facts: Facts) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Bricks and settings by the first host that tells of them, or why none does.

    A host that is gone is not in gluster's answer: its bricks are those of the settings that nobody speaks of.
    """
    reasons = []
    for name, _host in facts.of_group("storage_nodes"):
        told = facts.look(name).get("gluster") or {}
        try:
            info = parse.volume(told["info"]["text"])
            bricks = _complete(parse.bricks(told["status"]["text"]), info)
        except (KeyError, ValueError) as error:
            reason = next((part["why"] for part in told.values() if part["why"]), str(error)) if told else "not seen"
            reasons.append(f"{name}: {reason}")
            continue
        return bricks, info, ""
    return [], {}, "; ".join(reasons) or "no storage host was reached"


def _complete(bricks: list[dict[str, Any]], info: Mapping[str, Any]) -> list[dict[str, Any]]:
    there = {f"{brick['host']}:{brick['path']}" for brick in bricks}
    gone = [name.partition(":") for name in info["bricks"] if name not in there]
    return bricks + [{"host": host, "path": path, "online": False} for host, _colon, path in gone]


def host_of_brick(facts: Facts, brick: Mapping[str, Any]) -> str:
    """The inventory's name of a brick's host."""
    for name, host in facts.of_group("storage_nodes"):
        if brick["host"] in (name, host.get("storage_address"), host.get("address")):
            return name
    return str(brick["host"])


def _online(online: bool) -> Cell:
    return Cell("online", GOOD) if online else Cell("offline", BAD)


def _brick_findings(facts: Facts, bricks: list[dict[str, Any]], info: Mapping[str, Any], why: str) -> Iterator[Finding]:
    if why:
        yield Finding("storage-unknown", why)
        return
    lost = [brick for brick in bricks if not brick["online"]]
    if lost:
        left = f"{len(bricks) - len(lost)} of {len(bricks)} are online"
        things = tuple(Thing("brick", f"{brick['host']}:{brick['path']}") for brick in lost)
        yield Finding("brick-no-spare", left, things)
    if info.get("status") != "Started":
        yield Finding("storage-unknown", f"the volume is {info.get('status')}")


def _texts(facts: Facts, part: str) -> Iterator[tuple[str, str, str]]:
    """Host, output and reason of one question, of the storage hosts that were seen."""
    for name, _host in facts.of_group("storage_nodes"):
        told = (facts.look(name).get("gluster") or {}).get(part)
        if told:
            yield name, told["text"], told["why"]


def _heal(facts: Facts) -> tuple[Cell, list[Finding]]:
    """What is left to heal, by every host that tells: the drill's own reading of the same words."""
    faults: dict[str, list[str]] = {}
    for name, text, why in _texts(facts, "heal"):
        told = [why] if why else storage_faults({"host": name, "kind": "gluster_heal", "text": text})
        faults[name] = [fault for fault in told if not fault.startswith("a brick is not connected")]
    findings = [
        Finding("heal-pending", fault.replace(f", says {name}", ""), (Thing("host", name),))
        for name, told in faults.items()
        for fault in told
    ]
    for name, text, why in _texts(facts, "peers"):
        for fault in [why] if why else storage_faults({"host": name, "kind": "gluster_peers", "text": text}):
            findings.append(Finding("storage-peer-lost", fault, (Thing("host", name),)))
    if not faults:
        return Cell("not known", UNKNOWN), findings
    waiting = [fault for told in faults.values() for fault in told]
    return (Cell(listed(waiting), WARN) if waiting else Cell("nothing is left to heal", GOOD)), findings


def _unmounted(facts: Facts) -> Iterator[str]:
    mount = str(facts.storage.get("mount") or "")
    for name, _host in facts.of_group("kvm_nodes"):
        seen = facts.look(name).get("mounts")
        if mount and seen is not None and not seen.get(mount):
            yield name


def _mounts(facts: Facts) -> Iterator[Row]:
    mount = str(facts.storage.get("mount") or "")
    if not mount:
        return
    missing, everyone = list(_unmounted(facts)), [name for name, _host in facts.of_group("kvm_nodes")]
    unseen = [name for name in everyone if facts.look(name).get("mounts") is None]
    texts = [f"missing on {listed(missing)}"] if missing else []
    texts += [f"not known on {listed(unseen)}"] if unseen else []
    state = BAD if missing else UNKNOWN if unseen else GOOD
    yield (Cell("mount"), Cell(mount), Cell("; ".join(texts) or f"on {listed(everyone)}", state))


def _mount_findings(facts: Facts) -> list[Finding]:
    missing = tuple(Thing("host", name) for name in _unmounted(facts))
    return [Finding("mount-missing", f"{facts.storage['mount']} is not mounted", missing)] if missing else []


def classes(facts: Facts) -> Section:
    """Each StorageClass and what its disks survive."""
    rows = []
    findings = []
    for each in facts.details.get("storage_classes") or []:
        text, state = _SURVIVES[each["survives"]]
        name = each["name"] + (" (default)" if each["default"] else "")
        used = f"{each['bound']} of {each['volumes']}"
        locks = each.get("locks_survive_restarts", "")
        rows.append(
            (
                Cell(name),
                Cell(each["provisioner"]),
                Cell(listed(each["access_modes"], "")),
                Cell(used),
                Cell(text, state),
                Cell(*_LOCKS.get(locks, ("not known", PLAIN))),
            )
        )
        if each["survives"] == details.LOCAL:
            thing = Thing("StorageClass", each["name"], detail=f"{each['bound']} volumes in use")
            findings.append(Finding("storage-class-local", "a volume of it is on one node", (thing,)))
        if locks == "false":
            why = "after its servers were restarted one after another a second writer is not refused"
            findings.append(Finding("storage-locks-lost", why, (Thing("StorageClass", each["name"]),)))
    heads = (
        "StorageClass",
        "provisioner",
        "access",
        "volumes in use",
        "survives the loss of a node",
        "locks outlive restarts",
    )
    return Section("storage_classes", "StorageClasses", heads, tuple(rows), tuple(findings))
