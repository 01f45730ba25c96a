# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Grafana is provisioned with. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings


def source(settings: Settings, password: str, authority: str) -> dict[str, Any]:
    """Prometheus as its data source. password: of the web user, where there is one; authority: of the certificate, where it is given."""
    host, secrets = settings["host"], {}
    if settings["web_users"]:
        secrets["basicAuthPassword"] = password
    if host["tls"] and settings["tls_ca_file"]:
        secrets["tlsCACert"] = authority
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "KubeVirt HA",
                "uid": "kubevirt-ha",
                "type": "prometheus",
                "access": "proxy",
                "isDefault": True,
                "url": f"{host['url']}:{settings['prometheus_port']}",
                "basicAuth": len(settings["web_users"]) > 0,
                "basicAuthUser": settings["web_user"],
                "jsonData": {
                    "timeInterval": settings["scrape_interval"],
                    "tlsAuthWithCACert": host["tls"] and len(settings["tls_ca_file"]) > 0,
                },
                "secureJsonData": secrets,
            }
        ],
    }


def provider(settings: Settings) -> dict[str, Any]:
    """Where its dashboards are."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "KubeVirt HA",
                "folder": "KubeVirt HA",
                "type": "file",
                "allowUiUpdates": False,
                "options": {"path": settings["paths"]["dashboards"]},
            }
        ],
    }
