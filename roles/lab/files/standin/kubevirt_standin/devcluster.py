"""etcd and kube-apiserver on 127.0.0.1 with the stand-in beside them: for integration tests."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
from pathlib import Path

import yaml

from . import pki
from .kube import ApiError, Kube
from .standalone import Ports
from .standalone import run as run_standalone

BINARIES = ("etcd", "kube-apiserver")
# A server with so few objects has a small heap, which Go would collect time and again: a fifth of its processor time.
COLLECT_LATE = {"GOGC": "200"}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def free_ports(*, cdi: bool, storage: bool) -> Ports:
    """Ports for the stand-in, with or without CDI and exports."""
    return Ports(free_port(), (free_port(), free_port()) if cdi else None, free_port() if storage else None)


class DevCluster:
    """The processes and files of one test cluster below `folder`."""

    def __init__(self, folder: Path, binaries: Path, with_manager: bool) -> None:
        self._folder, self._binaries, self._with_manager = folder, binaries, with_manager
        self._processes: list[subprocess.Popen[bytes]] = []
        self.kubeconfig = folder / "kubeconfig"

    async def start(self) -> None:
        """Start everything; raises FileNotFoundError naming what is missing, RuntimeError with a log's end."""
        self._folder.mkdir(parents=True, exist_ok=True)
        names = (*BINARIES, *(("kube-controller-manager",) if self._with_manager else ()))
        missing = [name for name in names if not (self._binaries / name).exists()]
        if missing:
            raise FileNotFoundError(f"not in {self._binaries}: {', '.join(missing)}")
        etcd, peer, port = free_port(), free_port(), free_port()
        token = secrets.token_hex(16)
        self._files(token, port)
        url = f"http://127.0.0.1:{etcd}"
        self._spawn(
            "etcd",
            "--data-dir",
            self._path("etcd"),
            "--listen-client-urls",
            url,
            "--advertise-client-urls",
            url,
            "--listen-peer-urls",
            f"http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
            "--log-level",
            "error",
        )
        self._spawn("kube-apiserver", *self._api_flags(url, port))
        await self._wait()

    def start_manager(self) -> None:
        """Garbage collection and the like; it discovers kinds that come later only after half a minute."""
        if self._with_manager:
            self._spawn(
                "kube-controller-manager",
                "--kubeconfig",
                str(self.kubeconfig),
                "--leader-elect=false",
                "--controllers=garbagecollector,namespace,serviceaccount,disruption,pvc-protection",
                "--secure-port=0",
            )

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    def _files(self, token: str, port: int) -> None:
        authority = pki.authority("devcluster")
        front = pki.authority("devcluster-front-proxy")
        Path(self._path("ca.crt")).write_bytes(authority.certificate)
        Path(self._path("front.crt")).write_bytes(front.certificate)
        pki.issue(authority, "kube-apiserver", ("127.0.0.1", "localhost", "kubernetes", "10.0.0.1")).write(
            self._folder / "api.crt", self._folder / "api.key"
        )
        pki.issue(front, "front-proxy-client").write(self._folder / "proxy.crt", self._folder / "proxy.key")
        pki.issue(authority, "service-accounts").write(self._folder / "sa.crt", self._folder / "sa.key")
        self._secret("tokens.csv", f'{token},devcluster-admin,1,"system:masters"\n')
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "devcluster",
            "clusters": [
                {
                    "name": "devcluster",
                    "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": self._path("ca.crt")},
                }
            ],
            "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": "admin"}}],
            "users": [{"name": "admin", "user": {"token": token}}],
        }
        self._secret("kubeconfig", yaml.safe_dump(config))

    def _secret(self, name: str, text: str) -> None:
        path = self._folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)

    def _api_flags(self, etcd: str, port: int) -> list[str]:
        return [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={self._path('api.crt')}",
            f"--tls-private-key-file={self._path('api.key')}",
            f"--client-ca-file={self._path('ca.crt')}",
            f"--token-auth-file={self._path('tokens.csv')}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://devcluster.local",
            f"--service-account-key-file={self._path('sa.crt')}",
            f"--service-account-signing-key-file={self._path('sa.key')}",
            f"--requestheader-client-ca-file={self._path('front.crt')}",
            f"--proxy-client-cert-file={self._path('proxy.crt')}",
            f"--proxy-client-key-file={self._path('proxy.key')}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-allowed-names=front-proxy-client",
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged=true",
            "--endpoint-reconciler-type=none",
        ]

    def _spawn(self, name: str, *flags: str) -> None:
        with open(self._folder / f"{name}.log", "wb") as log:
            command = [str(self._binaries / name), *flags]
            environment = os.environ | COLLECT_LATE
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
            self._processes.append(process)

    async def _wait(self) -> None:
        kube = Kube.from_kubeconfig(str(self.kubeconfig))
        try:
            for _try in range(600):
                for process in self._processes:
                    if process.poll() is not None:
                        raise RuntimeError(self._tail(process))
                try:
                    await kube.request("GET", "/readyz")
                    return
                except (ApiError, OSError, TimeoutError):
                    await asyncio.sleep(0.2)
            raise RuntimeError("kube-apiserver was not ready within 120 s")
        finally:
            await kube.close()

    def _tail(self, process: subprocess.Popen[bytes]) -> str:
        name = Path(list(map(str, process.args))[0]).name if isinstance(process.args, list) else "a process"
        return f"{name} ended: {(self._folder / f'{name}.log').read_text(errors='replace')[-2000:]}"

    def stop(self) -> None:
        """End the processes; an API server with open watches takes its time, and nothing of it is kept."""
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def run(folder: Path, binaries: Path, with_manager: bool, standin: bool, cdi: bool, storage: bool) -> None:
    """Start the cluster and the stand-in, and end both when cancelled."""
    cluster = DevCluster(folder, binaries, with_manager)
    try:
        await cluster.start()
        (folder / "pid").write_text(str(os.getpid()))
        print(f"devcluster ready: {cluster.kubeconfig}", flush=True)
        if standin:
            await run_standalone(str(cluster.kubeconfig), free_ports(cdi=cdi, storage=storage), cluster.start_manager)
        else:
            cluster.start_manager()
            await asyncio.Event().wait()
    finally:
        cluster.stop()
