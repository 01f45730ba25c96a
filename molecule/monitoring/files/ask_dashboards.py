# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Prometheus for every query of the dashboards: each parses, and has data unless it is listed as expectedly empty.

    python3 ask_dashboards.py URL EMPTY.json FOLDER

EMPTY.json: {query as it stands in the dashboard: why there may be no data}. Where no virtual machine runs, none of theirs is missed.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

# What Grafana puts in for its own variables.
VARIABLES = {"$__rate_interval": "2m", "$namespace": ".*"}


def queries(folder: Path) -> Iterator[tuple[str, str]]:
    """(dashboard: panel, expression) of every target."""
    for path in sorted(folder.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def ask(url: str, expression: str) -> int:
    """How many series a query gives. ValueError where Prometheus refuses it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    asked = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return len(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error)["error"]) from error


def main(url: str, empty_file: str, folder: str) -> int:
    """Prints a line a fault; 1 where there is one."""
    empty = json.loads(Path(empty_file).read_text())
    machines = ask(url, 'kubevirt_vmi_info{phase="running"}')
    faults, asked = [], set()
    for where, expression in queries(Path(folder)):
        asked.add(expression)
        try:
            found = ask(url, expression)
        except ValueError as error:
            faults.append(f"{where}: {expression}: {error}")
            continue
        if not found and expression not in empty and (machines or "kubevirt_vm" not in expression):
            faults.append(f"{where}: {expression}: has no data")
    faults += [f"{expression}: is listed as empty, and in no dashboard" for expression in set(empty) - asked]
    print("\n".join(faults) or f"{len(asked)} queries were answered, {machines} virtual machines run")
    return int(bool(faults) or not asked)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
