"""What `${{ }}` may read: JSON-like values and aware datetimes, made of a run and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from runner.core.blame import blamed, worst
from runner.core.run import Run, StepRun
from runner.errors import ExpressionError, SpecError
from runner.expressions import render
from runner.moment import SECOND, Moment, to_datetime
from runner.spec.params import value_of


def context(run: Run, state: StepRun | None = None) -> dict[str, Any]:
    """The names an expression finds: vars env params matrix item job run steps trigger. No secrets."""
    spec = run.spec
    item = state.item if state is not None else None
    return {
        "vars": spec.vars,
        "env": spec.env,
        "params": run.params,
        "matrix": {**spec.matrix, **item} if isinstance(item, Mapping) else spec.matrix,
        "item": item,
        "job": {
            "id": spec.id,
            "name": spec.title,
            "description": spec.description,
            "owner": spec.owner,
            "runbook": spec.runbook,
            "tags": list(spec.tags),
            "timezone": spec.timezone,
        },
        "run": facts(run, state),
        "steps": steps(run),
        "trigger": {"type": run.origin, "by": run.by},
    }


def facts(run: Run, state: StepRun | None = None) -> dict[str, Any]:
    """The run itself; moments are aware datetimes in the job's zone, `duration` is seconds once it ended."""
    zone = ZoneInfo(run.spec.timezone)
    failed = blamed(run)

    def when(moment: Moment | None) -> Any:
        return None if moment is None else to_datetime(moment, zone)

    return {
        "id": run.id,
        "status": str(run.status),
        "reason": run.reason,
        "scheduled_at": when(run.key.slot),
        "started_at": when(run.started_at),
        "ended_at": when(run.ended_at),
        "attempt": state.attempt if state is not None else 1,
        "duration": run.took / SECOND if run.ended_at is not None else None,
        "failed_step": failed.id if failed is not None else "",
        "last_success": when(run.last_success),
        "commit": run.commit,
    }


def steps(run: Run) -> dict[str, Any]:
    """Each step by id: its status, exit code and outputs; of instances, outputs are lists in their order.

    An instance that gave no output of a name is left out of that list.
    """
    found: dict[str, Any] = {}
    for state in run.steps.values():
        outcome = state.outcome
        outputs = dict(outcome.outputs) if outcome is not None else {}
        if not state.instance:
            found[state.step] = _end_of(state) | {"outputs": outputs}
            continue
        whole = found.get(state.step)
        if whole is None:
            whole = found[state.step] = _whole(run, state.step)
        whole["instances"][state.instance] = {"status": str(state.status), "outputs": outputs}
        for name, value in outputs.items():
            whole["outputs"].setdefault(name, []).append(value)
    return found


def _end_of(state: StepRun) -> dict[str, Any]:
    outcome = state.outcome
    return {"status": str(state.status), "exit_code": outcome.exit_code if outcome is not None else None}


def _whole(run: Run, step: str) -> dict[str, Any]:
    """A step of several instances ended as the worst of them did."""
    states = [state for state in run.steps.values() if state.step == step]
    unlike = next((state for state in states if not state.status.good), states[0])
    return _end_of(worst(states) or unlike) | {"outputs": {}, "instances": {}}


def parameters(run: Run) -> dict[str, Any]:
    """The run's parameters: what was given, and the defaults of the rest, read now.

    A default that has no value is left out: the step that reads it says so.
    """
    values = dict(run.params)
    facts = context(run)
    for param in run.spec.params:
        if param.name in values or param.default is None:
            continue
        try:
            default = render(param.default, facts) if isinstance(param.default, str) else param.default
            values[param.name] = value_of(param, default)
        except (ExpressionError, SpecError):
            continue
    return values


def judged(
    run: Run, state: StepRun | None, *, success: bool, failure: bool, cancelled: bool
) -> dict[str, Any]:
    """The context of `if`, with its four questions."""

    def answer(value: bool) -> Callable[[], bool]:
        return lambda: value

    return context(run, state) | {
        "success": answer(success),
        "failure": answer(failure),
        "cancelled": answer(cancelled),
        "always": answer(True),
    }
