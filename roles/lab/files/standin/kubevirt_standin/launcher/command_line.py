"""QEMU's command line for a VMI; pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..controllers.launcher_pod import DISKS, guest_memory, mac_address, vcpus
from ..resources import Object
from .volumes import DiskFile

DEFAULT_PORTS = (22, 80, 443, 8080)
RUN = Path("/run/standin")


@dataclass(frozen=True)
class Machine:
    """What the pod adds to the VMI."""

    accelerator: str
    disks: dict[str, DiskFile]
    incoming_port: int = 0
    paused: bool = False


def build(vmi: Object, machine: Machine) -> list[str]:
    """The whole command line."""
    spec, meta = vmi["spec"], vmi["metadata"]
    domain = spec["domain"]
    firmware = domain.get("firmware") or {}
    command = [
        "qemu-system-x86_64",
        "-name",
        f"{meta['namespace']}_{meta['name']}",
        "-machine",
        f"q35,accel={machine.accelerator},usb=off",
        "-cpu",
        _cpu(domain, machine.accelerator),
        "-smp",
        str(max(1, vcpus(spec))),
        "-m",
        f"{max(1, guest_memory(spec) >> 20)}M",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-chardev",
        f"file,id=console,path={RUN}/console.log,append=on",
        "-serial",
        "chardev:console",
        "-qmp",
        f"unix:{RUN}/qmp.sock,server=on,wait=off",
        "-device",
        "virtio-rng-pci",
        "-device",
        "virtio-balloon-pci",
    ]
    if firmware.get("uuid"):
        command += ["-uuid", firmware["uuid"]]
    command += _kernel(firmware) + _disks(spec, machine) + _networks(spec, meta)
    if machine.incoming_port:
        command += ["-incoming", f"tcp:0.0.0.0:{machine.incoming_port}"]
    if machine.paused:
        command.append("-S")
    return command


def _cpu(domain: Object, accelerator: str) -> str:
    model = (domain.get("cpu") or {}).get("model") or "host-model"
    if model in ("host-model", "host-passthrough"):
        return "host" if accelerator == "kvm" else "max"
    return str(model)


def _kernel(firmware: Object) -> list[str]:
    boot = firmware.get("kernelBoot") or {}
    if not boot:
        return []
    folder = Path(DISKS, "volumekernel-boot-volume")
    command = []
    if (boot.get("container") or {}).get("kernelPath"):
        command += ["-kernel", str(folder / "kernel")]
    if (boot.get("container") or {}).get("initrdPath"):
        command += ["-initrd", str(folder / "initrd")]
    if boot.get("kernelArgs"):
        command += ["-append", boot["kernelArgs"]]
    return command


def _disks(spec: Object, machine: Machine) -> list[str]:
    devices = (spec["domain"].get("devices") or {}).get("disks") or []
    command: list[str] = []
    if any(_bus(disk) == "scsi" for disk in devices):
        command += ["-device", "virtio-scsi-pci,id=scsi"]
    for index, disk in enumerate(devices):
        command += _disk(index, disk, machine.disks.get(disk["name"]))
    return command


def _bus(disk: Object) -> str:
    target = disk.get("disk") or disk.get("cdrom") or disk.get("lun") or {}
    return str(target.get("bus") or ("sata" if "cdrom" in disk else "virtio"))


def _disk(index: int, disk: Object, file: DiskFile | None) -> list[str]:
    """One drive without the host's cache and with QEMU's image lock, and its device; a CD-ROM drive may be empty."""
    name = f"d{index}"
    drive = _file(disk, file, name) if file is not None else ["if=none", f"id={name}", "media=cdrom"]
    device = {
        "virtio": f"virtio-blk-pci,drive={name}",
        "scsi": f"scsi-{'cd' if 'cdrom' in disk else 'hd'},drive={name},bus=scsi.0",
        "sata": f"ide-{'cd' if 'cdrom' in disk else 'hd'},drive={name},bus=ide.{index % 6}",
        "usb": f"usb-storage,drive={name}",
    }[_bus(disk)]
    if disk.get("serial"):
        device += f",serial={disk['serial']}"
    if disk.get("bootOrder"):
        device += f",bootindex={disk['bootOrder']}"
    return ["-drive", ",".join(drive), "-device", device]


def _file(disk: Object, file: DiskFile, name: str) -> list[str]:
    target = disk.get("disk") or disk.get("cdrom") or {}
    drive = [
        f"file={file.path}",
        f"format={file.image_format}",
        "if=none",
        f"id={name}",
        "cache=none" if file.claim else "cache=writeback",
        "file.locking=on",
        "discard=unmap",
    ]
    if file.read_only or "cdrom" in disk or target.get("readonly"):
        drive.append("readonly=on")
    return drive


def _networks(spec: Object, meta: Object) -> list[str]:
    """One user-mode network an interface of the pod network; the guest gets 10.0.2.2 by DHCP."""
    pod_networks = {network["name"] for network in spec.get("networks") or [] if "pod" in network}
    command: list[str] = []
    for index, item in enumerate((spec["domain"].get("devices") or {}).get("interfaces") or []):
        if item["name"] not in pod_networks or item.get("state") == "absent":
            continue
        forwards = [_forward(port) for port in item.get("ports") or []] or [
            f"hostfwd=tcp::{port}-10.0.2.2:{port}" for port in DEFAULT_PORTS
        ]
        options = [
            "user",
            f"id=n{index}",
            "net=10.0.2.0/24",
            "host=10.0.2.1",
            "dhcpstart=10.0.2.2",
            "dns=10.0.2.3",
            *forwards,
        ]
        model = {"virtio": "virtio-net-pci"}.get(item.get("model") or "virtio", str(item.get("model")))
        device = f"{model},netdev=n{index},romfile=,mac={mac_address(meta, item)}"
        command += ["-netdev", ",".join(options), "-device", device]
    return command


def _forward(port: Object) -> str:
    number = int(port["port"])
    return f"hostfwd={str(port.get('protocol') or 'TCP').lower()}::{number}-10.0.2.2:{number}"
