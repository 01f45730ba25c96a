# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports are asked of whom, and what is said of the answers, without a network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight import asker, disk, faults, listener, plan
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight.asker import Answer, Echo
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.preflight.plan import Node, Question

CONTROL = Node("c1", ("control_plane", "load_balancers"), "192.0.2.1", balancer_address="203.0.113.1")
OTHER = Node("c2", ("control_plane", "load_balancers"), "192.0.2.2", balancer_address="203.0.113.2")
WORKER = Node("w1", ("kvm_nodes",), "192.0.2.3")
STORE = Node.of({"name": "s1", "groups": ["storage_nodes"], "address": "192.0.2.4", "storage_address": "198.51.100.4"})
NODES = [CONTROL, OTHER, WORKER, STORE]


WATCH = Node("m1", ("monitoring_nodes",), "192.0.2.5")


NO_CEPH = {"Ceph monitor": 0, "Ceph OSD": 0}


def asked(own: Node | None, nodes: list[Node] | None = None, **ports: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    given = {**NO_CEPH, **{name.replace("_", "-"): port for name, port in ports.items()}}
    for question in plan.questions(own, nodes or NODES, given):
        found.setdefault(question.node, []).append(question.port)
    return found


def test_each_node_asks_for_what_its_groups_need() -> None:
    assert asked(CONTROL) == {"c2": [6443, 2379, 2380, 10250], "w1": [10250]}
    assert asked(WORKER) == {"c1": [6443], "c2": [6443], "s1": [24007, 49152]}
    assert asked(STORE) == {}


def test_the_controller_asks_all_and_the_port_of_the_inventory_is_taken() -> None:
    assert asked(None, kube_apiserver=7443) == {
        "c1": [7443, 2379, 2380, 10250],
        "c2": [7443, 2379, 2380, 10250],
        "w1": [10250],
        "s1": [24007, 49152],
    }


def test_services_that_nobody_runs_are_neither_opened_nor_asked_for() -> None:
    ports = {"etcd for clients": 0, "etcd for peers": 0, "glusterd": 0, "GlusterFS brick": 0}
    assert {question.port for question in plan.questions(CONTROL, NODES, ports)} == {6443, 10250}
    assert {question.port for question in plan.questions(WORKER, [STORE], ports)} == {3300, 6800}
    assert plan.opened(STORE, NODES, ports) == [("198.51.100.4", 3300), ("198.51.100.4", 6800)]


def test_a_monitoring_node_asks_every_host_for_its_exporter_and_nobody_opens_one_without_it() -> None:
    other = Node("m2", ("monitoring_nodes",), "192.0.2.6")
    assert asked(WATCH, [*NODES, WATCH, other]) == {
        "c1": [6443, 10250, 9100],
        "c2": [6443, 10250, 9100],
        "w1": [10250, 9100],
        "s1": [9100],
        "m2": [9100, 9094],
    }
    assert plan.opened(WORKER, [*NODES, WATCH], {"node exporter": 9200}) == [("192.0.2.3", 10250), ("192.0.2.3", 9200)]
    assert plan.opened(WORKER, NODES, {}) == [("192.0.2.3", 10250)]
    # It watches itself without the network; of one alone no other needs anything.
    assert plan.opened(WATCH, [*NODES, WATCH], {}) == []


def test_storage_is_asked_on_its_own_network_and_balancers_on_theirs() -> None:
    assert {question.address for question in plan.questions(WORKER, [STORE], {})} == {"198.51.100.4"}
    assert plan.opened(STORE, NODES, NO_CEPH) == [("198.51.100.4", 24007), ("198.51.100.4", 49152)]
    assert [peer.balancer_address for peer in plan.vrrp_peers(CONTROL, NODES)] == ["203.0.113.2"]
    assert plan.vrrp_peers(WORKER, NODES) == []
    assert plan.neighbours(CONTROL, [CONTROL, STORE]) == {"192.0.2.4": "s1", "198.51.100.4": "s1"}


def question(node: str, port: int, service: str = "etcd for peers") -> Question:
    return Question(node, service, "192.0.2.2", port)


def test_ports_of_one_node_that_fail_alike_are_one_sentence() -> None:
    answers = [
        Answer(question("c2", 2379), "refused"),
        Answer(question("c2", 2380), "refused"),
        Answer(question("w1", 1)),
    ]
    (fault,) = faults.of_ports("c1", answers)
    assert "c1: does not reach c2 (192.0.2.2) on port 2379 (etcd for peers), 2380 (etcd for peers): refused;" in fault
    assert faults.SKIP in fault


@pytest.mark.parametrize(
    ("ahead", "unsure", "told"),
    [(0.6, 0.05, "0.6 s ahead of"), (-9.0, 0.1, "9.0 s behind"), (0.6, 0.2, ""), (0.4, 0.0, "")],
)
def test_a_clock_is_off_only_where_that_is_certain(ahead: float, unsure: float, told: str) -> None:
    found = list(faults.of_clocks("c1", [Answer(question("c2", 1), "", ahead, unsure)], 0.5))
    assert len(found) == bool(told)
    assert all(told in fault and faults.SKEW in fault for fault in found)


def test_the_quickest_answer_tells_the_clock() -> None:
    slow, quick = Answer(question("c2", 1), "", 2.0, 1.0), Answer(question("c2", 2), "", 0.1, 0.001)
    assert list(faults.of_clocks("c1", [slow, quick], 0.5)) == []
    (fault,) = faults.of_clocks(
        "c1", [Answer(question("c2", 1), "", 0.0, 1.0), Answer(question("c2", 2), "", 3.0, 0.001)], 1
    )
    assert "3.0 s" in fault


def test_only_a_node_that_answers_small_packets_has_a_wrong_mtu() -> None:
    found = {"a": Echo(True, True, 1500, "e"), "b": Echo(True, False, 9000, "e"), "c": Echo(False, False, 1500, "e")}
    (fault,) = faults.of_mtu("n", found)
    assert "9000 bytes, the MTU of e, does not arrive at b" in fault
    assert faults.silent(found) == ["c"]


def test_names_must_resolve_and_not_to_the_node_itself() -> None:
    option = {"api": "kubernetes_api_endpoint", "n2": "node", "n1": "node", "fine": "node"}
    found = {"api": "Name or service not known", "n2": ["127.0.1.1"], "n1": ["127.0.1.1"], "fine": ["192.0.2.1", "::1"]}
    told = list(faults.of_names("n1", found, option))
    assert len(told) == 2
    assert "kubernetes_api_endpoint api cannot be resolved here (Name or service not known)" in told[0]
    assert "n2 is 127.0.1.1 here, this host itself" in told[1]
    assert [faults.is_name(text) for text in ("n1", "192.0.2.1", "::1", "")] == [True, False, False, False]


def test_a_balancer_that_is_not_heard_is_told() -> None:
    peers = plan.vrrp_peers(CONTROL, NODES)
    assert list(faults.of_vrrp("c1", {"203.0.113.2"}, peers)) == []
    (fault,) = faults.of_vrrp("c1", {"192.0.2.2"}, peers)
    assert "c1: VRRP (IP protocol 112) of c2 (203.0.113.2) does not arrive here" in fault


def test_a_packet_has_the_checksum_that_makes_its_sum_zero() -> None:
    assert asker.checksum(b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7") == 0x220D  # RFC 1071, section 3
    packet = b"\x08\x00\x00\x00\x12\x34\x00\x07odd"
    value = asker.checksum(packet)
    assert asker.checksum(packet[:2] + value.to_bytes(2, "big") + packet[4:]) == 0


def test_percentiles_of_a_disk() -> None:
    assert disk.summary([float(each) for each in range(200, 0, -1)]) == {
        "p50_ms": 100.0,
        "p99_ms": 198.0,
        "max_ms": 200.0,
    }
    assert disk.summary([]) == {"p50_ms": None, "p99_ms": None, "max_ms": None}


def test_a_disk_is_measured_where_the_folder_will_be_and_nothing_is_left(tmp_path: Path) -> None:
    found = disk.measure(str(tmp_path / "not" / "yet"), writes=3)
    assert (found["folder"], found["writes"]) == (str(tmp_path), 3)
    assert found["p99_ms"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_a_connection_goes_out_from_is_held_and_not_asked() -> None:
    """GlusterFS' ports lie among those that the kernel gives to clients."""
    with socket.socket() as server, socket.socket() as client, socket.socket() as service:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        service.bind(("127.0.0.1", 0))
        service.listen()
        held, busy = client.getsockname()[1], service.getsockname()[1]
        found = listener.open_ports([("127.0.0.1", held), ("127.0.0.1", busy)])
    assert (found.ears, found.busy, found.held, found.refused) == ([], [busy], [held], {})


def test_a_held_port_is_asked_of_nobody() -> None:
    nodes = [plan.Node(name, ("storage_nodes",), f"192.0.2.{number}") for number, name in enumerate(("n1", "n2"), 1)]
    asked = plan.questions(nodes[0], nodes, {})
    assert 49152 in {question.port for question in asked}
    nodes[1] = plan.Node.of({"name": "n2", "groups": ["storage_nodes"], "address": "192.0.2.2", "held": [49152]})
    assert {question.port for question in plan.questions(nodes[0], nodes, {})} == {q.port for q in asked} - {49152}
