# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_migration on a real kube-apiserver: to any node, to a named one, refused, adopted, cancelled, failed, too late."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    MIGRATION,
    POD,
    VMI,
    VMI_ACTION,
)

from .world import World, condition, is_ready, until

Run = Callable[..., dict[str, Any]]
FAILS = {"kubevirt.io/func-test-force-launcher-migration-failure": ""}


def slow(seconds: int) -> dict[str, Any]:
    """A simulated guest whose migration takes so long."""
    return {"domain": {"firmware": {"kernelBoot": {"kernelArgs": f"console=ttyS0 migration={seconds}"}}}}


@pytest.fixture
def migrate(module: Run, namespace: str) -> Run:
    def run(name: str = "v", **options: Any) -> dict[str, Any]:
        return module("vm_migration", name=name, namespace=namespace, **options)

    return run


def in_flight(world: World, name: str = "v") -> list[dict[str, Any]]:
    return [
        found
        for found in world.migrations(name)
        if (found.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def test_to_any_node_and_each_run_migrates(world: World, migrate: Run) -> None:
    world.make()
    before = world.vmi()
    done = migrate()
    assert not done.get("failed") and done["changed"], done
    entry = done["vms"][0]
    assert (entry["action"], entry["outcome"], entry["ready"]) == ("migrate", "migrated", True), entry
    assert entry["source_node"] == before["status"]["nodeName"] != entry["node"] == entry["target_node"]
    assert entry["migration"]["phase"] == "Succeeded" and entry["migration"]["mode"] == "PreCopy"
    assert entry["migration"]["seconds"] is not None and entry["migration"]["downtime_seconds"] is None
    assert entry["data"] is None
    assert world.vmi()["metadata"]["uid"] == before["metadata"]["uid"]
    assert done["requests"]["reads"] == 2 and done["requests"]["writes"] == 1, done["requests"]
    again = migrate()
    assert again["changed"] and again["vms"][0]["node"] != entry["node"], again


def test_it_ends_only_when_the_machine_is_ready_for_good(world: World, migrate: Run) -> None:
    # Right after the end Ready still is that of the old pod, and drops for a second or two only then.
    world.make()
    assert not migrate().get("failed")
    assert is_ready(world.vmi())
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert is_ready(world.vmi())
        time.sleep(0.05)


def test_to_a_named_node_and_again(world: World, migrate: Run) -> None:
    world.make()
    target = world.other()
    done = migrate(node=target)
    assert done["changed"] and done["vms"][0]["node"] == target == world.node(), done
    assert done["requests"]["reads"] == 3
    again = migrate(node=target)
    assert not again["changed"] and again["vms"][0]["outcome"] == "unchanged", again
    assert again["requests"] == {"reads": 3, "writes": 0, "watches": 0}
    assert len(world.migrations()) == 1


def test_a_paused_machine_migrates_and_stays_paused(client: Any, world: World, migrate: Run) -> None:
    world.make()
    before = world.node()
    client.put(VMI_ACTION, "v", world.namespace, subresource="pause")
    until("paused", lambda: condition(world.vmi(), "Paused").get("status") == "True")
    done = migrate()
    assert not done.get("failed") and done["vms"][0]["outcome"] == "migrated", done
    assert world.node() != before
    until("paused", lambda: condition(world.vmi(), "Paused").get("status") == "True")


def test_many_cost_one_list_each_and_the_good_ones_are_done(world: World, module: Run) -> None:
    names = [world.make(f"v{number}") for number in range(3)]
    world.make("stopped", "Halted")
    before = {name: world.node(name) for name in names}
    vms = [{"name": name} for name in [*names, "stopped", "nobody"]]
    done = module("vm_migration", namespace=world.namespace, vms=vms)
    assert done["failed"] and "2 of 5 objects failed" in done["msg"], done["msg"]
    assert [entry["outcome"] for entry in done["vms"]] == ["migrated"] * 3 + ["failed"] * 2
    assert "stopped: cannot be migrated, it does not run" in done["msg"]
    assert f"VirtualMachine {world.namespace}/nobody: does not exist" in done["msg"]
    assert {name: world.node(name) for name in names}.items().isdisjoint(before.items())
    # The instances, the migrations, KubeVirt's limits, and the machines of the two that have no instance.
    assert done["requests"]["reads"] == 5 and done["requests"]["writes"] == 3, done["requests"]


def test_one_at_a_time(world: World, module: Run) -> None:
    names = [world.make(f"v{number}") for number in range(3)]
    vms = [{"name": name} for name in names]
    done = module("vm_migration", namespace=world.namespace, parallel=1, vms=vms)
    assert not done.get("failed"), done["msg"]

    times = spans(world, names)
    assert all(earlier[1] <= later[0] for earlier, later in zip(times, times[1:], strict=False)), times


@pytest.mark.parametrize("case", ["no such node", "cordoned", "selector", "stopped"])
def test_what_cannot_be_is_refused_before_it_is_sent(world: World, migrate: Run, case: str) -> None:
    if case == "stopped":
        world.make(strategy="Halted")
        options, why = {}, "it does not run"
    elif case == "no such node":
        world.make()
        options, why = {"node": "no-such-node"}, "there is no such node"
    elif case == "cordoned":
        world.make()
        target = world.other()
        world.cordon(target)
        options, why = {"node": target}, "it is cordoned"
    else:
        node = world.nodes()[0]
        world.make(nodeSelector={"kubernetes.io/hostname": node})
        options = {"node": world.other()}
        why = f"lacks the label kubernetes.io/hostname={node} of the machine's node selector"
    for check in (True, False):
        refused = migrate(check=check, **options)
        assert refused["failed"] and why in refused["msg"] and not refused["changed"], refused
        assert refused["requests"]["writes"] == 0 and refused["error"]["fix"]
    assert world.migrations() == []


@pytest.mark.usefixtures("simulated")
def test_a_machine_that_is_not_migratable_is_refused_with_the_reason(world: World, migrate: Run) -> None:
    world.make(domain={"devices": {"interfaces": [{"name": "default", "bridge": {}, "masquerade": None}]}})
    refused = migrate()
    assert refused["failed"] and "InterfaceNotLiveMigratable" in refused["msg"], refused
    assert refused["requests"]["writes"] == 0


def test_check_mode_says_what_the_run_does(world: World, migrate: Run) -> None:
    world.make()
    before = world.node()
    foreseen = migrate(check=True, diff=True)
    assert foreseen["changed"] and foreseen["requests"] == {"reads": 3, "writes": 0, "watches": 0}, foreseen
    assert foreseen["diff"][0]["before"] == {"node": before}
    assert world.migrations() == [] and world.node() == before
    done = migrate()
    for key in ("changed", "action", "outcome"):
        assert done["vms"][0][key] == foreseen["vms"][0][key]


def test_a_migration_under_way_is_adopted(world: World, migrate: Run) -> None:
    world.make()
    begun = migrate(wait=False)
    assert begun["changed"] and begun["vms"][0]["outcome"] == "in_flight", begun
    adopted = migrate()
    assert not adopted.get("failed") and not adopted["changed"], adopted
    assert (adopted["vms"][0]["action"], adopted["vms"][0]["outcome"]) == ("adopt", "migrated")
    assert adopted["requests"]["writes"] == 0
    assert [found["metadata"]["name"] for found in world.migrations()] == [begun["vms"][0]["migration"]["name"]]


def test_two_tasks_at_once_make_one_migration(world: World, migrate: Run) -> None:
    world.make()
    with ThreadPoolExecutor() as pool:
        both = [begun.result() for begun in [pool.submit(migrate), pool.submit(migrate)]]
    assert [done.get("msg") for done in both if done.get("failed")] == []
    if len(world.migrations()) == 1:
        assert sorted(done["vms"][0]["action"] for done in both) == ["adopt", "migrate"]
    else:  # the second began after the first was over
        assert {done["vms"][0]["action"] for done in both} == {"migrate"}


def test_one_under_way_to_another_node_is_not_taken_for_the_wanted_one(world: World, migrate: Run) -> None:
    node = world.nodes()[0]
    world.make(nodeSelector={"kubernetes.io/hostname": node})
    migrate(wait=False)  # finds no node, and so stays
    refused = migrate(node=world.other())
    assert refused["failed"] and "migrates already, to a node that is not chosen yet" in refused["msg"], refused
    assert "state cancelled" in refused["msg"]


def test_cancelled_and_again(world: World, migrate: Run) -> None:
    node = world.nodes()[0]
    world.make(nodeSelector={"kubernetes.io/hostname": node})
    assert not migrate(state="cancelled")["changed"]
    migrate(wait=False)
    foreseen = migrate(state="cancelled", check=True)
    assert foreseen["changed"] and foreseen["requests"]["writes"] == 0 and in_flight(world)
    done = migrate(state="cancelled")
    assert done["changed"] and done["vms"][0]["outcome"] == "cancelled", done
    assert in_flight(world) == [] and world.node() == node and is_ready(world.vmi())
    again = migrate(state="cancelled")
    assert not again["changed"] and again["requests"] == {"reads": 2, "writes": 0, "watches": 0}


@pytest.mark.usefixtures("simulated")
def test_one_whose_memory_is_moved_is_cancelled_and_the_machine_stays(world: World, migrate: Run) -> None:
    world.make(**slow(60))
    before = world.vmi()
    migrate(wait=False)
    until("its memory is moved", lambda: [item for item in in_flight(world) if item["status"]["phase"] == "Running"])
    done = migrate(state="cancelled")
    assert done["vms"][0]["outcome"] == "cancelled" and done["vms"][0]["node"] == before["status"]["nodeName"], done
    after = world.vmi()
    assert after["metadata"]["uid"] == before["metadata"]["uid"] and after["status"]["phase"] == "Running"
    assert not migrate(state="cancelled")["changed"]


def test_one_that_finds_no_node_fails_with_the_reason_and_is_cancelled(world: World, migrate: Run) -> None:
    node = world.nodes()[0]
    world.make(nodeSelector={"kubernetes.io/hostname": node})
    failed = migrate(unschedulable_grace=1)
    assert failed["failed"] and "no node takes its target pod" in failed["msg"], failed
    assert "nodes are available" in failed["msg"] and "was cancelled" in failed["msg"]
    assert failed["vms"][0]["outcome"] == "cancelled" and failed["vms"][0]["migration"]["phase"] != "Succeeded"
    assert in_flight(world) == [] and world.node() == node and is_ready(world.vmi())
    assert failed["requests"]["writes"] == 2


def test_one_that_fails_tells_kubevirts_reason(world: World, migrate: Run) -> None:
    world.make(annotations=FAILS)
    before = world.node()
    failed = migrate()
    assert failed["failed"] and "Failed migration to satisfy functional test condition" in failed["msg"], failed
    entry = failed["vms"][0]
    assert (entry["outcome"], entry["migration"]["phase"], entry["node"]) == ("failed", "Failed", before)
    assert entry["error"]["fix"] and entry["changed"]


@pytest.mark.usefixtures("simulated")
@pytest.mark.parametrize("on_timeout", ["cancel", "leave"])
def test_one_that_takes_too_long(world: World, migrate: Run, on_timeout: str) -> None:
    world.make(**slow(60))
    before = world.node()
    failed = migrate(wait_timeout=5, on_timeout=on_timeout)
    assert failed["failed"] and "was not migrated within 5 s" in failed["msg"], failed
    entry = failed["vms"][0]
    assert entry["data"]["remaining_bytes"] is None and "no virt-handler was found" in entry["data"]["why"]
    if on_timeout == "cancel":
        assert "was cancelled" in failed["msg"] and entry["outcome"] == "cancelled" and in_flight(world) == []
    else:
        assert "goes on" in failed["msg"] and entry["outcome"] == "in_flight" and len(in_flight(world)) == 1
    assert world.node() == before and world.vmi()["status"]["phase"] == "Running"


def spans(world: World, names: list[str]) -> list[tuple[str, str]]:
    """When each machine's migration was made and when it had succeeded, in the order of the former."""
    found = []
    for name in names:
        (migration,) = world.migrations(name)
        steps = migration["status"]["phaseTransitionTimestamps"]
        passed = {step["phase"]: step["phaseTransitionTimestamp"] for step in steps}
        found.append((migration["metadata"]["creationTimestamp"], passed["Succeeded"]))
    return sorted(found)


@pytest.mark.usefixtures("simulated")
def test_no_more_leave_a_node_than_kubevirt_allows(world: World, module: Run) -> None:
    first, *others = world.nodes()
    world.cordon(*others)
    names = [world.make(f"v{number}", **slow(2)) for number in range(4)]
    world.cordon(*others, cordoned=False)
    assert {world.node(name) for name in names} == {first}
    done = module("vm_migration", namespace=world.namespace, vms=[{"name": name} for name in names])
    assert not done.get("failed"), done["msg"]
    assert {entry["outcome"] for entry in done["vms"]} == {"migrated"}
    times = spans(world, names)
    assert all(times[number][0] >= min(end for _begin, end in times[:number]) for number in (2, 3)), times


def test_all_faults_of_the_parameters_are_named_at_once(module: Run) -> None:
    failed = module(
        "vm_migration",
        vms=[{"name": "a", "namespace": "b", "state": "cancelled", "node": "n1"}, {"name": "UPPER", "node": "a b"}],
        parallel=0,
        wait_timeout=0,
    )
    assert failed["failed"]
    for part in (
        "parallel: 0 must be 1 or more",
        "wait_timeout: 0",
        "node: goes with state migrated",
        "name: 'UPPER'",
        "node: 'a b'",
        "namespace: is missing",
    ):
        assert part in failed["msg"], (part, failed["msg"])


class Metrics(BaseHTTPRequestHandler):
    """What virt-handler's metrics say of a migration."""

    text = ""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def agent(client: Any, world: World, tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """Serves metrics as the virt-handler of a node: `agent(node, text)`; the API server reaches it by this machine's address."""
    address = _own_address()
    certificate = tmp_path / "agent.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=virt-handler"]
    subprocess.run(
        [*command, "-keyout", str(certificate), "-out", str(tmp_path / "crt")], check=True, capture_output=True
    )
    certificate.write_bytes(certificate.read_bytes() + (tmp_path / "crt").read_bytes())
    server = ThreadingHTTPServer((address, 8443), Metrics)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"virt-handler-{world.namespace}"

    def serve(node: str, text: str) -> None:
        Metrics.text = text
        spec = {"nodeName": node, "containers": [{"name": "virt-handler", "image": "registry.invalid/virt-handler"}]}
        meta = {"name": name, "labels": {"kubevirt.io": "virt-handler"}}
        client.create(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, "kubevirt")
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        client.patch(POD, name, {"status": status}, "kubevirt", subresource="status")

    yield serve
    server.shutdown()
    server.server_close()
    client.delete(POD, name, "kubevirt", grace_seconds=0)


def _own_address() -> str:
    """An address of this machine that is not its loopback's; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            pytest.skip("needs an address of this machine beside its loopback's: the API server proxies to no other")


@pytest.mark.usefixtures("simulated")
def test_how_much_is_left_is_what_virt_handler_tells(
    world: World, migrate: Run, agent: Callable[[str, str], None]
) -> None:
    world.make(**slow(60))
    labels = f'{{namespace="{world.namespace}",name="v",node="{world.node()}"}}'
    figures = {"bytes_total": "1.34217728e+08", "processed_bytes": "1e+08", "remaining_bytes": "3.4217728e+07"}
    agent(world.node(), "".join(f"kubevirt_vmi_migration_data_{name}{labels} {n}\n" for name, n in figures.items()))
    failed = migrate(wait_timeout=5, on_timeout="leave")
    data = failed["vms"][0]["data"]
    assert data["source"] == f"metrics of virt-handler on node {world.node()}" and data["why"] is None, data
    assert (data["total_bytes"], data["processed_bytes"], data["remaining_bytes"]) == (134217728, 100000000, 34217728)


def test_an_instance_without_a_machine_migrates(client: Any, world: World, migrate: Run) -> None:
    from kubevirt_contract.manifests import instance

    client.create(VMI, instance("v", {}), world.namespace)
    until("ready", lambda: is_ready(client.find(VMI, "v", world.namespace)))
    before = world.node()
    done = migrate()
    assert not done.get("failed") and world.node() != before, done


def test_a_migration_of_somebody_else_is_left_alone_where_it_leads_nowhere(
    client: Any, world: World, migrate: Run
) -> None:
    node = world.nodes()[0]
    world.make(nodeSelector={"kubernetes.io/hostname": node})
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": "theirs"},
        "spec": {"vmiName": "v"},
    }
    client.create(MIGRATION, body, world.namespace)
    failed = migrate(unschedulable_grace=1)
    assert failed["failed"] and "is not of this task and goes on" in failed["msg"], failed
    assert not failed["changed"] and failed["requests"]["writes"] == 0
    assert [found["metadata"]["name"] for found in in_flight(world)] == ["theirs"]
