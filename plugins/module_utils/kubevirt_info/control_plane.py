# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: API servers and the address before them, control plane nodes, etcd's quorum and its backup, who recovers nodes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill.redundancy import heartbeat_faults
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.findings import Finding, Thing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.leaders import SYSTEM
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Pod
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.view import View
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import ETCD_LABELS

BACKUP_NAME = "kubevirt-ha-etcd-backup"
# What the role backup says of its backups.
BACKUPS_NAME, BACKUPS_KEY = "kubevirt-ha-backup", "state"
_HOUR = 3600.0
_CLOCKS_APART = 300.0
# The watcher writes its heartbeat every second or two.
_WATCHER_SECONDS = 5.0


def api_addresses(view: View) -> Iterator[Finding]:
    """Addresses of the API that are one node's own, with the host part of each as it was given."""
    owners = {address: node.name for node in view.cluster.nodes for address in node.addresses}
    for endpoint, addresses in sorted(view.cluster.addresses.items()):
        nodes = {owners[address] for address in (endpoint, *addresses) if address in owners}
        others = [address for address in addresses if address not in owners]
        if len(nodes) == 1 and not others:
            detail = f"is node {nodes.pop()}"
            yield Finding(
                "api-one-address", "the API is gone with that node", (Thing("address", endpoint, "", detail),)
            )
        elif not addresses or any(_is_loopback(address) for address in addresses):
            detail = "is this machine itself" if addresses else "cannot be resolved here"
            yield Finding(
                "api-address-unclear", "nothing can be told from it", (Thing("address", endpoint, "", detail),)
            )


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


def api_servers(view: View) -> Iterator[Finding]:
    """The endpoints of Service default/kubernetes: the API servers that serve."""
    serving, control_planes = len(set(view.cluster.endpoints)), _control_planes(view)
    service = Thing("Service", "kubernetes", "default", f"{serving} endpoints")
    if serving == 0:
        thing = Thing("Service", "kubernetes", "default", "it has no endpoints, so the API servers cannot be counted")
        yield Finding("unchecked", "the API servers behind the address", (thing,))
    elif serving == 1 and control_planes != 1:
        yield Finding("api-server-single", "there is one endpoint", (service,))
    elif serving < control_planes:
        yield Finding("api-server-missing", f"{serving} serve of {control_planes} control plane nodes", (service,))


def control_planes(view: View) -> Iterator[Finding]:
    """How many nodes carry the control plane."""
    names = [node.name for node in view.cluster.nodes if node.control_plane]
    if len(names) == 1:
        yield Finding("control-plane-single", "its loss takes API, scheduler and etcd", (Thing("Node", names[0]),))
    elif not names and view.cluster.nodes:
        yield Finding("control-plane-hidden", "no node has the label node-role.kubernetes.io/control-plane")


def _control_planes(view: View) -> int:
    return sum(node.control_plane for node in view.cluster.nodes)


def etcd_pods(view: View) -> list[Pod]:
    """The members of etcd that run as pods."""
    return [pod for pod in view.cluster.pods if pod.namespace == SYSTEM and ETCD_LABELS.items() <= pod.labels.items()]


def etcd_quorum(view: View) -> Iterator[Finding]:
    """Whether etcd survives the loss of one more member."""
    pods = etcd_pods(view)
    members = max(len(pods), view.settings.etcd_members)
    if members == 0:
        yield Finding("etcd-hidden", "no pod of kube-system carries the labels of etcd")
        return
    if members == 1:
        yield Finding(
            "etcd-single", "its loss ends the cluster, and takes the data", tuple(_thing(pod) for pod in pods)
        )
        return
    if members % 2 == 0:
        why = f"{members} members bear no more losses than {members - 1}"
        yield Finding("etcd-even", why, tuple(_thing(pod) for pod in pods))
    if pods:
        yield from _lost_members(view, pods, members)
    elif members == 2:
        yield Finding("etcd-no-spare", "there are 2 members, and both make up the quorum")


def _lost_members(view: View, pods: list[Pod], members: int) -> Iterator[Finding]:
    quorum, healthy = members // 2 + 1, [pod for pod in pods if _is_healthy(view, pod)]
    lost = tuple(_thing(pod, "not ready") for pod in pods if pod not in healthy)
    why = f"{len(healthy)} of {members} members are ready, the quorum is {quorum}"
    if len(healthy) - 1 < quorum:
        yield Finding("etcd-no-spare", why, lost or tuple(_thing(pod) for pod in pods))
    elif lost or len(healthy) < members:
        yield Finding("etcd-member-down", why, lost)
    domains = [view.domain(pod.node) for pod in healthy]
    if len(set(view.domains(view.cluster.nodes))) > 1:
        for domain in sorted(set(domains) - {""}):
            if len(healthy) - domains.count(domain) < quorum <= len(healthy):
                inside = tuple(_thing(pod) for pod in healthy if view.domain(pod.node) == domain)
                yield Finding("etcd-one-domain", f"without {domain} fewer than {quorum} members are left", inside)


def _is_healthy(view: View, pod: Pod) -> bool:
    """A mirror pod of a node that is lost goes on saying that it is ready."""
    node = view.nodes.get(pod.node)
    return pod.ready and (node is None or node.ready)


def _thing(pod: Pod, detail: str = "") -> Thing:
    return Thing("Pod", pod.name, pod.namespace, detail)


def etcd_backup(view: View) -> Iterator[Finding]:
    """Age of the newest backup; see the module's documentation for where it is noted."""
    backup = view.cluster.backup
    if backup is None or backup.taken_at is None:
        why = backup.fault if backup and backup.fault else f"there is no ConfigMap {SYSTEM}/{BACKUP_NAME}"
        yield Finding("etcd-backup-missing", why)
        return
    thing = Thing("backup", backup.where or BACKUP_NAME)
    age = view.cluster.now - backup.taken_at
    if age < -_CLOCKS_APART:
        yield Finding("etcd-backup-missing", "its time is in the future, so it tells nothing", (thing,))
    elif age > view.settings.backup_hours * _HOUR:
        yield Finding(
            "etcd-backup-old", f"{age / _HOUR:.0f} h old, {view.settings.backup_hours:g} h are allowed", (thing,)
        )
    if not backup.verified:
        yield Finding("etcd-backup-unverified", "nothing says that it can be read", (thing,))


def recovery(view: View) -> Iterator[Finding]:
    """Whether anything brings machines of a lost node back: the watcher of this collection, or a NodeHealthCheck."""
    cluster, state_dir = view.cluster, view.settings.state_dir
    if state_dir:
        for fault in heartbeat_faults(cluster.watcher, cluster.here, _WATCHER_SECONDS):
            yield Finding("recovery-not-working", fault, (Thing("state_dir", state_dir),))
    elif not cluster.health_checks and "health_checks" not in cluster.unread:
        yield Finding("recovery-unknown", "there is no NodeHealthCheck, and state_dir of a watcher was not given")
