# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`preflight_network` as a program of one namespace: `node.py PARAMETERS SECONDS`, whose clock is that far ahead."""

from __future__ import annotations

import json
import sys
import time

from ansible.module_utils.testing import patch_module_args
from ansible_collections.virtops.kubevirt_ha.plugins.modules import preflight_network

if __name__ == "__main__":
    ahead, right = float(sys.argv[2]), time.time
    time.time = lambda: right() + ahead
    with patch_module_args(json.loads(sys.argv[1])):
        preflight_network.main()
