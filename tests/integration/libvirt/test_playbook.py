# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Through Ansible itself, as users do: the module is sent to a host's Python, and one host's facts are another's input."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .conftest import COLLECTIONS, Host
from .machine import PYTHON

PLAYBOOK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"virtops.kubevirt_ha.libvirt_host_facts": {"gather": ["host", "cpu"], "virttype": "qemu"}},
            {
                "virtops.kubevirt_ha.libvirt_host_facts": {
                    "gather": ["cpu"],
                    "virttype": "qemu",
                    "wanted_cpu": "qemu64",
                    "host_cpus": "{{ groups['all'] | map('extract', hostvars, "
                    "['ansible_facts', 'kubevirt_ha_libvirt', 'cpu']) }}",
                },
                "run_once": True,
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ ansible_facts.kubevirt_ha_libvirt | to_json }}",
                    "dest": "{{ playbook_dir }}/facts.json",
                    "mode": "0600",
                },
                "check_mode": False,
                "run_once": True,
            },
        ],
    }
]


def test_the_baseline_over_hosts_from_hostvars_in_check_mode(host: Host) -> None:
    folder = host.machine.folder / "play"
    folder.mkdir()
    variables = {"ansible_connection": "local", "ansible_python_interpreter": PYTHON}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"h1": variables, "h2": variables}}}))
    (folder / "play.json").write_text(json.dumps(PLAYBOOK))
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    done = host.machine.run(
        program, "--check", "-i", folder / "hosts.json", folder / "play.json", check=False, **settings
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((folder / "facts.json").read_text())
    assert "hostname" not in facts  # the second look replaces the first
    assert facts["baseline"]["hosts"] == [facts["cpu"]["host"]] * 2  # both hosts are this machine
    assert facts["baseline"]["method"] == "hypervisor" and facts["errors"] == []
    assert facts["comparison"]["incompatible"] == []
    assert "h2                         : ok=1    changed=0" in done.stdout
