"""Python functions: found by their reference, called, and what came of it as an outcome."""

from __future__ import annotations

import asyncio
import inspect
import json
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from runner.clock import Clock
from runner.core.run import Outcome, Status
from runner.errors import ExecutorError
from runner.executors import reference
from runner.executors.base import Task
from runner.executors.callee import JSON_HINT, said
from runner.executors.greenlets import threads_are_greenlets
from runner.frozen import maker
from runner.spec import Call, nothing

__all__ = ["LIMIT", "call", "of", "outputs_of", "perform", "resolve", "said"]

_outcome = maker(Outcome)

LIMIT = 1 << 20
"""Bytes of a function's outputs as JSON."""


def of(task: Task) -> Call:
    """The function of a task; ExecutorError where it is another kind of work."""
    work = task.step.work
    if not isinstance(work, Call):
        raise ExecutorError(f"this executor calls Python functions; {type(work).__name__} is none")
    return work


def resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function itself; LookupError says what is missing of `pkg.mod:func`."""
    return reference.resolve(target) if isinstance(target, str) else target


def perform(work: Call) -> Any:
    """Call it, and wait for it where it is a coroutine function; whatever it raises is raised."""
    value = resolve(work.target)(*work.args, **work.kwargs)
    if not inspect.iscoroutine(value):
        return value
    if threads_are_greenlets():
        # Two loops cannot turn in one thread, and a greenlet is none of its own.
        from gevent import get_hub

        return get_hub().threadpool.apply(asyncio.run, (value,))
    return asyncio.run(value)


def call(work: Call, clock: Clock, *, strict: bool = False) -> Outcome:
    """Call it here and now; whatever it raises is a failed outcome. `strict`: a dict must be JSON."""
    started_at = clock.now()
    try:
        value = perform(work)
        found = outputs_of(value, strict=strict)
    except (Exception, SystemExit) as error:
        return Outcome(
            Status.FAILED,
            error=said(error),
            exception=error,
            traceback="".join(traceback.format_exception(error)),
            started_at=started_at,
            ended_at=clock.now(),
        )
    return _outcome(Status.SUCCEEDED, value=value, outputs=found, started_at=started_at, ended_at=clock.now())


def outputs_of(value: Any, *, strict: bool) -> Mapping[str, Any]:
    """A returned dict, as it will be stored; where it is no JSON, nothing, or (`strict`) ExecutorError."""
    if not isinstance(value, dict):
        return nothing()
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        if strict:
            raise ExecutorError(f"the dict it returned is no JSON: {error}", hint=JSON_HINT) from None
        return {}
    if len(text) > LIMIT:
        if strict:
            raise ExecutorError(f"the dict it returned is longer than {LIMIT} bytes as JSON")
        return {}
    found: Mapping[str, Any] = json.loads(text)
    return found
