# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: from when to when an X.509 certificate holds, read from its DER without a package for it."""

from __future__ import annotations

import calendar
import re
import ssl
import time
from dataclasses import dataclass

_SEQUENCE, _VERSION = 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
# serialNumber, signature and issuer stand between the version and the validity (RFC 5280, section 4.1).
_FIELDS_BEFORE_VALIDITY = 3
_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SECONDS_A_DAY = 86400


@dataclass(frozen=True)
class Validity:
    """From when to when a certificate holds, in seconds since the epoch."""

    begins: float
    ends: float

    def days_left(self, now: float | None = None) -> float:
        """Days until it ends, below 0 where it has."""
        return (self.ends - (time.time() if now is None else now)) / _SECONDS_A_DAY


def validity(der: bytes) -> Validity:
    """The validity of one certificate; ValueError where the bytes are none."""
    try:
        _tag, start, _end = _field(der, 0)
        _tag, start, _end = _field(der, start)
        tag, _start, end = _field(der, start)
        position = end if tag == _VERSION else start
        for _number in range(_FIELDS_BEFORE_VALIDITY):
            position = _field(der, position)[2]
        tag, position, _end = _field(der, position)
        if tag != _SEQUENCE:
            raise ValueError("its validity is not where it should be")
        begins, position = _moment(der, position)
        ends, _position = _moment(der, position)
    except IndexError as error:
        raise ValueError("no whole certificate") from error
    return Validity(begins, ends)


def first_of_pem(text: str) -> bytes:
    """The DER of the first certificate in a PEM text; ValueError where there is none."""
    found = _PEM.search(text)
    if not found:
        raise ValueError("no certificate in PEM form")
    return ssl.PEM_cert_to_DER_cert(found.group())


def _field(der: bytes, position: int) -> tuple[int, int, int]:
    """Tag, begin and end of the content of the field at a position."""
    tag, length, start = der[position], der[position + 1], position + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    if start + length > len(der):
        raise IndexError
    return tag, start, start + length


def _moment(der: bytes, position: int) -> tuple[float, int]:
    tag, start, end = _field(der, position)
    form = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}.get(tag)
    if not form:
        raise ValueError("a time of an unknown form")
    return float(calendar.timegm(time.strptime(der[start:end].decode("ascii"), form))), end
