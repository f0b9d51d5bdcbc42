"""The runs under way: whether somebody follows them, and whether their machine was heard of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.core.run import Run, Status
from runner.doctor.case import Case
from runner.doctor.finding import Finding, count, few, note, ok, problem
from runner.moment import HOUR, MINUTE
from runner.views.when import away

ABOUT = "runs"


def under_way(case: Case) -> Iterator[Finding]:
    if case.stored is None or not case.stored.current:
        return
    runs = case.stored.runs
    begun = [run for run in runs if run.started_at is not None]
    ahead = [run for run in runs if run.created_at > case.now + MINUTE]
    if ahead:
        yield problem(
            ABOUT,
            f"made in the future, by this machine's clock: {_named(ahead)}",
            "the clock was set back, or is wrong now",
        )
    if case.alive is None and not case.stored.leader:
        if runs and case.stored.sql:
            yield _alone(runs, case)
        return
    stuck = [run for run in begun if _beyond(run, case)]
    if stuck:
        yield problem(
            ABOUT,
            f"beyond their timeout, and not ended: {_named(stuck)}",
            "runner status says whether the runner is well; runner logs RUN what they last said",
        )
    waiting = [run for run in runs if run.status is Status.PENDING and run.created_at < case.now - HOUR]
    if waiting:
        oldest = min(run.created_at for run in waiting)
        yield note(
            ABOUT,
            f"waiting for a place, the first since {away(oldest, case.now)}: {_named(waiting)}",
            "runner why JOB says what for",
        )
    if not stuck and not waiting:
        yield ok(ABOUT, f"{count(len(begun), 'run')} under way, {len(runs) - len(begun)} waiting")


def _alone(runs: Sequence[Run], case: Case) -> Finding:
    """A runner that ends as it should may leave some at work; one that was killed did not mean to."""
    what = f"{count(len(runs), 'run')} on record as under way"
    if case.stored is not None and case.stored.leader is None:
        return note(
            ABOUT,
            f"{what}; whether a runner follows them cannot be seen from here: {_named(runs)}",
            "look where the last runner of this database was: runner doctor",
        )
    help = "a start of runner serve takes over what still runs, and records how the others ended"
    if case.health is not None:
        return problem(ABOUT, f"{what}, and no runner follows them: {_named(runs)}", help)
    return note(ABOUT, f"{what}, and no runner is seen that follows them: {_named(runs)}", help)


def _beyond(run: Run, case: Case) -> bool:
    """Its steps' deadlines are long over. A stop takes as long as `stop_grace_period` says; an hour is none."""
    return any(
        step.status is Status.RUNNING and step.due is not None and step.due < case.now - HOUR
        for step in run.steps.values()
    )


def _named(runs: Sequence[Run]) -> str:
    return few([run.id for run in runs])
