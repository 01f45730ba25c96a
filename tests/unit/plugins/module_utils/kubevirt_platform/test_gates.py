# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature gates: what each version has, and what is said of names that it does not."""

from __future__ import annotations

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import gates

OPTIONS = ("on", "off")


def faults(enabled: object, disabled: object = (), version: str = "1.9.0") -> list[str]:
    return list(gates.faults(enabled, list(disabled) if isinstance(disabled, tuple) else disabled, version, OPTIONS))


def test_each_row_has_a_known_state_in_each_minor_and_each_kubevirt_of_the_matrix_has_a_column() -> None:
    assert all(len(row) == len(gates.MINORS) and set(row) <= set("-ABGDX") for row in gates.GATES.values())
    assert all(set(row) != {"-"} for row in gates.GATES.values())
    assert {row.minor for row in versions.KUBEVIRT} <= set(gates.MINORS)
    assert list(gates.GATES) == sorted(gates.GATES)


@pytest.mark.parametrize("version", ["1.7.4", "v1.8.4", "1.9.0-standin"])
def test_gates_that_can_be_switched_are_taken(version: str) -> None:
    assert faults(["HostDisk", "VSOCK"], ["Snapshot"] if "1.7" not in version else [], version) == []


def test_a_name_that_is_nearly_one_is_told_with_the_one() -> None:
    assert faults(["hostdisks"]) == ["on: hostdisks is no feature gate of KubeVirt 1.9; did you mean HostDisk?"]
    assert faults(["WarpDrive"]) == ["on: WarpDrive is no feature gate of KubeVirt 1.9; take it out"]
    assert faults([], ["Snapshots"]) == ["off: Snapshots is no feature gate of KubeVirt 1.9; did you mean Snapshot?"]


def test_a_gate_of_another_version_is_told_apart_from_one_that_never_was() -> None:
    assert faults(["OCIExport"], version="1.8.4") == [
        "on: KubeVirt 1.8 does not have OCIExport, which is in 1.9; take it out"
    ]


def test_graduated_and_discontinued_gates_are_told_apart() -> None:
    assert faults(["ExpandDisks"]) == ["on: ExpandDisks has graduated and is always on in KubeVirt 1.9; take it out"]
    assert faults(["ExpandDisks"], version="1.8.4") == []
    assert faults([], ["ExpandDisks"]) == [
        "off: ExpandDisks has graduated, KubeVirt 1.9 cannot switch it off; take it out"
    ]
    assert faults(["Passt"]) == [
        "on: Passt was discontinued, KubeVirt 1.9 no longer has what it switched on; take it out"
    ]


def test_a_gate_in_both_lists_is_refused_also_where_the_version_is_not_known() -> None:
    assert faults(["HostDisk"], ["HostDisk"], "2.0") == ["on and off: HostDisk is in both; take it out of one"]
    assert faults(["Whatever"], [], "2.0") == []


def test_a_version_without_disabled_gates_refuses_them() -> None:
    assert faults([], ["Snapshot"], "1.7.4") == [
        "off: KubeVirt 1.7 cannot disable gates; leave it empty, what is not in on is off there"
    ]


@pytest.mark.parametrize("wrong", ["HostDisk", {"HostDisk": True}, [1]])
def test_what_is_no_list_of_names_is_refused(wrong: object) -> None:
    assert faults(wrong) == [f"on: {wrong!r} must be a list of names of feature gates"]
