# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All findings that there can be: identifier, severity, what it says, the way out. The module's documentation says the same.

critical: the loss of one part takes the platform or a machine away until somebody acts, or will without any loss.
warning: no single loss does that, but protection is thinner than it looks, or maintenance is blocked.
info: worth knowing, no lack of availability.
"""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class Rule:
    """What one kind of finding says wherever it appears."""

    id: str
    severity: str
    what: str
    fix: str


def _rules(severity: str, *rows: tuple[str, str, str]) -> list[Rule]:
    return [Rule(identifier, severity, what, fix) for identifier, what, fix in rows]


_CRITICAL = _rules(
    "critical",
    (
        "api-one-address",
        "The API is reached at an address that one node alone has",
        "Put a virtual IP or a load balancer before the API servers, and give its address to kubeconfigs and kubelets",
    ),
    (
        "api-server-single",
        "Only one API server serves",
        "Run three control planes, or start those that are down",
    ),
    (
        "capacity-node",
        "The virtual machines of a node would not all fit on the others",
        "Add a node or memory and CPU, or lower the requests of the machines that are named",
    ),
    (
        "certificate-expired",
        "A certificate is no longer valid",
        "Renew it, the API server's with kubeadm certs renew, KubeVirt's own by a restart of virt-operator",
    ),
    (
        "component-missing",
        "A component of KubeVirt is not there",
        "Look at the KubeVirt CR's conditions and at virt-operator's log",
    ),
    (
        "component-no-spare",
        "A component of KubeVirt has no ready replica to take over",
        "Look at the events and logs of its pods that are not ready",
    ),
    (
        "component-one-node",
        "All replicas of a component are on one node",
        "Uncordon the other nodes and delete one of the pods, so that it is placed anew",
    ),
    (
        "component-single",
        "A component of KubeVirt asks for one replica only",
        "Raise spec.infra.replicas of the KubeVirt CR, for virt-operator the replicas of its Deployment",
    ),
    (
        "control-plane-single",
        "There is one control plane node only",
        "Add control plane nodes until there are three",
    ),
    (
        "etcd-no-spare",
        "etcd would lose its quorum with one more member",
        "Bring back the member that is down before anything else; where none is, add a third one",
    ),
    (
        "etcd-single",
        "etcd has one member only",
        "Add members until there are three",
    ),
    (
        "handler-stale",
        "virt-handler of a node that is Ready has stopped reporting",
        "Look at the node's virt-handler pod, for KubeVirt takes the node for lost after five minutes",
    ),
    (
        "kubevirt-api-unavailable",
        "The API of KubeVirt's subresources does not answer",
        "Look at the APIService's condition, the Service virt-api and its pods",
    ),
    (
        "kubevirt-missing",
        "KubeVirt is not installed",
        "Install it, such as with the role kubevirt",
    ),
    (
        "kubevirt-not-available",
        "KubeVirt does not say that it is Available",
        "Look at the KubeVirt CR's conditions and at virt-operator's log",
    ),
    (
        "leader-stale",
        "A leader has stopped renewing its lease, and no other has taken over",
        "Look at the component's pods; a lease that is released is taken by a standby at once",
    ),
    (
        "node-not-ready",
        "A node is not Ready, so one redundancy is used up already",
        "Bring the node back, or remove it from the cluster",
    ),
    (
        "recovery-not-working",
        "The watcher that recovers lost nodes would not act",
        "Start the watcher, remove its stop switch, or let it act automatically",
    ),
    (
        "unchecked-essential",
        "What this module judges by could not be read",
        "Grant get and list on what is named, or narrow namespaces",
    ),
    (
        "vm-cpu-model",
        "A machine's CPU model is offered by one node only",
        "Take a model that more nodes offer by a label cpu-model.node.kubevirt.io/MODEL",
    ),
    (
        "vm-dedicated-cpus",
        "A machine's dedicated CPUs are offered by one node only",
        "Turn on the static CPU manager policy on more nodes",
    ),
    (
        "vm-host-device-one-node",
        "A machine's host device is offered by one node only",
        "Fit and permit the device on a second node",
    ),
    (
        "vm-local-disk",
        "A machine's disk lives on one node and is out of reach without it",
        "Move the disk to shared storage",
    ),
    (
        "vm-no-node",
        "No node fits the rules of a machine that runs or should run",
        "Correct node selector, affinity and tolerations, or the nodes' labels",
    ),
    (
        "vm-nodes-single",
        "One node only can run virtual machines",
        "Add a node with KVM, or make a second one schedulable",
    ),
    (
        "vm-one-node",
        "A machine's rules leave it one node only",
        "Widen node selector, affinity and tolerations, or label more nodes",
    ),
    (
        "vm-priority-class-unknown",
        "A machine names a PriorityClass that is not there, so it cannot start again",
        "Create the PriorityClass, or correct its name",
    ),
    (
        "vm-run-strategy",
        "A machine runs, but its run strategy does not bring it back",
        "Set the run strategy Always or RerunOnFailure",
    ),
    (
        "vm-standalone",
        "An instance without a virtual machine is never started again",
        "Define it as a VirtualMachine",
    ),
)

_WARNING = _rules(
    "warning",
    (
        "api-server-missing",
        "Fewer API servers serve than there are control plane nodes",
        "Look at the kube-apiserver of the control plane node that is missing",
    ),
    (
        "capacity-domain",
        "The virtual machines of a failure domain would not all fit on the others",
        "Add nodes to the other failure domains, or lower the requests of the machines that are named",
    ),
    (
        "certificate-expires",
        "A certificate is about to expire",
        "Renew it; those of KubeVirt are renewed by virt-operator, which seems not to do so",
    ),
    (
        "certificate-unreadable",
        "A certificate cannot be read, so its expiry is not known",
        "Look at the named field; it must hold a PEM certificate",
    ),
    (
        "component-not-ready",
        "A component of KubeVirt has fewer replicas ready than it asks for",
        "Look at the events and logs of its pods that are not ready",
    ),
    (
        "component-one-domain",
        "All replicas of a component are in one failure domain",
        "Delete one of the pods when nodes of another failure domain have room",
    ),
    (
        "component-pdb-blocks",
        "A PodDisruptionBudget of a component lets no pod be evicted, so a drain does not end",
        "Bring the pods back that are not ready, or set minAvailable one below the replicas",
    ),
    (
        "component-pdb-missing",
        "No PodDisruptionBudget keeps a component's replicas from being drained at once",
        "Look why virt-operator has not made it; it does for two replicas or more",
    ),
    (
        "etcd-backup-missing",
        "No backup of etcd is known",
        "Take snapshots on a schedule and note each in ConfigMap kube-system/kubevirt-ha-etcd-backup, or give etcd_backup",
    ),
    (
        "etcd-backup-old",
        "The newest backup of etcd is too old",
        "Look at the job that takes the snapshots",
    ),
    (
        "etcd-even",
        "etcd has an even number of members, one more than it needs for what it survives",
        "Add a member, or take one out",
    ),
    (
        "etcd-hidden",
        "etcd cannot be seen from inside the cluster",
        "Give etcd_members where it is run outside",
    ),
    (
        "etcd-member-down",
        "A member of etcd is not ready, its quorum bears one more loss",
        "Look at the pod of the member",
    ),
    (
        "etcd-one-domain",
        "The loss of one failure domain takes etcd's quorum",
        "Spread the control plane nodes over three failure domains",
    ),
    (
        "handler-not-ready",
        "virt-handler is not ready on a node that is Ready",
        "Look at the events and log of the node's virt-handler pod",
    ),
    (
        "helper-single",
        "A component beside the core has one ready replica or none",
        "Raise spec.infra.replicas of the KubeVirt CR, or look at the pods that are not ready",
    ),
    (
        "kubevirt-degraded",
        "KubeVirt says that it is Degraded",
        "Look at the KubeVirt CR's conditions and at virt-operator's log",
    ),
    (
        "leader-lost",
        "The holder of a leader's lease is gone or on a node that is not Ready",
        "Fence the node; its lease can then be released at once instead of running out",
    ),
    (
        "leader-unknown",
        "The lease of a component with a leader is not there",
        "Look whether the component runs with leader election; some distributions keep its lease elsewhere",
    ),
    (
        "node-cordoned",
        "A node that is Ready is cordoned or tainted for its state, so it takes no machines",
        "Uncordon it when the maintenance is over, or mend what the taint names",
    ),
    (
        "node-kubelet-skew",
        "The versions of kubelets and API server lie apart",
        "Finish the upgrade",
    ),
    (
        "node-vm-unschedulable",
        "KubeVirt does not place machines on a node that is Ready",
        "Look at the node's virt-handler, which sets the label kubevirt.io/schedulable",
    ),
    (
        "recovery-unknown",
        "Nothing that can be seen would recover a lost node, and Kubernetes alone never does",
        "Run the role node_remediation and give its state_dir, or install a NodeHealthCheck",
    ),
    (
        "storage-class-no-rwx",
        "Machines' claims are of a StorageClass that offers no shared access",
        "Use a StorageClass with ReadWriteMany for disks of machines",
    ),
    (
        "unchecked",
        "Something could not be checked",
        "Grant get and list on what is named, or ignore this",
    ),
    (
        "vm-drain-blocked",
        "A machine must be migrated before a drain goes on, and cannot be",
        "Remove what hinders the migration, or set the eviction strategy LiveMigrateIfPossible",
    ),
    (
        "vm-eviction-strategy",
        "A drain restarts a machine that it could migrate",
        "Set the eviction strategy LiveMigrate, of the machine or as the KubeVirt CR's default",
    ),
    (
        "vm-group-fills-nodes",
        "A group that must be one per node has as many machines as there are nodes",
        "Add a node, or make the rule preferred, as none can migrate and the loss of a node stops one",
    ),
    (
        "vm-host-cpu",
        "A machine has its node's CPU, and no other node offers the same",
        "Name a CPU model that several nodes offer",
    ),
    (
        "vm-host-device",
        "A machine has a host device, so it cannot be migrated",
        "Do without the device, or plan for a restart",
    ),
    (
        "vm-not-migratable",
        "A machine cannot be migrated",
        "Remove what KubeVirt names as the reason",
    ),
    (
        "vm-not-ready",
        "A machine should run and is not ready",
        "Look at the machine's conditions and its launcher pod",
    ),
    (
        "vm-pdb-blocks",
        "A PodDisruptionBudget of machines lets none be evicted, so a drain does not end",
        "Set minAvailable to a whole number below that of the machines; maxUnavailable and percentages do not work here",
    ),
    (
        "vm-quota",
        "A ResourceQuota leaves no room for the second pod that a migration needs",
        "Raise the quota by the largest machine's requests and one pod",
    ),
    (
        "vm-rwo-claim",
        "A machine's claim is not ReadWriteMany, so it cannot be migrated",
        "Make the claim anew with ReadWriteMany",
    ),
    (
        "vm-state-not-shared",
        "A machine's TPM or EFI state is not on shared storage",
        "Set spec.configuration.vmStateStorageClass of the KubeVirt CR to a class with ReadWriteMany",
    ),
)

_INFO = _rules(
    "info",
    (
        "api-address-unclear",
        "The address of the API does not tell whether it is one node's alone",
        "Give api_endpoint, the address that kubelets and users take",
    ),
    (
        "control-plane-hidden",
        "The control plane does not run on nodes of the cluster",
        "Ask who runs it for its redundancy",
    ),
    (
        "domain-one-node",
        "A failure domain has one node only",
        "Add a node to the failure domain",
    ),
    (
        "domains-unknown",
        "Nodes that run machines are in fewer than two known failure domains",
        "Label the nodes, or give failure_domain_label",
    ),
    (
        "etcd-backup-unverified",
        "The newest backup of etcd was noted without a hash",
        "Verify snapshots with etcdutl snapshot status and note the hash",
    ),
    (
        "kind-missing",
        "A kind that would tell more is not installed",
        "None needed",
    ),
    (
        "kubevirt-available-early",
        "KubeVirt says that it is Available, although replicas are not ready",
        "Trust the replicas, as the condition comes before the last of them is ready",
    ),
    (
        "kubevirt-updating",
        "KubeVirt is being rolled out",
        "Look again when it is done",
    ),
    (
        "node-kernel-skew",
        "Nodes run different kernels",
        "Finish the upgrade",
    ),
    (
        "snapshot-class-missing",
        "There is no VolumeSnapshotClass, so disks cannot be snapshotted",
        "Install a CSI driver with snapshots where backups need them",
    ),
    (
        "storage-class-no-expansion",
        "Machines' claims are of a StorageClass that does not let them grow",
        "Set allowVolumeExpansion where the driver can",
    ),
    (
        "vm-ephemeral-disk",
        "What a machine writes to a container disk or an empty disk is lost with its instance",
        "Use a claim for what must last",
    ),
    (
        "vm-priority-class-unset",
        "A machine has no PriorityClass, so it may wait for room behind others",
        "Give machines that must come back first a PriorityClass",
    ),
    (
        "vm-stopped-rerun",
        "A machine with RerunOnFailure is stopped and does not start by itself",
        "Start it, or set the run strategy Halted",
    ),
    (
        "vm-storage-not-migratable",
        "A machine's volumes cannot be migrated to other storage while it runs",
        "None needed unless storage is to be replaced",
    ),
)

RULES: dict[str, Rule] = {rule.id: rule for rule in (*_CRITICAL, *_WARNING, *_INFO)}
