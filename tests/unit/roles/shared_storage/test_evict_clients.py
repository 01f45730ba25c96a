# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clients are evicted, what is waited for, and what is said when that was in vain; `ceph` is a program of the test's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import evict_clients
import pytest

# As `ceph tell mds.FILESYSTEM:0 client ls` of 16.2 shows addresses.
THERE = {11: "10.0.0.1:0", 12: "10.0.0.12:0", 13: "10.0.0.1:0", 14: "[fd00::1]:0"}


def sessions(there: dict[int, str]) -> list[dict[str, Any]]:
    return [{"id": number, "entity": {"addr": {"addr": address, "nonce": 7}}} for number, address in there.items()]


@pytest.fixture(name="folder")
def ceph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `ceph` that lists what is in `sessions`, drops what it is told to, and fails as often as `away` says."""
    program = tmp_path / "ceph"
    program.write_text(
        f"""#!/usr/bin/env python3
import json, sys
from pathlib import Path
folder = Path({str(tmp_path)!r})
(folder / "asked").open("a").write(" ".join(sys.argv[1:]) + "\\n")
away = int((folder / "away").read_text())
if away:
    (folder / "away").write_text(str(away - 1))
    sys.exit("Error ENOENT: no such rank")
kept = json.loads((folder / "sessions").read_text())
if "evict" in sys.argv and not (folder / "stays").exists():
    kept = [one for one in kept if f"id={{one['id']}}" not in sys.argv]
    (folder / "sessions").write_text(json.dumps(kept))
print(json.dumps(kept))
"""
    )
    program.chmod(0o755)
    (tmp_path / "sessions").write_text(json.dumps(sessions(THERE)))
    (tmp_path / "away").write_text("0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(evict_clients, "PAUSE_SECONDS", 0.01)
    return tmp_path


def left(folder: Path) -> list[int]:
    return [one["id"] for one in json.loads((folder / "sessions").read_text())]


@pytest.mark.parametrize(("address", "stay"), [("10.0.0.1", [12, 14]), ("fd00::1", [11, 12, 13])])
def test_those_of_its_address_are_evicted_and_no_others(folder: Path, address: str, stay: list[int]) -> None:
    assert evict_clients.main("shared", "30", address) == 0
    assert left(folder) == stay
    assert {line.split()[1] for line in (folder / "asked").read_text().splitlines()} == {"mds.shared:0"}


def test_it_may_have_mounted_from_any_of_its_addresses_and_a_name_may_be_unknown(folder: Path) -> None:
    assert evict_clients.main("shared", "30", "no.such.node.invalid", "10.0.0.12", "fd00::1") == 0
    assert left(folder) == [11, 13]
    assert evict_clients.main("shared", "30", "10.0.0.1", "no.such.node.invalid") == 0
    assert left(folder) == []


def test_a_node_without_clients_is_asked_for_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evict_clients.main("shared", "30", "10.0.0.9") == 0
    assert "0 of 4 clients of shared are at 10.0.0.9" in capsys.readouterr().out
    assert len((folder / "asked").read_text().splitlines()) == 1


def test_an_mds_that_is_being_replaced_is_waited_for(folder: Path) -> None:
    (folder / "away").write_text("3")
    assert evict_clients.main("shared", "30", "10.0.0.1") == 0
    assert left(folder) == [12, 14]


def test_an_mds_that_stays_away_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "away").write_text("1000000")
    assert evict_clients.main("shared", "0.2", "10.0.0.1") == 1
    told = capsys.readouterr().err
    assert "shared: the clients of 10.0.0.1 are not known" in told
    assert "no such rank" in told


@pytest.mark.parametrize("said", ["", "{}", "[1]", "[{}]", "not JSON"])
def test_what_cannot_be_read_is_told(folder: Path, capsys: pytest.CaptureFixture[str], said: str) -> None:
    (folder / "ceph").write_text(f"#!/bin/sh\necho '{said}'\n")
    assert evict_clients.main("shared", "0", "10.0.0.1") == (0 if said == "{}" else 1)
    assert "10.0.0.1" in "".join(capsys.readouterr())


def test_one_that_comes_after_it_was_asked_for_is_let_be(folder: Path) -> None:
    back = json.dumps(sessions({12: "10.0.0.12:0", 21: "10.0.0.1:0"}))
    program = folder / "ceph"
    program.write_text(
        program.read_text().replace(
            "print(json.dumps(kept))",
            f"print(json.dumps(kept))\nif 'evict' in sys.argv: (folder / 'sessions').write_text({back!r})",
        )
    )
    assert evict_clients.main("shared", "30", "10.0.0.1") == 0
    assert left(folder) == [12, 21]
    assert "evict id=21" not in (folder / "asked").read_text()


def test_a_client_that_does_not_go_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stays").touch()
    assert evict_clients.main("shared", "0.2", "10.0.0.1") == 1
    assert "clients [11, 13] were evicted and are not gone yet" in capsys.readouterr().err


def test_an_address_that_no_name_service_knows_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evict_clients.main("shared", "0", "no.such.node.invalid") == 1
    assert "the clients of no.such.node.invalid are not known" in capsys.readouterr().err
    assert left(folder) == list(THERE)
