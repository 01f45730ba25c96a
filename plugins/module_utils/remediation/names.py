# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that a recovery reads and writes in the cluster."""

from __future__ import annotations

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource

TAINT_KEY = "node.kubernetes.io/out-of-service"
TAINT_VALUE = "nodeshutdown"
# NoExecute is what Kubernetes acts on; NoSchedule keeps new machines away while the node still counts as Ready.
TAINT_EFFECTS = ("NoExecute", "NoSchedule")

MAINTENANCE = "kubevirt-ha.virtops/maintenance"
FENCED_BOOT = "kubevirt-ha.virtops/fenced-boot-id"

LOCK_NAME = "kubevirt-ha-recovery"
LOCK_NAMESPACE = "kube-system"
NODE_LEASES = "kube-node-lease"

ZONE = "topology.kubernetes.io/zone"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
HOSTNAME = "kubernetes.io/hostname"
ETCD_LABELS = {"component": "etcd", "tier": "control-plane"}
ETCD_SELECTOR = ",".join(f"{key}={value}" for key, value in ETCD_LABELS.items())
MIRROR = "kubernetes.io/config.mirror"
LAUNCHER = ("kubevirt.io", "virt-launcher")
VMI_NODE = "kubevirt.io/nodeName"

HEALTH_CHECK = Resource("remediation.medik8s.io/v1alpha1", "nodehealthchecks", "NodeHealthCheck", namespaced=False)
REMEDIATIONS = (
    Resource("self-node-remediation.medik8s.io/v1alpha1", "selfnoderemediations", "SelfNodeRemediation"),
    Resource("fence-agents-remediation.medik8s.io/v1alpha1", "fenceagentsremediations", "FenceAgentsRemediation"),
    Resource(
        "machine-deletion-remediation.medik8s.io/v1alpha1", "machinedeletionremediations", "MachineDeletionRemediation"
    ),
)
