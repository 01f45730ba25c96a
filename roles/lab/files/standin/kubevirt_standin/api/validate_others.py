"""Validation of the smaller kinds."""

from __future__ import annotations

from .review import Denied, Review


async def review_other(review: Review) -> Denied | None:
    """Nothing to say of this kind."""
    return None
