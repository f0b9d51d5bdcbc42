"""What the system lets a runner do: control groups for `limits`, and open files for many commands at once."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import psutil

from runner.amounts import few
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem
from runner.executors.limits import UNLIMITED, permitted
from runner.executors.local import most_commands
from runner.spec import Command


def groups(case: Case) -> Iterator[Finding]:
    """Only where some job asks for it."""
    ids = [
        spec.id
        for spec in case.specs
        if any(isinstance(step.work, Command) and step.work.limits is not None for step in spec.steps)
    ]
    if not ids:
        return
    pid = case.process
    if permitted(pid):
        yield ok("limits", f"enforced by control groups, for {few(ids)}")
        return
    where = "" if pid is not None else "as this shell stands, "
    yield note(
        "limits",
        f"of {few(ids)}: {where}{UNLIMITED}",
        "a systemd unit with Delegate=yes may make them; so may a container with a control group of its own to write",
    )


def descriptors(case: Case) -> Iterator[Finding]:
    """Each command takes some of the files that the runner may have open."""
    pid = case.process
    try:
        _, hard = psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)
    except psutil.Error:
        return
    most = most_commands(hard)
    executors = case.config.executors.values() if case.config is not None else ()
    wanted = max((each.max_workers or 0 for each in executors), default=0)
    allowed = "any number of" if hard in (resource.RLIM_INFINITY, -1) else f"{hard:,}"
    if wanted > most:
        yield problem(
            "open files",
            f"{allowed} may be open, enough for {most:,} commands at once, and max_workers is {wanted:,}",
            "raise LimitNOFILE in the unit (ulimit -Hn), or lower max_workers",
        )
    elif most < len(case.specs):
        yield note(
            "open files",
            f"{allowed} may be open, enough for {most:,} commands at once, and there are {len(case.specs):,} jobs",
            "more of them due at one moment wait for each other; raise LimitNOFILE in the unit (ulimit -Hn)",
        )
    else:
        yield ok("open files", f"{allowed} may be open: {most:,} commands at once")
