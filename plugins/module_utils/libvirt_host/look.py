# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a host: what every part of the facts draws on. Documents are read once; errors are kept by part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import (
    capabilities,
    cpu,
    domain_capabilities,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.session import (
    Connection,
    LibvirtError,
    Session,
    call,
    code_of,
    message_of,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.xmltools import Element


@dataclass(frozen=True)
class Wanted:
    """What is asked for. `emulator` to `virttype` choose the domain capabilities; None is the host's default."""

    parts: tuple[str, ...]
    include: frozenset[str] = frozenset()
    emulator: str | None = None
    arch: str | None = None
    machine: str | None = None
    virttype: str | None = None
    host_cpus: tuple[cpu.HostCpu, ...] = ()
    wanted_cpu: cpu.Cpu | None = None
    migratable: bool = True
    expand_features: bool = False
    stats: tuple[str, ...] = ()
    active_only: bool = False
    wait_for_busy_domains: bool = False
    xml: bool = False
    root: str = "/"

    @property
    def flavour(self) -> tuple[str | None, str | None, str | None, str | None]:
        """The first arguments of libvirt's calls about domain capabilities and hypervisor CPUs."""
        return self.emulator, self.arch, self.machine, self.virttype


class Documents:
    """The documents that several parts read, each asked for once; a failed one is asked for again."""

    def __init__(self, session: Session, wanted: Wanted) -> None:
        self._session = session
        self._wanted = wanted
        self._known: dict[str, Any] = {}

    def _once(self, name: str, read: Callable[[], Any]) -> Any:
        # Without a lock: a reader that was given up must not hold up the next.
        if name not in self._known:
            self._known[name] = read()
        return self._known[name]

    @property
    def capabilities_text(self) -> str:
        """The host's capabilities as libvirt gave them."""
        return str(self._once("capabilities_text", lambda: call(self._session.connection, "getCapabilities")))

    @property
    def capabilities(self) -> Element:
        """The capabilities' root."""
        root: Element = self._once("capabilities", lambda: capabilities.root_of(self.capabilities_text))
        return root

    @property
    def domain_capabilities_text(self) -> str:
        """The domain capabilities as libvirt gave them; it refuses them on a read-only connection."""
        return str(self._once("domain_capabilities_text", self._ask_domain_capabilities))

    @property
    def domain_capabilities(self) -> Element:
        """The domain capabilities' root."""
        root: Element = self._once(
            "domain_capabilities", lambda: domain_capabilities.root_of(self.domain_capabilities_text)
        )
        return root

    def _ask_domain_capabilities(self) -> Any:
        return call(self._session.read_write(), "getDomainCapabilities", *self._wanted.flavour, 0)


@dataclass
class Look:
    """The session, what is wanted, the documents, and the errors of one part."""

    session: Session
    wanted: Wanted
    documents: Documents
    errors: list[dict[str, Any]] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        """The read-only connection."""
        return self.session.connection

    def failed(self, part: str, error: Exception, name: str | None = None) -> None:
        """Keeps an error of a part, or of the object `name` in it."""
        entry: dict[str, Any] = {
            "part": part,
            "reason": reason_of(error),
            "code": code_of(error) or code_of(error.__cause__),
        }
        self.errors.append({**entry, "object": name} if name else entry)

    def each(self, part: str, objects: Iterable[Any], read: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
        """What `read` makes of each object, by name; one that cannot be read, or has gone meanwhile, is an error."""
        found = []
        for entry in sorted(objects, key=lambda entry: str(entry.name())):
            try:
                found.append(read(entry))
            except (HaError, LibvirtError) as error:
                self.failed(part, error, str(entry.name()))
        return found


def reason_of(error: Exception) -> str:
    """Why a part has failed, with the way out where it is known."""
    return str(error) if isinstance(error, HaError) else message_of(error)
