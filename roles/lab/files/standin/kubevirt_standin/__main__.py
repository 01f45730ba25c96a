"""Command line of the stand-in: `python -m kubevirt_standin COMMAND`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kubevirt_standin", description="A stand-in for KubeVirt, for labs and tests."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    standalone = commands.add_parser("standalone", help="everything in one process, guests simulated")
    standalone.add_argument("--kubeconfig", required=True)
    standalone.add_argument("--port", type=int, default=0, help="of the API on 127.0.0.1; 0 takes a free one")
    standalone.add_argument("--cdi", action="store_true", help="also CDI: DataVolumes and the upload proxy")
    dev = commands.add_parser("devcluster", help="etcd, kube-apiserver and the stand-in on 127.0.0.1")
    dev.add_argument("--dir", type=Path, required=True, help="data, logs and kubeconfig")
    dev.add_argument("--bin", type=Path, required=True, help="folder of etcd and kube-apiserver")
    dev.add_argument(
        "--controller-manager", action="store_true", help="also kube-controller-manager, for garbage collection"
    )
    for command in (standalone, dev):
        text = "also snapshots of volumes and exports; their contents are simulated"
        command.add_argument("--storage", action="store_true", help=text)
    dev.add_argument("--no-standin", action="store_true", help="the bare API server only")
    dev.add_argument("--cdi", action="store_true", help="also CDI: DataVolumes and the upload proxy")
    for name in ("api", "exportproxy", "handler", "launcher", "operator"):
        commands.add_parser(name, help=f"virt-{name}")
    controller = commands.add_parser("controller", help="virt-controller")
    controller.add_argument("--launcher-image", required=True)
    controller.add_argument("--use-emulation", action="store_true")
    for name, default in (("lease-duration", "15s"), ("renew-deadline", "10s"), ("retry-period", "2s")):
        for command in (controller, commands.choices["operator"]):
            command.add_argument(f"--leader-elect-{name}", default=default, type=_seconds)
    arguments, unknown = parser.parse_known_args()
    if unknown:
        print(f"flags that the stand-in does not know are ignored: {' '.join(unknown)}", flush=True)
    return arguments


def _seconds(text: str) -> float:
    """A duration as Go writes it, one unit: 6s, 500ms, 1m."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


def _coroutine(arguments: argparse.Namespace) -> Coroutine[Any, Any, None]:
    if arguments.command == "standalone":
        from .devcluster import free_ports
        from .standalone import run as run_standalone

        ports = free_ports(cdi=arguments.cdi, storage=arguments.storage)
        return run_standalone(arguments.kubeconfig, replace(ports, api=arguments.port or ports.api))
    if arguments.command != "devcluster":
        return _component(arguments)
    from .devcluster import run as run_devcluster

    standin = not arguments.no_standin
    return run_devcluster(
        arguments.dir, arguments.bin, arguments.controller_manager, standin, arguments.cdi, arguments.storage
    )


def _component(arguments: argparse.Namespace) -> Coroutine[Any, Any, None]:
    """One component of KubeVirt; each imports only what it needs."""
    if arguments.command == "api":
        from .api.process import run as run_api

        return run_api()
    if arguments.command == "exportproxy":
        from .exportproxy import run as run_exportproxy

        return run_exportproxy()
    if arguments.command == "handler":
        from .handler.daemon import run as run_handler

        return run_handler()
    if arguments.command == "launcher":
        from .launcher.server import run as run_launcher

        return run_launcher()
    from .leader import Timing

    timing = Timing(
        arguments.leader_elect_lease_duration,
        arguments.leader_elect_renew_deadline,
        arguments.leader_elect_retry_period,
    )
    if arguments.command == "operator":
        from .operator.process import run as run_operator

        return run_operator(timing)
    from .controllers.process import run as run_controller

    return run_controller(timing, arguments.launcher_image, arguments.use_emulation)


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
    arguments = _arguments()
    work = _coroutine(arguments)
    if arguments.command == "launcher":
        asyncio.run(work)
        return 0
    return asyncio.run(_until_signal(work))


if __name__ == "__main__":
    sys.exit(main())
