# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which brick is replaced by which, what refuses it, and that a run that was broken off is completed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import gluster_brick
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused, WaitFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.gluster import model
from made_up_pool import HOSTS, PATH, Pool

LOST, NEW = HOSTS[2], "192.0.2.14"


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """The third host is lost."""
    monkeypatch.setattr(gluster_brick, "_POLL_SECONDS", 0)
    made = Pool()
    made.down = {LOST}
    return made


def run(pool: Pool, *, check: bool = False, **given: Any) -> dict[str, Any]:
    params = {"volume": "shared", "state": "planned", "lost": LOST, "new": None, "path": PATH}
    params = {**params, "wait": True, "wait_timeout": 0, **given}
    return gluster_brick.Job(gluster_brick.Gluster(pool, patience=5), params, check=check).run()


def writes(pool: Pool) -> list[str]:
    return [command for command in pool.commands if "-brick " in command]


def fault(pool: Pool, **given: Any) -> str:
    (found,) = run(pool, **given)["faults"]
    with pytest.raises(Refused):
        run(pool, state="replaced", **given)
    assert writes(pool) == []
    return str(found)


def test_a_new_machine_of_the_same_address_gets_its_brick_made_anew(pool: Pool) -> None:
    found = run(pool)
    assert (found["action"], found["faults"], found["peer_uuid"]) == ("reset", [], f"u-{LOST}")
    assert found["pool"] == [{"uuid": f"u-{HOSTS[1]}", "host": HOSTS[1]}, {"uuid": f"u-{HOSTS[0]}", "host": ""}]
    pool.down, pool.dead_bricks = set(), {f"{LOST}:{PATH}"}
    assert run(pool, check=True, state="replaced")["changed"] and writes(pool) == []
    assert run(pool, state="replaced")["changed"]
    brick = f"{LOST}:{PATH}"
    assert writes(pool) == [
        f"volume reset-brick shared {brick} start",
        f"volume reset-brick shared {brick} {brick} commit force",
    ]
    again = run(pool, state="replaced")
    assert (again["changed"], again["action"], len(writes(pool))) == (False, "none", 2)


def test_another_host_takes_the_place_once(pool: Pool) -> None:
    pool.members.append(NEW)
    assert run(pool, new=NEW)["action"] == "replace"
    assert run(pool, new=NEW, state="replaced")["changed"]
    assert writes(pool) == [f"volume replace-brick shared {LOST}:{PATH} {NEW}:{PATH} commit force"]
    again = run(pool, new=NEW, state="replaced")
    assert (again["changed"], again["faults"], again["old_brick"]) == (False, [], "")
    assert len(writes(pool)) == 1


def test_a_second_lost_brick_refuses(pool: Pool) -> None:
    pool.down = {LOST, HOSTS[1]}
    assert f"brick {HOSTS[1]}:{PATH} of volume shared is down, too" in fault(pool)


def test_only_the_bricks_of_the_same_replica_set_count(pool: Pool) -> None:
    pool.bricks = [f"192.0.2.{number}:{PATH}" for number in (21, 22, 23)] + pool.bricks
    pool.down = {LOST, "192.0.2.21"}
    assert run(pool)["faults"] == []
    pool.down = {LOST, HOSTS[0]}
    assert HOSTS[0] in fault(pool)


def test_split_brain_a_stopped_volume_and_no_replicas_refuse(pool: Pool) -> None:
    pool.split = 1
    assert "split brain" in fault(pool)
    pool.split, pool.replicas = 0, 1
    assert "has no replicas" in fault(pool)
    pool.replicas, pool.started = 3, False
    assert any("is not started" in each for each in run(pool)["faults"])


def test_a_brick_that_serves_is_not_replaced_by_another_host(pool: Pool) -> None:
    pool.down = set()
    assert "still serves" in fault(pool, new=NEW)
    assert run(pool)["action"] == "none"


def test_the_folder_must_be_the_same(pool: Pool) -> None:
    assert f"has its folder at {PATH}" in fault(pool, path="/srv/other")


def test_a_host_without_a_brick_and_a_missing_volume_are_faults(pool: Pool) -> None:
    assert "has no brick of 192.0.2.99: add one" in fault(pool, lost="192.0.2.99")
    assert "none at 192.0.2.98" in fault(pool, lost="192.0.2.99", new="192.0.2.98")
    assert "does not exist" in fault(pool, volume="other")


def test_healed_names_all_that_is_left(pool: Pool) -> None:
    with pytest.raises(WaitFailed) as failed:
        run(pool, state="healed")
    for part in (f"brick {LOST}:{PATH} is down", f"peer {LOST} is not connected", "does not tell"):
        assert part in str(failed.value)
    assert "volume heal shared full" not in pool.commands  # not while a brick is down: it would be refused


def test_healed_asks_for_a_full_heal_once_and_then_changes_nothing(pool: Pool) -> None:
    pool.down, pool.pending = set(), 3
    assert run(pool, state="healed", check=True)["left"] == [f"brick {HOSTS[0]}:{PATH} has 3 entries to heal"]
    result = run(pool, state="healed", wait_timeout=5)
    assert (result["changed"], result["left"]) == (True, [])
    assert pool.commands.count("volume heal shared full") == 1
    assert run(pool, state="healed") == {"changed": False, "left": []}


def test_a_busy_pool_is_asked_again(pool: Pool) -> None:
    pool.busy = 2
    assert run(pool)["action"] == "reset"


def test_a_refusal_comes_in_its_own_words() -> None:
    with pytest.raises(HaError, match="Volume shared is not in the started state"):
        model.output(
            "<cliOutput><opRet>-1</opRet><opErrstr>Volume shared is not in the started state</opErrstr></cliOutput>",
            "c",
        )
    with pytest.raises(HaError, match="Connection failed"):
        model.output("Connection failed. Please check if gluster daemon is operational.", "c")


def test_a_brick_of_an_ipv6_address() -> None:
    assert model.Brick.parse("2001:db8::1:/srv/brick") == model.Brick("2001:db8::1", "/srv/brick")
