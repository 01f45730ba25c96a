# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every level of checks that this machine allows, and says what it left out and why.

`python tests/run.py [LEVEL or LEVEL/NAME ...]`; logs and counts are kept under .cache/test. The last line printed is
`N passed, N failed, N skipped`; the exit code is 0 only when nothing failed and something passed. Long checks keep what they showed in
docs/test-long.md.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from xml.etree import ElementTree

import long_page
import yaml
from levels import BEHIND, BIN, CACHE, CHECKS, HOME, LAB, OUT, REPOSITORY, WAITS, Check

SECONDS_BETWEEN_SIGNS_OF_LIFE = 60
LINES_OF_A_FAILED_LOG = 60
# How Ansible and pytest begin the line of what failed; the first ones are the cause of those after.
WORDS_OF_A_FAULT = ("fatal: ", "failed: ", "FAILED ", "ERROR ", "[ERROR]: ")
FAULTS_OF_A_FAILED_LOG = 12
CHARACTERS_OF_A_FAULT = 600
LONG_PAGE = Path("docs/test-long.md")


@dataclass
class Counts:
    """What came of one check; `reasons` says why something was left out."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.reasons + other.reasons,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_junit(path: Path) -> Counts:
    """Counts the test cases of one JUnit file, or of all in a folder."""
    counts = Counts()
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    for case in (case for file in files if file.exists() for case in ElementTree.parse(file).iter("testcase")):
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
        elif skip is not None:
            counts.skipped += 1
            reason = (skip.get("message") or "").strip()
            counts.reasons += [reason] if reason and reason not in counts.reasons else []
        else:
            counts.passed += 1
    return counts


@dataclass
class Running:
    """The processes of checks that run now, so that none outlives this one."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, check: Check) -> int:
        """Runs the command with its output in the check's log; returns its exit code, 124 when its time was over."""
        environment = {**os.environ, **surroundings(), "PWD": str(check.folder), **check.environment}
        print(f"{check.level}/{check.name} ...", flush=True)
        begun = time.monotonic()
        with check.log.open("w") as log:
            process = subprocess.Popen(
                check.command,
                cwd=check.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.processes.append(process)
            if check.lane == BEHIND:
                _give_way(process)
            return _wait(process, check, begun)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                _end(process)


def _give_way(process: subprocess.Popen[bytes]) -> None:
    """Leaves the cores to all others. Linux may weigh sessions against each other (autogroup), where niceness counts within one only."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PGRP, process.pid, 19)
        Path(f"/proc/{process.pid}/autogroup").write_text("19")


def _wait(process: subprocess.Popen[bytes], check: Check, begun: float) -> int:
    while True:
        try:
            return process.wait(SECONDS_BETWEEN_SIGNS_OF_LIFE)
        except subprocess.TimeoutExpired:
            elapsed = time.monotonic() - begun
            if elapsed > check.minutes * 60:
                _end(process)
                print(f"  {check.level}/{check.name} ended: it took longer than {check.minutes:g} minutes", flush=True)
                return 124
            print(f"  {check.level}/{check.name}, {elapsed:.0f} s: {_last_line(check.log)}", flush=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and those of its session, gently at first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(20)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:140] if lines else ""


def surroundings() -> dict[str, str]:
    """What every check sees: this environment's programs first, the copied collection, the programs that were built."""
    return {
        "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(CACHE),
        "ANSIBLE_COLLECTIONS_PATH": str(CACHE),
        "ANSIBLE_CONFIG": str(REPOSITORY / "playbooks" / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "KUBEVIRT_HA_BINARIES": str(LAB / "bin"),
    }


@dataclass
class Played:
    """What came of a check, and how long it took."""

    counts: Counts
    seconds: float


def play(check: Check, running: Running) -> Played:
    """Runs one check where its needs are met and counts what came of it."""
    begun = time.monotonic()
    return Played(_count(check, running), time.monotonic() - begun)


class Row:
    """Checks that are played two at a time, in their order but for those of one kind, which wait for each other.

    Beside these two, one of each further lane at a time.
    """

    # The lane that each plays.
    WORKERS = ("", "", WAITS, BEHIND)

    def __init__(self, checks: Sequence[Check], running: Running) -> None:
        self._left, self._running = list(checks), running
        self._kinds: set[str] = set()
        self._changed = threading.Condition()
        self.played: dict[Path, Future[Played]] = {check.log: Future() for check in checks}

    def work(self, lane: str) -> None:
        """Plays those of the lane until none is left."""
        while check := self._next(lane):
            try:
                self.played[check.log].set_result(play(check, self._running))
            except BaseException as error:  # told by whoever asks for the result
                self.played[check.log].set_exception(error)
            with self._changed:
                self._kinds.discard(check.apart)
                self._changed.notify_all()

    def _next(self, lane: str) -> Check | None:
        with self._changed:
            while left := [each for each in self._left if each.lane == lane]:
                free = next((each for each in left if not each.apart or each.apart not in self._kinds), None)
                if free:
                    self._left.remove(free)
                    self._kinds |= {free.apart} if free.apart else set()
                    return free
                self._changed.wait()
            return None

    def end(self) -> None:
        """Begins no further one."""
        with self._changed:
            self._left.clear()
            self._changed.notify_all()


def _count(check: Check, running: Running) -> Counts:
    unmet = [reason for reason in (need() for need in check.needs) if reason]
    if unmet:
        return Counts(skipped=1, reasons=unmet)
    if check.junit is not None and not check.junit.is_dir():
        check.junit.unlink(missing_ok=True)
    code = running.run(check)
    counts = read_junit(check.junit) if check.junit else Counts(passed=int(code == 0), failed=int(code != 0))
    if code != 0 and counts.failed == 0:  # it broke off before or after its test cases
        counts.failed = 1
    if code == 0 and counts.passed + counts.skipped == 0:
        counts.failed = 1  # a check that ran nothing has shown nothing
    return counts


def chosen(names: Sequence[str]) -> list[Check]:
    """The checks of the given levels or `level/name`; without a name all but the long ones. Unknown names end the run."""
    known = {check.level for check in CHECKS} | {f"{check.level}/{check.name}" for check in CHECKS}
    if unknown := sorted(set(names) - known):
        sys.exit(f"No such level or check: {', '.join(unknown)}. There are: {', '.join(sorted(known))}")
    return [
        check
        for check in CHECKS
        if (not names and not check.long) or {check.level, f"{check.level}/{check.name}"} & set(names)
    ]


def report_failure(check: Check) -> None:
    lines = check.log.read_text(errors="replace").splitlines()
    print(f"--- the end of {check.log}")
    print("\n".join(lines[-LINES_OF_A_FAILED_LOG:]))
    print("---", flush=True)


def faults_of(log: Path) -> list[str]:
    """The lines of a log that tell what failed, the first ones; a task's name stands before its own."""
    faults: list[str] = []
    task = ""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            task = line.rstrip(" *")
        elif line.startswith(WORDS_OF_A_FAULT):
            of_task = line.startswith(("fatal: ", "failed: "))
            faults.append(f"{task} {line}".strip()[:CHARACTERS_OF_A_FAULT] if of_task else line[:CHARACTERS_OF_A_FAULT])
    return faults[:FAULTS_OF_A_FAILED_LOG]


def write_pip_configuration() -> None:
    """Hands pip's settings on to tools that drop them from the environment."""
    settings = {key[4:].lower().replace("_", "-"): value for key, value in os.environ.items() if key.startswith("PIP_")}
    path = HOME / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))


def play_all(checks: Sequence[Check]) -> Iterator[tuple[Check, Played]]:
    """Plays the checks in their order; those that may run beside others begin at once, those that are paired by twos."""
    running = Running()
    rows: list[Row] = []
    with ThreadPoolExecutor() as pool:
        try:
            begun: dict[Path, Future[Played]] = {
                check.log: pool.submit(play, check, running) for check in checks if check.beside
            }
            for number, check in enumerate(checks):
                if check.paired and check.log not in begun:
                    rows.append(Row([*takewhile(lambda each: each.paired, checks[number:])], running))
                    begun |= rows[-1].played
                    for lane in Row.WORKERS:
                        pool.submit(rows[-1].work, lane)
                yield check, begun[check.log].result() if check.log in begun else play(check, running)
        finally:
            for row in rows:
                row.end()
            pool.shutdown(wait=False, cancel_futures=True)
            running.end()


def end_when_told() -> None:
    """A signal to end ends the checks that run, too: each has a session of its own."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def machine() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def commit() -> str:
    """The commit that is played."""
    return _of_figures("commit()") or "unknown"


def kubevirt_source() -> str:
    """Which KubeVirt runs on the lab, as its Deployments say."""
    return _of_figures("kubevirt_source()") or "unknown"


def _of_figures(call: str) -> str:
    """What is written beside each figure; that module needs the collection, and this one is run before there is a copy of it."""
    ask = (sys.executable, "-c", f"import keep_figure; print(keep_figure.{call})")
    path = os.pathsep.join([str(REPOSITORY / "tests" / "e2e"), str(CACHE)])
    done = subprocess.run(ask, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    return done.stdout.strip()


def write_long_page(rows: Sequence[tuple[Check, Played]], kubevirt: str) -> None:
    """Keeps what long checks showed in a page of the documentation; a run without any leaves it as it is."""
    date, of = time.strftime("%Y-%m-%d", time.gmtime()), commit()
    now = [
        long_page.Line(
            check.name,
            one.counts.passed,
            one.counts.failed,
            one.counts.skipped,
            round(one.seconds),
            date,
            of,
            tuple(one.counts.reasons),
        )
        for check, one in rows
        if check.long
    ]
    if not now:
        return
    path = REPOSITORY / LONG_PAGE
    earlier = long_page.read(path.read_text()) if path.exists() else []
    kubernetes = yaml.safe_load((REPOSITORY / "roles/kubernetes/defaults/main.yml").read_text())["kubernetes_version"]
    surroundings = (
        f"{date}, commit {of}, {machine()}, Python {platform.python_version()}, ansible-core {version('ansible-core')},"
        f" Kubernetes {kubernetes}, KubeVirt on the lab: {kubevirt}"
    )
    lines = long_page.merge(earlier, now, [check.name for check in CHECKS if check.long])
    path.write_text(long_page.write(lines, surroundings))


def write_report(names: Sequence[str], rows: Sequence[tuple[Check, Played]], left_out: Sequence[str]) -> None:
    """A page of what was played when and on what, for those who were not there."""
    lines = [
        f"# `{' '.join(['tests/run.py', *names])}`",
        "",
        f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, commit {commit()}, {machine()}, Python {platform.python_version()}.",
        "",
        "| check | passed | failed | skipped | seconds |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {check.name} | {played.counts.passed} | {played.counts.failed} | {played.counts.skipped} | {played.seconds:.0f} |"
            for check, played in rows
        ),
    ]
    lines += ["", "Left out:", "", *(f"- {line}" for line in left_out)] if left_out else []
    chosen = "-".join(names).replace("/", "-")
    path = REPOSITORY / "reports" / f"test{'-' if names else ''}{chosen if len(chosen) < 200 else 'chosen'}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def main(names: Sequence[str]) -> int:
    write_pip_configuration()
    total, left_out, failures, rows = Counts(), [], [], []
    checks = chosen(names)
    kubevirt = kubevirt_source() if any(check.long for check in checks) else ""  # some of them end the lab
    for check, played in play_all(checks):
        counts = played.counts
        total += counts
        rows.append((check, played))
        print(f"{check.level}/{check.name}: {counts} ({played.seconds:.0f} s)", flush=True)
        if counts.failed:
            failures.append(f"{check.level}/{check.name}: see {check.log}")
            failures += [f"  {fault}" for fault in faults_of(check.log)]
            report_failure(check)
        left_out += [f"{check.level}/{check.name}: {reason}" for reason in counts.reasons]
    for title, lines in (("Left out", left_out), ("Failed", failures)):
        print("\n".join([f"\n{title}:", *(f"  {line}" for line in lines)]) if lines else f"\n{title}: nothing")
    if len(rows) > 1:
        write_report(names, rows, left_out)
    write_long_page(rows, kubevirt)
    print(f"\n{total}", flush=True)
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    end_when_told()
    sys.exit(main(sys.argv[1:]))
