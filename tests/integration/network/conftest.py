# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a kernel of its own, with bonds, VLANs and systemd-networkd.

The lab's nodes share the machine's kernel, which may have none of these. Inside, `story_of_a_host.py` plays the story and leaves what it saw.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles/lab/files"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import own_kernel

HERE = Path(__file__).resolve().parent
# The folder that collections are imported from, which is the cache.
CACHE = HERE.parents[5]
COLLECTION = Path("ansible_collections/virtops/kubevirt_ha")
# Where the host has what it needs of it.
INSIDE = Path("/cache")
SECONDS = 2400
# What a machine is plugged into, as the role offers it to Multus.
ATTACHMENT = {"name": "web", "bridge": "br-vm", "vlan": 100}


def _attachment() -> str:
    """The configuration that the role renders for the plugin."""
    role = CACHE / COLLECTION / "roles/network"
    source = role / "templates/attachments.yaml.j2"
    done = subprocess.run(
        [
            *(
                str(Path(sys.executable).parent / "ansible"),
                "localhost",
                "--connection=local",
                "-m",
                "ansible.builtin.debug",
            ),
            *(
                "-a",
                "msg={{ lookup('ansible.builtin.template', source) | from_yaml_all | last }}",
                "-e",
                f"source={source}",
            ),
            *("-e", f"@{role}/vars/main.yml", "-e", json.dumps({"network_attachments": [ATTACHMENT]})),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
    )
    # Callbacks that the surroundings' configuration enables speak before and after it.
    answer, _end = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])
    told = answer["plays"][0]["tasks"][0]["hosts"]["localhost"]["msg"]
    return str(told["spec"]["config"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the host saw, by the step."""
    lab, work = CACHE / "lab", tmp_path_factory.mktemp("host")
    attachment = work / "attachment.json"
    attachment.write_text(_attachment())
    inside = INSIDE / COLLECTION
    copies = {
        str(path).lstrip("/"): source
        for path, source in {
            INSIDE / "ansible": Path(ansible.__file__).parent,
            inside / "plugins": CACHE / COLLECTION / "plugins",
            inside / "roles/network": CACHE / COLLECTION / "roles/network",
            INSIDE / "story": HERE,
            INSIDE / "attachment.json": attachment,
            INSIDE / "qemu": own_kernel.qemu(lab),
            INSIDE / "guest": lab / "guest",
        }.items()
    }
    command = f"/usr/bin/python3 {INSIDE}/story/story_of_a_host.py {INSIDE} {own_kernel.RESULT}"
    result, console = own_kernel.run(lab, work, command, copies, str(INSIDE), SECONDS)
    if not result:
        pytest.fail(f"the host left no result: {console[-4000:]}")
    seen: dict[str, Any] = json.loads(result)
    return seen
