# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member of etcd through its HTTP gateway, on Python's own HTTP client: nothing to install on a host.

The gateway answers JSON with numbers of 64 bits as strings and leaves out what is 0 or empty; a stream is an object a
line. Paths and fields are those of etcd 3.5, 3.6 and 3.7 (api/etcdserverpb/rpc.proto).
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import certificate
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed, HaError, shorten
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.etcd.stream import pieces, whole

_CHUNK = 1 << 16
_PORT = 2379
# What the gateway says when the server behind it, which is the same process, did not take its certificate.
_REFUSED_ITSELF = ("tls:", "handshake", "broken pipe", "connection reset")


@dataclass(frozen=True)
class Status:
    """What a member says of itself. Sizes are bytes; leader: the leader's ID, "" where it knows none."""

    endpoint: str
    cluster: str
    member: str
    leader: str
    version: str
    revision: int
    applied: int
    db_size: int
    db_size_in_use: int
    quota: int
    learner: bool
    errors: tuple[str, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether this member is the leader."""
        return self.leader == self.member

    @classmethod
    def of(cls, endpoint: str, answer: Mapping[str, Any]) -> Status:
        """From the answer of /v3/maintenance/status."""
        header = answer.get("header") or {}
        return cls(
            endpoint=endpoint,
            cluster=str(header.get("cluster_id") or ""),
            member=str(header.get("member_id") or ""),
            leader="" if str(answer.get("leader") or "0") == "0" else str(answer["leader"]),
            version=str(answer.get("version") or ""),
            revision=int(header.get("revision") or 0),
            applied=int(answer.get("raftAppliedIndex") or answer.get("raftIndex") or 0),
            db_size=int(answer.get("dbSize") or 0),
            db_size_in_use=int(answer.get("dbSizeInUse") or 0),
            quota=int(answer.get("dbSizeQuota") or 0),
            learner=bool(answer.get("isLearner")),
            errors=tuple(str(error) for error in answer.get("errors") or ()),
        )


@dataclass(frozen=True)
class Member:
    """A member as the cluster's list has it; `name` is empty until it has started once."""

    id: str
    name: str
    client_urls: tuple[str, ...]
    learner: bool
    peer_urls: tuple[str, ...] = ()


class Login:
    """Certificates for etcd; paths, each None where there is none."""

    def __init__(self, ca_cert: str | None, client_cert: str | None, client_key: str | None) -> None:
        self.ca_cert, self.client_cert, self.client_key = ca_cert, client_cert, client_key

    def context(self) -> ssl.SSLContext:
        """The TLS settings; ConnectionFailed names the file that cannot be used."""
        where = self.ca_cert or ""
        try:
            context = ssl.create_default_context(cafile=self.ca_cert)
            # Go's clients do not ask for the extensions that this flag does, so many clusters' authorities lack them.
            context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
            if self.client_cert:
                where = f"{self.client_cert}, {self.client_key}"
                context.load_cert_chain(self.client_cert, self.client_key)
                self._refuse_expired(self.client_cert)
        except (OSError, ValueError) as error:
            raise ConnectionFailed(
                "the certificates for etcd cannot be used",
                where=where,
                why=getattr(error, "strerror", None) or str(error),
                fix="Check ca_cert, client_cert and client_key, and run as a user who may read them",
            ) from error
        return context

    def _refuse_expired(self, path: str) -> None:
        with open(path, encoding="ascii", errors="replace") as file:
            validity = certificate.validity(certificate.first_of_pem(file.read()))
        if validity.days_left() <= 0:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(validity.ends))
            raise ConnectionFailed(
                "the client certificate has expired",
                where=path,
                why=f"it ended at {moment}",
                fix="Renew it, with kubeadm: kubeadm certs renew all",
            )


class Gateway:
    """One endpoint. Every method raises ConnectionFailed where it is not reached, GatewayError where it refuses."""

    def __init__(self, endpoint: str, context: ssl.SSLContext | None, timeout: float) -> None:
        self.endpoint = endpoint
        self._context = context
        self._timeout = timeout

    def status(self) -> Status:
        """The member's view of itself; needs no quorum."""
        return Status.of(self.endpoint, self._json("/v3/maintenance/status", {}))

    def members(self) -> list[Member]:
        """The cluster's members, agreed on by its quorum: without one there is no answer."""
        answer = self._json("/v3/cluster/member/list", {"linearizable": True})
        return [
            Member(
                str(found.get("ID") or ""),
                str(found.get("name") or ""),
                tuple(found.get("clientURLs") or ()),
                bool(found.get("isLearner")),
                tuple(found.get("peerURLs") or ()),
            )
            for found in answer.get("members") or []
        ]

    def remove(self, member: str) -> None:
        """Takes a member out of the cluster, by its ID; etcd refuses where it is not one or too few others have started."""
        self._json("/v3/cluster/member/remove", {"ID": member})

    def alarms(self) -> list[dict[str, str]]:
        """The alarms that are raised, as [{member, alarm}] with the member's ID and NOSPACE or CORRUPT."""
        answer = self._json("/v3/maintenance/alarm", {"action": "GET"})
        return [
            {"member": str(found.get("memberID") or ""), "alarm": str(found.get("alarm") or "NONE")}
            for found in answer.get("alarms") or []
        ]

    def snapshot(self, seconds: float) -> Iterator[bytes]:
        """A snapshot's file piece by piece, whole or an error; `seconds` is the time for all of it."""
        until = time.monotonic() + seconds
        connection = self._connect()
        try:
            response = self._send(connection, "/v3/maintenance/snapshot", {})
            yield from whole(pieces(self._chunks(response, until)), self.endpoint)
        finally:
            connection.close()

    def _chunks(self, response: http.client.HTTPResponse, until: float) -> Iterator[bytes]:
        while True:
            try:
                chunk = response.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error, "etcd broke off the snapshot") from error
            if not chunk:
                return
            if time.monotonic() > until:
                raise ConnectionFailed(
                    "the snapshot took too long", where=self.endpoint, fix="Raise timeout, or ask a member nearer by"
                )
            yield chunk

    def _json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        connection = self._connect()
        try:
            data = self._send(connection, path, body).read()
            found = json.loads(data)
        except ValueError as error:
            raise GatewayError(self.endpoint, "its answer is no JSON") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()
        if not isinstance(found, dict):
            raise GatewayError(self.endpoint, "its answer is no JSON object")
        return found

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.endpoint)
        host, port = parts.hostname or "", parts.port or _PORT
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)

    def _send(
        self, connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any]
    ) -> http.client.HTTPResponse:
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status == 200:
                return response
            raise GatewayError(self.endpoint, message_of(response.read(), response.status), response.status)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception, what: str = "etcd cannot be reached") -> ConnectionFailed:
        text = str(error) or type(error).__name__
        fix = "Check that etcd runs and serves clients and HTTP at this endpoint"
        if "CERTIFICATE_VERIFY_FAILED" in text:
            fix = "Give etcd's own authority as ca_cert, and an endpoint whose name is in the server's certificate"
        elif "ALERT" in text.upper():
            fix = "etcd refused the client certificate: give client_cert and client_key of etcd's authority"
        elif self._context and isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
            # Under TLS 1.3 the refusal comes after the handshake, and may be lost when the request crosses it.
            fix = "etcd may have refused the client certificate: check client_cert and client_key, and etcd's log"
        if isinstance(error, TimeoutError):
            text = f"no answer in {self._timeout:g} s"
        return ConnectionFailed(what, where=self.endpoint, why=text, fix=fix)


class GatewayError(HaError):
    """An answer of etcd that is no success. status: of HTTP, 200 where the answer itself was at fault."""

    def __init__(self, endpoint: str, why: str, status: int = 200) -> None:
        fix = "Check etcd's log"
        if status == 404:
            fix = "Serve the HTTP gateway there: --enable-grpc-gateway, and the URL of --listen-client-http-urls if set"
        elif any(sign in why for sign in _REFUSED_ITSELF):
            fix = "The gateway logs in with etcd's server certificate: issue that for client authentication, too"
        super().__init__("etcd refused the request", where=endpoint, why=why, fix=fix)
        self.status = status


def message_of(body: bytes, status: int) -> str:
    """The reason in a refusal's body: JSON with a message, or text."""
    try:
        found = json.loads(body)
        message = str(found.get("message") or found.get("error") or "")
    except (ValueError, AttributeError):
        message = body.decode("utf-8", "replace").strip()
    return shorten(message) or f"HTTP {status}"
