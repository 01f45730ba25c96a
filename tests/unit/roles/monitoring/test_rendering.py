# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role writes on which host; Prometheus' and Alertmanager's own checkers take it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from monitored import HOSTS, ROLE, check, files, program, services, task_value, value

PROMETHEUS, ALERTMANAGER = "/etc/prometheus/prometheus.yml", "/etc/prometheus/alertmanager.yml"
RECEIVER = {"name": "pager", "webhook_configs": [{"url": "https://pager.example.net/"}]}
RULE = {"name": "own", "rules": [{"alert": "Own", "expr": "up == 0"}]}
GUARDED = {
    "monitoring_web_users": {"prometheus": "$2y$10$" + "a" * 53},
    "monitoring_web_user": "prometheus",
    "monitoring_web_password_file": __file__,
}
TLS = {f"monitoring_tls_{kind}_file": __file__ for kind in ("cert", "key", "ca")}
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"monitoring_alertmanager_receivers": [RECEIVER], "monitoring_extra_rules": [RULE], **GUARDED, **TLS},
    {"monitoring_dropped_metrics": [], "monitoring_guest_namespaces": ["demo"], "monitoring_kubelet_verify_tls": True},
    {
        "kubernetes_etcd": "external",
        "kubernetes_etcd_endpoints": ["https://192.0.2.31:2379"],
        "kubernetes_etcd_ca_file": __file__,
        "kubernetes_etcd_cert_file": __file__,
        "kubernetes_etcd_key_file": __file__,
    },
    {"shared_storage_backend": "cephfs", "shared_storage_ceph_cluster": "own", "monitoring_scrape_interval": "2s"},
)


def config(**given: Any) -> dict[str, Any]:
    """Prometheus' configuration."""
    return dict(yaml.safe_load(files(**given)[PROMETHEUS]["content"]))


def jobs(**given: Any) -> dict[str, dict[str, Any]]:
    """Its jobs by name."""
    return {job["job_name"]: job for job in config(**given)["scrape_configs"]}


def targets(job: dict[str, Any]) -> list[str]:
    """What a job asks."""
    return [target for group in job["static_configs"] for target in group["targets"]]


@pytest.mark.parametrize("given", SETTINGS, ids=lambda given: ",".join(given)[:60] or "defaults")
def test_the_programs_take_what_is_written(given: dict[str, Any], tmp_path: Path) -> None:
    found = files(**given)
    for path, command in ((PROMETHEUS, "promtool check config --syntax-only"), (ALERTMANAGER, "amtool check-config")):
        written = tmp_path / Path(path).name
        written.write_text(found[path]["content"])
        name, *rest = command.split()
        check([program(name), *rest, str(written)])


def test_every_host_of_the_platform_is_asked() -> None:
    assert targets(jobs()["node"]) == [f"{address}:9100" for address in HOSTS.values()]
    assert targets(jobs()["etcd"]) == [f"{HOSTS[host]}:2381" for host in ("n1", "n2", "n3")]
    assert targets(jobs()["haproxy"]) == [f"{HOSTS[host]}:8404" for host in ("n1", "n2")]


def test_every_prometheus_tells_every_alertmanager() -> None:
    (found,) = config()["alerting"]["alertmanagers"]
    assert targets(found | {"static_configs": found["static_configs"]}) == [
        f"{HOSTS[host]}:9093" for host in ("n1", "n2", "n3")
    ]


def test_an_alert_is_the_same_from_every_prometheus() -> None:
    """Labels that tell them apart would have it sent once by each."""
    assert "external_labels" not in config()["global"]
    other = yaml.safe_load(files("n2")[PROMETHEUS]["content"])
    assert other == config()


def test_alertmanagers_know_one_another_and_not_themselves() -> None:
    said = files("n2")["/etc/default/prometheus-alertmanager"]["content"]
    assert [f"--cluster.peer={HOSTS[host]}:9094" in said for host in ("n1", "n2", "n3")] == [True, False, True]


@pytest.mark.parametrize("name", ["prometheus", "prometheus-alertmanager", "prometheus-node-exporter"])
def test_everything_listens_at_the_hosts_address(name: str) -> None:
    said = files()[f"/etc/default/{name}"]["content"]
    assert f"--web.listen-address={HOSTS['n1']}:" in said
    assert "--cluster.listen-address=192.0.2.11:9094" in said or name != "prometheus-alertmanager"
    # One shell variable: whatever is left of a line's end would be an argument.
    assert said.count('"') == 2 and all(line.endswith(("\\", '"')) for line in said.splitlines()[1:] if line[:1] != "#")


def test_a_host_that_is_no_monitoring_node_has_exporters_alone() -> None:
    found = files("w1")
    assert not [path for path in found if path.startswith("/etc/prometheus")]
    assert "/etc/kubevirt-ha/monitoring/token" not in found
    assert "/etc/default/prometheus-node-exporter" in found
    names = [entry["name"] for entry in services("w1") if entry["state"] == "started"]
    assert names == ["prometheus-node-exporter", "kubevirt-ha-collector@host.timer"]


def test_one_that_is_none_any_more_loses_its_secrets_and_stops() -> None:
    given = {"__monitoring_look": {"stdout_lines": ["server"]}, "monitoring_secret_files": {"pager": __file__}}
    gone = [path for path, entry in files("w1", **given).items() if entry.get("state") == "absent"]
    folder = "/etc/prometheus/kubevirt-ha"
    assert {f"{folder}/token", f"{folder}/secrets/pager", PROMETHEUS, "/etc/kubevirt-ha/monitoring/token"} <= set(gone)
    stopped = [entry["name"] for entry in services("w1", **given) if entry["state"] == "stopped"]
    assert {"prometheus", "prometheus-alertmanager"} <= set(stopped)


@pytest.mark.parametrize("given", SETTINGS, ids=lambda given: ",".join(given)[:60] or "defaults")
def test_secrets_are_for_their_reader_alone(given: dict[str, Any]) -> None:
    more = {"monitoring_secret_files": {"pager": __file__}}
    secret = ("/token", "web.key", "web-password", "etcd.key", "/secrets/pager", "alertmanager.yml", "web.yml")
    found = [entry for path, entry in files(**given, **more).items() if path.endswith(secret) and "content" in entry]
    assert len(found) >= 4
    for entry in found:
        assert entry["mode"] == "0600" and entry["secret"], entry["path"]


def offered(host: str = "n1", **given: Any) -> list[int]:
    """Ports that have a socket."""
    names = [entry["name"] for entry in services(host, **given)]
    return sorted(int(name[20:-7]) for name in names if name.startswith("kubevirt-ha-metrics@"))


def test_ports_of_the_loopback_address_are_offered_where_they_are() -> None:
    assert offered() == [2381, 8404, 10257, 10259]
    assert offered("n3") == [2381, 10257, 10259]
    assert offered("w1") == []
    assert 8404 not in offered(load_balancer_stats_address="192.0.2.11")


def test_a_proxy_without_metrics_is_not_asked() -> None:
    assert "haproxy" not in jobs(load_balancer_proxy="nginx")


def test_the_slow_jobs_are_asked_seldom_and_lose_what_nobody_asks_for() -> None:
    found = jobs()
    assert {name for name, job in found.items() if job.get("scrape_interval") == "30s"} == {
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "cadvisor",
        "metrics-server",
        "coredns",
    }
    (rule,) = found["kube-apiserver"]["metric_relabel_configs"]
    assert rule["action"] == "drop" and "apiserver" in rule["regex"]
    assert found["kube-apiserver"]["tls_config"] == {"ca_file": "/etc/prometheus/kubevirt-ha/ca.crt"}


def test_nobody_is_told_unless_asked_for() -> None:
    quiet = yaml.safe_load(files()[ALERTMANAGER]["content"])
    assert quiet["route"]["receiver"] == "nobody" and quiet["receivers"] == [{"name": "nobody"}]
    told = yaml.safe_load(files(monitoring_alertmanager_receivers=[RECEIVER])[ALERTMANAGER]["content"])
    assert told["route"]["receiver"] == "pager"
    routed = {"monitoring_alertmanager_receivers": [RECEIVER], "monitoring_alertmanager_route": {"group_wait": "1s"}}
    assert yaml.safe_load(files(**routed)[ALERTMANAGER]["content"])["route"]["group_wait"] == "1s"


def test_a_lost_node_is_told_within_a_minute() -> None:
    """The worst of each step: the question's interval and time-out, the rule, its turn, the group's wait, one more Alertmanager's turn."""
    given, route = config()["global"], yaml.safe_load(files()[ALERTMANAGER]["content"])["route"]
    rules = yaml.safe_load((ROLE / "files/rules/nodes.yml").read_text())["groups"][0]["rules"]
    (rule,) = [rule for rule in rules if rule["alert"] == "NodeLost"]
    peer = 10
    steps = [
        given["scrape_interval"],
        given["scrape_timeout"],
        rule["for"],
        given["evaluation_interval"],
        route["group_wait"],
    ]
    assert sum(int(step[:-1]) for step in steps) + peer <= 50


def test_rules_of_the_user_are_written_and_read() -> None:
    found = files(monitoring_extra_rules=[RULE])
    path = "/etc/prometheus/kubevirt-ha/rules-extra.yml"
    assert yaml.safe_load(found[path]["content"]) == {"groups": [RULE]}
    assert path in yaml.safe_load(found[PROMETHEUS]["content"])["rule_files"]
    assert files()[path]["state"] == "absent"


def asked(host: str) -> dict[str, Any]:
    """What the collector of a host looks at there."""
    return dict(json.loads(files(host)["/etc/kubevirt-ha/monitoring/collector.json"]["content"])["host"])


def test_the_collector_of_a_host_looks_at_what_the_host_is() -> None:
    assert asked("n1")["vips"] == [{"name": "api", "address": "192.0.2.100"}]
    assert asked("n1")["brick"]["wanted"] == 3 and asked("n1")["mount"]
    assert asked("n3")["vips"] == [] and asked("n3")["brick"]
    assert asked("w1")["brick"] == {} and asked("w1")["mount"] and asked("w1")["expected_targets"] == {}
    assert asked("n1")["expected_targets"]["node"] == 4


def test_the_operators_form_brings_rules_and_no_server() -> None:
    given = {"monitoring_form": "operator", "monitoring_operator_labels": {"release": "x"}}
    assert PROMETHEUS not in files(**given)
    assert "prometheus" not in value("__monitoring_wanted", **given)
    objects = {(one["kind"], one["metadata"]["name"]): one for one in value("__monitoring_operator_objects", **given)}
    rule = objects["PrometheusRule", "kubevirt-ha"]
    assert len(rule["spec"]["groups"]) == len(value("__monitoring_rules"))
    assert "{{ $labels.host }} does not answer" in json.dumps(rule)
    assert rule["metadata"]["labels"] == {"release": "x"}
    assert ("PodMonitor", "kubevirt-ha") in objects and ("ScrapeConfig", "kubevirt-ha-node") in objects


def test_dashboards_are_provisioned_only_where_asked_for() -> None:
    assert not [path for path in files() if "grafana" in path]
    given = {"monitoring_grafana": True, "monitoring_grafana_packages": []}
    found = files(**given)
    boards = [
        json.loads(entry["content"]) for path, entry in found.items() if path.endswith(".json") and "dashboards" in path
    ]
    source = yaml.safe_load(found["/etc/grafana/provisioning/datasources/kubevirt-ha.yml"]["content"])
    assert len(boards) == 3
    assert {panel["datasource"]["uid"] for board in boards for panel in board["panels"]} == {
        source["datasources"][0]["uid"]
    }
    assert "grafana-server" not in [entry["name"] for entry in services(**given)]


def said(*lines: str, **given: Any) -> list[str]:
    """What preflight says of a host that said this of itself."""
    look = {"stdout_lines": list(lines)}
    return list(task_value("faults", "List this host's faults", "__monitoring_faults", __monitoring_look=look, **given))


def test_a_port_that_another_has_is_told_and_one_s_own_is_not() -> None:
    own = 'listen 192.0.2.11:9090 users:(("prometheus",pid=1,fd=2))'
    elsewhere = 'listen 127.0.0.1:9100 users:(("other",pid=1,fd=2))'
    assert said(own, elsewhere) == []
    (fault,) = said(own, 'listen *:9093 users:(("cockpit",pid=1,fd=2))')
    assert fault.startswith("n1: monitoring_alertmanager_port: *:9093 is taken by cockpit")


def test_a_rule_that_promtool_refuses_is_told_in_its_words() -> None:
    (fault,) = said(
        "refused   FAILED:", 'refused /dev/stdin: 5:11: group "wrong", rule 1, "Wrong": could not parse expression'
    )
    assert (
        fault
        == 'n1: monitoring_extra_rules: promtool refuses it: 5:11: group "wrong", rule 1, "Wrong": could not parse expression'
    )


def test_rules_of_any_length_reach_promtool(tmp_path: Path) -> None:
    task = yaml.safe_load((ROLE / "tasks" / "faults.yml").read_text())[0]
    promtool = tmp_path / "promtool"
    promtool.write_text("#!/bin/sh\necho $(wc -c) bytes >&2\n")
    text, large = task["ansible.builtin.shell"], "x" * (1 << 20)

    def run(**given: str) -> str:
        environment = {**os.environ, "WANTED": "", "FOLDER": "/nonexistent", "RULES": "given", **given}
        command = ["bash", "-c", text]
        return subprocess.run(command, input=large, env=environment, text=True, capture_output=True, check=True).stdout

    assert "unasked" in run()
    promtool.chmod(0o755)
    assert f"refused {1 << 20} bytes" in run(PATH=f"{tmp_path}:{os.environ['PATH']}")


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """A folder of programs whose apt-get gives a package with a promtool that refuses what it reads."""
    root, package, folder = tmp_path / "root", tmp_path / "prometheus_1_all.deb", tmp_path / "bin"
    promtool = root / "usr" / "bin" / "promtool"
    for made in (promtool.parent, root / "DEBIAN", folder):
        made.mkdir(parents=True)
    control = "Package: prometheus\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: x\n"
    (root / "DEBIAN" / "control").write_text(control)
    promtool.write_text('#!/bin/sh\n[ "$1" = --version ] || sed "s/^/saw /" >&2\n')
    promtool.chmod(0o755)
    check(["dpkg-deb", "--build", str(root), str(package)])
    apt = folder / "apt-get"
    apt.write_text(f'#!/bin/sh\npwd >{tmp_path}/where\ncase "$*" in *download*) cp {package} . ;; esac\n')
    apt.chmod(0o755)
    return folder


def asked_of_package(folder: Path, rules: str) -> list[str]:
    """What the script says that asks a promtool out of its package."""
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = ["bash", "-c", (ROLE / "files" / "promtool.sh").read_text()]
    done = subprocess.run(command, input=rules, env=environment, text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


def test_promtool_is_asked_out_of_a_package_that_leaves_nothing(fetched: Path, tmp_path: Path) -> None:
    assert asked_of_package(fetched, "groups: []\n") == ["refused saw groups: []"]
    assert not Path((tmp_path / "where").read_text().strip()).parent.exists()


def test_rules_that_no_promtool_saw_are_told_with_the_reason(fetched: Path, tmp_path: Path) -> None:
    (fetched / "apt-get").write_text(f"#!/bin/sh\npwd >{tmp_path}/where\necho 'E: no way there' >&2\nexit 100\n")
    assert asked_of_package(fetched, "x" * (1 << 20)) == ["unchecked E: no way there"]
    assert not Path((tmp_path / "where").read_text().strip()).parent.exists()
    assert said("unchecked E: no way there") == []


@pytest.mark.parametrize("form", ["hosts", "operator"])
def test_promtool_is_given_the_rules_of_both_forms(form: str) -> None:
    given = {"monitoring_form": form, "monitoring_extra_rules": [RULE]}
    assert yaml.safe_load(value("__monitoring_given_rules", **given)) == {"groups": [RULE]}
    assert value("__monitoring_given_rules", "w1", **given) == ""


def test_a_namespace_of_digits_stays_a_name() -> None:
    names = {"monitoring_kubevirt_namespace": "1", "monitoring_guest_namespaces": ["2"]}
    shown = value(f"lookup('ansible.builtin.template', '{ROLE}/templates/cluster.yaml.j2')", **names)
    spaces = [item["metadata"].get("namespace") for item in yaml.safe_load_all(shown) if item]
    assert "1" in spaces and "2" in spaces and 1 not in spaces and 2 not in spaces


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a b"])
def test_a_secret_lies_in_its_folder(name: str) -> None:
    given = {"monitoring_secret_files": {name: __file__}}
    found = task_value("inventory", "Find faults of the inventory", "__monitoring_inventory_faults", **given)
    assert f"monitoring_secret_files: {name} is no name of a file" in found[0]


def test_defaults_and_argument_specs_have_the_same_variables_in_the_same_order() -> None:
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert list(options) == list(yaml.safe_load((ROLE / "defaults/main.yml").read_text()))


@pytest.mark.parametrize("form", ["hosts", "operator"])
def test_kubevirt_is_told_of_an_operators_prometheus(form: str) -> None:
    kubevirt = DataLoader()
    variables = {
        name: found
        for part in ("defaults", "vars")
        for name, found in kubevirt.load_from_file(
            str(ROLE.parent / "kubevirt" / part / "main.yml"), trusted_as_template=True
        ).items()
    }
    made = Templar(kubevirt, variables={**variables, "monitoring_form": form}).template(
        trust_as_template("{{ __kubevirt_overrides }}")
    )
    told = {"monitorNamespace": "monitoring", "monitorAccount": "prometheus-k8s"}
    assert made.get("spec", {}) == (told if form == "operator" else {})


def judged(*down: tuple[str, str], short: str = "", unknown: str = "") -> list[str]:
    """What the role says of these targets that are down, with the error; `short` lacks one, and nobody asked `unknown` yet."""
    errors = dict(down)
    targets = [
        {
            "scrapePool": job,
            "labels": {"instance": f"{job}-{number}"},
            "health": "unknown" if job == unknown else "down" if not number and job in errors else "up",
            "lastError": errors.get(job, ""),
        }
        for job, count in asked("n1")["expected_targets"].items()
        for number in range(count - (job == short))
    ]
    return list(value("__monitoring_bad", __monitoring_targets={"json": {"data": {"activeTargets": targets}}}))


def test_what_is_monitored_may_be_down_and_what_monitors_may_not() -> None:
    assert judged() == []
    assert judged(("etcd", "connection refused"), ("kube-scheduler", "EOF")) == []
    assert judged(("node", "connection refused")) == ["node node-0: connection refused"]


@pytest.mark.parametrize(
    "error", ["server returned HTTP status 403 Forbidden", "x509: certificate signed by unknown authority"]
)
def test_what_refuses_to_answer_is_a_fault_of_the_role(error: str) -> None:
    assert judged(("kube-apiserver", error)) == [f"kube-apiserver kube-apiserver-0: {error}"]


def test_targets_that_are_missing_or_were_never_asked_are_told() -> None:
    assert judged(short="kubelet") == ["kubelet: 3 of 4 targets were asked"]
    assert judged(unknown="etcd") == ["etcd: 0 of 3 targets were asked"]
    assert judged(unknown="kube-apiserver") == []  # asked too seldom to be waited for
