#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubevirt_info
short_description: Tell whether a KubeVirt cluster and its virtual machines are highly available
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Looks at the control plane, etcd, KubeVirt's components, leaders, certificates, nodes, storage and every virtual
    machine that runs or should run, and tells what the loss of one part would take away, as findings with a severity
    and the way out. O(ignore) lists all findings that there can be.
  - Takes every node, and every failure domain, away once in thought and packs its machines onto the others (N+1), with
    their requests of CPU, memory, devices and pods, node selectors, affinities, taints and the nodes that their volumes
    can be reached from. First fit decreasing, so "fits" is certain; topology spread constraints are left out, and pods
    that are no machines are taken to stay where they are.
  - Costs one paged list a kind, about 25 in all, however many namespaces there are. It changes nothing.
  - What is forbidden or fails becomes a finding; what could be read is checked all the same.
notes:
  - A backup of etcd is known by ConfigMap C(kubevirt-ha-etcd-backup) in namespace C(kube-system), with C(taken_at), a
    time such as V(2026-05-01T02:00:00Z), C(location), and C(hash) where the snapshot was verified, in its data. Whoever
    takes the snapshots writes it; O(etcd_backup.path) is the other way.
  - The ages of leases, heartbeats and certificates are measured by the API server's clock.
  - Certificates of KubeVirt live for a day, so a certificate counts as about to expire when less than
    O(certificate_days) and less than a tenth of its life are left, and less than half of what the KubeVirt CR says it is
    renewed before. Of the API servers only that which answers is seen.
  - A claim is taken for local when its volume's node affinity leaves one node that runs machines, or when it is a
    hostPath without node affinity and without ReadWriteMany. A hostDisk with C(shared) is not.
  - It is also taken for local, bound or not, when its StorageClass has the annotation C(kubevirt-ha.virtops/failover) with
    V(false), as the role P(virtops.kubevirt_ha.shared_storage#role) writes it on classes of local disks.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes.info
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.bulk
options:
  namespaces:
    description:
      - Namespaces of the virtual machines to look at. All of the cluster where none is given.
      - Where lists over the cluster are forbidden, these are read one by one, and N+1 is not computed.
    type: list
    elements: str
    default: []
    aliases: [namespace]
  kubevirt_namespace:
    description:
      - Namespace of KubeVirt's components; that of the KubeVirt CR by default.
    type: str
  api_endpoint:
    description:
      - Address that users and kubelets take to reach the API, with or without a port. That of the connection by default,
        which says nothing where the module runs on a control plane node.
      - What kubeadm tells joining nodes is looked at beside it.
    type: str
  etcd_members:
    description:
      - How many members etcd should have; needed where it does not run as pods of C(kube-system).
      - By default as many as there are pods.
    type: int
    default: 0
  etcd_backup:
    description:
      - Where etcd's newest backup is, and how old it may be.
    type: dict
    suboptions:
      path:
        description:
          - A snapshot, or a folder whose newest file is one, on the host that the module runs on. Its time of change counts.
          - Without it the ConfigMap of the notes is read.
        type: path
      max_age_hours:
        description: How old the backup may be.
        type: float
        default: 24.0
  state_dir:
    description:
      - Folder of the watcher that recovers lost nodes, C(node_remediation_state_dir), on the host that the module runs on.
        Its heartbeat is then checked.
      - Without it the cluster is searched for a NodeHealthCheck.
    type: path
  failure_domain_label:
    description:
      - Label of nodes that names their failure domain, such as a room, a rack or a zone.
    type: str
    default: topology.kubernetes.io/zone
  certificate_days:
    description:
      - How many days before its end a certificate is named; see the notes for those that live shortly.
    type: float
    default: 14.0
  heartbeat_seconds:
    description:
      - How old the heartbeat of virt-handler may be. KubeVirt itself takes a node for lost after 300 seconds.
    type: float
    default: 300.0
  lease_factor:
    description:
      - How many of its own durations a leader's lease may be old.
    type: float
    default: 3.0
  ignore:
    description:
      - Identifiers of findings to leave out; RV(ignored) tells which of them there were.
      - A finding is V(critical) where the loss of one part takes the platform or a machine away until somebody acts, or
        where that comes without any loss; V(warning) where protection is thinner than it looks or maintenance is blocked;
        V(info) where it is only worth knowing. There are the following.
      - V(api-one-address) (critical) - The API is reached at an address that one node alone has. Put a virtual IP or
        a load balancer before the API servers, and give its address to kubeconfigs and kubelets.
      - V(api-server-single) (critical) - Only one API server serves. Run three control planes, or start those that
        are down.
      - V(capacity-node) (critical) - The virtual machines of a node would not all fit on the others. Add a node or
        memory and CPU, or lower the requests of the machines that are named.
      - V(certificate-expired) (critical) - A certificate is no longer valid. Renew it, the API server's with kubeadm
        certs renew, KubeVirt's own by a restart of virt-operator.
      - V(component-missing) (critical) - A component of KubeVirt is not there. Look at the KubeVirt CR's conditions
        and at virt-operator's log.
      - V(component-no-spare) (critical) - A component of KubeVirt has no ready replica to take over. Look at the
        events and logs of its pods that are not ready.
      - V(component-one-node) (critical) - All replicas of a component are on one node. Uncordon the other nodes and
        delete one of the pods, so that it is placed anew.
      - V(component-single) (critical) - A component of KubeVirt asks for one replica only. Raise spec.infra.replicas
        of the KubeVirt CR, for virt-operator the replicas of its Deployment.
      - V(control-plane-single) (critical) - There is one control plane node only. Add control plane nodes until there
        are three.
      - V(etcd-no-spare) (critical) - etcd would lose its quorum with one more member. Bring back the member that is
        down before anything else; where none is, add a third one.
      - V(etcd-single) (critical) - etcd has one member only. Add members until there are three.
      - V(handler-stale) (critical) - virt-handler of a node that is Ready has stopped reporting. Look at the node's
        virt-handler pod, for KubeVirt takes the node for lost after five minutes.
      - V(kubevirt-api-unavailable) (critical) - The API of KubeVirt's subresources does not answer. Look at the
        APIService's condition, the Service virt-api and its pods.
      - V(kubevirt-missing) (critical) - KubeVirt is not installed. Install it, such as with the role kubevirt.
      - V(kubevirt-not-available) (critical) - KubeVirt does not say that it is Available. Look at the KubeVirt CR's
        conditions and at virt-operator's log.
      - V(leader-stale) (critical) - A leader has stopped renewing its lease, and no other has taken over. Look at the
        component's pods; a lease that is released is taken by a standby at once.
      - V(node-not-ready) (critical) - A node is not Ready, so one redundancy is used up already. Bring the node back,
        or remove it from the cluster.
      - V(recovery-not-working) (critical) - The watcher that recovers lost nodes would not act. Start the watcher,
        remove its stop switch, or let it act automatically.
      - V(unchecked-essential) (critical) - What this module judges by could not be read. Grant get and list on what
        is named, or narrow namespaces.
      - V(vm-cpu-model) (critical) - A machine's CPU model is offered by one node only. Take a model that more nodes
        offer by a label cpu-model.node.kubevirt.io/MODEL.
      - V(vm-dedicated-cpus) (critical) - A machine's dedicated CPUs are offered by one node only. Turn on the static
        CPU manager policy on more nodes.
      - V(vm-host-device-one-node) (critical) - A machine's host device is offered by one node only. Fit and permit
        the device on a second node.
      - V(vm-local-disk) (critical) - A machine's disk lives on one node and is out of reach without it. Move the disk
        to shared storage.
      - V(vm-no-node) (critical) - No node fits the rules of a machine that runs or should run. Correct node selector,
        affinity and tolerations, or the nodes' labels.
      - V(vm-nodes-single) (critical) - One node only can run virtual machines. Add a node with KVM, or make a second
        one schedulable.
      - V(vm-one-node) (critical) - A machine's rules leave it one node only. Widen node selector, affinity and
        tolerations, or label more nodes.
      - V(vm-priority-class-unknown) (critical) - A machine names a PriorityClass that is not there, so it cannot
        start again. Create the PriorityClass, or correct its name.
      - V(vm-run-strategy) (critical) - A machine runs, but its run strategy does not bring it back. Set the run
        strategy Always or RerunOnFailure.
      - V(vm-standalone) (critical) - An instance without a virtual machine is never started again. Define it as a
        VirtualMachine.
      - V(api-server-missing) (warning) - Fewer API servers serve than there are control plane nodes. Look at the
        kube-apiserver of the control plane node that is missing.
      - V(capacity-domain) (warning) - The virtual machines of a failure domain would not all fit on the others. Add
        nodes to the other failure domains, or lower the requests of the machines that are named.
      - V(certificate-expires) (warning) - A certificate is about to expire. Renew it; those of KubeVirt are renewed
        by virt-operator, which seems not to do so.
      - V(certificate-unreadable) (warning) - A certificate cannot be read, so its expiry is not known. Look at the
        named field; it must hold a PEM certificate.
      - V(component-not-ready) (warning) - A component of KubeVirt has fewer replicas ready than it asks for. Look at
        the events and logs of its pods that are not ready.
      - V(component-one-domain) (warning) - All replicas of a component are in one failure domain. Delete one of the
        pods when nodes of another failure domain have room.
      - V(component-pdb-blocks) (warning) - A PodDisruptionBudget of a component lets no pod be evicted, so a drain
        does not end. Bring the pods back that are not ready, or set minAvailable one below the replicas.
      - V(component-pdb-missing) (warning) - No PodDisruptionBudget keeps a component's replicas from being drained at
        once. Look why virt-operator has not made it; it does for two replicas or more.
      - V(etcd-backup-missing) (warning) - No backup of etcd is known. Take snapshots on a schedule and note each in
        ConfigMap kube-system/kubevirt-ha-etcd-backup, or give etcd_backup.
      - V(etcd-backup-old) (warning) - The newest backup of etcd is too old. Look at the job that takes the snapshots.
      - V(etcd-even) (warning) - etcd has an even number of members, one more than it needs for what it survives. Add
        a member, or take one out.
      - V(etcd-hidden) (warning) - etcd cannot be seen from inside the cluster. Give etcd_members where it is run
        outside.
      - V(etcd-member-down) (warning) - A member of etcd is not ready, its quorum bears one more loss. Look at the pod
        of the member.
      - V(etcd-one-domain) (warning) - The loss of one failure domain takes etcd's quorum. Spread the control plane
        nodes over three failure domains.
      - V(handler-not-ready) (warning) - virt-handler is not ready on a node that is Ready. Look at the events and log
        of the node's virt-handler pod.
      - V(helper-single) (warning) - A component beside the core has one ready replica or none. Raise
        spec.infra.replicas of the KubeVirt CR, or look at the pods that are not ready.
      - V(kubevirt-degraded) (warning) - KubeVirt says that it is Degraded. Look at the KubeVirt CR's conditions and
        at virt-operator's log.
      - V(leader-lost) (warning) - The holder of a leader's lease is gone or on a node that is not Ready. Fence the
        node; its lease can then be released at once instead of running out.
      - V(leader-unknown) (warning) - The lease of a component with a leader is not there. Look whether the component
        runs with leader election; some distributions keep its lease elsewhere.
      - V(node-cordoned) (warning) - A node that is Ready is cordoned or tainted for its state, so it takes no
        machines. Uncordon it when the maintenance is over, or mend what the taint names.
      - V(node-kubelet-skew) (warning) - The versions of kubelets and API server lie apart. Finish the upgrade.
      - V(node-vm-unschedulable) (warning) - KubeVirt does not place machines on a node that is Ready. Look at the
        node's virt-handler, which sets the label kubevirt.io/schedulable.
      - V(recovery-unknown) (warning) - Nothing that can be seen would recover a lost node, and Kubernetes alone never
        does. Run the role node_remediation and give its state_dir, or install a NodeHealthCheck.
      - V(storage-class-no-rwx) (warning) - Machines' claims are of a StorageClass that offers no shared access. Use a
        StorageClass with ReadWriteMany for disks of machines.
      - V(unchecked) (warning) - Something could not be checked. Grant get and list on what is named, or ignore this.
      - V(vm-drain-blocked) (warning) - A machine must be migrated before a drain goes on, and cannot be. Remove what
        hinders the migration, or set the eviction strategy LiveMigrateIfPossible.
      - V(vm-eviction-strategy) (warning) - A drain restarts a machine that it could migrate. Set the eviction
        strategy LiveMigrate, of the machine or as the KubeVirt CR's default.
      - V(vm-group-fills-nodes) (warning) - A group that must be one per node has as many machines as there are nodes.
        Add a node, or make the rule preferred, as none can migrate and the loss of a node stops one.
      - V(vm-host-cpu) (warning) - A machine has its node's CPU, and no other node offers the same. Name a CPU model
        that several nodes offer.
      - V(vm-host-device) (warning) - A machine has a host device, so it cannot be migrated. Do without the device, or
        plan for a restart.
      - V(vm-not-migratable) (warning) - A machine cannot be migrated. Remove what KubeVirt names as the reason.
      - V(vm-not-ready) (warning) - A machine should run and is not ready. Look at the machine's conditions and its
        launcher pod.
      - V(vm-pdb-blocks) (warning) - A PodDisruptionBudget of machines lets none be evicted, so a drain does not end.
        Set minAvailable to a whole number below that of the machines; maxUnavailable and percentages do not work
        here.
      - V(vm-quota) (warning) - A ResourceQuota leaves no room for the second pod that a migration needs. Raise the
        quota by the largest machine's requests and one pod.
      - V(vm-rwo-claim) (warning) - A machine's claim is not ReadWriteMany, so it cannot be migrated. Make the claim
        anew with ReadWriteMany.
      - V(vm-state-not-shared) (warning) - A machine's TPM or EFI state is not on shared storage. Set
        spec.configuration.vmStateStorageClass of the KubeVirt CR to a class with ReadWriteMany.
      - V(api-address-unclear) (info) - The address of the API does not tell whether it is one node's alone. Give
        api_endpoint, the address that kubelets and users take.
      - V(control-plane-hidden) (info) - The control plane does not run on nodes of the cluster. Ask who runs it for
        its redundancy.
      - V(domain-one-node) (info) - A failure domain has one node only. Add a node to the failure domain.
      - V(domains-unknown) (info) - Nodes that run machines are in fewer than two known failure domains. Label the
        nodes, or give failure_domain_label.
      - V(etcd-backup-unverified) (info) - The newest backup of etcd was noted without a hash. Verify snapshots with
        etcdutl snapshot status and note the hash.
      - V(kind-missing) (info) - A kind that would tell more is not installed. None needed.
      - V(kubevirt-available-early) (info) - KubeVirt says that it is Available, although replicas are not ready.
        Trust the replicas, as the condition comes before the last of them is ready.
      - V(kubevirt-updating) (info) - KubeVirt is being rolled out. Look again when it is done.
      - V(node-kernel-skew) (info) - Nodes run different kernels. Finish the upgrade.
      - V(snapshot-class-missing) (info) - There is no VolumeSnapshotClass, so disks cannot be snapshotted. Install a
        CSI driver with snapshots where backups need them.
      - V(storage-class-no-expansion) (info) - Machines' claims are of a StorageClass that does not let them grow. Set
        allowVolumeExpansion where the driver can.
      - V(vm-ephemeral-disk) (info) - What a machine writes to a container disk or an empty disk is lost with its
        instance. Use a claim for what must last.
      - V(vm-priority-class-unset) (info) - A machine has no PriorityClass, so it may wait for room behind others.
        Give machines that must come back first a PriorityClass.
      - V(vm-stopped-rerun) (info) - A machine with RerunOnFailure is stopped and does not start by itself. Start it,
        or set the run strategy Halted.
      - V(vm-storage-not-migratable) (info) - A machine's volumes cannot be migrated to other storage while it runs.
        None needed unless storage is to be replaced.
    type: list
    elements: str
    default: []
  fail_on:
    description:
      - The lowest severity at which the module fails, with all findings of it and above in its message.
    type: str
    choices: [critical, warning, never]
    default: never
  max_objects:
    description:
      - How many objects are listed in a finding; RV(findings[].count) counts all. V(0) lists all.
    type: int
    default: 100
  details:
    description:
      - Whether to return RV(details), which has an entry for each node, machine, StorageClass and certificate, and what stands beside
        KubeVirt. It costs a list of NetworkAttachmentDefinitions more.
    type: bool
    default: false
    version_added: 0.3.0
seealso:
  - module: virtops.kubevirt_ha.redundancy_info
    description: Whether everything that should be there is there now, as a drill asks before it begins.
  - module: virtops.kubevirt_ha.vm_info
"""

EXAMPLES = r"""
- name: Is it highly available?
  virtops.kubevirt_ha.kubevirt_info:
    kubeconfig: ~/.kube/config
  register: info

- name: Say what is missing and what to do
  ansible.builtin.debug:
    msg: "{{ item.severity }}: {{ item.what }} ({{ item.why }}; {{ item.count }} objects). {{ item.fix }}"
  loop: "{{ info.findings }}"
  loop_control: {label: "{{ item.id }}"}

- name: Let a change of the platform pass only if no single loss takes anything away
  virtops.kubevirt_ha.kubevirt_info:
    api_endpoint: "{{ kubernetes_api_endpoint }}"
    failure_domain_label: example.com/rack
    state_dir: /var/lib/kubevirt-ha/remediation
    etcd_backup:
      path: /var/backups/etcd
      max_age_hours: 6
    ignore: [vm-run-strategy]
    fail_on: critical

- name: Check the machines of one team, with rights on its namespaces only
  virtops.kubevirt_ha.kubevirt_info:
    namespaces: [shop, shop-staging]
    ignore: [unchecked, unchecked-essential]
  register: ours

- name: Name the machines whose disks live on one node
  ansible.builtin.debug:
    msg: "{{ ours.findings | selectattr('id', 'equalto', 'vm-local-disk') | map(attribute='objects') | flatten }}"
"""

RETURN = r"""
ha:
  description: Whether there is no finding of severity V(critical), of those that are not ignored.
  returned: when the API was reached
  type: bool
findings:
  description: What was found, the most severe first. Objects with one cause are one finding.
  returned: when the API was reached
  type: list
  elements: dict
  contains:
    id:
      description: Identifier, one of those that O(ignore) lists.
      type: str
      returned: always
    severity:
      description: V(critical), V(warning) or V(info).
      type: str
      returned: always
    what:
      description: What it is, the same for each finding of this identifier.
      type: str
      returned: always
    why:
      description: Why it is so here.
      type: str
      returned: always
    fix:
      description: The way out.
      type: str
      returned: always
    objects:
      description: What it is about, at most O(max_objects), with C(kind), C(name), C(namespace) and C(detail) where there is one.
      type: list
      elements: dict
      returned: always
    count:
      description: How many objects there are.
      type: int
      returned: always
  sample:
    - id: vm-local-disk
      severity: critical
      what: A machine's disk lives on one node and is out of reach without it
      why: no other node reaches it
      fix: Move the disk to shared storage
      objects: [{kind: VirtualMachine, namespace: shop, name: web-1, detail: claim web-1-root}]
      count: 1
ignored:
  description: Identifiers of O(ignore) that would have been findings.
  returned: when the API was reached
  type: list
  elements: str
summary:
  description: How many findings there are by severity.
  returned: when the API was reached
  type: dict
  sample: {critical: 0, warning: 2, info: 3}
components:
  description:
    - KubeVirt's Deployments and its DaemonSet by name, each with C(wanted) and C(ready) replicas, C(nodes) of the ready
      ones, C(failure_domains), and C(disruptions_allowed) by its budget.
  returned: when the API was reached
  type: dict
leaders:
  description: Leases by component, each with C(holder), C(age_seconds) and C(lasts_seconds).
  returned: when the API was reached
  type: dict
capacity:
  description: N+1; none where nodes, pods, volumes or machines could not be read.
  returned: when the API was reached
  type: dict
  contains:
    resources:
      description:
        - C(allocatable), C(requested) and C(free) of C(cpu) in cores, C(memory) in bytes and C(pods), of the nodes that
          take machines now. Pods of a priority below 0 are placeholders, and not counted.
      type: dict
      returned: always
    node:
      description:
        - The node whose loss is the worst, with C(machines), their C(requests), whether all C(fits) elsewhere, those
          C(unplaced) with what each C(lacks) on the node that comes closest, their C(unplaced_count), and what is
          C(short) in all. C(bound_to_lost_nodes) counts machines that can run nowhere else, C(kept_apart) those that
          rules about other machines keep from every node; both have findings of their own.
      type: dict
      returned: always
    failure_domain:
      description: The same for failure domains; none where fewer than two are known.
      type: dict
      returned: always
    failure_domain_label:
      description: The label that names them.
      type: str
      returned: always
kubevirt:
  description: Namespace, C(source), C(feature_gates), C(disabled_feature_gates) and default C(eviction_strategy) of KubeVirt.
  returned: when the API was reached
  type: dict
details:
  description: What there is, one by one.
  returned: with O(details=true), when the API was reached
  type: dict
  contains:
    nodes:
      description:
        - Each with C(name), C(ready), C(cordoned), C(pressures) (conditions beside Ready that hold), C(taints), C(roles),
          C(runs_machines), C(addresses), C(failure_domain), C(kubelet), C(container_runtime) and C(kernel).
      type: list
      elements: dict
      returned: always
    machines:
      description:
        - Each machine that runs or should run, with C(namespace), C(name), C(node), C(runs), C(ready), C(state), whether it
          C(fails_over) when its node is lost and C(migrates), and why not (C(fails_over_not), C(migrates_not)).
      type: list
      elements: dict
      returned: always
    storage_classes:
      description:
        - Each with C(name), C(provisioner), C(default), C(access_modes), C(volumes), how many are C(bound), and what its disks
          survive (C(survives)), which is V(shared) (the loss of a node, and machines migrate), V(follows) (the loss of a node),
          V(local) (no loss of their node) or V(unknown), where there is no volume yet.
        - C(locks_survive_restarts) says whether the lock of a disk outlives restarts of the storage's servers one after another, by
          the annotation C(kubevirt-ha.virtops/locks-survive-restarts); V(true), V(false), V(depends) (on a server of others) or
          V(unknown), where there is none.
      type: list
      elements: dict
      returned: always
    certificates:
      description: Each with C(kind), C(namespace), C(name), C(field) and C(days_left), the next one to end first.
      type: list
      elements: dict
      returned: always
    etcd_backup:
      description: The newest backup, with C(age_seconds), C(location) and C(verified); none where none is known.
      type: dict
      returned: always
    backups:
      description:
        - What the backup host says, in ConfigMap C(kubevirt-ha-backup) of C(kube-system), of its newest backups (C(machines), C(etcd),
          C(objects)), the machines that are C(selected), the last C(proven) restore and the last look at the repository
          (C(checked)); none where there is none.
      type: dict
      returned: always
    api_servers:
      description: Addresses of the API servers that serve.
      type: list
      elements: str
      returned: always
    priority_classes:
      description:
        - Each PriorityClass that machines name, with C(name), C(value) and how many C(machines), the highest first. One that is not
          there has no value; an empty name is that of the machines that name none.
        - None where they or the machines could not be read.
      type: list
      elements: dict
      returned: always
    reserve:
      description:
        - What the placeholders of the role P(virtops.kubevirt_ha.placement#role) hold, with C(wanted) on each node, the C(nodes) with
          C(name) and C(held), how many C(placeholders) there are and how many of them are C(waiting); none where there are none.
        - Where the pods of the whole cluster or the nodes could not be read, C(placeholders) and C(waiting) are none.
      type: dict
      returned: always
    quotas:
      description: Each ResourceQuota with C(namespace), C(name), C(hard) and C(used); none where they could not be read.
      type: list
      elements: dict
      returned: always
    networks:
      description:
        - Names of NetworkAttachmentDefinitions by C(namespaces), and whether the kind is C(installed), which is none where it could
          not be read.
      type: dict
      returned: always
    metrics_server:
      description: Whether the API of metrics is C(installed) and C(available), and C(why) not; none where it could not be read.
      type: dict
      returned: always
versions:
  description:
    - Versions of C(api_server), C(kubelet), C(container_runtime), C(kernel), C(kubevirt) and C(cdi), the last empty where there is none.
    - Those of C(kubevirt) and C(cdi) are none where their resources could not be read.
  returned: when the API was reached
  type: dict
requests:
  description: How many requests were sent.
  returned: unless the parameters have faults
  type: dict
  contains:
    reads:
      description: Reads.
      type: int
      returned: always
    writes:
      description: Writes, always 0.
      type: int
      returned: always
    watches:
      description: Watches, always 0.
      type: int
      returned: always
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import service
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    service.run_module(Module(service.spec(), check=service.faults))


if __name__ == "__main__":
    main()
