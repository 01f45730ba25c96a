"""Breaks the stand-in one rule at a time, on a copy of its source: each broken rule must fail a row of the table.

A rule of each controller is broken in every run, the others by make test-long.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from kubevirt_contract.cluster import Cluster
from kubevirt_contract.devcluster import SOURCE, DevCluster
from kubevirt_contract.facts import Row, load, selected
from kubevirt_contract.session import Session


@dataclass(frozen=True)
class Mutation:
    """``old`` stands once in ``file`` and becomes ``new``; ``rows`` is a regular expression of the rows that guard the rule.

    ``always`` marks those that are played in every run, ``cdi`` those whose rows need CDI.
    """

    rule: str
    file: str
    old: str
    new: str
    rows: str
    always: bool = False
    cdi: bool = False


MUTATIONS = [Mutation(**item) for item in yaml.safe_load((Path(__file__).parent / "mutations.yml").read_text("utf-8"))]

ROWS = selected(load())


def mutated(mutation: Mutation, folder: Path) -> Path:
    """A copy of the stand-in's source with the rule broken."""
    source = folder / "standin"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "kubevirt_standin" / mutation.file).write_text(broken(mutation), "utf-8")
    return source


def broken(mutation: Mutation) -> str:
    """The text of the file with the rule broken."""
    text = (SOURCE / "kubevirt_standin" / mutation.file).read_text("utf-8")
    assert text.count(mutation.old) == 1, f"{mutation.file} has {text.count(mutation.old)} times {mutation.old!r}"
    return text.replace(mutation.old, mutation.new)


def guards(mutation: Mutation) -> list[Row]:
    """The rows that the mutation names."""
    rows = [row for row in ROWS if re.search(mutation.rows, row.id)]
    assert rows, f"no row matches {mutation.rows!r}"
    return rows


def failing(session: Session, rows: list[Row]) -> list[str]:
    """The first row that fails, and why."""
    for row in rows:
        if session.why_not(row):
            continue
        try:
            found = session.check(row)
        except (AssertionError, TimeoutError, OSError) as error:
            found = str(error)
        if found:
            return [f"{row.id}: {found}"]
    return []


CASES = [
    pytest.param(mutation, id=mutation.rule, marks=() if mutation.always else (pytest.mark.long,))
    for mutation in MUTATIONS
]


@pytest.mark.parametrize("mutation", CASES)
def test_a_broken_rule_fails_a_row(mutation: Mutation, tmp_path: Path) -> None:
    """With the rule broken, a row that names it fails; the table as a whole would."""
    reason = DevCluster.lacks()
    if reason:
        pytest.skip(reason)
    rows = guards(mutation)
    options = ["--cdi"] if mutation.cdi else []
    cluster = DevCluster(tmp_path / "cluster", mutated(mutation, tmp_path), options)
    cluster.start()
    session = Session(Cluster(str(cluster.kubeconfig), f"mutant-{int(time.time()) % 100000}"))
    try:
        session.open(rows)
        found = failing(session, rows)
    finally:
        session.close()
        cluster.stop()
    assert found, f"no row noticed that this rule was broken: {mutation.rule}"


def test_every_mutation_still_applies() -> None:
    """The lines that the mutations change are there, once each, and rows guard them."""
    if DevCluster.lacks():
        pytest.skip("the stand-in's source is not here")
    for mutation in MUTATIONS:
        broken(mutation)
        guards(mutation)
