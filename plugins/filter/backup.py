# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of role `backup` as faults, and its words as a shell and systemd read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# Settings that are not the variable of their name; the longer ones of etcd come first.
_VARIABLES = {
    "password_file": "repository_password_file",
    "hosts": "disk_hosts",
    "etcd.endpoints": "etcd_endpoints",
    "etcd.etcdutl": "etcdutl_program",
    "etcd.etcd": "etcd_program",
}
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+")


def backup_faults(given: Any) -> list[str]:
    """Every fault of the settings, each by the variable's name."""
    if not isinstance(given, Mapping):
        raise AnsibleFilterError("virtops.kubevirt_ha.backup_faults: give a map of the role's settings")
    from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import settings

    return [_by_variable(fault) for fault in settings.faults(given)]


def _by_variable(fault: str) -> str:
    for setting, variable in _VARIABLES.items():
        if re.match(rf"{re.escape(setting)}[:\[]", fault):
            return f"backup_{variable}{fault[len(setting) :]}"
    return f"backup_{fault}"


def shell_words(text: Any) -> list[str]:
    """A text's words as a shell would take them, such as those of `ansible_ssh_common_args`."""
    try:
        return shlex.split(str(text))
    except ValueError as error:
        raise AnsibleFilterError(f"virtops.kubevirt_ha.shell_words: {text!r}: {error}; close its quotes") from error


def systemd_word(text: Any, command: bool = True) -> str:
    """A word as a unit of systemd has it, unchanged; command: of a command, in which `$` stands for variables, too."""
    word = str(text)
    if _PLAIN.fullmatch(word):
        return word
    for sign, stands in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("\n", "\\n"), *([("$", "$$")] if command else [])):
        word = word.replace(sign, stands)
    return f'"{word}"'


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"backup_faults": backup_faults, "shell_words": shell_words, "systemd_word": systemd_word}
