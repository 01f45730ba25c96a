# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the leases of components of which one leads, their age and whether their holder can be alive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.gather import seconds

SYSTEM = "kube-system"
_OF_KUBEVIRT = ("virt-controller", "virt-operator")
_OF_KUBERNETES = ("kube-controller-manager", "kube-scheduler")
_DURATION = 15.0


def overview(view: View) -> dict[str, dict[str, Any]]:
    """The result's `leaders`: holder and age of each lease, in seconds."""
    found = {}
    for namespace, name in _wanted(view):
        spec = _spec(view, namespace, name)
        if spec is not None:
            age = _age(view, spec)
            found[name] = {
                "holder": str(spec.get("holderIdentity") or ""),
                "age_seconds": None if age is None else round(age, 1),
                "lasts_seconds": _lasts(spec),
            }
    return found


def leases(view: View) -> Iterator[Finding]:
    """Leases that are not there, that nobody renews, or whose holder is lost."""
    for namespace, name in _wanted(view):
        spec = _spec(view, namespace, name)
        if spec is None:
            yield Finding("leader-unknown", "there is no such lease", (Thing("Lease", name, namespace),))
            continue
        holder, age = str(spec.get("holderIdentity") or ""), _age(view, spec)
        if not holder or age is None:
            yield _finding("leader-stale", "nobody holds the lease", namespace, name)
        elif age > view.settings.lease_factor * _lasts(spec):
            why = f"a lease is stale when {view.settings.lease_factor:g} of its durations have passed"
            yield _finding("leader-stale", why, namespace, name, f"{holder} renewed it {age:.0f} s ago")
        else:
            lost = _lost(view, namespace, holder)
            if lost:
                yield _finding(
                    "leader-lost", "a standby takes over only when the lease has run out", namespace, name, lost
                )


def _finding(identifier: str, why: str, namespace: str, name: str, detail: str = "") -> Finding:
    return Finding(identifier, why, (Thing("Lease", name, namespace, detail),))


def _wanted(view: View) -> Iterator[tuple[str, str]]:
    """The leases that could be read."""
    cluster = view.cluster
    for source, namespace, names in (
        ("leases", cluster.namespace, _OF_KUBEVIRT if cluster.kubevirt else ()),
        ("system_leases", SYSTEM, _OF_KUBERNETES),
    ):
        if source not in cluster.unread:
            yield from ((namespace, name) for name in names)


def _spec(view: View, namespace: str, name: str) -> Mapping[str, Any] | None:
    lease = view.cluster.leases.get((namespace, name))
    return None if lease is None else lease.get("spec") or {}


def _age(view: View, spec: Mapping[str, Any]) -> float | None:
    try:
        renewed = seconds(spec.get("renewTime"))
    except ValueError:
        return None
    return None if renewed is None else max(0.0, view.cluster.now - renewed)


def _lasts(spec: Mapping[str, Any]) -> float:
    return float(spec.get("leaseDurationSeconds") or _DURATION)


def _lost(view: View, namespace: str, holder: str) -> str:
    """Why a holder cannot be alive: KubeVirt's holders are named after their pod, Kubernetes' after their node."""
    if namespace != SYSTEM:
        pods = [pod for pod in view.cluster.pods if pod.namespace == namespace]
        pod = next((each for each in pods if each.name == holder), None)
        if pod is None:
            return f"pod {holder} is gone" if pods else ""
        name = pod.node
    else:
        name = holder.rpartition("_")[0]
    node = view.nodes.get(name)
    return f"node {name} of {holder} is not Ready" if node is not None and not node.ready else ""
