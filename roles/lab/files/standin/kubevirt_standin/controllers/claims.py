"""The claims that a VMI uses; pure."""

from __future__ import annotations

from ..resources import Object


def claims_of(spec: Object) -> list[tuple[str, str]]:
    """The claims that a VMI's volumes use: volume name and claim name."""
    found = []
    for volume in spec.get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            found.append((volume["name"], str((volume["persistentVolumeClaim"] or {}).get("claimName") or "")))
        elif "dataVolume" in volume:
            found.append((volume["name"], str((volume["dataVolume"] or {}).get("name") or "")))
    return found
