"""The jobs on record: broken, paused, or never due again."""

from __future__ import annotations

from collections.abc import Iterator

from runner.doctor.case import Case
from runner.doctor.finding import Finding, count, few, note, ok, problem

ABOUT = "jobs"


def states(case: Case) -> Iterator[Finding]:
    due = [spec for spec in case.specs if spec.trigger is not None and spec.enabled]
    over = [spec.id for spec in due if spec.trigger and spec.trigger.next_after(case.now) is None]
    found = [*_broken(case), *_paused(case)]
    if over and case.config is None:  # of a file that loads it was said there
        found.append(
            note(
                ABOUT,
                f"never due again, for the times of their schedules are past: {few(over)}",
                "give them another schedule, or take them out",
            )
        )
    if found:
        yield from found
    elif due:
        yield ok(ABOUT, f"{count(len(due) - len(over), 'schedule')} with times to come")


def _broken(case: Case) -> Iterator[Finding]:
    for job in case.stored.jobs if case.stored is not None else ():
        if job.state == "broken":
            yield problem(
                ABOUT, f"{job.spec.id} is broken: {job.reason}", "it comes back when it can be loaded"
            )


def _paused(case: Case) -> Iterator[Finding]:
    stored = case.stored.jobs if case.stored is not None else ()
    if paused := [job.spec.id for job in stored if job.state == "paused"]:
        yield note(ABOUT, f"paused, so that nothing of them is due: {few(paused)}", "runner resume JOB")
