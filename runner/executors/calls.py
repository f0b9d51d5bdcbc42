"""Python functions: found by their reference, called, and what came of it as an outcome."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from runner.clock import Clock
from runner.core.run import Outcome, Status
from runner.errors import ExecutorError
from runner.executors.callee import JSON_HINT, said
from runner.spec import Call

__all__ = ["LIMIT", "call", "outputs_of", "reference", "resolve", "said"]

LIMIT = 1 << 20
"""Bytes of a function's outputs as JSON."""


def resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function of `pkg.mod:func`. ImportError and AttributeError say what is missing."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise ExecutorError(f"{target} is not a function")
    return found  # type: ignore[no-any-return]


def reference(target: str | Callable[..., Any]) -> str:
    """`pkg.mod:func` of a function; ExecutorError where another process could not find it."""
    if isinstance(target, str):
        return target
    module = getattr(target, "__module__", None)
    name = getattr(target, "__qualname__", "")
    if not module or not name or "<" in name:
        raise ExecutorError(
            f"{target!r} cannot be called in another process",
            hint="define it at the top of a module, or run it in a thread",
        )
    return f"{module}:{name}"


def call(work: Call, clock: Clock, *, strict: bool = False) -> Outcome:
    """Call it here and now; whatever it raises is a failed outcome. `strict`: a dict must be JSON."""
    started_at = clock.now()
    try:
        value = resolve(work.target)(*work.args, **work.kwargs)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
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
    return Outcome(Status.SUCCEEDED, value=value, outputs=found, started_at=started_at, ended_at=clock.now())


def outputs_of(value: Any, *, strict: bool) -> Mapping[str, Any]:
    """A returned dict, as it will be stored; where it is no JSON, nothing, or (`strict`) ExecutorError."""
    if not isinstance(value, dict):
        return {}
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
