# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LIST decoded object by object says what it says decoded at once, and nothing is taken for an empty list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import listing
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.listing import decode
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.resources import VM

META = {"resourceVersion": "7", "continue": 'a"b\\'}
ITEMS = [{"metadata": {"name": "ä]},{", "labels": {}}}, {"spec": [1, 2.5, None, True]}, {}]


def whole(item: Any) -> Any:
    return item


@pytest.mark.parametrize("items", [[], ITEMS[:1], ITEMS])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("order", [("kind", "items", "metadata"), ("metadata", "items"), ("items",), ("items", "kind")])
def test_any_order_and_any_white_space(items: list[Any], indent: int | None, order: tuple[str, ...]) -> None:
    page = {key: {"kind": "List", "items": items, "metadata": META}[key] for key in order}
    data = f" {json.dumps(page, indent=indent, ensure_ascii=False)}\n".encode()
    assert decode([data], whole) == page
    assert decode([data[at : at + 1] for at in range(len(data))], whole) == page


def test_each_object_is_trimmed_before_the_next_is_decoded() -> None:
    seen: list[Any] = []
    data = [b'{"items": [{"n": 1}, {"n": 2}, {"n": 3']
    with pytest.raises(ValueError):
        decode(data, lambda item: seen.append(item["n"]))
    assert seen == [1, 2]


def test_no_items_at_all_are_none() -> None:
    assert decode([b'{"items": null, "metadata": {}}'], whole)["items"] is None


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>log in</html>", b"[]", b"null", b"{", b'{"kind": "Status"}', b'{"items": [}', b'{"items": {}}', b'{"items": [1 2]}',
     b'{"items" []}', b'{"items": [], ', b"\xff\xfe", b'{"items": []} []', b'{"items": []}\xc3'],
)  # fmt: skip
def test_what_is_no_list_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode([data], whole)
    with pytest.raises(ValueError):
        decode([data[at : at + 1] for at in range(len(data))], whole)


def test_a_log_in_page_is_not_taken_for_an_empty_cluster(api: Any, reply: Any) -> None:
    api.says(reply(body=b"<html>log in</html>"))
    with pytest.raises(HaError) as caught:
        api.client().list(VM)
    assert "list of VirtualMachine: the answer is no list of objects" in str(caught.value)
    assert "for a proxy between" in caught.value.fix


def test_a_number_that_two_pieces_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_BLOCK", 1)
    data = b'{"items": [12.5, -3e2, true], "n": 42}'
    for size in range(1, len(data)):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert decode(pieces, whole) == {"items": [12.5, -300.0, True], "n": 42}


def test_a_page_that_breaks_off_is_read_again(api: Any, reply: Any) -> None:
    page = json.dumps({"items": ITEMS, "metadata": {}}).encode()
    api.says(reply(body=page[:-9], headers={"Content-Length": str(len(page)), "Connection": "close"}), reply(body=page))
    client = api.client()
    assert client.list(VM).items == ITEMS
    assert client.requests.reads == 2
