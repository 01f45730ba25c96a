# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of `etcd.options.login()`."""

from __future__ import annotations


class ModuleDocFragment:
    """Where members of etcd serve, and the certificates for them."""

    DOCUMENTATION = r"""
options:
  endpoints:
    description:
      - URLs at which members serve clients.
    type: list
    elements: str
    default: [https://127.0.0.1:2379]
  ca_cert:
    description:
      - Path to the certificate of etcd's authority. C(/etc/kubernetes/pki/etcd/ca.crt) where it is not given.
    type: path
  client_cert:
    description:
      - Path to a client certificate that etcd accepts. Where it is not given, C(healthcheck-client.crt), C(server.crt) or
        C(peer.crt) of C(/etc/kubernetes/pki/etcd), the first that is there.
    type: path
  client_key:
    description:
      - Path to the key of O(client_cert).
    type: path
  request_timeout:
    description:
      - Seconds to wait for one answer of etcd, and for the next piece of a snapshot.
    type: int
    default: 10
"""
