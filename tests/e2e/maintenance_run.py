# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance leaves on nodes, and how long the demo's machines gave no answer."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platform_lab as platform
from demo_run import REPOSITORY

NOTES = "kubevirt-ha.virtops/"
PROBES = {f"demo/demo-{number}": f"http://10.77.0.100:3008{number}/" for number in (1, 2, 3)}
INTERVAL = 0.2
# Until Ansible has begun to ask, on a busy machine.
CALM = 20.0


def node(name: str) -> dict[str, Any]:
    return platform.get("node", name)


def boot_id(name: str) -> str:
    return str(node(name)["status"]["nodeInfo"]["bootID"])


def notes(name: str) -> list[str]:
    annotations = node(name)["metadata"].get("annotations") or {}
    return [key for key in annotations if key.startswith(f"{NOTES}maintenance")]


def counters() -> dict[str, int]:
    """How many writes each machine has acknowledged."""
    return {name: json.load(urllib.request.urlopen(url, timeout=10))["counter"] for name, url in PROBES.items()}


@contextmanager
def asked(folder: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """Asks the machines all the time, as the role maintenance does; what came of it is there, by machine, when this is left."""
    going, found = folder / "asking", dict[str, dict[str, Any]]()
    going.touch()
    loop = {"interval": INTERVAL, "timeout": 2, "for_seconds": 3600, "while_exists": str(going)}
    given = json.dumps({"defaults": loop, "probes": [{"name": name, "url": url} for name, url in PROBES.items()]})
    command = ["ansible", "localhost", "-m", "virtops.kubevirt_ha.ha_probe", "-a", given]
    environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as asking:
        try:
            time.sleep(CALM)
            begun = time.monotonic()
            yield found
            seconds = time.monotonic() - begun
        finally:
            going.unlink()
            said, _nothing = asking.communicate(timeout=60)
    answer = json.loads(said[said.index("{") :])
    found.update({probe["name"]: probe for probe in answer["probes"]})
    late = [name for name, probe in found.items() if probe["seconds"] < seconds]
    assert late == [], f"asked only after what was to be measured had begun: {late}"
