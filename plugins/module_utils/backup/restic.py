# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One restic repository. Passwords and keys reach restic by files and by its environment, never by its arguments."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup import restic_output
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.disks import piped
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.process import Process
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.restic_output import Damage, Snapshot
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.backup.settings import Settings
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, without_password

_PIECE = 1 << 20
_BACKUP_SECONDS = 24 * 3600.0
_SECONDS = 600.0
_ASK_SECONDS = 30.0  # of a small file, which preflight waits for
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s*=[^\0]*$")


class ResticFailed(HaError):
    """restic ended with an error, or cannot be run."""


class Restic:
    """A repository, with the host that its snapshots are made by."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = os.path.join(settings.state_dir, "cache")

    @property
    def where(self) -> str:
        """The repository as messages call it, without a password that its URL may hold."""
        return f"repository {without_password(self._settings.repository)}"

    def faults(self) -> list[str]:
        """What stands against using it, as far as it can be found without asking the repository."""
        found = _file_faults("backup_repository_password_file", self._settings.password_file)
        variables = self._settings.environment_file
        if variables:
            found += _file_faults("backup_environment_file", variables) or _line_faults(variables)
        if shutil.which(self._settings.restic) is None:
            found.append(f"{self._settings.restic} is not installed; run the role backup, which installs it")
        return found

    def exists(self) -> bool:
        """Whether it is there and its password fits; False where there is none, ResticFailed for all else."""
        # Nothing is written, for check mode asks, too.
        done = self._run("cat", "config", "--no-lock", "--no-cache", seconds=_ASK_SECONDS)
        if done.returncode == 0:
            return True
        why, fix = restic_output.reason(done.stderr)
        if why == "there is no repository":
            return False
        raise ResticFailed("cannot be opened", where=self.where, why=without_password(why), fix=fix)

    def create(self) -> None:
        """Makes the repository."""
        self._check(self._run("init"), "cannot be made")

    def unlock(self) -> None:
        """Takes away locks whose process is gone; those of processes that live, here or elsewhere, stay."""
        self._check(self._run("unlock"), "cannot be unlocked")

    def backup(self, folder: str, tags: Mapping[str, str]) -> dict[str, Any]:
        """Saves what lies in a folder; restic's summary: `snapshot_id`, `data_added`, `total_bytes_processed`, ..."""
        given = ",".join(f"{name}={value}" for name, value in tags.items())
        arguments = ("backup", "--json", "--host", self._settings.host, "--tag", given, "--ignore-inode", ".")
        done = self._run(*arguments, folder=folder, seconds=_BACKUP_SECONDS)
        self._check(done, "did not take the backup")
        try:
            return restic_output.summary(done.stdout.splitlines())
        except ValueError as error:
            raise ResticFailed("did not take the backup", where=self.where, why=str(error)) from error

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, the newest first."""
        done = self._check(self._run("snapshots", "--json", "--no-lock"), "cannot be listed")
        try:
            return restic_output.snapshots(done.stdout)
        except ValueError as error:
            raise ResticFailed("cannot be listed", where=self.where, why=str(error)) from error

    def forget(self, tags: Mapping[str, str], keep: Mapping[str, int]) -> list[str]:
        """Forgets the snapshots with these tags that no rule keeps; their identifiers."""
        rules = [word for name, count in keep.items() if count for word in (f"--keep-{name}", str(count))]
        if not rules:
            return []
        given = ",".join(f"{name}={value}" for name, value in tags.items())
        arguments = ("forget", "--json", "--tag", given, "--group-by", "", *rules)
        return restic_output.removed(self._check(self._run(*arguments), "did not forget old backups").stdout)

    def prune(self) -> None:
        """Gives back the space of what was forgotten."""
        self._check(self._run("prune", seconds=_BACKUP_SECONDS), "cannot be pruned")

    def check(self, subset: str) -> Damage:
        """Reads a part of the data, such as 5% or 1/7, and all of the structure; what is damaged."""
        part = ("--read-data",) if subset == "100%" else (f"--read-data-subset={subset}",)
        done = self._run("check", *part, seconds=_BACKUP_SECONDS)
        if done.returncode == 0:
            return Damage()
        text = f"{done.stderr}\n{done.stdout}"
        found = restic_output.damage(text)
        if found.packs or found.indexes or found.snapshots or found.trees or "repository contains errors" in text:
            return found
        return self._fail(done, "cannot be checked")

    def places(self, pack: str) -> list[tuple[str, str]] | None:
        """Snapshot and path of what lies in a pack; None where the pack's own list cannot be read."""
        with self._process("find", "--json", "--no-lock", "--pack", pack) as process:
            stream = process.stdout
            chunks = iter(lambda: stream.read(_PIECE).decode("utf-8", "replace") if stream else "", "")
            found = list(restic_output.places(chunks))
            code = process.wait()
        return found if code == 0 else None

    def readable(self, snapshot: str) -> bool:
        """Whether all of a snapshot can be read."""
        with self._process("dump", "--no-lock", snapshot, "/") as process:
            while process.stdout and process.stdout.read(_PIECE):
                pass
            return process.wait() == 0

    def text(self, snapshot: str, path: str) -> str:
        """A small file of a snapshot."""
        what = f"{path} of snapshot {snapshot[:8]} cannot be read"
        return self._check(self._run("dump", "--no-lock", snapshot, f"/{path}"), what).stdout

    @contextlib.contextmanager
    def open(self, snapshot: str, path: str) -> Iterator[IO[bytes]]:
        """A file of a snapshot as a stream, a folder as a tar archive; ResticFailed at the end where it was not whole."""
        with self._process("dump", "--no-lock", snapshot, f"/{path}") as process:
            stream = piped(process.stdout)
            yield stream
            while stream.read(_PIECE):
                pass  # it waits until somebody takes what it has
            if process.wait():
                why, fix = restic_output.reason(process.words())
                what = f"{path} of snapshot {snapshot[:8]} cannot be read"
                raise ResticFailed(what, where=self.where, why=without_password(why), fix=fix)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [self._settings.restic, *arguments]

    def _environment(self) -> dict[str, str]:
        given = {
            "RESTIC_REPOSITORY": self._settings.repository,
            "RESTIC_PASSWORD_FILE": self._settings.password_file,
            "RESTIC_CACHE_DIR": self._cache,
            "RESTIC_PROGRESS_FPS": "0.1",
        }
        # What a shell has set for another repository is not for this one.
        around = {name: text for name, text in os.environ.items() if not name.startswith("RESTIC_")}
        return {**around, **_variables(self._settings.environment_file), **given}

    def _run(
        self, *arguments: str, folder: str | None = None, seconds: float = _SECONDS
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self._command(arguments),
                cwd=folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            why = f"restic {arguments[0]} took longer than {seconds:g} s"
            raise ResticFailed("does not answer", where=self.where, why=why, fix="Check the way to it") from error
        except OSError as error:
            fix = "Run the role backup, which installs it"
            raise ResticFailed("restic cannot be run", where=self._settings.restic, why=str(error), fix=fix) from error

    @contextlib.contextmanager
    def _process(self, *arguments: str) -> Iterator[Process]:
        """A run whose output is read as it comes; ended with the block."""
        with tempfile.TemporaryFile() as said:
            process = Process(
                self._command(arguments),
                said,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                if process.stdout:
                    process.stdout.close()
                process.wait()

    def _check(self, done: subprocess.CompletedProcess[str], what: str) -> subprocess.CompletedProcess[str]:
        if done.returncode:
            self._fail(done, what)
        return done

    def _fail(self, done: subprocess.CompletedProcess[str], what: str) -> Any:
        why, fix = restic_output.reason(done.stderr)
        raise ResticFailed(what, where=self.where, why=without_password(why), fix=fix)


def _file_faults(name: str, path: str) -> list[str]:
    """Why a file with a secret in it cannot be used."""
    fix = "write it, lines of NAME=VALUE, mode 0600"
    if name == "backup_repository_password_file":
        fix = "restore it from where you keep it apart from the backups; write a new one only for a new repository, mode 0600"
    try:
        found = os.stat(path)
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        return [f"{name}: {path} cannot be read ({error.strerror}); {fix}"]
    if empty:
        return [f"{name}: {path} is empty; {fix}"]
    if stat.S_IMODE(found.st_mode) & 0o077:
        return [f"{name}: {path} can be read by others; set its mode to 0600"]
    return []


def _line_faults(path: str) -> list[str]:
    """The lines that would be passed over, by their numbers: their words are secrets."""
    try:
        lines = _lines(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        return [f"backup_environment_file: {path} cannot be read ({why}); write it, lines of NAME=VALUE, mode 0600"]
    wrong = [str(number) for number, line in lines if not _VARIABLE.match(line)]
    found = f"line {', '.join(wrong)}: is not NAME=VALUE; correct it, or begin it with #"
    return [f"backup_environment_file: {path}: {found}"] if wrong else []


def _lines(path: str) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    with open(path, encoding="utf-8") as file:
        stripped = [(number, line.strip()) for number, line in enumerate(file, 1)]
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]


def _variables(path: str) -> dict[str, str]:
    """Lines of NAME=VALUE."""
    if not path:
        return {}
    try:
        pairs = [line.partition("=") for _number, line in _lines(path)]
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or "it is no text")
        raise ResticFailed("cannot be read", where=path, why=why) from error
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}
