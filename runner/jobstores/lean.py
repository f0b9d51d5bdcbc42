"""What the memory remembers of a run that is over: as much as a durable store would, and nothing of the program's own.

What a function returned or raised, and what it was called with, may be large, and ten thousand runs are remembered. So
values and exceptions go, and arguments that are not plain and small.
"""

from __future__ import annotations

from collections.abc import Mapping
from traceback import format_exception
from types import FunctionType

from runner.core.run import Outcome, Run, StepRun
from runner.frozen import replace
from runner.spec import Call, JobKey, JobSpec, Step, Work
from runner.spec.step import EMPTY

_MOST_LETTERS = 200
_MOST_VALUES = 10


class Lean:
    """Makes lean runs; the specs of jobs that are still there are made lean once."""

    def __init__(self) -> None:
        self._specs: dict[JobKey, tuple[JobSpec, JobSpec]] = {}

    def of(self, run: Run, there: bool) -> Run:
        """The run as it is remembered. `there`: whether its job still is."""
        kept = spec = run.spec
        if len(spec.steps) > 1 or not _holds_nothing(spec.steps[0].work):
            kept = self._kept(run.key.job, spec, there)
        for state in run.steps.values():
            outcome = state.outcome
            if outcome is not None and (outcome.value is not None or outcome.exception is not None):
                steps = {id: _step(state) for id, state in run.steps.items()}
                return replace(run, spec=kept, steps=steps)
        return run if kept is spec else replace(run, spec=kept)

    def _kept(self, key: JobKey, spec: JobSpec, there: bool) -> JobSpec:
        known = self._specs.get(key)
        if known is not None and known[0] is spec:
            return known[1]
        kept = _spec(spec)
        if there:
            self._specs[key] = spec, kept
        return kept

    def forget(self, key: JobKey) -> None:
        """The job is gone."""
        self._specs.pop(key, None)


def _step(state: StepRun) -> StepRun:
    outcome = state.outcome
    return state if outcome is None else replace(state, outcome=_outcome(outcome))


def _outcome(outcome: Outcome) -> Outcome:
    text = outcome.traceback
    if not text and outcome.exception is not None:
        text = "".join(format_exception(outcome.exception))
    return replace(outcome, value=None, exception=None, traceback=text)


def _spec(spec: JobSpec) -> JobSpec:
    """The same where its calls hold nothing; a method holds its object, and a nested function what it closes over."""
    if not any(isinstance(step.work, Call) and _holds(step.work) for step in spec.steps):
        return spec
    return replace(spec, steps=tuple(map(_lean_step, spec.steps)))


def _holds_nothing(work: Work) -> bool:
    """Whether that is to be seen at once, as of most: a function that is called with nothing."""
    if type(work) is not Call or work.args or work.kwargs:
        return False
    return type(work.target) is FunctionType and work.target.__closure__ is None


def _holds(work: Call) -> bool:
    if not (_small(work.args) and _small(work.kwargs)):
        return True
    target = work.target
    return not (isinstance(target, str) or (type(target) is FunctionType and target.__closure__ is None))


def _small(value: object, depth: int = 5) -> bool:
    """Whether it is plain, and no more than people read: a durable store remembers it, too."""
    if value is None or isinstance(value, bool | int | float):
        return True
    if isinstance(value, str | bytes):
        return len(value) <= _MOST_LETTERS
    if depth == 0 or not isinstance(value, tuple | list | set | Mapping) or len(value) > _MOST_VALUES:
        return False
    return all(_small(each, depth - 1) for each in (value.values() if isinstance(value, Mapping) else value))


def _lean_step(step: Step) -> Step:
    work = step.work
    if not isinstance(work, Call):
        return step
    return replace(step, work=replace(work, target=_name(work.target), args=(), kwargs=EMPTY))


def _name(target: object) -> str:
    return target if isinstance(target, str) else getattr(target, "__qualname__", type(target).__qualname__)
