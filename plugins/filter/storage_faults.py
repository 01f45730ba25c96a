# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage host said, judged as a drill does."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# What the filters are made of is imported by them: Ansible loads every filter file of a collection, compiling it, in each worker
# that uses one of them.


def storage_faults(text: Any, kind: str, host: str) -> list[str]:
    """Faults of the redundancy in the output of a storage host's command."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.drill import redundancy

    if not isinstance(text, str):
        raise AnsibleFilterError(
            f"virtops.kubevirt_ha.storage_faults: {type(text).__name__} is no text; give the command's output"
        )
    return redundancy.storage_faults({"host": host, "kind": kind, "text": text})


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"storage_faults": storage_faults}
