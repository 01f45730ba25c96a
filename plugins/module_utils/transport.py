# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one API server: connection pool, log-in headers, retries, and a count of what was sent."""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable
from urllib.parse import unquote, urlencode

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection, ssl_context
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    Answer,
    ApiError,
    ConnectionFailed,
    HaError,
    api_error,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.listing import decode

try:
    import urllib3
except ImportError:  # the module's entry reports it by name
    HAS_URLLIB3 = False
    TransportError: type[Exception] = OSError
else:
    HAS_URLLIB3 = True
    TransportError = urllib3.exceptions.HTTPError

Object = dict[str, Any]
Take = Callable[[Iterator[bytes]], Any]

JSON = "application/json"
# The subresources of KubeVirt answer 406 to plain `application/json`.
_ACCEPT = "application/json, */*"
_BUSY = frozenset({429, 502, 503, 504})
# Bytes that are read at once of a body that is taken as it comes in.
_PIECE = 65536
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_LAST_TIMEOUT = 5.0
# Of something between that stopped waiting for the server.
_GIVEN_UP = frozenset({502, 504})


@dataclass
class Requests:
    """How many requests were sent, every attempt counted; one that only asks what would be done is a read."""

    reads: int = 0
    writes: int = 0
    watches: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, kind: str) -> None:
        """Adds one to `reads`, `writes` or `watches`."""
        with self._lock:
            setattr(self, kind, getattr(self, kind) + 1)

    def as_dict(self) -> dict[str, int]:
        """The shape of a module's `requests` result."""
        return {"reads": self.reads, "writes": self.writes, "watches": self.watches}


@dataclass
class _Trial:
    """One request's attempts. `give_up` is of the monotonic clock, `pause` in seconds."""

    give_up: float
    writes: bool
    repeat: bool
    pause: float = _FIRST_PAUSE
    ambiguous: bool = False
    may_renew: bool = True


class Transport:
    """Requests to one API server, from several threads at once.

    timeout: seconds to wait for one answer; patience: seconds over which a request is tried again while the server
    is out of reach or asks to come back later.
    """

    def __init__(self, connection: Connection, *, workers: int, timeout: float, patience: float) -> None:
        self.connection = connection
        self.requests = Requests()
        self._timeout = timeout
        self._patience = patience
        self._token = self._read_token() if connection.token_file else connection.token
        self._login_lock = threading.Lock()
        # Since when the server has been in trouble, of the monotonic clock; None where it gave the last answer.
        self._trouble: float | None = None
        self._pool = _make_pool(connection, workers)

    def close(self) -> None:
        """Closes the kept connections."""
        self._pool.clear()

    def listing(self, path: str, trim: Callable[[Object], Any], *, where: str, **request: Any) -> Object:
        """A page of a LIST, with what `trim` makes of each of its items; HaError where the answer is none."""
        try:
            found: Object = self.send(
                "GET", path, where=where, take=lambda chunks: decode(chunks, trim), **request
            ).taken
        except ValueError as error:
            raise _no_answer("the answer is no list of objects", where, error) from error
        return found

    def json(self, method: str, path: str, *, where: str, **request: Any) -> Object:
        """`send` for an answer that is a JSON object; an answer without a body is an empty one, any other a HaError."""
        response = self.send(method, path, where=where, **request)
        if not response.data:
            return {}
        try:
            found = json.loads(response.data)
            if not isinstance(found, dict):
                raise ValueError(f"it is a {type(found).__name__}")
        except ValueError as error:
            failure = _no_answer("the answer is no object", where, error)
            # Who gave it is unknown, so also what became of a write.
            failure.ambiguous = _writes(method, request.get("query"), request.get("body"))
            raise failure from error
        return found

    def send(
        self,
        method: str,
        path: str,
        *,
        where: str,
        query: Mapping[str, str | None] | None = None,
        body: Object | None = None,
        content_type: str = JSON,
        stream: float | None = None,
        take: Take | None = None,
        repeat: bool = True,
    ) -> Any:
        """One request with its retries; the answer of a success, else an ApiError or ConnectionFailed.

        stream: seconds of silence after which a stream counts as broken; take: makes the answer's `taken` of its body as
        it comes in, again where it breaks off; repeat: whether it does no harm to carry the
        request out twice. If not, it is not sent again once it may have been carried out; `ambiguous` of the error
        says so.
        """
        url = _url(path, query)
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        kind = "watches" if stream else "writes" if _writes(method, query, body) else "reads"
        trial = _Trial(time.monotonic() + self._patience, kind == "writes", repeat)
        while True:
            self.requests.count(kind)
            token, begun = self._token, time.monotonic()
            try:
                response = self._attempt(method, url, data, content_type, stream, take)
            except (TransportError, OSError) as error:
                failure, wait = self._unanswered(error, where, trial)
            else:
                if response.status < 500 and response.status != 429:
                    self._trouble = None  # also a refusal is the server's answer
                if response.status < 300:
                    return response
                failure, wait = self._answered(response, method, path, where, trial)
                if isinstance(failure, ApiError) and failure.status == 401 and trial.may_renew and self._renew(token):
                    trial.may_renew = False
                    continue
            failure.ambiguous = trial.ambiguous
            if wait is None or time.monotonic() + wait > self._give_up(trial, failure, begun):
                raise failure
            time.sleep(wait * random.uniform(0.8, 1.2))
            trial.pause = min(trial.pause * 2, _LONGEST_PAUSE)

    def _unanswered(self, error: Exception, where: str, trial: _Trial) -> tuple[HaError, float | None]:
        """The failure of an attempt that no answer came to, and the seconds until the next, None where there is none."""
        lost = trial.writes and not _never_sent(error)
        trial.ambiguous = trial.ambiguous or lost
        final = _is_final(error) or (lost and not trial.repeat)
        return self._unreachable(error, where, trial.ambiguous), None if final else trial.pause

    def _answered(
        self, response: Any, method: str, path: str, where: str, trial: _Trial
    ) -> tuple[HaError, float | None]:
        """The failure of an attempt that was answered, and the seconds until the next, None where there is none."""
        answer = Answer.parse(response.status, response.data, response.headers.get("Retry-After"))
        wait = _pause_before_retry(answer, method, path, trial.pause)
        if trial.writes and answer.status >= 500 and wait is not None:
            # What stands between may have given up on a server that went on.
            trial.ambiguous = True
            wait = None if answer.status in _GIVEN_UP and not trial.repeat else wait
        return api_error(answer, what=_VERBS[method], where=where), wait

    def _give_up(self, trial: _Trial, failure: HaError, begun: float) -> float:
        """When to give up, of the monotonic clock: patience is for one outage, not for each request that meets it."""
        if isinstance(failure, ApiError) and failure.status < 500:
            return trial.give_up
        if self._trouble is None:
            self._trouble = begun
        return min(trial.give_up, self._trouble + self._patience)

    def _seconds(self) -> float:
        """The time-out of one answer, a short one where an outage has outlasted all patience."""
        trouble = self._trouble
        lasting = trouble is not None and time.monotonic() > trouble + self._patience
        return min(self._timeout, _LAST_TIMEOUT) if lasting else self._timeout

    def _attempt(
        self,
        method: str,
        url: str,
        data: bytes | None,
        content_type: str,
        stream: float | None,
        take: Take | None,
    ) -> Any:
        seconds = self._seconds()
        response = self._pool.request(
            method,
            self.connection.host + url,
            body=data,
            headers=self._headers(content_type if data is not None else None),
            timeout=urllib3.Timeout(connect=min(10.0, seconds), read=stream or seconds),
            retries=False,
            redirect=False,
            preload_content=stream is None and take is None,
        )
        if response.status >= 300:
            response.read(cache_content=True)
        elif take:
            response.taken = _taken(response, take)
        return response

    def _headers(self, content_type: str | None) -> Any:
        connection = self.connection
        headers = urllib3.HTTPHeaderDict({"Accept": _ACCEPT, "User-Agent": "virtops.kubevirt_ha"})
        if content_type:
            headers["Content-Type"] = content_type
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        elif connection.username:
            pair = base64.b64encode(f"{connection.username}:{connection.password or ''}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        if connection.impersonate_user:
            headers["Impersonate-User"] = connection.impersonate_user
        for group in connection.impersonate_groups:
            headers.add("Impersonate-Group", group)
        return headers

    def _renew(self, refused: str | None) -> bool:
        """A new token after a 401; False where there is no other than the one that was refused."""
        with self._login_lock:
            if self._token == refused:
                if self.connection.token_file:
                    self._token = self._read_token()
                elif self.connection.renew:
                    self._token = self.connection.renew()
            return self._token != refused

    def _read_token(self) -> str:
        path = str(self.connection.token_file)
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read().strip()
        except OSError as error:
            raise ConnectionFailed("the token cannot be read", where=path, why=str(error.strerror)) from error

    def _unreachable(self, error: Exception, where: str, ambiguous: bool) -> ConnectionFailed:
        fix = "Check the address, the network and the proxy, then run again"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            fix = "Give the cluster's authority as ca_cert, or tls_server_name where the certificate lacks the address"
        why = f"{self.connection.host}: {getattr(error, 'reason', None) or error}"
        if ambiguous:
            why += "; the request may have been carried out all the same"
        return ConnectionFailed("the API server cannot be reached", where=where, why=why, fix=fix)


_FINAL = ("CERTIFICATE_VERIFY_FAILED", "CertificateError", "WRONG_VERSION_NUMBER")


def _taken(response: Any, take: Take) -> Any:
    try:
        found = take(response.stream(_PIECE))
    except BaseException:
        response.close()
        raise
    response.drain_conn()
    response.release_conn()
    return found


_VERBS = {
    "GET": "could not be read",
    "POST": "could not be created",
    "PATCH": "could not be changed",
    "DELETE": "could not be deleted",
    "PUT": "was refused",
}


def _make_pool(connection: Connection, workers: int) -> Any:
    options: dict[str, Any] = {"num_pools": 1, "maxsize": workers, "block": False}
    if connection.host.startswith("https://"):
        options["ssl_context"] = ssl_context(connection)
        if connection.tls_server_name:
            options.update(server_hostname=connection.tls_server_name, assert_hostname=connection.tls_server_name)
        if not connection.verify:
            options.update(cert_reqs="CERT_NONE", assert_hostname=False)
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if not connection.proxy:
        return urllib3.PoolManager(**options)
    try:
        return urllib3.ProxyManager(connection.proxy, proxy_headers=_proxy_login(connection.proxy), **options)
    except TransportError:
        # Nothing of the URL is quoted: a password may be anywhere in one that cannot be taken apart.
        fix = "Write http://address:port or http://user:password@address:port, signs such as @ and / in these as %40 and %2F"
        raise ConnectionFailed("the proxy's URL cannot be used", where=connection.host, fix=fix) from None


def _proxy_login(proxy: str) -> Any:
    """The headers that log in to a proxy: urllib3 passes over the user and the password of its URL."""
    auth = urllib3.util.parse_url(proxy).auth
    if not auth:
        return None
    user, _colon, password = auth.partition(":")
    # Sent as UTF-8, as curl and Go's clients do; urllib3 would take Latin-1.
    pair = f"{unquote(user)}:{unquote(password)}".encode().decode("latin-1")
    return urllib3.make_headers(proxy_basic_auth=pair)


def _writes(method: str, query: Mapping[str, str | None] | None, body: Object | None) -> bool:
    """Whether the server is asked to change something, not only what it has or would do."""
    return method != "GET" and not (query or {}).get("dryRun") and not (body or {}).get("dryRun")


def _no_answer(what: str, where: str, error: ValueError) -> HaError:
    """The failure of a success whose body is not what the API server says."""
    fix = "Check that the address is that of the API server, and for a proxy between"
    return HaError(what, where=where, why=str(error), fix=fix)


def _url(path: str, query: Mapping[str, str | None] | None) -> str:
    given = {key: value for key, value in (query or {}).items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def _pause_before_retry(answer: Answer, method: str, path: str, pause: float) -> float | None:
    """Seconds until the next attempt, None where there is to be none.

    A 429 without Retry-After to an eviction is an answer (it is not allowed now), not a sign of load. A 500 to a write
    is KubeVirt's way to refuse, unless an admission webhook was out of reach.
    """
    if answer.status in _BUSY:
        if answer.status == 429 and answer.retry_after is None and path.endswith("/eviction"):
            return None
        return max(pause, answer.retry_after or 0.0)
    if answer.status == 500 and method != "PUT":
        retry = method == "GET" or "failed calling webhook" in answer.message or "etcdserver" in answer.message
        return pause if retry else None
    return None


def _never_sent(error: Exception) -> bool:
    return _is_final(error) or isinstance(
        error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    )


def _is_final(error: Exception) -> bool:
    """A certificate that does not fit, or an address that is none: another attempt will not mend it."""
    text = str(error)
    return any(sign in text for sign in _FINAL) or isinstance(error, urllib3.exceptions.LocationValueError)
