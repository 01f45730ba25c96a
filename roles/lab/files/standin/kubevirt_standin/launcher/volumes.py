"""The guest's disks as files: found, made or built before QEMU starts."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..controllers.launcher_pod import DISKS
from ..quantity import to_bytes
from ..resources import Object

VOLUMES = Path("/volumes")


class VolumeProblem(Exception):
    """A volume cannot be used; says which and why."""


@dataclass(frozen=True)
class DiskFile:
    """A file behind a disk; `claim` tells that it outlives the pod."""

    path: Path
    image_format: str = "raw"
    read_only: bool = False
    claim: bool = False


def prepare(volume: Object, capacities: dict[str, int], name: str) -> DiskFile:
    """The file of one volume; raises VolumeProblem."""
    label = volume["name"]
    if "persistentVolumeClaim" in volume or "dataVolume" in volume:
        read_only = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
        return _claim(label, capacities.get(label, 0), read_only)
    if "containerDisk" in volume:
        return _container_disk(label)
    if "emptyDisk" in volume:
        return _sparse(label, Path(DISKS, f"empty-{label}.img"), to_bytes(volume["emptyDisk"]["capacity"]))
    if "cloudInitNoCloud" in volume or "cloudInitConfigDrive" in volume:
        return _cloud_init(volume, name)
    if "configMap" in volume or "secret" in volume:
        folder = VOLUMES / label
        return _iso(
            label, [str(path) for path in sorted(folder.iterdir()) if not path.name.startswith("..")], "cfgdata"
        )
    kind = next((key for key in volume if key != "name"), "nothing")
    raise VolumeProblem(f"volume {label}: the KubeVirt stand-in does not serve volumes of type {kind}")


def _claim(label: str, capacity: int, read_only: bool) -> DiskFile:
    path = VOLUMES / label / "disk.img"
    if not path.exists():
        if not capacity:
            raise VolumeProblem(f"volume {label}: {path} is missing and the claim states no capacity")
        _sparse(label, path, capacity)
    return DiskFile(path, read_only=read_only, claim=True)


def _sparse(label: str, path: Path, size: int) -> DiskFile:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o660)
    except FileExistsError:
        return DiskFile(path)
    except OSError as error:
        raise VolumeProblem(f"volume {label}: cannot make {path}: {error.strerror}") from error
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return DiskFile(path)


def _container_disk(label: str) -> DiskFile:
    path = Path(DISKS, f"volume{label}", "disk.img")
    if not path.exists():
        raise VolumeProblem(f"failed to find a sourceFile in containerDisk {label}: no file at {path}")
    answer = subprocess.run(["qemu-img", "info", "--output=json", str(path)], capture_output=True, check=False)
    if answer.returncode:
        raise VolumeProblem(f"containerDisk {label}: {answer.stderr.decode().strip()}")
    return DiskFile(path, image_format=json.loads(answer.stdout)["format"])


def _text(source: Object, plain: str, folder: Path, files: tuple[str, ...]) -> str:
    if source.get(plain):
        return str(source[plain])
    if source.get(f"{plain}Base64"):
        return base64.b64decode(source[f"{plain}Base64"]).decode()
    for name in files:
        if (folder / name).exists():
            return (folder / name).read_text()
    return ""


def _cloud_init(volume: Object, name: str) -> DiskFile:
    label = volume["name"]
    no_cloud = "cloudInitNoCloud" in volume
    source = volume.get("cloudInitNoCloud") or volume.get("cloudInitConfigDrive") or {}
    folder = Path(DISKS, f"cloud-init-{label}")
    inner = folder if no_cloud else folder / "openstack" / "latest"
    inner.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    secret = VOLUMES / label
    user = _text(source, "userData", secret, ("userdata", "userData"))
    network = _text(source, "networkData", secret, ("networkdata", "networkData"))
    meta = {"instance-id": f"{name}", "local-hostname": name}
    files = {"user-data": user, "meta-data": json.dumps(meta)}
    if not no_cloud:
        files = {"user_data": user, "meta_data.json": json.dumps({"uuid": name, "hostname": name})}
    if network:
        files["network-config" if no_cloud else "network_data.json"] = network
    for file, text in files.items():
        (inner / file).write_text(text)
    return _iso(
        label,
        [str(folder)] if not no_cloud else [str(inner / file) for file in files],
        "cidata" if no_cloud else "config-2",
    )


def _iso(label: str, sources: list[str], volume_id: str) -> DiskFile:
    target = Path(DISKS, f"{label}.iso")
    command = ["genisoimage", "-quiet", "-output", str(target), "-volid", volume_id, "-joliet", "-rock", *sources]
    answer = subprocess.run(command, capture_output=True, check=False)
    if answer.returncode:
        raise VolumeProblem(f"volume {label}: {answer.stderr.decode().strip()}")
    return DiskFile(target, read_only=True)
