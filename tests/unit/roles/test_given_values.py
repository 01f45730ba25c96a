# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`-e name=value` gives text: whoever counts or decides with a variable makes a number or a truth value of it first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SPECS = sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))
TYPES = {
    name: option.get("type", "str")
    for path in SPECS
    for entry in yaml.safe_load(path.read_text())["argument_specs"].values()
    for name, option in (entry.get("options") or {}).items()
}
FILES = [
    path
    for folder in ("tasks", "vars", "defaults", "handlers", "templates")
    for path in sorted(ROOT.glob(f"roles/*/{folder}/*"))
    if path.is_file()
]
DECIDES = re.compile(r"(\b(if|and|or|not|when:|bad:|that:) |^ *- )\(?$")
COUNTS_AFTER, COUNTS_BEFORE = re.compile(r" *[-+*/] *[0-9(a-z]"), re.compile(r"[+*/] *$")


def bare(line: str) -> Iterator[str]:
    """Variables that a line counts or decides with as they are given."""
    for found in re.finditer(r"\b[a-z][a-z_]+\b", line):
        kind, before, after = TYPES.get(found[0]), line[: found.start()], line[found.end() :]
        if kind == "bool" and DECIDES.search(before) and re.match(r" *($|[)}%]| (and|or|else)\b)", after):
            yield found[0]
        if kind in ("int", "float") and (COUNTS_AFTER.match(after) or COUNTS_BEFORE.search(before)):
            yield found[0]


def test_there_is_something_to_look_at() -> None:
    assert {"bool", "int", "float"} <= set(TYPES.values())
    assert list(bare("when: kubernetes_audit_log")) == ["kubernetes_audit_log"]
    assert list(bare("retries: '{{ maintenance_whole_timeout / 2 }}'")) == ["maintenance_whole_timeout"]
    assert list(bare("when: kubernetes_audit_log | bool")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "roles")))
def test_no_given_value_is_used_as_it_is(path: Path) -> None:
    lines = enumerate(path.read_text().splitlines(), 1)
    found = [f"{path}:{number}: {name}" for number, line in lines if "#" not in line[:3] for name in bare(line)]
    assert found == []
