"""Plays the table of facts: one case a row. CONTRACT_HELD_OUT=exclude|only|include chooses among them."""

from __future__ import annotations

import pytest
from kubevirt_contract.facts import Row, load, selected
from kubevirt_contract.players import NotServed
from kubevirt_contract.session import Session

ROWS = selected(load())


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_fact(contract: Session, row: Row) -> None:
    """The cluster shows what the row says."""
    reason = contract.why_not(row)
    if reason:
        pytest.skip(reason)
    try:
        found = contract.check(row)
    except NotServed as refusal:
        pytest.skip(f"not served, and refused by name: {refusal}")
    if found:
        pytest.fail(f"expected {row.expect}\n     got {found}", pytrace=False)
