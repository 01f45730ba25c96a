# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files over HTTPS in pieces: gone on with where the connection broke, and there as a whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed, HaError, shorten
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.transport import TransportError

with contextlib.suppress(ImportError):  # the module's entry reports it by name
    import urllib3

_PIECE = 1 << 20
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
# How often in a row a connection may break without having brought more than was there before, and how often a file may be
# begun in all where the server cannot go on in the middle.
_ATTEMPTS = 5
# Seconds that one file may take, however steadily it comes in.
_LONGEST = 24 * 3600.0
_PAUSE = 0.5
_BUSY = frozenset({429, 502, 503, 504})


class DownloadFailed(HaError):
    """A file could not be brought here."""


@dataclass(frozen=True)
class Source:
    """Where a file comes from.

    authority: the certificates to trust, as PEM, empty for those that the system trusts; headers: sent along, and never
    shown; via: scheme, host and port to connect to instead of the URL's, whose host the certificate must still be of.
    """

    url: str
    authority: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    via: str = ""


@dataclass(frozen=True)
class Downloaded:
    """A file that is there now. resumed: how often the connection had broken."""

    size: int
    sha256: str
    resumed: int


def download(source: Source, dest: str, *, pause: float = _PAUSE, longest: float = _LONGEST) -> Downloaded:
    """Brings a file to `dest`, with mode 0600, through a file beside it whose name ends in `.part`.

    pause: seconds before the second of two attempts that brought nothing; longest: seconds that all of it may take.
    """
    folder, name = os.path.split(os.path.abspath(dest))
    try:
        handle, part = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
    except OSError as error:
        raise _local(dest, error) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            found = _Download(source, stream, dest, pause, longest).run()
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, dest)
        _sync_folder(folder)
    except OSError as error:
        raise _local(dest, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
    return found


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _local(dest: str, error: OSError) -> DownloadFailed:
    fix = "Check the folder, its rights and the space that is left"
    return DownloadFailed("cannot be written", where=dest, why=str(error.strerror or error), fix=fix)


class _Download:
    """One file on its way."""

    def __init__(self, source: Source, stream: BinaryIO, dest: str, pause: float, longest: float) -> None:
        self._source, self._stream, self._dest, self._pause = source, stream, dest, pause
        self._longest, self._deadline = longest, time.monotonic() + longest
        self._hash = hashlib.sha256()
        self._size = self._most = 0
        self._begun = 1
        self._pool = _pool(source)

    def run(self) -> Downloaded:
        resumed = futile = 0
        while True:
            try:
                self._attempt()
                return Downloaded(self._size, self._hash.hexdigest(), resumed)
            except (TransportError, _Broken) as error:
                resumed += 1
                futile = 0 if self._size > self._most else futile + 1
                self._most = max(self._most, self._size)
                if max(futile, self._begun) >= _ATTEMPTS or _is_final(error):
                    raise self._unreachable(error) from error
            time.sleep(self._pause * futile)
            self._check_time()

    def _attempt(self) -> None:
        """Takes what is left, or all of it where the server cannot begin in the middle."""
        headers = {"Range": f"bytes={self._size}-"} if self._size else {}
        response = self._pool.request(
            "GET",
            self._address(),
            headers={**self._source.headers, **headers, **self._host(), "Accept-Encoding": "identity"},
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        try:
            self._check(response)
            if response.status != 206 and self._size:
                self._begin_anew()
            end = self._end(response)
            for piece in _pieces(response):
                self._stream.write(piece)
                self._hash.update(piece)
                self._size += len(piece)
                self._check_time()
            if end is not None and self._size != end:
                raise _Broken(f"it ended after {self._size} of {end} bytes")
        finally:
            response.close()

    def _check(self, response: Any) -> None:
        if response.status == 200:
            return
        if response.status == 206 and str(response.headers.get("Content-Range", "")).startswith(f"bytes {self._size}-"):
            return
        if response.status in _BUSY:
            raise _Broken(f"the server answered {response.status}")
        text = response.read(1024, decode_content=False).decode("utf-8", "replace").strip()
        why = f"the server answered {response.status}" + (f": {shorten(text)}" if text else "")
        raise DownloadFailed("could not be fetched", where=self._dest, why=why, fix=_FIXES.get(response.status, _FIX))

    def _end(self, response: Any) -> int | None:
        """The size that the file will have, None where the server does not say; not every urllib3 looks after it."""
        length = str(response.headers.get("Content-Length") or "")
        return self._size + int(length) if length.isdigit() else None

    def _begin_anew(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()
        self._hash, self._size = hashlib.sha256(), 0
        self._begun += 1

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            why = f"it is not there after {self._longest / 3600:g} hours; {self._size} bytes came in"
            raise DownloadFailed("could not be fetched", where=self._dest, why=why, fix=_FIX_SLOW)

    def _address(self) -> str:
        wanted = urlsplit(self._source.url)
        path = wanted.path + (f"?{wanted.query}" if wanted.query else "")
        return self._source.via.rstrip("/") + path if self._source.via else f"https://{wanted.netloc}{path}"

    def _host(self) -> dict[str, str]:
        return {"Host": urlsplit(self._source.url).netloc} if self._source.via else {}

    def _unreachable(self, error: Exception) -> ConnectionFailed:
        fix = "Check the address and the network; give via where the link's host is out of reach from here"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            fix = (
                "The certificate must be of the link's host, and of the authority in the link or one the system trusts"
            )
        where = self._source.via or f"https://{urlsplit(self._source.url).netloc}"
        return ConnectionFailed(f"{self._dest} could not be fetched", where=where, why=str(error), fix=fix)


class _Broken(Exception):
    """The server is not ready, or ended too early."""


_FIX_SLOW = "Check the network's rate, and download nearer to the cluster or in another format"
_FIX = "Check the export's state and the exporter's log"
_FIXES = {
    401: "The token in the export's secret is another one than the exporter has",
    404: "The export is gone, or has no such file",
}


def _pieces(response: Any) -> Iterator[bytes]:
    """The body in pieces of at most a mebibyte."""
    while True:
        piece = response.read(_PIECE, decode_content=False)
        if not piece:
            return
        yield piece


def _pool(source: Source) -> Any:
    """Connections that trust the source's authority only."""
    context = ssl.create_default_context(cadata=source.authority or None)
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    options: dict[str, Any] = {"num_pools": 1, "maxsize": 1, "ssl_context": context}
    if source.via:
        host = urlsplit(source.url).hostname
        options.update(server_hostname=host, assert_hostname=host)
    return urllib3.PoolManager(**options)


def _is_final(error: Exception) -> bool:
    text = str(error)
    return "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text or "getaddrinfo" in text
