# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: which versions go together, from where that is known, and what was run by this collection's own tests.

The one table of versions. Roles refuse what is not in it, `docs/versions.md` shows it, the status judges by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_PARTS = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+))?")
TESTED, SUPPORTED, UNTESTED = "tested", "supported", "untested"
ALLOW = "version_matrix_allow_untested"


@dataclass(frozen=True)
class Kubernetes:
    """A minor version of Kubernetes. etcd: the oldest; containerd: minor → the oldest patch, newer minors are fine too."""

    minor: str
    etcd: str
    containerd: Mapping[str, str]
    notes: str = ""


@dataclass(frozen=True)
class KubeVirt:
    """A minor version of KubeVirt: the minors of Kubernetes that its makers test it on, and the CDI of the same release."""

    minor: str
    kubernetes: tuple[str, ...]
    cdi: str


@dataclass(frozen=True)
class Csi:
    """A part of the storage that users bring. images: the names that its makers give them; versions: minor → the minors of
    Kubernetes that it goes with."""

    part: str
    images: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Combination:
    """What ran together in the tests of this collection. how: by what, so that nobody takes it for more."""

    kubernetes: str
    kubevirt: str
    etcd: str
    containerd: str
    how: str


KUBERNETES = (
    Kubernetes("1.34", "3.5.24", {"1.6": "1.6.39", "1.7": "1.7.28", "2.0": "2.0.6", "2.1": "2.1.3"}),
    Kubernetes(
        "1.35",
        "3.5.24",
        {"1.7": "1.7.28", "2.1": "2.1.5", "2.2": "2.2.0"},
        "on cgroup v1 the kubelet starts with failCgroupV1: false only",
    ),
    Kubernetes(
        "1.36",
        "3.5.24",
        {"2.2": "2.2.0", "2.3": "2.3.0"},
        "on cgroup v1 the kubelet starts with failCgroupV1: false only",
    ),
)
KUBEVIRT = (
    KubeVirt("1.9", ("1.34", "1.35", "1.36"), "1.66"),
    KubeVirt("1.8", ("1.34", "1.35"), "1.65"),
    KubeVirt("1.7", ("1.34",), "1.64"),
)
# The volumes of this collection need no CSI driver; these are of the manifests that users bring.
_ALL = tuple(row.minor for row in KUBERNETES)
CSI = (
    Csi("ceph-csi", ("cephcsi",), {"3.17": _ALL, "3.16": ("1.34", "1.35"), "3.15": ("1.34",)}),
    Csi("csi-driver-nfs", ("nfsplugin",), dict.fromkeys(("4.13", "4.12", "4.11"), _ALL)),
    Csi(
        "external-snapshotter",
        ("snapshot-controller",),  # the sidecar is its driver's, and comes and goes with that
        dict.fromkeys(("8.6", "8.5", "8.4", "8.3", "8.2"), _ALL),
    ),
)
RAN = (
    Combination(
        "1.34.4",
        "1.9.0",
        "3.7.3",
        "1.6.20",
        "the lab of `make test` on Debian 12: KubeVirt's API by the stand-in in every run; a real KubeVirt 1.9.0 in those of"
        " [measured.md](measured.md)",
    ),
    Combination(
        "1.35.4",
        "1.9.0",
        "3.7.3",
        "1.6.20",
        "the same lab after an upgrade from 1.34.4 by `tests/e2e/long/test_upgrade.py`: see [measured.md](measured.md)",
    ),
)
# Of what each column is known; read in November 2026.
SOURCES = {
    "KubeVirt with Kubernetes": "https://github.com/kubevirt/sig-release/blob/main/releases/k8s-support-matrix.md",
    "KubeVirt with CDI": "https://github.com/kubevirt/sig-release/blob/main/releases/v1.9/schedule.md and those of v1.8, v1.7",
    "etcd": "MinExternalEtcdVersion in cmd/kubeadm/app/constants/constants.go of https://github.com/kubernetes/kubernetes",
    "containerd": "https://github.com/containerd/containerd/blob/main/RELEASES.md#kubernetes-support",
    "cgroup v1": "https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/5573-remove-cgroup-v1",
    "ceph-csi": "the Kubernetes of the Rook series that ships it, 1.18 to 1.20:"
    " https://rook.io/docs/rook/latest/Getting-Started/maintenance-and-support/ and its deploy/examples/images.txt",
    "csi-driver-nfs": "https://github.com/kubernetes-csi/csi-driver-nfs/blob/master/README.md",
    "external-snapshotter": "8.2, for Kubernetes 1.25 and newer: https://kubernetes-csi.github.io/docs/external-snapshotter.html;"
    " later ones by the changelogs of https://github.com/kubernetes-csi/external-snapshotter",
    "steps of an upgrade": "https://kubernetes.io/releases/version-skew-policy/",
}


@dataclass(frozen=True)
class Verdict:
    """What the matrix says of running versions. state: `tested` by this collection, `supported` by the makers, `untested`
    by either. faults: why it is untested; notes: what else to know."""

    state: str
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def numbers(version: object) -> tuple[int, int, int] | None:
    """A version's numbers, its patch 0 where it has none; None where it is no version."""
    found = _PARTS.match(str(version or "").strip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def minor(version: object) -> str:
    """Major and minor of a version, such as 1.34; empty where it is no version."""
    found = numbers(version)
    return f"{found[0]}.{found[1]}" if found else ""


def kubernetes_of(kubevirt: object) -> tuple[str, ...]:
    """The minors of Kubernetes that go with a KubeVirt; all of the table where that is not known."""
    row = _kubevirt(kubevirt)
    return row.kubernetes if row else tuple(row.minor for row in KUBERNETES)


def kubevirt_of(kubernetes: object) -> tuple[str, ...]:
    """The minors of KubeVirt that go with a Kubernetes; all of the table where that is not known."""
    known = tuple(row.minor for row in KUBEVIRT if minor(kubernetes) in row.kubernetes)
    return known if minor(kubernetes) else tuple(row.minor for row in KUBEVIRT)


def cdi_of(kubevirt: object) -> str:
    """The first CDI of the minor that was released with a KubeVirt, such as 1.66.0; empty where that is not known."""
    row = _kubevirt(kubevirt)
    return f"{row.cdi}.0" if row else ""


def faults(versions: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What is in no row: the part (`kubernetes`, `kubevirt`, `cdi`, `etcd`) and a sentence with what is allowed.

    versions: by part; one that is missing or no version is not judged, nor is what depends on it.
    """
    kubernetes, kubevirt = minor(versions.get("kubernetes")), minor(versions.get("kubevirt"))
    rows = {row.minor: row for row in KUBERNETES}
    if kubernetes and kubernetes not in rows:
        yield "kubernetes", f"{kubernetes} is not in the version matrix; allowed are {', '.join(rows)}"
    if kubevirt and _kubevirt(kubevirt) is None:
        yield (
            "kubevirt",
            f"{kubevirt} is not in the version matrix; allowed are {', '.join(row.minor for row in KUBEVIRT)}",
        )
    elif kubernetes in rows and kubevirt and kubernetes not in kubernetes_of(kubevirt):
        yield (
            "kubernetes",
            f"{kubernetes} does not go with KubeVirt {kubevirt}; allowed with it are {', '.join(kubernetes_of(kubevirt))}",
        )
        yield (
            "kubevirt",
            f"{kubevirt} does not go with Kubernetes {kubernetes}; allowed with it are"
            f" {', '.join(kubevirt_of(kubernetes)) or 'none yet'}",
        )
    yield from _of_cdi(minor(versions.get("cdi")), kubernetes, kubevirt)
    etcd = numbers(versions.get("etcd"))
    if etcd and kubernetes in rows and etcd < (numbers(rows[kubernetes].etcd) or etcd):
        yield (
            "etcd",
            f"{versions['etcd']} is too old for Kubernetes {kubernetes}; allowed is {rows[kubernetes].etcd} or newer",
        )


def _of_cdi(cdi: str, kubernetes: str, kubevirt: str) -> Iterator[tuple[str, str]]:
    """A CDI goes with the KubeVirt of its release, and where none is known with that one's Kubernetes."""
    row, own = next((row for row in KUBEVIRT if row.cdi == cdi), None), _kubevirt(kubevirt)
    if cdi and own and own.cdi != cdi:
        yield "cdi", f"{cdi} does not go with KubeVirt {kubevirt}; allowed with it is {own.cdi}"
    elif cdi and row is None:
        yield "cdi", f"{cdi} is not in the version matrix; allowed are {', '.join(row.cdi for row in KUBEVIRT)}"
    elif row and not kubevirt and kubernetes in _ALL and kubernetes not in row.kubernetes:
        allowed = ", ".join(each.cdi for each in KUBEVIRT if kubernetes in each.kubernetes)
        yield (
            "kubernetes",
            f"{kubernetes} does not go with CDI {cdi}; allowed with it are {', '.join(row.kubernetes)}",
        )
        yield "cdi", f"{cdi} does not go with Kubernetes {kubernetes}; allowed with it are {allowed}"


def csi_faults(images: Iterable[str], kubernetes: object) -> Iterator[str]:
    """A sentence for each part of CSI among the images that does not go with a Kubernetes, with what is allowed.

    An image of another name, or with a tag that is no version, is not judged.
    """
    wanted = minor(kubernetes)
    for image in sorted(set(images)):
        name, _colon, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
        row, version = next((row for row in CSI if name in row.images), None), minor(tag)
        if row is None or not version:
            continue
        if version not in row.versions:
            yield (
                f"{row.part} {version} ({image}) is not in the version matrix; allowed are"
                f" {', '.join(each for each, minors in row.versions.items() if wanted in minors or wanted not in _ALL)}"
            )
        elif wanted in _ALL and wanted not in row.versions[version]:
            allowed = ", ".join(each for each, minors in row.versions.items() if wanted in minors)
            yield f"{row.part} {version} ({image}) does not go with Kubernetes {wanted}; allowed with it are {allowed}"


def verdict(versions: Mapping[str, object]) -> Verdict:
    """Judges what runs: `kubernetes`, `kubevirt`, and, where they are known, `etcd`, `containerd` and `cdi`."""
    known = {part: version for part, version in versions.items() if numbers(version)}
    found = tuple(f"{part} {text}" for part, text in faults(known))
    notes = tuple(_notes(known))
    if not {"kubernetes", "kubevirt"} <= known.keys():
        return Verdict(UNTESTED, (*found, "the versions of Kubernetes and KubeVirt are not both known"), notes)
    if found:
        return Verdict(UNTESTED, found, notes)
    ran = any(_ran(known, combination) for combination in RAN)
    return Verdict(TESTED if ran else SUPPORTED, (), notes)


def _ran(known: Mapping[str, object], combination: Combination) -> bool:
    """Whether these minors ran together in the tests."""
    parts = ("kubernetes", "kubevirt", "etcd", "containerd")
    return all(minor(known.get(part)) in ("", minor(getattr(combination, part))) for part in parts)


def _notes(known: Mapping[str, object]) -> Iterator[str]:
    row = next((row for row in KUBERNETES if row.minor == minor(known.get("kubernetes"))), None)
    runtime = numbers(known.get("containerd"))
    if row and runtime and runtime < _oldest(row, runtime):
        listed = ", ".join(f"{version} or newer" for version in row.containerd.values())
        yield f"containerd {known['containerd']} is older than its makers recommend for Kubernetes {row.minor}: {listed}"
    if row and row.notes:
        yield f"Kubernetes {row.minor}: {row.notes}"


def _oldest(row: Kubernetes, runtime: tuple[int, int, int]) -> tuple[int, int, int]:
    """The oldest patch of a containerd's minor; of a minor that is not listed, the first of the next that is."""
    listed = [version for version in map(numbers, row.containerd.values()) if version]
    return next((version for version in listed if version[:2] >= runtime[:2]), runtime)


def _kubevirt(version: object) -> KubeVirt | None:
    return next((row for row in KUBEVIRT if row.minor == minor(version)), None)


def tables() -> str:
    """The matrix as Markdown, for docs/versions.md."""
    lines = ["| Kubernetes | etcd | containerd | remarks |", "| --- | --- | --- | --- |"]
    for row in KUBERNETES:
        runtimes = ", ".join(f"{version}+" for version in row.containerd.values())
        lines.append(f"| {row.minor} | {row.etcd}+ | {runtimes} | {row.notes or '-'} |")
    minors = [row.minor for row in KUBERNETES]
    lines += ["", f"| KubeVirt | CDI | {' | '.join(f'Kubernetes {each}' for each in minors)} |"]
    lines.append("| --- " * (2 + len(minors)) + "|")
    for own in KUBEVIRT:
        cells = ["yes" if each in own.kubernetes else "no" for each in minors]
        lines.append(f"| {own.minor} | {own.cdi} | {' | '.join(cells)} |")
    lines += ["", f"| CSI | version | {' | '.join(f'Kubernetes {each}' for each in minors)} |"]
    lines.append("| --- " * (2 + len(minors)) + "|")
    for part in CSI:
        for version, known in part.versions.items():
            cells = ["yes" if each in known else "no" for each in minors]
            lines.append(f"| {part.part} | {version} | {' | '.join(cells)} |")
    lines += [
        "",
        "| ran together: Kubernetes | KubeVirt | etcd | containerd | how |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {ran.kubernetes} | {ran.kubevirt} | {ran.etcd} | {ran.containerd} | {ran.how} |" for ran in RAN]
    lines += ["", "| what | where it is from |", "| --- | --- |"]
    lines += [f"| {what} | {where} |" for what, where in SOURCES.items()]
    return "\n".join(lines) + "\n"
