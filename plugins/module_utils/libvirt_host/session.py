# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to one libvirt through libvirt-python: read-only, read-write where that is refused, and never for ever.

libvirt's calls have no time limit of their own. Each is made in a thread that is given up when its time is over: the
thread ends with the process. Keep-alive messages close a connection whose other end is silent.
"""

from __future__ import annotations

import os
import shlex
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed, HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.uri import Target, way_out

# libvirt reads this when it is loaded. Without an output it writes warnings to the standard error.
_LOG = "LIBVIRT_LOG_OUTPUTS"
_quiet = _LOG not in os.environ
if _quiet:
    os.environ[_LOG] = "4:file:/dev/null"
try:
    import libvirt
except ImportError:  # the module's entry reports it by name
    libvirt = None
    HAS_LIBVIRT = False
    LibvirtError: type[Exception] = OSError
else:
    HAS_LIBVIRT = True
    LibvirtError = libvirt.libvirtError
finally:
    if _quiet:
        del os.environ[_LOG]

Result = TypeVar("Result")
Connection = Any


class Unsupported(HaError):
    """This libvirt, its driver, or this libvirt-python has no such call."""


class Denied(HaError):
    """A read-write connection is needed and was not given."""


class TimedOut(HaError):
    """A call took longer than it may."""


@dataclass(frozen=True)
class Access:
    """How a connection is opened: times in seconds; keep-alive of 0 is off."""

    timeout: float = 30
    keepalive_interval: int = 5
    keepalive_count: int = 5
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    read_write: bool = True


class Session:
    """One read-only connection, and a read-write one for the calls that libvirt refuses on it."""

    def __init__(self, target: Target, access: Access) -> None:
        self.target = target
        self.timeout = access.timeout
        self._access = access
        self._read_write: Connection | None = None
        self._read_write_failure: HaError | None = None
        _prepare()
        self.connection = self._open(read_only=True)

    def read_write(self) -> Connection:
        """The read-write connection, opened at the first need. Raises Denied when it is not allowed or not given."""
        if not self._access.read_write:
            raise Denied("needs a read-write connection", where=self.target.shown, fix="Set read_write to true")
        if self._read_write_failure is not None:
            raise self._read_write_failure
        if self._read_write is None:
            try:
                self._read_write = self._open(read_only=False)
            except ConnectionFailed as error:
                self._read_write_failure = Denied(
                    "needs a read-write connection", where=error.where, why=error.why, fix=error.fix
                )
                raise self._read_write_failure from error
        return self._read_write

    def bounded(self, work: Callable[[], Result]) -> Result:
        """The work's result. Raises TimedOut when it takes longer than the time limit, else what the work raises."""
        return bounded(work, self.timeout)

    def close(self) -> None:
        """Closes what is open; a connection that no longer answers is left to the process' end."""
        for connection in (self._read_write, self.connection):
            try:
                bounded(connection.close if connection is not None else int, min(self.timeout, 5))
            except (HaError, LibvirtError):
                continue

    def _open(self, *, read_only: bool) -> Connection:
        flags = libvirt.VIR_CONNECT_RO if read_only else 0
        kinds, answer = credentials(self._access)
        try:
            connection = self.bounded(lambda: libvirt.openAuth(self.target.uri, [kinds, answer, None], flags))
        except LibvirtError as error:
            raise self._failed(str(error)) from error
        except HaError as error:
            raise self._failed(error.what) from error
        self._keep_alive(connection)
        return connection

    def _keep_alive(self, connection: Connection) -> None:
        if self._access.keepalive_interval <= 0:
            return
        try:
            connection.setKeepAlive(self._access.keepalive_interval, self._access.keepalive_count)
        except LibvirtError:
            return  # a driver inside this process has no other end

    def _failed(self, why: str) -> ConnectionFailed:
        return ConnectionFailed(
            "libvirt was not reached", where=self.target.shown, why=" ".join(why.split()), fix=way_out(why)
        )


def bounded(work: Callable[[], Result], seconds: float) -> Result:
    """The work's result or exception, from a thread of its own. Raises TimedOut when its time is over."""
    results: list[Result] = []
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            results.append(work())
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if failures:
        raise failures[0]
    raise TimedOut(
        f"timed out after {seconds:g} seconds", fix="Look at libvirt's daemon there, or give a longer timeout"
    )


def credentials(access: Access) -> tuple[list[int], Callable[[list[Any], Any], int]]:
    """The kinds of credentials that can be given, and libvirt's callback that gives them."""
    values = {
        libvirt.VIR_CRED_AUTHNAME: access.username,
        libvirt.VIR_CRED_USERNAME: access.username,
        libvirt.VIR_CRED_PASSPHRASE: access.password,
        libvirt.VIR_CRED_NOECHOPROMPT: access.password,
    }

    def answer(asked: list[Any], _data: Any) -> int:
        for credential in asked:
            value = values.get(credential[0])
            if value is None:
                return -1
            credential[4] = value
        return 0

    return list(values), answer


def call(connection: Connection, name: str, *arguments: Any) -> Any:
    """A call by name. Raises Unsupported where libvirt-python, libvirt or the driver lacks it, Denied, or LibvirtError."""
    function = getattr(connection, name, None)
    if function is None:
        raise Unsupported(f"this libvirt-python has no {name}", fix="Install a newer libvirt-python")
    try:
        return function(*arguments)
    except LibvirtError as error:
        if code_of(error) == libvirt.VIR_ERR_NO_SUPPORT:
            raise Unsupported(message_of(error)) from error
        if code_of(error) == libvirt.VIR_ERR_OPERATION_DENIED:
            raise Denied(message_of(error)) from error
        raise


def constant(name: str) -> int | None:
    """A constant of libvirt-python; None where it is too old to know it."""
    return getattr(libvirt, name, None)


def code_of(error: BaseException | None) -> int | None:
    """libvirt's number of an error."""
    ask = getattr(error, "get_error_code", None)
    return ask() if ask is not None else None


def message_of(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split()).rstrip(".")


def versions(connection: Connection) -> dict[str, str | None]:
    """Versions of the libvirt there, of its hypervisor, and of the library here, as 1.2.3."""
    return {
        "libvirt": _version(call(connection, "getLibVersion")),
        "hypervisor": _version(call(connection, "getVersion")),
        "library": _version(libvirt.getVersion()),
    }


def _version(number: int) -> str:
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def write_ssh(folder: str, params: Mapping[str, Any]) -> str:
    """Writes a program that calls ssh with what libvirt's URI cannot say to it, and returns its path.

    It bounds the time to connect, sets the known hosts, and writes none where they are not checked.
    """
    options = [f"ConnectTimeout={max(1, int(params['timeout']))}"]
    known_hosts = params.get("known_hosts")
    if known_hosts:
        quoted = '"{}"'.format(str(known_hosts).replace("%", "%%"))
        options += [f"UserKnownHostsFile={quoted}", "GlobalKnownHostsFile=/dev/null"]
    elif params.get("no_verify"):
        options.append("UserKnownHostsFile=/dev/null")
    words = [params.get("command") or "ssh", *(word for option in options for word in ("-o", option))]
    path = os.path.join(folder, "kubevirt_ha_ssh")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IRWXU), "w", encoding="utf-8") as handle:
        handle.write(f'#!/bin/sh\nexec {" ".join(map(shlex.quote, words))} "$@"\n')
    return path


_prepared = False


def _prepare() -> None:
    """Silences libvirt, and runs the event loop that keep-alive messages need; once a process, before connections."""
    global _prepared
    if _prepared:
        return
    _prepared = True
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_events, daemon=True).start()


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
