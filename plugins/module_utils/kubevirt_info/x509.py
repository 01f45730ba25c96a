# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: from when and until when certificates are valid. No more of X.509 is needed, so no library of it either."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_VERSION = 0x17, 0x18, 0xA0


@dataclass(frozen=True)
class Certificate:
    """Where a certificate is, and its validity in seconds since the epoch; `fault` says why that is not known.

    renew_before: the seconds before its end at which its issuer renews it, 0 where that is not known.
    """

    kind: str
    name: str
    namespace: str = ""
    field: str = ""
    not_before: float = 0.0
    not_after: float = 0.0
    renew_before: float = 0.0
    fault: str = ""


def validities(pem: bytes) -> list[tuple[float, float]]:
    """Begin and end of every certificate of a PEM text, in its order. ValueError where there is none, or a broken one."""
    try:
        found = [validity(base64.b64decode(body)) for body in _PEM.findall(pem)]
    except binascii.Error as error:
        raise ValueError(f"a certificate is no base64: {error}") from error
    if not found:
        raise ValueError("there is no PEM certificate")
    return found


def validity(der: bytes) -> tuple[float, float]:
    """Begin and end of a certificate in DER (RFC 5280, 4.1): the two times of the fourth or fifth field within."""
    try:
        _tag, certificate = next(_elements(der))
        _tag, body = next(_elements(certificate))
        fields = [element for element in _elements(body) if element[0] != _EXPLICIT_VERSION]
        begin, end = list(_elements(fields[3][1]))[:2]
        return _moment(*begin), _moment(*end)
    except (IndexError, StopIteration, ValueError) as error:
        raise ValueError(f"this is no X.509 certificate ({error or 'it ends too early'})") from error


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of the elements that follow one another."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise ValueError("it ends too early")
        yield tag, data[at : at + length]
        at += length


def _moment(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        # Two digits of the year: 50 and above are of the last century (RFC 5280, 4.1.2.5.1).
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("its validity is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
