# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from key to key: nobody writes what another cannot read, wherever a run was broken off."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from .kubernetes_role import value

IDENTITY: dict[str, Any] = {"identity": {}}
NAMES = ("n1", "n2", "n3")
Providers = list[dict[str, Any]]


def provider(kind: str, letter: str) -> dict[str, Any]:
    """A provider with a key of one letter, repeated."""
    return {kind: {"keys": [{"name": f"key-{letter}", "secret": base64.b64encode(letter.encode() * 32).decode()}]}}


class Cluster:
    """Members with a list of providers each, moved by the role's steps."""

    def __init__(self, members: list[Providers], **given: Any) -> None:
        self.members = dict(zip(NAMES, members, strict=True))
        self._given = given

    def step(self, name: str, host: str) -> Providers:
        """The list that the step gives to a host."""
        hosts = {
            host: {"inventory_hostname": host, "__kubernetes_state": "member", "__kubernetes_providers": providers}
            for host, providers in self.members.items()
        }
        answer: Providers = value(
            f"__kubernetes_encryption_{name}",
            groups={"control_plane": list(NAMES)},
            ansible_play_hosts=list(NAMES),
            hostvars=hosts,
            __kubernetes_providers=self.members[host],
            **self._given,
        )
        return answer

    def move(self, name: str) -> None:
        """Gives the step's list to one member after the other, as seen from the start; all can read all at any time."""
        after = {host: self.step(name, host) for host in NAMES}
        for host in NAMES:
            self.members[host] = after[host]
            written = [providers[0] for providers in self.members.values()]
            for reader, providers in self.members.items():
                assert all(first in providers for first in written), f"{reader} cannot read all once {host} has moved"


OLD, NEW = provider("secretbox", "a"), provider("secretbox", "b")
STARTS: dict[str, list[Providers]] = {
    "from none": [[IDENTITY]] * 3,
    "from another key": [[OLD, IDENTITY]] * 3,
    "from another kind": [[provider("aescbc", "c"), IDENTITY]] * 3,
    "broken off while one could read": [[OLD, NEW, IDENTITY], [OLD, IDENTITY], [OLD, IDENTITY]],
    "broken off while one wrote": [[NEW, OLD, IDENTITY], [OLD, NEW, IDENTITY], [OLD, NEW, IDENTITY]],
    "broken off while one forgot": [[NEW, IDENTITY], [NEW, OLD, IDENTITY], [NEW, OLD, IDENTITY]],
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("kind", ["secretbox", "identity"])
def test_every_member_can_read_what_another_writes(kind: str, start: list[Providers], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(NEW["secretbox"]["keys"][0]["secret"] + "\n")
    given = {"kubernetes_secrets_encryption_key_file": str(key)} if kind == "secretbox" else {}
    cluster = Cluster(start, kubernetes_secrets_encryption=kind, **given)
    cluster.move("reading")
    cluster.move("writing")
    known = [one for providers in start for one in providers]
    assert all(one in providers for one in known for providers in cluster.members.values()), (
        "an old key is gone too soon"
    )
    cluster.move("final")
    finals = list(cluster.members.values())
    assert finals[0] == finals[1] == finals[2]
    assert [next(iter(one)) for one in finals[0]] == ([kind, "identity"] if kind == "secretbox" else [kind])


def test_a_key_that_a_member_has_is_used_again() -> None:
    cluster = Cluster(
        [[IDENTITY, OLD], [IDENTITY], [IDENTITY]],
        kubernetes_secrets_encryption="secretbox",
        __kubernetes_encryption_made={"stdout": "never"},
    )
    (wanted, _identity) = cluster.step("final", "n1")
    assert wanted["secretbox"]["keys"][0]["secret"] == OLD["secretbox"]["keys"][0]["secret"]


def test_nothing_moves_where_all_is_done() -> None:
    cluster = Cluster(
        [[IDENTITY]] * 3, kubernetes_secrets_encryption="aescbc", __kubernetes_encryption_made={"stdout": "k"}
    )
    done = cluster.step("final", "n1")
    again = Cluster(
        [done] * 3, kubernetes_secrets_encryption="aescbc", __kubernetes_encryption_made={"stdout": "other"}
    )
    assert [again.step(name, "n2") for name in ("reading", "writing", "final")] == [done] * 3
