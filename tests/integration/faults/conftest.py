# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster whose API server can be killed, the fault-injecting proxy before it, and modules that only know the proxy."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .proxy import Proxy

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "lab" / "files" / "standin"))

Run = Callable[..., dict[str, Any]]


class ApiServer:
    """The kube-apiserver of a test cluster: killed, and started again with the same command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: subprocess.Popen[bytes] | None = None

    def kill(self) -> list[str]:
        """Ends it at once; its command line."""
        pid = self._own.pid if self._own else self._child("kube-apiserver")
        command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
        os.kill(pid, signal.SIGKILL)
        if self._own:
            self._own.wait()
        return command

    def restart(self, pause: float) -> None:
        """Kills it, and starts it again after `pause` seconds; does not wait until it answers."""
        command = self.kill()
        time.sleep(pause)
        with open(self._folder / "kube-apiserver-again.log", "wb") as log:
            self._own = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def wait(self) -> None:
        """Waits until it is ready, KubeVirt's own API included."""
        config = yaml.safe_load((self._folder / "kubeconfig").read_text())
        cluster, token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        end = time.monotonic() + 90
        for path in ("/readyz", "/apis/subresources.kubevirt.io/v1", "/apis/kubevirt.io/v1/virtualmachines?limit=1"):
            while True:
                request = urllib.request.Request(cluster["server"] + path, headers={"Authorization": f"Bearer {token}"})
                try:
                    urllib.request.urlopen(request, timeout=5, context=context).close()
                    break
                except (OSError, urllib.error.URLError):
                    assert time.monotonic() < end, f"{path} did not come back"
                    time.sleep(0.2)

    def stop(self) -> None:
        """Ends the one that was started here."""
        if self._own:
            self._own.kill()
            self._own.wait()

    def _child(self, name: str) -> int:
        parent = (self._folder / "pid").read_text().strip()
        for folder in Path("/proc").iterdir():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[1] == parent and words[0].decode().endswith(name):
                return int(folder.name)
        raise AssertionError(f"{parent} has no child {name}")


@pytest.fixture(scope="session")
def api_server(cluster: Path) -> Iterator[ApiServer]:
    """The API server, to be killed. Only the cluster that the tests start themselves has one."""
    if os.environ.get("MODULES_KUBECONFIG"):
        pytest.skip("MODULES_KUBECONFIG: its API server is not ours to break")
    server = ApiServer(cluster.parent)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The proxy's authority, and certificates: `good`, `stranger` (of another authority), `elsewhere` (other host)."""
    from kubevirt_standin import pki

    folder = tmp_path_factory.mktemp("certificates")
    authority, other = pki.authority("faults"), pki.authority("strangers")
    (folder / "ca.crt").write_bytes(authority.certificate)
    for name, signer, host in (
        ("good", authority, "127.0.0.1"),
        ("stranger", other, "127.0.0.1"),
        ("elsewhere", authority, "api.example.com"),
    ):
        pki.issue(signer, "kube-apiserver", (host,)).write(folder / f"{name}.crt", folder / f"{name}.key")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def proxy_process(api_server: ApiServer, cluster: Path, certificates: dict[str, Path]) -> Iterator[Proxy]:
    """The proxy, for all tests."""
    found = yaml.safe_load(cluster.read_text())["clusters"][0]["cluster"]
    proxy = Proxy(
        found["server"], Path(found["certificate-authority"]), certificates["good.crt"], certificates["good.key"]
    )
    yield proxy
    proxy.close()


@pytest.fixture
def proxy(proxy_process: Proxy, api_server: ApiServer, certificates: dict[str, Path]) -> Proxy:
    """The proxy without faults, before an API server that is well."""
    api_server.wait()
    proxy_process.reset()
    proxy_process.use_certificate(certificates["good.crt"], certificates["good.key"])
    return proxy_process


@pytest.fixture
def token_file(cluster: Path, tmp_path: Path) -> Path:
    """A file with the token that modules log in with."""
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(str(yaml.safe_load(cluster.read_text())["users"][0]["user"]["token"]))
    return path


@pytest.fixture
def through_proxy(
    proxy: Proxy, cluster: Path, certificates: dict[str, Path], tmp_path: Path, token_file: Path
) -> Callable[..., Path]:
    """A kubeconfig of the proxy; with `from_file` its token is read from `token_file`, else it stands in it."""

    def write(from_file: bool) -> Path:
        config = yaml.safe_load(cluster.read_text())
        config["clusters"][0]["cluster"] = {
            "server": proxy.url,
            "certificate-authority": str(certificates["ca.crt"]),
        }
        if from_file:
            config["users"][0]["user"] = {"tokenFile": str(token_file)}
        path = tmp_path / f"kubeconfig-{from_file}"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return path

    return write


@pytest.fixture
def faulty(through_proxy: Callable[..., Path], module: Run) -> Run:
    """Runs a module through the proxy; it has to end within the bound that all runs of modules have."""

    def run(which: str, /, *, from_file: bool = True, **arguments: Any) -> dict[str, Any]:
        return module(which, kubeconfig=str(through_proxy(from_file)), **arguments)

    return run
