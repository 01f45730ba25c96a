# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: the parser against those that a library makes, and where they are in objects."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import certificates, x509
from cryptography import x509 as library
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from ha_world import certificate, whole_world

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make(end: datetime, begin: datetime = BEGIN, *, large: bool = False, keep_key: bool = False) -> bytes:
    """A PEM certificate, with its key where that is to be kept."""
    key = rsa.generate_private_key(65537, 2048) if large else ec.generate_private_key(ec.SECP256R1())
    name = library.Name([library.NameAttribute(NameOID.COMMON_NAME, "x" * 60 if large else "x")])
    builder = library.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(library.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem + (key.private_bytes(*form) if keep_key else b"")


@pytest.mark.parametrize("end", [BEGIN + timedelta(days=365), datetime(2062, 7, 8, 9, 10, 11, tzinfo=UTC)])
@pytest.mark.parametrize("large", [False, True])
def test_validity_of_either_form_of_time(end: datetime, large: bool) -> None:
    assert x509.validities(make(end, large=large)) == [(BEGIN.timestamp(), end.timestamp())]


def test_years_of_two_digits() -> None:
    begin, end = datetime(1999, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
    assert x509.validities(make(end, begin)) == [(begin.timestamp(), end.timestamp())]


@pytest.mark.parametrize(
    "text", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate(text: bytes) -> None:
    with pytest.raises(ValueError):
        x509.validities(text)


def test_a_certificate_that_is_cut_off_anywhere_is_no_certificate() -> None:
    pem = make(BEGIN + timedelta(days=1))
    der = library.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    for length in range(len(der)):
        with pytest.raises(ValueError, match="this is no X.509 certificate"):
            x509.validity(der[:length])


def encoded(*pems: bytes) -> str:
    return base64.b64encode(b"".join(pems)).decode()


def secret(name: str, **data: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "kubevirt"}, "data": data}


def test_a_secret_has_its_certificate_and_its_authority_but_no_key_is_kept() -> None:
    old, new = make(BEGIN + timedelta(days=1)), make(BEGIN + timedelta(days=9))
    item = secret(
        "kubevirt-virt-api-certs", **{"tls.crt": encoded(old, new), "ca.crt": encoded(old, new), "tls.key": "KEY"}
    )
    found = certificates.of_secret(
        item, {"selfSigned": {"server": {"renewBefore": "4h48m0s"}, "ca": {"renewBefore": "1h"}}}
    )
    # The leaf comes first; of a bundle the newest counts.
    assert [(one.field, one.not_after) for one in found] == [
        ("tls.crt", (BEGIN + timedelta(days=1)).timestamp()),
        ("ca.crt", (BEGIN + timedelta(days=9)).timestamp()),
    ]
    assert found[0].renew_before == 4.8 * 3600
    assert "KEY" not in repr(found)


def test_the_authority_is_renewed_by_its_own_time() -> None:
    item = secret("kubevirt-ca", **{"tls.crt": encoded(make(BEGIN + timedelta(days=7)))})
    assert certificates.of_secret(item, {"selfSigned": {"ca": {"renewBefore": "1h"}}})[0].renew_before == 3600


def test_each_bundle_of_a_webhook_configuration_is_told_once() -> None:
    one, other = encoded(make(BEGIN + timedelta(days=1))), encoded(make(BEGIN + timedelta(days=2)))
    hooks = [
        {"name": name, "clientConfig": {"caBundle": text}} for name, text in (("a", one), ("b", one), ("c", other))
    ]
    hooks.append({"name": "d", "clientConfig": {"url": "https://x"}})
    found = certificates.of_webhooks("ValidatingWebhookConfiguration", {"metadata": {"name": "w"}, "webhooks": hooks})
    assert [each.field for each in found] == ["caBundle of a", "caBundle of c"]


@pytest.mark.parametrize("bundle", ["%%%", base64.b64encode(b"no PEM").decode()])
def test_a_bundle_that_cannot_be_read_says_so(bundle: str) -> None:
    item = {"metadata": {"name": "v1.x"}, "spec": {"caBundle": bundle}}
    assert certificates.of_api_service(item)[0].fault
    assert certificates.of_api_service({"metadata": {"name": "v1.apps"}, "spec": {}}) == []


@pytest.mark.parametrize(
    ("left", "words"),
    [(10 * 86400, "10 days"), (2 * 86400, "2 days"), (86400, "24.0 h"), (3600, "1.0 h"), (1800, "30 min")],
)
def test_how_long_a_certificate_lasts(left: float, words: str) -> None:
    world = whole_world()
    world.facts["certificates"] = [certificate(left / 86400)]
    assert world.one("certificate-expires").things[0].detail == f"tls.crt expires in {words}"


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h0m0s", 86400), ("1h30m", 5400), ("250ms", 0.25), ("", 0), (None, 0), ("soon", 0)]
)
def test_durations(text: str | None, seconds: float) -> None:
    assert certificates.seconds_of(text) == seconds
