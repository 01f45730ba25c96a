# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what `ceph health detail --format json` says, check by check."""

from __future__ import annotations

import json
from dataclasses import dataclass

WHOLE = "HEALTH_OK"
_ERROR = "HEALTH_ERR"
# Warnings that a whole cluster may have for ever, or for weeks: advice, and what is over. They say nothing of daemons or copies.
_ADVICE = frozenset(
    {
        "AUTH_INSECURE_GLOBAL_ID_RECLAIM",
        "AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED",
        "LARGE_OMAP_OBJECTS",
        "MGR_MODULE_DEPENDENCY",
        "MON_DISK_LOW",
        "MON_MSGR2_NOT_ENABLED",
        "OSD_NO_DOWN_OUT_INTERVAL",
        "OSD_UPGRADE_FINISHED",
        "PG_NOT_DEEP_SCRUBBED",
        "PG_NOT_SCRUBBED",
        "POOL_APP_NOT_ENABLED",
        "POOL_TOO_FEW_PGS",
        "POOL_TOO_MANY_PGS",
        "RECENT_CRASH",
        "RECENT_MGR_MODULE_CRASH",
        "TELEMETRY_CHANGED",
        "TOO_FEW_PGS",
        "TOO_MANY_PGS",
    }
)
# With these the loss of one more part may stop all writes.
_NO_SPARE = frozenset({"MDS_INSUFFICIENT_STANDBY", "MON_DOWN", "OSD_DOWN", "OSD_HOST_DOWN", "PG_AVAILABILITY"})
# What lacks copies is waited for, and a status that names no check cannot be muted.
_NEVER_MUTED = ("HEALTH_", "OBJECT_", "PG_")


@dataclass(frozen=True)
class Check:
    """A check that Ceph complains of."""

    code: str
    severity: str
    message: str
    muted: bool = False

    @property
    def is_advice(self) -> bool:
        """Whether redundancy is whole all the same; also what the site has muted in Ceph."""
        return self.muted or (self.code in _ADVICE and self.severity != _ERROR)

    @property
    def leaves_no_spare(self) -> bool:
        """Whether one more loss may stop writes, or they have stopped."""
        return not self.is_advice and (self.code in _NO_SPARE or self.severity == _ERROR)

    @property
    def may_be_muted(self) -> bool:
        """Whether a site may live with it."""
        return not self.is_advice and not self.leaves_no_spare and not self.code.startswith(_NEVER_MUTED)


@dataclass(frozen=True)
class Health:
    """What Ceph says of itself."""

    status: str
    checks: tuple[Check, ...]


def health(text: str) -> Health:
    """Reads the answer. ValueError where it is none."""
    try:
        told = json.loads(text)
        status = str(told["status"])
        checks = [_check(code, each) for code, each in sorted((told.get("checks") or {}).items())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("the answer is no health of Ceph") from error
    if status != WHOLE and not checks:
        checks = [Check(status, status, "it does not say why")]
    return Health(status, tuple(checks))


def _check(code: str, told: dict[str, object]) -> Check:
    summary = told.get("summary")
    message = str(summary["message"]) if isinstance(summary, dict) else code
    return Check(code, str(told.get("severity") or ""), message, bool(told.get("muted")))
