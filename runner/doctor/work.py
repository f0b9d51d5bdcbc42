"""What the commands of jobs stand on: programs, working directories, users."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache

from runner.amounts import count, few
from runner.doctor.case import Case
from runner.doctor.finding import Finding, ok
from runner.errors import ExecutorError
from runner.executors import environment
from runner.executors.users import Other
from runner.spec import Command, JobSpec, Step

_OPEN = "${{"
"""Where a text holds one its value is known when the step starts."""


def programs(case: Case) -> Iterator[Finding]:
    """The shell of each script, and the program of each command without one."""
    missing: dict[tuple[str, str], dict[str, None]] = {}
    wanted: set[str] = set()
    which = cache(shutil.which)
    for spec, step, work in _commands(case):
        name = work.argv[0] if work.argv else work.shell[0]
        beside = "/" in name and not name.startswith("/")
        where = _home(case, work) if beside else _path(spec, step, case)
        if _OPEN in name or where is None:
            continue
        wanted.add(name)
        if not (os.access(f"{where}/{name}", os.X_OK) if beside else which(name, path=where)):
            help = f"it is looked for in {where}" if beside else f"install it, or mend PATH: {where}"
            if where == case.environ.get("PATH") and case.runners_environ is case.environ:
                help += " (this shell's; a service may have another)"
            missing.setdefault((name, help), {})[spec.id] = None
    for (name, help), ids in missing.items():
        yield case.lacks("commands", f"there is no program {name} for {few(list(ids))}", help)
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
            yield case.lacks("directories", f"{error.fact}, for {few(list(dict.fromkeys(ids)))}", error.hint)
    if seen and not missing:
        yield ok(
            "directories",
            f"{count(len(seen), 'working directory', 'working directories')}: there",
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
            yield case.lacks("users", f"{error.fact}, for {few(list(dict.fromkeys(ids)))}", error.hint)
    if seen and not refused:
        yield ok("users", f"{few(sorted(seen))}: commands can be run as them")


def _commands(case: Case) -> Iterator[tuple[JobSpec, Step, Command]]:
    """Of the jobs that are not switched off."""
    for spec in case.specs:
        for step in spec.steps:
            if isinstance(step.work, Command) and spec.enabled:
                yield spec, step, step.work


def _path(spec: JobSpec, step: Step, case: Case) -> str | None:
    """Where its programs are looked for; None where that is only known as it starts."""
    try:
        common = environment.env_files(spec.env_files, case.place.home)
    except (ExecutorError, OSError, ValueError):
        return None  # what is wrong with them is said of them
    usual = case.runners_environ.get("PATH", os.defpath)
    given = step.env.get("PATH", spec.env.get("PATH", common.get("PATH", usual)))
    return None if _OPEN in given else given


def _home(case: Case, work: Command) -> str | None:
    given = work.working_dir or ""
    return None if _OPEN in given else str(case.place.home / given)
