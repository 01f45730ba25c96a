# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BEGIN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def made(end: datetime.datetime, *, name: str = "x") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), BEGIN, end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("year", [2027, 2049, 2050, 2099])
@pytest.mark.parametrize("name", ["x", "n" * 64])
def test_both_forms_of_time_are_read(year: int, name: str) -> None:
    end = BEGIN.replace(year=year)
    found = certificate.validity(made(end, name=name))
    assert (found.begins, found.ends) == (BEGIN.timestamp(), end.timestamp())


def test_a_certificate_of_version_1_has_no_field_for_it() -> None:
    def field(tag: int, *content: bytes) -> bytes:
        return bytes([tag, sum(map(len, content))]) + b"".join(content)

    times = field(0x17, b"260102030405Z"), field(0x17, b"270102030405Z")
    inner = field(0x30, field(0x02, b"\x01"), field(0x30), field(0x30), field(0x30, *times))
    assert certificate.validity(field(0x30, inner)).begins == BEGIN.timestamp()


def test_days_are_left_until_it_ends() -> None:
    found = certificate.validity(made(BEGIN + datetime.timedelta(days=30)))
    assert found.days_left((BEGIN + datetime.timedelta(days=10)).timestamp()) == 20
    assert found.days_left((BEGIN + datetime.timedelta(days=31)).timestamp()) == -1


def test_every_cut_is_told_and_none_breaks_it() -> None:
    whole = made(BEGIN.replace(year=2030))
    for length in range(len(whole) // 2):
        with pytest.raises(ValueError, match="certificate|validity|time"):
            certificate.validity(whole[:length])
    with pytest.raises(ValueError, match="certificate|validity|time"):
        certificate.validity(b"\x30\x05hello world, this is no certificate at all")


def test_the_first_of_a_chain_is_taken() -> None:
    import ssl

    first, second = made(BEGIN.replace(year=2030)), made(BEGIN.replace(year=2031))
    text = "a comment\n" + ssl.DER_cert_to_PEM_cert(first) + ssl.DER_cert_to_PEM_cert(second)
    assert certificate.first_of_pem(text) == first
    with pytest.raises(ValueError, match="no certificate"):
        certificate.first_of_pem("-----BEGIN PRIVATE KEY-----")
