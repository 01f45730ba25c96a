# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server, by kind and plain dictionaries: paging, subresources, watches, deletion with preconditions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import (
    Answer,
    ApiError,
    Gone,
    NotFound,
    api_error,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import Resource
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.transport import (
    Object,
    Requests,
    Transport,
    TransportError,
)

PAGE = 500
MERGE_PATCH = "application/merge-patch+json"
RELISTS = 3


def _whole(item: Object) -> Object:
    return item


@dataclass(frozen=True)
class Listing:
    """The objects of a LIST, or what was kept of each, and the resource version a watch goes on from."""

    items: list[Any]
    resource_version: str


@dataclass(frozen=True)
class Event:
    """One event of a watch: ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


class Client:
    """One API server. Safe to use from several threads; `workers` connections are kept.

    timeout: seconds to wait for one answer; patience: seconds over which a request is tried again while the server
    is out of reach or asks to come back later.
    """

    def __init__(
        self, connection: Connection, *, workers: int = 8, timeout: float = 30.0, patience: float = 30.0
    ) -> None:
        self._transport = Transport(connection, workers=workers, timeout=timeout, patience=patience)
        self._json = self._transport.json
        self._timeout = timeout

    @property
    def requests(self) -> Requests:
        """How many requests were sent."""
        return self._transport.requests

    def close(self) -> None:
        """Closes the kept connections."""
        self._transport.close()

    # Reads

    def server(self) -> tuple[str, float | None]:
        """The server's version, such as `v1.34.4`, and its clock in seconds since the epoch, None where it is not told."""
        response = self._transport.send("GET", "/version", where="version of the API server")
        try:
            version = json.loads(response.data).get("gitVersion")
            moment: float | None = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except (AttributeError, TypeError, ValueError):
            version, moment = None, None
        return str(version or "unknown"), moment

    def kinds(self) -> list[Resource]:
        """All kinds that the server lists, each in the version that its group prefers; a group out of service is left out."""
        core = self._json("GET", "/api", where="versions of the API")
        groups = self._json("GET", "/apis", where="groups of the API")
        versions = [("/api", str(version)) for version in core.get("versions") or []]
        versions += [("/apis", str(group["preferredVersion"]["groupVersion"])) for group in groups.get("groups") or []]
        found = []
        for root, version in versions:
            try:
                content = self._json("GET", f"{root}/{version}", where=f"kinds of {version}")
            except ApiError:
                continue
            found += [
                Resource(version, str(one["name"]), str(one["kind"]), bool(one.get("namespaced")))
                for one in content.get("resources") or []
                if "/" not in one["name"] and "list" in (one.get("verbs") or ())
            ]
        return found

    def get(
        self, resource: Resource, name: str, namespace: str | None = None, subresource: str | None = None
    ) -> Object:
        """One object; NotFound where it is missing."""
        path = resource.path(namespace, name, subresource)
        return self._json("GET", path, where=resource.describe(namespace, name))

    def text(self, resource: Resource, name: str, namespace: str | None, subresource: str) -> str:
        """What a subresource answers that is no JSON, such as `proxy/metrics` of a pod."""
        path, where = (
            resource.path(namespace, name, subresource),
            f"{resource.describe(namespace, name)} ({subresource})",
        )
        return str(self._transport.send("GET", path, where=where).data.decode("utf-8", "replace"))

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """One object, None where it is missing."""
        try:
            return self.get(resource, name, namespace)
        except NotFound:
            return None

    def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = PAGE,
        trim: Callable[[Object], Any] = _whole,
    ) -> Iterator[Listing]:
        """A LIST page by page; all namespaces where none is given. A page that expired raises Gone.

        trim: what is kept of each object; the whole of only one is in memory at a time.
        """
        query = {"limit": str(limit), "labelSelector": label_selector, "fieldSelector": field_selector}
        path, where = resource.path(namespace), f"list of {resource.describe(namespace)}"
        while True:
            page = self._transport.listing(path, trim, query=query, where=where)
            meta = page.get("metadata") or {}
            yield Listing(page.get("items") or [], str(meta.get("resourceVersion", "")))
            if not meta.get("continue"):
                return
            query["continue"] = meta["continue"]

    def list(self, resource: Resource, namespace: str | None = None, **selectors: Any) -> Listing:
        """A whole LIST, in pages; begun anew where the server forgot the first page in the meantime."""
        for attempt in range(RELISTS):
            items: list[Object] = []
            version = ""
            try:
                for page in self.pages(resource, namespace, **selectors):
                    items += page.items
                    version = page.resource_version
                return Listing(items, version)
            except Gone:
                if attempt == RELISTS - 1:
                    raise
        raise AssertionError("unreachable")

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        seconds: float,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Iterator[Event]:
        """Events after a resource version, until the server ends the stream, it breaks, or `seconds` are over.

        A stream that is silent for as long as an answer may take counts as broken. The end says nothing: the caller
        goes on from the last version it saw. Gone where the version is too old or the server lost track of it.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, int(seconds))),
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        where = f"watch of {resource.describe(namespace)}"
        response = self._transport.send("GET", resource.path(namespace), query=query, where=where, stream=self._timeout)
        try:
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _end_of_watch(event, where)
                yield Event(event["type"], event["object"])
        except (TransportError, OSError, ValueError):
            return
        finally:
            response.close()

    # Writes

    def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """POST of a new object, or to a subresource of `name` (eviction). Unknown fields are refused."""
        shown = name or (body.get("metadata") or {}).get("name")
        return self._json(
            "POST",
            resource.path(namespace, name, subresource),
            query={"fieldValidation": "Strict", "dryRun": "All" if dry_run else None},
            body=body,
            where=resource.describe(namespace, shown),
        )

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """A JSON merge patch; with `metadata.resourceVersion` in it a Conflict where the object has changed."""
        return self._json(
            "PATCH",
            resource.path(namespace, name, subresource),
            query={"fieldValidation": "Strict", "dryRun": "All" if dry_run else None},
            body=body,
            content_type=MERGE_PATCH,
            where=resource.describe(namespace, name),
        )

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: str | None = None,
        dry_run: bool = False,
    ) -> bool:
        """Deletes an object; False where it was gone already. `uid` deletes just that object, never its successor."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body: Object = {
            "preconditions": {key: value for key, value in preconditions.items() if value} or None,
            "gracePeriodSeconds": grace_seconds,
            "propagationPolicy": propagation,
            "dryRun": ["All"] if dry_run else None,
        }
        body = {key: value for key, value in body.items() if value is not None}
        try:
            where = resource.describe(namespace, name)
            self._json("DELETE", resource.path(namespace, name), body=body, where=where)
        except NotFound:
            return False
        return True

    def put(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        subresource: str,
        body: Object | None = None,
        repeat: bool = True,
    ) -> Object:
        """PUT of a subresource, such as `start` of VM_ACTION. An answer without a body is an empty dictionary.

        repeat: whether it does no harm to carry it out twice; if not, an error may be `ambiguous`.
        """
        path, where = (
            resource.path(namespace, name, subresource),
            f"{resource.describe(namespace, name)} ({subresource})",
        )
        return self._json("PUT", path, body=body or {}, where=where, repeat=repeat)


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    # read1 hands over what has come in; stream() would wait for more where the answer is not chunked.
    while chunk := response.read1(65536):
        rest += chunk
        *whole, rest = rest.split(b"\n")
        yield from (line for line in whole if line.strip())


def _end_of_watch(event: Mapping[str, Any], where: str) -> ApiError:
    """What an ERROR event says. Trouble inside the server ends a watch as an old version does: by a fresh LIST."""
    status = event.get("object") or {}
    answer = Answer(int(status.get("code") or 500), status, None)
    if answer.status >= 500:
        return Gone("the watch ended", where=where, why=answer.message, fix="List again", answer=answer)
    return api_error(answer, what="the watch ended", where=where)
