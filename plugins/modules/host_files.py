# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes many files of a host in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Write many files and folders of a host in one task
version_added: 0.3.0
author:
  - The virtops.kubevirt_ha contributors (@virtops)
description:
  - Does what as many tasks with M(ansible.builtin.template), M(ansible.builtin.copy) and M(ansible.builtin.file) do, with one look at the
    host. Contents of templates are given by the lookup P(ansible.builtin.template#lookup).
  - All new contents are checked by their programs before the first is written, and all refusals are told at once.
extends_documentation_fragment:
  - virtops.kubevirt_ha.attributes
options:
  files:
    description: What is wanted, in the order in which it is done; a folder stands before what is in it.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The absolute path.
        type: str
        required: true
      state:
        description: A file with O(files[].content), a folder, or nothing. A folder is removed only where it is empty.
        type: str
        choices: [file, directory, absent]
        default: file
      content:
        description: What the file holds. It is kept out of the system's log.
        type: str
      mode:
        description: Three octal digits such as V("0644"); required but for O(files[].state=absent).
        type: str
      owner:
        description: The user's name; without it a new path is root's and one that is there stays whose it is.
        type: str
      group:
        description: The group's name; as O(files[].owner).
        type: str
      validate:
        description:
          - A command that refuses wrong content by its exit code; C(%s) stands for a file with it, which has the name of the file to be. Without a shell.
          - In check mode a program that is not there yet is passed over.
        type: str
      secret:
        description: Whether the difference says only that the content differs, and refusals do not quote the checker.
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: Write what the proxy reads
  virtops.kubevirt_ha.host_files:
    files:
      - path: /etc/haproxy/errors
        state: directory
        mode: "0755"
      - path: /etc/haproxy/haproxy.cfg
        content: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
        mode: "0644"
        validate: haproxy -c -f %s
"""

RETURN = r"""
paths:
  description: The paths that differed from what is wanted.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.host_files import service


def main() -> None:
    """The module's entry."""
    entry = {
        "path": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
        # Out of the system's log; differences are lines of it, which stay readable.
        "content": {"type": "str", "no_log": True},
        "mode": {"type": "str"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "validate": {"type": "str"},
        "secret": {"type": "bool", "default": False, "no_log": False},
    }
    spec = {"files": {"type": "list", "elements": "dict", "required": True, "options": entry}}
    module = AnsibleModule(spec, supports_check_mode=True)
    # A content of one word would be blotted out wherever that word stands; secrets are not told in the first place.
    module.no_log_values.clear()
    try:
        result = service.run(module, module.params["files"], module.tmpdir, check=module.check_mode)
    except HaError as error:
        module.fail_json(msg=str(error), error=error.as_dict(), invocation=None)
    module.exit_json(**result, invocation=None)


if __name__ == "__main__":
    main()
