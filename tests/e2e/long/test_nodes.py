# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node is lost for good and replaced; a fourth one comes and goes. Each run is killed in the middle and completed by the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platform_lab as platform
import pytest
import yaml
from demo_run import REPOSITORY

LOST, FOURTH = "n3", "n4"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
PLATFORM_GROUPS = ("control_plane", "kvm_nodes", "load_balancers", "storage_nodes", "monitoring_nodes")


def node(name: str) -> dict[str, Any]:
    return platform.get("node", name)


def ready(name: str) -> bool:
    found = platform.get("nodes")["items"]
    conditions = {item["metadata"]["name"]: item["status"].get("conditions", []) for item in found}.get(name, [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def wait_until_taken_out(name: str) -> None:
    def taken_out() -> bool:
        return OUT_OF_SERVICE in {taint["key"] for taint in node(name)["spec"].get("taints", [])}

    platform.wait_until(taken_out, f"the watcher takes {name} out of service")


def members() -> set[str]:
    """Names of the members of etcd, as one of them tells them."""
    pki = "/etc/kubernetes/pki/etcd"
    command = ["etcdctl", "--endpoints=https://127.0.0.1:2379", f"--cacert={pki}/ca.crt"]
    command += [f"--cert={pki}/healthcheck-client.crt", f"--key={pki}/healthcheck-client.key"]
    said = platform.kubectl(
        "--namespace=kube-system", "exec", "etcd-n1", "--", *command, "member", "list", "--write-out=json"
    )
    return {member.get("name", "") for member in json.loads(said)["members"]}


def killed_and_completed(name: str, *given: str, at: str, inventory: Path = platform.INVENTORY) -> None:
    platform.break_off(name, *given, at=at, inventory=inventory)
    played = platform.play(name, *given, inventory=inventory)
    assert played.code == 0, played.text[-8000:]


def nothing_to_do(name: str, *given: str, inventory: Path = platform.INVENTORY) -> None:
    played = platform.play(name, *given, inventory=inventory)
    assert (played.code, set(played.changed.values())) == (0, {0}), played.text[-6000:]


def test_a_lost_node_is_replaced_though_the_run_is_killed_twice() -> None:
    before, running = node(LOST)["metadata"]["uid"], set(platform.machines())
    platform.on_lab("reset", LOST)

    wait_until_taken_out(LOST)
    platform.wait_until(lambda: set(platform.machines()) == running, "its machines run elsewhere")
    instances = platform.machines()
    platform.on_lab("start", LOST)

    given = ("-e", f"replace_node={LOST}")
    platform.break_off("replace_node", *given, at="PLAY [Join it to the cluster]")
    assert LOST not in members()
    killed_and_completed("replace_node", *given, at="PLAY [Give it the lost one's share of the storage]")
    assert members() == {"n1", "n2", "n3"}
    assert ready(LOST)
    assert node(LOST)["metadata"]["uid"] != before
    assert platform.machines() == instances, "a machine was restarted by the replacement"
    heal = platform.on_node("n1", "gluster volume heal shared info summary | grep 'Total Number of entries'")
    assert {line.split(":")[1].strip() for line in heal.splitlines() if ":" in line and "Total" in line} == {"0"}


def test_the_site_has_nothing_to_do_after_that() -> None:
    nothing_to_do("site")


@pytest.fixture(scope="module")
def with_fourth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Inventories in which a fourth host runs virtual machines, and in which it is a host and no more."""
    nodes = yaml.safe_load((REPOSITORY / "roles/lab/defaults/main.yml").read_text())["lab_nodes"]
    platform.lay_out(lab_nodes=[*nodes, {"name": FOURTH, "address": "10.77.0.14", "bmc_port": 8014}])
    try:
        found = yaml.safe_load(platform.INVENTORY.read_text())
        children = found["all"]["children"]
        variables = children["control_plane"]["hosts"][FOURTH]
        for group in children.keys() & set(PLATFORM_GROUPS):
            del children[group]["hosts"][FOURTH]
        folder = tmp_path_factory.mktemp("inventories")
        found["all"]["hosts"] = {FOURTH: variables}
        apart = folder / "apart.yml"
        apart.write_text(yaml.safe_dump(found))
        children["kvm_nodes"]["hosts"][FOURTH] = {}
        inside = folder / "inside.yml"
        inside.write_text(yaml.safe_dump(found))
        yield inside, apart
    finally:
        platform.on_lab("remove", FOURTH)
        platform.lay_out(lab_nodes=nodes)


def test_a_fourth_node_is_taken_in(with_fourth: tuple[Path, Path]) -> None:
    inside, _apart = with_fourth
    running = platform.machines()
    given = ("-e", f"add_node={FOURTH}")
    killed_and_completed("add_node", *given, at="PLAY [Mount the storage]", inventory=inside)
    assert ready(FOURTH)
    assert node(FOURTH)["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
    assert platform.machines() == running
    nothing_to_do("add_node", *given, inventory=inside)


def test_it_goes_again_with_its_machines_moved(with_fourth: tuple[Path, Path]) -> None:
    _inside, apart = with_fourth
    running = platform.machines()
    given = ("-e", f"remove_node={FOURTH}")
    killed_and_completed("remove_node", *given, at="PLAY [Take away what made it a node]", inventory=apart)
    assert FOURTH not in {item["metadata"]["name"] for item in platform.get("nodes")["items"]}
    assert platform.machines() == running
    left = platform.on_node(
        FOURTH, "ip link show dev cni0 2>&1; ip route; iptables-save | grep -e KUBE- -e MASQUERADE; true"
    )
    assert "does not exist" in left, left
    assert [word for word in ("10.244.", "KUBE-", "MASQUERADE") if word in left] == [], left
    nothing_to_do("remove_node", *given, inventory=apart)


def test_one_that_is_lost_and_not_replaced_goes_when_it_is_proven_off(with_fourth: tuple[Path, Path]) -> None:
    inside, apart = with_fourth
    played = platform.play("add_node", "-e", f"add_node={FOURTH}", inventory=inside)
    assert played.code == 0, played.text[-8000:]
    given = ("-e", f"remove_node={FOURTH}", "-e", "remove_node_lost=true")
    refused = platform.play("remove_node", *given, inventory=apart)
    assert f"node {FOURTH} is alive, so it is not lost" in " ".join(refused.text.split()), refused.text[-4000:]
    assert set(refused.changed.values()) <= {0}

    running = platform.machines()
    platform.take_power(FOURTH)
    wait_until_taken_out(FOURTH)
    killed_and_completed("remove_node", *given, at="PLAY [Let the others balance without it]", inventory=apart)
    assert FOURTH not in {item["metadata"]["name"] for item in platform.get("nodes")["items"]}
    assert set(platform.machines()) == set(running)
    nothing_to_do("remove_node", *given, inventory=apart)
