# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container registry with a CA of its own: Debian's docker-registry behind TLS on the loopback address."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS = 20.0


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Registry:
    """One registry in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._folder, self.authority = folder, folder / "authority.pem"
        self._certificates()

    def _certificates(self) -> None:
        folder = self._folder
        key = ("-newkey", "rsa:2048", "-nodes")
        _openssl(
            "req",
            "-x509",
            *key,
            "-keyout",
            f"{folder}/ca.key",
            "-out",
            str(self.authority),
            "-days",
            "2",
            "-subj",
            "/CN=lab CA",
        )
        _openssl("req", *key, "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.csr", "-subj", "/CN=registry")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        signed = ("-CA", str(self.authority), "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", "2")
        names = ("-extfile", f"{folder}/names")
        _openssl("x509", "-req", "-in", f"{folder}/tls.csr", "-out", f"{folder}/tls.crt", *signed, *names)

    @contextlib.contextmanager
    def running(self) -> Iterator[Registry]:
        """Serves until the body ends; skips the test where the machine has no registry."""
        settings = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "content")}},
            "http": {
                "addr": self.address,
                "tls": {"certificate": f"{self._folder}/tls.crt", "key": f"{self._folder}/tls.key"},
            },
        }
        (self._folder / "registry.yml").write_text(json.dumps(settings))
        command = ["docker-registry", "serve", str(self._folder / "registry.yml")]
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
        except FileNotFoundError:
            pytest.skip("needs docker-registry: `make lab` installs it")
        try:
            end = time.monotonic() + SECONDS
            while not self._answers():
                assert process.poll() is None and time.monotonic() < end, "docker-registry does not answer"
                time.sleep(0.1)
            yield self
        finally:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self._status("/v2/") == 200
        return False

    def has(self, image: str) -> bool:
        """Whether it serves `repository:tag`."""
        repository, _colon, tag = image.rpartition(":")
        return self._status(f"/v2/{repository}/manifests/{tag}") == 200

    def _status(self, path: str) -> int:
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        request = urllib.request.Request(f"https://{self.address}{path}", headers=accept)
        context = ssl.create_default_context(cafile=str(self.authority))
        try:
            with urllib.request.urlopen(request, context=context, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
