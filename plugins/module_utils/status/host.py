# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host of the platform says of itself. Every question is bounded in time, and one without an answer stops no other."""

from __future__ import annotations

import glob
import json
import os
import re
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import certificate
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.remediation import events
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.status import parse

# (code, output, error of a command)
Run = Callable[[list[str]], tuple[int, str, str]]

_SECONDS = 3.0
_STORAGE_SECONDS = "8"
_CEPH = ["ceph", "--connect-timeout", "5", "health", "detail", "--format", "json"]
_LOCKED = "Another transaction is in progress"
_TRIES = 4
_NEWEST_EVENTS = 5
_CERTIFICATES = (
    "/etc/kubernetes/pki/*.crt",
    "/etc/kubernetes/pki/etcd/*.crt",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "/var/lib/kubelet/pki/kubelet.crt",
)
_KUBECONFIGS = "/etc/kubernetes/*.conf"
_CLIENT = re.compile(r"client-certificate-data:\s*(\S+)")


def look(params: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """The module's result: an entry a question that the parameters ask, None where it was not asked."""
    found: dict[str, Any] = {
        "at": time.time(),
        "addresses": addresses(run),
        "certificates": certificates() if params["certificates"] else None,
        "etcd_fsync": etcd_fsync(params["etcd_metrics_url"]) if params["etcd_metrics_url"] else None,
        "balancer": balancer(params["balancer_url"]) if params["balancer_url"] else None,
        "services": services(params["services"], run) if params["services"] else None,
        "gluster": gluster(params["gluster_volume"], run) if params["gluster_volume"] else None,
        "ceph": _storage(_CEPH, run) if params["ceph"] else None,
        "mounts": mounts(params["mounts"]) if params["mounts"] else None,
        "watcher": watcher(params["state_dir"]) if params["state_dir"] else None,
    }
    return found


def addresses(run: Run) -> list[str]:
    """Every address on a link."""
    _code, out, _error = run(["ip", "-json", "address"])
    try:
        return [str(each["local"]) for link in json.loads(out) for each in link.get("addr_info", []) if "local" in each]
    except (ValueError, KeyError, TypeError):
        return []


def services(names: list[str], run: Run) -> dict[str, str]:
    """Unit → active, failed, inactive, ...; systemd tells all at once, one a line. `a@*` is each instance that systemd knows."""
    units = [unit for name in names for unit in (_instances(name, run) if "*" in name else [name])]
    _code, out, _error = run(["systemctl", "is-active", *units])
    return dict(zip(units, [*out.split(), *["unknown"] * len(units)]))


def _instances(pattern: str, run: Run) -> list[str]:
    """The units of a pattern, without their suffix as others are named. None: it stands for one that is missing."""
    _code, out, _error = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", f"{pattern}.service"])
    found = [line.split()[0].removesuffix(".service") for line in out.splitlines() if line.strip()]
    return found or [pattern.replace("*", "none")]


def balancer(url: str) -> dict[str, Any]:
    """HAProxy's own view of its servers, or why there is none."""
    try:
        return {"servers": parse.haproxy(_get(url)), "why": ""}
    except (OSError, ValueError) as error:
        return {"servers": [], "why": parse.reason(error)}


def etcd_fsync(url: str) -> dict[str, Any]:
    """How long etcd's own writes to its log took since it started."""
    try:
        return {**parse.fsync(_get(url)), "why": ""}
    except (OSError, ValueError) as error:
        return {"p99_ms": None, "why": parse.reason(error)}


def gluster(volume: str, run: Run) -> dict[str, Any]:
    """The outputs of gluster for a volume, each with its text or why there is none."""
    commands = {
        "peers": ["gluster", "peer", "status"],
        "heal": ["gluster", "volume", "heal", volume, "info"],
        "status": ["gluster", "--mode=script", "--xml", "volume", "status", volume],
        "info": ["gluster", "--mode=script", "--xml", "volume", "info", volume],
    }
    return {name: _storage(command, run) for name, command in commands.items()}


def _storage(command: list[str], run: Run) -> dict[str, str]:
    """Of several hosts that ask at once, glusterd serves one; the others ask again."""
    for number in range(_TRIES):
        code, out, error = run(["timeout", _STORAGE_SECONDS, *command])
        if _LOCKED not in out + error or number == _TRIES - 1:
            break
        time.sleep(0.3 * (number + 1))
    if code == 124:  # timeout(1)
        return {"text": "", "why": f"no answer in {_STORAGE_SECONDS} s"}
    return {"text": out if code == 0 else "", "why": "" if code == 0 else (error or out).strip()[:300]}


def mounts(paths: list[str]) -> dict[str, str]:
    """Path → type of the file system that is mounted there, empty where none is. Asks the kernel, never the file system."""
    try:
        with open("/proc/self/mounts", encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except OSError:
        return dict.fromkeys(paths, "")
    there = {line[1]: line[2] for line in lines if len(line) > 2}
    return {path: there.get(path.rstrip("/"), "") for path in paths}


def certificates() -> list[dict[str, Any]]:
    """Days left of each certificate of kubeadm, the kubelet and the kubeconfigs; `why` where that cannot be told."""
    texts: list[tuple[str, str, str]] = []
    for pattern in _CERTIFICATES:
        texts += [(path, *_read(path)) for path in sorted(glob.glob(pattern))]
    for path in sorted(glob.glob(_KUBECONFIGS)):
        text, why = _read(path)
        found = _CLIENT.search(text)
        if found:
            texts.append((path, b64decode(found[1]).decode("ascii", "replace"), why))
    return [_certificate(path, text, why) for path, text, why in texts]


def _certificate(path: str, text: str, why: str) -> dict[str, Any]:
    try:
        if why:
            raise ValueError(why)
        left = certificate.validity(certificate.first_of_pem(text)).days_left()
    except ValueError as error:
        return {"path": path, "days_left": None, "why": str(error)}
    return {"path": path, "days_left": round(left, 2), "why": ""}


def watcher(state_dir: str) -> dict[str, Any]:
    """The watcher's heartbeat, its age by this host's clock, the stop switch, and the newest events."""
    beat = events.read_heartbeat(state_dir)
    path = os.path.join(state_dir, events.EVENTS_FILE)
    text, _why = _read(path, last=65536)
    newest = []
    for line in text.splitlines()[-_NEWEST_EVENTS:]:
        try:
            newest.append(json.loads(line))
        except ValueError:
            continue  # the first line of the part that was read may be cut
    return {
        "heartbeat": beat,
        "now": time.time(),
        "stop_switch": os.path.exists(os.path.join(state_dir, events.STOP_FILE)),
        "events": newest,
    }


def _read(path: str, last: int = 0) -> tuple[str, str]:
    """A file's text, its last bytes only where `last` is given, or why it cannot be read."""
    try:
        with open(path, "rb") as file:
            if last:
                file.seek(max(0, os.path.getsize(path) - last))
            return file.read().decode("utf-8", "replace"), ""
    except OSError as error:
        return "", error.strerror or str(error)


def _get(url: str) -> str:
    # The address is this host's own, so no proxy is asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_SECONDS) as answer:
        return str(answer.read(4 << 20).decode("utf-8", "replace"))
