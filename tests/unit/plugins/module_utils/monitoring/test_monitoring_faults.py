# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the role's variables: each is told by name, and what is right is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring.faults import (
    faults,
    host_faults,
    seconds,
)
from monitoring_settings import HASH, settings

PAGER = {"name": "pager", "webhook_configs": [{"url": "https://pager.example.net/"}]}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"retention_size": "20GB", "form": "operator"},
        {"alertmanager_receivers": [PAGER, {"name": "mail", "email_configs": [{"to": "a@example.net"}]}]},
        {"alertmanager_receivers": [{"name": "x", "webhook_configs": [{"url_file": "/etc/secret"}]}]},
        {"alertmanager_receivers": [PAGER], "alertmanager_route": {"routes": [{"receiver": "nobody"}]}},
        {"extra_rules": [{"name": "own", "rules": [{"alert": "A", "expr": "up == 0"}]}]},
        {"web_users": {"a": HASH}, "web_user": "a", "web_password_file": "/p"},
        {"tls_cert_file": "/c", "tls_key_file": "/k"},
    ],
)
def test_what_is_right_has_no_fault(given: dict[str, Any]) -> None:
    assert faults(settings(**given)) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"platform": {"groups": {}}}, "inventory: group monitoring_nodes is empty"),
        ({"form": "cloud"}, "monitoring_form: cloud is unknown; allowed are hosts, operator"),
        ({"kubeconfig": ""}, "monitoring_kubeconfig is empty"),
        ({"platform": {"endpoint": ""}}, "kubernetes_api_endpoint is empty"),
        ({"retention": "forever"}, "monitoring_retention: 'forever' is no duration"),
        ({"retention": 15}, "monitoring_retention: 15 is no duration"),
        ({"retention": "0d"}, "monitoring_retention: '0d' is no duration"),
        ({"scrape_interval": "10 s"}, "monitoring_scrape_interval: '10 s' is no duration"),
        ({"scrape_interval": "100ms"}, "monitoring_scrape_interval: 100ms is below a second"),
        (
            {"slow_scrape_interval": "5s"},
            "monitoring_slow_scrape_interval: 5s is shorter than monitoring_scrape_interval, 10s",
        ),
        ({"retention_size": "20 Gi"}, "monitoring_retention_size: '20 Gi' is no size"),
        ({"collector_interval": "1d"}, "monitoring_collector_interval: '1d' is no interval"),
        (
            {"alertmanager_port": 9090},
            "monitoring_alertmanager_port: 9090 is the port of monitoring_prometheus_port too",
        ),
        ({"node_exporter_port": 6443}, "monitoring_node_exporter_port: 6443 is the port of kube-apiserver too"),
        ({"prometheus_port": 8443}, "monitoring_prometheus_port: 8443 is the port of the VIP api too"),
        ({"platform": {"stats_port": "9094"}}, "monitoring_alertmanager_cluster_port: 9094 is the port of HAProxy too"),
        ({"prometheus_port": 70000}, "monitoring_prometheus_port: 70000 is no port; allowed are 1 to 65535"),
        ({"prometheus_port": "web"}, "monitoring_prometheus_port: 'web' is no port"),
        ({"alertmanager_receivers": {"name": "x"}}, "monitoring_alertmanager_receivers: must be a list"),
        (
            {"alertmanager_receivers": [{"webhook_configs": []}]},
            "monitoring_alertmanager_receivers: receiver 1 has no name",
        ),
        ({"alertmanager_receivers": [PAGER, PAGER]}, "pager: the name is given twice"),
        ({"alertmanager_receivers": [{"name": "nobody"}]}, "nobody: the name is the role's own"),
        ({"alertmanager_receivers": [{"name": "x", "webhook_configs": [{}]}]}, "x: webhook 1 has no url"),
        (
            {"alertmanager_receivers": [{"name": "x", "webhook_configs": [{"url": "pager"}]}]},
            "x: webhook 1: its url is none",
        ),
        (
            {"alertmanager_route": {"receiver": "x"}},
            "monitoring_alertmanager_route: there is no receiver x; allowed are nobody",
        ),
        (
            {"alertmanager_route": {"routes": [{"receiver": "x"}]}},
            "monitoring_alertmanager_route: route 1: there is no receiver x",
        ),
        ({"alertmanager_route": []}, "monitoring_alertmanager_route: must be a route"),
        ({"alertmanager_route": None}, "monitoring_alertmanager_route: is null; give {} for none"),
        ({"guest_namespaces": "shop"}, "monitoring_guest_namespaces: 'shop' must be a list"),
        ({"guest_namespaces": ["a", "B: {"]}, "monitoring_guest_namespaces: 2: 'B: {' must be of lower-case letters"),
        ({"kubevirt_namespace": 5}, "monitoring_kubevirt_namespace: 5 must be a text"),
        ({"dropped_metrics": "go_.*"}, "monitoring_dropped_metrics: 'go_.*' must be a list"),
        ({"dropped_metrics": [None]}, "monitoring_dropped_metrics: None must be a regular expression"),
        ({"certificate_days": "month"}, "monitoring_certificate_days: 'month' must be a number above 0"),
        ({"etcd_backup_hours": 0}, "monitoring_etcd_backup_hours: 0 must be a number above 0"),
        ({"secret_files": "pager"}, "monitoring_secret_files: must be a map"),
        ({"operator_labels": {"a": "b c"}}, "monitoring_operator_labels[a]: 'b c' must be of letters"),
        ({"extra_scrape_configs": [{"job": "x"}]}, "monitoring_extra_scrape_configs: 1 has no job_name"),
        ({"extra_scrape_configs": [{"job_name": "node"}]}, "node is a job of the role, too; take another name"),
        ({"extra_scrape_configs": [{"job_name": "x"}] * 2}, "x is given twice, too; take another name"),
        ({"node_exporter_port": "9\u00b2"}, "is no port; allowed are 1 to 65535"),
        ({"alertmanager_route": "x"}, "monitoring_alertmanager_route: must be a route"),
        ({"extra_rules": "x"}, "monitoring_extra_rules: must be a list of groups"),
        ({"extra_rules": [{"rules": []}]}, "monitoring_extra_rules: group 1 has no name"),
        ({"extra_rules": [{"name": "a"}]}, "monitoring_extra_rules: group a has no rules"),
        ({"extra_rules": [{"name": "a", "rules": [{}]}] * 2}, "monitoring_extra_rules: group a is given twice"),
        ({"tls_cert_file": "/c"}, "monitoring_tls_key_file is empty"),
        ({"tls_key_file": "/k"}, "monitoring_tls_cert_file is empty"),
        (
            {"web_users": {"a": "secret"}, "web_user": "a", "web_password_file": "/p"},
            "monitoring_web_users: a: is no bcrypt hash",
        ),
        ({"web_users": {"a": HASH}, "web_user": "b", "web_password_file": "/p"}, "monitoring_web_user: 'b' is none of"),
        ({"web_users": {"a": HASH}, "web_user": "a"}, "monitoring_web_password_file is empty"),
    ],
)
def test_a_fault_is_told_by_name(given: dict[str, Any], said: str) -> None:
    (found,) = faults(settings(**given))
    assert said in found


def test_the_url_of_a_webhook_is_not_shown() -> None:
    (fault,) = faults(settings(alertmanager_receivers=[{"name": "x", "webhook_configs": [{"url": "htp://h/s3cret"}]}]))
    assert "s3cret" not in fault


def test_a_hash_that_is_a_password_is_not_shown() -> None:
    (fault,) = faults(settings(web_users={"a": "hunter2"}, web_user="a", web_password_file="/p"))
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("text", "expected"), [("10s", 10.0), ("2m", 120.0), ("500ms", 0.5), ("1h30m", None), (10, None)]
)
def test_durations(text: Any, expected: float | None) -> None:
    assert seconds(text) == expected


def test_another_program_at_a_port_of_the_role_is_told_once() -> None:
    said = [
        'listen 192.0.2.11:9090 users:(("prometheus",pid=1,fd=2))',
        'listen 127.0.0.1:9100 users:(("elsewhere",pid=1,fd=2))',
        'listen *:9093 users:(("cockpit",pid=1,fd=2))',
        'listen *:9093 users:(("cockpit",pid=2,fd=2))',
        "listen [::]:9094",
        "package openssl",
    ]
    assert host_faults(said, settings()) == [
        "n1: monitoring_alertmanager_port: *:9093 is taken by cockpit; end that, or choose another port",
        "n1: monitoring_alertmanager_cluster_port: [::]:9094 is taken by another program; end that, or choose another port",
    ]
    assert host_faults(said, settings(host={"server": False})) == []


def test_the_last_words_of_promtool_are_told() -> None:
    said = ["refused   FAILED:", 'refused /dev/stdin: 5:11: group "x"', "refused other"]
    assert host_faults(said, settings()) == [
        'n1: monitoring_extra_rules: promtool refuses it: 5:11: group "x"',
        "n1: monitoring_extra_rules: promtool refuses it: other",
    ]
