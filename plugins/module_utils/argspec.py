# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument-spec fragments and how they are put together; each has a documentation fragment of the same name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import env_fallback

Option = dict[str, Any]


class ArgumentSpec:
    """An argument spec and its rules, in the words of AnsibleModule."""

    def __init__(self, options: Mapping[str, Option] | None = None, **rules: Any) -> None:
        self.options: dict[str, Option] = dict(options or {})
        self.required_if: list[Sequence[Any]] = list(rules.pop("required_if", ()))
        self.required_one_of: list[Sequence[str]] = list(rules.pop("required_one_of", ()))
        self.required_together: list[Sequence[str]] = list(rules.pop("required_together", ()))
        self.mutually_exclusive: list[Sequence[str]] = list(rules.pop("mutually_exclusive", ()))
        self.required_by: dict[str, Any] = dict(rules.pop("required_by", {}))
        if rules:
            raise TypeError(f"unknown rules of an argument spec: {', '.join(sorted(rules))}")

    def merge(self, *others: ArgumentSpec) -> ArgumentSpec:
        """A new spec with the options and the rules of all."""
        merged = ArgumentSpec()
        for spec in (self, *others):
            merged.options.update(spec.options)
            merged.required_if += spec.required_if
            merged.required_one_of += spec.required_one_of
            merged.required_together += spec.required_together
            merged.mutually_exclusive += spec.mutually_exclusive
            merged.required_by.update(spec.required_by)
        return merged

    def to_kwargs(self) -> dict[str, Any]:
        """The keyword arguments of AnsibleModule."""
        return {
            "argument_spec": self.options,
            "required_if": self.required_if,
            "required_one_of": self.required_one_of,
            "required_together": self.required_together,
            "mutually_exclusive": self.mutually_exclusive,
            "required_by": self.required_by,
        }


def _from_env(name: str, *more: str, **option: Any) -> Option:
    variables = [f"K8S_AUTH_{part}" for part in (name, *more)]
    return {"fallback": (env_fallback, variables), **option}


def connection() -> ArgumentSpec:
    """How the API server is reached; names and environment variables are those of kubernetes.core."""
    return ArgumentSpec(
        {
            "kubeconfig": _from_env("KUBECONFIG", type="raw", no_log=True),
            "context": _from_env("CONTEXT", type="str"),
            "host": _from_env("HOST", type="str"),
            "api_key": _from_env("API_KEY", type="str", no_log=True),
            "username": _from_env("USERNAME", type="str"),
            "password": _from_env("PASSWORD", type="str", no_log=True),
            "validate_certs": _from_env("VERIFY_SSL", "VALIDATE_CERTS", type="bool", aliases=["verify_ssl"]),
            "ca_cert": _from_env("SSL_CA_CERT", "CA_CERT", type="path", aliases=["ssl_ca_cert"]),
            "client_cert": _from_env("CERT_FILE", "CLIENT_CERT", type="path", aliases=["cert_file"]),
            "client_key": _from_env("KEY_FILE", "CLIENT_KEY", type="path", no_log=False, aliases=["key_file"]),
            "tls_server_name": _from_env("TLS_SERVER_NAME", type="str"),
            "proxy": _from_env("PROXY", type="str"),
            "impersonate_user": _from_env("IMPERSONATE_USER", type="str"),
            "impersonate_groups": _from_env("IMPERSONATE_GROUPS", type="list", elements="str"),
        },
        required_together=[("client_cert", "client_key"), ("username", "password")],
        required_by={"impersonate_groups": "impersonate_user"},
    )


def wait(*, default: bool = True, timeout: int = 300) -> ArgumentSpec:
    """Whether and how long to wait for the wanted state; the defaults are part of the fragment's documentation."""
    return ArgumentSpec(
        {
            "wait": {"type": "bool", "default": default},
            "wait_timeout": {"type": "int", "default": timeout},
        }
    )


def bulk() -> ArgumentSpec:
    """How many requests are under way at once."""
    return ArgumentSpec({"workers": {"type": "int", "default": 16}})


def too_small(params: Mapping[str, Any], **least: int) -> Iterator[str]:
    """A fault for each whole number that is less than it may be."""
    for key, lowest in least.items():
        value = params.get(key)
        if isinstance(value, int) and value < lowest:
            yield f"{key}: {value} must be {lowest} or more"


def report() -> ArgumentSpec:
    """Where figures are written, and what the file names as their origin."""
    return ArgumentSpec(
        {
            "path": {"type": "path", "required": True},
            "command": {"type": "str", "default": ""},
            "commit": {"type": "str", "default": ""},
            "kubevirt_source": {"type": "str", "default": ""},
        }
    )
