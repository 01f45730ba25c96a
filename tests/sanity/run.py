# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-test sanity in a copy of the collection: `run.py COPY`, started in what is to be copied."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ansible_test._internal import python_requirements

HERE = Path(__file__).parent


def place_get_pip() -> None:
    """Puts our stand-in where ansible-test keeps the get-pip of the version that it asks for."""
    version = re.search(r"pip='([0-9.]+)'", inspect.getsource(python_requirements.get_venv_packages))
    if version is None:
        sys.exit("ansible-test no longer names the pip it wants in get_venv_packages: look how it bootstraps pip now")
    path = Path.home() / ".ansible/test/cache" / f"get_pip_{version[1].replace('.', '_')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "get_pip.py", path)


def track() -> None:
    """Makes the copy a work tree of its own: ansible-test asks git for its files, and .cache is ignored by the one around it."""
    subprocess.run(["git", "init", "--quiet", "."], check=True)
    subprocess.run(["git", "add", "--force", "--all", "."], check=True)


def main(copy: str) -> int:
    place_get_pip()
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(".", copy, symlinks=True)
    os.chdir(copy)
    os.environ["PWD"] = copy  # what ansible-test goes by
    track()
    return subprocess.run(["ansible-test", "sanity", "--color", "no", "--junit"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
