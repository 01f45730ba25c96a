"""The table itself: enough rows, all distinct, a tenth held out, and nothing of it known to the stand-in."""

from __future__ import annotations

from kubevirt_contract.devcluster import SOURCE
from kubevirt_contract.facts import load, selected

ROWS = load()


def test_rows_are_distinct_by_state_strategy_verb_and_body() -> None:
    """At least 300 recorded calls differ in state, strategy, verb or body, whatever their headers are."""
    calls = {
        (row.state, row.request["method"], row.request["target"], str(row.request["body"]))
        for row in ROWS
        if row.play == "call" and row.recorded and not row.request.get("headers")
    }
    assert len(calls) >= 300, len(calls)


def test_ids_and_signatures_are_unique() -> None:
    """No row is there twice, neither by its name nor by what it asks."""
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert len({row.signature for row in ROWS}) == len(ROWS)


def test_a_tenth_is_held_out() -> None:
    """The hash of the ids holds out about a tenth, and the three selections add up."""
    share = sum(row.held_out for row in ROWS) / len(ROWS)
    assert 0.08 <= share <= 0.12, share
    assert len(selected(ROWS, "only")) + len(selected(ROWS, "exclude")) == len(selected(ROWS, "include"))


def test_the_stand_in_never_reads_the_table() -> None:
    """No source of the stand-in names this folder or the table."""
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        assert "integration/contract" not in text, path
        assert "kubevirt_contract" not in text, path
