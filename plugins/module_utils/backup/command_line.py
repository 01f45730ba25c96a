# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backs up without Ansible: `python -m ...backup.command_line --config FILE take|verify|release|check` is what a timer calls."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import settings as configuration
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import signals
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.runner import Run
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError


def main(arguments: Sequence[str] | None = None) -> int:
    """The program: 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(
        description="Backs up etcd, objects and virtual machines, as the role backup set it up."
    )
    parser.add_argument("--config", required=True, help="the settings, a JSON file")
    parser.add_argument("command", choices=["take", "verify", "release", "check"])
    given = parser.parse_args(arguments)
    signals.end_gently()
    try:
        run = Run(configuration.load(given.config))
        failure = _command(run, given.command)
    except HaError as error:
        failure = error
    if failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def _command(run: Run, command: str) -> HaError | None:
    if command == "check":
        return None
    if command == "release":
        for name in run.release():
            sys.stdout.write(f"let go: {name}\n")
        return None
    if command == "verify":
        checked = run.verify()
        sys.stdout.write(json.dumps(checked.as_dict()) + "\n")
        return checked.failure(run.restic.where)
    result = run.take()
    sys.stdout.write(json.dumps(result.as_dict()) + "\n")
    return result.failure


if __name__ == "__main__":
    raise SystemExit(main())
