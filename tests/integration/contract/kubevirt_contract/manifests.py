"""Manifests: a base VM, merge patches, and facts about paths inside of objects."""

from __future__ import annotations

import copy
import os
import re
from typing import Any

IMAGE = os.environ.get("CONTRACT_GUEST_IMAGE", "registry.invalid/guest-boot:1")
KERNEL = os.environ.get("CONTRACT_GUEST_KERNEL", "/boot/vmlinuz")
INITRD = os.environ.get("CONTRACT_GUEST_INITRD", "/boot/initrd")
POWEROFF = os.environ.get("CONTRACT_POWEROFF_ARGUMENT", "poweroff=5")
CPU_MODEL = os.environ.get("CONTRACT_CPU_MODEL", "qemu64")
ABSENT, PRESENT = "$absent", "$present"


def vmi_spec() -> dict[str, Any]:
    """The spec.template.spec that all VMs of the contract share."""
    return {
        "terminationGracePeriodSeconds": 2,
        "domain": {
            "cpu": {"cores": 1, "model": CPU_MODEL},
            "memory": {"guest": "128Mi"},
            "resources": {"requests": {"cpu": "50m"}},
            "firmware": {
                "kernelBoot": {
                    "kernelArgs": "console=ttyS0 panic=1",
                    "container": {
                        "image": IMAGE,
                        "imagePullPolicy": "IfNotPresent",
                        "kernelPath": KERNEL,
                        "initrdPath": INITRD,
                    },
                }
            },
            "devices": {"rng": {}, "interfaces": [{"name": "default", "masquerade": {}}]},
        },
        "networks": [{"name": "default", "pod": {}}],
    }


def virtual_machine(name: str, strategy: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """The base VM with a fact's ``spec``, ``vmi`` and ``metadata`` merged into it."""
    request = request or {}
    manifest: dict[str, Any] = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name},
        "spec": {
            "runStrategy": strategy,
            "template": {"metadata": {"labels": {"app": "contract"}}, "spec": vmi_spec()},
        },
    }
    return _with(manifest, request, ["template", "spec"])


def instance(name: str, request: dict[str, Any]) -> dict[str, Any]:
    """The base VMI without a VM."""
    manifest: dict[str, Any] = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name},
        "spec": vmi_spec(),
    }
    return _with(manifest, request, [])


def _with(manifest: dict[str, Any], request: dict[str, Any], inner: list[str]) -> dict[str, Any]:
    spec = request.get("spec") or {}
    if "vmi" in request:
        nested: dict[str, Any] = request["vmi"]
        for key in reversed(inner):
            nested = {key: nested}
        spec = joined(spec, nested)
    change = {key: request[key] for key in ("apiVersion", "metadata", "status") if key in request}
    result: dict[str, Any] = merged(manifest, expanded({**change, "spec": spec}))
    return result


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two merge patches as one; what either removes stays removed."""
    result = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = joined(result[key], value) if both else value
    return result


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386), on a copy."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def expanded(value: Any) -> Any:
    """Fills in what the tables abbreviate: ``$image``, ``$vmi``, ``$poweroff`` and long texts."""
    if isinstance(value, dict):
        if "$fill" in value:
            text = value.get("$text", "")
            return text + value["$fill"] * (value["$length"] - len(text))
        return {key: expanded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [expanded(inner) for inner in value]
    known = {"$image": IMAGE, "$vmi": vmi_spec(), "$poweroff": f"console=ttyS0 panic=1 {POWEROFF}"}
    return known.get(value, value) if isinstance(value, str) else value


def at(thing: Any, path: str) -> Any:
    """What stands at ``a/b[type=Ready]/0/c`` (``~1`` for a slash in a key); ABSENT where nothing does."""
    for part in [part for part in path.split("/") if part]:
        key, _sep, selector = part.partition("[")
        for step in [key.replace("~1", "/")] if key else []:
            if isinstance(thing, list) and step.isdigit() and int(step) < len(thing):
                thing = thing[int(step)]
            elif isinstance(thing, dict) and step in thing:
                thing = thing[step]
            else:
                return ABSENT
        if selector:
            name, _sep, wanted = selector.rstrip("]").replace("~1", "/").partition("=")
            thing = next(
                (item for item in thing or [] if isinstance(item, dict) and str(item.get(name)) == wanted), ABSENT
            )
            if thing == ABSENT:
                return ABSENT
    return thing


def mismatch(found: Any, wanted: Any) -> str:
    """Empty where ``found`` is as wanted: a literal, $absent, $present, ``~regex``, or a list of members (``has``)."""
    if wanted == ABSENT:
        return "" if found == ABSENT else f"is {found!r} and should be absent"
    if wanted == PRESENT:
        return "" if found != ABSENT else "is absent"
    if isinstance(wanted, str) and wanted.startswith("~"):
        return "" if re.search(wanted[1:], str(found)) else f"is {found!r}, which does not match {wanted[1:]!r}"
    if isinstance(wanted, dict) and "has" in wanted:
        missing = [item for item in wanted["has"] if not isinstance(found, (list, dict, str)) or item not in found]
        return f"is {found!r} and lacks {missing}" if missing else ""
    return "" if found == wanted else f"is {found!r} and should be {wanted!r}"
