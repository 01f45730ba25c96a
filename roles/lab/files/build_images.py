# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the programs of the lab's cluster as container images and puts them into the lab's registry.

Prints a line an image as it goes. An image that the registry has already is not sent again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from oci_image import Image, Layer, layer_of_files, layer_of_folders, write

# Image -> (programs in it, where they lie, whether it needs the folder of packages).
PROGRAMS: dict[str, tuple[tuple[str, ...], str, bool]] = {
    "kube-apiserver": (("kube-apiserver",), "usr/local/bin", False),
    "kube-controller-manager": (("kube-controller-manager",), "usr/local/bin", False),
    "kube-scheduler": (("kube-scheduler",), "usr/local/bin", False),
    "kube-proxy": (("kube-proxy",), "usr/local/bin", True),
    "etcd": (("etcd", "etcdctl", "etcdutl"), "usr/local/bin", False),
    "pause": (("pause",), "", False),
    "coredns/coredns": (("coredns",), "", False),
    "metrics-server/metrics-server": (("metrics-server",), "", False),
    "descheduler/descheduler": (("descheduler",), "bin", False),
}
ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


def layer_of_programs(binaries: Path, work: Path, programs: tuple[str, ...], place: str) -> Layer:
    files = {str(Path(place) / name): (0o755, (binaries / name).read_bytes()) for name in programs}
    return layer_of_files(work / f"{programs[0]}.layer", files)


def build(name: str, tag: str, options: argparse.Namespace, work: Path) -> tuple[Path, str]:
    """Writes one image's archive and returns it with its digest."""
    programs, place, with_packages = PROGRAMS[name]
    layers = [layer_of_folders(work / "packages.layer", [(options.packages, "")])] if with_packages else []
    layers.append(layer_of_programs(options.binaries, work, programs, place))
    config: dict[str, object] = {"Entrypoint": ["/" + str(Path(place) / programs[0])], "Env": ENVIRONMENT}
    target = work / (programs[0] + ".tar")
    return target, write(target, Image(f"registry.k8s.io/{name}:{tag}", tuple(layers), config))


def registry_digest(reference: str) -> str | None:
    command = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{reference}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def push(archive: Path, reference: str) -> None:
    command = ["skopeo", "copy", "--quiet", "--preserve-digests", "--insecure-policy", "--dest-tls-verify=false"]
    subprocess.run([*command, f"oci-archive:{archive}", f"docker://{reference}"], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True, help="folder with the programs")
    parser.add_argument("--packages", type=Path, required=True, help="folder with the unpacked packages of kube-proxy")
    parser.add_argument("--registry", required=True, help="host:port of the registry")
    parser.add_argument("--tags", type=json.loads, required=True, help="JSON object: image -> tag")
    options = parser.parse_args()
    changed = False
    for name, tag in options.tags.items():
        with tempfile.TemporaryDirectory(dir=options.packages.parent) as work:
            archive, digest = build(name, tag, options, Path(work))
            reference = f"{options.registry}/{name}:{tag}"
            there = registry_digest(reference) == digest
            if not there:
                push(archive, reference)
            changed |= not there
            print(f"{'there' if there else 'sent'}: {name}:{tag} {digest}", flush=True)
    print("changed" if changed else "unchanged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
