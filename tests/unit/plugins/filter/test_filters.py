# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as templates use them: their values, and errors that name the filter, the value and the way out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.virtops.kubevirt_ha.plugins.filter import (
    host_variables,
    quantities,
    recovery_budget,
    storage_faults,
)

FILTERS = {**quantities.FilterModule().filters(), **recovery_budget.FilterModule().filters()}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("to_bytes", "512Mi", 536870912),
        ("to_bytes", "1.5Gi", 1610612736),
        ("to_bytes", "2G", 2_000_000_000),
        ("to_bytes", 1024, 1024),
        ("to_bytes", "1500m", 2),
        ("to_cores", "250m", 0.25),
        ("to_cores", "2", 2),
        ("to_cores", 1.5, 1.5),
        ("to_millicores", "1.5", 1500),
        ("to_millicores", "100u", 1),
        ("to_millicores", 2, 2000),
        ("to_quantity", 536870912, "512Mi"),
        ("to_quantity", "1024Mi", "1Gi"),
        ("to_quantity", 1610612736.0, "1536Mi"),
        ("to_quantity", 1500, "1500"),
        ("to_quantity", 1.5, "1500m"),
        ("to_quantity", "0.5", "500m"),
        ("to_quantity", 0, "0"),
        ("to_quantity", 1536.5, "1537"),
    ],
)
def test_quantities(name: str, value: Any, expected: Any) -> None:
    found = FILTERS[name](value)
    assert found == expected
    assert type(found) is type(expected)


def test_decimal_quantities() -> None:
    assert FILTERS["to_quantity"]("2Gi", format="decimal") == "2147483648"
    assert FILTERS["to_quantity"](2_000_000_000, "decimal") == "2G"


@pytest.mark.parametrize("name", ["to_bytes", "to_cores", "to_millicores", "to_quantity"])
@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("1GB", "'1GB' is no quantity: write 1Gi for powers of 1024 or 1G for powers of 1000"),
        ("two", "'two' is no quantity: write a number with a unit such as 512Mi or 2Gi"),
        (None, "None is no quantity"),
        (True, "True is no quantity"),
        ({}, "{} is no quantity"),
    ],
)
def test_what_is_no_quantity(name: str, value: Any, advice: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        FILTERS[name](value)
    assert str(caught.value).startswith(f"virtops.kubevirt_ha.{name}: {advice}")


def test_a_format_that_does_not_exist() -> None:
    with pytest.raises(AnsibleError, match="format 'si' does not exist, write binary or decimal"):
        FILTERS["to_quantity"](1, "si")


def test_recovery_budget_takes_one_report_or_any_sequence_of_them() -> None:
    report = {"passed": True, "scenario": "node_power_loss", "rto_seconds": 14.0, "figures": {}, "faults": []}
    for given in (report, [report], (one for one in [report])):
        verdict = FILTERS["recovery_budget"](given, {"rto_seconds": 20})
        assert (verdict["passed"], verdict["drills"]) == (True, 1)


@pytest.mark.parametrize("given", ["reports/latest/report.json", 3, None])
def test_recovery_budget_says_what_it_takes(given: Any) -> None:
    with pytest.raises(AnsibleError, match="recovery_budget: .* is no drill report; give the content of report.json"):
        FILTERS["recovery_budget"](given)


def test_a_host_s_variables_are_put_together_once() -> None:
    looked: list[str] = []

    class Hostvars(dict[str, Any]):
        def __getitem__(self, host: str) -> Any:
            looked.append(host)
            return super().__getitem__(host)

    hosts = Hostvars({"a": {"x": 1, "y": None, "z": 3}, "b": {}, "c": {"x": 2}})
    found = host_variables.host_variables(hosts, ["a", "b"], ["x", "y"])
    assert found == {"a": {"x": 1, "y": None}, "b": {}} and looked == ["a", "b"]
    with pytest.raises(AnsibleError, match="host_variables: give hostvars"):
        host_variables.host_variables([], [], [])


@pytest.mark.parametrize(
    ("host", "names", "expected"),
    [
        ("n1", ("kubernetes_node_address",), "192.0.2.1"),
        ("n1", ("load_balancer_address", "kubernetes_node_address"), "192.0.2.1"),
        ("n2", ("kubernetes_node_address",), "198.51.100.2"),
        ("n3", ("kubernetes_node_address",), "n3"),
        ("nobody", (), "nobody"),
    ],
)
def test_a_host_is_reached_by_the_first_address_that_it_has(host: str, names: tuple[str, ...], expected: str) -> None:
    given = {
        "n1": {"kubernetes_node_address": "192.0.2.1", "ansible_host": "198.51.100.1"},
        "n2": {"kubernetes_node_address": "", "ansible_host": "198.51.100.2"},
        "n3": {},
    }
    assert host_variables.address_of(given, host, *names) == expected
    with pytest.raises(AnsibleError, match="give hostvars"):
        host_variables.address_of("n1", host)


def test_monitoring_is_asked_where_each_host_has_it_and_as_the_first_says() -> None:
    secured = {
        "monitoring_address": "192.0.2.1",
        "monitoring_tls_cert_file": "/c",
        "monitoring_tls_ca_file": "/ca",
        "monitoring_web_user": "look",
        "monitoring_web_password_file": "/p",
        "monitoring_alertmanager_port": 9999,
    }
    given = {"n1": secured, "n2": {"ansible_host": "192.0.2.2"}, "other": {}}
    assert host_variables.monitoring_servers(given, ["n1", "n2"]) == {
        "prometheus": [{"host": "n1", "url": "https://192.0.2.1:9090"}, {"host": "n2", "url": "http://192.0.2.2:9090"}],
        "alertmanagers": [
            {"host": "n1", "url": "https://192.0.2.1:9999"},
            {"host": "n2", "url": "http://192.0.2.2:9093"},
        ],
        "ca_file": "/ca",
        "user": "look",
        "password_file": "/p",
    }
    nothing = {"prometheus": [], "alertmanagers": [], "ca_file": "", "user": "", "password_file": ""}
    assert host_variables.monitoring_servers(given, []) == nothing
    by_operator = {"n1": {"monitoring_form": "operator", "monitoring_web_user": None}}
    assert host_variables.monitoring_servers(by_operator, ["n1"]) == nothing


def test_storage_faults_are_those_of_a_drill_and_take_text_only() -> None:
    judge = storage_faults.FilterModule().filters()["storage_faults"]
    assert judge('{"status": "HEALTH_OK", "checks": {}}', "ceph_health", "n1") == []
    assert judge("", "ceph_health", "n1") == ["n1 does not tell Ceph's health"]
    with pytest.raises(AnsibleError, match="storage_faults: dict is no text; give the command's output"):
        judge({}, "ceph_health", "n1")
