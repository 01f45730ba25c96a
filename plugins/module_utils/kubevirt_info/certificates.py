# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: certificates that have expired or that nobody renews in time, and where certificates are in objects."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.x509 import Certificate, validities

Object = Mapping[str, Any]
_DAY = 86400.0
# KubeVirt renews a fifth of the lifetime before the end, so what has a tenth left was not renewed.
_OVERDUE = 0.1
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def expiry(view: View) -> Iterator[Finding]:
    """Certificates whose end has come, or comes before anybody renews them."""
    days = view.settings.certificate_days
    for each in view.cluster.certificates:
        if each.fault:
            yield _finding("certificate-unreadable", "it is not as it must be", each, each.fault)
            continue
        left = each.not_after - view.cluster.now
        if left <= 0:
            yield _finding("certificate-expired", "its end is past", each, f"expired {_span(-left)} ago")
        elif left < _threshold(each, days):
            why = f"it is not renewed {days:g} days before its end, or late within a short life"
            yield _finding("certificate-expires", why, each, f"expires in {_span(left)}")


def _threshold(certificate: Certificate, days: float) -> float:
    """How many seconds before its end a certificate should have been renewed; never so early that it always counts."""
    limits = [days * _DAY, _OVERDUE * (certificate.not_after - certificate.not_before)]
    if certificate.renew_before:
        limits.append(certificate.renew_before / 2)
    return min(limits)


def _finding(identifier: str, why: str, certificate: Certificate, detail: str) -> Finding:
    field = f"{certificate.field} " if certificate.field else ""
    return Finding(identifier, why, (Thing(certificate.kind, certificate.name, certificate.namespace, field + detail),))


def _span(seconds: float) -> str:
    if seconds >= 2 * _DAY:
        return f"{seconds / _DAY:.0f} days"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def of_secret(secret: Object, strategy: Object) -> list[Certificate]:
    """The certificates of a Secret of KubeVirt; `strategy` is the CR's certificateRotateStrategy. No key is kept."""
    data = secret.get("data") or {}
    authority = str(secret["metadata"]["name"]).endswith("-ca")
    renew = seconds_of(
        ((strategy.get("selfSigned") or {}).get("ca" if authority else "server") or {}).get("renewBefore")
    )
    found = []
    if data.get("tls.crt"):
        found.append(_certificate("Secret", secret, "tls.crt", data["tls.crt"], renew_before=renew))
    if data.get("ca.crt"):
        found.append(_certificate("Secret", secret, "ca.crt", data["ca.crt"], bundle=True))
    return found


def of_webhooks(kind: str, configuration: Object) -> list[Certificate]:
    """The bundles of authorities of a webhook configuration, each once."""
    bundles: dict[str, str] = {}
    for webhook in configuration.get("webhooks") or []:
        bundle = (webhook.get("clientConfig") or {}).get("caBundle")
        if bundle:
            bundles.setdefault(bundle, str(webhook.get("name")))
    return [
        _certificate(kind, configuration, f"caBundle of {name}", bundle, bundle=True)
        for bundle, name in bundles.items()
    ]


def of_api_service(item: Object) -> list[Certificate]:
    """The bundle of authorities of an aggregated API."""
    bundle = (item.get("spec") or {}).get("caBundle")
    return [_certificate("APIService", item, "caBundle", bundle, bundle=True)] if bundle else []


def _certificate(
    kind: str, item: Object, field: str, encoded: str, *, bundle: bool = False, renew_before: float = 0.0
) -> Certificate:
    meta = item["metadata"]
    try:
        pem = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        return Certificate(kind, meta["name"], str(meta.get("namespace") or ""), field, fault=f"is no base64: {error}")
    return of_pem(
        kind, meta["name"], str(meta.get("namespace") or ""), field, pem, bundle=bundle, renew_before=renew_before
    )


def of_pem(
    kind: str, name: str, namespace: str, field: str, pem: bytes, *, bundle: bool = False, renew_before: float = 0.0
) -> Certificate:
    """The certificate of a PEM text: its first; of a bundle the one that lasts longest, as the others are of the past."""
    try:
        found = validities(pem)
    except ValueError as error:
        return Certificate(kind, name, namespace, field, fault=str(error))
    begin, end = max(found, key=lambda one: one[1]) if bundle else found[0]
    return Certificate(kind, name, namespace, field, begin, end, renew_before)


def seconds_of(duration: Any) -> float:
    """A duration of Go such as `24h0m0s` in seconds, 0 where it is none."""
    text = str(duration or "")
    parts: Iterable[tuple[str, str]] = _DURATION.findall(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
