# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of etcd, and the proof of it: restored into a member of its own that is started and asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Etcd
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd import options
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.gateway import Gateway, Status
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd_snapshot import Job

_SECONDS = 60.0
_TICK = 0.1
_REQUEST_SECONDS = 5.0


class NotProven(HaError):
    """A snapshot that could not be restored, or whose restored member says something else than it should."""


def faults(etcd: Etcd) -> list[str]:
    """What stands against a snapshot, as far as it can be found without asking etcd."""
    if not etcd.endpoints:
        return []
    found = [
        f"backup_etcd_{name}: {path} cannot be read on the backup host; run the role backup, which brings it there"
        for name, path in (
            ("ca_cert", etcd.ca_cert),
            ("client_cert", etcd.client_cert),
            ("client_key", etcd.client_key),
        )
        if path and not os.access(path, os.R_OK)
    ]
    return found + [
        f"backup_{name}_program: {path} is no program that can be run"
        for name, path in (("etcd", etcd.etcd), ("etcdutl", etcd.etcdutl))
        if path and not os.access(path, os.X_OK)
    ]


def take(etcd: Etcd, path: str) -> dict[str, Any]:
    """Takes a snapshot into a file; what the module `etcd_snapshot` returns."""
    parameters: dict[str, Any] = {
        "state": "present",
        "directory": None,
        "prefix": "etcd-snapshot-",
        "path": path,
        "keep": None,
        "max_age": None,
        "force": True,
        "etcdutl": etcd.etcdutl or None,
        "timeout": 600,
        "endpoints": list(etcd.endpoints),
        "ca_cert": etcd.ca_cert or None,
        "client_cert": etcd.client_cert or None,
        "client_key": etcd.client_key or None,
        "request_timeout": 10,
    }
    result = Job(parameters, check=False).run()
    failure = result.pop("failure", None)
    if failure:
        raise failure
    return result


def prove(etcd: Etcd, snapshot: Mapping[str, Any], folder: str) -> dict[str, Any] | None:
    """Restores a snapshot into a member below `folder` and asks it; what it said, None where there are no programs for it.

    The member listens on this host alone, and where etcd asks for certificates so does it.
    """
    etcdutl = etcd.etcdutl or shutil.which("etcdutl")
    program = etcd.etcd or shutil.which("etcd")
    if not etcdutl or not program:
        return None
    began = time.monotonic()
    data = os.path.join(folder, "restored")
    shutil.rmtree(data, ignore_errors=True)
    client, peer = _free_ports(2)
    peers = f"http://127.0.0.1:{peer}"
    restore = [etcdutl, "snapshot", "restore", str(snapshot["path"]), "--data-dir", data, "--name", "scratch"]
    restore += ["--initial-cluster", f"scratch={peers}", "--initial-advertise-peer-urls", peers]
    try:
        done = subprocess.run(restore, capture_output=True, text=True, timeout=_SECONDS * 5, check=False)
        if done.returncode:
            raise NotProven("etcdutl cannot restore it", where=str(snapshot["path"]), why=_last_line(done.stderr))
        with _member(program, etcd, data, client, peer) as gateway:
            status = _answer(gateway)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotProven("cannot be restored", where=str(snapshot["path"]), why=str(error)) from error
    finally:
        shutil.rmtree(data, ignore_errors=True)
    taken = int(snapshot["revision"])
    # A restored member counts the revisions on; it never stands behind what the snapshot holds.
    if status.revision < taken:
        why = f"it is at revision {status.revision}, the snapshot holds {taken}"
        raise NotProven("the restored member lacks what the snapshot holds", where=str(snapshot["path"]), why=why)
    return {"revision": status.revision, "version": status.version, "seconds": round(time.monotonic() - began, 3)}


@contextlib.contextmanager
def _member(program: str, etcd: Etcd, data: str, client: int, peer: int) -> Iterator[Gateway]:
    secure = bool(etcd.client_cert)
    url = f"{'https' if secure else 'http'}://127.0.0.1:{client}"
    command = [program, "--name", "scratch", "--data-dir", data, "--log-level", "error"]
    command += ["--listen-client-urls", url, "--advertise-client-urls", url]
    command += ["--listen-peer-urls", f"http://127.0.0.1:{peer}"]
    context: ssl.SSLContext | None = None
    if secure:
        command += ["--cert-file", etcd.client_cert, "--key-file", etcd.client_key]
        command += ["--client-cert-auth", "--trusted-ca-file", etcd.ca_cert]
        login = {"ca_cert": etcd.ca_cert, "client_cert": etcd.client_cert, "client_key": etcd.client_key}
        context = options.login_of(login).context()
        # It shows a client's certificate, which is of no host; that it is ours the loopback address says.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with open(os.path.join(os.path.dirname(data), "scratch.log"), "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield Gateway(url, context, _REQUEST_SECONDS)
        finally:
            process.kill()
            process.wait()


def _answer(gateway: Gateway) -> Status:
    """The member's status, once it leads its cluster of one."""
    give_up = time.monotonic() + _SECONDS
    while True:
        try:
            status = gateway.status()
            if status.leader:
                return status
            why = "it has no leader"
        except HaError as error:
            why = str(error).rstrip(".")
        if time.monotonic() > give_up:
            raise NotProven(f"the restored member did not answer in {_SECONDS:g} s", where=gateway.endpoint, why=why)
        time.sleep(_TICK)


def _free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody has now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _number in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:400] if lines else "it gave no reason"
