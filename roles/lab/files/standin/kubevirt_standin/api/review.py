"""What admission checks see and answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..kube import Kube
from ..resources import Object


@dataclass
class Denied(Exception):
    """An admission refused: 422 with causes unless told otherwise."""

    message: str
    code: int = 422
    reason: str = "Invalid"
    causes: list[Object] = field(default_factory=list)


@dataclass
class Review:
    """What a check gets to see."""

    operation: str
    obj: Object
    old: Object
    user: str
    dry_run: bool
    namespace: str
    name: str
    kube: Kube
    own: bool
    # Whether exports are served.
    exports: bool = False
    warnings: list[str] = field(default_factory=list)


def deny(causes: list[Object]) -> Denied:
    """A refusal for these causes, its message their messages joined."""
    return Denied(", ".join(cause["message"] for cause in causes), causes=causes)
