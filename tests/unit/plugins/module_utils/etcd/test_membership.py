# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which member goes, what keeps it, and what a cluster lacks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import etcd_member
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed, HaError, Refused
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import GatewayError, Member, Status

DOWN = ConnectionFailed("etcd cannot be reached", why="refused")


def member(number: int, *, name: str | None = None, learner: bool = False) -> Member:
    shown = f"n{number}" if name is None else name
    urls = (f"https://{number}:2379",) if shown else ()
    return Member(str(number), shown, urls, learner, (f"https://{number}:2380",))


class FakeEtcd:
    """Members by number; those that are down; what each removal answers."""

    def __init__(self, *members: Member, down: tuple[str, ...] = (), refuses: HaError | None = None) -> None:
        self.members = list(members)
        self.down = down
        self.refuses = refuses
        self.lost_answer = False
        self.removed: list[tuple[str, str]] = []

    def __call__(self, endpoint: str) -> Any:
        number = endpoint.removeprefix("https://").split(":")[0]
        outer = self

        class Gateway:
            def status(self) -> Status:
                if number in outer.down:
                    raise DOWN
                learner = next(found.learner for found in outer.members if found.id == number)
                return Status(endpoint, "9", number, "1", "3.6.1", 5, 5, 0, 0, 0, learner)

            def members(self) -> list[Member]:
                return list(outer.members)

            def alarms(self) -> list[dict[str, str]]:
                return []

            def remove(self, identity: str) -> None:
                if outer.refuses:
                    raise outer.refuses
                outer.removed.append((number, identity))
                outer.members = [found for found in outer.members if found.id != identity]
                if outer.lost_answer:
                    raise DOWN

        return Gateway()

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = {"state": "absent", "name": None, "member_id": None, "peer_url": None, "only_lost": False, **given}
        endpoints = [url for found in self.members for url in found.client_urls if found.id not in self.down]
        return etcd_member.run({"endpoints": endpoints, **params}, self, check=check)


def three(**more: Any) -> FakeEtcd:
    return FakeEtcd(member(1), member(2), member(3), **more)


def test_the_lost_member_goes_and_a_second_run_changes_nothing() -> None:
    etcd = three(down=("3",))
    assert etcd.run(name="n3", check=True)["changed"] and etcd.removed == []
    assert etcd.run(name="n3", only_lost=True)["removed"] == {"id": "3", "name": "n3", "peer_urls": ["https://3:2380"]}
    assert [identity for _by, identity in etcd.removed] == ["3"]
    assert etcd.run(name="n3")["changed"] is False


def test_a_new_member_of_the_same_name_stays_where_an_id_is_given() -> None:
    etcd = FakeEtcd(member(1), member(2), member(4, name="n3"))
    assert etcd.run(member_id="3")["removed"] is None and etcd.removed == []


def test_a_member_that_never_started_is_found_by_its_peer_url() -> None:
    etcd = FakeEtcd(member(1), member(2), member(3), member(4, name="", learner=True))
    assert etcd.run(peer_url="https://4:2380")["removed"]["id"] == "4"


def test_two_members_that_answer_are_refused_by_their_ids() -> None:
    etcd = FakeEtcd(member(1), member(3), member(4, name="n3", learner=True))
    with pytest.raises(Refused, match=r"3 \(n3\), 4 \(n3\)"):
        etcd.run(name="n3")


def test_a_living_member_is_not_lost() -> None:
    etcd = three()
    with pytest.raises(Refused, match="member n3 still answers"):
        etcd.run(name="n3", only_lost=True)
    assert etcd.removed == []


@pytest.mark.parametrize(
    ("down", "allowed"), [((), True), (("3",), True), (("2",), False), (("2", "3"), False)], ids=str
)
def test_the_members_that_are_left_must_have_a_quorum(down: tuple[str, ...], allowed: bool) -> None:
    etcd = three(down=down)
    if allowed:
        assert etcd.run(name="n3")["changed"]
        return
    with pytest.raises(
        Refused, match=r"1 of the 2 voting members that are left would serve, their quorum is 2: bring n2 back"
    ):
        etcd.run(name="n3")
    assert etcd.removed == []


def test_the_last_member_stays() -> None:
    with pytest.raises(Refused, match="the last voting one"):
        FakeEtcd(member(1)).run(name="n1")


def test_a_member_is_removed_by_another_where_there_is_one() -> None:
    etcd = three()
    etcd.run(name="n2")
    assert etcd.removed[0][0] != "2"


def test_an_answer_that_was_lost_is_no_failure() -> None:
    etcd = three(down=("3",))
    etcd.lost_answer = True
    assert etcd.run(name="n3")["changed"]
    assert len(etcd.removed) == 1


def test_a_refusal_of_etcd_comes_in_its_words() -> None:
    etcd = three(down=("3",), refuses=GatewayError("https://1:2379", "re-configuration failed"))
    with pytest.raises(HaError, match="re-configuration failed"):
        etcd.run(name="n3")


def test_present_tells_what_is_missing_with_the_cluster() -> None:
    assert "failure" not in three().run(state="present")
    result = FakeEtcd(member(1), member(2), member(3, learner=True), member(4, name=""), down=("2",)).run(
        state="present"
    )
    said = str(result["failure"])
    assert len(result["cluster"]["members"]) == 4
    for part in ("member n2 does not serve", "member n3 is a learner", "member 4 (https://4:2380) has not started yet"):
        assert part in said
    assert "no started member n9" in str(three().run(state="present", name="n9")["failure"])


def test_faults_of_the_parameters() -> None:
    given = {"state": "absent", "endpoints": ["https://1:2379"], "request_timeout": 5}
    assert "which member is to go" in "".join(etcd_member.faults(given))
    assert "decimal number" in "".join(etcd_member.faults({**given, "member_id": "8e9e05c52164694d"}))
    assert list(etcd_member.faults({**given, "name": "n1"})) == []
    assert "only_lost: has no meaning" in "".join(etcd_member.faults({**given, "state": "present", "only_lost": True}))
