"""Steps of one run: which may start now, which are skipped, when one is tried again, and how the run ends."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from runner.core.blame import cut_off
from runner.core.context import context, judged
from runner.core.run import Outcome, Run, RunKey, Status, StepRun
from runner.frozen import replace
from runner.moment import Moment, Span
from runner.spec import JobSpec, Retry, Step

Evaluate = Callable[[str, Mapping[str, Any]], Any]

_QUESTIONS = ("success()", "failure()", "cancelled()", "always()")
_MOST_INSTANCES = 10_000
_SHOWN = 40
"""Characters of a text that are shown where a list is needed."""


def beginning(spec: JobSpec) -> dict[str, StepRun]:
    """The steps of a run that has not begun."""
    return {step.id: pending(step.id) for step in spec.steps}


@lru_cache(4096)
def pending(step: str) -> StepRun:
    """One value for all runs of a step: it is frozen."""
    return StepRun(step)


def states_of(run: Run, step: str) -> list[StepRun]:
    """The step's one state, or those of its instances."""
    single = run.steps.get(step)
    if single is not None:
        return [single]
    return [state for state in run.steps.values() if state.step == step]


def settle(run: Run, now: Moment, evaluate: Evaluate) -> tuple[Run, list[str]]:
    """The run with everything skipped that cannot start, and the ids of the steps that may start now.

    A step that may start stays pending: places decide. Calling it again names the same ones again.
    """
    if len(run.spec.steps) == 1:
        step = run.spec.steps[0]
        if step.condition is None and step.foreach is None:
            state = run.steps[step.id]
            if state.status is not Status.PENDING:
                return run, []
            if not run.reason:
                return run, [state.id]
    states = dict(run.steps)
    ready: list[str] = []
    moved = True
    while moved:
        moved = False
        ready = []
        view = replace(run, steps=states)
        bad = tainted(view)
        for step in run.spec.steps:
            mine = states_of(view, step.id)
            if not any(state.status is Status.PENDING for state in mine):
                continue
            if len(mine) == 1 and not mine[0].instance:
                verdict = _verdict(view, step, bad, evaluate)
                if verdict is None:
                    continue
                if verdict:
                    states[step.id] = _skipped(mine[0], verdict, now)
                    moved = True
                    break
                if step.foreach is not None:
                    states = _expanded(view, step, now, evaluate)
                    moved = True
                    break
            ready += _startable(run, step, mine)
    return (run if states == run.steps else replace(run, steps=states)), ready


def tainted(run: Run) -> set[str]:
    """Steps that failed, and those that (through their needs) stand on one that failed."""
    failed = set()
    for step in run.spec.steps:
        if step.continue_on_error:
            continue
        for state in states_of(run, step.id):
            if state.status.final and state.status not in (Status.SUCCEEDED, Status.SKIPPED):
                failed.add(step.id)
    changed = bool(failed)
    while changed:
        changed = False
        for step in run.spec.steps:
            if step.id not in failed and any(need in failed for need in step.needs):
                failed.add(step.id)
                changed = True
    return failed


def _verdict(run: Run, step: Step, bad: set[str], evaluate: Evaluate) -> str | None:
    """None: not yet. Empty: it may start. Else why it is skipped."""
    for need in step.needs:
        if not all(state.status.final for state in states_of(run, need)):
            return None
    good = not any(need in bad for need in step.needs)
    cancelled = bool(run.reason)
    if step.condition is None:
        return "" if good and not cancelled else ("cancelled" if cancelled else "needs")
    facts = judged(run, None, success=good and not cancelled, failure=not good, cancelled=cancelled)
    asks = any(question in step.condition.replace(" ", "") for question in _QUESTIONS)
    if not asks and (cancelled or not good):
        return "cancelled" if cancelled else "needs"
    try:
        return "" if evaluate(step.condition, facts) else ("condition" if good and not cancelled else "needs")
    except Exception as error:
        return f"condition: {error}"


def _startable(run: Run, step: Step, mine: Sequence[StepRun]) -> Iterator[str]:
    pending = [state for state in mine if state.status is Status.PENDING]
    most = step.foreach.max_parallel if step.foreach is not None else None
    if most is not None:
        busy = sum(state.status in (Status.RUNNING, Status.WAITING) for state in mine)
        pending = pending[: max(0, most - busy)]
    return (state.id for state in pending)


def _skipped(state: StepRun, reason: str, now: Moment) -> StepRun:
    if reason.startswith("condition: "):
        outcome = Outcome(Status.FAILED, error=reason, started_at=now, ended_at=now)
        return replace(
            state, status=Status.FAILED, reason="condition", outcome=outcome, started_at=now, ended_at=now
        )
    return replace(state, status=Status.SKIPPED, reason=reason, ended_at=now)


def _expanded(run: Run, step: Step, now: Moment, evaluate: Evaluate) -> dict[str, StepRun]:
    """The run's steps with the step's instances in its place: fixed and ordered from now on."""
    states: dict[str, StepRun] = {}
    for id, state in run.steps.items():
        if id != step.id:
            states[id] = state
            continue
        try:
            items = _items(run, step, evaluate)
        except Exception as error:
            word = "matrix" if step.foreach and step.foreach.matrix is not None else "foreach"
            states[id] = _skipped(state, f"condition: {word}: {error}", now)
            continue
        if not items:
            states[id] = _skipped(state, "no items", now)
        for label, item in items:
            one = replace(state, instance=label, item=item)
            states[one.id] = one
    return states


def _items(run: Run, step: Step, evaluate: Evaluate) -> list[tuple[str, Any]]:
    foreach = step.foreach
    assert foreach is not None
    facts = context(run)
    if foreach.matrix is not None:
        axes = {
            name: _values(f"{name}: ", values, evaluate, facts) for name, values in foreach.matrix.items()
        }
        items: list[Any] = [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
        labels = [",".join(str(value) for value in item.values()) for item in items]
    else:
        items = _values("", foreach.items, evaluate, facts)
        labels = [
            str(item) if isinstance(item, str | int | float) else str(n) for n, item in enumerate(items)
        ]
    if len(items) > _MOST_INSTANCES:
        raise ValueError(f"{len(items)} instances are more than the {_MOST_INSTANCES} that are allowed")
    return list(zip(_distinct(labels), items, strict=True))


def _values(what: str, values: Any, evaluate: Evaluate, facts: Mapping[str, Any]) -> list[Any]:
    """What stands there or its expression gives: a list. The letters of a text are not what anybody means."""
    found = evaluate(values, facts) if isinstance(values, str) else values
    if isinstance(found, str):
        text = found if len(found) <= _SHOWN else f"{found[: _SHOWN - 1]}…"
        raise ValueError(f"{what}a list is needed, not the text {text!r} (`| fromjson` reads one)")
    if isinstance(found, Mapping) or not isinstance(found, Sequence):
        raise ValueError(f"{what}a list is needed, not {type(found).__name__}")
    return list(found)


def _distinct(labels: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for label in labels:
        # Never empty: an instance without a name would be the step itself. On one line: it stands before its output.
        short = "".join(c if c.isprintable() else repr(c)[1:-1] for c in label[:80]) or "''"
        seen[short] = seen.get(short, 0) + 1
        found.append(short if seen[short] == 1 else f"{short}~{seen[short]}")
    return found


def retry_wait(retry: Retry, key: RunKey, step: str, attempt: int, outcome: Outcome) -> Span | None:
    """How long until the next try of a failed attempt; None where there is none."""
    if attempt > retry.max or outcome.status not in (Status.FAILED, Status.TIMED_OUT):
        return None
    if retry.exit_codes is not None and outcome.exit_code not in retry.exit_codes:
        return None
    wait = retry.delay * retry.backoff ** (attempt - 1)
    if retry.max_delay is not None:
        wait = min(wait, retry.max_delay)
    if retry.jitter:
        digest = hashlib.blake2b(f"{key}\0{step}\0{attempt}".encode(), digest_size=4).digest()
        wait *= 1 + retry.jitter * (int.from_bytes(digest, "big") / 2**31 - 1)
    return int(wait)


def ending(run: Run) -> tuple[Status, str]:
    """How a run ends all of whose steps are final, and why."""
    if all(state.status.good for state in run.steps.values()):
        return Status.SUCCEEDED, ""
    kinds = {step.id: step for step in run.spec.steps}
    statuses = {
        state.status
        for state in run.steps.values()
        if not state.status.good
        and not (state.status is Status.SKIPPED and state.reason not in ("cancelled",))
        and not kinds[state.step].continue_on_error
    }
    if not statuses and not any(cut_off(run, state) for state in run.steps.values()):
        return Status.SUCCEEDED, ""
    if run.reason == "timeout":
        return Status.TIMED_OUT, run.reason
    if run.reason:
        return Status.CANCELLED, run.reason
    for status in (Status.FAILED, Status.INTERRUPTED, Status.TIMED_OUT, Status.CANCELLED):
        if status in statuses:
            return status, ""
    return Status.FAILED, ""
