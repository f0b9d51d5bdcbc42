"""A time asked for before it came, by a change that has its turn after it: what has begun then is not begun again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runner.core.action import Action, Start
from runner.core.event import Added, Paused, Resumed, Settings, StepEnded, Stepped, Tick
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Outcome, RunKey, Status
from runner.engine import Plan
from runner.frozen import replace
from runner.jobstores.base import ConflictingIdError
from runner.moment import HOUR, SECOND, Moment, to_datetime
from runner.schedulers import plans
from runner.schedulers.making import policy_of
from runner.spec import Call, JobSpec, Step
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger

DUE: Moment = 1_780_000_000 * SECOND
DATE = DateTrigger(to_datetime(DUE))
SPEC = JobSpec(
    "it",
    (Step("call", Call("builtins:print")),),
    IntervalTrigger(hours=5),
    policy_of(max_instances=3, misfire_grace_time=30),
    remove_when_done=True,
)
ONCE = replace(SPEC, trigger=DATE)


def changed(asked: Moment) -> Plan:
    return plans.change(SPEC.key, {"next_run_time": DUE}, asked)


def rescheduled(asked: Moment) -> Plan:
    return plans.reschedule(SPEC.key, DATE, asked)


def replaced(asked: Moment) -> Plan:
    return plans.add(ONCE, "auto", asked, replacing=True)


def replaced_there(asked: Moment) -> Plan:
    return plans.add(SPEC, DUE, asked, replacing=True)


def made(spec: JobSpec) -> Machine:
    machine = Machine(Settings())
    machine.handle(DUE - SECOND, Added(spec, DUE))
    return machine


def starts(actions: list[Action]) -> list[RunKey]:
    return [action.run.key for action in actions if isinstance(action, Start)]


def done(machine: Machine, plan: Plan, now: Moment) -> list[RunKey]:
    """What begins because of the plan, in its turn or the one after it."""
    found = [key for event in plan(machine, now) for key in starts(machine.handle(now, event))]
    return [*found, *starts(machine.handle(now, Tick()))]


WISHES = [
    (SPEC, changed),
    (SPEC, rescheduled),
    (SPEC, replaced),
    (SPEC, replaced_there),
    (ONCE, replaced),
    (ONCE, replaced_there),
]


@pytest.mark.parametrize(("spec", "wish"), WISHES)
@pytest.mark.parametrize("end", [None, Status.SUCCEEDED, Status.FAILED])
def test_it_runs_once_where_it_was_asked_for_before_and_again_where_after(
    spec: JobSpec, wish: Callable[[Moment], Plan], end: Status | None
) -> None:
    for asked, again in ((DUE - 1, False), (DUE, True)):
        machine = made(spec)
        (begun,) = starts(machine.handle(DUE, Tick()))
        if end is not None and spec is SPEC:
            machine.handle(DUE, StepEnded(AttemptKey(begun, "call", 1), Outcome(end)))
        assert begun == RunKey(spec.key, DUE)
        expected: list[Any] = [RunKey(spec.key, DUE, "c1")] if again else []
        assert done(machine, wish(asked), DUE + 2) == expected


@pytest.mark.parametrize(("spec", "wish"), WISHES)
def test_what_did_not_begin_runs(spec: JobSpec, wish: Callable[[Moment], Plan]) -> None:
    machine = made(spec)
    assert done(machine, wish(DUE - 1), DUE + 2) == [RunKey(spec.key, DUE)]
    machine = made(SPEC)
    machine.handle(DUE - 2, Paused(SPEC.key))
    machine.handle(DUE + 1, Resumed(SPEC.key))
    assert [key.slot for key in done(machine, wish(DUE - 1), DUE + 2)] == [DUE]


@pytest.mark.parametrize(("spec", "wish"), [each for each in WISHES if each[0] is SPEC])
def test_after_the_clock_was_set_back_a_time_that_was_run_comes_again_where_it_is_asked_for(
    spec: JobSpec, wish: Callable[[Moment], Plan]
) -> None:
    machine = made(spec)
    (begun,) = starts(machine.handle(DUE, Tick()))
    machine.handle(DUE, StepEnded(AttemptKey(begun, "call", 1), Outcome(Status.SUCCEEDED)))
    earlier = DUE - HOUR
    machine.handle(earlier, Stepped(-HOUR))
    assert done(machine, wish(earlier), earlier + 2) == []
    assert starts(machine.handle(DUE, Tick())) == [RunKey(spec.key, DUE, "c1")]


def test_another_job_of_an_id_that_was_taken_when_it_was_asked_for_is_refused_not_dropped() -> None:
    """In its turn the job of that id is over, and only its run is under way."""
    machine = made(ONCE)
    assert starts(machine.handle(DUE, Tick())) == [RunKey(SPEC.key, DUE)]
    with pytest.raises(ConflictingIdError):
        plans.add(ONCE, "auto", DUE - 1, replacing=False)(machine, DUE + 2)
    assert done(machine, plans.add(ONCE, "auto", DUE, replacing=False), DUE + 2) == [
        RunKey(SPEC.key, DUE, "c1")
    ]
