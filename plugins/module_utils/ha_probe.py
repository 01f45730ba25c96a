# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `ha_probe`: its parameters, its questions put together, and its result."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import argspec, auth
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.client import Client
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, InputError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.items import layer
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module, end
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.parameters import without_nulls
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe import checks, options, verdict
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.asker import (
    Ask,
    Asker,
    BadAnswer,
    Found,
    Question,
)
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.guest import AskAt, Guest, Name
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.probe.http import Site, fetch, peer_certificate
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.transport import Requests

Options = Mapping[str, Any]
_BANNER_BYTES = 65536
_SPARE_FILES = 100
_SECONDS_A_DAY = 86400


def spec() -> argspec.ArgumentSpec:
    """The module's argument spec: one probe at the top, or many by `probes` and `defaults`."""
    one = options.options()
    own = argspec.ArgumentSpec(
        {
            "name": {"type": "str"},
            **one,
            "probes": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}, **one}},
            "defaults": {"type": "dict", "options": one},
        },
        required_one_of=[(*options.TARGETS, "probes")],
        mutually_exclusive=[(*options.TARGETS, "probes"), ("name", "probes")],
        required_by={"defaults": "probes"},
    )
    return own.merge(argspec.connection())


def wanted(params: Options) -> list[dict[str, Any]]:
    """The options of every probe, the layers put together: `defaults`, the entry's own."""
    named = {"name": {"type": "str"}, **options.options()}
    if params.get("probes") is None:
        return [without_nulls({key: params.get(key) for key in named}, named)]
    base = without_nulls(params.get("defaults") or {}, named)
    return [_layered(base, without_nulls(entry, named)) for entry in params["probes"]]


def _layered(base: Options, own: Options) -> dict[str, Any]:
    """A probe's own target and loop replace those of the defaults."""
    kept = dict(base)
    for group in (options.TARGETS, options.LOOPS):
        if any(key in own for key in group):
            kept = {key: value for key, value in kept.items() if key not in group or key in own}
    return layer(kept, own)


def faults(params: Options) -> Iterator[str]:
    """All that is wrong with the parameters beyond their types."""
    if params.get("probes") is not None:
        stray = [key for key in options.options() if key not in options.TARGETS and params.get(key) is not None]
        if stray:
            yield f"{', '.join(stray)}: beside probes, put it into defaults"
        if not params["probes"]:
            yield "probes: is empty, so nothing would be asked"
    elif not any(params.get(key) is not None for key in options.TARGETS):
        return
    seen: set[str] = set()
    for given in wanted(params):
        name = options.name_of(given)
        yield from (f"{name}: {fault}" for fault in options.faults(given))
        if name in seen:
            yield f"{name}: is there more than once; give each a name of its own"
        seen.add(name)


def connects(params: Options) -> bool:
    """Whether any probe asks the API server for a guest."""
    return any(isinstance(given.get("guest"), Mapping) for given in wanted(params))


class Samples:
    """Keeps the samples of every probe, in the order in which they came."""

    def __init__(self) -> None:
        self._kept: dict[str, list[dict[str, Any]]] = {}

    def add(self, probe: str, _target: str, ok: bool, more: Mapping[str, Any] | None = None) -> None:
        """Keeps one sample of now."""
        sample = {"at": time.time(), "monotonic": time.monotonic(), "ok": ok, **(more or {})}
        self._kept.setdefault(probe, []).append(sample)

    def of(self, probe: str) -> list[dict[str, Any]]:
        """The samples of a probe."""
        return self._kept.get(probe, [])


@dataclass
class Probe:
    """One probe while it runs: when its first question was asked, on the monotonic clock."""

    given: Options
    samples: Samples
    began: float | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """What results call it."""
        return options.name_of(self.given)

    def over(self, asked: int) -> bool:
        """Whether it asks no more."""
        now = time.monotonic()
        if self.began is None:
            self.began = now
        count = options.count_of(self.given)
        if count is not None:
            return asked >= count
        file = self.given.get("while_exists")
        if asked and file and not os.path.exists(file):
            return True
        limit = self.given.get("for_seconds") or self.given["wait_timeout"]
        if asked and now - self.began >= limit:
            return True
        if self.given.get("for_seconds"):
            return False
        terms = options.terms_of(self.given)
        # Answers to older questions that came in late are among these, too.
        newest = self.samples.of(self.name)[-terms.in_a_row - under_way(self.given) :]
        return verdict.reached(newest, terms)

    def question(self, ask: Ask) -> Question:
        """The question that it asks."""
        return Question(
            self.name,
            "",
            ask,
            self.given.get("interval") or options.INTERVAL,
            self.given.get("timeout") or options.TIMEOUT,
            self.over,
        )

    def result(self) -> dict[str, Any]:
        """Its entry in the result, with `faults`, a sentence each."""
        terms, samples = options.terms_of(self.given), self.samples.of(self.name)
        found = verdict.figures(samples, terms, self.began or 0.0)
        wrong = verdict.faults(samples, terms, found)
        kind = next(key for key in options.TARGETS if key in self.given)
        return {
            "name": self.name,
            "kind": {"url": "http"}.get(kind, kind),
            "expected": terms.expect,
            "passed": not wrong,
            "faults": wrong,
            **found,
            "missed_samples": self._missed(len(samples)),
            **told(samples),
        }

    def _missed(self, taken: int) -> int | None:
        """How many samples a busy machine did not take in time; None where their number was open."""
        seconds = self.given.get("for_seconds")
        if not seconds or self.given.get("while_exists"):
            return None
        return max(0, math.floor(seconds / (self.given.get("interval") or options.INTERVAL) + 1e-9) - taken)


def told(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the last answers told beside being there; None what none did."""
    newest: dict[str, Any] = {}
    for sample in verdict.in_order(samples):
        newest.update(sample)
    ends = newest.get("certificate_ends")
    certificate = None
    if ends is not None:
        days = (float(ends) - time.time()) / _SECONDS_A_DAY
        certificate = {"ends_at": verdict.stamp(float(ends)), "days_left": round(days, 2)}
    keys = ("status", "address", "guest_os", "hostname", "banner")
    return {**{key: newest.get(key) for key in keys}, "certificate": certificate}


# Questions


def tls_context(tls: Options) -> ssl.SSLContext:
    """The TLS settings of a probe; HaError names the file that cannot be used."""
    connection = auth.Connection(
        host="",
        verify=tls.get("verify") is not False,
        ca_file=tls.get("ca_file"),
        cert_file=tls.get("cert_file"),
        key_file=tls.get("key_file"),
    )
    try:
        return auth.ssl_context(connection)
    except HaError as error:
        files = [str(tls[key]) for key in ("ca_file", "cert_file", "key_file") if tls.get(key)]
        raise HaError("tls: cannot be used", where=", ".join(files), why=error.why) from error


def ask_http(given: Options, site: Site) -> Ask:
    """Asks a site, and looks at its answer."""

    async def ask() -> Found:
        return checks.reply(given, await fetch(site))

    return ask


def ask_tcp(given: Options, host: str, port: int, context: ssl.SSLContext | None) -> Ask:
    """Asks for a connection, and for the greeting where one is expected."""
    pattern = given.get("banner")
    name = ((given.get("tls") or {}).get("server_name") or host) if context else None

    async def ask() -> Found:
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
        try:
            found = checks.server_certificate(given, peer_certificate(writer))
            data = b""
            while not checks.greeting_is_whole(pattern, data):
                more = await reader.read(_BANNER_BYTES)
                data += more
                if not more or len(data) > _BANNER_BYTES:
                    raise BadAnswer(f"the greeting {checks.shown(data)!r} does not match {pattern!r}", "banner")
            return {**found, **({"banner": checks.shown(data)} if pattern is not None else {})}
        finally:
            writer.transport.abort()

    return ask


def site_of(given: Options, url: str, context: ssl.SSLContext | None) -> Site:
    """The site that a probe asks."""
    headers = tuple((str(name), str(value)) for name, value in (given.get("request_headers") or {}).items())
    server_name = (given.get("tls") or {}).get("server_name")
    more = {"context": context, "headers": headers, "server_name": server_name}
    return Site.of(url, method=given.get("method") or "GET", **more)


def ask_guest_at(given: Options, context: ssl.SSLContext | None) -> AskAt | None:
    """Asks a guest at an address; None where its port is not asked."""
    guest = given["guest"]
    port = guest.get("port")
    if port is None:
        return None
    speaks_http = bool(guest.get("path") or guest.get("scheme"))

    async def ask(address: str) -> Found:
        if not speaks_http:
            return await ask_tcp(given, address, port, context)()
        host = f"[{address}]" if ":" in address else address
        url = f"{guest.get('scheme') or 'http'}://{host}:{port}{guest.get('path') or '/'}"
        return await ask_http(given, site_of(given, url, context))()

    return ask


class Job:
    """All probes of a task, asked at the same time."""

    def __init__(self, probes: Sequence[Options], connection: auth.Connection | None) -> None:
        self._samples = Samples()
        self._probes = [Probe(given, self._samples) for given in probes]
        guests = [given for given in probes if "guest" in given]
        at_once = sum(map(under_way, guests))
        self._executor = ThreadPoolExecutor(max_workers=max(1, at_once))
        self._client: Client | None = None
        if connection and guests:
            longest = max(given.get("timeout") or options.TIMEOUT for given in guests)
            self._client = Client(connection, workers=at_once, timeout=longest, patience=0)
        make_room(sum(map(under_way, probes)) + at_once)

    def run(self) -> dict[str, Any]:
        """Asks all; the result has `failure` where a probe is not as expected."""
        Asker(self._samples, [probe.question(self._ask(probe.given)) for probe in self._probes]).run()
        entries = [probe.result() for probe in self._probes]
        requests = self._client.requests if self._client else Requests()
        if self._client:
            self._client.close()
        result = {"changed": False, "probes": entries, "requests": requests.as_dict()}
        failed = [entry for entry in entries if not entry["passed"]]
        result["up"] = all(entry["up"] for entry in entries)
        result["failed_probes"] = [entry["name"] for entry in failed]
        return {**result, "failure": NotAsExpected(failed, len(entries))} if failed else result

    def _ask(self, given: Options) -> Ask:
        context = context_of(given)
        if "url" in given:
            return ask_http(given, site_of(given, given["url"], context))
        if "tcp" in given:
            return ask_tcp(given, *options.address_of(given["tcp"]), context)
        if self._client is None:
            raise HaError("a guest needs a connection to the API server", where=options.name_of(given))
        guest = given["guest"]
        agent = guest.get("port") is None if guest.get("agent") is None else guest["agent"]
        name = Name(guest["namespace"], guest["name"], guest.get("interface") or "")
        return Guest(self._client, self._executor, name, agent=agent, ask_at=ask_guest_at(given, context)).ask


class NotAsExpected(HaError):
    """Probes whose targets are not as expected."""

    def __init__(self, failed: Sequence[Mapping[str, Any]], total: int) -> None:
        self._failures = [{"probe": entry["name"], "why": "; ".join(entry["faults"])} for entry in failed]
        why = "; ".join(f"{failure['probe']} {failure['why']}" for failure in self._failures)
        super().__init__(f"{len(failed)} of {total} probes are not as expected", why=why)

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "failures": self._failures}


def context_of(given: Options) -> ssl.SSLContext | None:
    """The TLS settings where a probe speaks TLS: https, and TCP with `tls`."""
    guest = given.get("guest") or {}
    scheme = "https" if str(given.get("url") or "").lower().startswith("https:") else guest.get("scheme")
    plain_tcp = "url" not in given and not guest.get("path") and not guest.get("scheme")
    if scheme == "https" or (plain_tcp and given.get("tls") is not None):
        return tls_context(given.get("tls") or {})
    return None


def under_way(given: Options) -> int:
    """How many questions of a probe may wait for an answer at once."""
    timeout, interval = given.get("timeout") or options.TIMEOUT, given.get("interval") or options.INTERVAL
    count = options.count_of(given)
    most = math.ceil(timeout / interval) + 1
    return most if count is None else min(most, count)


def make_room(sockets: int) -> None:
    """Lets the process open as many sockets as it may need; InputError where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sockets + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise InputError(
            [f"probes: together they need {needed} open files, this process may have {hard}: ask less densely"]
        )
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def run_module(module: Module) -> NoReturn:
    """Carries out the module and ends it."""
    probes = wanted(module.params)
    try:
        unusable = [error for error in map(_unusable, probes) if error]
        if unusable:
            raise InputError(unusable)
        result = Job(probes, module.connection).run()
    except HaError as error:
        module.fail_with(error, changed=False, requests=Requests().as_dict())
    end(module, result)


def _unusable(given: Options) -> str | None:
    """What is wrong with a probe's certificates."""
    try:
        context_of(given)
    except HaError as error:
        return f"{options.name_of(given)}: {str(error).rstrip('.')}"
    return None
