# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How connections are opened: read-only first, read-write for what needs it, with a password that goes nowhere else."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import session, uri
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import Access, Session

from .conftest import Connection

TARGET = uri.target({"uri": "qemu:///system", "socket": "/run/s"})


class LibvirtError(Exception):
    """As libvirt-python's."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code

    def get_error_code(self) -> int:
        return self.code


@pytest.fixture
def opened(told: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was opened, as URI and flags; the read-write one is refused when `refuse` is set in the constants."""
    found: list[tuple[str, int]] = []

    def open_auth(name: str, auth: list[Any], flags: int) -> Connection:
        found.append((name, flags))
        told.auth = auth
        if getattr(told, "refuse", None) and not flags:
            raise LibvirtError(told.refuse)
        return Connection(setKeepAlive=lambda *_: 0, close=lambda: 0)

    monkeypatch.setattr(session, "LibvirtError", LibvirtError)
    monkeypatch.setattr(session, "_prepared", True)
    told.openAuth = open_auth
    return found


def test_it_is_read_only_until_more_is_needed(opened: list[tuple[str, int]]) -> None:
    found = Session(TARGET, Access(keepalive_interval=3, keepalive_count=2))
    assert opened == [("qemu:///system?socket=/run/s", 1)]
    assert found.connection.asked == [("setKeepAlive", 3, 2)]
    assert found.read_write() is found.read_write()
    assert opened == [("qemu:///system?socket=/run/s", 1), ("qemu:///system?socket=/run/s", 0)]
    found.close()
    assert found.connection.times("close") == 1 and found.read_write().times("close") == 1


def test_no_keep_alive_where_it_is_switched_off(opened: list[tuple[str, int]]) -> None:
    assert Session(TARGET, Access(keepalive_interval=0)).connection.asked == []


def test_read_write_can_be_forbidden(opened: list[tuple[str, int]]) -> None:
    found = Session(TARGET, Access(read_write=False))
    with pytest.raises(session.Denied, match="Set read_write to true"):
        found.read_write()
    assert len(opened) == 1


def test_read_write_that_is_refused_is_tried_once(told: SimpleNamespace, opened: list[tuple[str, int]]) -> None:
    told.refuse = "authentication unavailable: no polkit agent"
    found = Session(TARGET, Access())
    for _attempt in range(3):
        with pytest.raises(session.Denied, match="no polkit agent.*group libvirt"):
            found.read_write()
    assert len(opened) == 2


def test_a_connection_that_fails_names_the_uri_without_its_parameters(
    told: SimpleNamespace, opened: list[tuple[str, int]]
) -> None:
    def refuse(*_: Any) -> None:
        raise LibvirtError("Failed to connect\n socket to '/run/s':   Connection refused")

    told.openAuth = refuse
    with pytest.raises(ConnectionFailed) as error:
        Session(TARGET, Access())
    assert error.value.where == "qemu:///system"
    assert error.value.why == "Failed to connect socket to '/run/s': Connection refused"
    assert "libvirtd or virtqemud" in error.value.fix


def test_a_connection_that_never_comes_about(told: SimpleNamespace, opened: list[tuple[str, int]]) -> None:
    release = threading.Event()
    told.openAuth = lambda *_: release.wait(30)
    with pytest.raises(ConnectionFailed, match="timed out after 0.2 seconds"):
        Session(TARGET, Access(timeout=0.2))
    release.set()


def test_the_password_is_given_to_whom_asks_for_it_alone(told: SimpleNamespace, opened: list[tuple[str, int]]) -> None:
    access = Access(username="reader", password="hunter2")
    found = Session(TARGET, access)
    kinds, answer, _data = told.auth
    asked = [[2, "user", None, None, None], [5, "password", None, None, None]]
    assert answer(asked, None) == 0 and [entry[4] for entry in asked] == ["reader", "hunter2"]
    assert set(kinds) == {1, 2, 5, 7}
    assert answer([[9, "something else", None, None, None]], None) == -1
    assert "hunter2" not in found.target.uri and "hunter2" not in repr(found) and "hunter2" not in repr(access)


def test_without_a_password_nobody_is_asked(told: SimpleNamespace, opened: list[tuple[str, int]]) -> None:
    Session(TARGET, Access())
    assert told.auth[1]([[5, "password", None, None, None]], None) == -1


@pytest.mark.parametrize(("code", "kind"), [(3, session.Unsupported), (29, session.Denied), (1, LibvirtError)])
def test_refusals_by_their_kind(opened: list[tuple[str, int]], code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="no way"):
        session.call(Connection(ask=LibvirtError("no\n way", code) if code != 1 else LibvirtError("no way")), "ask")


def test_versions(told: SimpleNamespace) -> None:
    told.getVersion = lambda: 9000000
    assert session.versions(Connection(getLibVersion=11008001, getVersion=7002022)) == {
        "libvirt": "11.8.1",
        "hypervisor": "7.2.22",
        "library": "9.0.0",
    }
