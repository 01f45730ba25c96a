# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of role `kubevirt` as faults and as the objects that are applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# What the filters are made of is imported by them: Ansible loads every filter file of a collection, compiling it, in each worker
# that uses one of them.


def _asked(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise AnsibleFilterError(f"virtops.kubevirt_ha.{name}: give a map of the role's settings")
    return value


def kubevirt_faults(given: Any, version: str = "", nodes: Any = None) -> list[str]:
    """The faults of the settings; nodes: how many nodes the components may run on, where that is known."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import settings

    return list(settings.faults(_asked(given, "kubevirt_faults"), version, None if nodes is None else int(nodes)))


def kubevirt_upgrade_faults(installed: str, target: str, option: str) -> list[str]:
    """Why a version of KubeVirt may not follow the one that runs."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import rollout

    return list(rollout.upgrade_faults(str(installed), str(target), option))


def kubevirt_operator_objects(documents: Any, given: Any, annotations: Any = None) -> list[dict[str, Any]]:
    """The operator's manifests with replicas, spread and disruption budget of the settings."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import resource

    asked = _asked(given, "kubevirt_operator_objects")
    return resource.operator_objects(list(documents), asked, dict(annotations or {}))


def kubevirt_object(base: Any, given: Any, profile: Any, overrides: Any = None) -> dict[str, Any]:
    """The KubeVirt object of a source with the settings and the overrides in it."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import resource

    return resource.kubevirt(dict(base), _asked(given, "kubevirt_object"), profile, dict(overrides or {}))


def kubevirt_cdi_object(base: Any, given: Any) -> dict[str, Any]:
    """CDI's object of a source with the settings in it."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import resource

    return resource.cdi(dict(base), _asked(given, "kubevirt_cdi_object"))


def kubevirt_cdi_version(kubevirt: Any) -> str:
    """The CDI that goes with a KubeVirt by the version matrix, empty where that is not known."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import versions

    return versions.cdi_of(kubevirt)


def kubevirt_olm_objects(given: Any) -> list[dict[str, Any]]:
    """Namespace, OperatorGroup and Subscription of the HyperConverged operator."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import openshift

    return openshift.subscription(_asked(given, "kubevirt_olm_objects"))


def kubevirt_hyperconverged(given: Any) -> dict[str, Any]:
    """The HyperConverged object of the settings."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import openshift

    return openshift.hyperconverged(_asked(given, "kubevirt_hyperconverged"))


def kubevirt_hyperconverged_dropped(found: Any, given: Any) -> list[str]:
    """The fields of the settings' HyperConverged object that the one the server made has not."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import openshift

    asked = openshift.hyperconverged(_asked(given, "kubevirt_hyperconverged_dropped"))
    return list(openshift.dropped(asked["spec"], _asked(found, "kubevirt_hyperconverged_dropped").get("spec") or {}))


def kubevirt_hyperconverged_waits(found: Any) -> list[str]:
    """The conditions of a HyperConverged object that do not hold yet."""
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_platform import openshift

    return openshift.waiting_for(_asked(found, "kubevirt_hyperconverged_waits"))


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {
            "kubevirt_cdi_object": kubevirt_cdi_object,
            "kubevirt_cdi_version": kubevirt_cdi_version,
            "kubevirt_faults": kubevirt_faults,
            "kubevirt_hyperconverged": kubevirt_hyperconverged,
            "kubevirt_hyperconverged_dropped": kubevirt_hyperconverged_dropped,
            "kubevirt_hyperconverged_waits": kubevirt_hyperconverged_waits,
            "kubevirt_object": kubevirt_object,
            "kubevirt_olm_objects": kubevirt_olm_objects,
            "kubevirt_operator_objects": kubevirt_operator_objects,
            "kubevirt_upgrade_faults": kubevirt_upgrade_faults,
        }
