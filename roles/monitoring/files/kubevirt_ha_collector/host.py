# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host sees of itself: its virtual addresses, its brick, its mount, its certificates."""

from __future__ import annotations

import base64
import glob
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from .exposition import Collection, Sample

_SECONDS = 10
# Entries of GlusterFS's index that name no file.
_BASE = "xattrop-"
_CERTIFICATE = re.compile(r"client-certificate-data: (\S+)")
CERTIFICATES_SECONDS = 600.0


def collect(given: Mapping[str, Any]) -> Collection:
    """What the configuration asks a host for; each key of it is a part."""
    found = Collection()
    if given.get("vips"):
        found.part("vip", lambda: vips(given["vips"], run(["ip", "-json", "-4", "address", "show"])))
    brick = given.get("brick")
    if brick:
        found.part("brick", lambda: bricks(brick, processes(), pending(brick["path"])))
        found.part("peers", lambda: peers(run(["gluster", "--xml", "peer", "status"])))
    if given.get("mount"):
        found.part("mount", lambda: [Sample("shared_storage_mounted", *_mounted(given["mount"]))])
    expected = given.get("expected_targets") or {}
    found.samples += [Sample("expected_targets", float(count), {"target_job": job}) for job, count in expected.items()]
    return found


def certificates(given: Mapping[str, Any]) -> Collection:
    """When the certificates of the host end."""
    found = Collection()
    found.part("certificates", lambda: _ends(given["certificates"]))
    found.samples.append(Sample("certificate_limit_seconds", float(given["certificate_days"]) * 86400))
    return found


def are_due(path: str, now: float) -> bool:
    """Whether the file of certificates is missing or old; to ask for each costs a process."""
    try:
        return now - os.stat(path).st_mtime > CERTIFICATES_SECONDS
    except FileNotFoundError:
        return True


def run(command: Sequence[str], given: str | None = None) -> str:
    """What a program prints. OSError where it fails or does not end."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} did not end within {_SECONDS} s") from error
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def vips(wanted: Sequence[Mapping[str, str]], said: str) -> Iterator[Sample]:
    """Which virtual addresses this host has; said: what `ip -json address` prints."""
    here = {entry.get("local") for link in json.loads(said) for entry in link.get("addr_info") or []}
    for vip in wanted:
        labels = {"vip": vip["name"], "address": vip["address"]}
        yield Sample("vip_held", float(vip["address"] in here), labels)


def bricks(brick: Mapping[str, Any], running: Iterable[Sequence[str]], behind: int) -> Iterator[Sample]:
    """Whether the brick's process runs, and how many files it knows to be behind on other bricks.

    Neither asks glusterd for the volume, which lets one ask at a time and would stand in the way of those who change it.
    """
    labels = {"volume": brick["volume"], "brick": brick["path"]}
    up = any(_is_of(command, brick["path"]) for command in running)
    yield Sample("gluster_brick_up", float(up), labels)
    yield Sample("gluster_bricks_wanted", float(brick["wanted"]), {"volume": brick["volume"]})
    yield Sample("gluster_heal_pending", float(behind), labels)


def _is_of(command: Sequence[str], path: str) -> bool:
    return bool(command) and command[0].endswith("glusterfsd") and path in command


def processes() -> Iterator[list[str]]:
    """The command lines of all processes."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                yield file.read().split("\0")
        except OSError:
            continue  # it has ended


def pending(path: str) -> int:
    """How many files a brick's index names. OSError where there is no brick."""
    index = os.path.join(path, ".glusterfs", "indices", "xattrop")
    return sum(not name.startswith(_BASE) for name in os.listdir(index))


def peers(xml: str) -> Iterator[Sample]:
    """Which hosts of the pool this one sees; xml: what `gluster --xml peer status` prints."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"gluster peer status is no XML: {error}") from error
    for peer in root.iter("peer"):
        name = peer.findtext("hostname") or ""
        yield Sample("gluster_peer_connected", float(peer.findtext("connected") or 0), {"peer": name})


def _mounted(path: str) -> tuple[float, dict[str, str]]:
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return float(is_mounted(path, file)), {"path": path}


def is_mounted(path: str, mounts: Iterable[str]) -> bool:
    """Whether something is mounted right there; mounts: lines of /proc/mounts."""
    return any(len(line.split()) > 1 and line.split()[1] == path for line in mounts)


def _ends(patterns: Sequence[str]) -> Iterator[Sample]:
    for path in sorted({path for pattern in patterns for path in glob.glob(pattern)}):
        with open(path, encoding="utf-8", errors="replace") as file:
            pem = pem_of(file.read())
        if pem:
            end = run(["openssl", "x509", "-noout", "-enddate"], pem)
            yield Sample("certificate_expiry_timestamp_seconds", moment(end), {"path": path})


def pem_of(content: str) -> str:
    """The first certificate of a file, also of a kubeconfig; empty where there is none."""
    inside = _CERTIFICATE.search(content)
    if inside:
        content = base64.b64decode(inside[1]).decode()
    return content if "BEGIN CERTIFICATE" in content else ""


def moment(said: str) -> float:
    """Seconds since the epoch of what `openssl x509 -enddate` prints."""
    return float(ssl.cert_time_to_seconds(said.strip().partition("notAfter=")[2]))


def now() -> float:
    """Seconds since the epoch."""
    return time.time()
