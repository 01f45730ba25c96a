# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip where ansible-test cannot download it: Python's own pip, then the given packages."""

from __future__ import annotations

import runpy
import subprocess
import sys

NOT_PIPS_OWN = ("--no-setuptools", "--no-wheel")  # options that only get-pip knows

if __name__ == "__main__":
    # In a process of its own: ensurepip switches pip's configuration off in its environment.
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    sys.argv[1:] = ["install", *(option for option in sys.argv[1:] if option not in NOT_PIPS_OWN)]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
