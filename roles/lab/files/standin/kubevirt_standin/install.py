"""Put definitions, webhooks and the aggregated API into a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from .crds import definitions
from .kube import ApiError, Kube
from .resources import API_SERVICE, CRD, MUTATING, VALIDATING, Object
from .webhooks import Endpoint, api_services, mutating, operator_validating, validating


async def install_definitions(kube: Kube, more: Sequence[Object] = ()) -> None:
    """Apply every CRD and wait until the API server serves them."""
    found = [*definitions(), *more]
    await asyncio.gather(*(kube.apply(CRD, item) for item in found))
    await asyncio.gather(*(_established(kube, item["metadata"]["name"]) for item in found))


async def _established(kube: Kube, name: str) -> None:
    while True:
        crd = await kube.get(CRD, "", name)
        conditions = (crd.get("status") or {}).get("conditions") or []
        if any(item["type"] == "Established" and item["status"] == "True" for item in conditions):
            return
        await asyncio.sleep(0.1)


async def install_webhooks(kube: Kube, endpoint: Endpoint, operator: Endpoint | None = None) -> None:
    await kube.apply(MUTATING, mutating(endpoint))
    await kube.apply(VALIDATING, validating(endpoint))
    await kube.apply(VALIDATING, operator_validating(operator or endpoint))


async def install_api_services(kube: Kube, authority: str, port: int = 443) -> None:
    for item in api_services(authority, port):
        await kube.apply(API_SERVICE, item)


async def wait_available(kube: Kube, name: str = "v1.subresources.kubevirt.io") -> None:
    """Wait until the aggregator reaches virt-api."""
    while True:
        try:
            service: Object = await kube.get(API_SERVICE, "", name)
        except ApiError:
            service = {}
        conditions = (service.get("status") or {}).get("conditions") or []
        if any(item["type"] == "Available" and item["status"] == "True" for item in conditions):
            return
        await asyncio.sleep(0.2)
