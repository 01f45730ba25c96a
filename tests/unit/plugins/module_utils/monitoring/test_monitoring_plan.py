# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned of settings: who is asked, what lies on a host, what runs there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import (
    alertmanager,
    collector,
    files,
    grafana,
    hosts,
    operator_form,
    scrape,
    services,
    targets,
)
from monitoring_settings import HASH, settings

OUTSIDE = {"member": False, "server": False, "name": "w1"}
EXTERNAL = {
    "external_etcd": True,
    "etcd_endpoints": ["https://e1:2379", "e2:2379"],
    "etcd_files": ["/ca", "/crt", "/key"],
}
GUARDED = {"web_users": {"a": HASH}, "web_user": "a", "web_password_file": "/password"}
TLS: dict[str, Any] = {"tls_cert_file": "/crt", "tls_key_file": "/key", "tls_ca_file": "/ca"}
SECURE = {"tls": True, "scheme": "https", "url": "https://192.0.2.11"}


def jobs(**given: Any) -> dict[str, dict[str, Any]]:
    """The jobs by name."""
    return {job["job_name"]: job for job in scrape.configuration(settings(**given))["scrape_configs"]}


def written(tokens: bool = True, **given: Any) -> dict[str, dict[str, Any]]:
    """The files by path; a text says where it was read."""
    account = {"token": "dG9rZW4=", "ca.crt": "Y2E="}
    accounts = {f"kubevirt-ha-{name}": account for name in ("prometheus", "collector")} if tokens else {}
    texts = files.Texts(lambda where, name: f"{where} {name}", lambda value, ordered: json.dumps(value), accounts)
    entries = files.files(settings(**given), texts)
    found = {entry["path"]: entry for entry in entries}
    assert len(found) == len(entries)
    return found


def test_the_first_variable_that_a_host_has_is_its_address() -> None:
    assert hosts.addresses(settings()) == {"n1": "192.0.2.11", "n2": "10.0.0.2", "w1": "w1"}
    own = {"hosts": {"n1": {"monitoring_address": "x", "ansible_host": "y"}}}
    assert hosts.addresses(settings(platform=own)) == {"n1": "x"}
    assert hosts.members(settings(platform={"groups": {}})) == {}


@pytest.mark.parametrize(
    ("given", "targets", "offered"),
    [
        ({}, {"n1": "192.0.2.11:8404"}, [10257, 10259, 2381, 8404]),
        ({"load_balancer_stats_address": "127.0.0.9"}, {"n1": "192.0.2.11:8404"}, [10257, 10259, 2381, 8404]),
        (
            {"load_balancer_stats_address": "192.0.2.5", "load_balancer_stats_port": "9000"},
            {"n1": "192.0.2.5:9000"},
            [10257, 10259, 2381],
        ),
        ({"load_balancer_proxy": "nginx"}, {}, [10257, 10259, 2381]),
    ],
)
def test_haproxy_is_asked_where_it_can_be(given: dict[str, Any], targets: dict[str, str], offered: list[int]) -> None:
    found = settings(platform={"hosts": {"n1": {"ansible_host": "192.0.2.11", **given}}})
    assert hosts.haproxy_targets(found) == targets
    assert hosts.offered_ports(found) == offered


def test_an_external_etcd_is_asked_with_its_certificate_and_no_host_offers_one() -> None:
    found = jobs(platform=EXTERNAL)["etcd"]
    assert found["static_configs"] == [{"targets": ["e1:2379", "e2:2379"]}]
    assert found["tls_config"]["key_file"] == "/folder/etcd.key"
    assert 2381 not in hosts.offered_ports(settings(platform=EXTERNAL))
    assert written(platform=EXTERNAL)["/folder/etcd.key"]["content"] == "given /key"
    assert "etcd" not in scrape.expected(settings(platform=EXTERNAL))


def test_every_job_but_that_of_guests_drops_what_nobody_asks_for() -> None:
    found = jobs(guest_namespaces=["demo"])
    assert [name for name, job in found.items() if "metric_relabel_configs" not in job] == ["guests"]
    assert found["node"]["metric_relabel_configs"][0]["regex"] == "a.*|b"
    assert not [job for job in jobs(dropped_metrics=[]).values() if "metric_relabel_configs" in job]
    assert "guests" not in jobs()


def test_jobs_of_others_come_last_and_those_without_hosts_not_at_all() -> None:
    given = {"extra_scrape_configs": [{"job_name": "own"}], "platform": {"metrics_server": False, "own_ceph": True}}
    found = list(jobs(**given))
    assert found[-1] == "own" and "metrics-server" not in found and "ceph" in found
    assert "ceph" not in jobs()


def test_kubelets_are_verified_where_asked() -> None:
    assert jobs()["cadvisor"]["tls_config"] == {"insecure_skip_verify": True}
    assert jobs(kubelet_verify_tls=True)["cadvisor"]["tls_config"] == {"ca_file": "/folder/ca.crt"}
    assert jobs()["cadvisor"]["file_sd_configs"] == jobs()["kubelet"]["file_sd_configs"]


@pytest.mark.parametrize(
    ("interval", "timeout"), [("10s", "5s"), ("5s", "5s"), ("4s", "4s"), ("1m", "5s"), ("1m30s", "5s")]
)
def test_the_time_out_is_within_the_interval(interval: str, timeout: str) -> None:
    assert scrape.configuration(settings(scrape_interval=interval))["global"]["scrape_timeout"] == timeout


def test_prometheus_goes_to_the_pages_as_they_are_served() -> None:
    assert scrape.web_client(settings()) == {"scheme": "http"}
    assert scrape.web_client(settings(host=SECURE, **TLS, **GUARDED)) == {
        "scheme": "https",
        "tls_config": {"ca_file": "/folder/web-ca.crt"},
        "basic_auth": {"username": "a", "password_file": "/folder/web-password"},
    }


def test_targets_that_there_must_be() -> None:
    found = scrape.expected(settings())
    assert found["node"] == 3 and found["kubelet"] == found["cadvisor"] == 3 and found["kubevirt"] == 2
    assert scrape.expected(settings(platform={"groups": {}}))["kubelet"] == 0


def test_receivers_and_route() -> None:
    assert alertmanager.configuration(settings())["route"]["receiver"] == "nobody"
    given = settings(alertmanager_receivers=[{"name": "pager"}], alertmanager_route={"group_wait": "1s"})
    found = alertmanager.configuration(given)
    assert found["route"]["receiver"] == "pager" and found["route"]["group_wait"] == "1s"
    assert found["receivers"] == [{"name": "nobody"}, {"name": "pager"}]


def test_the_collector_looks_at_what_the_host_is() -> None:
    found = collector.configuration(settings())
    assert found["host"]["vips"][0] == {"name": "api", "address": "192.0.2.100"}
    assert found["host"]["brick"] == {"volume": "shared", "path": "/brick", "wanted": 2}
    assert found["host"]["mount"] == "/mount" and found["cluster"]["targets_folder"] == "/targets"
    outside = collector.configuration(settings(host=OUTSIDE))
    assert outside["host"]["vips"] == [] and outside["host"]["brick"] == {} and outside["host"]["mount"] == "/mount"
    assert outside["host"]["expected_targets"] == {} and outside["cluster"]["targets_folder"] == ""


@pytest.mark.parametrize(
    ("backend", "own", "mount"), [("nfs", False, ""), ("cephfs", False, ""), ("cephfs", True, "/mount")]
)
def test_what_is_mounted_from_elsewhere_is_not_looked_at(backend: str, own: bool, mount: str) -> None:
    found = collector.configuration(settings(platform={"storage_backend": backend, "own_ceph": own}))["host"]
    assert (found["brick"], found["mount"]) == ({}, mount)


def test_a_host_has_the_files_of_what_it_is() -> None:
    outside = written(host=OUTSIDE)
    assert not [path for path in outside if path.startswith(("/folder", "/etc/prometheus"))]
    assert "/config/token" not in outside
    member = written(host={"server": False})
    assert member["/config/token"]["content"] == "token" and "/folder/token" not in member
    server = written()
    assert server["/folder/token"]["secret"] and server["/folder/ca.crt"]["content"] == "ca"
    assert server["/folder/web.yml"]["state"] == server["/folder/rules-extra.yml"]["state"] == "absent"
    assert server["/etc/prometheus/prometheus.yml"]["content"].startswith("# mark\n{")
    assert "/folder/token" not in written(tokens=False)


def test_secrets_of_the_controller_are_copied_for_their_reader_alone() -> None:
    found = written(host=SECURE, secret_files={"pager": "/pager"}, **TLS, **GUARDED)
    for path, content in (
        ("/folder/web.key", "given /key"),
        ("/folder/web-password", "given /password"),
        ("/secrets/pager", "given /pager"),
    ):
        assert (found[path]["content"], found[path]["mode"], found[path]["owner"]) == (content, "0600", "prometheus")
    served = json.loads(found["/folder/web.yml"]["content"])
    assert set(served) == {"tls_server_config", "basic_auth_users"}


def test_what_is_read_is_what_files_are_made_of() -> None:
    given: dict[str, Any] = {"host": SECURE, "grafana": True, "secret_files": {"a": "/ca"}, **TLS, **GUARDED}
    read = files.sources(settings(**given))
    texts = {f"{where} {name}" for where, names in read.items() for name in names}
    made = {str(entry.get("content")) for entry in written(**given).values()}
    assert {content for content in made if content.split(" ")[0] in read} <= texts
    assert read["given"] == ["/crt", "/key", "/ca", "/password"], "each once"
    assert files.sources(settings(host=OUTSIDE))["given"] == []


def test_a_host_that_is_no_monitoring_node_any_more_loses_all_that_a_server_has() -> None:
    given: dict[str, Any] = {"secret_files": {"pager": "/pager"}, "platform": EXTERNAL, **TLS, **GUARDED}
    left = {
        path
        for path, entry in written(host={**OUTSIDE, "leaves": True}, **given).items()
        if entry.get("state") == "absent"
    }
    had = {path for path, entry in written(host=SECURE, **given).items() if entry.get("state") != "directory"}
    stay = {
        path for path in had if path.startswith(("/units", "/collector/")) or path.endswith(("node-exporter", ".json"))
    }
    assert had - stay <= left


def test_grafana_is_told_how_to_reach_prometheus() -> None:
    (plain,) = grafana.source(settings(), "", "")["datasources"]
    assert plain["url"] == "http://192.0.2.11:9090" and plain["secureJsonData"] == {}
    (guarded,) = grafana.source(settings(host=SECURE, **TLS, **GUARDED), "secret", "authority")["datasources"]
    assert guarded["secureJsonData"] == {"basicAuthPassword": "secret", "tlsCACert": "authority"}
    assert guarded["jsonData"]["tlsAuthWithCACert"] and guarded["basicAuth"]
    path = "/etc/grafana/provisioning/datasources/kubevirt-ha.yml"
    assert written(grafana=True)[path]["group"] == "grafana"
    assert "group" not in written(grafana=True, grafana_packages=[])[path]


def states(**given: Any) -> dict[str, str]:
    """The state of each unit that has one."""
    return {entry["name"]: entry["state"] for entry in services.services(settings(**given))}


def test_what_runs_where() -> None:
    server = states(grafana=True)
    assert (
        server["prometheus"] == server["grafana-server"] == server["kubevirt-ha-collector@cluster.timer"] == "started"
    )
    assert "grafana-server" not in states(grafana=True, grafana_packages=[])
    outside = states(host={**OUTSIDE, "leaves": True})
    assert outside["prometheus"] == outside["kubevirt-ha-collector@cluster.timer"] == "stopped"
    assert [entry["apply"] for entry in services.reloads(settings())] == ["reload", "reload"]
    assert services.reloads(settings(host=OUTSIDE)) == []


def test_an_operator_is_given_jobs_that_need_no_token() -> None:
    found = operator_form.objects(
        settings(extra_rules=[{"name": "own"}], operator_labels={"a": "b"}), [{"name": "nodes"}]
    )
    names = [one["metadata"]["name"] for one in found if one["kind"] == "ScrapeConfig"]
    assert names == ["kubevirt-ha-node", "kubevirt-ha-haproxy", "kubevirt-ha-etcd"]
    assert found[0]["spec"]["groups"] == [{"name": "nodes"}, {"name": "own"}]
    assert {json.dumps(one["metadata"]["labels"]) for one in found} == {'{"a": "b"}'}


def test_a_target_that_is_down_is_bad_where_the_role_is_at_fault() -> None:
    def target(job: str, health: str, error: str = "") -> dict[str, Any]:
        return {"scrapePool": job, "labels": {"instance": "i"}, "health": health, "lastError": error}

    said = [
        target("node", "down", "refused"),
        target("etcd", "down", "EOF"),
        target("x", "down", "x509: wrong"),
        target("etcd", "unknown"),
        target("kubelet", "unknown"),
    ]
    assert targets.down(said) == ["node i: refused", "etcd i: EOF", "x i: x509: wrong"]
    assert targets.bad(said, {"node": 1, "etcd": 2, "kubelet": 1}) == [
        "node i: refused",
        "x i: x509: wrong",
        "etcd: 1 of 2 targets were asked",
    ]
