# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: Kubernetes' label selectors, for objects that were read for more than one purpose.

The forms are those of https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable

_KEY = r"(?:[A-Za-z0-9][-A-Za-z0-9.]*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)"
_TERM = re.compile(
    rf"\s*(?:(?P<absent>!)\s*)?(?P<key>{_KEY})\s*(?:(?P<equal>==?|!=)\s*(?P<value>{_VALUE})|\b(?P<set>in|notin)\s*(?P<values>{_SET}))?\s*"
)


@dataclass(frozen=True)
class Term:
    """One requirement: the label's value is among `values`, or, `negated`, is not; any value does where there are none."""

    key: str
    values: frozenset[str] | None
    negated: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the requirement; a label that is missing meets every negated one."""
        found = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return found != self.negated


def parse(selectors: Iterable[str]) -> list[Term]:
    """The requirements of all selectors together; ValueError says which selector is none."""
    return [term for text in selectors for term in _terms(text)]


def matcher(selectors: Iterable[str]) -> Callable[[Mapping[str, str]], bool]:
    """Tells whether labels meet all selectors."""
    terms = parse(selectors)
    return lambda labels: all(term.holds(labels) for term in terms)


def _terms(text: str) -> Iterable[Term]:
    position = 0
    while True:
        match = _TERM.match(text, position)
        if not match or (match["absent"] and (match["equal"] or match["set"])):
            break
        yield _term(match)
        position = match.end()
        if position == len(text):
            return
        if text[position] != ",":
            break
        position += 1
    raise ValueError(
        f"{text!r} is no label selector; write app=web, app!=web, tier in (gold, silver), tier notin (gold), app or !app,"
        " several of them with commas between"
    )


def _term(match: re.Match[str]) -> Term:
    if match["set"]:
        values = frozenset(value.strip() for value in match["values"][1:-1].split(","))
        return Term(match["key"], values, match["set"] == "notin")
    if match["equal"]:
        return Term(match["key"], frozenset({match["value"]}), match["equal"] == "!=")
    return Term(match["key"], None, bool(match["absent"]))
