"""The shape of one cause of a refusal."""

from __future__ import annotations

from ..resources import Object


def cause(reason: str, message: str, field: str) -> Object:
    """One cause; `reason` without its prefix `FieldValue`."""
    return {"reason": f"FieldValue{reason}", "message": message, "field": field}
