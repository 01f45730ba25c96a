# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data volumes of one task: declared, grown by their claims, filled by uploads, and waited for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import (
    bulk,
    data_volume_claim,
    data_volume_object,
    data_volume_state,
    events,
    objects,
    plan,
    quantity,
    upload,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_kind import (
    Claims,
    Outlived,
    kind,
    without_cdi,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_options import source_of, upload_path
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.data_volume_state import Patience, Upload
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    ApiError,
    HaError,
    NotFound,
    Refused,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.existing import Names
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.objects import Done, Plan, Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    CDI_CONFIG,
    DATA_VOLUME,
    PVC,
    STORAGE_CLASS,
    UPLOAD_TOKEN,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.verdict import DONE, Verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.wait import Target, wait_for

Object = dict[str, Any]
Options = Mapping[str, Any]
# How many volumes' events are read after a failure.
_MOST_EXPLAINED = 8
# Key of a volume, and a sentence on how far it is.
Report = Callable[[Key, str], None]


@dataclass(frozen=True)
class Rules:
    """What a task asks of all its volumes.

    proxy_url, proxy_ca: where CDI's upload proxy is and the file of its authority, None as CDI publishes them;
    retries: how often a broken upload is begun again.
    """

    patience: Patience = Patience()
    proxy_url: str | None = None
    proxy_ca: str | None = None
    verify: bool = True
    retries: int = 3


@dataclass
class Volume:
    """One volume: what was asked for and what came of it; `request` are the bytes that its claim is to grow to."""

    options: Options
    done: Done
    claim: Object | None = None
    request: int | None = None
    sent: int | None = None
    restarts: int = 0
    outlived: bool = False

    @property
    def key(self) -> Key:
        return self.done.key

    @property
    def where(self) -> str:
        return DATA_VOLUME.describe(*self.done.key)

    @property
    def absent(self) -> bool:
        return self.options.get("state") == "absent"

    @property
    def to_upload(self) -> str | None:
        """The file that is to be sent, None where the volume is filled or nothing is to be sent."""
        path = None if self.absent or self.done.error or self.outlived else upload_path(self.options)
        filled = self.done.current is not None and data_volume_state.is_filled(self.done.current)
        return None if filled or self.sent is not None else path


def apply(client: Client, wanted: Sequence[Options], settings: Settings, rules: Rules, report: Report) -> list[Volume]:
    """Brings all volumes into their wanted states; one outcome for each, in the given order."""
    keys = [(str(options["namespace"]), str(options["name"])) for options in wanted]
    work = _Work(client, settings, rules, report, Claims(client, keys, settings.workers))
    try:
        done, found = objects.apply(
            client, kind(work.claims, Names(client, STORAGE_CLASS)), wanted, replace(settings, wait=False)
        )
    except NotFound as error:
        raise without_cdi(error) from error
    volumes = [Volume(options, one) for options, one in zip(wanted, done)]
    for volume in volumes:
        work.settle(volume)
    for volume, outcome in zip(volumes, bulk.each(volumes, work.grow, settings.workers)):
        volume.done.error = outcome if isinstance(outcome, HaError) else volume.done.error
    work.send_files(volumes, found.scopes)
    if settings.wait and not settings.check:
        work.wait(volumes, found.scopes)
    return volumes


def result(volume: Volume) -> Object:
    """One volume's entry in the module's result."""
    entry = objects.result(volume.done)
    current = volume.done.current if volume.done.plan.action != "deleted" else None
    entry.update(data_volume_state.summary(current, volume.claim if not volume.absent else None))
    at_first = data_volume_object.size((current or {}).get("spec") or {})
    entry.update(
        size=data_volume_claim.asked(current, at_first) if current else None,
        source=source_name((current or {}).get("spec") or {}),
        grown=volume.request is not None,
        uploaded_bytes=volume.sent,
        resize_pending=data_volume_claim.resize_pending(volume.claim),
    )
    return entry


def source_name(spec: Mapping[str, Any]) -> str | None:
    """What a DataVolume is filled from, in the words of the options; None where its claim's populator is another."""
    if spec.get("sourceRef"):
        return "data_source"
    return next((str(name) for name, value in (spec.get("source") or {}).items() if value is not None), None)


@dataclass
class _Work:
    """The steps after the objects themselves were written."""

    client: Client
    settings: Settings
    rules: Rules
    report: Report
    claims: Claims
    _config: Object | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def config(self) -> Object:
        """CDI's configuration, read once and only if somebody asks."""
        with self._lock:
            if self._config is None:
                self._config = self.client.get(CDI_CONFIG, "config")
            return self._config

    def settle(self, volume: Volume) -> None:
        """Volumes that outlived their DataVolume: they count as present, and absent takes their claim along."""
        one = volume.done
        if isinstance(one.error, NotFound):
            one.error = without_cdi(one.error)
        if isinstance(one.error, Outlived):
            one.error, one.plan, volume.outlived = None, Plan("unchanged"), True
            volume.claim = self.claims.get(one.key)
        elif volume.absent and one.error is None and one.plan.before is None:
            claim = self.claims.get(one.key)
            if claim is not None and data_volume_state.outlived(claim):
                volume.claim, volume.outlived = claim, True
                self._delete_claim(volume, claim)
            elif claim is not None and data_volume_state.owner(claim, DATA_VOLUME.kind):
                # An earlier deletion is still under way.
                volume.claim = claim
        elif volume.absent and one.error is None and one.plan.action == "deleted":
            volume.claim = self.claims.get(one.key)

    def _delete_claim(self, volume: Volume, claim: Object) -> None:
        namespace, name = volume.key
        try:
            self.client.delete(PVC, name, namespace, uid=claim["metadata"].get("uid"), dry_run=self.settings.check)
        except HaError as error:
            volume.done.error = error
            return
        volume.done.plan, volume.done.written = Plan("deleted", before=claim), True

    # Growth

    def grow(self, volume: Volume) -> None:
        """Raises the request of a volume's claim where more is asked for than before."""
        one, wanted = volume.done, None if volume.absent else data_volume_object.wanted_size(volume.options)
        if one.error is not None or wanted is None or one.plan.action == "created":
            return
        holder = one.current or volume.claim or {"metadata": {}}
        known = data_volume_claim.asked(
            holder, data_volume_object.size(holder.get("spec") or {}) if one.current else None
        )
        if known is not None and quantity.same(wanted, known):
            return
        data_volume_claim.refuse_shrink(wanted, known if known is not None else 0, volume.where)
        claim = volume.claim = self._growing_claim(volume, wanted)
        request = data_volume_claim.larger_request(wanted, claim, self._overhead(one.current, claim))
        if request is None:
            return
        self._write_growth(volume, claim, request, wanted)

    def _growing_claim(self, volume: Volume, wanted: Any) -> Object:
        """The claim, if it can grow now."""
        claim, current = self.claims.get(volume.key), volume.done.current
        unreadable = self.claims.read().unreadable.get(volume.key[0])
        if unreadable is not None:
            raise unreadable
        why = ""
        if claim is None or (claim.get("status") or {}).get("phase") != "Bound":
            why = "its claim is not bound yet"
        elif current is not None and not data_volume_state.is_filled(current):
            why = f"it is not filled yet: {data_volume_state.describe(current)}"
        if why or claim is None:
            raise Refused(f"size: cannot become {wanted} now", where=volume.where, why=why, fix="Run again later")
        return claim

    def _overhead(self, dv: Object | None, claim: Object) -> float:
        own_form = dv is not None and (dv.get("spec") or {}).get("pvc") is not None
        if own_form or claim["spec"].get("volumeMode") == "Block":
            return 0.0
        return data_volume_claim.overhead_of(self.config(), claim["spec"].get("storageClassName"))

    def _write_growth(self, volume: Volume, claim: Object, request: int, wanted: Any) -> None:
        """The claim first; then the size is noted, on the DataVolume where there is one."""
        one, check = volume.done, self.settings.check
        namespace, name = volume.key
        body: Object = {"spec": {"resources": {"requests": {"storage": str(request)}}}}
        note = data_volume_claim.noted(wanted)
        if one.current is None:
            body.update(note)
        try:
            volume.claim = self.client.patch(PVC, name, body, namespace, dry_run=check)
        except ApiError as error:
            raise _not_growing(error, volume.where, wanted, claim) from error
        one.written, volume.request = True, request
        before = one.plan.before or one.current or claim
        after = plan.merge(one.plan.after or before, note)
        one.plan = replace(one.plan, action="changed", before=before, after=after)
        if one.current is not None:
            one.current = self.client.patch(DATA_VOLUME, name, note, namespace, dry_run=check)

    # Uploads

    def send_files(self, volumes: Sequence[Volume], scopes: Mapping[str | None, str]) -> None:
        """Sends the files of the volumes that are not filled yet."""
        waiting = [volume for volume in volumes if volume.to_upload]
        if self.settings.check:
            for volume in waiting:
                volume.done.written = True
                volume.done.plan = _changed(volume.done.plan)
            return
        self._wait_for(waiting, scopes)
        ready = [volume for volume in waiting if volume.to_upload]
        if not ready:
            return
        try:
            proxy = upload.proxy_of(self.config, self.rules.proxy_url, self.rules.proxy_ca, verify=self.rules.verify)
        except HaError as error:
            for volume in ready:
                volume.done.error = error
            return
        outcomes = bulk.each(ready, lambda volume: self._send(volume, proxy), self.settings.workers)
        for volume, outcome in zip(ready, outcomes):
            volume.done.error = outcome if isinstance(outcome, HaError) else None

    def _send(self, volume: Volume, proxy: upload.Proxy) -> None:
        path, told = str(volume.to_upload), -1

        def progress(sent: int, total: int) -> None:
            nonlocal told
            percent = 100 * sent // max(total, 1)
            if percent // 10 != told // 10:
                told = percent
                self.report(volume.key, f"upload of {path} at {percent}%")

        volume.restarts = data_volume_state.restarts(volume.done.current or {})
        sent = upload.send(
            proxy,
            path,
            volume.where,
            token=lambda: self._token(volume.key),
            retries=self.rules.retries,
            progress=progress,
        )
        volume.sent, volume.done.written = sent, True
        volume.done.plan = _changed(volume.done.plan)
        self.report(volume.key, f"upload of {path} done, {sent} bytes")

    def _token(self, key: Key) -> str:
        """A new token for an upload into a claim."""
        namespace, name = key
        body = {
            "apiVersion": UPLOAD_TOKEN.api_version,
            "kind": UPLOAD_TOKEN.kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"pvcName": name},
        }
        answer = self.client.create(UPLOAD_TOKEN, body, namespace)
        return str((answer.get("status") or {}).get("token") or "")

    # Waiting

    def wait(self, volumes: Sequence[Volume], scopes: Mapping[str | None, str]) -> None:
        """Waits for all that did not fail."""
        waiting = [volume for volume in volumes if volume.done.error is None]
        self._wait_for(waiting, scopes)
        unbound = [volume for volume in waiting if volume.done.error and _is_unbound(volume)]
        bulk.each(unbound[:_MOST_EXPLAINED], self._explain, self.settings.workers)

    def _explain(self, volume: Volume) -> None:
        """Why a claim is not bound stands in its events only."""
        namespace, name = volume.key
        selector = f"involvedObject.kind=PersistentVolumeClaim,involvedObject.name={name}"
        warning = events.last_warning(self.client, namespace, selector)
        if warning and volume.done.error:
            volume.done.error.why += f"; {warning}"

    def _wait_for(self, volumes: Sequence[Volume], scopes: Mapping[str | None, str]) -> None:
        targets = [self._target(volume) for volume in volumes]
        if not targets:
            return
        beside = (PVC, self.claims.scopes(scopes))
        failures = wait_for(
            self.client, DATA_VOLUME, targets, scopes=scopes, timeout=self.settings.wait_timeout, beside=beside
        )
        for volume, target in zip(volumes, targets):
            volume.done.current, volume.claim = target.current, target.beside
            volume.done.error = failures.get(volume.key)

    def _target(self, volume: Volume) -> Target:
        claim = volume.claim or (self.claims.get(volume.key) if volume.done.plan.action == "created" else None)
        if volume.absent:
            uids = {str((item or {}).get("metadata", {}).get("uid")) for item in (volume.done.plan.before, claim)}
            return Target(volume.key, lambda dv, pvc: _gone(dv, pvc, uids), volume.done.current, "gone", claim)
        told = ""

        def verdict(dv: Object | None, pvc: Object | None) -> Verdict:
            nonlocal told
            if dv is not None and data_volume_state.describe(dv) != told:
                told = data_volume_state.describe(dv)
                self.report(volume.key, told)
            return self._verdict(volume, dv, pvc)

        return Target(volume.key, verdict, volume.done.current, "ready", claim)

    def _verdict(self, volume: Volume, dv: Object | None, claim: Object | None) -> Verdict:
        kind_of, _parameters = source_of(volume.options)
        if volume.request is not None and not data_volume_claim.has_grown(claim, volume.request):
            return Verdict(why="its claim has not grown yet", fix="Look at the claim's events")
        if volume.outlived:
            return DONE
        sending = volume.sent is not None or upload_path(volume.options) is not None
        found = Upload(sending, volume.sent is not None, volume.restarts) if kind_of == "upload" else None
        return data_volume_state.ready(dv, claim, upload=found, patience=self.rules.patience)


def _is_unbound(volume: Volume) -> bool:
    return ((volume.claim or {}).get("status") or {}).get("phase") == "Pending"


def _changed(todo: Plan) -> Plan:
    """A plan that writes nothing into the object itself, and changes the volume all the same."""
    return replace(todo, action="changed") if todo.action == "unchanged" else todo


def _gone(dv: Object | None, claim: Object | None, uids: set[str]) -> Verdict:
    """Whether a volume and its claim are deleted; new ones of the same names are others."""
    for item, name in ((dv, "it"), (claim, "its claim")):
        if item is not None and item["metadata"].get("uid") in uids:
            finalizers = ", ".join(item["metadata"].get("finalizers") or [])
            why = f"{name} waits for {finalizers}" if finalizers else f"{name} is still there"
            fix = "Stop the machine that uses it, or raise wait_timeout"
            return Verdict(why=why, fix=fix)
    return DONE


def _not_growing(error: ApiError, where: str, wanted: Any, claim: Object) -> HaError:
    """A StorageClass that lets no claim grow is named as such."""
    if error.status != 403 or "resize" not in error.why:
        return error
    name = claim["spec"].get("storageClassName") or "of its claim"
    why = f"StorageClass {name} does not let claims grow"
    fix = "Set allowVolumeExpansion in the class if its driver can, or copy the data to a new volume"
    return Refused(f"size: cannot become {wanted}", where=where, why=why, fix=fix)
