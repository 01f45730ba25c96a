# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the data in objects and parameters that no output may show, and copies without it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import without_password

# Where kubectl keeps the whole manifest that was last applied, with the cloud-init data in it.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Headers that an import sends may log in; CDI repeats them in annotations of the claim.
HEADERS = "extraHeaders"
_HEADER_ANNOTATION = "cdi.kubevirt.io/storage.import.extraHeaders"
# Keys whose values are secrets, of objects and of parameters alike.
SECRET_FIELDS = frozenset(
    {
        "userData", "userDataBase64", "networkData", "networkDataBase64", LAST_APPLIED, HEADERS,
        "user_data", "network_data", "extra_headers", "request_headers",
        "api_key", "password", "token", "client-key-data",
    }
)  # fmt: skip
# JSON patches of what a restore or a clone makes: maps in parameters, texts in objects.
_PATCHES = "patches"
_PATCH_SHOWN = ("op", "path", "from")
# The parameter with cloud-init's data, a map by its fields.
_CLOUD_INIT = "cloud_init"
_HIDDEN = "(hidden)"

# What of a kubeconfig is no secret: names and places by their keys, and whole parts.
_NAMES = frozenset(
    {
        "apiVersion", "kind", "name", "current-context", "cluster", "user", "namespace", "server", "tls-server-name",
        "certificate-authority", "client-certificate", "client-key", "tokenFile", "username", "as", "as-uid", "as-groups",
        "command", "interactiveMode", "installHint",
    }
)  # fmt: skip
_ASIDE = frozenset({"extensions", "preferences", "as-user-extra"})
# Shorter values are words such as `prod`: to hide them would blot them out in the names of all machines.
_SHORTEST = 6


def hide_secrets(value: Any, before: Any = None) -> Any:
    """A copy without secrets and passwords of URLs, for output; what `before` does not have is marked as changed."""
    return _hide(value, None if before is None else set(secrets(before)))


def secrets(value: Any) -> list[str]:
    """All of cloud-init's data, of the headers and of what patches set of them in an object."""
    if not isinstance(value, Mapping):
        return [found for entry in value for found in secrets(entry)] if isinstance(value, list) else []
    own: list[str] = []
    for key, inner in value.items():
        if inner and _is_secret(key):
            own += _texts(inner)
        if key == _PATCHES and isinstance(inner, list):
            own += [found for entry in inner for found in _patch_secrets(entry)]
        else:
            own += secrets(inner)
    return own


def hide_kubeconfig(given: Any) -> Any:
    """A kubeconfig as it may be shown: its path, never its content."""
    return given if given is None or is_path(given) else _HIDDEN


def kubeconfig_secrets(given: Any) -> set[str]:
    """The texts in a kubeconfig that may be secrets: all but names, URLs and short words. A path has none."""
    if isinstance(given, str):
        return set() if is_path(given) else {given}
    texts = [(path, text) for path, text in leaves(given) if text and _ASIDE.isdisjoint(path)]
    names = {text for path, text in texts if path[-1] in _NAMES}
    found = {text for path, text in texts if path[-1] in SECRET_FIELDS}
    for _path, text in texts:
        found.update(one for one in _maybe_secret(text) if one not in names)
    return found


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The values in maps and lists as texts, each with the keys that lead to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for entry in value:
            yield from leaves(entry, path)
    elif value is not None:
        yield path, str(value)


def is_path(kubeconfig: Any) -> bool:
    """Whether a kubeconfig is given as the path of one, not as its content."""
    return isinstance(kubeconfig, str) and "\n" not in kubeconfig and not kubeconfig.startswith("{")


def _maybe_secret(text: str) -> Iterator[str]:
    if "://" in text:
        yield from _url_password(text)
        return
    # Of a flag, such as --token=x, only what it is set to.
    value = text.partition("=")[2] if text.startswith("-") else text
    if len(value) >= _SHORTEST:
        yield value


def _url_password(url: str) -> Iterator[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        yield password


def _hide(value: Any, known: set[str] | None) -> Any:
    if isinstance(value, str):
        return without_password(value) if "://" in value and "@" in value else value
    if isinstance(value, Mapping):
        return {key: _hide_under(key, inner, known) for key, inner in value.items()}
    return [_hide(entry, known) for entry in value] if isinstance(value, (list, tuple)) else value


def _hide_under(key: Any, value: Any, known: set[str] | None) -> Any:
    if key == _CLOUD_INIT and not isinstance(value, Mapping) and value:
        return _HIDDEN  # of the wrong type, but data all the same
    if _is_secret(key):
        return _hidden(value, known) if value else value
    if key == _PATCHES and value:
        return [_hide_patch(one, known) for one in value] if isinstance(value, list) else _hide_patch(value, known)
    return _hide(value, known)


def _hide_patch(patch: Any, known: set[str] | None) -> Any:
    """A patch without its value where that is or holds a secret; a text that is no patch is not shown at all."""
    found = _patch(patch)
    if found is None:
        return _HIDDEN if isinstance(patch, str) else _hide(patch, known)
    secret = _sets_secret(found)
    shown = {
        key: _hidden(inner, known) if secret and key not in _PATCH_SHOWN else _hide(inner, known)
        for key, inner in found.items()
    }
    if not isinstance(patch, str):
        return shown
    return patch if shown == found else json.dumps(shown, separators=(",", ":"))


def _patch_secrets(patch: Any) -> Sequence[str]:
    found = _patch(patch)
    if found is None:
        return secrets(patch)
    if not _sets_secret(found):
        return secrets(dict(found))
    return [text for key, inner in found.items() if key not in _PATCH_SHOWN and inner for text in _texts(inner)]


def _patch(patch: Any) -> Mapping[str, Any] | None:
    """A patch of either form as a map."""
    if isinstance(patch, str):
        try:
            patch = json.loads(patch)
        except ValueError:
            return None
    return patch if isinstance(patch, Mapping) else None


def _sets_secret(patch: Mapping[str, Any]) -> bool:
    parts = str(patch.get("path") or "").split("/")
    return any(_is_secret(part.replace("~1", "/").replace("~0", "~")) for part in parts)


def _is_secret(key: Any) -> bool:
    return key in SECRET_FIELDS or str(key).startswith(_HEADER_ANNOTATION)


def _texts(secret: Any) -> list[str]:
    return [str(one) for one in secret] if isinstance(secret, list) else [str(secret)]


def _hidden(secret: Any, known: set[str] | None) -> str:
    return _HIDDEN if known is None or known.issuperset(_texts(secret)) else "(hidden, changed)"
