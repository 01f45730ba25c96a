#!/usr/bin/python
# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_volume
short_description: Create, fill, upload, grow and delete CDI data volumes, one or hundreds in a task
version_added: 0.2.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Creates CDI's C(DataVolume) objects from every source that CDI knows, and waits until they are filled. Files are
    uploaded through CDI's upload proxy.
  - A volume that is bound with its first consumer (C(WaitForFirstConsumer), C(PendingPopulation)) counts as reached, as
    it is filled once a machine wants it. An import in stages counts as reached at each stage (C(Paused)).
  - What can never succeed fails at once with its reason, such as the phase C(Failed) and a lost claim; what CDI tries
    for ever fails after O(max_restarts) or O(failure_grace).
  - Only what is given is compared. CDI lets nobody change a volume once it is made, so another source, class, or mode
    is refused by name. A larger O(size) makes the claim grow where its StorageClass lets it; a smaller one is refused.
  - One volume costs one read, many cost one list in pages of 500. Where a volume is made, deleted or grown, its claims
    are read too. Volumes that are as wanted are not written.
  - A volume whose DataVolume was deleted by CDI once it had succeeded (before CDI 1.62) is there, and is not filled
    again.
  - A faulty parameter fails the task before anything is changed, with all faults listed. A volume that the cluster
    refuses does not stop the others; the task fails at the end with every failure listed.
  - Ansible shows nothing of a module before its end. While the task runs, its progress stands in the system's log of
    the host that the module runs on (C(journalctl -t ansible-data_volume -f)), and
    M(virtops.kubevirt_ha.data_volume_info) tells it from elsewhere.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
  - virtops.kubevirt_ha.connection
  - virtops.kubevirt_ha.wait
  - virtops.kubevirt_ha.bulk
options:
  items:
    description:
      - The volumes. Each entry wins over O(defaults), option by option; its source replaces that of O(defaults).
    type: list
    elements: dict
    suboptions:
      name: &name
        description:
          - Name of the volume, of at most 253 characters; its claim has the same.
        type: str
        required: true
      <<: &options
        namespace:
          description:
            - Namespace of the volume. Needed for each, here, in O(defaults) or for the whole task.
          type: str
        state:
          description:
            - Whether the volume is to exist. V(present) is the default. V(absent) takes its claim along, and waits for
              it. The volume of a machine's template is refused, as the machine would make it again.
          type: str
          choices: [present, absent]
        source:
          description:
            - What the volume is filled with, one of these. Needed for a new volume, unless O(items[].spec) says it.
          type: dict
          suboptions:
            http:
              description: ["An image or archive at an address."]
              type: dict
              suboptions:
                url:
                  description: ["Address, http:// or https://."]
                  type: str
                  required: true
                secret: &secret
                  description: ["Name of the Secret with the log-in."]
                  type: str
                cert_config_map: &cert_config_map
                  description: ["Name of the ConfigMap with the authority of the server's certificate."]
                  type: str
                extra_headers:
                  description:
                    - Headers to send. They stand in the object for everybody who may read it, so a secret one belongs
                      into O(items[].source.http.secret_extra_headers).
                  type: list
                  elements: str
                secret_extra_headers:
                  description: ["Names of Secrets with a header each."]
                  type: list
                  elements: str
                checksum:
                  description:
                    - "C(algorithm:hash) that the download must have, with md5, sha1, sha256 or sha512. Needs CDI
                      1.66."
                  type: str
                insecure_skip_verify: &insecure
                  description: ["Whether the server's certificate is not checked."]
                  type: bool
            registry:
              description: ["A container disk."]
              type: dict
              suboptions:
                url:
                  description: ["Image, docker:// or oci-archive://."]
                  type: str
                image_stream:
                  description:
                    - "Name of an OpenShift image stream instead; needs O(items[].source.registry.pull_method=node)."
                  type: str
                pull_method:
                  description: ["Whether the importer pulls the image (V(pod)) or the node's container runtime."]
                  type: str
                  choices: [pod, node]
                secret: *secret
                cert_config_map: *cert_config_map
                architecture:
                  description: ["CPU architecture of the image to take."]
                  type: str
            pvc:
              description: ["A copy of a claim."]
              type: dict
              suboptions: &named
                name:
                  description: ["Name."]
                  type: str
                  required: true
                namespace:
                  description: ["Namespace; the volume's own by default."]
                  type: str
            snapshot:
              description: ["A VolumeSnapshot."]
              type: dict
              suboptions: *named
            data_source:
              description: ["A DataSource, which stands for the newest image of its kind."]
              type: dict
              suboptions: *named
            upload:
              description:
                - A file that is uploaded. Without O(items[].source.upload.path) the volume is made ready for an upload
                  by somebody else, and is waited for as far as that.
                - A volume that is filled is left alone, whatever the file holds. An upload that broke off is begun
                  anew.
              type: dict
              suboptions:
                path:
                  description:
                    - Path of the file on the host that the module runs on, which must reach the upload proxy.
                      C(delegate_to localhost) sends a file of the controller; without it each host sends its own.
                    - It is read in blocks, so its size does not matter. The upload server is waited for even with
                      O(wait=false); the time that the upload itself takes does not count for O(wait_timeout).
                  type: path
            blank:
              description: ["An empty disk."]
              type: bool
            s3:
              description: ["An object of an S3 store."]
              type: dict
              suboptions:
                url: &url
                  description: ["Address."]
                  type: str
                  required: true
                secret: *secret
                cert_config_map: *cert_config_map
            gcs:
              description: ["An object of Google Cloud Storage."]
              type: dict
              suboptions:
                url: *url
                secret: *secret
            imageio:
              description: ["A disk of oVirt."]
              type: dict
              suboptions:
                url: *url
                disk_id:
                  description: ["ID of the disk."]
                  type: str
                  required: true
                secret: &needed_secret
                  description: ["Name of the Secret with the log-in."]
                  type: str
                  required: true
                cert_config_map: *cert_config_map
                insecure_skip_verify: *insecure
            vddk:
              description: ["A disk of VMware."]
              type: dict
              suboptions:
                url: *url
                uuid:
                  description: ["UUID of the machine."]
                  type: str
                  required: true
                backing_file:
                  description: ["Path of the disk."]
                  type: str
                  required: true
                thumbprint:
                  description: ["Thumbprint of the server's certificate."]
                  type: str
                  required: true
                secret: *needed_secret
                cert_config_map: *cert_config_map
                init_image_url:
                  description: ["Image with the VDDK library."]
                  type: str
                extra_args:
                  description: ["Name of the ConfigMap with arguments of the VDDK library."]
                  type: str
        size:
          description:
            - Size of the disk, such as V(20Gi). A claim on a file system gets somewhat more, as CDI adds what that
              takes. Not needed where the source is a claim, a snapshot or a DataSource.
            - More than before makes the volume grow once it is filled.
          type: str
        storage_class:
          description: ["StorageClass; the cluster's default for machines, else its default, where it is not given."]
          type: str
        access_modes:
          description: ["Access modes; those of the class' StorageProfile where they are not given."]
          type: list
          elements: str
          choices: [ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod]
        volume_mode:
          description: ["Volume mode; that of the class' StorageProfile where it is not given."]
          type: str
          choices: [Filesystem, Block]
        content_type:
          description: ["Whether the data are a disk (V(kubevirt), CDI's default) or an archive to unpack."]
          type: str
          choices: [kubevirt, archive]
        preallocation:
          description: ["Whether all of the disk is allocated in advance."]
          type: bool
        priority_class:
          description: ["PriorityClass of the pods that fill the volume."]
          type: str
        service_account:
          description: ["ServiceAccount of the pods that fill the volume."]
          type: str
        bind_immediately:
          description:
            - Whether a new volume is filled at once even where its StorageClass waits for a first consumer. V(true) by
              default for an upload of a file, which could not begin otherwise; V(false) for all else.
          type: bool
        labels:
          description: ["Labels. A value of V(null) removes a label."]
          type: dict
        annotations:
          description: ["Annotations. A value of V(null) removes an annotation."]
          type: dict
        checkpoints:
          description:
            - Stages of a warm import from V(vddk) or V(imageio), all of them each time. The next one is added with the
              next task.
          type: list
          elements: dict
          suboptions:
            previous:
              description: ["Snapshot of the stage before; empty for the first one."]
              type: str
              required: true
            current:
              description: ["Snapshot of this stage."]
              type: str
              required: true
        final_checkpoint:
          description: ["Whether the last of O(items[].checkpoints) is the last of all."]
          type: bool
        spec:
          description:
            - Anything else of the DataVolume's C(spec), in the API's own form; it is merged over the other options.
          type: dict
  defaults:
    description:
      - Options for all of O(items).
    type: dict
    suboptions: *options
  name:
    description:
      - Name of one volume, whose options stand beside it.
    type: str
  <<: *options
  max_restarts:
    description:
      - How often a transfer that fails may be begun again by CDI before it counts as failed.
    type: int
    default: 3
  failure_grace:
    description:
      - Seconds that something else may be wrong that somebody could still mend, such as a source or a StorageClass that
        is not there, or an exceeded quota.
    type: int
    default: 60
  upload_proxy_url:
    description:
      - Address of CDI's upload proxy. Where it is not given, that which CDI publishes in its C(CDIConfig). With
        C(kubectl port-forward -n cdi service/cdi-uploadproxy 8443:443) it is V(https://localhost:8443).
    type: str
  upload_proxy_ca:
    description:
      - File with the authority of the upload proxy's certificate. Where it is not given, that which CDI publishes, else
        the system's own. O(validate_certs=false) holds for the upload proxy, too.
    type: path
  upload_retries:
    description:
      - How often an upload that broke off is begun anew.
    type: int
    default: 3
seealso:
  - module: virtops.kubevirt_ha.data_volume_info
  - module: virtops.kubevirt_ha.vm
"""

EXAMPLES = r"""
- name: Import an image, and wait until it is there
  virtops.kubevirt_ha.data_volume:
    name: debian-12
    namespace: images
    source:
      http:
        url: https://cloud.example.com/debian-12.qcow2
        checksum: sha256:0b1a4ab6fd0ecad4e0bd7e9c3f0de2ec9a4ffa7b0a0a5a2b6b9d8c8b2ed6d7d0
    size: 10Gi
    wait_timeout: 1800

- name: A root disk each, copied from the image
  virtops.kubevirt_ha.data_volume:
    defaults:
      namespace: shop
      source: {pvc: {name: debian-12, namespace: images}}
      size: 20Gi
    items:
      - name: web-1-root
      - name: web-2-root
      - name: database-root
        size: 100Gi
        storage_class: fast

- name: Upload an image from the controller
  virtops.kubevirt_ha.data_volume:
    name: appliance
    namespace: images
    source: {upload: {path: /srv/images/appliance.qcow2}}
    size: 8Gi
  delegate_to: localhost
  run_once: true

- name: Let a volume grow
  virtops.kubevirt_ha.data_volume:
    name: database-root
    namespace: shop
    size: 200Gi

- name: Delete volumes with their claims
  virtops.kubevirt_ha.data_volume:
    namespace: shop
    state: absent
    items:
      - name: web-1-root
      - name: web-2-root
"""

RETURN = r"""
data_volumes:
  description: The outcome of each volume, in the order they were given.
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
      description: Whether something was written, or would have been in check mode.
      type: bool
      returned: always
    action:
      description: One of V(created), V(changed), V(deleted), V(unchanged) and V(failed). Growth and uploads are changes.
      type: str
      returned: always
    uid:
      description: UID of the object; none for a volume that is gone.
      type: str
      returned: always
    generation:
      description: Generation of the object's spec.
      type: int
      returned: always
    phase:
      description: Phase, such as V(Succeeded).
      type: str
      returned: always
    progress:
      description: How much is transferred, such as V(12.34%); V(N/A) where CDI does not know.
      type: str
      returned: always
    restarts:
      description: How often the transfer was begun again.
      type: int
      returned: always
    source:
      description: Kind of the source, such as V(http).
      type: str
      returned: always
    size:
      description: Size that was asked for last; none where the source told it.
      type: str
      returned: always
    claim:
      description: Name of the claim.
      type: str
      returned: always
    claim_phase:
      description: Phase of the claim; none where the claim was not looked at.
      type: str
      returned: always
    capacity:
      description: Capacity of the claim; none where the claim was not looked at or is not bound.
      type: str
      returned: always
    storage_class:
      description: StorageClass of the claim; none where the claim was not looked at.
      type: str
      returned: always
    grown:
      description: Whether the claim was made to grow, or would have been in check mode.
      type: bool
      returned: always
    resize_pending:
      description: Whether the file system grows only once a machine uses the volume.
      type: bool
      returned: always
    uploaded_bytes:
      description: Bytes that were uploaded; none where nothing was.
      type: int
      returned: always
    error:
      description: What failed, where, why, and the way out.
      type: dict
      returned: for a volume that failed
requests:
  description:
    - How many requests were sent to the API server. What only asks it what it would do, as in check mode, counts as a
      read. The token of each upload counts as a write.
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

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import data_volume_module
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.module import Module


def main() -> None:
    """The module's entry."""
    data_volume_module.run_module(Module(data_volume_module.spec(), check=data_volume_module.faults))


if __name__ == "__main__":
    main()
