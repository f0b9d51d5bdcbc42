"""A job as APScheduler 3 kept it, in our values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runner.errors import RunnerError
from runner.jobstores.apscheduler.triggers import trigger_of
from runner.jobstores.apscheduler.unpickle import Old, Refused
from runner.moment import Moment, from_datetime
from runner.triggers import Trigger


@dataclass(frozen=True, slots=True)
class OldJob:
    """`func` is a reference as text: it is not resolved here. `next_run_time` None: it was paused."""

    id: str
    func: str
    trigger: Trigger
    name: str
    executor: str = "default"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    misfire_grace_time: float | None = 1
    coalesce: bool = True
    max_instances: int = 1
    next_run_time: Moment | None = None


def job_of(state: Any) -> OldJob:
    """The job of what APScheduler's `Job.__getstate__` gave; Refused says what of it cannot be read."""
    try:
        return _read(state)
    except Refused:
        raise
    except RunnerError as error:
        raise Refused(error.fact, hint=error.hint) from None
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise Refused(f"it is not the state of a job: {type(error).__name__}: {error}") from None


def _read(state: Any) -> OldJob:
    if not isinstance(state, Mapping):
        raise Refused(f"it is a {type(state).__name__}, not the state of a job")
    if state.keys() == {"next_run_time", "job_state"}:  # ZooKeeper and etcd keep both in one pickle.
        return _read(state["job_state"])
    if state.get("version", 1) != 1:
        raise Refused(f"it is of version {state['version']}; only version 1 is known")
    due = state["next_run_time"]
    if due is not None and not isinstance(due, datetime):
        raise Refused(f"its next run time is {due!r}")
    for what in ("args", "kwargs"):
        _look_through(state[what], what)
    if not isinstance(state["func"], str) or ":" not in state["func"]:
        raise Refused(f"its function is {state['func']!r}, which is no reference")
    return OldJob(
        id=str(state["id"]),
        func=state["func"],
        trigger=trigger_of(state["trigger"]),
        name=str(state["name"]),
        executor=str(state["executor"]),
        args=tuple(state["args"]),
        kwargs=dict(state["kwargs"]),
        misfire_grace_time=state["misfire_grace_time"],
        coalesce=bool(state["coalesce"]),
        max_instances=int(state["max_instances"]),
        next_run_time=None if due is None else from_datetime(due),
    )


def _look_through(value: Any, what: str) -> None:
    """Refused where a stand-in is among the arguments: no function expects one."""
    if isinstance(value, Old):
        raise Refused(f"its {what} hold a {value.kind.replace(':', '.')}")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _look_through(key, what)
            _look_through(item, what)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _look_through(item, what)
