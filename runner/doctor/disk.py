"""Room on the disks: for the state, for a SQLite database elsewhere, and what output takes of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from runner.config.model import Storage
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem, size
from runner.errors import StoreError
from runner.executors.room import free_and_kept
from runner.history.output import kept
from runner.jobstores.sqlalchemy.database import file_of
from runner.jobstores.urls import in_sql

_FEW_FILES = 1_000


def room(case: Case) -> Iterator[Finding]:
    storage = case.config.storage if case.config is not None else Storage()
    state = _nearest(case.place.state)
    yield _free("disk", state, storage)
    file = None
    with contextlib.suppress(StoreError):  # what is wrong with the URL is said of the database
        file = file_of(case.place.url) if in_sql(case.place.url) else None
    if file is not None and not file.is_relative_to(case.place.state):
        beside = _nearest(file.parent)
        if beside.stat().st_dev != state.stat().st_dev:
            yield _free("database's disk", beside, storage)
    if case.place.state.is_dir():
        yield _output(kept(case.place.state), storage)


def _nearest(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _free(about: str, directory: Path, storage: Storage) -> Finding:
    free, left = free_and_kept(directory, storage.keep_free)
    disk = os.statvfs(directory)
    if free < left:
        return problem(
            about,
            f"nearly full: {size(free)} free at {directory}; below {size(left)} output of commands is dropped",
            "make room; runner db purge forgets now what retention no longer covers",
        )
    if disk.f_files and disk.f_favail < _FEW_FILES:
        return problem(
            about,
            f"it takes only {disk.f_favail:,} more files at {directory} (df -i)",
            "delete files there: each attempt of a job makes some",
        )
    return ok(about, f"{size(free)} free at {directory}; output of commands is dropped below {size(left)}")


def _output(taken: int, storage: Storage) -> Finding:
    if taken > storage.logs:
        return note(
            "output",
            f"it takes {size(taken)}, and storage.logs is {size(storage.logs)}",
            "a runner at work forgets what is too much every hour; runner db purge does now",
        )
    return ok("output", f"{size(taken)} kept, of {size(storage.logs)} (storage.logs)")
