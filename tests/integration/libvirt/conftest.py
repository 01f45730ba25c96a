# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real libvirtd with running TCG domains in a private machine; reached by socket, SSH and TLS with a password."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import errors

from . import keys
from .machine import LIBRARY, PYTHON, Machine, NoNamespaces, ansible_package, install, listening, wait_until, write

COLLECTIONS = Path(str(errors.__file__)).parents[5]
MODULE = "ansible_collections.virtops.kubevirt_ha.plugins.modules.libvirt_host_facts"
SSH_PORT, TLS_PORT = 2222, 16514
LEASED_MAC = "52:54:00:00:00:01"
DAEMON = {
    "auth_unix_ro": '"none"',
    "auth_unix_rw": '"none"',
    "listen_tls": "1",
    "listen_tcp": "0",
    "listen_addr": '"127.0.0.1"',
    "tls_port": f'"{TLS_PORT}"',
    "auth_tls": '"sasl"',
    "keepalive_interval": "-1",
    "log_filters": '"1:rpc 3:*"',
    "log_outputs": '"1:file:/var/log/libvirt/libvirtd.log"',
}
# As root, without what a system would have to offer: its security drivers, cgroups and log daemon.
QEMU = {
    "user": '"root"',
    "group": '"root"',
    "dynamic_ownership": "0",
    "remember_owner": "0",
    "security_driver": '"none"',
    "cgroup_controllers": "[ ]",
    "namespaces": "[ ]",
    "stdio_handler": '"file"',
}
NETWORK = """<network><name>lan</name><bridge name='lan0'/><mtu size='1400'/><ip address='192.0.2.1' prefix='24'>
<dhcp><range start='192.0.2.10' end='192.0.2.99'/></dhcp></ip></network>"""
POOL = "<pool type='dir'><name>{0}</name><target><path>/var/lib/libvirt/{0}</path></target></pool>"
NIC = (
    f"<interface type='network'><source network='lan'/><model type='virtio'/><mac address='{LEASED_MAC}'/></interface>"
)
DOMAIN = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>{vcpus}</vcpu>
<iothreads>1</iothreads><os><type arch='x86_64' machine='pc'>hvm</type><boot dev='{boot}'/></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/var/lib/libvirt/images/{name}.img'/>
<target dev='vda' bus='virtio'/></disk>{nic}<memballoon model='virtio'/></devices></domain>"""


class Host:
    """The machine with its libvirtd, and the module run in the machine's Python."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.log = machine.folder / "var/log/libvirt/libvirtd.log"

    def virsh(self, *arguments: str | Path) -> str:
        """virsh inside, as root on the system's socket."""
        return self.machine.run("virsh", "--connect", "qemu:///system", *arguments).stdout

    def define(self, kind: str, document: str) -> None:
        """Defines an object from its document."""
        path = self.machine.folder / "document.xml"
        path.write_text(document)
        self.virsh(f"{kind}define", path)

    def domain(self, name: str, *, start: bool = True, nic: str = "", vcpus: int = 1) -> None:
        """A TCG domain with an empty disk; with a `nic` it boots from the network."""
        image = self.machine.folder / "var/lib/libvirt/images" / f"{name}.img"
        with open(image, "wb") as handle:
            handle.truncate(8 << 20)
        boot = "network" if nic else "hd"
        self.define("", DOMAIN.format(name=name, memory=64, vcpus=vcpus, boot=boot, nic=nic))
        if start:
            self.virsh("start", name)

    def module(self, *, user: str = "", **arguments: Any) -> dict[str, Any]:
        """The module's result; nothing but it may be written, and no password be in it."""
        path = self.machine.folder / "arguments.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        path.chmod(0o644)
        command = [PYTHON, "-m", MODULE]
        if user:
            command = ["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups", *command]
        environment = self.machine.environment(PYTHONPATH=LIBRARY, PYTHONDONTWRITEBYTECODE="1")
        environment.update({"HOME": "/run/someone", "XDG_RUNTIME_DIR": "/run/someone"} if user else {})
        with open(path, encoding="utf-8") as handle:
            done = subprocess.run(
                self.machine.inside(*command),
                env=environment,
                stdin=handle,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        assert done.stderr == "", done.stderr
        assert keys.SASL_PASSWORD not in done.stdout
        assert json.dumps(keys.SASL_PASSWORD)[1:-1] not in done.stdout
        return dict(json.loads(done.stdout))

    def facts(self, **arguments: Any) -> dict[str, Any]:
        """The facts of a run that succeeds."""
        result = self.module(**arguments)
        assert not result.get("failed"), result
        assert result["changed"] is False
        return dict(result["ansible_facts"]["kubevirt_ha_libvirt"])

    def calls(self, **arguments: Any) -> list[int]:
        """The numbers of libvirt's remote procedures that a run of the module calls, in their order."""
        wait_until(self.log.exists, "libvirtd's log")
        begin = self.log.stat().st_size
        self.facts(**arguments)
        with open(self.log, encoding="utf-8", errors="replace") as handle:
            handle.seek(begin)
            return [procedure(line) for line in handle if "MSG_RX" in line and "prog=536903814" in line]


def procedure(line: str) -> int:
    """The remote procedure's number in a line of libvirtd's log."""
    return int(next(word for word in line.split() if word.startswith("proc=")).partition("=")[2])


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("needs root: libvirtd runs in namespaces of its own")
    reason = install()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("machine")
    folder.chmod(0o755)
    try:
        machine = Machine(folder, ansible_package(), COLLECTIONS / "ansible_collections")
    except NoNamespaces as error:
        pytest.skip(f"needs namespaces: {error}")
    yield machine
    machine.end()


@pytest.fixture(scope="session")
def certificates(machine: Machine) -> dict[str, Path]:
    """Folders for `pkipath`: good, one of whose authority the server does not know, one that trusts another server."""
    folder = machine.folder / "tls"
    folder.mkdir()
    ours, theirs = keys.authority(folder, "ours"), keys.authority(folder, "theirs")
    keys.certificate(ours, folder / "server", "server", "serverAuth")
    return {
        "ca": ours,
        "server": folder / "server",
        "good": keys.client_folder(ours, ours, folder / "good"),
        "unknown": keys.client_folder(theirs, ours, folder / "unknown"),
        "distrustful": keys.client_folder(ours, theirs, folder / "distrustful"),
    }


def _sasl(machine: Machine) -> Path:
    """The folder of the daemon's SASL settings, with one user."""
    folder = machine.folder / "sasl"
    program = keys.sasl_program(folder)
    database = folder / "users.db"
    write(folder / "libvirt.conf", ["mech_list: scram-sha-256", f"sasldb_path: {database}"])
    command = machine.inside(program, "-p", "-a", "libvirt", "-f", database, keys.SASL_USER)
    subprocess.run(command, input=keys.SASL_PASSWORD, text=True, check=True, env=machine.environment())
    return folder


@pytest.fixture(scope="session")
def host(machine: Machine, certificates: dict[str, Path]) -> Host:
    """libvirtd with alpha (network, two processors) and beta running, gamma defined, two pools and a network."""
    server = certificates["server"]
    tls = {
        "ca_file": f'"{certificates["ca"]}"',
        "cert_file": f'"{server / "servercert.pem"}"',
        "key_file": f'"{server / "serverkey.pem"}"',
    }
    write(machine.folder / "etc/libvirt/libvirtd.conf", {**DAEMON, **tls})
    write(machine.folder / "etc/libvirt/qemu.conf", QEMU)
    # As a daemon: a stopped child of nsenter would stop that, too, for good.
    machine.run("libvirtd", "--daemon", "--listen", SASL_CONF_PATH=str(_sasl(machine)))
    host = Host(machine)
    wait_until(lambda: listening(machine, TLS_PORT), "libvirtd")
    for name in ("images", "spare"):
        (machine.folder / "var/lib/libvirt" / name).mkdir()
        host.define("pool-", POOL.format(name))
    host.virsh("pool-start", "images")
    host.virsh("pool-autostart", "images")
    host.define("net-", NETWORK)
    host.virsh("net-start", "lan")
    host.domain("alpha", nic=NIC, vcpus=2)
    host.domain("beta")
    host.domain("gamma", start=False)
    host.virsh("pool-refresh", "images")
    return host


@pytest.fixture(scope="session")
def ssh(host: Host) -> dict[str, str]:
    """An SSH server inside: `good` and `stranger` keys, the `known` hosts and `other` ones with another host's key."""
    folder = host.machine.folder / "ssh"
    folder.mkdir()
    public = keys.host_key(folder / "host_key")
    good, stranger = keys.ssh_key(folder / "good key"), keys.ssh_key(folder / "stranger")
    authorized = host.machine.home / ".ssh" / "authorized_keys"
    write(authorized, [Path(f"{good}.pub").read_text().strip()])
    authorized.parent.chmod(0o700)
    authorized.chmod(0o600)
    server = ("dropbear", "-F", "-E", "-s", "-r", folder / "host_key", "-p", f"127.0.0.1:{SSH_PORT}")
    host.machine.start("sshd.log", *server)
    wait_until(lambda: listening(host.machine, SSH_PORT), "the SSH server")
    address = f"[127.0.0.1]:{SSH_PORT}"
    other = " ".join(Path(f"{stranger}.pub").read_text().split()[:2])
    return {
        "uri": f"qemu+ssh://root@127.0.0.1:{SSH_PORT}/system",
        "good": str(good),
        "stranger": str(stranger),
        "known": str(write(folder / "known 100% hosts", [f"{address} {public}"])),
        "other": str(write(folder / "other hosts", [f"{address} {other}"])),
    }
