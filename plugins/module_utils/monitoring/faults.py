# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of the role monitoring, each by the variable's name and with what is allowed. Pure.

A rule's expression is Prometheus' own business: promtool is asked for it where it is at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import hosts, scrape
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.alertmanager import NOBODY
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.hosts import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.names import label_faults, name_fault

FORMS = ("hosts", "operator")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d|w|y)")
_SIZE = re.compile(r"[0-9]+(B|KB|MB|GB|TB|PB|EB)")
_TIMER = ("s", "m", "h")
_WEBHOOK_URLS = ("url", "url_file")
# The role's own ports: on every host, and beside them on a server.
_HOST_PORTS = ("node_exporter_port",)
_SERVER_PORTS = ("prometheus_port", "alertmanager_port", "alertmanager_cluster_port")
# Ports of the platform on these hosts, which the role's own must not be.
_TAKEN = {
    22: "ssh",
    2379: "etcd",
    2380: "etcd",
    2381: "etcd",
    6443: "kube-apiserver",
    9283: "Ceph",
    10249: "kube-proxy",
    10250: "the kubelet",
    10256: "kube-proxy",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
    24007: "glusterd",
}
# What has no empty value of its own is written down as it is.
_NEVER_NULL = {
    "alertmanager_receivers": "[]",
    "alertmanager_route": "{}",
    "dropped_metrics": "[]",
    "extra_rules": "[]",
    "extra_scrape_configs": "[]",
    "guest_namespaces": "[]",
    "secret_files": "{}",
    "web_users": "{}",
}
_EVERYWHERE = ("0.0.0.0", "*", "[::]")


def faults(given: Settings) -> list[str]:
    """Every fault."""
    return [
        *_shapes(given),
        *_values(given),
        *_members(given),
        *_times(given),
        *_ports(given),
        *_receivers(given),
        *_rules(given.get("extra_rules")),
        *_scrapes(given),
        *_web(given),
    ]


def host_faults(said: Sequence[str], given: Settings) -> list[str]:
    """The faults of what a host says of itself, a line each.

    `refused WORDS`: promtool's of the rules; `listen ADDRESS:PORT users:(("PROGRAM",...))`: a listener.
    """
    found = [*_refusals(said), *dict.fromkeys(_taken_ports(said, given))]
    return [f"{given['host']['name']}: {fault}" for fault in found]


def _refusals(said: Iterable[str]) -> Iterator[str]:
    for line in said:
        if re.match(r"refused .*[^:]$", line):  # the last words only; those before announce them
            words = re.sub(r"^(/dev/stdin: *)?", "", re.sub(r"^refused *", "", line), count=1)
            yield f"monitoring_extra_rules: promtool refuses it: {words}"


def _taken_ports(said: Iterable[str], given: Settings) -> Iterator[str]:
    host = given["host"]
    names = [*_HOST_PORTS, *(_SERVER_PORTS if host["server"] else ())]
    own = {str(given[name]): f"monitoring_{name}" for name in names}
    for line in said:
        if not line.startswith("listen "):
            continue
        _verb, place, *users = line.split()
        address, _colon, port = place.rpartition(":")
        who = users[0] if users else ""
        if port in own and address in (host["address"], *_EVERYWHERE) and '"prometheus' not in who:
            program = re.search(r'"([^"]+)"', who)
            yield (
                f"{own[port]}: {place} is taken by {program[1] if program else 'another program'};"
                " end that, or choose another port"
            )


def seconds(text: Any) -> float | None:
    """Seconds of a duration with one unit, as Prometheus writes it; None where it is none."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) * _UNITS[found[2]] if found and int(found[1]) > 0 else None


def _shapes(given: Settings) -> Iterator[str]:
    """Of what goes on as it is: a text is no list of its letters, and nothing is neither list nor map."""
    for name, empty in _NEVER_NULL.items():
        if given.get(name) is None:
            yield f"monitoring_{name}: is null; give {empty} for none"
    for name in ("dropped_metrics", "guest_namespaces", "extra_scrape_configs"):
        found = given.get(name)
        if found is not None and not _is_list(found):
            yield f"monitoring_{name}: {found!r} must be a list"
    for name in _list(given.get("dropped_metrics")):
        if not isinstance(name, str) or not name:
            yield f"monitoring_dropped_metrics: {name!r} must be a regular expression of metrics' names"
    for name in ("secret_files", "operator_labels"):
        if given.get(name) is not None and not isinstance(given[name], Mapping):
            yield f"monitoring_{name}: must be a map"
    yield from label_faults("monitoring_operator_labels", given.get("operator_labels"))


def _values(given: Settings) -> Iterator[str]:
    for name in ("kubevirt_namespace", "operator_namespace"):
        yield from _namespace(f"monitoring_{name}", given.get(name))
    for number, name in enumerate(_list(given.get("guest_namespaces")), 1):
        yield from _namespace(f"monitoring_guest_namespaces: {number}", name)
    for name in ("certificate_days", "etcd_backup_hours"):
        if not _is_positive(given.get(name)):
            yield f"monitoring_{name}: {given.get(name)!r} must be a number above 0"


def _namespace(where: str, name: Any) -> Iterator[str]:
    wrong = name_fault(name) if isinstance(name, str) else f"{name!r} must be a text"
    if wrong:
        yield f"{where}: {wrong}"


def _is_positive(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and 0 < float(value) < float("inf")
    except (OverflowError, TypeError, ValueError):
        return False


def _list(value: Any) -> Sequence[Any]:
    return value if _is_list(value) else []


def _scrapes(given: Settings) -> Iterator[str]:
    """Prometheus refuses two jobs of one name, with all of its configuration."""
    variable = "monitoring_extra_scrape_configs"
    configs = _list(given.get("extra_scrape_configs"))
    taken = dict.fromkeys(scrape.own_names(given), "a job of the role") if configs else {}
    for number, config in enumerate(configs, 1):
        name = config.get("job_name") if isinstance(config, Mapping) else None
        if not isinstance(name, str) or not name:
            yield f"{variable}: {number} has no job_name; give scrape configurations as Prometheus has them"
        elif name in taken:
            yield f"{variable}: {name} is {taken[name]}, too; take another name"
        else:
            taken[name] = "given twice"


def _members(given: Settings) -> Iterator[str]:
    if not hosts.group(given, "monitoring_nodes"):
        yield "inventory: group monitoring_nodes is empty; name the hosts that Prometheus and Alertmanager run on in it"
    if given.get("form") not in FORMS:
        yield f"monitoring_form: {given.get('form')} is unknown; allowed are {', '.join(FORMS)}"
    if not given.get("kubeconfig"):
        yield "monitoring_kubeconfig is empty; give the path of an admin kubeconfig on the controller, or set kubernetes_kubeconfig"
    if not given["platform"]["endpoint"]:
        yield "kubernetes_api_endpoint is empty; give host:port of the API behind its VIP"


def _times(given: Settings) -> Iterator[str]:
    for name in ("scrape_interval", "slow_scrape_interval", "retention"):
        if seconds(given.get(name)) is None:
            yield f"monitoring_{name}: {given.get(name)!r} is no duration; allowed is a number with ms, s, m, h, d, w or y, such as 10s or 15d"
    size = given.get("retention_size")
    if size and not (isinstance(size, str) and _SIZE.fullmatch(size)):
        yield f"monitoring_retention_size: {size!r} is no size; allowed is a number with B, KB, MB, GB, TB, PB or EB, such as 20GB, or nothing"
    beat = given.get("collector_interval")
    if seconds(beat) is None or not str(beat).endswith(_TIMER) or str(beat).endswith("ms"):
        yield f"monitoring_collector_interval: {beat!r} is no interval; allowed is a number with s, m or h, such as 15s"
    fast, slow = seconds(given.get("scrape_interval")), seconds(given.get("slow_scrape_interval"))
    if fast and fast < 1:
        yield f"monitoring_scrape_interval: {given['scrape_interval']} is below a second; allowed is 1s or more"
    if fast and slow and slow < fast:
        yield (
            f"monitoring_slow_scrape_interval: {given['slow_scrape_interval']} is shorter than monitoring_scrape_interval,"
            f" {given['scrape_interval']}; allowed is as long or longer"
        )


def _ports(given: Settings) -> Iterator[str]:
    taken = _port_owners(given["platform"])
    for name in (*_SERVER_PORTS, *_HOST_PORTS):
        variable, number = f"monitoring_{name}", _port(given.get(name))
        if not number:
            yield f"{variable}: {given.get(name)!r} is no port; allowed are 1 to 65535"
        elif number in taken:
            yield f"{variable}: {number} is the port of {taken[number]} too; give each its own"
        else:
            taken[number] = variable


def _port_owners(platform: Mapping[str, Any]) -> dict[int, str]:
    vips = [(vip["port"], f"the VIP {vip.get('name', '')}") for vip in platform["vips"] if "port" in vip]
    given = [(platform["api_port"], "kube-apiserver"), (platform["stats_port"], "HAProxy"), *vips]
    return {**_TAKEN, **{_port(port): owner for port, owner in given if _port(port)}}


def _port(value: Any) -> int:
    number = int(value) if re.fullmatch("[0-9]{1,5}", str(value)) else 0
    return number if 0 < number < 65536 else 0


def _receivers(given: Settings) -> Iterator[str]:
    variable = "monitoring_alertmanager_receivers"
    receivers = _or(given.get("alertmanager_receivers"), [])
    if not _is_list(receivers):
        yield f"{variable}: must be a list of receivers as Alertmanager has them"
        return
    names: list[str] = []
    for number, receiver in enumerate(receivers, 1):
        name = receiver.get("name") if isinstance(receiver, Mapping) else None
        if not name or not isinstance(name, str):
            yield f"{variable}: receiver {number} has no name; give it one, and the route names it"
            continue
        if name == NOBODY or name in names:
            why = "the role's own, which sends nothing" if name == NOBODY else "given twice"
            yield f"{variable}: {name}: the name is {why}; take another"
        names.append(name)
        yield from _webhooks(f"{variable}: {name}", receiver.get("webhook_configs") or [])
    yield from _route("monitoring_alertmanager_route", _or(given.get("alertmanager_route"), {}), [*names, NOBODY])


def _webhooks(where: str, webhooks: Any) -> Iterator[str]:
    for number, webhook in enumerate(webhooks if _is_list(webhooks) else [webhooks], 1):
        url = (
            next((webhook[key] for key in _WEBHOOK_URLS if webhook.get(key)), "")
            if isinstance(webhook, Mapping)
            else ""
        )
        if not url:
            yield f"{where}: webhook {number} has no url; give one such as https://pager.example.net/alerts"
        elif "url" in webhook and not re.match(r"https?://[^/\s]+", str(url)):
            # Its words are not shown: who knows it may send.
            yield f"{where}: webhook {number}: its url is none; allowed begin with http:// or https://"


def _route(where: str, route: Any, names: Sequence[str]) -> Iterator[str]:
    if not isinstance(route, Mapping):
        yield f"{where}: must be a route as Alertmanager has it: receiver, group_by, group_wait, routes"
        return
    receiver = route.get("receiver")
    if receiver and receiver not in names:
        yield f"{where}: there is no receiver {receiver}; allowed are {', '.join(names)}"
    for number, child in enumerate(route.get("routes") or [], 1):
        yield from _route(f"{where}: route {number}", child, names)


def _rules(groups: Any) -> Iterator[str]:
    variable = "monitoring_extra_rules"
    groups = _or(groups, [])
    if not _is_list(groups):
        yield f"{variable}: must be a list of groups, each with name and rules"
        return
    seen: set[str] = set()
    for number, group in enumerate(groups, 1):
        name = group.get("name") if isinstance(group, Mapping) else None
        if not name:
            yield f"{variable}: group {number} has no name; each group has name and rules"
            continue
        if name in seen:
            yield f"{variable}: group {name} is given twice; give each its own name"
        seen.add(name)
        if not _is_list(group.get("rules")) or not group["rules"]:
            yield f"{variable}: group {name} has no rules; give a list of rules, each with alert or record, and expr"


def _web(given: Settings) -> Iterator[str]:
    certificate, key = given.get("tls_cert_file"), given.get("tls_key_file")
    if bool(certificate) != bool(key):
        lacks, there = ("key", "cert") if certificate else ("cert", "key")
        yield f"monitoring_tls_{lacks}_file is empty; it goes with monitoring_tls_{there}_file"
    users = given.get("web_users") or {}
    if not isinstance(users, Mapping):
        yield "monitoring_web_users: must be a map of users to bcrypt hashes, such as htpasswd -nBC 10 prints"
        return
    for user, digest in users.items():
        if not str(digest).startswith(("$2a$", "$2b$", "$2y$")):
            yield f"monitoring_web_users: {user}: is no bcrypt hash; take what htpasswd -nBC 10 prints behind the colon"
    user = given.get("web_user")
    if users and user not in users:
        yield f"monitoring_web_user: {user!r} is none of monitoring_web_users; Prometheus logs in to Alertmanager with it: {', '.join(map(str, users))}"
    if users and not given.get("web_password_file"):
        yield "monitoring_web_password_file is empty; give the path on the controller of the password of monitoring_web_user"


def _or(value: Any, empty: Any) -> Any:
    """A value, or nothing in place of null, which is told elsewhere."""
    return empty if value is None else value


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
