"""Plays a jobs file's tests on the real machine, with a virtual clock and scripted steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from runner.config import Config
from runner.config.expected import Expected
from runner.core.action import Start
from runner.core.event import Settings
from runner.core.run import Delivery, Run
from runner.moment import DAY, Moment
from runner.simulation import Simulation
from runner.spec import JobSpec
from runner.testing.rendered import Rendered, rendered
from runner.testing.script import Script

PATIENCE = 400 * DAY
"""How long after its start a run may take, in the time of the clock that is played."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a test: fire times and runs in their order, alerts as they were sent, and what steps were
    started with, by step (of several attempts, the last)."""

    times: tuple[Moment, ...]
    runs: tuple[Run, ...]
    alerts: tuple[Delivery, ...]
    order: tuple[str, ...] = ()
    commands: Mapping[str, Rendered] = field(default_factory=dict)


def settings(config: Config) -> Settings:
    """What the house of this file offers: the machine a simulation plays is bounded as the real one."""
    executors = {name: each.max_workers for name, each in config.executors.items()}
    return Settings(groups=config.groups, executors=executors, maintenance=config.maintenance)


def play(config: Config, test: Expected) -> Found:
    """Let happen what the test says, and look at what came of it."""
    return _span(config, test) if test.start is not None and test.end is not None else _one(config, test)


def _span(config: Config, test: Expected) -> Found:
    start, end = test.start or 0, test.end or 0
    specs = tuple(upstream(config.jobs, test.job))
    script = Script(fail=test.fail, took=test.took, outputs=test.outputs)
    # An occurrence at the first moment itself belongs to the test, and a new job's first one is after now.
    world = Simulation(specs, start=start - 1, script=script, settings=settings(config))
    world.run(end - 1)
    while any(not run.status.final for run in _within(world, test.job, end)) and world.now < end + PATIENCE:
        moment = world.next_moment()
        if moment is None:
            break
        world.run(moment)
    runs = tuple(_within(world, test.job, end))
    keys = {run.key for run in world.runs.values() if run.key.slot < end}
    alerts = tuple(each for each in world.alerts if each.news.run in keys or each.news.at < end)
    return Found(tuple(run.key.slot for run in runs), runs, alerts)


def _one(config: Config, test: Expected) -> Found:
    # Without its schedule: the one run is all that happens.
    spec = next(spec for spec in config.jobs if spec.id == test.job)
    order: list[str] = []
    commands: dict[str, Rendered] = {}

    def begun(start: Start) -> None:
        if start.state.id not in order:
            order.append(start.state.id)
        commands[start.state.id] = rendered(start, config.secrets)

    script = Script(fail=test.fail, took=test.took, outputs=test.outputs, begun=begun)
    world = Simulation(
        [replace(spec, trigger=None, after=(), only_after=None)],
        start=test.at,
        script=script,
        settings=settings(config),
    )
    world.fire(test.job, test.params)
    while any(not run.status.final for run in world.runs.values()) and world.now < test.at + PATIENCE:
        moment = world.next_moment()
        if moment is None:
            break
        world.run(moment)
    world.run(world.now)
    return Found((), tuple(world.runs.values()), tuple(world.alerts), tuple(order), commands)


def _within(world: Simulation, job: str, end: Moment) -> list[Run]:
    return [run for run in world.runs_of(job) if run.key.slot < end]


def upstream(jobs: Iterable[JobSpec], id: str) -> Iterator[JobSpec]:
    """The job, and all that its runs depend on, in the order of the file."""
    jobs = list(jobs)
    known = {spec.id: spec for spec in jobs}
    wanted: set[str] = set()
    waiting = [id]
    while waiting:
        name = waiting.pop()
        if name in wanted or name not in known:
            continue
        wanted.add(name)
        spec = known[name]
        waiting += [each.job for each in spec.after]
        if spec.only_after is not None:
            waiting.append(spec.only_after.job)
    return (spec for spec in jobs if spec.id in wanted)
