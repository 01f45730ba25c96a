# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API does not tell: addresses behind names, the certificates of the connection itself, files of backups."""

from __future__ import annotations

import os
import re
import socket
from datetime import datetime
from urllib.parse import urlsplit

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.auth import Connection, ssl_context
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info import certificates
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.model import Backup
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.kubevirt_info.x509 import Certificate, validity

_SERVER = re.compile(r"^\s*server:\s*[\"']?(https?://\S+?)[\"']?\s*$", re.MULTILINE)
_PATIENCE = 5.0


def host_of(url: str) -> str:
    """The host of a URL or of host:port, without brackets."""
    return str(urlsplit(url if "//" in url else f"//{url}").hostname or "")


def servers_of(kubeconfig: str) -> list[str]:
    """The hosts of the servers in a kubeconfig's text."""
    return [host_of(url) for url in _SERVER.findall(kubeconfig)]


def resolve(host: str) -> tuple[str, ...]:
    """The addresses of a host name; none where it has none here."""
    try:
        return tuple(sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}))
    except (OSError, UnicodeError):
        return ()


def serving_certificate(connection: Connection) -> Certificate | None:
    """What the API server shows; None without TLS. ConnectionFailed where it cannot be seen."""
    url = urlsplit(connection.host)
    if url.scheme != "https":
        return None
    if connection.proxy:
        raise ConnectionFailed("the certificate of the API server cannot be seen through a proxy")
    host = str(url.hostname)
    context = ssl_context(connection)
    try:
        plain = socket.create_connection((host, url.port or 443), _PATIENCE)
        with plain, context.wrap_socket(plain, server_hostname=connection.tls_server_name or host) as secure:
            shown = secure.getpeercert(binary_form=True) or b""
        begin, end = validity(shown)
    except (OSError, ValueError) as error:
        raise ConnectionFailed(
            "the certificate of the API server cannot be seen", where=host, why=str(error)
        ) from error
    return Certificate("API server", connection.host, "", "", begin, end)


def client_certificate(connection: Connection) -> Certificate | None:
    """The certificate that the caller logs in with; None where it does so by other means."""
    try:
        if connection.cert_file:
            with open(connection.cert_file, "rb") as file:
                pem = file.read()
        elif connection.cert_data:
            pem = connection.cert_data.encode()
        else:
            return None
    except OSError:
        return None
    return certificates.of_pem("client certificate", connection.host, "", "", pem)


def backup_of_path(path: str) -> Backup:
    """The newest file at a path: the file itself, or the newest one in a folder."""
    try:
        inside = [entry.path for entry in os.scandir(path) if entry.is_file()] if os.path.isdir(path) else [path]
        times = {each: os.stat(each).st_mtime for each in inside}
    except OSError as error:
        return Backup(None, where=path, fault=f"{path}: {error.strerror}")
    if not times:
        return Backup(None, where=path, fault=f"{path} is empty")
    newest = max(times, key=lambda each: times[each])
    return Backup(times[newest], where=newest)


def backup_of_note(data: dict[str, str]) -> Backup:
    """The backup that a ConfigMap notes: `taken_at` in RFC 3339, `hash`, `location`."""
    text = str(data.get("taken_at") or "")
    where = str(data.get("location") or "")
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return Backup(None, where=where, fault=f"taken_at is {text!r}, not a time such as 2026-05-01T02:00:00Z")
    if moment.tzinfo is None:
        return Backup(None, where=where, fault=f"taken_at is {text!r}, without a time zone")
    return Backup(moment.timestamp(), bool(data.get("hash")), where)
