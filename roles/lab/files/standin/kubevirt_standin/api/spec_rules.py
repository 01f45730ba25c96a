"""The semantic rules of a VMI's spec, with the fields and words as recorded; pure."""

from __future__ import annotations

from ..resources import Object


def spec_causes(spec: Object, path: str) -> list[Object]:
    """All causes for which the spec is refused; `path` is `spec` or `spec.template.spec`."""
    return []
