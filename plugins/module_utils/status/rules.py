# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the findings that the status adds to those of `kubevirt_info`: what only hosts and outsiders see."""

from __future__ import annotations

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.registry import Rule

_ROWS = (
    (
        "critical",
        ("api-down", "The API does not answer at its address", "Look at the VIPs and at the load balancers' backends"),
        (
            "brick-no-spare",
            "A copy of the shared storage is away: one more and writes stop",
            "Bring its host or glusterd back",
        ),
        (
            "ceph-no-spare",
            "A part of Ceph is away: one more and writes may stop",
            "Bring its host or daemon back; ceph health detail on a storage host",
        ),
        (
            "certificate-of-host-expired",
            "A certificate on a host has expired",
            "Run the role kubernetes with kubernetes_certificates_renew_days",
        ),
        (
            "cluster-unknown",
            "The cluster cannot be asked, so nothing is known of what runs in it",
            "Bring an API server back first",
        ),
        ("etcd-alarm", "etcd has raised an alarm", "NOSPACE: compact, defragment, disarm; CORRUPT: replace the member"),
        (
            "etcd-no-answer",
            "etcd has no quorum, or no member of it can be asked",
            "Bring a majority of its members back",
        ),
        (
            "host-unreachable",
            "A host does not answer",
            "Look at its power and network; it does not count for any failover",
        ),
        (
            "mount-missing",
            "The shared storage is not mounted on a node",
            "Start the mount's unit there; no machine with shared disks starts on it",
        ),
        (
            "node-missing",
            "A host of the inventory is no node of the cluster",
            "Run site.yml, or take it out of the inventory",
        ),
        (
            "service-not-running",
            "A service of the platform does not run on a host",
            "Look at its unit's log, and start it",
        ),
        ("storage-unknown", "The shared storage cannot be asked", "Look at its daemons on the storage hosts"),
        ("vip-of-nobody", "No load balancer holds a VIP", "Look at keepalived, and at what it tracks"),
        ("vip-silent", "A VIP takes no connection", "Look at the proxy of the balancer that holds it"),
        ("vip-of-several", "Several load balancers hold one VIP", "Let VRRP (IP protocol 112) pass between them"),
        (
            "versions-untested",
            "Versions run together that nobody has tested so",
            "Upgrade what lags behind; docs/versions.md",
        ),
    ),
    (
        "warning",
        (
            "alert-firing",
            "Alerts fire",
            "Look at what they name; the annotations at Alertmanager say what to do",
        ),
        (
            "alertmanager-apart",
            "An Alertmanager does not see all others, so alerts are sent twice",
            "Let monitoring_alertmanager_cluster_port pass between them, TCP and UDP",
        ),
        ("alertmanager-silent", "An Alertmanager does not answer", "Look at prometheus-alertmanager on its host"),
        ("api-server-down", "An API server does not answer", "Look at its kube-apiserver"),
        ("backend-down", "A load balancer has left a backend out", "Look at the backend, and at the way to it"),
        (
            "backup-damaged",
            "The repository of backups is damaged",
            "Back up what is named now, then mend the repository: docs/backup.md",
        ),
        (
            "backup-failed",
            "The last run of backups failed in part",
            "Mend what is named, and run playbooks/backup.yml",
        ),
        (
            "backup-machine-missing",
            "A machine that is to be backed up has no backup",
            "Look at the last run on the backup host, or run playbooks/backup.yml",
        ),
        ("backup-machine-old", "A machine's newest backup is too old", "Look at the timer on the backup host"),
        ("balancer-unknown", "A load balancer does not tell of its backends", "Look at the proxy there"),
        (
            "ceph-unhealthy",
            "Ceph is not whole",
            "Wait until it is before anything else is stopped; ceph health detail on a storage host. "
            "What the site lives with: ceph health mute CODE --sticky",
        ),
        (
            "certificate-of-host-ends",
            "A certificate on a host ends soon",
            "Set kubernetes_certificates_renew_days, and run site.yml",
        ),
        ("drill-failed", "The last drill failed", "Read its report"),
        ("etcd-database-large", "etcd's database is near its quota", "Compact and defragment, or raise the quota"),
        ("etcd-member-silent", "A member of etcd does not answer or complains", "Look at its log"),
        ("etcd-slow-disk", "etcd's disk is slow", "Give etcd an SSD of its own, or expect changes of leaders"),
        (
            "heal-pending",
            "The shared storage is healing: its copies differ",
            "Wait until it is done before anything else is stopped",
        ),
        ("host-look-failed", "A host could not be looked at", "Run again; then look at what is named"),
        (
            "metrics-server-unavailable",
            "The API of metrics does not answer",
            "Look at the APIService's condition and the pods of metrics-server",
        ),
        (
            "node-pressure",
            "A node lacks memory, disk, processes or network",
            "Free what is named, or move machines away",
        ),
        ("not-whole", "Redundancy is not whole, so a drill would refuse to begin", "Mend what is named"),
        ("prometheus-silent", "A Prometheus does not answer", "Look at prometheus on its host"),
        (
            "quota-near-end",
            "A ResourceQuota is nearly used up",
            "Raise it, or stop machines, before one cannot start or migrate",
        ),
        (
            "reserve-waits",
            "Placeholders of the reserve have no room, so the loss of a node may not be borne",
            "Add a node, or stop machines; after the return of a node it mends itself",
        ),
        ("storage-peer-lost", "A storage host does not see another", "Look at glusterd and the network between them"),
        (
            "restore-unproven",
            "No restore was booted for too long, so no backup counts",
            "Run playbooks/restore.yml with restore_as and restore_remove: true",
        ),
        ("target-down", "Prometheus does not reach what it watches", "Look at what is named, and at the way to it"),
        (
            "watcher-not-working",
            "Nothing would recover a lost node",
            "Start the watcher, remove its stop switch, or let it act",
        ),
        (
            "watcher-unknown",
            "Whether somebody recovers lost nodes is not known",
            "Reach the host of backup_hosts, or set the watcher up",
        ),
    ),
    (
        "info",
        (
            "ceph-advice",
            "Ceph has advice; its copies are whole",
            "ceph health detail on a storage host, or ceph health mute",
        ),
        (
            "drill-missing",
            "No drill has been reported here",
            "Run playbooks/failover_drill.yml, or give status_drill_report",
        ),
        ("drill-old", "The last drill is long ago", "Drill again"),
        (
            "storage-class-local",
            "Disks of a StorageClass are lost to every machine with their node",
            "Use shared storage for what must fail over",
        ),
        (
            "storage-locks-lost",
            "Locks of a StorageClass's disks do not outlive restarts of its servers",
            "Stop its servers by playbooks/maintenance.yml, which moves machines first: docs/storage.md",
        ),
        ("versions-noted", "There is something to know of the versions", "docs/versions.md"),
    ),
)

RULES = {
    rule.id: rule for severity, *rows in _ROWS for rule in (Rule(row[0], severity, row[1], row[2]) for row in rows)
}
