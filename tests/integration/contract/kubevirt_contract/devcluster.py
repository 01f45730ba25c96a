"""Starts the stand-in with etcd and kube-apiserver, without nodes, and ends it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SOURCE = ROOT / "roles" / "lab" / "files" / "standin"
BINARIES = Path(os.environ.get("KUBEVIRT_HA_BINARIES", ROOT / ".cache" / "lab" / "bin"))
START_SECONDS = 120.0
READY = "kubevirt-standin ready"
BARE_READY = "devcluster ready"  # with --no-standin


class DevCluster:
    """A stand-in of a source folder, in a folder of its own; `options` are more flags of its command line."""

    def __init__(self, directory: Path, source: Path = SOURCE, options: Sequence[str] = ()) -> None:
        self._directory = directory
        self._source = source
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        """Where the stand-in writes its kubeconfig."""
        return self._directory / "kubeconfig"

    @property
    def log(self) -> Path:
        """What the stand-in and its servers said."""
        return self._directory / "devcluster.log"

    @staticmethod
    def lacks() -> str:
        """Why the stand-in cannot run here; empty where it can."""
        missing = [
            str(BINARIES / name)
            for name in ("etcd", "kube-apiserver", "kube-controller-manager")
            if not (BINARIES / name).is_file()
        ]
        if not (SOURCE / "kubevirt_standin" / "__main__.py").is_file():
            missing.append(str(SOURCE / "kubevirt_standin"))
        return f"missing: {', '.join(missing)}" if missing else ""

    def start(self) -> None:
        """Starts it and waits until it says that it is ready."""
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "kubevirt_standin", "devcluster", "--controller-manager"]
        command += ["--dir", str(self._directory), "--bin", str(BINARIES), *self._options]
        paths = [str(self._source), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        sign = BARE_READY if "--no-standin" in self._options else READY
        while sign not in self.log.read_text("utf-8", "replace"):
            if self._process.poll() is not None or time.monotonic() > end:
                tail = self.log.read_text("utf-8", "replace")[-2000:]
                self.stop()
                raise RuntimeError(f"the stand-in did not start; the end of {self.log}:\n{tail}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Ends it and all that it started."""
        if self._process is None:
            return
        for sign, seconds in ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(timeout=seconds)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        self._process = None
