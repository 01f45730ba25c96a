# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of `argspec.connection()`."""

from __future__ import annotations


class ModuleDocFragment:
    """How the API server is reached."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path to a kubeconfig, or its content as a dictionary. Several paths are separated by C(:).
      - Without this and without O(host), a pod's service account is taken where the module runs in one, else the file
        named by E(KUBECONFIG), else C(~/.kube/config).
      - Taken from E(K8S_AUTH_KUBECONFIG) where it is not given.
    type: raw
  context:
    description:
      - The kubeconfig's context; its current one by default.
      - Taken from E(K8S_AUTH_CONTEXT) where it is not given.
    type: str
  host:
    description:
      - URL of the API server, such as V(https://10.0.0.10:6443). Wins over the kubeconfig's.
      - Given without O(kubeconfig) and O(context), no kubeconfig is read, so no other cluster's credentials are sent.
      - Taken from E(K8S_AUTH_HOST) where it is not given.
    type: str
  api_key:
    description:
      - Bearer token.
      - Taken from E(K8S_AUTH_API_KEY) where it is not given.
    type: str
  username:
    description:
      - User for HTTP basic authentication, such as that of a proxy before the API server.
      - Taken from E(K8S_AUTH_USERNAME) where it is not given.
    type: str
  password:
    description:
      - Password of O(username).
      - Taken from E(K8S_AUTH_PASSWORD) where it is not given.
    type: str
  validate_certs:
    description:
      - Whether the API server's certificate is checked. The kubeconfig decides by default, and says yes by default.
      - Taken from E(K8S_AUTH_VERIFY_SSL) where it is not given.
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description:
      - Path to the certificate of the cluster's authority.
      - Taken from E(K8S_AUTH_SSL_CA_CERT) where it is not given.
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description:
      - Path to the client's certificate.
      - Taken from E(K8S_AUTH_CERT_FILE) where it is not given.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Path to the client's key.
      - Taken from E(K8S_AUTH_KEY_FILE) where it is not given.
    type: path
    aliases: [key_file]
  tls_server_name:
    description:
      - The name to look for in the API server's certificate, where it is not that of the URL.
      - Taken from E(K8S_AUTH_TLS_SERVER_NAME) where it is not given.
    type: str
  proxy:
    description:
      - URL of an HTTP proxy.
      - Taken from E(K8S_AUTH_PROXY) where it is not given.
    type: str
  impersonate_user:
    description:
      - The user to act as.
      - Taken from E(K8S_AUTH_IMPERSONATE_USER) where it is not given.
    type: str
  impersonate_groups:
    description:
      - The groups to act as, together with O(impersonate_user).
      - Taken from E(K8S_AUTH_IMPERSONATE_GROUPS) where it is not given, separated by commas.
    type: list
    elements: str
requirements:
  - python >= 3.9
  - urllib3 >= 2.1 and PyYAML on the host that runs the module; both come with the kubernetes package
  - kubernetes >= 34 where the kubeconfig logs in through a plug-in (C(exec), C(auth-provider))
"""
