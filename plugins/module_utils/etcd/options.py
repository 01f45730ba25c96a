# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules are told where etcd serves and how they log in there, beside the documentation fragment `etcd`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.argspec import ArgumentSpec, too_small
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import Gateway, Login

PKI = "/etc/kubernetes/pki/etcd"
# Of kubeadm's certificates those that etcd accepts from a client, the least powerful first.
_KUBEADM_CLIENTS = ("healthcheck-client", "server", "peer")


def login() -> ArgumentSpec:
    """Where members serve, and the certificates for them."""
    return ArgumentSpec(
        {
            "endpoints": {"type": "list", "elements": "str", "default": ["https://127.0.0.1:2379"]},
            "ca_cert": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "request_timeout": {"type": "int", "default": 10},
        },
        required_together=[("client_cert", "client_key")],
    )


def login_faults(params: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with these options beyond their types."""
    yield from too_small(params, request_timeout=1)
    if not params.get("endpoints"):
        yield "endpoints: is empty: give at least one, such as https://127.0.0.1:2379"
    yield from (fault for fault in map(_endpoint_fault, params.get("endpoints") or []) if fault)


def _endpoint_fault(endpoint: str) -> str | None:
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.path.strip("/") or parts.query or parts.username:
        return f"endpoints: {endpoint} must be of the form https://address:port"
    return None


def login_of(params: Mapping[str, Any], folder: str = PKI) -> Login:
    """The certificates that were given, in their absence those of kubeadm."""
    cert, key = params.get("client_cert"), params.get("client_key")
    if not cert:
        pairs = [(f"{folder}/{name}.crt", f"{folder}/{name}.key") for name in _KUBEADM_CLIENTS]
        cert, key = next((pair for pair in pairs if all(map(os.path.exists, pair))), pairs[0])
    return Login(params.get("ca_cert") or f"{folder}/ca.crt", cert, key)


class Opener:
    """Opens endpoints; the certificates are read once, and only where an endpoint needs them."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._context: Any = None

    def __call__(self, endpoint: str) -> Gateway:
        if endpoint.startswith("https://") and self._context is None:
            self._context = login_of(self._params).context()
        return Gateway(endpoint, self._context, self._params["request_timeout"])
