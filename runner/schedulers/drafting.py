"""From what a program says in `add_job` to the spec of a job.

Programs add jobs in loops. A job that is asked for in the very words of the one before is a copy of it under its own
id, with its own arguments: what both say is looked at once, and kept once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from operator import is_
from sys import modules
from types import NoneType
from typing import Any, NamedTuple
from uuid import uuid4

from runner.executors.reference import at_home, name_of
from runner.frozen import varied
from runner.schedulers.making import (
    NO_EXECUTOR,
    NO_NAME,
    STEP,
    Defaults,
    call_of,
    mapping_of,
    policy_of,
    retry_of,
    text_of,
    undefined,
)
from runner.schedulers.sharing import UNCHANGING, schedule_of
from runner.spec import Call, JobKey, JobSpec, Notify, Step
from runner.spec.step import EMPTY
from runner.triggers import Trigger


class Asked(NamedTuple):
    """What `add_job` was given, but for the id and the arguments.

    `by_name`: the function is kept as a reference, as a store keeps it, where that is easily had (`making.storable`).
    """

    func: Any
    trigger: Trigger
    name: Any
    misfire_grace_time: Any
    coalesce: Any
    max_instances: Any
    executor: Any
    timeout: Any
    retry: Any
    history: Any
    notify: Notify
    defaults: Defaults
    source: str
    store: str
    zone: str
    by_name: bool


class _Last(NamedTuple):
    """The last job that was asked for: of a function that stands in its module under its own name."""

    asked: Asked
    module: str
    name: str
    bare: tuple[Step, ...]
    """The steps of a job that gives the function nothing; none where there was no such job yet."""
    spec: JobSpec


class Drafts:
    """Makes specs, and knows the one it made last."""

    def __init__(self) -> None:
        self._last: _Last | None = None

    def of(self, id: Any, args: Any, kwargs: Any, asked: Asked) -> JobSpec:
        """The job as somebody asked for it; TypeError and ValueError say what is wrong with which argument."""
        if id is not None and not isinstance(id, str):
            raise TypeError("id must be a nonempty string")
        id = id or uuid4().hex
        last = self._last
        # The very same, not equal ones: 1 and True are equal, and mean different things.
        if (
            last is not None
            and all(map(is_, asked, last.asked))
            and getattr(modules.get(last.module), last.name, None) is asked.func
        ):
            spec, steps = last.spec, last.bare
            if not steps or args is not None or kwargs is not None:
                _, steps = _steps(asked, f"{last.module}:{last.name}", args, kwargs)
            return varied(spec, id=id, key=JobKey(spec.store, spec.source, id), steps=steps)
        home = at_home(asked.func)
        name, steps = _steps(asked, home, args, kwargs)
        spec = _spec(id, name, steps, asked)
        if home is not None and _lasting(asked):
            # Without arguments, which are the program's own.
            bare = steps if args is None and kwargs is None else ()
            module, _, attribute = home.partition(":")
            self._last = _Last(asked, module, attribute, bare, varied(spec, steps=bare))
        return spec


_FIXED = (NoneType, int, float, str, timedelta)


def _lasting(asked: Asked) -> bool:
    """Whether nothing of it can be changed afterwards."""
    given = (asked.timeout, asked.retry, asked.history)
    return type(asked.trigger) in UNCHANGING and all(isinstance(each, _FIXED) for each in given)


def _spec(id: str, name: str, steps: tuple[Step, ...], asked: Asked) -> JobSpec:
    defaults = asked.defaults
    policy = policy_of(
        misfire_grace_time=_or(asked.misfire_grace_time, defaults.misfire_grace_time),
        coalesce=_or(asked.coalesce, defaults.coalesce),
        max_instances=_or(asked.max_instances, defaults.max_instances),
        timeout=asked.timeout,
        history=asked.history,
    )
    return JobSpec(
        id,
        steps,
        trigger=asked.trigger,
        schedule=schedule_of(asked.trigger),
        policy=policy,
        name=name if asked.name is None else text_of(asked.name, NO_NAME),
        executor=text_of(asked.executor, NO_EXECUTOR),
        notify=asked.notify,
        source=asked.source,
        store=asked.store,
        timezone=asked.zone,
        remove_when_done=True,
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is undefined else value


def _steps(asked: Asked, home: str | None, args: Any, kwargs: Any) -> tuple[str, tuple[Step, ...]]:
    """What the function is called, and the one step that calls it."""
    if home is not None and args is None and kwargs is None and asked.retry is None:
        return _bare(asked.func, home if asked.by_name else None)
    args = () if args is None else args
    kwargs = EMPTY if kwargs is None else mapping_of(kwargs)
    function, work = call_of(asked.func, args, kwargs)
    if home is not None and asked.by_name:
        work = Call(home, work.args, work.kwargs)
    return name_of(function), (Step(STEP, work, retry=retry_of(asked.retry)),)


@lru_cache(256)
def _bare(function: Callable[..., Any], text: str | None) -> tuple[str, tuple[Step, ...]]:
    """One value for all jobs that call a function of a module with nothing."""
    function, work = call_of(function, (), EMPTY)
    return name_of(function), (Step(STEP, work if text is None else Call(text)),)
