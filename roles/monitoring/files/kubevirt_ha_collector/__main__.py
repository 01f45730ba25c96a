# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from . import cluster, host
from .exposition import PREFIX, Collection, write


def ask_cluster(given: dict[str, Any]) -> Collection:
    """What the API says."""
    with open(given["token_file"], encoding="utf-8") as file:
        token = file.read().strip()
    return cluster.collect(cluster.Api(given["url"], given["ca_file"], token), given)


def main(arguments: list[str]) -> int:
    """Writes the file of what was asked for; 1 where a part of it could not be found out."""
    parser = argparse.ArgumentParser(prog="kubevirt_ha_collector")
    parser.add_argument("--config", required=True)
    parser.add_argument("what", choices=["host", "cluster"])
    given = parser.parse_args(arguments)
    with open(given.config, encoding="utf-8") as file:
        config = json.load(file)
    folder = config["folder"]
    found = {given.what: ask_cluster(config["cluster"]) if given.what == "cluster" else host.collect(config["host"])}
    certificates = os.path.join(folder, f"{PREFIX}certificates.prom")
    if given.what == "host" and config["host"].get("certificates") and host.are_due(certificates, host.now()):
        found["certificates"] = host.certificates(config["host"])
    for name, collection in found.items():
        write(folder, name, collection.samples)
    faults = [fault for collection in found.values() for fault in collection.faults]
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
