#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_migration
short_description: Live-migrate KubeVirt virtual machines, one or hundreds in a task, to any or to a named node
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Migrates running or paused virtual machines, and follows each migration until the machine is ready on its new node; or
    cancels migrations that are under way.
  - What cannot be migrated is refused before anything is sent, with the reason. A migration that finds no node, or does
    not end in time, is cancelled, so that nothing is left half-way.
  - With O(node) a machine that runs there already is left alone. Without, each run migrates, so it always is a change.
  - A migration that is under way already is waited for instead of a second one, which KubeVirt would not admit; it is
    reported as adopted, and is no change of this task.
  - Migrations that are over stay as objects; KubeVirt itself keeps the last five of a machine.
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
          - Name of the machine, or of an instance without one.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the machine. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - V(migrated), which is what is done where nothing is given, moves the machine to another node.
            - V(cancelled) ends the machine's migration that is under way; the machine stays where it is. Where there is
              none nothing is changed.
          type: str
          choices: [migrated, cancelled]
        node:
          description:
            - Name of the node to go to. It must be ready, not be cordoned, and fit the machine's node selector, required
              node affinity, tolerations and CPU model. Without, the scheduler chooses.
          type: str
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
  parallel:
    description:
      - How many migrations are under way at once. Needs O(wait=true).
      - Without, as many as KubeVirt's own object allows in the cluster (C(parallelMigrationsPerCluster)) and away from one
        node (C(parallelOutboundMigrationsPerNode)).
    type: int
  unschedulable_grace:
    description:
      - Seconds that the scheduler may find no node for a migration before that is a failure. The migration is then
        cancelled, unless somebody else began it.
    type: int
    default: 60
  on_timeout:
    description:
      - What becomes of this task's migrations that are not over when O(wait_timeout) is.
      - V(cancel) cancels them. V(leave) lets them go on. Those that somebody else began go on in any case.
    type: str
    choices: [cancel, leave]
    default: cancel
  wait_timeout:
    description:
      - Seconds to wait at most, over all machines together.
    type: int
    default: 600
seealso:
  - module: virtops.kubevirt_ha.node_drain
  - module: virtops.kubevirt_ha.vm_power
"""

EXAMPLES = r"""
- name: Move one machine to any other node
  virtops.kubevirt_ha.vm_migration:
    name: web-1
    namespace: shop

- name: Bring three machines to one node, one after the other
  virtops.kubevirt_ha.vm_migration:
    namespace: shop
    node: node-3
    parallel: 1
    vms:
      - name: web-1
      - name: web-2
      - name: database

- name: Give up a migration that takes too long
  virtops.kubevirt_ha.vm_migration:
    name: database
    namespace: shop
    state: cancelled
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
      description: Whether a migration was created or deleted, or would be in check mode.
      type: bool
      returned: always
    action:
      description: What was done. V(migrate), V(adopt) where somebody's migration was waited for, V(cancel), V(none), or
        V(failed) where nothing could be.
      type: str
      returned: always
    outcome:
      description: What became of it. V(migrated), V(cancelled), V(in_flight) where it was not waited for or goes on,
        V(unchanged), or V(failed). A cancellation that came too late is V(migrated).
      type: str
      returned: always
    node:
      description: The node that the machine runs on now.
      type: str
      returned: always
    source_node:
      description: The node that the migration begins on.
      type: str
      returned: always
    target_node:
      description: The node that the migration goes to; none while that is not known.
      type: str
      returned: always
    ready:
      description: Whether the machine's instance is ready.
      type: bool
      returned: always
    migration:
      description: The migration; none where there was none.
      type: dict
      returned: always
      contains:
        name:
          description: Name of the migration.
          type: str
          returned: always
        uid:
          description: UID of the migration.
          type: str
          returned: always
        phase:
          description: Phase, such as V(Scheduling), V(Running), V(Succeeded) or V(Failed).
          type: str
          returned: always
        source_node:
          description: The node that it begins on, as KubeVirt says.
          type: str
          returned: always
        target_node:
          description: The node that it goes to.
          type: str
          returned: always
        mode:
          description: V(PreCopy), V(PostCopy) or V(Paused), once memory is moved.
          type: str
          returned: always
        started_at:
          description: When memory began to be moved, as RFC 3339.
          type: str
          returned: always
        ended_at:
          description: When that ended, as RFC 3339.
          type: str
          returned: always
        seconds:
          description: Seconds between the two. KubeVirt tells whole seconds.
          type: float
          returned: always
        failure_reason:
          description: Why it failed, as KubeVirt says.
          type: str
          returned: always
        downtime_seconds:
          description: Always none, for KubeVirt puts it into no object and no metric.
          type: float
          returned: always
    data:
      description: How much memory was moved when the task ended, of migrations that were under way then; none of others.
      type: dict
      returned: always
      contains:
        total_bytes:
          description: Bytes to be moved. None where that is not known.
          type: int
          returned: always
        processed_bytes:
          description: Bytes moved. None where that is not known.
          type: int
          returned: always
        remaining_bytes:
          description: Bytes left. None where that is not known.
          type: int
          returned: always
        source:
          description: Where the figures are from. None where there are none.
          type: str
          returned: always
        why:
          description: Why there are no figures. They are in the metrics of the node's virt-handler alone, which are read
            through the API server, and only while memory is moved.
          type: str
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
      description: Reads; a migration that the server is only asked about counts as one.
      type: int
      returned: always
    writes:
      description: Migrations created and deleted.
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

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import migration_module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    migration_module.run_module(Module(migration_module.spec(), check=migration_module.faults))


if __name__ == "__main__":
    main()
