"""What stands in a command's environment, and where it works (docs/commands.md)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from dotenv import dotenv_values

from runner.errors import ExecutorError
from runner.executors.base import Task
from runner.executors.marks import Marks
from runner.executors.tree import MARK
from runner.moment import Moment, iso

CLEAN = ("PATH", "HOME", "LANG", "TZ")
"""What `clean_env` leaves of the runner's own environment."""
OUTPUT = "output"
_KEPT = frozenset({"RUNNER_FILE", "RUNNER_STATE_DIR"})
"""The runner's settings a command may see, so that it can call `runner`; the others may hold secrets."""


def inherited(environ: Mapping[str, str], hidden: Collection[str], clean: bool) -> dict[str, str]:
    """The runner's own environment, less what feeds a secret and the runner's settings."""
    if clean:
        return {name: environ[name] for name in CLEAN if name in environ and name not in hidden}
    return {
        name: value
        for name, value in environ.items()
        if name not in hidden and (not name.startswith("RUNNER_") or name in _KEPT)
    }


def directory(home: Path, given: str) -> Path:
    """Where a command works that names `given`, or nothing. ExecutorError where that is no directory."""
    found = home / given
    if not os.path.isdir(found):
        raise ExecutorError(
            f"the working directory {found} does not exist", hint="make it, or change working_dir"
        )
    return found


def env_files(names: Collection[str], working_dir: Path) -> dict[str, str]:
    """The variables of the env files; later files win. A name that ends in `?` may be missing."""
    found: dict[str, str] = {}
    for name in names:
        path = working_dir / name.removesuffix("?")
        if not path.is_file():
            if name.endswith("?"):
                continue
            raise ExecutorError(f"the env file {path} is missing", hint=f"write {name}? if it may be")
        found.update({k: v or "" for k, v in dotenv_values(path, interpolate=False).items()})
    return found


@lru_cache(maxsize=64)
def _local(slot: Moment, timezone: str) -> str:
    """Jobs begin many at a time."""
    return iso(slot, ZoneInfo(timezone))


def about(task: Task, run_dir: str, marks: Marks) -> dict[str, str]:
    """`RUNNER_*`: which job, run, step and attempt this is, and where its private files are."""
    run = task.run
    return {
        "RUNNER_JOB": run.spec.id,
        "RUNNER_RUN_ID": run.id,
        "RUNNER_STEP": task.state.id,
        "RUNNER_ATTEMPT": str(task.state.attempt),
        "RUNNER_SCHEDULED_AT": _local(run.key.slot, run.spec.timezone),
        "RUNNER_COMMIT": run.commit,
        "RUNNER_RUN_DIR": run_dir,
        "RUNNER_OUTPUT": marks.file(OUTPUT),
        MARK: marks.name,
    }
