"""Structural schemas of the KubeVirt kinds, from a short notation.

`S` string, `INT` integer, `U` unsigned integer, `B` boolean, `Q` quantity, `N` any number, `M` map of strings, `ANY` anything;
`[x]` a list, `{...}` an object; a field whose name ends in `!` is required.
"""

from __future__ import annotations

from typing import Any

from .resources import Object

Notation = Any
S, INT, U, B, Q, N, M, ANY = "S", "INT", "U", "B", "Q", "N", "M", "ANY"
QUANTITIES = {"requests": "QM", "limits": "QM"}
TIMED = {"tickPolicy": S, "present": B}
PROBE = {
    "exec": {"command": [S]},
    "guestAgentPing": ANY,
    "httpGet": {"path": S, "port": Q, "host": S, "scheme": S, "httpHeaders": [{"name": S, "value": S}]},
    "tcpSocket": {"port": Q, "host": S},
    "initialDelaySeconds": INT,
    "timeoutSeconds": INT,
    "periodSeconds": INT,
    "successThreshold": INT,
    "failureThreshold": INT,
}
DISK = {
    "name!": S,
    "disk": {"bus": S, "readonly": B, "pciAddress": S},
    "cdrom": {"bus": S, "readonly": B, "tray": S},
    "lun": {"bus": S, "readonly": B, "reservation": B},
    "bootOrder": U,
    "serial": S,
    "dedicatedIOThread": B,
    "cache": S,
    "io": S,
    "tag": S,
    "blockSize": {"custom": {"logical": U, "physical": U, "discardGranularity": U}, "matchVolume": {"enabled": B}},
    "shareable": B,
    "errorPolicy": S,
    "changedBlockTracking": B,
}
INTERFACE = {
    "name!": S,
    "model": S,
    "bridge": {},
    "slirp": {},
    "masquerade": {},
    "sriov": {},
    "macvtap": {},
    "passt": {},
    "passtBinding": {},
    "binding": {"name": S},
    "ports": [{"name": S, "protocol": S, "port": INT}],
    "macAddress": S,
    "bootOrder": U,
    "pciAddress": S,
    "dhcpOptions": {
        "bootFileName": S,
        "tftpServerName": S,
        "ntpServers": [S],
        "privateOptions": [{"option": INT, "value": S}],
    },
    "tag": S,
    "acpiIndex": INT,
    "state": S,
}
GPU = {"name!": S, "deviceName": S, "claimName": S, "requestName": S, "virtualGPUOptions": ANY, "tag": S}
FEATURE = {"enabled": B}
CPU = {
    "cores": U,
    "sockets": U,
    "maxSockets": U,
    "threads": U,
    "model": S,
    "features": [{"name!": S, "policy": S}],
    "dedicatedCpuPlacement": B,
    "numa": {"guestMappingPassthrough": ANY},
    "isolateEmulatorThread": B,
    "realtime": {"mask": S},
}
FEATURES = {
    "acpi": FEATURE,
    "apic": {"enabled": B, "endOfInterrupt": B},
    "hyperv": ANY,
    "hypervPassthrough": FEATURE,
    "smm": FEATURE,
    "kvm": {"hidden": B},
    "pvspinlock": FEATURE,
}
FIRMWARE = {
    "uuid": S,
    "serial": S,
    "acpi": {"slicNameRef": S, "msdmNameRef": S},
    "bootloader": {
        "bios": {"useSerial": B},
        "efi": {"secureBoot": B, "persistent": B},
    },
    "kernelBoot": {
        "kernelArgs": S,
        "container": {
            "image": S,
            "imagePullSecret": S,
            "imagePullPolicy": S,
            "kernelPath": S,
            "initrdPath": S,
        },
    },
}
DEVICES = {
    "useVirtioTransitional": B,
    "disableHotplug": B,
    "disks": [DISK],
    "interfaces": [INTERFACE],
    "inputs": [{"bus": S, "type!": S, "name!": S}],
    "autoattachPodInterface": B,
    "autoattachGraphicsDevice": B,
    "autoattachSerialConsole": B,
    "autoattachMemBalloon": B,
    "autoattachInputDevice": B,
    "autoattachVSOCK": B,
    "logSerialConsole": B,
    "rng": {},
    "blockMultiQueue": B,
    "networkInterfaceMultiqueue": B,
    "gpus": [GPU],
    "hostDevices": [GPU],
    "downwardMetrics": {},
    "filesystems": [{"name!": S, "virtiofs": ANY}],
    "watchdog": {"name!": S, "i6300esb": {"action": S}, "diag288": {"action": S}},
    "sound": {"name!": S, "model": S},
    "tpm": {"persistent": B, "enabled": B},
    "clientPassthrough": {},
    "panicDevices": [{"model": S}],
    "video": {"type": S},
}
DOMAIN = {
    "resources": QUANTITIES | {"overcommitGuestOverhead": B},
    "cpu": CPU,
    "memory": {"guest": Q, "maxGuest": Q, "hugepages": {"pageSize": S}},
    "machine": {"type": S},
    "firmware": FIRMWARE,
    "clock": {"utc": {"offsetSeconds": INT}, "timezone": S, "timer": ANY},
    "features": FEATURES,
    "devices!": DEVICES,
    "ioThreadsPolicy": S,
    "ioThreads": {"supplementalPoolThreadCount": U},
    "chassis": {"manufacturer": S, "version": S, "serial": S, "asset": S, "sku": S},
    "launchSecurity": ANY,
    "rebootPolicy": S,
}
CLOUD_INIT = {
    "secretRef": {"name": S},
    "userDataSecretRef": {"name": S},
    "userDataBase64": S,
    "userData": S,
    "networkDataSecretRef": {"name": S},
    "networkDataBase64": S,
    "networkData": S,
}
VOLUME = {
    "name!": S,
    "persistentVolumeClaim": {"claimName": S, "readOnly": B, "hotpluggable": B},
    "dataVolume": {"name": S, "hotpluggable": B},
    "containerDisk": {"image": S, "imagePullSecret": S, "path": S, "imagePullPolicy": S},
    "cloudInitNoCloud": CLOUD_INIT,
    "cloudInitConfigDrive": CLOUD_INIT,
    "emptyDisk": {"capacity": Q},
    "ephemeral": {"persistentVolumeClaim": {"claimName": S, "readOnly": B}},
    "hostDisk": {"path": S, "type": S, "capacity": Q, "shared": B},
    "configMap": {"name": S, "optional": B, "volumeLabel": S},
    "secret": {"secretName": S, "optional": B, "volumeLabel": S},
    "serviceAccount": {"serviceAccountName": S},
    "downwardAPI": ANY,
    "downwardMetrics": {},
    "sysprep": {"secret": {"name": S}, "configMap": {"name": S}},
    "memoryDump": {"claimName": S, "readOnly": B, "hotpluggable": B},
}
NETWORK = {
    "name!": S,
    "pod": {"vmNetworkCIDR": S, "vmIPv6NetworkCIDR": S},
    "multus": {"networkName": S, "default": B},
    "resourceClaim": ANY,
}
VMI_SPEC = {
    "domain!": DOMAIN,
    "priorityClassName": S,
    "nodeSelector": M,
    "affinity": ANY,
    "schedulerName": S,
    "tolerations": [{"key": S, "operator": S, "value": S, "effect": S, "tolerationSeconds": INT}],
    "topologySpreadConstraints": ANY,
    "resourceClaims": ANY,
    "evictionStrategy": S,
    "startStrategy": S,
    "terminationGracePeriodSeconds": INT,
    "volumes": [VOLUME],
    "utilityVolumes": ANY,
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "hostname": S,
    "subdomain": S,
    "networks": [NETWORK],
    "dnsPolicy": S,
    "dnsConfig": {"nameservers": [S], "searches": [S], "options": [{"name": S, "value": S}]},
    "accessCredentials": ANY,
    "architecture": S,
}
TEMPLATE_META = "META"
MATCHER = {"name": S, "kind": S, "revisionName": S, "inferFromVolume": S, "inferFromVolumeFailurePolicy": S}
VM_SPEC = {
    "running": B,
    "runStrategy": S,
    "instancetype": MATCHER,
    "preference": MATCHER,
    "template!": {"metadata": TEMPLATE_META, "spec": VMI_SPEC},
    "dataVolumeTemplates": [
        {"apiVersion": S, "kind": S, "metadata": TEMPLATE_META, "spec!": ANY, "status": ANY},
    ],
    "updateVolumesStrategy": S,
}
MIGRATION_SPEC = {
    "vmiName": S,
    "addedNodeSelector": M,
    "priority": S,
    "sendTo": ANY,
    "receive": ANY,
}


def build(notation: Notation) -> Object:
    """The structural schema of a notation."""
    if isinstance(notation, list):
        return {"type": "array", "items": build(notation[0])}
    if isinstance(notation, dict):
        schema: Object = {"type": "object"}
        if notation:
            schema["properties"] = {name.rstrip("!"): build(part) for name, part in notation.items()}
        required = [name[:-1] for name in notation if name.endswith("!")]
        if required:
            schema["required"] = required
        return schema
    return dict(_SIMPLE[notation])


_QUANTITY: Object = {
    "anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "number"}],
    "x-kubernetes-int-or-string": True,
}
_SIMPLE: dict[str, Object] = {
    "S": {"type": "string"},
    "INT": {"type": "integer", "format": "int64"},
    "U": {"type": "integer", "format": "int64"},
    "B": {"type": "boolean"},
    "N": {"type": "number"},
    "Q": {"x-kubernetes-preserve-unknown-fields": True},
    "QM": {"type": "object", "additionalProperties": {"x-kubernetes-preserve-unknown-fields": True}},
    "M": {"type": "object", "additionalProperties": {"type": "string"}},
    "ANY": {"x-kubernetes-preserve-unknown-fields": True},
    "META": {"type": "object", "nullable": True, "x-kubernetes-preserve-unknown-fields": True},
}
