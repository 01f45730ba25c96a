# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts that checks judge by: of objects that there are thousands of, only the fields that a check asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.bulk import Key
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.x509 import Certificate
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.placement import (
    NodeTerms,
    Placement,
    Selector,
    Taint,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation.names import CONTROL_PLANE

Object = Mapping[str, Any]
# Of a resource's name; CPU in thousandths, all else in its own unit.
Amounts = Mapping[str, int]

SCHEDULABLE = "kubevirt.io/schedulable"
CPU_MODEL = "cpu-model.node.kubevirt.io/"
CPU_MANAGER = "cpumanager"
STATE_CLAIM = "persistent-state-for"
# On a StorageClass, "false": its disks are one node's alone, and machines with them do not fail over.
FAILOVER = "kubevirt-ha.virtops/failover"
# On a StorageClass, "true", "false" or "depends": whether QEMU's lock of a disk outlives a restart of its servers one after another.
LOCKS = "kubevirt-ha.virtops/locks-survive-restarts"


@dataclass(frozen=True)
class Node:
    """A node. room: what it offers to pods; heartbeat: virt-handler's last one, in seconds since the epoch; pressures: the
    conditions beside Ready that hold, such as DiskPressure."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    cordoned: bool = False
    room: Amounts = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    info: Object = field(default_factory=dict)
    heartbeat: float | None = None
    pressures: tuple[str, ...] = ()

    @property
    def control_plane(self) -> bool:
        return CONTROL_PLANE in self.labels

    @property
    def runs_machines(self) -> bool:
        """Whether virt-handler is there; for now it may not be schedulable."""
        return SCHEDULABLE in self.labels

    @property
    def available(self) -> bool:
        """Whether it takes machines now."""
        return self.ready and not self.cordoned and self.labels.get(SCHEDULABLE) == "true"


@dataclass(frozen=True)
class Pod:
    """A pod that has not ended. Of a launcher, vmi: the instance's UID; machine: its name; target: it was made to receive
    a migration, and may have done so; gives_way: it is a placeholder, whose room a machine may take; placement: of launchers
    only."""

    namespace: str
    name: str
    node: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = False
    requests: Amounts = field(default_factory=dict)
    vmi: str = ""
    machine: str = ""
    target: bool = False
    gives_way: bool = False
    placement: Placement = Placement()


@dataclass(frozen=True)
class Disk:
    """A volume of an instance. source: `claim`, `host` (a path of the node), or `lost` (ends with the instance)."""

    source: str
    name: str
    read_only: bool = False


@dataclass(frozen=True)
class Guest:
    """What the spec of an instance, or of a machine's template, asks for."""

    eviction: str = ""
    disks: tuple[Disk, ...] = ()
    devices: tuple[str, ...] = ()
    cpu_model: str = ""
    dedicated: bool = False
    state: tuple[str, ...] = ()
    priority_class: str = ""
    placement: Placement = Placement()


@dataclass(frozen=True)
class Vm:
    """A VirtualMachine. description: its status in one line."""

    key: Key
    strategy: str
    guest: Guest
    created: bool = False
    ready: bool = False
    stopped: bool = False
    description: str = ""


@dataclass(frozen=True)
class Vmi:
    """An instance that has not ended. owner: kind of its controller, empty where it stands alone; leaving: it is being
    deleted; refusals: reason and message of each condition that is False."""

    key: Key
    uid: str
    owner: str
    guest: Guest
    node: str = ""
    ready: bool = False
    leaving: bool = False
    refusals: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim. state_of: the machine whose TPM or EFI state it holds."""

    key: Key
    modes: tuple[str, ...] = ()
    storage_class: str = ""
    volume: str = ""
    state_of: str = ""

    @property
    def shared(self) -> bool:
        return "ReadWriteMany" in self.modes


@dataclass(frozen=True)
class Volume:
    """A PersistentVolume. terms: the nodes that reach it, None for all; host_path: it is a path of whatever node."""

    name: str
    terms: NodeTerms | None = None
    host_path: bool = False
    shared: bool = False
    modes: tuple[str, ...] = ()
    storage_class: str = ""
    phase: str = ""


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget. allowed: disruptions now, None where that is not known yet; of_vmi: KubeVirt's own."""

    key: Key
    selector: Selector | None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    allowed: int | None = None
    of_vmi: bool = False


@dataclass(frozen=True)
class PriorityClass:
    """A PriorityClass. default: pods that name none have it."""

    value: int
    default: bool = False


@dataclass(frozen=True)
class Quota:
    """What a ResourceQuota still has room for, of the `hard` that it began with, of pods of the given scopes."""

    key: Key
    room: Amounts
    scopes: tuple[str, ...] = ()
    priority_classes: tuple[str, ...] | None = None
    hard: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class Backup:
    """The newest backup of etcd. taken_at: seconds since the epoch, None where it is not told; fault: why not."""

    taken_at: float | None
    verified: bool = False
    where: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Unread:
    """What could not be read. resource: its plural, as in a rule of RBAC; namespace: empty for the whole cluster."""

    resource: str
    namespace: str
    reason: str
    message: str


@dataclass
class Cluster:
    """All that was read. now: the server's clock, here: this machine's, in seconds since the epoch; unread: sources that
    could not be read at all; partly: namespaces of a source that could not; absent: plurals of the kinds that are not
    installed, by source.

    addresses: of each of the API's endpoints; backups: what the backup host says of its backups; networks: namespace and name
    of each NetworkAttachmentDefinition.
    """

    now: float = 0.0
    here: float = 0.0
    server_version: str = ""
    namespace: str = "kubevirt"
    kubevirt: Object | None = None
    cdis: list[Object] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    vms: dict[Key, Vm] = field(default_factory=dict)
    vmis: dict[Key, Vmi] = field(default_factory=dict)
    claims: dict[Key, Claim] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    budgets: list[Budget] = field(default_factory=list)
    quotas: list[Quota] = field(default_factory=list)
    deployments: list[Object] = field(default_factory=list)
    daemon_sets: list[Object] = field(default_factory=list)
    leases: dict[Key, Object] = field(default_factory=dict)
    priority_classes: dict[str, PriorityClass] = field(default_factory=dict)
    storage_classes: dict[str, Object] = field(default_factory=dict)
    profiles: dict[str, Object] = field(default_factory=dict)
    snapshot_classes: list[str] = field(default_factory=list)
    health_checks: list[str] = field(default_factory=list)
    api_services: list[Object] = field(default_factory=list)
    networks: list[Key] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    backup: Backup | None = None
    backups: Object | None = None
    watcher: Object | None = None
    unread: dict[str, Unread] = field(default_factory=dict)
    partly: dict[str, list[Unread]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """The limits of the checks. certificate_days: how long before its end a certificate is named; heartbeat_seconds:
    how old virt-handler's may be; lease_factor: how many of its own durations a lease may be old; domain_label: the
    nodes' label of a failure domain; etcd_members: as many as there should be, 0 where that is not known."""

    certificate_days: float = 14.0
    heartbeat_seconds: float = 300.0
    lease_factor: float = 3.0
    domain_label: str = "topology.kubernetes.io/zone"
    etcd_members: int = 0
    backup_hours: float = 24.0
    state_dir: str = ""
