# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of libvirt_host_facts: parameters → session → facts."""

from __future__ import annotations

from typing import Any, NoReturn

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host import options, session, uri
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.libvirt_host.collector import collect
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module

FACTS = "kubevirt_ha_libvirt"


def run(module: Module) -> NoReturn:
    """Gathers the facts and ends the module; a part that failed is in the facts' errors and in a warning."""
    try:
        facts = _facts(module)
    except HaError as error:
        module.fail_with(error, changed=False)
    failed = sorted({str(error["part"]) for error in facts["errors"]})
    if failed:
        module.warn(f"Not all of {facts['uri']} could be read: see {FACTS}.errors for {', '.join(failed)}")
    module.exit_json(changed=False, ansible_facts={FACTS: facts})


def _facts(module: Module) -> dict[str, Any]:
    if not session.HAS_LIBVIRT:
        raise HaError(
            "libvirt-python is missing",
            why=missing_required_lib("libvirt", url="https://pypi.org/project/libvirt-python/").rstrip("."),
            fix="Install python3-libvirt (Debian, Ubuntu, Fedora, RHEL) or python3-libvirt-python (SUSE) there; "
            "libvirt-python of PyPI needs libvirt's headers",
        )
    target = uri.target(module.params)
    if target.by_ssh:
        target = uri.target(module.params, session.write_ssh(module.tmpdir, module.params))
    found = session.Session(target, options.access(module.params))
    try:
        return collect(found, options.wanted(module.params))
    finally:
        found.close()
