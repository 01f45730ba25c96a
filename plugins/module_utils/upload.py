# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files to CDI's upload proxy: streamed in blocks, begun again a bounded number of times, watched while they go.

CDI knows no resumption inside a file: an upload that broke off is begun anew, with a new token (they last five minutes).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection, ssl_context
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused, shorten
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.transport import TransportError

with contextlib.suppress(ImportError):  # the module's entry reports it by name
    import urllib3

# Disks are converted after the last byte, so that no connection must stay open for that; archives are unpacked as they come.
_PATH = "/v1beta1/upload-async"
_BLOCK = 1 << 20
# Seconds that one block, or the answer after the last one, may take.
_STALL = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
# The token is over, or the server is not ready (any more); everything else will not mend itself.
_AGAIN = frozenset({401, 408, 429, 502, 503, 504})
_ALREADY = "already finished uploading"
_FIXES = {
    400: "Give a larger size",
    413: "Raise the largest body that the ingress or route before the upload proxy takes",
    500: "Check that the file is a disk image in a format that QEMU reads",
}
_QCOW2 = b"QFI\xfb"
_PACKED = (b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")

# Bytes sent, and bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Proxy:
    """Where uploads go. ca_file is a path, ca_data PEM text; without both the system's authorities count."""

    url: str
    ca_file: str | None = None
    ca_data: str | None = None
    verify: bool = True


def proxy_of(
    config: Callable[[], Mapping[str, Any]], url: str | None, ca_file: str | None, *, verify: bool = True
) -> Proxy:
    """The upload proxy as given, else as CDI's CDIConfig publishes it; `config` reads that."""
    published = {} if url and (ca_file or not verify) else config().get("status") or {}
    address = url or published.get("uploadProxyURL")
    if not address:
        raise Refused(
            "CDI publishes no address of its upload proxy",
            where="CDIConfig config",
            fix="Give upload_proxy_url, or set uploadProxyURLOverride in the CDI object",
        )
    if "://" not in address:
        address = f"https://{address}"
    own = published.get("uploadProxyCA") if not ca_file else None
    return Proxy(address.rstrip("/"), ca_file, own, verify)


def check_file(path: str, size: Any, where: str) -> None:
    """Refused where the file cannot be read here, or where its disk is larger than `size` bytes (None: unknown)."""
    try:
        with open(path, "rb") as stream:
            disk = disk_size(stream.read(32), os.fstat(stream.fileno()).st_size)
    except OSError as error:
        fix = "Check the path; it is read where the module runs (see delegate_to)"
        raise Refused("cannot be uploaded", where=where, why=f"{path}: {error.strerror}", fix=fix) from error
    if disk == 0:
        raise Refused("cannot be uploaded", where=where, why=f"{path} is empty", fix="Check what wrote the file")
    if disk is not None and size is not None and disk > size:
        why = f"the disk of {path} has {disk} bytes, more than the {int(size)} of the volume"
        raise Refused("cannot be uploaded", where=where, why=why, fix="Give a larger size")


def disk_size(head: bytes, length: int) -> int | None:
    """The size of the disk in an image, from its first 32 bytes and its length; None where only unpacking would tell."""
    if head.startswith(_QCOW2) and len(head) >= 32:
        return int.from_bytes(head[24:32], "big")
    return None if head.startswith(_PACKED) else length


def send(
    proxy: Proxy,
    path: str,
    where: str,
    *,
    token: Callable[[], str],
    retries: int,
    progress: Progress,
) -> int:
    """Uploads a file; the number of its bytes. HaError where the proxy refuses it or could not be reached in the end.

    token: makes a token, anew for each attempt.
    """
    pool = _pool(proxy)
    pause = _FIRST_PAUSE
    try:
        for attempt in range(retries + 1):
            failure = _attempt(pool, proxy, path, where, token(), progress)
            if failure is None:
                break
            if not failure.temporary or attempt == retries:
                raise failure.error
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    finally:
        pool.clear()
    return os.path.getsize(path)


@dataclass
class _Failure:
    """Why an attempt failed, and whether another one may succeed."""

    error: HaError
    temporary: bool


class _Body:
    """A file that tells how far it was read."""

    def __init__(self, stream: Any, length: int, progress: Progress) -> None:
        self._stream, self._length, self._progress, self._sent = stream, length, progress, 0

    def read(self, size: int = -1) -> bytes:
        """The next block."""
        self._progress(self._sent, self._length)
        block: bytes = self._stream.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        self._sent += len(block)
        return block


def _pool(proxy: Proxy) -> Any:
    options: dict[str, Any] = {"num_pools": 1, "maxsize": 1, "blocksize": _BLOCK}
    if proxy.url.startswith("https://"):
        connection = Connection(proxy.url, verify=proxy.verify, ca_file=proxy.ca_file, ca_data=proxy.ca_data)
        options["ssl_context"] = ssl_context(connection)
        if not proxy.verify:
            options.update(cert_reqs="CERT_NONE", assert_hostname=False)
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return urllib3.PoolManager(**options)


def _attempt(pool: Any, proxy: Proxy, path: str, where: str, token: str, progress: Progress) -> _Failure | None:
    """One upload; None where it went well. A question without a body goes first, so that no data is sent for nothing."""
    url = proxy.url + _PATH
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "virtops.kubevirt_ha"}
    timeout = urllib3.Timeout(connect=_STALL, read=_STALL)
    try:
        asked = pool.request("HEAD", url, headers=headers, timeout=timeout, retries=False, redirect=False)
        # Upload servers for archives know no HEAD.
        if asked.status not in (200, 404):
            answer = asked
        else:
            with open(path, "rb") as stream:
                length = os.fstat(stream.fileno()).st_size
                more = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
                body = _Body(stream, length, progress)
                answer = pool.request(
                    "POST", url, body=body, headers={**headers, **more}, timeout=timeout, retries=False, redirect=False
                )
    except (TransportError, OSError) as error:
        return _unreachable(proxy, where, error)
    return _judge(answer.status, answer.data.decode("utf-8", "replace"), where)


def _judge(status: int, text: str, where: str) -> _Failure | None:
    if status < 300 or status == 409 or _ALREADY in text:
        return None
    why = shorten(text.strip()) or f"the upload proxy answered {status}"
    fix = _FIXES.get(status, "Look at the log of cdi-uploadproxy and of the volume's upload pod")
    return _Failure(HaError("could not be uploaded", where=where, why=why, fix=fix), status in _AGAIN)


def _unreachable(proxy: Proxy, where: str, error: Exception) -> _Failure:
    why = f"{proxy.url}: {getattr(error, 'reason', None) or error}"
    certificate = "CERTIFICATE_VERIFY_FAILED" in str(error)
    fix = (
        "Give the authority of the upload proxy's certificate as upload_proxy_ca"
        if certificate
        else ("Check that the upload proxy can be reached from where the module runs, or give upload_proxy_url")
    )
    return _Failure(HaError("could not be uploaded", where=where, why=why, fix=fix), not certificate)
