# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a node cannot hold a virtual machine."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import node_ready
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, WaitFailed

LABELS = {"kubevirt.io/schedulable": "true", "storage": "true"}
READY = [{"type": "Ready", "status": "True"}]


def node(*, labels: dict[str, str] | None = None, ready: bool = True, cpu: str = "4", **spec: Any) -> dict[str, Any]:
    status = {"conditions": READY if ready else [], "allocatable": {"cpu": cpu, "memory": "8Gi"}}
    return {"metadata": {"name": "n4", "labels": LABELS if labels is None else labels}, "spec": spec, "status": status}


def handler(*, ready: bool = True) -> dict[str, Any]:
    requests = {"requests": {"cpu": "1", "memory": "1Gi"}}
    return {
        "metadata": {"name": "virt-handler-x", "labels": {"kubevirt.io": "virt-handler"}},
        "spec": {"nodeName": "n4", "containers": [{"name": "c", "resources": requests}]},
        "status": {"phase": "Running", "conditions": READY if ready else []},
    }


def faults(found: dict[str, Any], *pods: dict[str, Any], **labels: str) -> list[str]:
    return list(node_ready.faults("n4", [found], list(pods), labels))


def test_a_whole_node_has_no_fault() -> None:
    assert faults(node(), handler(), storage="true") == []


@pytest.mark.parametrize(
    ("found", "pods", "said"),
    [
        (node(ready=False), [handler()], "is not ready"),
        (node(unschedulable=True), [handler()], "is cordoned"),
        (node(labels={"storage": "true"}), [handler()], "takes no machines"),
        (node(labels={"kubevirt.io/schedulable": "true"}), [handler()], "lacks the label storage=true"),
        (node(taints=[{"key": "a", "effect": "NoSchedule"}]), [handler()], "has the taint a:NoSchedule"),
        (node(), [], "has no ready virt-handler"),
        (node(), [handler(ready=False)], "has no ready virt-handler"),
        (node(cpu="1"), [handler()], "has no cpu left"),
    ],
)
def test_each_thing_that_is_missing_is_told(found: dict[str, Any], pods: list[dict[str, Any]], said: str) -> None:
    (told,) = faults(found, *pods, storage="true")
    assert told.startswith("node n4 ") and said in told


def test_a_node_that_is_not_there() -> None:
    assert list(node_ready.faults("n9", [node()], [], {})) == ["node n9 is not in the cluster"]


class FakeClient:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def list(self, resource: Any, **_more: Any) -> Any:
        answer = (
            self.answers[0]
            if len(self.answers) == 1
            else self.answers.pop(0)
            if resource.kind == "Node"
            else self.answers[0]
        )
        if isinstance(answer, HaError):
            raise answer
        return type("L", (), {"items": [answer] if resource.kind == "Node" else [handler()]})


def run(client: Any, *, check: bool = False, timeout: int = 0) -> dict[str, Any]:
    params = {"nodes": ["n4"], "labels": {}, "wait": True, "wait_timeout": timeout}
    return node_ready.run(client, params, check=check)


def test_it_waits_through_an_api_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_ready, "_POLL_SECONDS", 0)
    client = FakeClient(HaError("gone"), node(ready=False), node())
    assert run(client, timeout=5) == {"changed": False, "faults": []}


def test_it_fails_with_all_that_is_missing_and_in_check_mode_tells_it() -> None:
    with pytest.raises(WaitFailed, match="is not ready"):
        run(FakeClient(node(ready=False)))
    assert "is not ready" in run(FakeClient(node(ready=False)), check=True)["faults"][0]
