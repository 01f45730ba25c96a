#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_export
short_description: Export volumes and definitions of KubeVirt virtual machines, and download them
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates and deletes KubeVirt's C(VirtualMachineExport) objects of machines, snapshots and claims, waits until they are
    ready, and tells their links.
  - Downloads what is wanted to where the module runs, in pieces, with the certificate checked. A file is there as a whole or
    not at all, readable by its owner only. Where a connection breaks, a raw disk is gone on with, and what is packed is
    begun anew. How far a download is shows the size of the file C(.NAME.*.part) beside it.
  - The token of an export never appears in output or logs.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  items:
    description:
      - The exports. Each entry wins over O(defaults).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the export.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the export and its source. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - Whether the export is to exist. V(present) is the default. KubeVirt deletes it when its time is over.
          type: str
          choices: [present, absent]
        vm:
          description:
            - The machine to export, which must be stopped. One of O(items[].vm), O(items[].snapshot) and O(items[].pvc) is
              needed unless the export is to be absent.
          type: str
        snapshot:
          description:
            - The snapshot to export. Its machine may run.
          type: str
        pvc:
          description:
            - The claim to export, which must not be in use.
          type: str
        ttl:
          description:
            - Seconds after which KubeVirt deletes the export. Its default is two hours.
          type: int
        token_secret:
          description:
            - Name of a Secret with the token under the key C(token). Without it KubeVirt makes one, and deletes it along
              with the export.
          type: str
        labels:
          description:
            - Labels of the export. A value of V(null) removes a label.
          type: dict
        annotations:
          description:
            - Annotations of the export. A value of V(null) removes an annotation.
          type: dict
        downloads:
          description:
            - The files to bring to where the module runs.
            - O(wait_timeout) does not count for them. A download goes on where its connection broke, and fails after five
              attempts that brought no more than was there before, after five beginnings where the server cannot go on in
              the middle, and after 24 hours.
          type: list
          elements: dict
          suboptions:
            dest:
              description:
                - The file. Its folder must exist. One that is there is left alone unless O(items[].downloads[].force) is set.
              type: path
              required: true
            volume:
              description:
                - Name of the claim to download; in a snapshot the name of the claim that was snapshotted. Either this or
                  O(items[].downloads[].manifest) is needed.
              type: str
            format:
              description:
                - V(raw) and V(gzip) are a disk; V(tar.gz) is what lies in a claim that is not known to hold a disk. Where it
                  is not given, the packed one that there is.
              type: str
              choices: [gzip, raw, tar.gz]
            manifest:
              description:
                - V(all) for the machine's definition with what belongs to it; V(auth-header-secret) for a Secret that lets
                  CDI import from this export. It holds the token.
              type: str
              choices: [all, auth-header-secret]
            force:
              description:
                - Whether to download a file again that is there.
              type: bool
        link:
          description:
            - Whether to download from outside, through the Ingress or Route of the export proxy, or from inside the cluster
              or through a tunnel. V(external) is the default.
          type: str
          choices: [external, internal]
        via:
          description:
            - Scheme, host and port to connect to instead of the link's, such as those of a port-forward to the export's
              service. The certificate must still be of the link's host.
          type: str
  defaults:
    description:
      - What the exports in O(items) have in common.
    type: dict
    suboptions:
      <<: *options
  name:
    description:
      - Name of the export, in the short form for one export. The options below are then its own.
    type: str
  <<: *options
seealso:
  - module: virtops.kubevirt_ha.vm_snapshot
  - module: virtops.kubevirt_ha.data_volume
"""

EXAMPLES = r"""
- name: A machine's disk and definition, from a snapshot
  virtops.kubevirt_ha.vm_export:
    name: database-20261124
    namespace: shop
    snapshot: database-20261124-0300
    ttl: 3600
    downloads:
      - dest: /srv/backup/database.img.gz
        volume: database-data
        format: gzip
      - dest: /srv/backup/database.json
        manifest: all
  register: exported

- name: Keep the checksums
  ansible.builtin.copy:
    dest: /srv/backup/SHA256SUMS
    mode: "0600"
    content: |
      {% for file in exported.exports[0].downloads if file.sha256 is defined %}
      {{ file.sha256 }}  {{ file.dest | basename }}
      {% endfor %}

- name: Through a port-forward, where there is no Ingress
  virtops.kubevirt_ha.vm_export:
    name: worker-1
    namespace: shop
    vm: worker-1
    link: internal
    via: https://127.0.0.1:8443
    downloads:
      - dest: /srv/backup/worker-1.img.gz
        volume: worker-1-root

- name: Done with it
  virtops.kubevirt_ha.vm_export:
    name: database-20261124
    namespace: shop
    state: absent
"""

RETURN = r"""
exports:
  description: The outcome of each export, in the order they were given.
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
      description: Whether the export was written or a file downloaded, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(created), V(changed), V(deleted), V(unchanged) and V(failed).
      type: str
      returned: always
    uid:
      description: UID of the object; none for an export that is gone.
      type: str
      returned: always
    generation:
      description: Generation of the object's spec.
      type: int
      returned: always
    source_kind:
      description: V(VirtualMachine), V(VirtualMachineSnapshot) or V(PersistentVolumeClaim).
      type: str
      returned: always
    source:
      description: Name of what is exported.
      type: str
      returned: always
    vm:
      description: Name of the machine; none for a claim.
      type: str
      returned: always
    phase:
      description: KubeVirt's phase, V(Pending), V(Ready), V(Terminated) or V(Skipped).
      type: str
      returned: always
    ready:
      description: Whether the export can be downloaded.
      type: bool
      returned: always
    reason:
      description: The phase with the reason, where there is one.
      type: str
      returned: always
    expires_at:
      description: When KubeVirt deletes the export.
      type: str
      returned: always
    token_secret:
      description: Name of the Secret that holds the token.
      type: str
      returned: always
    service:
      description: Name of the exporter's service, to forward a port to.
      type: str
      returned: always
    links:
      description: The links C(internal) and C(external), each none where there are none.
      type: dict
      returned: always
      contains:
        internal:
          description:
            - The links inside the cluster. C(cert) is the authority to trust, as PEM; C(volumes) has the addresses of each
              volume by format, C(manifests) those of each manifest by kind.
          type: dict
          returned: always
        external:
          description: The same from outside, where an Ingress or Route leads to the export proxy.
          type: dict
          returned: always
    downloads:
      description: The files, in the order they were given.
      type: list
      elements: dict
      returned: always
      contains:
        dest:
          description: The file.
          type: str
          returned: always
        changed:
          description: Whether it was downloaded, or would have been in check mode.
          type: bool
          returned: always
        size:
          description: Its size in bytes.
          type: int
          returned: where it was downloaded
        sha256:
          description: SHA-256 of the file as it lies there, packed or not.
          type: str
          returned: where it was downloaded
        resumed:
          description: How often the connection broke and was taken up again.
          type: int
          returned: where it was downloaded
        error:
          description: What failed, where, why, and the way out.
          type: dict
          returned: for a file that failed
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for an export that failed
requests:
  description:
    - How many requests were sent to the API server; downloads are none of them. What only asks the server what it would do
      counts as a read.
  returned: unless the parameters have faults
  type: dict
  contains:
    reads:
      description: Reads.
      type: int
      returned: always
    writes:
      description: Writes.
      type: int
      returned: always
    watches:
      description: Watches.
      type: int
      returned: always
error:
  description: What failed, where, why, and the way out; C(faults) or C(failures) lists all where there are several.
  returned: on failure
  type: dict
"""

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.vm_export import DECLARED


def main() -> None:
    """The module's entry."""
    DECLARED.main()


if __name__ == "__main__":
    main()
