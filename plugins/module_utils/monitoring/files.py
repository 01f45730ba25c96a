# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that lies on a host, in the order in which it is written, as the module host_files takes it. Pure.

Texts come from the controller: which are read is found by laying out all files with none.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import (
    alertmanager,
    collector,
    grafana,
    scrape,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings

Entry = dict[str, Any]

# Where a text is read: files of the role, its templates, and files that variables name, of which the last line's end is left out.
FILE, TEMPLATE, GIVEN = "files", "templates", "given"
_COLLECTOR = ("__init__", "__main__", "cluster", "discovery", "exposition", "host")
_UNITS = (
    "kubevirt-ha-collector@.service",
    "kubevirt-ha-collector@.timer",
    "kubevirt-ha-metrics@.service",
    "kubevirt-ha-metrics@.socket",
)
_DEFAULTS = ("prometheus", "prometheus-alertmanager")
_OWN: Mapping[str, Any] = {"owner": "prometheus", "group": "prometheus"}
_SECRET: Mapping[str, Any] = {**_OWN, "mode": "0600", "secret": True}
_RULES: Mapping[str, Any] = {"mode": "0644", "validate": "promtool check rules %s"}
_PROMETHEUS, _ALERTMANAGER = "/etc/prometheus/prometheus.yml", "/etc/prometheus/alertmanager.yml"
_PROVISIONING = "/etc/grafana/provisioning"
# What lies in the folder of a server beside its rules and its secrets' folder.
_OF_SERVER = ("token", "ca.crt", "web.crt", "web.key", "web-ca.crt", "web-password", "web.yml")
_OF_ETCD = ("etcd-ca.crt", "etcd.crt", "etcd.key")


@dataclass(frozen=True)
class Texts:
    """What files are made of.

    read: gives a text by where it is and its name; document: writes a value as YAML, its keys in their order or sorted;
    tokens: {service account: {token, ca.crt}} in base64.
    """

    read: Callable[[str, str], str]
    document: Callable[[Any, bool], str]
    tokens: Mapping[str, Mapping[str, str]]


def sources(settings: Settings) -> dict[str, list[str]]:
    """The texts that are read for this host, by where they are."""
    asked: dict[str, list[str]] = {FILE: [], TEMPLATE: [], GIVEN: []}

    def read(where: str, name: str) -> str:
        asked[where].append(name)
        return ""

    files(settings, Texts(read, lambda value, ordered: "", {}))
    return {where: list(dict.fromkeys(names)) for where, names in asked.items()}


def files(settings: Settings, texts: Texts) -> list[Entry]:
    """The entries of the option `files`."""
    host = settings["host"]
    found = list(_of_all(settings, texts))
    if host["member"]:
        found += _of_member(settings, texts)
    if host["server"]:
        found += _of_server(settings, texts)
        found += _of_grafana(settings, texts) if settings["grafana"] else []
    if host["leaves"]:
        found += ({"path": path, "state": "absent"} for path in _left(settings))
    return found


def _of_all(settings: Settings, texts: Texts) -> Iterator[Entry]:
    paths = settings["paths"]
    for folder in (paths["code"], paths["collector"], "/etc/kubevirt-ha", paths["config"]):
        yield _folder(folder)
    for name in _COLLECTOR:
        yield _text(f"{paths['collector']}/{name}.py", texts.read(FILE, f"kubevirt_ha_collector/{name}.py"))
    asked = json.dumps(collector.configuration(settings), indent=4, sort_keys=True)
    yield _text(f"{paths['config']}/collector.json", f"{asked}\n")
    for name in _UNITS:
        yield _text(f"{paths['units']}/{name}", texts.read(TEMPLATE, f"{name}.j2"))
    yield _default("prometheus-node-exporter", texts)


def _of_member(settings: Settings, texts: Texts) -> Iterator[Entry]:
    """By what the collector asks the cluster."""
    folder, account = settings["paths"]["config"], texts.tokens.get("kubevirt-ha-collector")
    if account:
        yield {"path": f"{folder}/token", "mode": "0600", "secret": True, "content": _decoded(account["token"])}
        yield _text(f"{folder}/ca.crt", _decoded(account["ca.crt"]))


def _of_server(settings: Settings, texts: Texts) -> Iterator[Entry]:
    paths = settings["paths"]
    folder = paths["folder"]
    yield _folder(folder)
    yield _folder(paths["targets"])
    yield {"path": paths["secrets"], "state": "directory", "mode": "0700", **_OWN}
    yield from _rules(settings, texts)
    account = texts.tokens.get("kubevirt-ha-prometheus")
    if account:
        yield {"path": f"{folder}/token", **_SECRET, "content": _decoded(account["token"])}
        yield _text(f"{folder}/ca.crt", _decoded(account["ca.crt"]))
    for path, source in _copies(settings).items():
        yield {"path": path, **_SECRET, "content": texts.read(GIVEN, source)}
    yield _web(settings, texts)
    yield {
        "path": _PROMETHEUS,
        "mode": "0644",
        "validate": "promtool check config --syntax-only %s",
        "content": settings["mark"] + texts.document(scrape.configuration(settings), True),
    }
    yield {
        "path": _ALERTMANAGER,
        **_SECRET,
        "validate": "amtool check-config %s",
        "content": settings["mark"] + texts.document(alertmanager.configuration(settings), True),
    }
    for name in _DEFAULTS:
        yield _default(name, texts)


def _rules(settings: Settings, texts: Texts) -> Iterator[Entry]:
    folder, extra = settings["paths"]["folder"], settings["extra_rules"]
    for name in settings["rules"]:
        yield {"path": f"{folder}/rules-{name}.yml", **_RULES, "content": texts.read(FILE, f"rules/{name}.yml")}
    path = f"{folder}/rules-extra.yml"
    if extra:
        yield {"path": path, **_RULES, "content": texts.document({"groups": extra}, True)}
    else:
        yield {"path": path, "state": "absent"}


def _copies(settings: Settings) -> dict[str, str]:
    """Where each file of the controller goes."""
    folder, given = settings["paths"]["folder"], settings["platform"]
    named = {
        "web.crt": settings["tls_cert_file"],
        "web.key": settings["tls_key_file"],
        "web-ca.crt": settings["tls_ca_file"],
        "web-password": settings["web_password_file"] if settings["web_users"] else "",
        **dict(zip(_OF_ETCD, given["etcd_files"])),
    }
    found = {f"{folder}/{name}": source for name, source in named.items() if source}
    return {
        **found,
        **{f"{settings['paths']['secrets']}/{name}": path for name, path in settings["secret_files"].items()},
    }


def _web(settings: Settings, texts: Texts) -> Entry:
    """How the pages are served."""
    folder = settings["paths"]["folder"]
    served: dict[str, Any] = {}
    if settings["host"]["tls"]:
        served["tls_server_config"] = {"cert_file": f"{folder}/web.crt", "key_file": f"{folder}/web.key"}
    if settings["web_users"]:
        served["basic_auth_users"] = settings["web_users"]
    if not served:
        return {"path": f"{folder}/web.yml", "state": "absent"}
    return {"path": f"{folder}/web.yml", **_SECRET, "content": texts.document(served, False)}


def _of_grafana(settings: Settings, texts: Texts) -> Iterator[Entry]:
    dashboards = settings["paths"]["dashboards"]
    for folder in (
        "/etc/grafana",
        _PROVISIONING,
        f"{_PROVISIONING}/datasources",
        f"{_PROVISIONING}/dashboards",
        "/var/lib/grafana",
        "/var/lib/grafana/dashboards",
        dashboards,
    ):
        yield _folder(folder)
    for name in settings["dashboards"]:
        yield _text(f"{dashboards}/{name}.json", texts.read(FILE, f"dashboards/{name}.json"))
    password = texts.read(GIVEN, settings["web_password_file"]) if settings["web_users"] else ""
    authority = settings["tls_ca_file"] if settings["host"]["tls"] else ""
    source = grafana.source(settings, password, texts.read(GIVEN, authority) if authority else "")
    yield {
        "path": f"{_PROVISIONING}/datasources/kubevirt-ha.yml",
        "mode": "0640",
        "secret": True,
        "content": texts.document(source, True),
        **({"group": "grafana"} if settings["grafana_packages"] else {}),
    }
    yield _text(f"{_PROVISIONING}/dashboards/kubevirt-ha.yml", texts.document(grafana.provider(settings), True))


def _left(settings: Settings) -> list[str]:
    """What a host loses that is no monitoring node any more: first of all the token and the secrets."""
    paths = settings["paths"]
    rules = [f"rules-{name}.yml" for name in ("extra", *settings["rules"])]
    return [
        *(f"{paths['folder']}/{name}" for name in (*_OF_SERVER, *_OF_ETCD, *rules)),
        *(f"{paths['secrets']}/{name}" for name in settings["secret_files"]),
        _PROMETHEUS,
        _ALERTMANAGER,
        *(f"/etc/default/{name}" for name in _DEFAULTS),
        f"{paths['config']}/token",
        f"{paths['config']}/ca.crt",
        f"{paths['textfiles']}/kubevirt_ha_cluster.prom",
    ]


def _default(name: str, texts: Texts) -> Entry:
    return _text(f"/etc/default/{name}", texts.read(TEMPLATE, f"{name}.j2"))


def _folder(path: str) -> Entry:
    return {"path": path, "state": "directory", "mode": "0755"}


def _text(path: str, content: str) -> Entry:
    return {"path": path, "mode": "0644", "content": content}


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "surrogateescape")
