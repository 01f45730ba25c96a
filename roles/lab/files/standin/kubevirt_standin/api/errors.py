"""Refusals as virt-api words them."""

from __future__ import annotations

from ..resources import Object


class Refusal(Exception):
    """An HTTP answer other than success; `body` is a Status, or plain text."""

    def __init__(self, code: int, body: Object | str) -> None:
        super().__init__(str(body))
        self.code, self.body = code, body


def status(code: int, reason: str, message: str, details: Object | None = None) -> Refusal:
    body: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if details:
        body["details"] = details
    return Refusal(code, body | {"code": code})


def not_found(kind: str, name: str) -> Refusal:
    details = {"name": name, "group": "kubevirt.io", "kind": kind}
    return status(404, "NotFound", f'{kind}.kubevirt.io "{name}" not found', details)


def conflict(kind: str, name: str, why: str) -> Refusal:
    details = {"name": name, "group": "kubevirt.io", "kind": kind}
    return status(409, "Conflict", f'Operation cannot be fulfilled on {kind}.kubevirt.io "{name}": {why}', details)


def bad_request(message: str) -> Refusal:
    return status(400, "BadRequest", message)


def internal(message: str) -> Refusal:
    return status(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def not_served(what: str) -> Refusal:
    """What this stand-in does not do says so, and never succeeds."""
    return status(501, "NotImplemented", f"the KubeVirt stand-in does not serve {what}")
