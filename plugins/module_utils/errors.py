# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One exception family, one `fail_json` shape: what failed, where, why, and what to do about it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

# A quoted JSON document inside a server's message (a refused patch quotes the whole object, with its user data).
_QUOTED_OBJECT = re.compile(r'"\{(?:[^"\\]|\\.)*(?:"|$)', re.DOTALL)
_LONGEST_MESSAGE = 800
# A password may hold an @ itself: the last one before the host ends it.
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?:@[^/\s@\"'?#,]+)*(?=@)")


class HaError(Exception):
    """The base of all errors of this collection.

    what: what could not be done; where: the object or field; why: the reason, the server's own where there is one;
    fix: the way out; ambiguous: a write may have been carried out all the same, since an answer to it was lost;
    partly: of several writes that belong together some were carried out before one failed.
    """

    ambiguous = False
    partly = False

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f": {self.why}"
        text = text.rstrip(". ") + "."
        return f"{text} {self.fix.rstrip('. ')}." if self.fix else text

    @property
    def wrote(self) -> bool:
        """Whether something was, or may have been, written all the same."""
        return self.ambiguous or self.partly

    def as_dict(self) -> dict[str, Any]:
        """The error as it stands in a module's result, empty parts left out."""
        parts = {"what": self.what, "where": self.where, "why": self.why, "fix": self.fix}
        return {key: value for key, value in parts.items() if value}


class InputError(HaError):
    """Parameters that cannot be carried out; `faults` has one sentence for each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"{count} in the parameters, nothing was changed", why="; ".join(self.faults))

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "faults": self.faults}


class ConnectionFailed(HaError):
    """The API server or the hypervisor was not reached, or no credentials for it were found."""


class Refused(HaError):
    """What was asked for is refused because it would be unsafe or does not fit the object's state."""


class WaitFailed(HaError):
    """The wanted state was not reached: `terminal` when it never will be, else the time was over."""

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "", terminal: bool = False) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.terminal = terminal


class ManyFailed(HaError):
    """Several objects, or all, failed; the others were done."""

    def __init__(self, errors: Sequence[HaError], total: int, *, of: str = "objects", done: str = "done") -> None:
        self.errors = list(errors)
        some = len(self.errors) < total
        super().__init__(
            f"{len(self.errors)} of {total} {of} failed, the others were {done}"
            if some
            else f"all {total} {of} failed",
            why="; ".join(str(error).rstrip(".") for error in self.errors),
        )

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "failures": [error.as_dict() for error in self.errors]}


class ApiError(HaError):
    """An answer of the API server that is no success.

    status: the HTTP status; reason: Kubernetes' reason such as NotFound, "" where the server gave none;
    causes: [{field, message}]; retry_after: seconds, None where the server gave none.
    """

    def __init__(
        self, what: str, *, where: str = "", why: str = "", fix: str = "", answer: Answer | None = None
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        found = answer or Answer(0, {}, None)
        self.status = found.status
        self.reason = found.reason
        self.causes = found.causes
        self.retry_after = found.retry_after

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "status": self.status, "reason": self.reason}


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409: the object has changed, exists already, or is in another state."""


class Gone(ApiError):
    """410: the resource version is too old; list again."""


class Answer:
    """What an API server said when it refused: status, body (a Status object or text), Retry-After in seconds."""

    def __init__(self, status: int, body: Mapping[str, Any] | str, retry_after: float | None) -> None:
        self.status = status
        self.retry_after = retry_after
        known = body if isinstance(body, Mapping) else {}
        self.reason = str(known.get("reason") or "")
        message = body if isinstance(body, str) else str(known.get("message") or "")
        self.message = shorten(message.strip()) or f"the server gave no reason (HTTP {status})"
        details = known.get("details") or {}
        self.causes = [
            {"field": str(cause.get("field") or ""), "message": shorten(str(cause.get("message") or ""))}
            for cause in details.get("causes") or []
        ]

    @classmethod
    def parse(cls, status: int, data: bytes, retry_after: str | None) -> Answer:
        """The answer from the raw body; a body that is no JSON object is taken as text."""
        text = data.decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
        return cls(status, body if isinstance(body, Mapping) else text, seconds)


def shorten(message: str) -> str:
    """A server's message without the objects it quotes (they may hold secrets), and of bearable length."""
    clean = _QUOTED_OBJECT.sub('"{...}"', message)
    return clean if len(clean) <= _LONGEST_MESSAGE else clean[:_LONGEST_MESSAGE] + "..."


def without_password(text: str) -> str:
    """A text whose URLs show no password."""
    return _URL_PASSWORD.sub(r"\1(hidden)", text)


_FIXES = {
    400: "Check the named field; field names are those of the Kubernetes API",
    401: "Check the token or the client certificate; it may have expired",
    403: "Ask for the missing right, or narrow the namespaces",
    404: "Check the name, the namespace, and that KubeVirt is installed",
    406: "The server does not offer this answer format; check for a proxy between",
    409: "Read the object's state and run again",
    422: "Correct the named field",
    429: "The server asks to come back later; run again",
}
_SERVER_FIX = "Check the API server and its admission webhooks, then run again"
_KINDS: dict[int, type[ApiError]] = {404: NotFound, 409: Conflict, 410: Gone}


def api_error(answer: Answer, *, what: str, where: str) -> ApiError:
    """The exception for a refused request, with the causes' fields named."""
    fields = [cause["field"] for cause in answer.causes if cause["field"] and cause["field"] not in answer.message]
    why = answer.message if not fields else f"{answer.message} (in {', '.join(fields)})"
    fix = _FIXES.get(answer.status, _SERVER_FIX)
    if answer.status == 404 and answer.message.startswith("namespaces "):
        fix = "Create the namespace first"
    return _KINDS.get(answer.status, ApiError)(what, where=where, why=shorten(why), fix=fix, answer=answer)
