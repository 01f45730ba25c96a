# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the API server is and how to log in: from module parameters, a kubeconfig, or the pod's service account.

Certificates, tokens and passwords are read here. A kubeconfig whose user logs in through a plug-in (`exec`,
`auth-provider`) is handed to the kubernetes package; importing that costs a second and 80 MB, so nothing else does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.redaction import is_path

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_NO_CREDENTIALS_FIX = (
    "Give kubeconfig, or host with api_key or with client_cert and client_key, or set K8S_AUTH_KUBECONFIG or KUBECONFIG"
)


@dataclass(frozen=True)
class Connection:
    """All that it takes to reach one API server.

    PEM material is either a path (`*_file`) or the text itself (`*_data`). `token_file` is read anew after a 401, and
    `renew` then returns a fresh token of a log-in plug-in.
    """

    host: str
    verify: bool = True
    ca_file: str | None = None
    ca_data: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    cert_data: str | None = None
    key_data: str | None = None
    tls_server_name: str | None = None
    token: str | None = None
    token_file: str | None = None
    renew: Callable[[], str | None] | None = field(default=None, compare=False)
    username: str | None = None
    password: str | None = None
    proxy: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Connection({self.host})"


# Logs in by a plug-in: the connection so far, the kubeconfig, its context, its user, and where it is from.
_Login = Callable[[Connection, dict[str, Any], str, dict[str, Any], str], Connection]


def resolve(params: Mapping[str, Any]) -> Connection:
    """The connection that a module's parameters describe; ConnectionFailed says what is missing."""
    return _resolve(params, _through_plugin)


def identity(params: Mapping[str, Any]) -> dict[str, Any]:
    """What tells the server of `resolve`, and who asks there, from others; no server is asked and no plug-in is run.

    Certificates and tokens are digests, passwords are no part of it. ConnectionFailed as `resolve` says it.
    """
    connection = _resolve(params, _by_plugins_settings)
    return {
        "host": connection.host,
        "verify": connection.verify,
        "tls_server_name": connection.tls_server_name,
        "proxy": (connection.proxy or "").rpartition("@")[2],
        "ca": _digest(connection.ca_file, connection.ca_data),
        "certificate": _digest(connection.cert_file, connection.cert_data),
        "token": _digest(connection.token_file, connection.token),
        "username": connection.username,
        "impersonate_user": connection.impersonate_user,
        "impersonate_groups": list(connection.impersonate_groups),
    }


def _resolve(params: Mapping[str, Any], login: _Login) -> Connection:
    host = params.get("host")
    kubeconfig = params.get("kubeconfig")
    if kubeconfig or params.get("context"):
        base = _from_kubeconfig(kubeconfig or _default_kubeconfig(), params.get("context"), login)
    elif host:
        base = Connection(host=host)
    elif _in_cluster():
        base = _from_service_account()
    else:
        base = _from_kubeconfig(_default_kubeconfig(), None, login)
    return _override(base, params)


def _digest(path: str | None, text: str | None) -> str | None:
    """One way: of what a file holds (its path where it cannot be read) and of a text; None where neither is given."""
    if not path and not text:
        return None
    content = b""
    if path:
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except OSError:
            content = path.encode()
    return hashlib.sha256(content + b"\0" + str(text or "").encode()).hexdigest()


def ssl_context(connection: Connection) -> ssl.SSLContext:
    """The TLS settings of a connection; a key given as text touches the disk only in a file of its own, mode 0600."""
    try:
        if connection.verify:
            context = ssl.create_default_context(cafile=connection.ca_file, cadata=connection.ca_data)
            # Go's clients do not ask for the extensions that this flag does, so many clusters' authorities lack them.
            context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _load_client_certificate(context, connection)
    except (OSError, ValueError) as error:
        raise ConnectionFailed(
            "the certificates for the API server cannot be used",
            where=connection.host,
            why=str(error),
            fix="Check ca_cert, client_cert and client_key, or the same in the kubeconfig: each a readable PEM",
        ) from error
    return context


def _load_client_certificate(context: ssl.SSLContext, connection: Connection) -> None:
    if connection.cert_file:
        context.load_cert_chain(connection.cert_file, connection.key_file)
    elif connection.cert_data and connection.key_data:
        descriptor, path = tempfile.mkstemp(prefix="kubevirt-ha-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as pem:
                pem.write(f"{connection.cert_data}\n{connection.key_data}\n")
            context.load_cert_chain(path)
        finally:
            os.unlink(path)


def _override(base: Connection, params: Mapping[str, Any]) -> Connection:
    """What is given as a parameter wins over what the kubeconfig says."""
    names = {
        "host": "host",
        "validate_certs": "verify",
        "ca_cert": "ca_file",
        "client_cert": "cert_file",
        "client_key": "key_file",
        "tls_server_name": "tls_server_name",
        "api_key": "token",
        "username": "username",
        "password": "password",
        "proxy": "proxy",
        "impersonate_user": "impersonate_user",
    }
    given: dict[str, Any] = {ours: params[theirs] for theirs, ours in names.items() if params.get(theirs) is not None}
    if "token" in given:
        given.update(token_file=None, renew=None)
    if "ca_file" in given:
        given["ca_data"] = None
    if params.get("impersonate_groups"):
        given["impersonate_groups"] = tuple(params["impersonate_groups"])
    settled = replace(base, **given)
    if not settled.host.startswith(("http://", "https://")):
        raise ConnectionFailed(
            "the API server's URL is incomplete", where=settled.host, fix="Write https://address:port"
        )
    settled = replace(settled, host=settled.host.rstrip("/"), token=settled.token and settled.token.strip())
    _check_headers(settled)
    return settled


def _check_headers(connection: Connection) -> None:
    """Refuses what no header can carry, without quoting it: it may be a secret."""
    sent = {
        "api_key": connection.token,
        "username": connection.username,
        "password": connection.password,
        "impersonate_user": connection.impersonate_user,
        "impersonate_groups": "".join(connection.impersonate_groups),
    }
    wrong = [name for name, text in sent.items() if text and not str(text).isprintable()]
    if wrong:
        raise ConnectionFailed(
            f"{' and '.join(wrong)} cannot be sent",
            where=connection.host,
            why="it holds a line break or another sign that is not printed",
            fix="Give it as one line; a file's content may end in a line break that has to go",
        )


def _in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and os.path.exists(f"{SERVICE_ACCOUNT}/token")


def _from_service_account() -> Connection:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    address = f"[{host}]" if ":" in host else host
    return Connection(
        host=f"https://{address}:{port}", ca_file=f"{SERVICE_ACCOUNT}/ca.crt", token_file=f"{SERVICE_ACCOUNT}/token"
    )


def _default_kubeconfig() -> str:
    found = os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
    if not any(os.path.exists(path) for path in found.split(os.pathsep)):
        raise ConnectionFailed(
            "no way to log in to an API server was given",
            why=f"there is no kubeconfig {found}",
            fix=_NO_CREDENTIALS_FIX,
        )
    return found


def _from_kubeconfig(given: Any, context_name: str | None, login: _Login) -> Connection:
    if isinstance(given, Mapping):
        config, where = given, "the given kubeconfig"
        _check_shape(config, where)
    elif is_path(given):
        config, where = _read_files(given), given
    else:  # not quoted: it holds secrets
        raise ConnectionFailed(
            "the kubeconfig is neither a path nor a dictionary", fix="Give its path, or its content through from_yaml"
        )
    name = context_name or config.get("current-context")
    if not name:
        raise ConnectionFailed("the kubeconfig names no current context", where=where, fix="Give context")
    context = _named(config, "contexts", name, "context", where)
    cluster = _named(config, "clusters", str(context.get("cluster", "")), "cluster", where)
    user = _named(config, "users", str(context["user"]), "user", where) if context.get("user") else {}
    connection = _from_cluster(cluster, where)
    if "exec" in user or "auth-provider" in user:
        return login(connection, dict(config), name, user, where)
    return _with_user(connection, user, where)


def _check_shape(config: Mapping[str, Any], where: str) -> None:
    for section in ("contexts", "clusters", "users"):
        entries = config.get(section) or []
        if not isinstance(entries, list) or not all(_is_entry(entry, section[:-1]) for entry in entries):
            why = f"{section} must be a list of maps, each with name and {section[:-1]}"
            fix = "Check it with kubectl config view"
            raise ConnectionFailed("the kubeconfig is damaged", where=where, why=why, fix=fix)


def _is_entry(entry: Any, kind: str) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get(kind) or {}, Mapping)


def _from_cluster(cluster: Mapping[str, Any], where: str) -> Connection:
    if not cluster.get("server"):
        raise ConnectionFailed("the kubeconfig's cluster has no server", where=where, fix="Add its URL as server")
    return Connection(
        host=str(cluster["server"]),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        ca_file=cluster.get("certificate-authority"),
        ca_data=_decoded(cluster, "certificate-authority-data", where),
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )


def _with_user(connection: Connection, user: Mapping[str, Any], where: str) -> Connection:
    return replace(
        connection,
        cert_file=None if user.get("client-certificate-data") else user.get("client-certificate"),
        key_file=None if user.get("client-key-data") else user.get("client-key"),
        cert_data=_decoded(user, "client-certificate-data", where),
        key_data=_decoded(user, "client-key-data", where),
        token=user.get("token"),
        token_file=user.get("tokenFile"),
        username=user.get("username"),
        password=user.get("password"),
        **_impersonation(user),
    )


def _impersonation(user: Mapping[str, Any]) -> dict[str, Any]:
    """As whom a kubeconfig's user acts, however it logs in."""
    return {"impersonate_user": user.get("as"), "impersonate_groups": tuple(user.get("as-groups") or ())}


def _by_plugins_settings(
    connection: Connection, _config: dict[str, Any], _context: str, user: dict[str, Any], _where: str
) -> Connection:
    """Takes what the plug-in is told for the token that it would give."""
    return replace(connection, token=json.dumps(user, sort_keys=True, default=str))


def _through_plugin(
    connection: Connection, config: dict[str, Any], context: str, user: dict[str, Any], where: str
) -> Connection:
    """Log in by the kubeconfig's plug-in, which the kubernetes package runs."""

    def login() -> Any:
        # Imported here because the package costs a second and 80 MB, and only plug-ins need it.
        from kubernetes import client  # pylint: disable=import-outside-toplevel
        from kubernetes import config as loader  # pylint: disable=import-outside-toplevel

        settings = client.Configuration()
        loader.load_kube_config_from_dict(config, context=context, client_configuration=settings, persist_config=False)
        return settings

    failure = ConnectionFailed(
        "the kubeconfig's log-in plug-in failed",
        where=f"{where}, context {context}",
        fix="Run the plug-in's command by hand on the host that runs this module",
    )
    try:
        settings = login()
    except Exception as error:  # a plug-in may fail with anything
        failure.why = str(error)
        raise failure from error
    # The package only logs that a command failed, and goes on without credentials.
    token = _token_of(settings)
    if not token and not settings.cert_file:
        raise failure
    return replace(
        connection,
        token=token,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
        renew=lambda: _token_of(login()),
        **_impersonation(user),
    )


def _token_of(settings: Any) -> str | None:
    """The bearer token in a configuration of the kubernetes package."""
    return str(settings.api_key.get("authorization", "")).split(" ", 1)[-1] or None


def _read_files(paths: str) -> dict[str, Any]:
    """One or several kubeconfig files as one; of two entries with one name the first wins, as with kubectl."""
    merged: dict[str, Any] = {}
    for path in filter(None, paths.split(os.pathsep)):
        content = _read_file(os.path.expanduser(path))
        merged.setdefault("current-context", content.get("current-context"))
        for section in ("contexts", "clusters", "users"):
            merged.setdefault(section, []).extend(content.get(section) or [])
    return merged


def _read_file(path: str) -> dict[str, Any]:
    import yaml  # pylint: disable=import-outside-toplevel

    try:
        with open(path, encoding="utf-8") as stream:
            content = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConnectionFailed(
            "the kubeconfig cannot be read", where=path, why=_first_line(error), fix=_NO_CREDENTIALS_FIX
        ) from error
    if not isinstance(content, dict):
        raise ConnectionFailed("the kubeconfig is not a YAML dictionary", where=path, fix="Give a kubeconfig")
    _check_shape(content, path)
    _make_absolute(content, os.path.dirname(os.path.abspath(path)))
    return content


def _first_line(error: Exception) -> str:
    """An error without the lines of the file that a YAML error quotes."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _make_absolute(content: Mapping[str, Any], folder: str) -> None:
    keys = {"cluster": ("certificate-authority",), "user": ("client-certificate", "client-key", "tokenFile")}
    for section, inner in (("clusters", "cluster"), ("users", "user")):
        for entry in content.get(section) or []:
            values = entry.get(inner) or {}
            for key in keys[inner]:
                if values.get(key):
                    values[key] = os.path.join(folder, values[key])


def _named(config: Mapping[str, Any], section: str, name: str, inner: str, where: str) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return dict(entry.get(inner) or {})
    known = ", ".join(sorted(str(entry.get("name")) for entry in config.get(section) or [])) or "none"
    raise ConnectionFailed(f"the kubeconfig has no {inner} {name!r}", where=where, fix=f"It has: {known}")


def _decoded(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    if not entry.get(key):
        return None
    try:
        return base64.b64decode(entry[key], validate=True).decode("ascii")
    except (TypeError, ValueError) as error:
        raise ConnectionFailed(f"{key} is not base64 of a PEM", where=where, fix="Write the kubeconfig anew") from error
