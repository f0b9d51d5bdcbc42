"""Plays the jobs of a file over a stretch of time, with failures and times at which the machine is off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from runner.core.event import Settings
from runner.core.run import Run, Status
from runner.duration import say_duration
from runner.moment import DAY, Moment, Span
from runner.simulation import Simulation
from runner.spec import JobSpec
from runner.testing.script import Script
from runner.views.played import Played

MOST_RUNS = 200_000
"""Runs that are played: more than anybody reads, and what a common machine keeps in memory."""
_SLICES = 100

Off = tuple[Moment, Moment]


def stretch(
    specs: Sequence[JobSpec],
    *,
    start: Moment,
    end: Moment,
    script: Script,
    settings: Settings,
    off: Iterable[Off] = (),
    step: Callable[[], None] = lambda: None,
) -> Played:
    """What happens from `start` on and before `end`; the machine is off within each of `off`, which do not overlap.

    Runs that began before `end` are played to theirs. `step` is called a hundred times on the way.
    """
    # An occurrence at the first moment itself belongs to it, and a new job's first one is after now.
    world = Simulation(specs, start=start - 1, script=script, settings=settings)
    stops = sorted(
        [(moment, n, word) for n, pair in enumerate(off) for moment, word in zip(pair, "-+", strict=True)]
    )
    size = max(1, (end - start) // _SLICES)
    warnings: list[str] = []
    for slice_end in [*(start + size * n for n in range(1, _SLICES)), end]:
        while stops and stops[0][0] < slice_end:
            moment, _, word = stops.pop(0)
            world.run(moment - 1)
            world.now = moment
            if word == "-":
                world.crash(host=True)
            else:
                world.restart(specs)
        world.run(slice_end - 1)
        step()
        if len(world.runs) > MOST_RUNS:
            warnings.append(f"stopped after {len(world.runs):,} runs; look at fewer days, or at one job")
            break
    _finish(world, end)
    runs = sorted((run for run in world.runs.values() if run.key.slot < end), key=lambda run: run.key.slot)
    keys = {run.key for run in runs}
    others = [one for one in world.occurrences if one.state != "ran" and one.slot < end]
    alerts = [each for each in world.alerts if each.news.run in keys or each.news.at < end]
    warnings += _doubts(specs, runs, end - start)
    return Played(runs, others, alerts, warnings)


def _finish(world: Simulation, end: Moment) -> None:
    """Let the runs that are under way end."""
    while (
        any(not run.status.final and run.key.slot < end for run in _live(world))
        and world.now < end + 400 * DAY
    ):
        moment = world.next_moment()
        if moment is None:
            break
        world.run(moment)


def _live(world: Simulation) -> Iterable[Run]:
    return () if world.machine is None else world.machine.runs.values()


def _doubts(specs: Sequence[JobSpec], runs: Sequence[Run], span: Span) -> Iterable[str]:
    """What a reader could take wrong."""
    ran = {run.spec.id for run in runs}
    silent = [
        spec.id
        for spec in specs
        if spec.id not in ran and spec.enabled and (spec.trigger is not None or spec.after)
    ]
    if silent:
        yield f"not once in {say_duration(span)}: {', '.join(silent)}"
    told: set[str] = set()
    for run in runs:
        for state in run.steps.values():
            if state.status is Status.FAILED and state.reason == "condition" and state.outcome is not None:
                told.add(f"{run.spec.id}.{state.id} could not be judged: {state.outcome.error}; "
                         "say what its steps put out with --output")  # fmt: skip
    yield from sorted(told)
