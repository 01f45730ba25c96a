#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_snapshot
short_description: Take a snapshot of etcd, verify it, and keep the newest
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Takes a snapshot from a healthy member of O(endpoints) through its HTTP gateway, follower before leader, and from the next
    member where one fails. Nothing but Python is needed on the host.
  - Verifies it before it gets its name. The file must end in the SHA-256 of its content that etcd appends, its database
    must be readable, and it must not be older than the member said it was. C(etcdutl) looks at it, too, where there is one.
  - The file holds all Secrets of the cluster. It is there whole or not at all, and only its owner may read it. A note
    beside it, C(<file>.json), says when it was taken, from where and what is in it, and is no secret.
  - A member without a leader, or a cluster without quorum, is refused, since such a snapshot may be old. Alarms and members
    that do not answer are warnings.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.etcd
options:
  state:
    description:
      - V(present) takes a snapshot, unless O(max_age) or O(path) finds a sound one.
      - V(verified) takes none and does not ask etcd. It verifies the snapshot at O(path), or the newest in O(directory), and
        fails where that is damaged, missing, or older than O(max_age).
      - V(status) takes none, looks at none, and tells the health of the cluster.
    type: str
    choices: [present, verified, status]
    default: present
  directory:
    description:
      - The directory for snapshots that are named by their time, such as C(etcd-snapshot-20260102T030405Z.db). It is made
        for its owner only where it is missing.
    type: path
  prefix:
    description:
      - What the names of the snapshots in O(directory) begin with. Snapshots of another prefix are not counted, not verified
        and not removed.
    type: str
    default: etcd-snapshot-
  path:
    description:
      - The file for the snapshot, instead of O(directory). A sound snapshot of this module that is there is left as it is.
        Anything else there is refused, unless O(force).
    type: path
  keep:
    description:
      - How many snapshots to keep in O(directory), the new one included. Older ones are removed after the new one is
        verified, but only those with a note of this module. All are kept where it is not given.
    type: int
  max_age:
    description:
      - Seconds. Where the newest sound snapshot is younger, none is taken. With O(state=verified) an older one fails the task.
      - Without it each run with O(directory) takes a snapshot.
    type: int
  force:
    description:
      - Whether to take a snapshot whatever its age, and to overwrite what is at O(path).
    type: bool
    default: false
  etcdutl:
    description:
      - Path to C(etcdutl), for its check of every page and its hash. Where it is not given, the one on E(PATH) is used, if any.
    type: path
  timeout:
    description:
      - Seconds for the transfer of the snapshot.
    type: int
    default: 600
requirements:
  - python >= 3.9
  - etcd 3.5, 3.6 or 3.7 with its HTTP gateway, which is on by default
seealso:
  - module: virtops.kubevirt_ha.redundancy_info
"""

EXAMPLES = r"""
- name: Take a snapshot on a control plane of kubeadm each day, and keep a week of them
  virtops.kubevirt_ha.etcd_snapshot:
    directory: /var/backups/etcd
    max_age: 82800
    keep: 7
  register: snapshot

- name: Note it where kubevirt_info looks for it
  kubernetes.core.k8s:
    api_version: v1
    kind: ConfigMap
    namespace: kube-system
    name: kubevirt-ha-etcd-backup
    definition:
      data:
        taken_at: "{{ snapshot.taken_at }}"
        location: "{{ snapshot.path }}"
        # The checksum stands for the verification where etcdutl is not there.
        hash: "{{ snapshot.hash or snapshot.sha256 }}"

- name: Take one from whichever member is healthy, before an upgrade
  virtops.kubevirt_ha.etcd_snapshot:
    endpoints:
      - https://10.77.0.11:2379
      - https://10.77.0.12:2379
      - https://10.77.0.13:2379
    ca_cert: /etc/etcd/ca.crt
    client_cert: /etc/etcd/client.crt
    client_key: /etc/etcd/client.key
    path: /var/backups/etcd/before-upgrade.db
  register: snapshot

- name: Fail unless there is a sound snapshot of today
  virtops.kubevirt_ha.etcd_snapshot:
    state: verified
    directory: /var/backups/etcd
    max_age: 86400
"""

RETURN = r"""
taken:
  description: Whether a snapshot was taken.
  type: bool
  returned: success
path:
  description: The snapshot's file; in check mode where it would be.
  type: str
  returned: unless O(state=status)
  sample: /var/backups/etcd/etcd-snapshot-20260102T030405Z.db
size:
  description: Its size in bytes; none in check mode.
  type: int
  returned: success
expected_size:
  description: The size that the member's database lets expect.
  type: int
  returned: where a snapshot was or would be taken
sha256:
  description: SHA-256 of the whole file.
  type: str
  returned: success
revision:
  description: The revision of the newest change in it.
  type: int
  returned: success
total_keys:
  description: How many keys exist at that revision, as C(etcdutl) 3.7 counts; older ones count every entry of the database.
  type: int
  returned: success
version:
  description: Version of the storage's form; none before etcd 3.6.
  type: str
  returned: success
  sample: 3.7.0
hash:
  description: The hash that C(etcdutl snapshot status) shows; none where it was not used.
  type: str
  returned: success
  sample: 57255525
verified_with:
  description: What looked at the file, V(sha256), V(database) and V(etcdutl).
  type: list
  elements: str
  returned: success
taken_at:
  description: When the transfer began, in UTC; none where that is not known.
  type: str
  returned: success
  sample: "2026-01-02T03:04:05Z"
age_seconds:
  description: The age of a snapshot that was there already.
  type: int
  returned: where none was taken
duration_seconds:
  description: How long it took to take and verify.
  type: float
  returned: where a snapshot was or would be taken
member:
  description: The member it is from, with C(id), C(name), C(endpoint), C(version), and whether it was the C(leader).
  type: dict
  returned: success
cluster_id:
  description: ID of the etcd cluster it is from.
  type: str
  returned: success
cluster:
  description: Health of the cluster.
  type: dict
  returned: where a snapshot was or would be taken, and with O(state=status)
  contains:
    id:
      description: The cluster's ID.
      type: str
      returned: always
    leader:
      description: Name of the leader.
      type: str
      returned: always
    healthy:
      description: Whether every member answers without a complaint and there is no alarm.
      type: bool
      returned: always
    alarms:
      description: Alarms with C(member) and C(alarm), which is V(NOSPACE) or V(CORRUPT).
      type: list
      elements: dict
      returned: always
    members:
      description:
        - Every member with C(id), C(name), C(client_urls), C(peer_urls), C(reachable), C(leader), C(learner), C(version), C(revision),
          C(db_size), C(db_size_in_use), C(db_size_quota) and C(errors). Sizes are in bytes; the quota is told by etcd 3.6
          and newer.
      type: list
      elements: dict
      returned: always
removed:
  description: Snapshots that were removed, or would be, because O(keep) newer ones are there.
  type: list
  elements: str
  returned: with O(state=present)
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import etcd_snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    etcd_snapshot.run_module(Module(etcd_snapshot.spec(), check=etcd_snapshot.faults))


if __name__ == "__main__":
    main()
