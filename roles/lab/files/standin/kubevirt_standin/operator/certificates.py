"""The certificates of all components, kept in Secrets."""

from __future__ import annotations

import base64
import hashlib

from .. import pki
from ..kube import ApiError, Kube
from ..resources import SECRET, Object
from .workloads import NAMESPACE, SECRETS

AUTHORITY = "kubevirt-ca"
OPERATOR = "kubevirt-operator-certs"
NAMES = tuple(
    f"{service}.kubevirt.svc"
    for service in ("virt-api", "virt-handler", "virt-controller", "virt-exportproxy", "kubevirt-operator-webhook")
)


async def _keep(kube: Kube, name: str, pair: pki.Pair, authority: bytes) -> pki.Pair:
    """Create the Secret unless it is there; the pair that counts."""
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority or pair.certificate}
    body: Object = {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/managed-by": "virt-operator"}},
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
    try:
        await kube.create(SECRET, body)
        return pair
    except ApiError as error:
        if error.status != 409:
            raise
    return read(await kube.get(SECRET, NAMESPACE, name))


def read(secret: Object) -> pki.Pair:
    """The pair in a Secret."""
    data = secret["data"]
    return pki.Pair(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))


async def ensure(kube: Kube) -> tuple[pki.Pair, pki.Pair, str]:
    """Make what is missing: the authority, the operator's own pair, a mark that changes with the authority."""
    found = await kube.find(SECRET, NAMESPACE, AUTHORITY)
    authority = read(found) if found else await _keep(kube, AUTHORITY, pki.authority("kubevirt.io"), b"")
    own = pki.Pair(b"", b"")
    for name in (*SECRETS.values(), OPERATOR):
        known = await kube.find(SECRET, NAMESPACE, name)
        pair = (
            read(known)
            if known
            else await _keep(kube, name, pki.issue(authority, name, NAMES, "kubevirt.io:system"), authority.certificate)
        )
        if name == OPERATOR:
            own = pair
    return authority, own, hashlib.sha256(authority.certificate).hexdigest()[:16]
