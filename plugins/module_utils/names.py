# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the names, labels and annotations that the API takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# What becomes a host name and a label's value may be no longer.
LONGEST_LABEL = 63
LONGEST_SUBDOMAIN = 253
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_WORD_FORM = "of letters, digits, '-', '_' and '.', and begin and end with a letter or digit"
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def name_fault(name: Any, *, subdomain: bool = False) -> str | None:
    """What is wrong with a name, None where nothing is. Without `subdomain` it must do as host name and label."""
    if not isinstance(name, str):
        return None
    longest, form = (LONGEST_SUBDOMAIN, _SUBDOMAIN) if subdomain else (LONGEST_LABEL, _LABEL)
    if len(name) > longest:
        return f"{name!r} has {len(name)} characters, {longest} is the most"
    if not form.fullmatch(name):
        signs = "'-' and '.'" if subdomain else "and '-'"
        comma = "," if subdomain else ""
        return (
            f"{name!r} must be of lower-case letters, digits{comma} {signs}, and begin and end with a letter or digit"
        )
    return None


def label_faults(where: str, labels: Any) -> Iterator[str]:
    """What is wrong with labels or a node selector, a sentence each; a value of None takes a label away."""
    for key, value in labels.items() if isinstance(labels, Mapping) else ():
        wrong = key_fault(str(key))
        if wrong:
            yield f"{where}: {wrong}"
        wrong = label_value_fault(value)
        if wrong:
            yield f"{where}[{key}]: {wrong}"


def annotation_faults(where: str, annotations: Any) -> Iterator[str]:
    """What is wrong with the keys of annotations, a sentence each; their prefixes may be of any case."""
    for key in annotations if isinstance(annotations, Mapping) else ():
        wrong = key_fault(str(key).lower())
        if wrong:
            yield f"{where}: {wrong}"


def label_value_fault(value: Any) -> str | None:
    """What is wrong with a label's value, None where nothing is; a number or a boolean becomes a text."""
    if value is None or value == "":
        return None
    text = as_text(value)
    if len(text) > LONGEST_LABEL:
        return f"{text!r} has {len(text)} characters, {LONGEST_LABEL} is the most for a label's value"
    return None if _WORD.fullmatch(text) else f"{text!r} must be {_WORD_FORM}"


def as_text(value: Any) -> str:
    """A number or a boolean of a playbook as the text that Kubernetes wants of labels and the like."""
    return value if isinstance(value, str) else json.dumps(value)


def key_fault(key: str) -> str | None:
    """What is wrong with a label's key, None where nothing is."""
    prefix, slash, name = key.rpartition("/")
    if slash:
        wrong = name_fault(prefix, subdomain=True)
        if wrong:
            return f"the key {key!r} has a wrong prefix, {wrong}"
    if len(name) > LONGEST_LABEL:
        return f"the key {key!r} has {len(name)} characters, {LONGEST_LABEL} is the most"
    return None if _WORD.fullmatch(name) else f"the key {key!r} must be {_WORD_FORM}; one '/' may stand behind a prefix"
