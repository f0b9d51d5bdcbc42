"""A run that goes well takes the short way; it decides what the whole rule decides."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core import runs
from runner.core.action import Action, Start
from runner.core.event import Added, CancelAsked, Fired, Settings, StepEnded
from runner.core.machine import Machine
from runner.core.progress import Progress
from runner.core.run import Outcome, Run, Status
from runner.moment import SECOND
from runner.spec import Call, JobSpec, Retry, Step

NOON = 1_780_000_000 * SECOND
ENDS = [Status.SUCCEEDED] * 12 + [Status.FAILED, Status.CANCELLED]


def workflow(seed: int, count: int) -> JobSpec:
    """Steps that need some of those before them, a few of which are tried again or have a condition."""
    chance = random.Random(seed)
    steps = []
    for number in range(count):
        needs = tuple(f"s{each}" for each in range(number) if chance.random() < 0.3)
        steps.append(
            Step(
                f"s{number}",
                Call("builtins:print"),
                needs=needs,
                retry=Retry(1) if chance.random() < 0.05 else Retry(),
                condition="always()" if chance.random() < 0.03 else None,
                timeout=60 * SECOND if chance.random() < 0.2 else None,
            )
        )
    return JobSpec("flow", tuple(steps))


def play(spec: JobSpec, seed: int) -> list[Action]:
    """Every action of one run whose steps end in some order, in some way."""
    chance = random.Random(seed)
    machine = Machine(Settings())
    machine.handle(NOON, Added(spec, None))
    said = [*machine.handle(NOON, Fired(spec.key))]
    open_ = [action for action in said if isinstance(action, Start)]
    now = NOON
    while open_:
        start = open_.pop(chance.randrange(len(open_)))
        now += SECOND
        if chance.random() < 0.01:
            new: Sequence[Action] = machine.handle(now, CancelAsked(start.run.key, "asked"))
            said += new
        outcome = Outcome(chance.choice(ENDS), ended_at=now)
        new = machine.handle(now, StepEnded(start.attempt, outcome))
        said += new
        open_ += [action for action in new if isinstance(action, Start)]
    return said


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(2, 12))
def test_the_short_way_decides_as_the_whole_rule(seed: int, count: int) -> None:
    spec = workflow(seed, count)
    short = play(spec, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "goes_well", lambda run: False)
        whole = play(spec, seed)
    assert short == whole


def test_the_short_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would compare the whole rule with itself."""
    made: list[int] = []

    class Counted(Progress):
        def __init__(self, run: Run) -> None:
            made.append(len(run.steps))
            super().__init__(run)

    monkeypatch.setattr(runs, "Progress", Counted)
    steps = tuple(Step(f"s{n}", Call("builtins:print"), needs=(f"s{n - 1}",) if n else ()) for n in range(5))
    monkeypatch.setitem(globals(), "ENDS", [Status.SUCCEEDED])
    said = play(JobSpec("flow", steps), 1)
    assert made == [5]
    assert sum(isinstance(action, Start) for action in said) == 5
