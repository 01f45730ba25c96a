#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_power
short_description: Start, stop, restart, pause, reboot and reset KubeVirt virtual machines, one or hundreds in a task
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Brings virtual machines into a power state, and waits until they have got there. A machine that is there already is
    left alone; one that is on its way elsewhere is waited for first, so that a machine whose last instance still ends
    can be started.
  - A restart has ended when the I(new) instance is ready. What KubeVirt would refuse in any case is refused before
    anything is sent, with the reason.
  - KubeVirt itself changes run strategies. V(stopped) makes C(Always) and C(Once) machines C(Halted), and V(started)
    makes C(Halted) ones C(Always). C(Manual) and C(RerunOnFailure) stay.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  vms:
    description:
      - The machines. Each entry wins over O(defaults).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the machine.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the machine. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - The state to bring the machine into. Needed for each, here, in O(defaults) or for the whole task.
            - V(started) starts a stopped machine. A paused one counts as started.
            - V(stopped) shuts the guest down and waits until the instance is gone.
            - V(restarted) ends the instance and waits for the new one; it starts a machine that is stopped. Always a
              change.
            - V(paused) and V(unpaused) freeze and thaw the guest's CPUs. Its memory stays on its node.
            - V(soft_rebooted) asks the guest to reboot, through its agent or by ACPI. Always a change. The instance
              stays, so there is nothing to wait for.
            - V(reset) resets the guest as a reset button does. Always a change, and nothing to wait for.
          type: str
          choices: [started, stopped, restarted, paused, unpaused, soft_rebooted, reset]
        grace_period:
          description:
            - Seconds that the guest is given to shut down with V(stopped), instead of those in the machine's spec. A
              machine that shuts down already is stopped sooner where this is less.
          type: int
        force:
          description:
            - Whether to give the guest no time with V(stopped) and V(restarted).
          type: bool
  defaults:
    description:
      - What the machines in O(vms) have in common.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - Name of the machine, in the short form for one machine. The options below are then its own.
    type: str
  <<: *options
  serial:
    description:
      - How many machines are on their way at once; 0 stands for all. The next ones follow once these have got there, and
        are left alone once one has failed. Needs O(wait=true).
    type: int
    default: 0
  unschedulable_grace:
    description:
      - Seconds that a machine may stay unschedulable, or refused by its node, before waiting fails with the reason.
    type: int
    default: 60
seealso:
  - module: virtops.kubevirt_ha.vm
  - module: virtops.kubevirt_ha.vm_info
"""

EXAMPLES = r"""
- name: Restart the web servers, two at a time
  virtops.kubevirt_ha.vm_power:
    namespace: shop
    state: restarted
    serial: 2
    vms:
      - name: web-1
      - name: web-2
      - name: web-3
      - name: web-4

- name: Stop one, and give its guest two minutes
  virtops.kubevirt_ha.vm_power:
    name: database
    namespace: shop
    state: stopped
    grace_period: 120

- name: Start all that are stopped
  virtops.kubevirt_ha.vm_power:
    state: started
    vms: "{{ found.vms | rejectattr('created') | json_query('[].{name: name, namespace: namespace}') }}"
"""

RETURN = r"""
vms:
  description: One entry for each machine, in the order given.
  returned: unless the parameters have faults
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
      returned: always
    namespace:
      description: Namespace.
      type: str
      returned: always
    changed:
      description: Whether something was sent, or would be in check mode.
      type: bool
      returned: always
    action:
      description: The subresource that was called, such as V(start); V(none) where nothing was to be done, V(failed) where
        nothing could be.
      type: str
      returned: always
    run_strategy:
      description: Run strategy; another one than before where KubeVirt changed it.
      type: str
      returned: always
    status:
      description: KubeVirt's C(printableStatus).
      type: str
      returned: always
    ready:
      description: Whether the instance is ready.
      type: bool
      returned: always
    instance:
      description: The instance as M(virtops.kubevirt_ha.vm_info) shows it; none where the machine is stopped.
      type: dict
      returned: always
    error:
      description: What failed, where, why, and what to do about it.
      type: dict
      returned: on failure of this machine
requests:
  description: How many requests were sent.
  returned: unless the parameters have faults
  type: dict
  contains:
    reads:
      description: Reads; a call that only asks what would be done counts as one.
      type: int
      returned: always
    writes:
      description: Calls that were sent.
      type: int
      returned: always
    watches:
      description: Watches.
      type: int
      returned: always
error:
  description: What failed, where, why, and what to do about it; C(failures) has one entry for each machine that failed.
  returned: on failure
  type: dict
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import power_module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    power_module.run_module(Module(power_module.spec(), check=power_module.faults))


if __name__ == "__main__":
    main()
