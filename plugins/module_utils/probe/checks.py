# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes an answer a good one. Pure: each check raises BadAnswer with a kind of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import certificate
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import BadAnswer, Found
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.http import Reply

Ranges = Sequence[tuple[int, int]]
Options = Mapping[str, Any]

# As HAProxy's checks and the kubelet's probes.
GOOD_STATUS = ("200-399",)
_RANGE = re.compile(r"([1-9]\d\d)(?:-([1-9]\d\d))?|([1-9])xx")
_LONGEST_SHOWN = 120


def status_ranges(given: Sequence[str]) -> Ranges:
    """Ranges of status codes from 200, 200-299 or 2xx; ValueError names the one that is none."""
    ranges = []
    for text in given:
        match = _RANGE.fullmatch(str(text).strip().lower())
        if not match:
            raise ValueError(f"{text!r} is no status: write 200, 200-299 or 2xx")
        first, last, hundreds = match.groups()
        low = int(hundreds) * 100 if hundreds else int(first)
        ranges.append((low, low + 99 if hundreds else int(last or first)))
    return ranges


def reply(options: Options, answer: Reply) -> Found:
    """What a good HTTP answer tells: `status`, `certificate_ends`."""
    found = {"status": answer.status, **server_certificate(options, answer.certificate)}
    if not any(low <= answer.status <= high for low, high in status_ranges(options.get("status") or GOOD_STATUS)):
        raise BadAnswer(f"HTTP {answer.status}: {shown(answer.body)}".rstrip(": "), f"http {answer.status}")
    for name, pattern in (options.get("response_headers") or {}).items():
        _header(name, str(pattern), answer.headers)
    _body(options, answer.body)
    return found


def greeting_is_whole(pattern: str | None, data: bytes) -> bool:
    """Whether what a TCP server has sent so far is the greeting that is expected."""
    return pattern is None or re.search(pattern, data.decode("utf-8", "replace"), re.MULTILINE) is not None


def server_certificate(options: Options, der: bytes | None) -> Found:
    """When the server's certificate ends, in seconds since the epoch; BadAnswer where that is too soon."""
    if not der:
        return {}
    try:
        validity = certificate.validity(der)
    except ValueError as error:
        raise BadAnswer(f"the server's certificate cannot be read: {error}", "certificate") from error
    least = (options.get("tls") or {}).get("minimum_days")
    left = validity.days_left()
    if least is not None and left < least:
        raise BadAnswer(f"the server's certificate ends in {left:.1f} days, {least} are the least", "certificate")
    return {"certificate_ends": validity.ends}


def _header(name: str, pattern: str, headers: Mapping[str, str]) -> None:
    value = headers.get(name.lower())
    if value is None:
        raise BadAnswer(f"the answer has no header {name}", "header")
    if not re.search(pattern, value):
        raise BadAnswer(f"the header {name} is {value[:_LONGEST_SHOWN]!r}, it does not match {pattern!r}", "header")


def _body(options: Options, body: bytes) -> None:
    text = body.decode("utf-8", "replace")
    wanted, pattern = options.get("body_contains"), options.get("body_regex")
    if wanted is not None and wanted not in text:
        raise BadAnswer(f"the body does not contain {wanted!r}: {shown(body)}", "body")
    if pattern is not None and not re.search(pattern, text, re.MULTILINE):
        raise BadAnswer(f"the body does not match {pattern!r}: {shown(body)}", "body")
    fields = options.get("json_fields")
    if not fields:
        return
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadAnswer(f"the body is no JSON: {shown(body)}", "json") from error
    for path, value in fields.items():
        _field(document, str(path), value)


def _field(document: Any, path: str, wanted: Any) -> None:
    try:
        found = at_path(document, path)
    except KeyError as error:
        raise BadAnswer(f"the body has no field {path}", "json") from error
    if not same(found, wanted):
        text = json.dumps(found)[:_LONGEST_SHOWN]
        raise BadAnswer(f"the field {path} is {text}, not {json.dumps(wanted, default=str)}", "json")


def at_path(document: Any, path: str) -> Any:
    """The value at a path of names and, for lists, numbers: `items.0.name`. KeyError where there is none."""
    for part in path.split("."):
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            raise KeyError(path)
    return document


def same(found: Any, wanted: Any) -> bool:
    """Whether a JSON value is the wanted one, which may be written as text: 3 and "3", true and "true"."""
    if isinstance(found, bool) == isinstance(wanted, bool) and found == wanted:
        return True
    if isinstance(wanted, str) and not isinstance(found, str):
        return json.dumps(found) == wanted or (isinstance(found, bool) and json.dumps(found) == wanted.lower())
    return False


def shown(body: bytes) -> str:
    """The beginning of a body in one line, for a message."""
    text = " ".join(body[: 4 * _LONGEST_SHOWN].decode("utf-8", "replace").split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
