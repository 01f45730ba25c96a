# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the version matrix says of versions that an inventory asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# What the filters are made of is imported by them: Ansible loads every filter file of a collection, compiling it, in each worker
# that uses one of them.


def version_matrix_faults(wanted: Any, part: str, option: str, allow_untested: bool = False) -> list[str]:
    """The faults of one part, each with the name of the option that it is given by and what is allowed."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions

    if not isinstance(wanted, Mapping):
        raise AnsibleFilterError("virtops.kubevirt_ha.version_matrix_faults: give a map of versions by part")
    if allow_untested:
        return []
    return [f"{option}: {text}; {_way_out()}" for found, text in versions.faults(wanted) if found == part]


def version_matrix_csi_faults(images: Any, kubernetes: Any, option: str, allow_untested: bool = False) -> list[str]:
    """The faults of images of CSI drivers and snapshotters, each with the name of the option that it is given by."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions

    if isinstance(images, (str, Mapping)) or not isinstance(images, Iterable):
        raise AnsibleFilterError("virtops.kubevirt_ha.version_matrix_csi_faults: give a list of images")
    if allow_untested:
        return []
    return [f"{option}: {text}; {_way_out()}" for text in versions.csi_faults(map(str, images), kubernetes)]


def _way_out() -> str:
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions

    return f"or set {versions.ALLOW} to true and test it yourself"


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {
            "version_matrix_csi_faults": version_matrix_csi_faults,
            "version_matrix_faults": version_matrix_faults,
        }
