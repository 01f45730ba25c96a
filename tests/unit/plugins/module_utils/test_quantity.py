# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (2, 2),
        ("1.5", Fraction(3, 2)),
        ("500m", Fraction(1, 2)),
        ("1Ki", 1024),
        ("1k", 1000),
        ("0.5Gi", 512 * 1024**2),
        ("1e3", 1000),
        ("1E3", 1000),
        ("2E", 2 * 10**18),
        ("2Ei", 2 * 1024**6),
        ("-1Gi", -(1024**3)),
        (".5", Fraction(1, 2)),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_parse(text: Any, value: Any) -> None:
    assert quantity.parse(text) == value


@pytest.mark.parametrize(
    ("one", "other"),
    [("1024Mi", "1Gi"), ("1000m", "1"), (1.5, "1500m"), ("0.5Gi", "512Mi"), ("2048Mi", "2Gi"), (1, "1")],
)
def test_the_writings_that_kubevirt_canonicalises_are_the_same(one: Any, other: Any) -> None:
    assert quantity.same(one, other)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1GB", "write 1Gi for powers of 1024 or 1G for powers of 1000"),
        ("128MB", "write 128Mi"),
        ("64kb", "write 64Ki for powers of 1024 or 64k"),
        ("1 Gi", "write 1Gi"),
        ("1gi", "write 1Gi"),
        ("lots", "write a number with a unit"),
        ("1e999999999", "its exponent is beyond all measure"),
        ("", "write a number with a unit"),
    ],
)
def test_a_wrong_quantity_is_told_what_to_write(text: str, advice: str) -> None:
    assert advice in (quantity.fault(text) or "")


@pytest.mark.parametrize("text", ["0", "-1Gi", 0])
def test_a_size_is_more_than_zero(text: Any) -> None:
    # The admission of KubeVirt accepts memory 0 and -1Gi, and the machine then never starts.
    assert "more than 0" in (quantity.fault(text) or "")


@pytest.mark.parametrize("text", [True, None, [1]])
def test_other_types_are_no_quantities(text: Any) -> None:
    assert "is no quantity" in (quantity.fault(text) or "")


@pytest.mark.parametrize(
    ("value", "binary", "decimal"),
    [
        (0, "0", "0"),
        (1, "1", "1"),
        (1000, "1k", "1k"),
        (1023, "1023", "1023"),
        (1024, "1Ki", "1024"),
        (1536 * 1024**2, "1536Mi", "1610612736"),
        (3 * 1024**6, "3Ei", "3458764513820540928"),
        (5 * 1024**7, "5120Ei", "5902958103587056517120"),
        (2 * 10**18, "1953125000000000Ki", "2E"),
        (Fraction(1, 4), "250m", "250m"),
        (Fraction(1, 3), "333333334n", "333333334n"),
        (-(1024**3), "-1Gi", "-1073741824"),
        (Fraction(-3, 2), "-1500m", "-1500m"),
    ],
)
def test_render(value: Any, binary: str, decimal: str) -> None:
    assert quantity.render(Fraction(value), binary=True) == binary
    assert quantity.render(Fraction(value), binary=False) == decimal


@pytest.mark.parametrize("text", ["512Mi", "1Gi", "1536Mi", "1500m", "3", "250u", "7Ei"])
def test_what_is_rendered_already_stays(text: str) -> None:
    assert quantity.render(quantity.parse(text), binary=True) == text
