# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Prometheus and Alertmanager over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from ansible.module_utils.urls import ConnectionError as UrlsError
from ansible.module_utils.urls import open_url
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError

_TIMEOUT = 2.0
# What `get` raises where there is no answer.
NO_ANSWER = (OSError, ValueError, HTTPException, UrlsError)


@dataclass(frozen=True)
class Access:
    """How they are reached: an authority's file, a user and a password, each empty where there is none."""

    ca_cert: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


def get(url: str, access: Access, timeout: float = _TIMEOUT) -> Any:
    """The answer, out of JSON."""
    known = {"url_username": access.username, "url_password": access.password, "force_basic_auth": True}
    with open_url(
        url,
        timeout=timeout,
        ca_path=access.ca_cert or None,
        use_proxy=False,
        **(known if access.username else {}),
    ) as answer:
        return json.load(answer)


def read(path: str) -> str:
    """A file's text. Raises HaError where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise HaError(
            "a file cannot be read", where=path, why=str(error), fix="Give the path of one that can"
        ) from error
