# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports: what is asked for, what their status says, and which file is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import objects, vm_export, vm_export_state
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused

OPTIONS = {"name": "e", "namespace": "a", "vm": "v"}
LINK = {
    "cert": "PEM",
    "volumes": [
        {
            "name": "d",
            "formats": [{"format": "raw", "url": "https://h/raw"}, {"format": "gzip", "url": "https://h/gz"}],
        },
        {
            "name": "f",
            "formats": [{"format": "dir", "url": "https://h/dir"}, {"format": "tar.gz", "url": "https://h/tar"}],
        },
    ],
    "manifests": [{"type": "all", "url": "https://h/all"}],
}


def export(phase: str = "Ready", *conditions: tuple[str, str, str], **status: Any) -> dict[str, Any]:
    found = [{"type": kind, "status": state, "reason": reason} for kind, state, reason in conditions]
    return {**vm_export.new(OPTIONS), "status": {"phase": phase, "conditions": found, **status}}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"vm": None}, "vm: give one of"),
        ({"pvc": "p"}, "vm and pvc: give one of"),
        ({"vm": None, "state": "absent"}, ""),
        ({"vm": "a.b"}, "vm: 'a.b' must be"),
        ({"vm": None, "snapshot": "a.b"}, ""),
        ({"token_secret": "T"}, "token_secret: 'T' must be"),
        ({"ttl": 0}, "ttl: 0 must be"),
        ({"via": "https://127.0.0.1:8443"}, ""),
        ({"via": "http://127.0.0.1"}, "via: must be like"),
        ({"via": "https://me:secret@host"}, "via: must be like"),
        ({"via": "host:8443"}, "via: must be like"),
        (
            {"state": "absent", "downloads": [{"dest": "/tmp/a-download-of-nobody", "volume": "d"}]},
            "downloads: cannot go with",
        ),
        ({"downloads": [{"dest": "/tmp/a-download-of-nobody"}]}, "downloads[0]: give either volume or manifest"),
        (
            {"downloads": [{"dest": "/tmp/a-download-of-nobody", "manifest": "all", "format": "raw"}]},
            "downloads[0]: format: goes with",
        ),
        ({"downloads": [{"dest": "/tmp", "volume": "d"}]}, "downloads[0]: dest: /tmp is a folder"),
        ({"downloads": [{"dest": "/no/such/x", "volume": "d"}]}, "downloads[0]: dest: the folder /no/such does not"),
    ],
)
def test_faults(options: dict[str, Any], fault: str) -> None:
    found = list(vm_export.faults({**OPTIONS, **options}))
    assert (found[0].startswith(fault) and len(found) == 1) if fault else not found
    assert "secret@" not in str(found)


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({}, {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "v"}),
        ({"vm": None, "pvc": "p"}, {"kind": "PersistentVolumeClaim", "name": "p"}),
        (
            {"vm": None, "snapshot": "s"},
            {"apiGroup": "snapshot.kubevirt.io", "kind": "VirtualMachineSnapshot", "name": "s"},
        ),
    ],
)
def test_sources(options: dict[str, Any], source: dict[str, Any]) -> None:
    assert vm_export.new({**OPTIONS, **options})["spec"] == {"source": source}


def test_a_time_in_another_writing_is_no_change() -> None:
    kind = objects.Kind(vm_export.VM_EXPORT, vm_export.desired, vm_export.new, frozen=(("spec", "ttlDuration"),))
    there = vm_export.new(OPTIONS)
    there["spec"]["ttlDuration"] = "90m"
    assert objects.make_plan(kind, {**OPTIONS, "ttl": 5400}, there).action == "unchanged"
    with pytest.raises(Refused, match="spec.ttlDuration cannot be changed"):
        objects.make_plan(kind, {**OPTIONS, "ttl": 60}, there)


@pytest.mark.parametrize(
    ("state", "verdict", "grace"),
    [
        (export(), "done", False),
        (export("Pending", ("Ready", "False", "PodPending")), "wait", False),
        (export("Pending", ("Ready", "False", "VolumesNotPopulated")), "wait", False),
        (export("Pending", ("Ready", "False", "InUse")), "failed", True),
        (export("Pending", ("Ready", "False", "Initializing"), ("PVCReady", "False", "PVCNotFound")), "failed", True),
        (export("Skipped", ("Ready", "False", "VMNoVolumes")), "failed", False),
        (export("Terminated"), "failed", False),
        (None, "failed", False),
        (vm_export.new(OPTIONS), "wait", False),
    ],
)
def test_verdicts(state: Any, verdict: str, grace: bool) -> None:
    found = vm_export_state.ready(state)
    assert verdict == ("done" if found.done else "failed" if found.failed else "wait")
    assert bool(found.grace) == grace
    if state and verdict != "done":
        assert found.why == vm_export_state.describe(state)


@pytest.mark.parametrize(
    ("wanted", "url"),
    [
        ({"volume": "d"}, "https://h/gz"),
        ({"volume": "d", "format": "raw"}, "https://h/raw"),
        ({"volume": "f"}, "https://h/tar"),
        ({"manifest": "all"}, "https://h/all"),
    ],
)
def test_which_file_is_meant(wanted: dict[str, Any], url: str) -> None:
    assert vm_export_state.url(LINK, wanted, "here") == url


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"volume": "x"}, "has no volume x: it has d, f"),
        ({"volume": "f", "format": "raw"}, "has no format of the volume f raw: it has dir, tar.gz"),
        ({"manifest": "auth-header-secret"}, "has no manifest auth-header-secret: it has all"),
    ],
)
def test_what_there_is_not(wanted: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        vm_export_state.url(LINK, wanted, "here")


def test_links_that_are_missing_say_what_to_make() -> None:
    state = export(links={"internal": LINK}, serviceName="virt-export-e")
    assert vm_export_state.link(state, "internal", "here") == LINK
    with pytest.raises(
        Refused, match="leads to the service virt-exportproxy.*port-forward to the service virt-export-e"
    ):
        vm_export_state.link(state, "external", "here")
    with pytest.raises(Refused, match="it is not ready: Pending"):
        vm_export_state.link(export("Pending"), "internal", "here")


def test_summary() -> None:
    state = export(links={"external": LINK}, tokenSecretRef="t", serviceName="s", ttlExpirationTime="later")
    shown = vm_export_state.summary(state)
    assert shown["links"]["internal"] is None and shown["ready"] and shown["token_secret"] == "t"
    assert shown["links"]["external"]["volumes"]["d"] == {"raw": "https://h/raw", "gzip": "https://h/gz"}
    assert vm_export_state.summary({})["links"] == {"internal": None, "external": None}


def test_files_that_are_there_are_no_change(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("x")
    downloads = [
        {"dest": str(there), "volume": "d"},
        {"dest": str(there), "volume": "d", "force": True},
        {"dest": str(tmp_path / "new"), "volume": "d"},
    ]
    done = objects.Done(("a", "e"), objects.Plan("unchanged"), export())
    nobody: Any = None
    found = vm_export.finish(nobody, {**OPTIONS, "downloads": downloads}, done, objects.Settings(check=True))
    assert found is not None and [one["changed"] for one in found.entry["downloads"]] == [False, True, True]
    assert found.entry["changed"] and [one["before"]["file"] for one in found.diff] == ["there", "missing"]
    found = vm_export.finish(nobody, {**OPTIONS, "downloads": downloads[:1]}, done, objects.Settings())
    assert found is not None and not found.entry["changed"] and not found.diff
