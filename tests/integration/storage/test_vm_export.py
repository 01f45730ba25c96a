# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_export on a real kube-apiserver and a real HTTPS server: links, tokens, certificates, and files whole or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import socket
import ssl
import stat
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import (
    PVC,
    SECRET,
    VM_EXPORT,
    Resource,
)

Run = Callable[..., dict[str, Any]]
Make = Callable[..., Any]
SERVICE = Resource("v1", "services", "Service")
INGRESS = Resource("networking.k8s.io/v1", "ingresses", "Ingress")
SIZE = 3 << 20
HOST = "exports.example.com"


@pytest.fixture(scope="module", autouse=True)
def standin() -> None:
    """The stand-in's own modules: what its claims hold, and certificates."""
    from kubevirt_contract.devcluster import SOURCE

    sys.path.insert(0, str(SOURCE))


def held(client: Any, namespace: str, claim: str) -> bytes:
    """What a simulated claim holds."""
    from kubevirt_standin.storage import contents

    meta = client.get(PVC, claim, namespace)["metadata"]
    word = (meta.get("annotations") or {}).get("kubevirt-ha.virtops/simulated-content", meta["uid"])
    return b"".join(contents.read(word, 0, SIZE))


@pytest.fixture
def export(module: Run, namespace: str, tunnel: str) -> Run:
    """Runs the module through the tunnel that a user would make with a port-forward."""

    def run(name: str = "e", **options: Any) -> dict[str, Any]:
        return module("vm_export", name=name, namespace=namespace, **{"link": "internal", "via": tunnel, **options})

    return run


@pytest.fixture
def tunnel(client: Any) -> str:
    port = client.get(SERVICE, "virt-exportproxy", "kubevirt")["spec"]["ports"][0]["port"]
    return f"https://127.0.0.1:{port}"


@pytest.fixture
def disk(claim: Make, client: Any, namespace: str) -> Make:
    """A claim that is known to hold a disk."""

    def make(name: str, **annotations: str) -> str:
        claim(name, **annotations)
        mark = {"metadata": {"annotations": {"cdi.kubevirt.io/storage.contentType": "kubevirt"}}}
        client.patch(PVC, name, mark, namespace)
        return name

    return make


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Waits for something to come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)


def shown_certificate(tunnel: str, host: str) -> bytes | None:
    """The certificate that the server shows to who asks for a host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = tunnel.removeprefix("https://").split(":")
    with (
        socket.create_connection((address[0], int(address[1])), 5) as raw,
        context.wrap_socket(raw, server_hostname=host) as connection,
    ):
        return connection.getpeercert(binary_form=True)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_machine_is_exported_downloaded_and_left_alone_the_second_time(
    machine: Make, disk: Make, export: Run, client: Any, namespace: str, tmp_path: Path
) -> None:
    machine(claims=(disk("data"),))
    wanted = held(client, namespace, "data")
    raw, packed, definition = (tmp_path / name for name in ("disk.img", "disk.img.gz", "vm.json"))
    options = {
        "vm": "v",
        "ttl": 3600,
        "downloads": [
            {"dest": str(raw), "volume": "data", "format": "raw"},
            {"dest": str(packed), "volume": "data"},
            {"dest": str(definition), "manifest": "all"},
        ],
    }
    foreseen = export(check=True, diff=True, **options)
    assert foreseen["changed"] and foreseen["requests"]["writes"] == 0, foreseen
    assert [one["changed"] for one in foreseen["exports"][0]["downloads"]] == [True] * 3
    assert foreseen["diff"][-1]["before"] == {"file": "missing"} and list(tmp_path.glob("*.img*")) == []
    assert client.find(VM_EXPORT, "e", namespace) is None

    done = export(**options)
    entry = done["exports"][0]
    assert not done.get("failed") and entry["action"] == "created" and entry["phase"] == "Ready", done
    assert entry["vm"] == "v" and entry["expires_at"] and entry["links"]["external"] is None
    assert set(entry["links"]["internal"]["volumes"]["data"]) == {"raw", "gzip"}
    assert raw.read_bytes() == wanted and gzip.decompress(packed.read_bytes()) == wanted
    assert [one["sha256"] for one in entry["downloads"]] == [
        digest(one.read_bytes()) for one in (raw, packed, definition)
    ]
    assert entry["downloads"][0]["size"] == SIZE and packed.stat().st_size < SIZE
    assert [item["kind"] for item in json.loads(definition.read_text())["items"]] == ["ConfigMap", "VirtualMachine"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in (raw, packed, definition)} == {0o600}

    again = export(**options)
    assert not again["changed"] and again["requests"] == {"reads": 1, "writes": 0, "watches": 0}, again
    packed.unlink()
    part = export(**options)
    assert [one["changed"] for one in part["exports"][0]["downloads"]] == [False, True, False]
    assert part["changed"] and part["requests"]["writes"] == 0
    refused = export(**{**options, "ttl": 60})
    assert refused["failed"] and "spec.ttlDuration cannot be changed" in refused["msg"]
    gone = export(state="absent")
    assert gone["exports"][0]["action"] == "deleted" and client.find(VM_EXPORT, "e", namespace) is None


def test_the_token_is_in_no_output(
    machine: Make, disk: Make, export: Run, client: Any, namespace: str, tmp_path: Path
) -> None:
    machine(claims=(disk("data"),))
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mine"},
        "stringData": {"token": "hunter2hunter2"},
    }
    missing = export(vm="v", token_secret="mine")
    assert missing["failed"] and f"Secret {namespace}/mine does not exist" in missing["msg"], missing
    client.create(SECRET, secret, namespace)
    dest = tmp_path / "header.json"
    done = export(vm="v", token_secret="mine", downloads=[{"dest": str(dest), "manifest": "auth-header-secret"}])
    assert not done.get("failed") and done["exports"][0]["token_secret"] == "mine", done
    assert "hunter2" not in json.dumps([done, missing]) and "hunter2" in dest.read_text()
    wrong = export(vm="v", token_secret="mine", downloads=[{"dest": str(tmp_path / "x"), "volume": "nothing"}])
    assert (
        wrong["failed"] and "has no volume nothing: it has data" in wrong["msg"] and "hunter2" not in json.dumps(wrong)
    )


def test_a_broken_connection_is_taken_up_where_it_broke(
    machine: Make, disk: Make, export: Run, client: Any, namespace: str, tmp_path: Path
) -> None:
    machine(claims=(disk("raw", export_cuts="2"), disk("packed", export_cuts="2")))
    raw, packed = tmp_path / "raw", tmp_path / "packed"
    downloads = [
        {"dest": str(raw), "volume": "raw", "format": "raw"},
        {"dest": str(packed), "volume": "packed", "format": "gzip"},
    ]
    done = export(vm="v", downloads=downloads)
    assert not done.get("failed"), done
    assert [one["resumed"] for one in done["exports"][0]["downloads"]] == [2, 2]
    assert raw.read_bytes() == held(client, namespace, "raw")
    assert gzip.decompress(packed.read_bytes()) == held(client, namespace, "packed")


def test_a_download_that_fails_leaves_the_old_file_and_nothing_else(
    machine: Make, disk: Make, export: Run, tmp_path: Path
) -> None:
    machine(claims=(disk("data", export_cuts="1000"),))
    old = tmp_path / "out" / "disk.img.gz"
    old.parent.mkdir()
    old.write_text("old")
    fine = old.with_name("vm.json")
    downloads = [
        {"dest": str(old), "volume": "data", "force": True},
        {"dest": str(fine), "manifest": "all"},
    ]
    failed = export(vm="v", downloads=downloads)
    assert failed["failed"] and failed["changed"] and "could not be fetched" in failed["msg"], failed
    assert old.read_text() == "old" and sorted(old.parent.iterdir()) == [old, fine]
    shown = failed["exports"][0]["downloads"]
    assert not shown[0]["changed"] and shown[0]["error"] and shown[1]["changed"]


def test_what_would_not_become_ready_is_refused(
    machine: Make, claim: Make, export: Run, module: Run, client: Any, namespace: str
) -> None:
    machine(claims=(claim("data"),), run_strategy="Always")
    machine("bare")
    assert not module("vm_snapshot", name="empty", namespace=namespace, vm="bare").get("failed")
    for options, why in (
        ({"vm": "nobody"}, f"VirtualMachine {namespace}/nobody does not exist"),
        ({"pvc": "nothing"}, f"PersistentVolumeClaim {namespace}/nothing does not exist"),
        ({"snapshot": "none"}, f"VirtualMachineSnapshot {namespace}/none does not exist"),
        ({"vm": "v"}, f"VirtualMachine {namespace}/v runs"),
        ({"pvc": "data"}, f"PersistentVolumeClaim {namespace}/data is in use by v"),
        ({"vm": "bare"}, f"VirtualMachine {namespace}/bare has no volume with a claim"),
        ({"snapshot": "empty"}, f"VirtualMachineSnapshot {namespace}/empty holds no volumes"),
    ):
        for check in (True, False):
            refused = export(check=check, **options)
            assert refused["failed"] and why in refused["msg"] and refused["requests"]["writes"] == 0, refused
    assert client.find(VM_EXPORT, "e", namespace) is None


def test_a_snapshot_of_a_machine_that_runs(
    machine: Make, claim: Make, export: Run, module: Run, client: Any, namespace: str, tmp_path: Path
) -> None:
    machine(claims=(claim("data"),), run_strategy="Always")
    assert not module("vm_snapshot", name="s", namespace=namespace, vm="v").get("failed")
    dest = tmp_path / "disk.img"
    done = export(snapshot="s", downloads=[{"dest": str(dest), "volume": "data", "format": "raw"}])
    assert not done.get("failed") and done["exports"][0]["vm"] == "v", done
    assert dest.read_bytes() == held(client, namespace, "data")


def test_a_claim_that_is_not_known_to_hold_a_disk(
    claim: Make, export: Run, client: Any, namespace: str, tmp_path: Path
) -> None:
    claim("files")
    dest = tmp_path / "files.tar.gz"
    done = export(pvc="files", downloads=[{"dest": str(dest), "volume": "files"}])
    assert not done.get("failed") and done["exports"][0]["vm"] is None, done
    with tarfile.open(dest) as archive:
        member = archive.extractfile("./disk.img")
        assert member is not None and member.read() == held(client, namespace, "files")
    raw = export(pvc="files", downloads=[{"dest": str(tmp_path / "x"), "volume": "files", "format": "raw"}])
    assert raw["failed"] and "has no format of the volume files raw: it has dir, tar.gz" in raw["msg"], raw


@pytest.fixture
def ingress(client: Any, standin: None) -> Iterator[Callable[[str], None]]:
    """An Ingress to the export proxy with a certificate of its own authority."""
    from kubevirt_standin import pki

    def make(host: str) -> None:
        authority = pki.authority("of the ingress")
        pair = pki.issue(authority, host, (host,))
        data = {"tls.crt": (pair.certificate + authority.certificate).decode(), "tls.key": pair.key.decode()}
        meta = {"name": "exports", "namespace": "kubevirt"}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta,
            "type": "kubernetes.io/tls",
            "stringData": data,
        }
        client.create(SECRET, secret, "kubevirt")
        backend = {"service": {"name": "virt-exportproxy", "port": {"number": 443}}}
        rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        spec = {"rules": [rule], "tls": [{"hosts": [host], "secretName": "exports"}]}
        client.create(
            INGRESS, {"apiVersion": INGRESS.api_version, "kind": "Ingress", "metadata": meta, "spec": spec}, "kubevirt"
        )

    yield make
    client.delete(INGRESS, "exports", "kubevirt")
    client.delete(SECRET, "exports", "kubevirt")


def test_from_outside_through_an_ingress(
    machine: Make, disk: Make, export: Run, ingress: Make, client: Any, namespace: str, tunnel: str, tmp_path: Path
) -> None:
    machine(claims=(disk("data"),))
    dest = tmp_path / "disk.img"
    options = {"vm": "v", "downloads": [{"dest": str(dest), "volume": "data", "format": "raw"}]}
    missing = export(link="external", **options)
    assert missing["failed"] and "has no external link: no Ingress or Route" in missing["msg"], missing
    assert "the service virt-export-e" in missing["msg"] and missing["exports"][0]["ready"]
    ingress(HOST)
    until(lambda: client.get(VM_EXPORT, "e", namespace)["status"]["links"].get("external"))
    until(lambda: shown_certificate(tunnel, HOST) != shown_certificate(tunnel, "other.example.com"))
    done = export(link="external", **options)
    assert not done.get("failed"), done
    path = f"/api/export.kubevirt.io/v1/namespaces/{namespace}/virtualmachineexports/e/volumes/data/disk.img"
    assert done["exports"][0]["links"]["external"]["volumes"]["data"]["raw"] == f"https://{HOST}{path}"
    assert dest.read_bytes() == held(client, namespace, "data")


def test_a_certificate_of_another_authority_is_refused(
    machine: Make, disk: Make, export: Run, ingress: Make, client: Any, namespace: str, tmp_path: Path
) -> None:
    machine(claims=(disk("data"),))
    # The link comes with the Ingress' authority; the server cannot use its key, and shows a certificate of another.
    ingress("other.example.com")
    assert not export(vm="v").get("failed")
    client.patch(SECRET, "exports", {"data": {"tls.key": base64.b64encode(b"none").decode()}}, "kubevirt")
    host = "unknown.example.com"
    rules = client.get(INGRESS, "exports", "kubevirt")["spec"]["rules"]
    client.patch(INGRESS, "exports", {"spec": {"rules": [{**rules[0], "host": host}]}}, "kubevirt")
    until(lambda: host in json.dumps(client.get(VM_EXPORT, "e", namespace)["status"]["links"]))
    dest = tmp_path / "disk.img"
    refused = export(vm="v", link="external", downloads=[{"dest": str(dest), "volume": "data"}])
    assert refused["failed"] and "CERTIFICATE_VERIFY_FAILED" in refused["msg"], refused
    assert "must be of the link's host" in refused["msg"] and not dest.exists()


def test_an_export_whose_time_is_over_is_made_anew(
    machine: Make, disk: Make, export: Run, client: Any, namespace: str
) -> None:
    machine(claims=(disk("data"),))
    first = export(vm="v", ttl=3)["exports"][0]
    assert first["ready"]
    until(lambda: client.find(VM_EXPORT, "e", namespace) is None)
    second = export(vm="v", ttl=600)
    assert second["changed"] and second["exports"][0]["uid"] != first["uid"]


def test_faults_come_before_anything_is_made(export: Run, client: Any, namespace: str, tmp_path: Path) -> None:
    downloads = [{"dest": str(tmp_path / "no" / "file"), "volume": "data", "manifest": "all"}, {"dest": str(tmp_path)}]
    wrong = export(vm="v", pvc="p", ttl=0, via="http://127.0.0.1", downloads=downloads)
    faults = "\n".join(wrong["error"]["faults"])
    for expected in (
        "vm and pvc: give one of",
        "ttl: 0 must be 1 second or more",
        "via: must be like https://",
        "downloads[0]: give either volume or manifest",
        "downloads[0]: dest: the folder",
        "downloads[1]: dest:",
    ):
        assert expected in faults, faults
    assert client.find(VM_EXPORT, "e", namespace) is None
