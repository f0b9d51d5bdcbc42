"""All checks, one after the other. Each fails alone, and none is waited for longer than some seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from runner.doctor import (
    channels,
    database,
    disk,
    file,
    limits,
    machine,
    records,
    running,
    secrets,
    state,
    systemd,
    work,
)
from runner.doctor.case import Case
from runner.doctor.finding import Finding, problem, trouble
from runner.errors import RunnerError

Check = Callable[[Case], Iterator[Finding]]

PATIENCE = 10.0
"""Seconds for one check."""

CHECKS: tuple[tuple[str, Check], ...] = (
    ("program", machine.program),
    ("clock", machine.clock),
    ("jobs file", file.loads),
    ("state directory", state.directory),
    ("disk", disk.room),
    ("database", database.opens),
    ("damage", database.damage),
    ("runner", running.leads),
    ("edits", file.is_followed),
    ("systemd", systemd.unit),
    ("jobs", records.jobs),
    ("runs", records.runs),
    ("alerts", channels.alerts),
    ("time zones", machine.zones),
    ("commands", work.programs),
    ("directories", work.directories),
    ("users", work.users),
    ("env files", secrets.env_files),
    ("secrets", secrets.secrets),
    ("limits", limits.groups),
    ("open files", limits.descriptors),
)
"""What each is about, in the order in which they stand on each other: the first ones find what later ones need."""


def examine(case: Case, patience: float = PATIENCE) -> Iterator[Finding]:
    """Every finding, as it is made. `patience`: seconds for one check; one that takes longer is given up and said."""
    for about, check in CHECKS:
        yield from bounded(about, check, case, patience)


def bounded(about: str, check: Check, case: Case, patience: float) -> list[Finding]:
    found: list[Finding] = []
    done = threading.Event()

    def work() -> None:
        try:
            for finding in check(case):
                found.append(finding)
        except RunnerError as error:
            found.append(trouble(about, error))
        except OSError as error:
            words = error.strerror or str(error)
            help = "look as the user whose runner it is" if isinstance(error, PermissionError) else ""
            found.append(problem(about, f"{error.filename or 'it'} cannot be looked at: {words}", help))
        except Exception as error:
            fact = f"this could not be looked at: {type(error).__name__}: {error}"
            found.append(
                problem(about, fact, "that is a fault of the runner; the other findings stand without it")
            )
        finally:
            done.set()

    # A thread that hangs in the system cannot be ended; as a daemon it does not keep the program.
    threading.Thread(target=work, name=f"runner-doctor-{about}", daemon=True).start()
    if done.wait(patience):
        return found
    late = problem(
        about,
        f"no answer within {patience:g} s",
        "a disk or a server is silent, or the machine is overloaded",
    )
    return [*list(found), late]
