# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the data in objects that no output may show, and copies without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Where kubectl keeps the whole manifest that was last applied, with the cloud-init data in it.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Keys whose values are secrets: a volume's with cloud-init's data, and the annotation that repeats them.
SECRET_FIELDS = frozenset({"userData", "userDataBase64", "networkData", "networkDataBase64", LAST_APPLIED})

# Headers that an import sends may log in; CDI repeats them in annotations of the claim.
HEADERS = "extraHeaders"
_HEADER_ANNOTATION = "cdi.kubevirt.io/storage.import.extraHeaders"


def hide_secrets(value: Any, before: Any = None) -> Any:
    """A copy without cloud-init's data and headers, for output; what `before` does not have is marked as changed."""
    return _hide(value, None if before is None else set(secrets(before)))


def secrets(value: Any) -> list[str]:
    """All of cloud-init's data and of the headers in an object."""
    if isinstance(value, Mapping):
        own = [text for key, inner in value.items() if _is_secret(key) and inner for text in _texts(inner)]
        return own + [found for inner in value.values() for found in secrets(inner)]
    return [found for entry in value for found in secrets(entry)] if isinstance(value, list) else []


def _hide(value: Any, known: set[str] | None) -> Any:
    if isinstance(value, Mapping):
        return {key: _hidden(inner, known) if _is_secret(key) else _hide(inner, known) for key, inner in value.items()}
    return [_hide(entry, known) for entry in value] if isinstance(value, list) else value


def _is_secret(key: Any) -> bool:
    return key in SECRET_FIELDS or key == HEADERS or str(key).startswith(_HEADER_ANNOTATION)


def _texts(secret: Any) -> list[str]:
    return [str(one) for one in secret] if isinstance(secret, list) else [str(secret)]


def _hidden(secret: Any, known: set[str] | None) -> str:
    return "(hidden)" if known is None or known.issuperset(_texts(secret)) else "(hidden, changed)"
