"""From what a program says of a job to the parts of its spec, and to its first moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as standard_replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from runner.duration import parse_duration
from runner.executors.reference import name_of, reference, resolve, unbound
from runner.frozen import replace
from runner.jobstores.base import TransientJobError
from runner.jobstores.retention import USUAL
from runner.moment import MICROSECOND, SECOND, Moment, Span, from_datetime, to_datetime
from runner.schedulers.arguments import check
from runner.spec import Call, Catchup, Concurrency, JobSpec, Policy, Retention, Retry
from runner.spec.step import EMPTY
from runner.triggers import BaseTrigger, Trigger
from runner.triggers.date import DateTrigger
from runner.triggers.times import moment_of

STEP = "call"
"""The id of the one step of a Python job."""

_ALL = Catchup("all", window=2**62, max=2**31)
_LATEST = Catchup("latest")
_NO_RETRY = Retry()
_PLAIN = Policy()
NO_NAME = "name must be a nonempty string"
NO_EXECUTOR = "executor must be a string"


class Undefined:
    """Stands for "not given" where None means something."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<undefined>"


undefined: Final[Any] = Undefined()


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a job gets where `add_job` says nothing (`job_defaults`)."""

    misfire_grace_time: float | None = 1
    coalesce: bool = True
    max_instances: int | None = 1


def changed(spec: JobSpec, changes: Mapping[str, Any]) -> JobSpec:
    """The spec with other values for the attributes of its job; the arguments are checked against the function."""
    changes = dict(changes)
    if "id" in changes:
        raise ValueError("The job ID may not be changed")
    step, new = spec.steps[0], dict[str, Any]()
    inner = dict[str, Any]()
    if {"func", "args", "kwargs"} & changes.keys():
        assert isinstance(step.work, Call)
        given = [changes.pop(key, getattr(step.work, known)) for key, known in _PARTS.items()]
        function, inner["work"] = call_of(*given)
        if not spec.name and "name" not in changes:
            new["name"] = name_of(function)
    if "retry" in changes:
        inner["retry"] = retry_of(changes.pop("retry"))
    if inner:
        new["steps"] = (replace(step, **inner),)
    new["policy"] = _policy(spec.policy, changes)
    if "name" in changes:
        new["name"] = text_of(changes.pop("name"), NO_NAME)
    if "notify" in changes:
        new["notify"] = changes.pop("notify")
    if "executor" in changes:
        new["executor"] = text_of(changes.pop("executor"), NO_EXECUTOR)
    if "trigger" in changes:
        trigger = changes.pop("trigger")
        if not is_trigger(trigger):
            raise TypeError(f"Expected a trigger instance, got {type(trigger).__name__} instead")
        new |= {"trigger": trigger, "schedule": str(trigger)}
    if changes:
        names = ", ".join(changes)
        raise AttributeError(f"The following are not modifiable attributes of Job: {names}")
    return replace(spec, **new)


def is_trigger(value: Any) -> bool:
    """Whether it is a trigger, by its class or by what it can do."""
    return isinstance(value, BaseTrigger) or bool(isinstance(value, Trigger))  # looking at methods is slow


def mapping_of(kwargs: Any) -> Any:
    """`add_job` takes whatever `dict` takes, pairs for one; what it does not take is refused further on."""
    if isinstance(kwargs, Mapping | str):
        return kwargs
    try:
        return dict(kwargs)
    except (TypeError, ValueError):
        return kwargs


def text_of(value: Any, complaint: str) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(complaint)
    return value


_PARTS = {"func": "target", "args": "args", "kwargs": "kwargs"}
"""What `add_job` calls the parts of a call, and what they are called there."""


def call_of(target: Any, args: Any, kwargs: Any) -> tuple[Callable[..., Any], Call]:
    if isinstance(target, str):
        function = resolve(target)
    elif callable(target):
        function = target
    else:
        raise TypeError("func must be a callable or a textual reference to one")
    if isinstance(args, str) or not isinstance(args, Iterable):
        raise TypeError("args must be a non-string iterable")
    if isinstance(kwargs, str) or not isinstance(kwargs, Mapping):
        raise TypeError("kwargs must be a dict-like object")
    args, kwargs = tuple(args), dict(kwargs) or EMPTY
    check(function, args, kwargs)
    return function, Call(target, args, kwargs)


def policy_of(**values: Any) -> Policy:
    """The policy of these attributes; TypeError says which is wrong."""
    try:
        return _usual(**values)
    except TypeError:  # one of them is wrong, or cannot be looked up: said by the slow way
        return _policy(_PLAIN, values)


@lru_cache(256, typed=True)
def _usual(**values: Any) -> Policy:
    """Worked out once for all jobs that are given the same."""
    return _policy(_PLAIN, values)


def _policy(policy: Policy, changes: dict[str, Any]) -> Policy:
    new = dict[str, Any]()
    if "misfire_grace_time" in changes:
        grace = changes.pop("misfire_grace_time")
        if grace is not None and (not isinstance(grace, int | float) or grace <= 0):
            raise TypeError("misfire_grace_time must be either None or a positive integer")
        new["grace"] = None if grace is None else round(grace * SECOND)
    if "coalesce" in changes:
        new["catchup"] = _LATEST if changes.pop("coalesce") else _ALL
    if "max_instances" in changes:
        most = changes.pop("max_instances")
        if not isinstance(most, int) or most <= 0:
            raise TypeError("max_instances must be a positive integer")
        new["concurrency"] = Concurrency("allow", most)
    if "timeout" in changes:
        new["timeout"] = span(changes.pop("timeout"), "timeout")
    if "history" in changes:
        new["retention"] = _retention(changes.pop("history"))
    return _shared(standard_replace(policy, **new)) if new else policy


@lru_cache(256)
def _shared(policy: Policy) -> Policy:
    """One value for all jobs of the same policy: ten thousand jobs keep it once."""
    return policy


def _retention(history: Any) -> Retention:
    """From how many runs, or a mapping with `runs` and `age`."""
    said = {"runs": history} if isinstance(history, int) else {} if history is None else history
    if not isinstance(said, Mapping) or not said.keys() <= {"runs", "age"}:
        raise TypeError("history must be how many finished runs are kept, or a dict with runs and age")
    runs, age = said.get("runs", USUAL.runs), span(said.get("age"), "age")
    if not isinstance(runs, int) or runs <= 0:
        raise TypeError("history must be a positive integer: how many finished runs are kept")
    return Retention(runs, USUAL.age if age is None else age)


def span(value: Any, what: str) -> Span | None:
    """Seconds, a timedelta, or text such as `90s`, as microseconds."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and math.isfinite(value) and value > 0:
        return round(value * SECOND)
    raise TypeError(f"{what} must be a number of seconds, a timedelta or a text such as '90s'")


def retry_of(value: Any) -> Retry:
    if value is None:
        return _NO_RETRY
    if isinstance(value, Retry):
        return value
    if isinstance(value, int):
        return Retry(max=value)
    if isinstance(value, Mapping):
        given = dict(value)
        for key in ("delay", "max_delay"):
            if key in given:
                given[key] = span(given[key], f"retry {key}")
        return Retry(**given)
    raise TypeError(
        "retry must be a number of retries, a dict (max, delay, backoff, max_delay, jitter) or a Retry"
    )


# ── moments ─────────────────────────────────────────────────────────────────────────────────


def first(trigger: Trigger, now: Moment) -> Moment | None:
    """When a job added now is due first; a date that has passed is due at once, and is then missed by its grace."""
    ask: Callable[..., datetime | None] | None = getattr(trigger, "get_next_fire_time", None)
    if ask is None or getattr(ask, "__func__", None) is BaseTrigger.get_next_fire_time:
        return trigger.next_after(now - MICROSECOND)
    found = ask(None, to_datetime(now, getattr(trigger, "tzinfo", UTC)))
    return None if found is None else from_datetime(found)


def anchored(trigger: Trigger, now: Moment) -> Trigger:
    """The trigger, with a start where it has none and counts from one."""
    anchor: Callable[[Moment], Trigger] | None = getattr(trigger, "anchored", None)
    return trigger if anchor is None else anchor(now)


def moved(trigger: Trigger, when: Moment) -> Trigger:
    """The trigger of a job whose next time was set by hand: an interval is counted from there, as in APScheduler 3."""
    move: Callable[[Moment], Trigger] | None = getattr(trigger, "moved", None)
    return trigger if move is None else move(when)


def moment(when: Any, zone: str) -> Moment | None:
    """`next_run_time` as somebody gave it, a naive one on the scheduler's wall clock."""
    if when is not None and not isinstance(when, datetime | date | str):
        raise TypeError(f"Unsupported type for next_run_time: {type(when).__name__}")
    return moment_of(when, zone, "next_run_time")


def same_but_start(given: Trigger, known: Trigger) -> bool:
    """Whether the second is the first, anchored earlier: adding it again must not move the job's place in time."""
    if isinstance(given, DateTrigger) or isinstance(known, DateTrigger):
        return given == known
    try:
        return _fits(given.to_json(), known.to_json())
    except TypeError:
        return given == known


_ANCHORS = ("start", "start_date")


def _fits(given: Any, known: Any) -> bool:
    if isinstance(given, dict) and isinstance(known, dict):
        more = {key for key in known if key not in given}
        return more <= set(_ANCHORS) and all(key in known and _fits(given[key], known[key]) for key in given)
    if isinstance(given, list) and isinstance(known, list):
        return len(given) == len(known) and all(map(_fits, given, known))
    return bool(given == known)


# ── for a store ─────────────────────────────────────────────────────────────────────────────


def storable(spec: JobSpec) -> JobSpec:
    """The spec with its function as a reference; TransientJobError where it has none.

    Of an object's method the function of its class is kept, with the object as first argument, as in APScheduler 3.
    """
    step = spec.steps[0]
    assert isinstance(step.work, Call)
    if isinstance(step.work.target, str):
        return spec
    target, args = unbound(step.work.target, step.work.args)
    try:
        text = reference(target)
    except ValueError as error:
        raise TransientJobError(spec.id) from error
    return replace(spec, steps=(replace(step, work=replace(step.work, target=text, args=args)),))
