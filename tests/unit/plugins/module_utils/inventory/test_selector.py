# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.inventory import selector

LABELS = {"app": "web", "example.com/tier": "gold", "empty": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app=db", False),
        ("app!=web", False),
        ("app!=db", True),
        ("other!=web", True),
        ("other=web", False),
        ("app", True),
        ("other", False),
        ("!app", False),
        ("!other", True),
        ("! other", True),
        ("empty=", True),
        ("app=", False),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("app in(web)", True),
        ("other in (web)", False),
        ("app notin (db)", True),
        ("app notin (db,web)", False),
        ("other notin (web)", True),
        ("example.com/tier=gold,app in (web),!other", True),
        ("example.com/tier=gold,app=db", False),
        ("example.com/tier", True),
        ("in in (in)", False),
        ("tierin", False),
    ],
)
def test_what_a_selector_selects(text: str, holds: bool) -> None:
    assert selector.matcher([text])(LABELS) is holds


def test_several_selectors_must_all_hold() -> None:
    assert selector.matcher(["app=web", "example.com/tier"])(LABELS)
    assert not selector.matcher(["app=web", "other"])(LABELS)
    assert selector.matcher([])(LABELS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app=web,",
        ",app",
        "app = = web",
        "app in web",
        "app in (web",
        "!app=web",
        "app=web tier=gold",
        "a b",
        "app=(web)",
        "/x",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no label selector; write app=web"):
        selector.parse([text])
