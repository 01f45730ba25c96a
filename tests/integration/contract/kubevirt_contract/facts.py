"""Reads the tables of facts into rows: one row, one fact, one test case."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent.parent / "facts"
HELD_OUT_MODES = ("include", "exclude", "only")


@dataclass(frozen=True)
class Row:
    """One fact.

    ``state`` is the VM's state and the strategy it was created with ("running/Once"), ``request`` what is sent,
    ``expect`` what is to be seen. ``scenario`` names the run that several rows share.
    """

    id: str
    play: str
    state: str
    request: dict[str, Any]
    expect: dict[str, Any]
    scenario: str = ""
    needs: frozenset[str] = field(default_factory=frozenset)
    recorded: bool = True

    @property
    def held_out(self) -> bool:
        """Whether the row is kept from whoever builds the stand-in: a tenth, chosen by the hash of the id."""
        return int(hashlib.sha256(self.id.encode()).hexdigest(), 16) % 10 == 0

    @property
    def signature(self) -> str:
        """What makes a row distinct: state and strategy, verb, target, body, and the aspect that is looked at."""
        aspect = sorted(self.expect) if self.play in ("scenario", "look", "infra") else []
        return json.dumps([self.play, self.state, self.request, aspect], sort_keys=True, default=str)


def load(folder: Path = FOLDER) -> list[Row]:
    """All rows of all tables, ordered so that rows which share a VM stand together."""
    rows = [row for path in sorted(folder.glob("*.yml")) for row in rows_of(yaml.safe_load(path.read_text("utf-8")))]
    return sorted(rows, key=lambda row: (row.play, row.state, row.scenario))


def selected(rows: list[Row], mode: str | None = None) -> list[Row]:
    """The rows to be played; ``mode`` defaults to the environment's CONTRACT_HELD_OUT."""
    mode = mode or os.environ.get("CONTRACT_HELD_OUT", "include")
    if mode not in HELD_OUT_MODES:
        raise ValueError(f"CONTRACT_HELD_OUT is {mode!r}; it must be one of {', '.join(HELD_OUT_MODES)}")
    return [row for row in rows if mode == "include" or row.held_out == (mode == "only")]


def rows_of(table: dict[str, Any]) -> Iterator[Row]:
    """The rows of one table (a file of ``facts/``)."""
    recorded = "documented" not in table
    for fact in table["facts"]:
        play = fact.get("play", table.get("play"))
        needs = " ".join(str(part["needs"]) for part in (table, fact) if "needs" in part)
        yield from READERS[play](play, {**fact, "needs": needs}, recorded)


def _verb_and_target(fact: dict[str, Any]) -> tuple[str, str]:
    verb = next(verb for verb in ("get", "put", "post") if verb in fact)
    return verb.upper(), fact[verb]


def _needs(*sources: dict[str, Any]) -> frozenset[str]:
    return frozenset(word for source in sources for word in str(source.get("needs", "")).split())


def _calls(play: str, fact: dict[str, Any], recorded: bool) -> Iterator[Row]:
    verb, target = _verb_and_target(fact)
    body = fact.get("body")
    shown = "" if body is None else json.dumps(body, sort_keys=True)
    for answer in fact["answers"]:
        for state in answer["in"].split(", "):
            yield Row(
                id=f"{state} {verb} {target} {shown}".strip(),
                play=play,
                state=state,
                request={"method": verb, "target": target, "body": body},
                expect=answer["gives"],
                needs=_needs(answer),
                recorded=recorded,
            )


def _headers(play: str, fact: dict[str, Any], recorded: bool) -> Iterator[Row]:
    for call in fact["calls"].split(", "):
        verb, target = call.split()
        accept, sends = fact["accept"], fact.get("sends")
        name = f"{verb.upper()} {target} Accept={accept}" + (f" Content-Type={sends}" if sends else "")
        yield Row(
            id=f"stopped/Manual {name}",
            play="call",
            state="stopped/Manual",
            request={
                "method": verb.upper(),
                "target": target,
                "body": {"dryRun": ["All"]} if target == "vm/start" else None,
                "headers": {"Accept": accept, "Content-Type": sends},
            },
            expect={"code": fact["code"], "type": fact["type"]},
            recorded=recorded,
        )


def _create(play: str, fact: dict[str, Any], recorded: bool) -> Iterator[Row]:
    request = {key: value for key, value in fact.items() if key not in ("id", "gives", "needs", "play")}
    yield Row(
        id=f"{play} {fact['id']}",
        play=play,
        state=fact.get("from", "running/Always" if play == "patch" else ""),
        request=request,
        expect=fact["gives"],
        needs=_needs(fact),
        recorded=recorded,
    )


def _aspects(play: str, fact: dict[str, Any], recorded: bool) -> Iterator[Row]:
    """A scenario is run once; each thing that is seen of it is a row."""
    request = {key: value for key, value in fact.items() if key not in ("id", "see", "needs", "play")}
    for aspect, value in fact["see"].items():
        yield Row(
            id=f"{fact['id']}: {aspect}",
            play=play,
            state=fact.get("from", ""),
            request=request,
            expect={aspect: value},
            scenario=fact["id"],
            needs=_needs(fact),
            recorded=recorded,
        )


def _look(play: str, fact: dict[str, Any], recorded: bool) -> Iterator[Row]:
    """Single facts about one object that is read once."""
    for number, seen in enumerate(fact["see"]):
        name = seen.get("at", "") if isinstance(seen, dict) else str(seen)
        where = fact.get("get") or fact.get("of")
        yield Row(
            id=f"{fact['id']}: {name or number}",
            play=play,
            state=fact.get("from", ""),
            request={"get": where, "at": name},
            expect=seen,
            scenario=fact["id"],
            needs=_needs(fact, seen),
            recorded=recorded,
        )


def _metrics(play: str, fact: dict[str, Any], recorded: bool) -> Iterator[Row]:
    for name in fact["names"].split(", "):
        yield Row(
            id=f"metric {name}",
            play=play,
            state="",
            request={"name": name},
            expect={"type": fact["type"]},
            needs=_needs(fact),
            recorded=recorded,
        )


READERS = {
    "call": _calls,
    "headers": _headers,
    "create": _create,
    "patch": _create,
    "scenario": _aspects,
    "look": _look,
    "metric": _metrics,
    "infra": _aspects,
}
