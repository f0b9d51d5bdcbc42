"""What the commands of jobs stand on: programs, working directories, users."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from runner.doctor.case import Case
from runner.doctor.finding import Finding, count, few, ok, problem
from runner.errors import ExecutorError
from runner.executors import environment
from runner.executors.users import Other
from runner.spec import Command, JobSpec, Step

_OPEN = "${{"
"""Where a text holds one its value is known when the step starts."""


def programs(case: Case) -> Iterator[Finding]:
    """The shell of each script, and the program of each command without one."""
    missing: dict[str, list[str]] = {}
    wanted: set[str] = set()
    for spec, step, work in _commands(case):
        name = work.argv[0] if work.argv else work.shell[0]
        path = _path(spec, step, case.runners_environ)
        if _OPEN in name or path is None:
            continue
        wanted.add(name)
        if not _found(name, path, _home(case, work)):
            missing.setdefault(name, []).append(spec.id)
    for name, ids in missing.items():
        yield problem(
            "commands",
            f"there is no program {name} for {few(list(dict.fromkeys(ids)))}",
            f"install it, or mend PATH: {case.runners_environ.get('PATH', 'it is not set')}",
        )
    if wanted and not missing:
        yield ok("commands", f"{few(sorted(wanted))}: found")


def directories(case: Case) -> Iterator[Finding]:
    """Where they work."""
    seen: dict[str, list[str]] = {}
    for spec, _, work in _commands(case):
        if work.working_dir is not None and _OPEN not in work.working_dir:
            seen.setdefault(work.working_dir, []).append(spec.id)
    missing = False
    for given, ids in seen.items():
        try:
            environment.directory(case.place.home, given)
        except ExecutorError as error:
            missing = True
            yield problem("directories", f"{error.fact}, for {few(list(dict.fromkeys(ids)))}", error.hint)
    if seen and not missing:
        yield ok(
            "directories",
            f"{count(len(seen), 'working directory').replace('directorys', 'directories')}: there",
        )


def users(case: Case) -> Iterator[Finding]:
    """As whom."""
    seen: dict[str, list[str]] = {}
    for spec, _, work in _commands(case):
        if work.user is not None and _OPEN not in work.user:
            seen.setdefault(work.user, []).append(spec.id)
    refused = False
    for name, ids in seen.items():
        try:
            Other.of(name)
        except ExecutorError as error:
            refused = True
            yield problem("users", f"{error.fact}, for {few(list(dict.fromkeys(ids)))}", error.hint)
    if seen and not refused:
        yield ok("users", f"{few(sorted(seen))}: commands can be run as them")


def _commands(case: Case) -> Iterator[tuple[JobSpec, Step, Command]]:
    for spec in case.specs:
        for step in spec.steps:
            if isinstance(step.work, Command):
                yield spec, step, step.work


def _path(spec: JobSpec, step: Step, environ: Mapping[str, str]) -> str | None:
    """Where its programs are looked for; None where that is only known as it starts."""
    given = step.env.get("PATH", spec.env.get("PATH"))
    if given is None:
        return None if spec.env_files else environ.get("PATH", os.defpath)
    return None if _OPEN in given else given


def _home(case: Case, work: Command) -> Path | None:
    given = work.working_dir or ""
    return None if _OPEN in given else case.place.home / given


def _found(name: str, path: str, home: Path | None) -> bool:
    if "/" in name and not name.startswith("/"):
        return home is None or os.access(home / name, os.X_OK)
    return shutil.which(name, path=path) is not None
