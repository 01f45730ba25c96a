# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of role `monitoring` as faults, files, services and objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# What the filters are made of is imported by them: Ansible loads every filter file of a collection, compiling it, in each worker
# that uses one of them.


def _asked(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise AnsibleFilterError(f"virtops.kubevirt_ha.{name}: give a map of the role's settings")
    return value


def _document(value: Any, ordered: bool) -> str:
    from ansible.plugins.filter import core

    return str(core.to_nice_yaml(value, indent=2, sort_keys=not ordered))


def monitoring_faults(given: Any) -> list[str]:
    """Every fault, each by the variable's name."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import faults

    return faults.faults(_asked(given, "monitoring_faults"))


def monitoring_host_faults(said: Iterable[str], given: Any) -> list[str]:
    """The faults of what a host said of itself."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import faults

    return list(faults.host_faults(list(said), _asked(given, "monitoring_host_faults")))


def monitoring_members(given: Any) -> dict[str, str]:
    """The monitoring nodes with their addresses."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import hosts

    return hosts.members(_asked(given, "monitoring_members"))


def monitoring_sources(given: Any) -> dict[str, list[str]]:
    """The texts of the controller that the files of a host are made of."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import files

    return files.sources(_asked(given, "monitoring_sources"))


def monitoring_files(given: Any, texts: Mapping[str, Mapping[str, str]], tokens: Any = None) -> list[dict[str, Any]]:
    """Everything that lies on a host."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import files

    def read(where: str, name: str) -> str:
        return texts[where][name]

    return files.files(_asked(given, "monitoring_files"), files.Texts(read, _document, dict(tokens or {})))


def monitoring_services(given: Any) -> list[list[dict[str, Any]]]:
    """What runs on a host, and after that what reads again."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import services

    asked = _asked(given, "monitoring_services")
    return [entries for entries in (services.services(asked), services.reloads(asked)) if entries]


def monitoring_operator_objects(given: Any, groups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a Prometheus operator is given."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import operator_form

    return operator_form.objects(_asked(given, "monitoring_operator_objects"), groups)


def monitoring_verdict(said: Sequence[Mapping[str, Any]], given: Any) -> dict[str, list[str]]:
    """Which targets are down, and what is a fault of the role."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.monitoring import scrape, targets

    expected = scrape.expected(_asked(given, "monitoring_verdict"))
    return {"down": targets.down(said), "bad": targets.bad(said, expected)}


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {
            "monitoring_faults": monitoring_faults,
            "monitoring_files": monitoring_files,
            "monitoring_host_faults": monitoring_host_faults,
            "monitoring_members": monitoring_members,
            "monitoring_operator_objects": monitoring_operator_objects,
            "monitoring_services": monitoring_services,
            "monitoring_sources": monitoring_sources,
            "monitoring_verdict": monitoring_verdict,
        }
