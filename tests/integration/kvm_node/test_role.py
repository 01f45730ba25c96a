# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role kvm_node where the kernel is the host's own: what it writes, repairs, leaves alone and takes back."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import FILES, KSM, NODE_PAGES, PAGES, WATCHDOG, Host

WANTED: dict[str, Any] = {
    "hugepages": [{"size": "2Mi", "count": 16, "numa_node": 1}],
    "ksm": "disabled",
    "nested": "enabled",
    "boot_parameters": ["intel_iommu=on"],
}
OWNED = (
    "etc/sysctl.d/60-kubevirt-ha.conf",
    "etc/tmpfiles.d/kubevirt-ha.conf",
    "etc/default/grub.d/60-kubevirt-ha.cfg",
)
LIVE = {
    "proc/sys/net/ipv4/ip_forward": "1",
    "proc/sys/kernel/panic": "10",
    "proc/sys/fs/aio-max-nr": "1048576",
    NODE_PAGES: "16",
    KSM: "0",
}
NESTED = {**WANTED, "nested": "kept"}  # a machine of tests has no kvm_intel to be told


def _live(host: Host) -> dict[str, str | None]:
    return {path: host.read(path) for path in LIVE}


def test_the_life_of_a_host(host: Host) -> None:
    before = _live(host)
    assert host.changed("--check", **NESTED) > 0
    assert _live(host) == before
    assert [path for path in OWNED if host.read(path)] == []

    assert host.changed(**NESTED) > 0
    assert _live(host) == LIVE
    assert host.read("boot/grub/grub.cfg") == "linux intel_iommu=on"
    assert host.changed("--check", **NESTED) == 0

    host.boot()
    assert _live(host) == LIVE
    assert host.changed(**NESTED) == 0


@pytest.mark.long
def test_drift_is_repaired_and_only_that(host: Host) -> None:
    foreign = {"etc/sysctl.d/70-foreign.conf": "vm.swappiness = 10", "proc/sys/vm/swappiness": "10", PAGES: "3"}
    host.changed(**NESTED)
    owned = {path: host.read(path) for path in OWNED}
    grub = (host.root / "boot/grub/grub.cfg").stat().st_mtime_ns
    for path, text in foreign.items():
        host.write(path, text)
    # Each alone: a file that was edited, one that was lost, what the kernel has.
    for path, drift in {OWNED[0]: "kernel.panic = 3\n", NODE_PAGES: "2\n", "proc/sys/kernel/panic": "0\n"}.items():
        host.write(path, drift)
        assert host.changed(**NESTED) > 0, path
    (host.root / OWNED[1]).unlink()
    assert host.changed("--check", **NESTED) > 0
    assert host.read(OWNED[1]) is None
    assert host.changed(**NESTED) > 0
    assert {path: host.read(path) for path in OWNED} == owned
    assert _live(host) == LIVE
    assert {path: host.read(path) for path in foreign} == foreign
    assert (host.root / "boot/grub/grub.cfg").stat().st_mtime_ns == grub


@pytest.mark.long
def test_what_is_no_longer_wanted_goes(host: Host) -> None:
    host.changed(**NESTED)
    assert host.changed(sysctls={}, sysctls_at_least={}) > 0
    assert [path for path in OWNED if host.read(path)] == []
    assert "intel_iommu" not in (host.read("boot/grub/grub.cfg") or "")
    host.boot()
    assert {path: host.read(path) for path in LIVE} == {path: FILES[path].strip() for path in LIVE}


@pytest.mark.long
def test_a_kernel_that_cannot_give_the_pages_is_told(host: Host) -> None:
    pages = [{"size": "2Mi", "count": 16, "numa_node": 0}]
    done = host.apply(hugepages=pages, hugepages_at_boot=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "after the next boot: kvm_node_hugepages: 2Mi on numa_node 0: 0 are there, not 16" in " ".join(
        done.stdout.split()
    )
    assert host.read("boot/grub/grub.cfg") == "linux hugepagesz=2M hugepages=0:16"
    host.write("proc/cmdline", "quiet hugepagesz=2M hugepages=0:16\n")
    done = host.apply(hugepages=pages, hugepages_at_boot=True)
    assert done.returncode != 0
    assert "2Mi on numa_node 0: 0 are there, not 16" in " ".join(done.stdout.split())


DROP_IN = "etc/systemd/system.conf.d/60-kubevirt-ha-watchdog.conf"


def test_the_watchdog_is_taken_and_let_go(host: Host) -> None:
    host.changed()
    held = f"{WATCHDOG}/held"
    host.changed("--check", watchdog_seconds=30)
    assert (host.read(DROP_IN), host.read(held)) == (None, "0")

    done = host.apply(watchdog_seconds=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "watchdogs: /dev/watchdog0; systemd is given 30 s" in " ".join(done.stdout.split())
    assert (host.read(DROP_IN) or "").splitlines()[1:] == [
        "[Manager]",
        "RuntimeWatchdogSec=30",
        "RebootWatchdogSec=600",
    ]
    assert (host.read(held), host.read(f"{WATCHDOG}/state")) == ("30", "active")
    assert host.changed(watchdog_seconds=30) == 0

    # A run that was broken off between file and systemd is made up for.
    host.write(held, "0\n")
    host.write(f"{WATCHDOG}/state", "inactive\n")
    assert host.changed(watchdog_seconds=30) > 0
    assert host.read(held) == "30"

    assert host.changed(watchdog_seconds=0) > 0
    assert (host.read(DROP_IN), host.read(held)) == (None, "0")
    assert host.changed(watchdog_seconds=0) == 0


@pytest.mark.long
def test_a_watchdog_that_cannot_be_stopped_is_left_at_the_next_boot(host: Host) -> None:
    host.write(f"{WATCHDOG}/nowayout", "1\n")
    host.changed(watchdog_seconds=30)
    assert host.changed(watchdog_seconds=60) > 0
    assert host.read(f"{WATCHDOG}/held") == "60"
    done = host.apply(tasks="uninstall", watchdog_seconds=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (host.read(DROP_IN), host.read(f"{WATCHDOG}/held")) == (None, "60")


@pytest.mark.long
def test_another_file_that_comes_later_is_told(host: Host) -> None:
    host.write("etc/systemd/system.conf.d/90-foreign.conf", "[Manager]\nRuntimeWatchdogSec=10\n")
    done = host.apply(watchdog_seconds=30)
    assert done.returncode != 0
    assert "systemd's RuntimeWatchdogSec is 10, not 30" in " ".join(done.stdout.split())
    assert host.read("etc/systemd/system.conf.d/90-foreign.conf") == "[Manager]\nRuntimeWatchdogSec=10"


@pytest.mark.long
def test_swap_comes_back_at_no_boot(host: Host) -> None:
    fstab = "/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n"
    host.write("etc/fstab", fstab)
    assert host.changed(swap="kept") > 0
    assert host.read("etc/fstab") == fstab.strip()
    assert host.changed() == 1
    assert host.read("etc/fstab") == fstab.replace("/dev/sda2", "# /dev/sda2").strip()


def test_every_fault_is_told_at_once_and_nothing_is_changed(host: Host) -> None:
    wrong = {
        "hugepages": [{"size": "2Mi", "count": 10**6}, {"size": "3Mi", "count": 1}],
        "ksm": "on",
        "swap": "off",
        "sysctls": {"no.such": 1},
        "minimum_kernel": "7.0",
        "boot_parameters": ["a b"],
        "time_servers": "ntp.example.org",
        "multipath_blacklist": {"name": ["x"]},
        "libvirt": True,
        "libvirt_certificates": {"ca": "/nonexistent"},
        "host_memory": "1Gi",
        "watchdog_seconds": 5,
    }
    done = host.apply(tasks="preflight", **wrong)
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    told = [f"host: kvm_node_{name}: " for name in wrong if name not in ("libvirt", "host_memory")]
    assert [fault for fault in told if fault not in said] == []
    largest = int(said.split("largest allowed count is ")[1].split()[0])
    assert largest * 2 == 15 * 1024  # MiB: all but what stays with the host
    assert [path for path in OWNED if host.read(path)] == []
