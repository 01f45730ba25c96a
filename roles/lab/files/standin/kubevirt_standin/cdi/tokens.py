"""Tokens that let their holder upload into one claim, for five minutes."""

from __future__ import annotations

import secrets
import time

SECONDS = 300.0


class Tokens:
    """The tokens that were handed out, with the claim that each is for."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[str, str, float]] = {}

    def issue(self, namespace: str, claim: str) -> str:
        """A new token for the claim."""
        token = ".".join(secrets.token_urlsafe(24) for _part in range(3))
        self._issued[token] = (namespace, claim, time.monotonic() + SECONDS)
        return token

    def holder(self, token: str) -> tuple[str, str] | None:
        """Namespace and claim of the token; None where it is unknown or has expired."""
        namespace, claim, until = self._issued.get(token, ("", "", 0.0))
        return (namespace, claim) if time.monotonic() < until else None
