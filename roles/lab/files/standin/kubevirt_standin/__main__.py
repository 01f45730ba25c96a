"""Command line of the stand-in: `python -m kubevirt_standin COMMAND`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kubevirt_standin", description="A stand-in for KubeVirt, for labs and tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    standalone = commands.add_parser("standalone", help="everything in one process, guests simulated")
    standalone.add_argument("--kubeconfig", required=True)
    standalone.add_argument("--port", type=int, default=0, help="of the API on 127.0.0.1; 0 takes a free one")
    dev = commands.add_parser("devcluster", help="etcd, kube-apiserver and the stand-in on 127.0.0.1")
    dev.add_argument("--dir", type=Path, required=True, help="data, logs and kubeconfig")
    dev.add_argument("--bin", type=Path, required=True, help="folder of etcd and kube-apiserver")
    dev.add_argument("--controller-manager", action="store_true", help="also kube-controller-manager, for garbage collection")
    dev.add_argument("--no-standin", action="store_true", help="the bare API server only")
    return parser.parse_args()


def _coroutine(arguments: argparse.Namespace) -> Coroutine[Any, Any, None]:
    if arguments.command == "standalone":
        from .devcluster import free_port
        from .standalone import run as run_standalone

        return run_standalone(arguments.kubeconfig, arguments.port or free_port())
    from .devcluster import run as run_devcluster

    return run_devcluster(arguments.dir, arguments.bin, arguments.controller_manager, not arguments.no_standin)


async def _until_signal(work: Coroutine[Any, Any, None]) -> int:
    """Run until the work ends or a signal comes; 1 when the work ended by itself."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0 if stopped else 1


def main() -> int:
    """Run the command of the command line."""
    return asyncio.run(_until_signal(_coroutine(_arguments())))


if __name__ == "__main__":
    sys.exit(main())
