"""Where things lie: the jobs file and its state directory (docs/reference: files and directories)."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError
from runner.executors.boots import keep_names
from runner.jobstores.urls import sqlite_at

DEFAULT_FILES = ("jobs.yaml", "/etc/runner/jobs.yaml")


class NoJobsFile(RunnerError):
    """There is no jobs file where one was looked for."""

    exit_code = 3


def find_files(given: str | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The jobs files: `-f`, else `$RUNNER_FILE`, else ./jobs.yaml, else /etc/runner/jobs.yaml.

    Several are separated by `:`, as in $PATH, and a directory stands for the *.yaml files in it.
    Raises NoJobsFile naming every place that was looked at.
    """
    named = given or environ.get("RUNNER_FILE")
    if named:
        names = [named] if Path(named).exists() else [each for each in named.split(os.pathsep) if each]
        for name in names:
            if not Path(name).exists():
                raise NoJobsFile(f"there is no file {name}", hint="give its path with -f FILE")
        return tuple(dict.fromkeys(_plain(Path(name)) for name in names))
    for candidate in DEFAULT_FILES:
        if Path(candidate).exists():
            return (Path(candidate).absolute(),)
    looked = " and ".join(("./jobs.yaml", "/etc/runner/jobs.yaml"))
    raise NoJobsFile(
        f"there is no jobs file (looked for {looked})",
        hint="give one with -f FILE, or start one with: runner init",
    )


def _plain(file: Path) -> Path:
    """The absolute path without `..`, where that is the same file; links stay, so that what they name may change."""
    given = file.absolute()
    shorter = Path(os.path.normpath(given))
    return shorter if shorter.exists() and os.path.samefile(shorter, given) else given


@dataclass(frozen=True, slots=True)
class Place:
    """A jobs file and the directory that keeps its state; only its owner may read it.

    `files` are all that were named, `file` first: it is by the first one that the state is found again.
    """

    file: Path
    state: Path
    url: str
    files: tuple[Path, ...] = ()

    @classmethod
    def of(cls, files: Path | Sequence[Path], environ: Mapping[str, str]) -> Place:
        """`$RUNNER_STATE_DIR`, else `$XDG_STATE_HOME/runner/<name>-<hash of the file's absolute path>`."""
        files = (files,) if isinstance(files, Path) else tuple(files)
        file = files[0]
        named = environ.get("RUNNER_STATE_DIR") or environ.get("STATE_DIRECTORY", "").split(":")[0]
        state = Path(named) if named else _home(environ) / "runner" / _name(file)
        state = state.absolute()
        url = environ.get("RUNNER_DATABASE_URL") or sqlite_at(state / "runner.db")
        return cls(file, state, url, files)

    @property
    def home(self) -> Path:
        """Where commands work and what paths in the file are relative to: the directory of the (first) file."""
        return self.file if self.file.is_dir() else self.file.parent

    @property
    def source(self) -> str:
        """Who owns the jobs of this file, in the store."""
        return str(self.file)

    @property
    def socket(self) -> Path:
        return self.state / "control.sock"

    @property
    def mark(self) -> Path:
        """What remembers which database it was: beside a SQLite file, else in the state directory."""
        from runner.jobstores.sqlalchemy.database import file_of
        from runner.jobstores.urls import in_sql

        database = file_of(self.url) if in_sql(self.url) else None
        if database is not None:
            return database.with_name(f"{database.name}.mark")
        return (
            self.state / f"store-{hashlib.sha256(_without_password(self.url).encode()).hexdigest()[:12]}.mark"
        )

    def make(self) -> None:
        """Create the state directory for its owner alone. RunnerError where that cannot be."""
        new = [each for each in (self.state, *self.state.parents) if not each.exists()]
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(self.state, 0o700)
            for each in new:
                keep_names(each.parent)
        except PermissionError as error:
            if not os.path.isdir(self.state):
                raise self._cannot_be(error) from error
            raise RunnerError(
                f"the state directory {self.state} belongs to another user",
                hint="run as that user, or name another directory with RUNNER_STATE_DIR",
            ) from error
        except OSError as error:
            raise self._cannot_be(error) from error

    def foreign(self) -> str:
        """A word for root, who may write into another user's state and leaves there what that user cannot read."""
        owner = self.state.stat().st_uid
        if os.geteuid() != 0 or owner == 0:
            return ""
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = str(owner)
        return f"{self.state} belongs to {name}, who cannot read what root writes there; run as {name}"

    def _cannot_be(self, error: OSError) -> RunnerError:
        what = "made" if not self.state.is_dir() else "written"
        return RunnerError(
            f"the state directory {self.state} cannot be {what}: {error.strerror}",
            hint="name another with RUNNER_STATE_DIR",
        )


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("XDG_STATE_HOME")
    return Path(home) if home else Path(environ.get("HOME") or Path.home()) / ".local" / "state"


def _name(file: Path) -> str:
    readable = re.sub(r"[^A-Za-z0-9_.-]", "_", file.stem)[:40]
    return f"{readable}-{hashlib.sha256(str(file).encode()).hexdigest()[:10]}"


def _without_password(url: str) -> str:
    return re.sub(r"//([^/@:]*):[^/@]*@", r"//\1@", url)
