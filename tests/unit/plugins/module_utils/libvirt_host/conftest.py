# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents as libvirt gives them, and a libvirt-python that is told what to answer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import session, uri

X86 = """<capabilities>
  <host>
    <uuid>0a1b2c3d-0000-4000-8000-000000000001</uuid>
    <cpu>
      <arch>x86_64</arch><model>Skylake-Server</model><vendor>Intel</vendor>
      <microcode version='0x10'/>
      <counter name='tsc' frequency='2300000000' scaling='yes'/>
      <topology sockets='1' dies='1' cores='2' threads='2'/>
      <maxphysaddr mode='emulate' bits='46'/>
      <feature name='vmx'/><feature name='pdpe1gb'/>
      <pages unit='KiB' size='4'/><pages unit='KiB' size='2048'/><pages unit='KiB' size='1048576'/>
    </cpu>
    <power_management><suspend_mem/></power_management>
    <iommu support='yes'/>
    <migration_features>
      <live/>
      <uri_transports><uri_transport>tcp</uri_transport><uri_transport>rdma</uri_transport></uri_transports>
    </migration_features>
    <topology><cells num='2'>
      <cell id='0'>
        <memory unit='KiB'>4096</memory>
        <pages unit='KiB' size='4'>1000</pages><pages unit='KiB' size='2048'>8</pages>
        <distances><sibling id='0' value='10'/><sibling id='1' value='21'/></distances>
        <cpus num='2'>
          <cpu id='0' socket_id='0' die_id='0' core_id='0' siblings='0,2'/>
          <cpu id='2' socket_id='0' die_id='0' core_id='0' siblings='0,2'/>
        </cpus>
      </cell>
      <cell id='1'>
        <memory unit='MiB'>2</memory>
        <pages unit='KiB' size='4'>500</pages><pages unit='KiB' size='2048'>4</pages>
        <distances><sibling id='0' value='21'/><sibling id='1' value='10'/></distances>
        <cpus num='0'/>
      </cell>
    </cells></topology>
    <cache><bank id='0' level='3' type='both' size='32' unit='MiB' cpus='0-3'/></cache>
    <secmodel><model>apparmor</model><doi>0</doi></secmodel><secmodel><model>dac</model><doi>0</doi></secmodel>
  </host>
  <guest>
    <os_type>hvm</os_type>
    <arch name='x86_64'>
      <wordsize>64</wordsize><emulator>/usr/bin/qemu-system-x86_64</emulator>
      <machine maxCpus='255'>pc-i440fx-7.2</machine>
      <machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>
      <machine maxCpus='255' deprecated='yes'>pc-i440fx-1.4</machine>
      <domain type='qemu'/><domain type='kvm'/>
    </arch>
    <features><acpi default='on' toggle='yes'/><cpuselection/></features>
  </guest>
</capabilities>"""

# A mainframe: no distances, no caches, no pages but one, no IOMMU element; and guests of two architectures.
S390 = """<capabilities><host><cpu><arch>s390x</arch><model>z14</model><pages unit='KiB' size='4'/></cpu>
<topology><cells num='1'><cell id='0'><memory unit='KiB'>8</memory><cpus num='1'>
<cpu id='0' socket_id='0' die_id='0' core_id='0' siblings='0'/></cpus></cell></cells></topology></host>
<guest><os_type>hvm</os_type><arch name='s390x'><wordsize>64</wordsize><domain type='kvm'/></arch></guest>
<guest><os_type>hvm</os_type><arch name='x86_64'><domain type='qemu'/></arch></guest></capabilities>"""

# An ARM board whose libvirt tells hardly anything.
ARM = "<capabilities><host><cpu><arch>aarch64</arch></cpu></host></capabilities>"

SEV = """<domainCapabilities>
  <path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain><machine>pc-q35-7.2</machine><arch>x86_64</arch>
  <vcpu max='288'/><iothreads supported='yes'/>
  <os supported='yes'>
    <enum name='firmware'><value>bios</value><value>efi</value></enum>
    <loader supported='yes'>
      <value>/usr/share/OVMF/OVMF_CODE_4M.secboot.fd</value>
      <enum name='type'><value>rom</value><value>pflash</value></enum>
      <enum name='secure'><value>yes</value><value>no</value></enum>
    </loader>
  </os>
  <cpu>
    <mode name='host-passthrough' supported='yes'>
      <enum name='hostPassthroughMigratable'><value>on</value></enum>
    </mode>
    <mode name='host-model' supported='yes'>
      <model fallback='forbid'>EPYC-Milan</model><vendor>AMD</vendor><maxphysaddr mode='passthrough' limit='48'/>
      <feature policy='require' name='x2apic'/><feature policy='disable' name='svm'/>
    </mode>
    <mode name='custom' supported='yes'>
      <model usable='yes' vendor='AMD'>EPYC</model>
      <model usable='no' deprecated='yes' vendor='Intel'>Skylake-Server</model>
      <blockers model='Skylake-Server'><feature name='hle'/><feature name='rtm'/></blockers>
    </mode>
  </cpu>
  <memoryBacking supported='yes'><enum name='sourceType'><value>file</value><value>memfd</value></enum></memoryBacking>
  <devices><disk supported='yes'><enum name='diskDevice'><value>disk</value></enum></disk><tpm supported='no'/></devices>
  <features>
    <vmcoreinfo supported='yes'/>
    <sev supported='yes'><cbitpos>51</cbitpos><reducedPhysBits>1</reducedPhysBits>
      <maxGuests>410</maxGuests><maxESGuests>99</maxESGuests></sev>
    <launchSecurity supported='yes'><enum name='sectype'><value>sev</value><value>sev-snp</value></enum></launchSecurity>
    <hyperv supported='yes'><enum name='features'><value>relaxed</value></enum></hyperv>
  </features>
</domainCapabilities>"""

TDX = """<domainCapabilities><arch>x86_64</arch><features><sev supported='no'/><tdx supported='yes'/>
<launchSecurity supported='yes'><enum name='sectype'><value>tdx</value></enum></launchSecurity></features></domainCapabilities>"""


class Connection:
    """A connection that answers as told, by the call's name: a value, an exception, or a function of its arguments."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.answers:
            raise AttributeError(name)

        def answer(*arguments: Any) -> Any:
            self.asked.append((name, *arguments))
            given = self.answers[name]
            if isinstance(given, Exception):
                raise given
            return given(*arguments) if callable(given) else given

        return answer

    def times(self, name: str) -> int:
        """How often a call was made."""
        return sum(asked[0] == name for asked in self.asked)


class Domain:
    """A domain's handle: what it knows by itself costs no call."""

    def __init__(self, name: str, number: int = 1, info: Any = None) -> None:
        self._name, self._number, self._info = name, number, info
        self.asked = 0

    def name(self) -> str:
        return self._name

    def UUIDString(self) -> str:
        return f"uuid-{self._name}"

    def ID(self) -> int:
        return self._number

    def info(self) -> Any:
        self.asked += 1
        if isinstance(self._info, Exception):
            raise self._info
        return self._info


class FakeSession:
    """A session over two told connections; `write` None refuses the read-write one."""

    def __init__(
        self, connection: Any, write: Any = None, *, timeout: float = 5, uri_given: str = "qemu:///system"
    ) -> None:
        self.connection = connection
        self.target = uri.target({"uri": uri_given})
        self.timeout = timeout
        self._write = write

    def read_write(self) -> Any:
        if self._write is None:
            raise session.Denied("needs a read-write connection", fix="Set read_write to true")
        return self._write

    def bounded(self, work: Callable[[], Any]) -> Any:
        return session.bounded(work, self.timeout)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """libvirt's constants, as far as they are used; the module is not needed for them."""
    names = {
        "VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES": 1,
        "VIR_CONNECT_BASELINE_CPU_MIGRATABLE": 2,
        "VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE": 1,
        "VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE": 1,
        "VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT": 1 << 29,
        "VIR_CONNECT_RO": 1,
        "VIR_CRED_AUTHNAME": 2,
        "VIR_CRED_NOECHOPROMPT": 7,
        "VIR_CRED_PASSPHRASE": 5,
        "VIR_CRED_USERNAME": 1,
        "VIR_DOMAIN_STATS_STATE": 1,
        "VIR_DOMAIN_STATS_CPU_TOTAL": 2,
        "VIR_DOMAIN_STATS_BALLOON": 4,
        "VIR_DOMAIN_STATS_BLOCK": 32,
        "VIR_ERR_NO_SUPPORT": 3,
        "VIR_ERR_OPERATION_DENIED": 29,
        "VIR_ERR_CPU_INCOMPATIBLE": 91,
    }
    fake = SimpleNamespace(**names)
    monkeypatch.setattr(session, "libvirt", fake)
    return fake
