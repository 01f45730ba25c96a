# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of drills against a recovery budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# What the filters are made of is imported by them: Ansible loads every filter file of a collection, compiling it, in each worker
# that uses one of them.


def recovery_budget(reports: Any, budget: Any = None) -> dict[str, Any]:
    """Judges one drill's report, or several, by the limits of a budget."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import allowance

    try:
        if isinstance(reports, str) or not isinstance(reports, Iterable):
            raise ValueError(
                f"{type(reports).__name__} is no drill report; give the content of report.json, through from_json,"
                " or a list of them"
            )
        given = [reports] if isinstance(reports, Mapping) else list(reports)
        return allowance.judge(given, budget)
    except ValueError as error:
        raise AnsibleFilterError(f"virtops.kubevirt_ha.recovery_budget: {error}") from error


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"recovery_budget": recovery_budget}
