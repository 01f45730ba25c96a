# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which feature gates a minor version of KubeVirt has, and in what state each is.

Read in pkg/virt-config/featuregate of KubeVirt's tags v1.7.4, v1.8.4 and v1.9.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions

MINORS = ("1.7", "1.8", "1.9")
ABSENT, ALPHA, BETA, GRADUATED, DEPRECATED, DISCONTINUED = "-", "A", "B", "G", "D", "X"
# Versions that have no spec.configuration.developerConfiguration.disabledFeatureGates.
WITHOUT_DISABLED = ("1.7",)
# From this version on beta gates are on unless they are disabled.
BETA_IS_ON = (1, 9, 0)
_ALWAYS_ON = "{name} has graduated and is always on in KubeVirt {minor}; take it out"
_NOT_OFF = "{name} has graduated, KubeVirt {minor} cannot switch it off; take it out"
_GONE = "{name} was discontinued, KubeVirt {minor} no longer has what it switched on; take it out"
# A gate's state in each of MINORS.
GATES = {
    "AlignCPUs": "AAA",
    "AutoResourceLimitsGate": "GGG",
    "BochsDisplayForEFIGuests": "GGG",
    "CPUManager": "AAA",
    "CPUNodeDiscovery": "GGG",
    "ClusterProfiler": "GGG",
    "CommonInstancetypesDeploymentGate": "GGG",
    "ConfigurableHypervisor": "-AA",
    "ContainerPathVolumes": "-AA",
    "CrossArchitectureVirtualization": "--A",
    "DecentralizedLiveMigration": "AAA",
    "DeclarativeHotplugVolumes": "AAB",
    "DisableCustomSELinuxPolicy": "GGG",
    "DisableMDEVConfiguration": "ADD",
    "DockerSELinuxMCSWorkaround": "DDD",
    "DownwardMetrics": "AAA",
    "DynamicPodInterfaceNaming": "GGG",
    "EnableVirtioFsConfigVolumes": "AGG",
    "EnableVirtioFsStorageVolumes": "AAA",
    "ExpandDisks": "AAG",
    "ExperimentalIgnitionSupport": "AAA",
    "ExperimentalVirtiofsSupport": "DXX",
    "ExternalNetResourceInjection": "-BB",
    "FirmwareAutoSelection": "--A",
    "GPU": "GGG",
    "GPUsWithDRA": "AAB",
    "GraceIOVirtualization": "--A",
    "HostDevices": "AAA",
    "HostDevicesWithDRA": "AAB",
    "HostDisk": "AAA",
    "HotplugNICs": "GGG",
    "HotplugVolumes": "AAD",
    "HypervStrictCheck": "AAA",
    "IOMMUFD": "--A",
    "ImageVolume": "BBB",
    "IncrementalBackup": "AAA",
    "InstancetypeReferencePolicy": "GGG",
    "KubevirtSeccompProfile": "BBB",
    "LibvirtHooksServerAndClient": "-AB",
    "LiveMigration": "GGG",
    "LiveUpdateNADRef": "-BG",
    "Macvtap": "XXX",
    "MigrationPriorityQueue": "ABG",
    "MigrationStallDetection": "--A",
    "MultiArchitecture": "ADD",
    "NUMA": "GGG",
    "NetworkBindingPlugins": "GGG",
    "NetworkDevicesWithDRA": "--A",
    "NodeRestriction": "BBB",
    "NonRoot": "GGG",
    "OCIExport": "--A",
    "ObjectGraph": "AAA",
    "OptOutRoleAggregation": "-AB",
    "PCINUMAAwareTopology": "-AA",
    "PSA": "GGG",
    "PanicDevices": "BBG",
    "Passt": "XXX",
    "PasstBinding": "-BB",
    "PasstIPStackMigration": "AXX",
    "PersistentReservation": "AAG",
    "Plugins": "--A",
    "PodSecondaryInterfaceNamingUpgrade": "-BB",
    "PortRangesSpec": "--A",
    "RebootPolicy": "-AB",
    "ReservedOverheadMemlock": "-AA",
    "Root": "AAA",
    "SRIOVLiveMigration": "GGG",
    "SecureExecution": "BBG",
    "Sidecar": "AAA",
    "Snapshot": "BBB",
    "Template": "-AB",
    "UtilityVolumes": "-AA",
    "VGPULiveMigration": "--A",
    "VMExport": "BBG",
    "VMLiveUpdateFeatures": "GGG",
    "VMPersistentState": "GGG",
    "VMStatsCollector": "--A",
    "VSOCK": "AAA",
    "VideoConfig": "BBG",
    "VmiMemoryOverheadReport": "-AB",
    "VolumeMigration": "GGG",
    "VolumesUpdateStrategy": "GGG",
    "WorkloadEncryptionSEV": "AAB",
    "WorkloadEncryptionTDX": "AAA",
}


def states(version: object) -> dict[str, str]:
    """The gates of a version by name, each with its state; empty where the version is in no row."""
    minor = versions.minor(version)
    if minor not in MINORS:
        return {}
    column = MINORS.index(minor)
    return {name: row[column] for name, row in GATES.items() if row[column] != ABSENT}


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that was likely meant, however it is written; empty where none is near."""
    by_lower = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), list(by_lower), 1, 0.7)
    return by_lower[found[0]] if found else ""


def faults(enabled: Any, disabled: Any, version: object, options: tuple[str, str]) -> Iterator[str]:
    """What is wrong with two lists of gates for a version; `options` are what the lists are given by."""
    for option, given in zip(options, (enabled, disabled)):
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            yield f"{option}: {given!r} must be a list of names of feature gates"
            return
    for name in sorted(set(enabled) & set(disabled)):
        yield f"{options[0]} and {options[1]}: {name} is in both; take it out of one"
    known, minor = states(version), versions.minor(version)
    if not known:
        return
    if disabled and minor in WITHOUT_DISABLED:
        yield f"{options[1]}: KubeVirt {minor} cannot disable gates; leave it empty, what is not in {options[0]} is off there"
    for option, given, texts in (
        (options[0], enabled, {GRADUATED: _ALWAYS_ON, DISCONTINUED: _GONE}),
        (options[1], disabled, {GRADUATED: _NOT_OFF}),
    ):
        for name in given:
            text = _unknown(name, known, minor) or texts.get(known.get(name, ""), "").format(name=name, minor=minor)
            if text:
                yield f"{option}: {text}"


def _unknown(name: str, known: dict[str, str], minor: str) -> str:
    """A sentence on a gate that the version does not have; empty where it has it."""
    if name in known:
        return ""
    if name in GATES:
        has = ", ".join(each for each, state in zip(MINORS, GATES[name]) if state != ABSENT)
        return f"KubeVirt {minor} does not have {name}, which is in {has}; take it out"
    near = nearest(name, list(known))
    return f"{name} is no feature gate of KubeVirt {minor}; " + (f"did you mean {near}?" if near else "take it out")
