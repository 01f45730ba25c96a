# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the parameters of one probe, its defaults, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import Option
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import name_fault
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe import checks
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.verdict import DOWN, UP, Terms

Options = dict[str, Any]

TARGETS = ("url", "tcp", "guest")
INTERVAL, TIMEOUT = 1.0, 3.0
_SHORTEST_INTERVAL = 0.01
# Questions of one probe that wait for an answer at once, each with a socket.
_MOST_AT_ONCE = 500
LOOPS = ("count", "for_seconds", "wait_timeout")
_HTTP_ONLY = ("method", "request_headers", "status", "body_contains", "body_regex", "json_fields", "response_headers")


def options() -> dict[str, Option]:
    """The options of a probe but its name. What they are where they are not given stands in `terms_of` and above."""
    return {
        "url": {"type": "str"},
        "tcp": {"type": "str"},
        "guest": {
            "type": "dict",
            "options": {
                "namespace": {"type": "str"},
                "name": {"type": "str"},
                "agent": {"type": "bool"},
                "port": {"type": "int"},
                "path": {"type": "str"},
                "scheme": {"type": "str", "choices": ["http", "https"]},
                "interface": {"type": "str"},
            },
        },
        "method": {"type": "str", "choices": ["GET", "HEAD"]},
        "request_headers": {"type": "dict"},
        "status": {"type": "list", "elements": "str"},
        "body_contains": {"type": "str"},
        "body_regex": {"type": "str"},
        "json_fields": {"type": "dict"},
        "response_headers": {"type": "dict"},
        "banner": {"type": "str"},
        "tls": {
            "type": "dict",
            "options": {
                "verify": {"type": "bool"},
                "ca_file": {"type": "path"},
                "cert_file": {"type": "path"},
                "key_file": {"type": "path", "no_log": False},
                "server_name": {"type": "str"},
                "minimum_days": {"type": "float"},
            },
        },
        "interval": {"type": "float"},
        "timeout": {"type": "float"},
        "count": {"type": "int"},
        "for_seconds": {"type": "float"},
        "while_exists": {"type": "path"},
        "wait_timeout": {"type": "int"},
        "expect": {"type": "str", "choices": [UP, DOWN]},
        "rise": {"type": "int"},
        "fall": {"type": "int"},
        "success_ratio": {"type": "float"},
        "max_gap_seconds": {"type": "float"},
    }


def terms_of(given: Mapping[str, Any]) -> Terms:
    """What a probe expects."""
    return Terms(
        expect=given.get("expect") or UP,
        rise=given.get("rise") or 1,
        fall=given.get("fall") or 1,
        success_ratio=given.get("success_ratio"),
        max_gap=given.get("max_gap_seconds"),
    )


def count_of(given: Mapping[str, Any]) -> int | None:
    """How many questions a probe asks, None where it asks for a time: as many as it needs in a row by default."""
    if given.get("for_seconds") or given.get("wait_timeout"):
        return None
    return given.get("count") or terms_of(given).in_a_row


def name_of(given: Mapping[str, Any]) -> str:
    """What a probe is called: its name, else its target."""
    if given.get("name"):
        return str(given["name"])
    guest = given.get("guest")
    if isinstance(guest, Mapping):
        return f"guest {guest.get('namespace')}/{guest.get('name')}"
    return str(given.get("url") or given.get("tcp") or "probe")


def address_of(text: str) -> tuple[str, int]:
    """Host and port of host:port or [address]:port; ValueError where there is none."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or not parts.port or parts.path or parts.query or parts.username:
        raise ValueError(text)
    return parts.hostname, parts.port


def faults(given: Mapping[str, Any]) -> Iterator[str]:
    """All that is wrong with one probe beyond types, a sentence each."""
    targets = [name for name in TARGETS if given.get(name) is not None]
    if len(targets) != 1:
        yield f"{' and '.join(targets) or 'no target'}: give exactly one of {', '.join(TARGETS)}"
    yield from _target_faults(given)
    yield from _check_faults(given, targets)
    yield from _loop_faults(given)
    yield from _terms_faults(given)


def _target_faults(given: Mapping[str, Any]) -> Iterator[str]:
    url, tcp, guest = (given.get(name) for name in TARGETS)
    if isinstance(url, str):
        yield from _url_faults(url)
    if isinstance(tcp, str):
        try:
            address_of(tcp)
        except ValueError:
            yield f"tcp: {tcp} must be of the form host:port"
    if isinstance(guest, Mapping):
        yield from (f"guest: {fault}" for fault in _guest_faults(guest))


def _url_faults(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            yield f"url: {url} must be of the form http://host/path or https://host/path"
        if parts.username or parts.password:
            yield "url: holds a user or a password; give them as the request header Authorization"
    except ValueError:
        yield f"url: {url} cannot be read"


def _guest_faults(guest: Mapping[str, Any]) -> Iterator[str]:
    for key in ("namespace", "name"):
        if not guest.get(key):
            yield f"{key}: is missing"
        wrong = name_fault(guest.get(key), subdomain=key == "name")
        if wrong:
            yield f"{key}: {wrong}"
    port = guest.get("port")
    if port is None and guest.get("agent") is False:
        yield "agent: without it, give the port to ask"
    if isinstance(port, int) and not 1 <= port <= 65535:
        yield f"port: {port} must be from 1 to 65535"
    path = guest.get("path")
    if path is not None and not str(path).startswith("/"):
        yield f"path: {path} must begin with /"
    yield from (f"{key}: needs port" for key in ("path", "scheme") if guest.get(key) and port is None)


def _check_faults(given: Mapping[str, Any], targets: list[str]) -> Iterator[str]:
    guest = given.get("guest") or {}
    speaks_http = "url" in targets or bool(guest.get("path") or guest.get("scheme"))
    if targets and not speaks_http:
        stray = [name for name in _HTTP_ONLY if given.get(name) is not None]
        if stray:
            yield f"{', '.join(stray)}: goes with url, or with a guest's port and path"
    if given.get("banner") is not None and (speaks_http or (targets == ["guest"] and guest.get("port") is None)):
        yield "banner: goes with tcp, or with a guest's port without a path"
    if given.get("method") == "HEAD" and any(
        given.get(name) for name in ("body_contains", "body_regex", "json_fields")
    ):
        yield "method: HEAD brings no body to check"
    patterns = [(name, given.get(name)) for name in ("body_regex", "banner")]
    patterns += [(f"response_headers.{name}", value) for name, value in (given.get("response_headers") or {}).items()]
    for name, pattern in patterns:
        try:
            re.compile(str(pattern or ""))
        except re.error as error:
            yield f"{name}: {pattern!r} is no regular expression: {error}"
    yield from _status_faults(given)
    tls = given.get("tls") or {}
    if bool(tls.get("cert_file")) != bool(tls.get("key_file")):
        yield "tls: cert_file and key_file belong together"


def _status_faults(given: Mapping[str, Any]) -> Iterator[str]:
    try:
        checks.status_ranges(given.get("status") or ())
    except ValueError as error:
        yield f"status: {error}"


def _loop_faults(given: Mapping[str, Any]) -> Iterator[str]:
    loops = [name for name in LOOPS if given.get(name) is not None]
    if len(loops) > 1:
        yield f"{' and '.join(loops)}: exclude each other"
    for name, least in (("interval", _SHORTEST_INTERVAL), ("timeout", 0.01), ("for_seconds", 0.01)):
        value = given.get(name)
        if isinstance(value, float) and not least <= value < float("inf"):
            yield f"{name}: {value:g} must be {least:g} seconds or more"
    for name in ("count", "wait_timeout", "rise", "fall"):
        value = given.get(name)
        if isinstance(value, int) and value < 1:
            yield f"{name}: {value} must be 1 or more"
    if given.get("while_exists") is not None and given.get("for_seconds") is None:
        yield "while_exists: needs for_seconds, for how long to ask at most"
    interval, timeout = given.get("interval") or INTERVAL, given.get("timeout") or TIMEOUT
    if interval > 0 and timeout / interval > _MOST_AT_ONCE:
        yield (
            f"timeout: {timeout:g} with interval {interval:g} leaves more than {_MOST_AT_ONCE} questions under way at once"
        )


def _terms_faults(given: Mapping[str, Any]) -> Iterator[str]:
    terms, count = terms_of(given), given.get("count")
    if isinstance(count, int) and 1 <= count < terms.in_a_row:
        name = "rise" if terms.expect == UP else "fall"
        yield f"{name}: {terms.in_a_row} in a row cannot come of count {count}"
    if terms.success_ratio is not None and not 0 <= terms.success_ratio <= 1:
        yield f"success_ratio: {terms.success_ratio:g} must be from 0 to 1"
    if terms.max_gap is not None and terms.max_gap < 0:
        yield f"max_gap_seconds: {terms.max_gap:g} must be 0 or more"
    if given.get("wait_timeout") is not None:
        stray = [name for name in ("success_ratio", "max_gap_seconds") if given.get(name) is not None]
        if stray:
            yield f"{', '.join(stray)}: goes with count or for_seconds, not with wait_timeout"
    if terms.expect == DOWN and terms.max_gap is not None:
        yield "max_gap_seconds: goes with expect up"
