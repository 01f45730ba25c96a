"""Times between phases, observed as the watched objects change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ..conditions import final, phase
from ..informer import Informer
from ..resources import Object
from .instruments import MIGRATION_PHASES, PHASES, SINCE_CREATION, SINCE_DELETION


def observe(vmis: Informer, migrations: Informer, leading: Callable[[], bool]) -> None:
    """Observe the phases that VMIs and migrations come into from now on, while this process leads."""
    vmis.on_change(lambda old, new: _vmi(old, new) if leading() else None)
    migrations.on_change(lambda old, new: _migration(old, new) if leading() else None)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _entered(obj: Object) -> float | None:
    """When the object came into its phase."""
    passed = (obj.get("status") or {}).get("phaseTransitionTimestamps") or []
    stamps = [item["phaseTransitionTimestamp"] for item in passed if item["phase"] == phase(obj)]
    return _seconds(stamps[-1]) if stamps else None


def _moved(old: Object | None, new: Object | None) -> float | None:
    """When `new` came into a phase that `old` was not in."""
    if old is None or new is None or not phase(new) or phase(old) == phase(new):
        return None
    return _entered(new)


def _vmi(old: Object | None, new: Object | None) -> None:
    when = _moved(old, new)
    if when is None or old is None or new is None:
        return
    meta = new["metadata"]
    before = _entered(old)
    if before is not None:
        PHASES.labels(phase(old), phase(new)).observe(max(0.0, when - before))
    SINCE_CREATION.labels(phase(new)).observe(max(0.0, when - _seconds(meta["creationTimestamp"])))
    if final(new) and meta.get("deletionTimestamp"):
        asked = _seconds(meta["deletionTimestamp"]) - float(meta.get("deletionGracePeriodSeconds") or 0)
        SINCE_DELETION.labels(phase(new)).observe(max(0.0, when - asked))


def _migration(old: Object | None, new: Object | None) -> None:
    when = _moved(old, new)
    if when is not None and new is not None:
        created = _seconds(new["metadata"]["creationTimestamp"])
        MIGRATION_PHASES.labels(phase(new)).observe(max(0.0, when - created))
