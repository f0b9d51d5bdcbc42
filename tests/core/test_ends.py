"""When a run ended: as its commands did, however long after that somebody could hear of it."""

from __future__ import annotations

import pytest

from runner.core.action import Save, Start
from runner.core.event import Added, Fired, Settings, StepEnded
from runner.core.machine import Machine
from runner.core.run import Outcome, Run, Status
from runner.moment import SECOND, Moment
from runner.spec import Call, JobSpec, Step

NOON = 1_780_000_000 * SECOND


def played(*ends: tuple[Moment | None, Moment]) -> Run:
    """A run of one step for each of `ends`: when the step ended, and when the machine heard of it."""
    steps = tuple(Step(f"s{number}", Call("builtins:print"), needs=()) for number in range(len(ends)))
    machine = Machine(Settings())
    spec = JobSpec("job", steps)
    machine.handle(NOON, Added(spec, None))
    starts = [action for action in machine.handle(NOON, Fired(spec.key)) if isinstance(action, Start)]
    assert len(starts) == len(ends)
    for start, (ended, heard) in zip(starts, ends, strict=True):
        actions = machine.handle(heard, StepEnded(start.attempt, Outcome(Status.SUCCEEDED, ended_at=ended)))
    *_, run = (each.record for each in actions if isinstance(each, Save) and isinstance(each.record, Run))
    assert run.status is Status.SUCCEEDED
    return run


def test_a_run_ended_when_its_command_did_not_when_the_store_was_back() -> None:
    run = played((NOON + 2 * SECOND, NOON + 90 * SECOND))
    assert run.ended_at == run.steps["s0"].ended_at == NOON + 2 * SECOND
    assert run.took == 2 * SECOND


def test_a_run_of_several_steps_ended_with_the_last() -> None:
    run = played((NOON + 9 * SECOND, NOON + 90 * SECOND), (NOON + 5 * SECOND, NOON + 90 * SECOND))
    assert [state.ended_at for state in run.steps.values()] == [NOON + 9 * SECOND, NOON + 5 * SECOND]
    assert run.took == 9 * SECOND


@pytest.mark.parametrize("ended", [None, NOON + 91 * SECOND])
def test_an_end_that_nobody_timed_or_that_lies_ahead_is_now(ended: Moment | None) -> None:
    assert played((ended, NOON + 90 * SECOND)).ended_at == NOON + 90 * SECOND


def test_a_clock_set_back_makes_no_run_end_before_it_began() -> None:
    assert played((NOON - 60 * SECOND, NOON + 1 * SECOND)).took == 0
