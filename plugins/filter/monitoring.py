# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of the role monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import faults


def monitoring_faults(given: Any) -> list[str]:
    """Every fault, each by the variable's name."""
    if not isinstance(given, Mapping):
        raise AnsibleFilterError("virtops.kubevirt_ha.monitoring_faults: give a map of the role's variables")
    return faults.faults(given)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"monitoring_faults": monitoring_faults}
