"""The semantic rules of a VMI's spec, with the fields and words as recorded; pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from ..quantity import parse
from ..resources import Object
from .causes import cause
from .device_rules import device_causes
from .network_rules import network_causes

LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
EVICTION = ("None", "LiveMigrate", "LiveMigrateIfPossible", "External")
SOURCES = (
    "persistentVolumeClaim",
    "dataVolume",
    "containerDisk",
    "cloudInitNoCloud",
    "cloudInitConfigDrive",
    "emptyDisk",
    "ephemeral",
    "hostDisk",
    "configMap",
    "secret",
    "serviceAccount",
    "downwardAPI",
    "downwardMetrics",
    "sysprep",
    "memoryDump",
)
USER_DATA_LIMIT = 2048
PROBES = ("httpGet", "tcpSocket", "exec", "guestAgentPing")
Rule = Callable[[Object, str], list[Object]]


def spec_causes(spec: Object, path: str) -> list[Object]:
    """All causes for which the spec is refused; `path` is `spec` or `spec.template.spec`."""
    found: list[Object] = []
    for rule in RULES:
        found += rule(spec, path)
    return found


def _eviction(spec: Object, path: str) -> list[Object]:
    value = spec.get("evictionStrategy")
    if value is None or value in EVICTION:
        return []
    return [
        cause(
            "Invalid",
            f"{path}.evictionStrategy is set with an unrecognized option: {value}",
            f"{path}.evictionStrategy",
        )
    ]


def _names(spec: Object, path: str) -> list[Object]:
    found = []
    host, sub = spec.get("hostname"), spec.get("subdomain")
    words = "{0} does not conform to the kubernetes {1} rules : {2}"
    if host and len(host) > 63:
        text = words.format(f"{path}.hostname", "DNS_LABEL", "must be no more than 63 characters")
        found.append(cause("Invalid", text, f"{path}.hostname"))
    elif host and not LABEL.match(host):
        found.append(cause("Invalid", words.format(f"{path}.hostname", "DNS_LABEL", LABEL_TEXT), f"{path}.hostname"))
    if sub and not SUBDOMAIN.match(sub):
        found.append(
            cause("Invalid", words.format(f"{path}.subdomain", "DNS_SUBDOMAIN", SUBDOMAIN_TEXT), f"{path}.subdomain")
        )
    if spec.get("dnsPolicy") == "None" and not spec.get("dnsConfig"):
        found.append(cause("Required", "must provide `dnsConfig` when `dnsPolicy` is None", f"{path}.dnsConfig"))
    return found


def _volumes(spec: Object, path: str) -> list[Object]:
    found: list[Object] = []
    seen: dict[str, int] = {}
    for index, volume in enumerate(spec.get("volumes") or []):
        field, name = f"{path}.volumes[{index}]", volume["name"]
        if name in seen:
            text = f"{field} and {path}.volumes[{seen[name]}] must not have the same Name."
            found.append(cause("Invalid", text, f"{field}.name"))
        seen.setdefault(name, index)
        if sum(1 for source in SOURCES if volume.get(source) is not None) != 1:
            found.append(cause("Invalid", f"{field} must have exactly one source type set", field))
        for kind in ("cloudInitNoCloud", "cloudInitConfigDrive"):
            if volume.get(kind) is not None:
                found += _cloud_init(volume[kind], kind, f"{field}.{kind}")
    return found


def _cloud_init(source: Object, kind: str, field: str) -> list[Object]:
    user = [name for name in ("secretRef", "userDataSecretRef", "userDataBase64", "userData") if source.get(name)]
    network = [name for name in ("networkDataSecretRef", "networkDataBase64", "networkData") if source.get(name)]
    if len(user) > 1:
        return [cause("Invalid", f"{field} must have only one userdatasource set.", field)]
    if not user and not network:
        return [cause("Invalid", f"{field} must have at least one userdatasource or one networkdatasource set.", field)]
    data = str(source.get("userData") or "").encode()
    if source.get("userDataBase64"):
        try:
            data = base64.b64decode(source["userDataBase64"], validate=True)
        except (binascii.Error, ValueError):
            name = f"{field}.userDataBase64"
            return [cause("Invalid", f"{name}.{kind}.userDataBase64 is not a valid base64 value.", name)]
    if len(data) > USER_DATA_LIMIT:
        text = f"{field} userdata exceeds {USER_DATA_LIMIT} byte limit. Should use UserDataSecretRef for larger data."
        return [cause("Invalid", text, field)]
    return []


def _resources(spec: Object, path: str) -> list[Object]:
    found = []
    domain = spec["domain"]
    wanted = domain.get("resources") or {}
    requests, limits = wanted.get("requests") or {}, wanted.get("limits") or {}
    base = f"{path}.domain.resources"
    for name in ("memory", "cpu"):
        if name in requests and parse(requests[name]) < 0:
            text = f"{base}.requests.{name} '{requests[name]}': must be greater than or equal to 0."
            found.append(cause("Invalid", text, f"{base}.requests.{name}"))
        if name in requests and name in limits and parse(requests[name]) > parse(limits[name]):
            text = f"{base}.requests.{name} '{requests[name]}' is greater than {base}.limits.{name} '{limits[name]}'"
            found.append(cause("Invalid", text, f"{base}.requests.{name}"))
    dedicated = (domain.get("cpu") or {}).get("dedicatedCpuPlacement")
    if dedicated and "cpu" in requests and parse(requests["cpu"]) % 1:
        text = "provided resources CPU requests must be an interger"
        found.append(cause("Invalid", text, f"{base}.requests.cpu"))
    page = ((domain.get("memory") or {}).get("hugepages") or {}).get("pageSize")
    if page and (parse(requests.get("memory", 0)) % parse(page) or not _power_of_two(page)):
        text = (
            f"{base}.requests.memory '{requests.get('memory', '0')}' is not a multiple of the page size "
            f"{path}.domain.memory.hugepages.pageSize '{page}'"
        )
        found.append(cause("Invalid", text, f"{base}.requests.memory"))
    return found


def _power_of_two(page: str) -> bool:
    size = int(parse(page))
    return size > 0 and size & (size - 1) == 0


def _machine(spec: Object, path: str) -> list[Object]:
    found = []
    domain = spec["domain"]
    kind = (domain.get("machine") or {}).get("type") or "q35"
    if spec.get("architecture", "amd64") == "amd64" and not kind.startswith(("q35", "pc-q35")):
        field = f"{path}.domain.machine.type"
        found.append(cause("Invalid", f"{field} is not supported: {kind} (allowed values: [q35* pc-q35*])", field))
    firmware = domain.get("firmware") or {}
    return (
        found
        + _bootloader(domain, firmware, f"{path}.domain")
        + _kernel(firmware, f"{path}.domain.firmware.kernelBoot")
    )


def _bootloader(domain: Object, firmware: Object, path: str) -> list[Object]:
    found = []
    loader = firmware.get("bootloader") or {}
    if loader.get("efi") is not None and loader.get("bios") is not None:
        field = f"{path}.firmware.bootloader"
        text = f"{field} has both EFI and BIOS configured, but they are mutually exclusive."
        found.append(cause("Invalid", text, field))
    secure = loader.get("efi") is not None and loader["efi"].get("secureBoot") is not False
    smm = (domain.get("features") or {}).get("smm")
    if secure and (smm is None or smm.get("enabled") is False):
        text = f"{path} has EFI SecureBoot enabled. SecureBoot requires SMM, which is currently disabled."
        found.append(cause("Invalid", text, path))
    return found


def _kernel(firmware: Object, path: str) -> list[Object]:
    boot = firmware.get("kernelBoot")
    if not boot:
        return []
    container = boot.get("container")
    if container is None:
        if boot.get("kernelArgs"):
            text = "kernel arguments cannot be provided without an external kernel"
            return [cause("Invalid", text, f"{path}.kernelArgs")]
        return []
    if not container.get("image"):
        text = f"{path}.container must be defined with an image"
        return [cause("Required", text, f"{path}.container.image")]
    if not container.get("kernelPath") and not container.get("initrdPath"):
        text = f"{path}.container must be defined with at least one of the following: kernelPath, initrdPath"
        return [cause("Required", text, f"{path}.container")]
    return []


def _probes(spec: Object, path: str) -> list[Object]:
    found = []
    for name in ("readinessProbe", "livenessProbe"):
        probe, field = spec.get(name), f"{path}.{name}"
        if probe is None:
            continue
        handlers = sum(1 for kind in PROBES if probe.get(kind) is not None)
        if handlers > 1:
            found.append(cause("Invalid", f"{field} must have exactly one probe type set", field))
        elif not handlers:
            text = f"either {field}.tcpSocket, {field}.exec or {field}.httpGet must be set if a {field} is specified"
            found.append(cause("Required", text, field))
    return found


def _credentials(spec: Object, path: str) -> list[Object]:
    found = []
    volumes = spec.get("volumes") or []
    for index, item in enumerate(spec.get("accessCredentials") or []):
        field = f"{path}.accessCredentials[{index}]"
        method = (item.get("sshPublicKey") or {}).get("propagationMethod") or {}
        here = f"{field}.sshPublicKey.propagationMethod"
        for kind, volume in (("noCloud", "cloudInitNoCloud"), ("configDrive", "cloudInitConfigDrive")):
            if method.get(kind) is not None and not any(entry.get(volume) is not None for entry in volumes):
                text = f"{field} requires a {kind} volume to exist when the {kind} propagationMethod is in use."
                found.append(cause("Invalid", text, here))
        agent = method.get("qemuGuestAgent")
        if agent is not None and not agent.get("users"):
            text = f"{field} requires at least one user to be present in the users list"
            found.append(cause("Invalid", text, f"{here}.qemuGuestAgent.users"))
    return found


RULES: tuple[Rule, ...] = (
    device_causes,
    network_causes,
    _names,
    _volumes,
    _resources,
    _machine,
    _probes,
    _credentials,
    _eviction,
)
