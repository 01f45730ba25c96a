# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way to a machine, its variables, and the reason where it does not lead there."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from made_up_cluster import content, hosts, interface, port, service, variables, vm, vmi

WINDOWS = {"id": "mswindows", "prettyName": "Windows Server 2022"}
BOTH = [
    interface("10.244.1.7", "fd00::7"),
    interface("fe80::1", "192.168.9.7", name="storage"),
    interface("172.17.0.1", name=None),
]


def connection(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key.startswith("ansible_")}


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "10.244.1.7"),
        ({"ip_family": "ipv6"}, "fd00::7"),
        ({"ip_family": "ipv4"}, "10.244.1.7"),
        ({"network_name": "storage"}, "192.168.9.7"),
        ({"network_name": "storage", "ip_family": "ipv6"}, "192.168.9.7"),
    ],
)
def test_an_address_on_a_network(given: dict[str, Any], address: str) -> None:
    found = variables(vmi(interfaces=BOTH), **given)
    assert connection(found) == {"ansible_host": address}
    assert found["vmi_unreachable"] is None


def test_the_pod_network_comes_before_what_is_listed_first() -> None:
    networks = [{"name": "storage", "multus": {}}, {"name": "pods", "pod": {}}]
    interfaces = [interface("192.168.9.7", name="storage"), interface("10.244.1.7", name="pods")]
    assert variables(vmi(networks=networks, interfaces=interfaces))["ansible_host"] == "10.244.1.7"
    without = [{"name": "storage", "multus": {}}]
    assert variables(vmi(networks=without, interfaces=interfaces))["ansible_host"] == "192.168.9.7"


@pytest.mark.parametrize(
    "text",
    [
        "-oProxyCommand=touch /tmp/x",
        "10.0.0.1; id",
        "$(id)",
        "{{ lookup('pipe', 'id') }}",
        "fe80::1%-oX",
        "127.0.0.1",
        "0.0.0.0",
        "",
        "web-1",
    ],
)
def test_what_a_guest_reports_is_taken_only_where_it_is_an_address(text: str) -> None:
    found = variables(vmi(interfaces=[interface(text)]))
    assert connection(found) == {}
    assert found["vmi_unreachable"] == "network: the instance reports no address on any network"


def test_a_machine_without_an_address_stays_without_a_host() -> None:
    assert connection(variables(vmi(interfaces=[]))) == {}
    found = variables(vmi(interfaces=BOTH), network_name="backup")
    assert connection(found) == {}
    assert found["vmi_unreachable"] == "network: the instance reports no address on network backup"


@pytest.mark.parametrize(
    ("types", "host", "number"),
    [
        (["LoadBalancer", "NodePort", "ClusterIP"], "203.0.113.5", 2222),
        (["NodePort", "ClusterIP"], "n1", 30022),
        (["ClusterIP"], "10.96.0.9", 2222),
    ],
)
def test_the_types_of_services_in_their_order(types: list[str], host: str, number: int) -> None:
    ports = [port(80, 8080, name="http", node=30080), port(2222, 22, name="ssh", node=30022)]
    balanced = service(type="LoadBalancer", ports=ports, ingress=[{"ip": "203.0.113.5"}])
    found = variables(vmi(), services=(balanced,), connect_by="service", service_types=types)
    assert connection(found) == {"ansible_host": host, "ansible_port": number}


def test_a_load_balancer_without_an_address_is_reached_by_its_node_port() -> None:
    pending = service(type="LoadBalancer", ports=[port(22, node=30022)])
    found = variables(vmi(), services=(pending,), connect_by="service", node_port_host="{node}.example.org")
    assert connection(found) == {"ansible_host": "n1.example.org", "ansible_port": 30022}


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (None, 10022),
        ("22", 10022),
        ("ssh", 10022),
        ("admin", 10443),
        ("8443", 10443),
        ("10443", 10443),
        ("2022", 10023),
        ("http", 10080),
    ],
)
def test_one_port_of_many_by_name_target_or_number(wanted: str | None, number: int) -> None:
    ports = [
        port(10080, "http", name="web"),
        port(10443, 8443, name="admin"),
        port(10022, 22, name="ssh"),
        port(10023, "second-ssh", name="more"),
    ]
    machine = vmi(ports=[{"name": "http", "port": 8080}, {"name": "second-ssh", "port": 2022}])
    given = {"service_port": wanted} if wanted else {}
    found = variables(machine, services=(service(ports=ports),), connect_by="service", **given)
    assert connection(found) == {"ansible_host": "10.96.0.9", "ansible_port": number}


def test_all_ports_of_all_services_are_variables() -> None:
    ports = [port(80, "http", name="web", node=30080), port(22, name="ssh")]
    found = variables(vmi(), services=(service("b", ports=ports), service("a", type="NodePort")), connect_by="service")
    assert [entry["name"] for entry in found["vmi_services"]] == ["a", "b"]
    assert found["vmi_services"][1]["ports"] == [
        {"name": "web", "port": 80, "target_port": "http", "node_port": 30080, "protocol": "TCP"},
        {"name": "ssh", "port": 22, "target_port": 22, "node_port": None, "protocol": "TCP"},
    ]
    assert found["vmi_services"][1]["shared"] is False


def test_a_port_of_udp_is_no_way() -> None:
    found = variables(vmi(), services=(service(ports=[{**port(22), "protocol": "UDP"}]),), connect_by="service")
    assert "ansible_host" not in found


@pytest.mark.parametrize(
    "selector",
    [
        {"vmi.kubevirt.io/id": "web-1"},
        {"vm.kubevirt.io/name": "web-1"},
        {"kubevirt.io/created-by": "uid-web-1"},
        {"kubevirt.io": "virt-launcher", "app": "web"},
        {"app": "web"},
    ],
)
def test_selectors_are_held_against_the_labels_of_the_launcher_pod(selector: dict[str, str]) -> None:
    found = variables(vmi(labels={"app": "web"}), services=(service(selector=selector),), connect_by="service")
    assert found["ansible_host"] == "10.96.0.9"


@pytest.mark.parametrize("selector", [{"app": "web", "tier": "gold"}, {"app": "db"}, {}])
def test_a_service_that_does_not_select_the_machine(selector: dict[str, str]) -> None:
    found = variables(vmi(labels={"app": "web"}), services=(service(selector=selector),), connect_by="service")
    assert connection(found) == {}
    assert found["vmi_services"] == []
    reason = "no LoadBalancer or NodePort or ClusterIP that has an address and selects this machine alone leads to its port 22"
    assert found["vmi_unreachable"] == f"service: {reason}"


def test_a_service_of_another_namespace_selects_nothing_here() -> None:
    assert "ansible_host" not in variables(vmi(), services=(service(namespace="other"),), connect_by="service")


@pytest.mark.parametrize("change", [{"clusterIP": "None"}, {"type": "ExternalName", "externalName": "example.org"}])
def test_a_service_without_an_address_is_no_way(change: dict[str, Any]) -> None:
    assert "ansible_host" not in variables(vmi(), services=(service(**change),), connect_by="service")


def test_the_second_way_is_taken_where_the_first_does_not_lead() -> None:
    found = variables(vmi(), connect_by=["service", "network"])
    assert connection(found) == {"ansible_host": "10.244.1.7"}
    assert found["vmi_unreachable"] is None
    neither = variables(vmi(interfaces=[]), connect_by=["service", "network"])
    assert neither["vmi_unreachable"].startswith("service: no LoadBalancer")
    assert "; network: the instance reports no address" in neither["vmi_unreachable"]


def test_a_bastion() -> None:
    found = variables(vmi(), connect_by="bastion", bastion="ops@jump:2222,second")
    assert connection(found) == {
        "ansible_host": "10.244.1.7",
        "ansible_ssh_common_args": "-o ProxyJump=ops@jump:2222,second",
    }


def test_virtctl_needs_no_address() -> None:
    found = variables(vmi(interfaces=[]), connect_by="virtctl")
    assert connection(found) == {
        "ansible_ssh_common_args": "-o 'ProxyCommand=virtctl port-forward --stdio=true vmi/web-1/shop %p'"
    }
    assert found["vmi_unreachable"] is None


def virtctl(**given: Any) -> list[str]:
    """The words of the tunnel's command."""
    proxy = shlex.split(variables(vmi(), connect_by="virtctl", **given)["ansible_ssh_common_args"])[1]
    words = shlex.split(proxy.removeprefix("ProxyCommand=").replace("%%", "%"))
    assert words[-4:] == ["port-forward", "--stdio=true", "vmi/web-1/shop", "%p"]
    return words[:-4]


def test_virtctl_logs_in_as_the_inventory_does() -> None:
    assert virtctl() == ["virtctl"]
    assert virtctl(kubeconfig="/my files/100%/config", context="it's", virtctl="/opt/virtctl") == [
        "/opt/virtctl", "--kubeconfig", "/my files/100%/config", "--context", "it's",
    ]  # fmt: skip
    assert virtctl(kubeconfig="/a:/b") == ["env", "KUBECONFIG=/a:/b", "virtctl"]
    assert virtctl(kubeconfig="~/config")[-1].startswith("/")


def test_virtctl_sends_no_other_clusters_credentials() -> None:
    certificates = {"client_cert": "/c", "client_key": "/k", "ca_cert": "/ca"}
    assert virtctl(host="https://a", impersonate_user="eve", impersonate_groups="x,y", validate_certs=False, **certificates) == [
        "virtctl", "--kubeconfig", "/dev/null", "--server", "https://a", "--certificate-authority", "/ca", "--client-certificate", "/c",
        "--client-key", "/k", "--as", "eve", "--as-group=x", "--as-group=y", "--insecure-skip-tls-verify",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["web-1'; touch x", "-oX", "Web", "a$(id)"])
def test_a_name_that_no_api_server_gives_gets_into_no_command(name: str) -> None:
    found = variables(vmi(name), connect_by="virtctl")
    assert "ansible_ssh_common_args" not in found


@pytest.mark.parametrize(("target", "scheme"), [(5986, {}), (5985, {"ansible_winrm_scheme": "http"})])
def test_windows_by_winrm_through_a_service(target: int, scheme: dict[str, str]) -> None:
    found = variables(
        vmi(guestOSInfo=WINDOWS), services=(service(ports=[port(80), port(443, target)]),), connect_by="service"
    )
    assert connection(found) == {
        "ansible_connection": "winrm",
        "ansible_host": "10.96.0.9",
        "ansible_port": 443,
        **scheme,
    }


def test_windows_prefers_the_encrypted_port() -> None:
    services = (service(ports=[port(5985), port(5986)]),)
    found = variables(vmi(guestOSInfo=WINDOWS), services=services, connect_by="service", windows_connection="psrp")
    assert connection(found) == {"ansible_connection": "psrp", "ansible_host": "10.96.0.9", "ansible_port": 5986}
    plain = variables(
        vmi(guestOSInfo=WINDOWS),
        services=(service(ports=[port(5985)]),),
        connect_by="service",
        windows_connection="psrp",
    )
    assert plain["ansible_psrp_protocol"] == "http"


@pytest.mark.parametrize("way", [{"connect_by": "bastion", "bastion": "jump"}, {"connect_by": "virtctl"}])
def test_tunnels_carry_ssh_only(way: dict[str, Any]) -> None:
    found = variables(vmi(guestOSInfo=WINDOWS), **way)
    assert connection(found) == {"ansible_connection": "winrm"}
    assert (
        "it carries ssh only, and this Windows guest is reached by winrm (windows_connection)"
        in found["vmi_unreachable"]
    )
    by_ssh = variables(vmi(guestOSInfo=WINDOWS), windows_connection="ssh", **way)
    assert by_ssh["ansible_shell_type"] == "cmd"
    assert by_ssh["ansible_connection"] == "ssh"
    assert "ansible_ssh_common_args" in by_ssh


def test_windows_by_network() -> None:
    assert connection(variables(vmi(guestOSInfo=WINDOWS))) == {
        "ansible_connection": "winrm",
        "ansible_host": "10.244.1.7",
    }


def test_a_machine_that_does_not_run_is_not_reached() -> None:
    (host,) = hosts(content(vms=(vm(printableStatus="Stopped"),)), machines="all", connect_by="virtctl").values()
    assert connection(dict(host.variables)) == {}
    assert host.variables["vmi_unreachable"] == "the machine does not run, it is Stopped"
