# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of the API that the collection speaks of, and their paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import Refused


@dataclass(frozen=True)
class Resource:
    """A kind of the API: where its objects are and what they are called in messages."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of an object, or of the collection where no name is given.

        A namespaced kind without a namespace is the collection over all namespaces. Refused where the name is empty.
        """
        if name is not None and not name:
            # The collection's own path: a DELETE there deletes all that is in it.
            raise Refused("is asked for by an empty name", where=self.describe(namespace), fix="Give its name")
        root = "/apis" if "/" in self.api_version else "/api"
        parts = [root, self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def describe(self, namespace: str | None = None, name: str | None = None) -> str:
        """The object as it is named in messages: `VirtualMachine shop/web-1`."""
        scope = namespace if self.namespaced else None
        return " ".join(part for part in (self.kind, "/".join(part for part in (scope, name) if part)) if part)


def is_deleting(item: Mapping[str, Any]) -> bool:
    """Whether an object is being deleted."""
    return bool(item["metadata"].get("deletionTimestamp"))


_KUBEVIRT = "kubevirt.io/v1"
_SUBRESOURCES = "subresources.kubevirt.io/v1"

VM = Resource(_KUBEVIRT, "virtualmachines", "VirtualMachine")
VMI = Resource(_KUBEVIRT, "virtualmachineinstances", "VirtualMachineInstance")
MIGRATION = Resource(_KUBEVIRT, "virtualmachineinstancemigrations", "VirtualMachineInstanceMigration")
KUBEVIRT = Resource(_KUBEVIRT, "kubevirts", "KubeVirt")
# PUT with a subresource's name: start, stop, restart, pause, ...
VM_ACTION = Resource(_SUBRESOURCES, "virtualmachines", "VirtualMachine")
VMI_ACTION = Resource(_SUBRESOURCES, "virtualmachineinstances", "VirtualMachineInstance")
_SNAPSHOTS = "snapshot.kubevirt.io/v1beta1"
VM_SNAPSHOT = Resource(_SNAPSHOTS, "virtualmachinesnapshots", "VirtualMachineSnapshot")
VM_SNAPSHOT_CONTENT = Resource(_SNAPSHOTS, "virtualmachinesnapshotcontents", "VirtualMachineSnapshotContent")
VM_RESTORE = Resource(_SNAPSHOTS, "virtualmachinerestores", "VirtualMachineRestore")
VM_CLONE = Resource("clone.kubevirt.io/v1beta1", "virtualmachineclones", "VirtualMachineClone")
VM_EXPORT = Resource("export.kubevirt.io/v1", "virtualmachineexports", "VirtualMachineExport")
DATA_VOLUME = Resource("cdi.kubevirt.io/v1beta1", "datavolumes", "DataVolume")
CDI_CONFIG = Resource("cdi.kubevirt.io/v1beta1", "cdiconfigs", "CDIConfig", namespaced=False)
# Created only, and kept by nobody: the answer holds a token.
UPLOAD_TOKEN = Resource("upload.cdi.kubevirt.io/v1beta1", "uploadtokenrequests", "UploadTokenRequest")

NAMESPACE = Resource("v1", "namespaces", "Namespace", namespaced=False)
NODE = Resource("v1", "nodes", "Node", namespaced=False)
POD = Resource("v1", "pods", "Pod")
SERVICE = Resource("v1", "services", "Service")
EVENT = Resource("v1", "events", "Event")
CONFIG_MAP = Resource("v1", "configmaps", "ConfigMap")
SECRET = Resource("v1", "secrets", "Secret")
PVC = Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
PV = Resource("v1", "persistentvolumes", "PersistentVolume", namespaced=False)
LEASE = Resource("coordination.k8s.io/v1", "leases", "Lease")
DEPLOYMENT = Resource("apps/v1", "deployments", "Deployment")
DAEMON_SET = Resource("apps/v1", "daemonsets", "DaemonSet")
VOLUME_ATTACHMENT = Resource("storage.k8s.io/v1", "volumeattachments", "VolumeAttachment", namespaced=False)
ENDPOINT_SLICE = Resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
DISRUPTION_BUDGET = Resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget")
QUOTA = Resource("v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGE = Resource("v1", "limitranges", "LimitRange")
SERVICE_ACCOUNT = Resource("v1", "serviceaccounts", "ServiceAccount")
_RBAC = "rbac.authorization.k8s.io/v1"
ROLE = Resource(_RBAC, "roles", "Role")
ROLE_BINDING = Resource(_RBAC, "rolebindings", "RoleBinding")
CLUSTER_ROLE = Resource(_RBAC, "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = Resource(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
_INSTANCETYPES = "instancetype.kubevirt.io/v1beta1"
INSTANCETYPE = Resource(_INSTANCETYPES, "virtualmachineinstancetypes", "VirtualMachineInstancetype")
CLUSTER_INSTANCETYPE = Resource(
    _INSTANCETYPES, "virtualmachineclusterinstancetypes", "VirtualMachineClusterInstancetype", namespaced=False
)
PREFERENCE = Resource(_INSTANCETYPES, "virtualmachinepreferences", "VirtualMachinePreference")
CLUSTER_PREFERENCE = Resource(
    _INSTANCETYPES, "virtualmachineclusterpreferences", "VirtualMachineClusterPreference", namespaced=False
)
PRIORITY_CLASS = Resource("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", namespaced=False)
STORAGE_CLASS = Resource("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False)
CDI = Resource("cdi.kubevirt.io/v1beta1", "cdis", "CDI", namespaced=False)
STORAGE_PROFILE = Resource("cdi.kubevirt.io/v1beta1", "storageprofiles", "StorageProfile", namespaced=False)
SNAPSHOT_CLASS = Resource(
    "snapshot.storage.k8s.io/v1", "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False
)
NETWORK_ATTACHMENT = Resource("k8s.cni.cncf.io/v1", "network-attachment-definitions", "NetworkAttachmentDefinition")
API_SERVICE = Resource("apiregistration.k8s.io/v1", "apiservices", "APIService", namespaced=False)
_ADMISSION = "admissionregistration.k8s.io/v1"
MUTATING_WEBHOOK = Resource(
    _ADMISSION, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False
)
VALIDATING_WEBHOOK = Resource(
    _ADMISSION, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False
)
