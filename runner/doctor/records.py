"""What is on record: jobs that are broken, paused or never due again, and runs under way that nobody follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.amounts import count, few
from runner.core.run import Run, Status
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem
from runner.moment import HOUR, MINUTE
from runner.views.when import away

JOBS, RUNS = "jobs", "runs"


def jobs(case: Case) -> Iterator[Finding]:
    due = [spec for spec in case.specs if spec.trigger is not None and spec.enabled]
    over = [spec.id for spec in due if spec.trigger and spec.trigger.next_after(case.now) is None]
    found = [*_broken(case), *_paused(case)]
    if over and case.config is None:  # of a file that loads it was said there
        found.append(
            note(
                JOBS,
                f"never due again, for the times of their schedules are past: {few(over)}",
                "give them another schedule, or take them out",
            )
        )
    if found:
        yield from found
    elif due:
        yield ok(JOBS, f"{count(len(due) - len(over), 'schedule')} with times to come")


def _broken(case: Case) -> Iterator[Finding]:
    for job in case.stored.jobs if case.stored is not None else ():
        if job.state == "broken":
            yield problem(
                JOBS, f"{job.spec.id} is broken: {job.reason}", "it comes back when it can be loaded"
            )


def _paused(case: Case) -> Iterator[Finding]:
    stored = case.stored.jobs if case.stored is not None else ()
    if paused := [job.spec.id for job in stored if job.state == "paused"]:
        yield note(JOBS, f"paused, so that nothing of them is due: {few(paused)}", "runner resume JOB")


def runs(case: Case) -> Iterator[Finding]:
    if case.stored is None or not case.stored.current:
        return
    live = case.stored.runs
    begun = [run for run in live if run.started_at is not None]
    ahead = [run for run in live if run.created_at > case.now + MINUTE]
    if ahead:
        yield problem(
            RUNS,
            f"made in the future, by this machine's clock: {_named(ahead)}",
            "the clock was set back, or is wrong now",
        )
    if case.alive is None and not case.stored.leader:
        if live and case.stored.sql:
            yield _alone(live, case)
        return
    stuck = [run for run in begun if _beyond(run, case)]
    if stuck:
        yield problem(
            RUNS,
            f"beyond their timeout, and not ended: {_named(stuck)}",
            "runner status says whether the runner is well; runner logs RUN what they last said",
        )
    waiting = [run for run in live if run.status is Status.PENDING and run.created_at < case.now - HOUR]
    if waiting:
        oldest = min(run.created_at for run in waiting)
        yield note(
            RUNS,
            f"waiting for a place, the first since {away(oldest, case.now)}: {_named(waiting)}",
            "runner why JOB says what for",
        )
    if not stuck and not waiting:
        yield ok(RUNS, f"{count(len(begun), 'run')} under way, {len(live) - len(begun)} waiting")


def _alone(runs: Sequence[Run], case: Case) -> Finding:
    """A runner that ends as it should may leave some at work; one that was killed did not mean to."""
    what = f"{count(len(runs), 'run')} on record as under way"
    if case.stored is not None and case.stored.leader is None:
        return note(
            RUNS,
            f"{what}; whether a runner follows them cannot be seen from here: {_named(runs)}",
            "look where the last runner of this database was: runner doctor",
        )
    help = "a start of runner serve takes over what still runs, and records how the others ended"
    if case.health is not None:
        return problem(RUNS, f"{what}, and no runner follows them: {_named(runs)}", help)
    return note(RUNS, f"{what}, and no runner is seen that follows them: {_named(runs)}", help)


def _beyond(run: Run, case: Case) -> bool:
    """Its steps' deadlines are long over. A stop takes as long as `stop_grace_period` says; an hour is none."""
    return any(
        step.status is Status.RUNNING and step.due is not None and step.due < case.now - HOUR
        for step in run.steps.values()
    )


def _named(runs: Sequence[Run]) -> str:
    return few([run.id for run in runs])
