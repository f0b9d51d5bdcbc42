"""Which step made a run end badly: the one that people are told of."""

from __future__ import annotations

from collections.abc import Iterable

from runner.core.run import Run, Status, StepRun

_WORST = (Status.FAILED, Status.INTERRUPTED, Status.TIMED_OUT, Status.CANCELLED)


def worst(states: Iterable[StepRun]) -> StepRun | None:
    """Of these, the first of those that say most of why something ended badly; None where nothing did."""
    bad = [state for state in states if state.status in _WORST]
    return min(bad, key=lambda state: _WORST.index(state.status), default=None)


def blamed(run: Run) -> StepRun | None:
    """The step that ended badly first, before those that were only stopped because of it; None where none did.

    A failure that `continue_on_error` forgives is none; that such a step was cut off with the whole run is one.
    """
    bad = [state for state in run.steps.values() if state.status.final and state.status in _WORST]
    if not bad:
        return None
    forgiving = {step.id for step in run.spec.steps if step.continue_on_error}
    counted = [state for state in bad if state.step not in forgiving or cut_off(run, state)]

    def first(state: StepRun) -> tuple[bool, int]:
        return state.status is Status.CANCELLED, state.ended_at or 0

    return min(counted, key=first, default=None)


def cut_off(run: Run, state: StepRun) -> bool:
    """Whether the step ended badly because the whole run was ended: by its timeout, by somebody."""
    return bool(run.reason) and state.reason == run.reason and not state.status.good
