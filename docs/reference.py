# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/reference.md, the variables of all roles, from their argument specs.

`python docs/reference.py` writes it; `python docs/reference.py --check` only says whether it is as it would be written.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference.md"
HEAD = """# Variables

<!-- written by `make docs` from roles/*/meta/argument_specs.yml; a lint check holds them equal -->

Every variable that a role takes. They go into the inventory: `group_vars/all.yml` where several roles share them, else the group or
host that they are about. A default in double braces is worked out on each host; `required` has none.
"""
# Ansible's markup for documentation, https://docs.ansible.com/ansible/latest/dev_guide/ansible_markup.html
_MARKUP = re.compile(r"\b([CVOBIEM])\(((?:[^()]|\([^()]*\))*)\)")


def plain(description: Any) -> str:
    """A description of an argument spec as one line of Markdown for a cell."""
    text = " ".join(description) if isinstance(description, list) else str(description or "")
    text = _MARKUP.sub(lambda found: f"`{found[2]}`" if found[1] not in "BI" else found[2], " ".join(text.split()))
    text = re.sub(r"\b[UP]\(([^)]*)\)", lambda found: found[1].split("#", 1)[0], text)
    return text.replace("|", "\\|")


def default(option: Mapping[str, Any]) -> str:
    """A default as it would stand in an inventory."""
    if option.get("required"):
        return "required"
    if "default" not in option:
        return "-"
    value = option["default"]
    text = value if isinstance(value, str) and value else json.dumps(value)
    return f"`{text}`".replace("|", "\\|")


def kind(option: Mapping[str, Any]) -> str:
    """A type, of a list with that of its entries, with the choices."""
    text = str(option.get("type", "str"))
    text += f" of {option['elements']}" if option.get("elements") else ""
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices") or [])
    return f"{text}: {choices}" if choices else text


def rows(options: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    """A row an option, and one for each of the options within it."""
    for name, option in options.items():
        yield f"| `{prefix}{name}` | {kind(option)} | {default(option)} | {plain(option.get('description'))} |"
        yield from rows(option.get("options") or {}, f"{prefix}{name}{'[]' if option.get('elements') else ''}.")


def role(folder: Path) -> str:
    """The section of one role."""
    entries = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    parts = [
        f"## {folder.name}\n\n{plain(entries['main']['short_description'])}. [How to use it](../roles/{folder.name}/README.md)\n"
    ]
    for name, entry in entries.items():
        if not entry.get("options"):
            continue
        if name != "main":
            parts.append(f"### {folder.name}, `tasks_from: {name}`\n\n{plain(entry['short_description'])}.\n")
        table = ["| variable | type | default | what it is |", "| --- | --- | --- | --- |", *rows(entry["options"])]
        parts.append("\n".join(table) + "\n")
    return "\n".join(parts)


def page() -> str:
    """The whole page."""
    folders = sorted(path.parents[1] for path in REPOSITORY.glob("roles/*/meta/argument_specs.yml"))
    return "\n".join([HEAD, *map(role, folders)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is another")
    wanted = page()
    if not parser.parse_args().check:
        PAGE.write_text(wanted)
        return 0
    if not PAGE.exists() or PAGE.read_text() != wanted:
        print(f"{PAGE.relative_to(REPOSITORY)} is not what the argument specs say; run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
