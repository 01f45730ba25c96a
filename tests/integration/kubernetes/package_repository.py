# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An apt repository of the shape of Kubernetes' own, on 127.0.0.1: flat, signed, a revision behind each version."""

from __future__ import annotations

import functools
import hashlib
import http.server
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

# What each program says where it is asked for its version.
PROGRAMS = {"kubeadm": "v{}", "kubectl": "Client Version: v{}", "kubelet": "Kubernetes v{}"}


def said(*command: str | Path, given: bytes | None = None) -> bytes:
    """What a command writes."""
    return subprocess.run([*map(str, command)], input=given, capture_output=True, check=True).stdout


class Key:
    """A key to sign with, in a folder of its own whose name is short enough for the socket of gpg's agent."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="key-")
        self._gpg = ("gpg", "--homedir", self._folder.name, "--batch", "--quiet", "--passphrase", "")
        said(*self._gpg, "--quick-generate-key", "packages", "ed25519", "sign", "never")

    def public(self, *options: str) -> bytes:
        """Its public part, binary unless it is armoured."""
        return said(*self._gpg, "--export", *options)

    def sign(self, text: bytes) -> bytes:
        return said(*self._gpg, "--clearsign", given=text)

    def close(self) -> None:
        said("gpgconf", "--homedir", self._folder.name, "--kill", "all")
        self._folder.cleanup()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, asked: list[str], **options: Any) -> None:
        self._asked = asked
        super().__init__(*arguments, **options)

    def log_request(self, *_arguments: Any) -> None:
        self._asked.append(self.path.rpartition("/")[2])

    def log_message(self, *_arguments: Any) -> None:
        pass


class Repository:
    """`asked` are the files that somebody wanted, in order."""

    def __init__(self, folder: Path, key: Key) -> None:
        self._root, self._key = folder, key
        self.folder = folder / "deb"
        self.folder.mkdir(parents=True)
        (self.folder / "Release.key").write_bytes(key.public("--armor"))
        self.asked: list[str] = []
        handler = functools.partial(_Handler, directory=str(self.folder.parent), asked=self.asked)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.line = f"http://127.0.0.1:{self._server.server_port}/deb/ /"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def offer(self, version: str, *programs: str) -> None:
        """Adds packages of a version, all unless some are named, and signs what there is."""
        architecture = said("dpkg", "--print-architecture").decode().strip()
        for name in programs or PROGRAMS:
            content = self._root / f"{name}-{version}"
            program = content / "usr/bin" / name
            program.parent.mkdir(parents=True)
            program.write_text(f"#!/bin/sh\necho '{PROGRAMS[name].format(version)}'\n")
            program.chmod(0o755)
            fields = {"Package": name, "Version": f"{version}-1.1", "Architecture": architecture}
            fields |= {"Maintainer": "nobody <nobody@example.org>", "Description": name}
            (content / "DEBIAN").mkdir()
            (content / "DEBIAN/control").write_text("".join(f"{field}: {text}\n" for field, text in fields.items()))
            packages = self.folder / architecture
            packages.mkdir(exist_ok=True)
            said("dpkg-deb", "--root-owner-group", "--build", content, packages)
        self.sign()

    def sign(self) -> None:
        """Writes the index and signs it."""
        index = b""
        for package in sorted(self.folder.glob("*/*.deb")):
            data = package.read_bytes()
            place = f"Filename: {package.relative_to(self.folder)}\nSize: {len(data)}\n"
            place += f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
            index += said("dpkg-deb", "--field", package) + place.encode()
        (self.folder / "Packages").write_bytes(index)
        date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())
        release = f"Date: {date}\nSHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
        (self.folder / "InRelease").write_bytes(self._key.sign(release.encode()))
