# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the log-in comes from, and what is said where there is none."""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import auth
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed


def config(**user: Any) -> dict[str, Any]:
    return {
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "two", "context": {"cluster": "d", "user": "u"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://one:6443/", "certificate-authority": "ca.crt"}},
            {"name": "d", "cluster": {"server": "https://two:6443", "insecure-skip-tls-verify": True}},
        ],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
    }


@pytest.fixture(autouse=True)
def bare_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def written(folder: Path, content: Any, name: str = "config") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_paths_in_a_kubeconfig_are_relative_to_it(tmp_path: Path) -> None:
    connection = auth.resolve({"kubeconfig": written(tmp_path, config(tokenFile="token"))})
    assert connection.host == "https://one:6443"
    assert connection.ca_file == str(tmp_path / "ca.crt")
    assert connection.token_file == str(tmp_path / "token")


def test_a_context_is_chosen_and_parameters_win(tmp_path: Path) -> None:
    given = {"kubeconfig": config(), "context": "two", "api_key": "mine", "validate_certs": True}
    connection = auth.resolve(given)
    assert (connection.host, connection.verify, connection.token) == ("https://two:6443", True, "mine")


def test_the_environment_and_the_home_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "home" / ".kube", config())
    assert auth.resolve({}).host == "https://one:6443"
    other = config()
    other["current-context"] = "two"
    monkeypatch.setenv("KUBECONFIG", written(tmp_path, other))
    assert auth.resolve({}).host == "https://two:6443"


def test_of_several_kubeconfigs_the_first_wins(tmp_path: Path) -> None:
    second = config(token="other")
    second["clusters"].append({"name": "e", "cluster": {"server": "https://three"}})
    second["contexts"].append({"name": "three", "context": {"cluster": "e", "user": "u"}})
    paths = f"{written(tmp_path, config())}:{written(tmp_path, second, 'second')}"
    connection = auth.resolve({"kubeconfig": paths, "context": "three"})
    assert (connection.host, connection.token) == ("https://three", "t")


def test_a_host_alone_gets_no_other_clusters_credentials(tmp_path: Path) -> None:
    written(tmp_path / "home" / ".kube", config())
    connection = auth.resolve({"host": "http://127.0.0.1:8001"})
    assert connection.token is None and connection.host == "http://127.0.0.1:8001"


def test_a_pods_service_account_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("t")
    monkeypatch.setattr(auth, "SERVICE_ACCOUNT", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    connection = auth.resolve({})
    assert connection.host == "https://[fd00::1]:443" and connection.token_file == f"{tmp_path}/token"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "no kubeconfig.*Give kubeconfig"),
        ({"kubeconfig": "/nowhere"}, "/nowhere: the kubeconfig cannot be read"),
        ({"kubeconfig": {"contexts": []}}, "names no current context"),
        ({"kubeconfig": config(), "context": "three"}, "no context 'three'.*It has: one, two"),
        ({"kubeconfig": {**config(), "clusters": []}}, "no cluster 'c'"),
        ({"kubeconfig": config(**{"client-key-data": "%%%"})}, "client-key-data is not base64"),
        ({"host": "10.0.0.1:6443"}, "Write https://address:port"),
    ],
)
def test_what_is_missing_is_named(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConnectionFailed, match=message):
        auth.resolve(params)


def test_a_broken_kubeconfig_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("users: [{token: hunter2\n")
    with pytest.raises(ConnectionFailed) as caught:
        auth.resolve({"kubeconfig": str(path)})
    assert "hunter2" not in str(caught.value)


def test_a_connection_does_not_show_its_secrets() -> None:
    assert "hunter2" not in repr(auth.Connection(host="https://a", token="hunter2", password="hunter2"))


def test_a_log_in_plug_in_is_left_to_the_kubernetes_package(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}'
    plugin.write_text(f"#!/bin/sh\necho '{answer}'\n")
    plugin.chmod(0o755)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
        },
        "as": "eve",
        "as-groups": ["ops"],
    }
    content = config(**user)
    content["current-context"] = "two"
    connection = auth.resolve({"kubeconfig": content})
    assert connection.token == "from-plugin"
    assert connection.renew is not None and connection.renew() == "from-plugin"
    assert (connection.impersonate_user, connection.impersonate_groups) == ("eve", ("ops",))


def identity(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None, **given: Any) -> Any:
    content = config(**(user or {}))
    content["clusters"][0]["cluster"].update(cluster or {})
    return auth.identity({"kubeconfig": content, **given})


def pem(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "other",
    [
        {"context": "two"},
        {"host": "https://other"},
        {"user": {"token": "other"}},
        {"user": {"client-certificate-data": pem("other"), "client-key-data": pem("key")}},
        {"user": {"username": "ops", "password": "hunter2"}},
        {"user": {"token": "t", "as": "eve"}},
        {"cluster": {"certificate-authority-data": pem("authority")}},
        {"cluster": {"proxy-url": "http://ops:hunter2@proxy:3128"}},
        {"cluster": {"tls-server-name": "other"}},
        {"impersonate_groups": ["admins"]},
    ],
    ids=str,
)
def test_another_server_or_another_user_is_another_identity(other: dict[str, Any]) -> None:
    found = identity(**other)
    assert found != identity() and found == identity(**other)


def test_an_identity_holds_no_secret() -> None:
    secret = {"token": "hunter2", "username": "ops", "password": "hunter2", "client-key-data": pem("hunter2")}
    for user in (secret, {"exec": {"command": "/nowhere", "env": [{"name": "PASSWORD", "value": "hunter2"}]}}):
        assert "hunter2" not in str(identity(user, proxy="http://ops:hunter2@proxy:3128"))


def test_what_certificates_and_tokens_say_counts_and_not_where_they_are(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("one")
    second.write_text("one")
    for name in ("ca_cert", "client_cert"):
        assert identity(**{name: str(first)}) == identity(**{name: str(second)})
    before = identity({"tokenFile": str(first)}, ca_cert=str(first))
    first.write_text("two")
    after = identity({"tokenFile": str(first)}, ca_cert=str(first))
    assert {name for name in before if before[name] != after[name]} == {"token", "ca"}
    first.unlink()
    assert identity({"tokenFile": str(first)}) != identity({"tokenFile": str(tmp_path / "third")})


def test_an_identity_needs_no_log_in_plug_in(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    plugin.chmod(0o755)
    first, second = (
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "args": [name]}}
        for name in ("staging", "prod")
    )
    assert identity(first) == identity(first) != identity(second)
    assert not (tmp_path / "ran").exists()
    assert identity(first, api_key="mine") == identity(second, api_key="mine")


def test_a_log_in_plug_in_that_fails_is_named() -> None:
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere", "interactiveMode": "Never"}
    }
    content = config(**user)
    content["current-context"] = "two"
    with pytest.raises(ConnectionFailed, match="plug-in failed"):
        auth.resolve({"kubeconfig": content})


def test_a_key_given_as_text_touches_the_disk_for_its_owner_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Context:
        verify_flags = 0

        def load_cert_chain(self, path: str) -> None:
            seen.append(stat.S_IMODE(Path(path).stat().st_mode))
            self.path = path

    context = Context()
    monkeypatch.setattr(auth.ssl, "create_default_context", lambda **_given: context)
    user = {f"client-{kind}-data": base64.b64encode(b"pem").decode() for kind in ("certificate", "key")}
    auth.ssl_context(auth.resolve({"kubeconfig": config(**user)}))
    assert seen == [0o600] and not Path(context.path).exists()


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(ConnectionFailed, match="ca_cert, client_cert and client_key"):
        auth.ssl_context(auth.Connection(host="https://a", ca_file=str(tmp_path / "ca.crt")))


def test_a_token_of_a_file_loses_its_line_break_and_one_with_a_break_inside_is_not_quoted() -> None:
    assert auth.resolve({"host": "https://h:6443", "api_key": "eyTOKEN\n"}).token == "eyTOKEN"
    for given in ({"api_key": "eyTO\nKEN"}, {"api_key": "t", "impersonate_user": "u\nKEN"}):
        with pytest.raises(ConnectionFailed) as told:
            auth.resolve({"host": "https://h:6443", **given})
        assert "KEN" not in str(told.value) and f"{list(given)[-1]} cannot be sent" in str(told.value)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"contexts": ["a"], "current-context": "a"}, "contexts must be a list of maps"),
        ({**config(), "clusters": "x"}, "clusters must be a list of maps"),
        ({**config(), "users": 5}, "users must be a list of maps"),
        ({"current-context": "a"}, "has no context 'a'"),
        (["x"], "neither a path nor a dictionary"),
        (config(**{"client-certificate-data": 5}), "is not base64"),
    ],
)
def test_what_is_no_kubeconfig_is_told_as_such(wrong: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match=told):
        auth.resolve({"kubeconfig": wrong})
    if isinstance(wrong, dict):
        with pytest.raises(ConnectionFailed, match=told):
            auth.resolve({"kubeconfig": written(tmp_path, wrong)})


def test_a_kubeconfig_that_is_given_as_text_is_not_quoted() -> None:
    with pytest.raises(ConnectionFailed) as told:
        auth.resolve({"kubeconfig": yaml.safe_dump(config(token="TEXTSECRET"))})
    assert "TEXTSECRET" not in str(told.value) and "from_yaml" in str(told.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"\xe4\xff\x00")
    with pytest.raises(ConnectionFailed, match=str(path)):
        auth.resolve({"kubeconfig": str(path)})
