# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is read on any node holds what its guest has acknowledged before: a backup is read on a node of its own choice."""

from __future__ import annotations

from pathlib import Path

import platform_lab as platform
from demo_run import REPOSITORY

MACHINE, URL = "demo-1", "http://10.77.0.100:30081/"
SECONDS = 8
# Asks the guest how far it came, then reads the first block of its disk; the lab's guest writes its record there, twice a slot.
COMPARE = """
import io, json, sys, time, urllib.request
sys.path.insert(0, "/run/kubevirt-ha-test")
import extents
path, url, reads, behind, end = sys.argv[1], sys.argv[2], 0, 0, time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    counter, out = json.load(urllib.request.urlopen(url, timeout=5))["counter"], io.BytesIO()
    extents.send_file(path, out, {"span": extents.BLOCK, "only": [0]})
    out.seek(0)
    block = next(data for _offset, data in extents.frames(out))
    found = [int(block[at : at + 2047].split()[2]) for at in (0, 4096) if block[at : at + 5] == b"KVHA1"]
    reads, behind = reads + 1, behind + (max(found) < counter)
print(json.dumps({"reads": reads, "behind": behind}))
"""


def test_a_disk_read_on_any_node_has_all_that_was_acknowledged(tmp_path: Path) -> None:
    claim = platform.get("pvc", MACHINE, "--namespace=demo")
    path = platform.get("pv", claim["spec"]["volumeName"])["spec"]["local"]["path"] + "/disk.img"
    compare = tmp_path / "compare.py"
    compare.write_text(COMPARE)
    for node in ("n1", "n2", "n3"):
        platform.on_node(node, "mkdir -p /run/kubevirt-ha-test")
        platform.copy_to(node, compare, "/run/kubevirt-ha-test/compare.py")
        program = REPOSITORY / "plugins/module_utils/backup/extents.py"
        platform.copy_to(node, program, "/run/kubevirt-ha-test/extents.py")
        command = f"python3 /run/kubevirt-ha-test/compare.py {path} {URL} {SECONDS}"
        said = platform.on_node(node, command).splitlines()[-1]
        assert '"behind": 0' in said and '"reads": 0' not in said, (node, said)
