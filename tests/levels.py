# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of checks that `tests/run.py` plays: what runs at which level, what it needs, how it is counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
CACHE = REPOSITORY / ".cache"
COPY = CACHE / "ansible_collections" / "virtops" / "kubevirt_ha"
LAB = CACHE / "lab"
OUT = CACHE / "test"
BIN = Path(sys.prefix) / "bin"
# A home of their own for tools that keep caches there, so that nothing is left in the user's.
HOME = OUT / "home"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Beside the two that are played at a time: one that mostly waits, and one that takes what all others leave of the cores.
WAITS, BEHIND = "waits", "behind"

Need = Callable[[], str]
"""Returns why the check cannot run here, or an empty string."""


def root() -> str:
    return "" if os.geteuid() == 0 else "needs root: the lab makes containers, links and cgroups"


def memory() -> str:
    """As much as the lab's own preflight asks for."""
    asked = yaml.safe_load((REPOSITORY / "roles/lab/defaults/main.yml").read_text())["lab_minimum_memory_mib"]
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return "" if there >= asked else f"needs {asked} MiB of memory, this machine has {there}"


def programs() -> str:
    missing = [name for name in ("etcd", "kube-apiserver") if not (LAB / "bin" / name).exists()]
    return f"needs {' and '.join(missing)} in .cache/lab/bin: `make lab` builds them" if missing else ""


def system() -> str:
    """The nodes' Debian; its programs run in namespaces."""
    there = (LAB / "system" / "usr" / "sbin" / "keepalived").exists()
    return "" if there else "needs the nodes' system in .cache/lab/system: `make lab` installs it"


def lab() -> str:
    return "" if (LAB / "inventory.yml").exists() else "needs the lab, which is not laid out: `make lab`"


def platform() -> str:
    return "" if (LAB / "kubeconfig").exists() else "needs a platform on the lab: `make demo` lays it out"


def holds(pattern: str) -> Need:
    """Needs files by `pattern`, a glob below the repository."""
    return lambda: "" if any(REPOSITORY.glob(pattern)) else f"there is nothing by {pattern}"


@dataclass(frozen=True)
class Check:
    """One command. `junit` names the folder or file whose JUnit counts are taken; without it the command is one check."""

    level: str
    name: str
    command: tuple[str, ...]
    minutes: float
    needs: tuple[Need, ...] = ()
    junit: Path | None = None
    folder: Path = COPY
    long: bool = False  # left out unless it is named
    beside: bool = False  # begun at once, beside the checks before it, and waited for at its place
    paired: bool = False  # played two at a time with the next of its kind
    apart: str = ""  # never beside another that has the same word here
    lane: str = ""  # WAITS or BEHIND: not one of the two that are played at a time, but one beside them
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        return OUT / f"{self.level}-{self.name}.log"


def _tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


def _lint(name: str, *command: str, minutes: float = 5, folder: Path = COPY, **environment: str) -> Check:
    variables = {"HOME": str(HOME), **environment}
    return Check("lint", name, _tool(*command), minutes, folder=folder, environment=variables)


def _pytest(
    level: str,
    name: str,
    path: str,
    minutes: float,
    *needs: Need,
    marks: str = "",
    paired: bool = False,
    apart: str = "",
    lane: str = "",
) -> Check:
    """With `marks` the check is a long one and plays the tests so marked, else those that are not."""
    junit = OUT / f"{level}-{name}.xml"
    # The address-family and process table of a test are its own: one worker, no shared cache folder.
    command = _tool("python", "-m", "pytest", path, f"--junitxml={junit}", "--quiet", "--color=no")
    command += ("-m", marks) if marks else ()
    needs = (*needs, holds(f"{path}/**/test_*.py"))
    return Check(level, name, command, minutes, needs, junit, long=bool(marks), paired=paired, apart=apart, lane=lane)


def _scenario(name: str, *needs: Need, apart: str = "") -> Check:
    """With `apart` it is played beside checks that have nothing to do with the lab's nodes."""
    command = _tool("molecule", "test", "--scenario-name", name)
    environment = {"HOME": str(HOME), "KUBEVIRT_HA_LAB": str(LAB)}
    needs = (root, lab, holds(f"molecule/{name}/molecule.yml"), *needs)
    long = name in LONG_SCENARIOS
    level, name = ("long", f"scenario-{name}") if long else ("scenario", name)
    paired = bool(apart) and not long
    return Check(
        level,
        name,
        command,
        15,
        needs,
        folder=REPOSITORY,
        long=long,
        paired=paired,
        apart=apart,
        environment=environment,
    )


def _e2e(name: str, minutes: float, *needs: Need, apart: str = "") -> Check:
    """With `apart` it is played beside checks that have nothing to do with the lab's nodes."""
    junit = OUT / f"e2e-{name}.xml"
    command = _tool("python", "-m", "pytest", f"tests/e2e/{name}", f"--junitxml={junit}", "--capture=no", "--color=no")
    return Check(
        "e2e", name, command, minutes, (root, *needs), junit, folder=REPOSITORY, paired=bool(apart), apart=apart
    )


def _long(stem: str) -> Check:
    """One file that takes long and may leave the platform other than it was: they are played in the order of their names."""
    name = f"platform-{stem.removeprefix('test_')}"
    junit = OUT / f"long-{name}.xml"
    command = ("python", "-m", "pytest", f"tests/e2e/long/{stem}.py", f"--junitxml={junit}", "--quiet", "--color=no")
    return Check("long", name, _tool(*command), 60, (root, platform), junit, folder=REPOSITORY, long=True)


SANITY = OUT / "sanity" / "ansible_collections" / "virtops" / "kubevirt_ha"
PACKAGE = "ansible_collections.virtops.kubevirt_ha.plugins"
MYPY = ("mypy", "--config-file", str(COPY / "pyproject.toml"), "--cache-dir", str(OUT / "mypy"))
BUILDS = sorted(str(path.relative_to(COPY / "roles/lab/files")) for path in (COPY / "roles/lab/files").glob("*.py"))
# What the benchmarks import from elsewhere.
BENCH_PATH = os.pathsep.join([str(CACHE), str(COPY / "tests/integration/contract")])
# A folder each; what it needs, unless it is a kube-apiserver.
NEEDS: dict[str, tuple[Need, ...]] = {
    "fencing": (),
    "kvm_node": (),
    "libvirt": (),
    "load_balancer": (root, system),
    "network": (root, system, programs),
    "preflight": (),
}
# Those that take longest, the second of two that differ in little, and that of the lab, which each run lays out anyway.
LONG_SCENARIOS = ("shared_storage_ceph", "lab", "load_balancer_nginx", "network")
# Not beside each other: those that hold the order of short-lived states, those that lay out links or namespaces of the machine, and
# those that are played on the lab's nodes. What measures moves of an address is beside none, and comes last.
STATES, LINKS, NODES, ALONE = "states", "links", "nodes", "load_balancer"
APART = {
    "contract": STATES,
    "faults": STATES,
    "kvm_node": LINKS,
    "network": LINKS,
    "preflight": LINKS,
    "shared_storage": LINKS,
}
# Those that mostly wait for what they have broken to be whole again.
WAITING = ("faults",)
# Two at a time those that take longest first, so that both end together.
FIRST = (
    "backup",
    "faults",
    "migration",
    "remediation",
    "modules",
    "contract",
    "storage",
    "data_volume",
    "kubevirt",
    "preflight",
)


def _integration(*names: str) -> tuple[Check, ...]:
    return tuple(
        _pytest(
            "integration",
            name,
            f"tests/integration/{name}",
            30,
            *NEEDS.get(name, (programs,)),
            paired=name != ALONE,
            apart=APART.get(name, ""),
            lane=WAITS if name in WAITING else "",
        )
        for name in names
    )


INTEGRATION = sorted({path.parent.name for path in REPOSITORY.glob("tests/integration/*/test_*.py")} - {ALONE})
REST = tuple(name for name in INTEGRATION if name not in FIRST)
# Scenarios that are played on the platform which the demo leaves; the others need no more than the lab's nodes.
ON_PLATFORM = (
    "backup",
    "kubernetes",
    "kubevirt",
    "kubevirt_upgrade",
    "monitoring",
    "network",  # its attachments are objects of the cluster
    "node_remediation",
    "placement",
    "status",
)
ON_NODES = sorted({path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml")} - set(ON_PLATFORM))

CHECKS: tuple[Check, ...] = (
    _lint("ruff", "ruff", "check", "--no-cache", "."),
    _lint("format", "ruff", "format", "--check", "--no-cache", "."),
    _lint("types-plugins", *MYPY, "-p", PACKAGE, folder=CACHE),
    _lint("types-standin", *MYPY, "-p", "kubevirt_standin", folder=COPY / "roles/lab/files/standin"),
    _lint("types-lab", *MYPY, ".", folder=COPY / "roles/lab/files/nspawn_lab"),
    _lint("types-load-balancer", *MYPY, "vrrp_listen.py", folder=COPY / "roles/load_balancer/files"),
    _lint(
        "types-storage",
        *MYPY,
        "ask_nfs.py",
        "brick_files.py",
        "evict_clients.py",
        folder=COPY / "roles/shared_storage/files",
    ),
    _lint("types-monitoring", *MYPY, "-p", "kubevirt_ha_collector", folder=COPY / "roles/monitoring/files"),
    _lint("types-build", *MYPY, *BUILDS, folder=COPY / "roles/lab/files"),
    _lint("types-tests", *MYPY, "run.py", "levels.py", "long_page.py", folder=COPY / "tests"),
    _lint("types-docs", *MYPY, "reference.py", folder=COPY / "docs"),
    _lint("types-benchmarks", *MYPY, "-p", "kubevirt_bench", folder=COPY / "tests/benchmarks", MYPYPATH=BENCH_PATH),
    _lint("yamllint", "yamllint", "--strict", "."),
    _lint("ansible-lint", "ansible-lint", "--offline", "--strict", "--profile=production", "--nocolor", minutes=15),
    _lint(
        "collection-docs",
        "antsibull-docs",
        "lint-collection-docs",
        "--plugin-docs",
        "--validate-collection-refs=self",
        ".",
        folder=REPOSITORY,  # it asks git for the files, and the copy's are ignored
    ),
    _lint("changelog", "antsibull-changelog", "lint"),
    _lint("reference", "python", "docs/reference.py", "--check"),
    _lint("build-import", "python", "tests/build_import.py", str(OUT / "build")),
    # A process each: Ansible's own loader, which roles are rendered with, wants to be first with a collection's name.
    *(_pytest("unit", name, f"tests/unit/{name}", 20) for name in ("plugins", "benchmarks", "e2e", "runner")),
    # Compiling fills the cores that linters and unit tests, one thread each, leave idle.
    Check(
        "lab",
        "create",
        _tool("ansible-playbook", "playbooks/lab.yml"),
        minutes=40,
        needs=(root, memory),
        folder=REPOSITORY,
        beside=True,
    ),
    *(_scenario(name, apart=NODES) for name in ON_NODES),
    *_integration(*FIRST, *REST),
    # Asks kubeadm, which the lab has, whether it takes what is rendered.
    _pytest("unit", "roles", "tests/unit/roles", 40, paired=True, lane=BEHIND),
    *_integration(ALONE),
    _e2e("demo", 45, memory),
    _e2e("on_platform", 30, platform, apart=NODES),
    # One at a time: a platform at rest takes half of two cores.
    *(_scenario(name, platform, apart=NODES) for name in ON_PLATFORM),
    # In a copy of its own, as the demo makes the collection's anew.
    Check(
        "sanity",
        "ansible-test",
        _tool("python", "tests/sanity/run.py", str(SANITY)),
        minutes=90,
        junit=SANITY / "tests/output/junit",
        environment={"HOME": str(HOME), "PATH": f"{BIN}:{SYSTEM_PATH}"},
        beside=True,
        lane=BEHIND,
    ),
    _e2e("end", 10),
    *(
        _pytest("long", name, f"tests/integration/{name}", 20, *NEEDS.get(name, (programs,)), marks="long")
        for name in ("backup", "kubernetes", "kvm_node", "load_balancer", "network", "shared_storage")
    ),
    *(_long(path.stem) for path in sorted(REPOSITORY.glob("tests/e2e/long/test_*.py"))),
    _pytest("long", "contract-rules", "tests/integration/contract", 90, programs, marks="long"),
    _pytest("long", "fault-matrix", "tests/integration/faults", 90, programs, marks="long"),
)
