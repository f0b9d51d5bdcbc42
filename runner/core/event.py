"""What happened: the only way anything reaches the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.core.run import AttemptKey, Origin, Outcome, Request, RunKey
from runner.frozen import frozen
from runner.moment import Moment, Span
from runner.spec import JobKey, JobSpec
from runner.triggers.base import Trigger

_MOST_JOINED = 100
"""Windows that are looked through for the end of one that goes on in the next; at an earlier end it is asked again."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Windows in which jobs with one of `tags` (all jobs, where there are none) start nothing.

    One begins at each firing of `opens`, and is over `length` later, or with the last one that opens before it is over.
    """

    name: str
    opens: Trigger
    length: Span
    tags: tuple[str, ...] = ()

    def until(self, spec: JobSpec, now: Moment) -> Moment | None:
        """When the window that keeps a job from starting at a moment is over; None where none does."""
        if self.tags and not set(self.tags).intersection(spec.tags):
            return None
        opening = self.opens.next_after(now - self.length)
        if opening is None or opening > now:
            return None
        for _ in range(_MOST_JOINED):
            following = self.opens.next_after(opening)
            if following is None or following > opening + self.length:
                break
            opening = following
        return opening + self.length


@dataclass(frozen=True, slots=True)
class Settings:
    """What the house around the machine offers. A missing or None capacity is unbounded."""

    groups: Mapping[str, int] = field(default_factory=dict)
    executors: Mapping[str, int | None] = field(default_factory=dict)
    maintenance: tuple[Maintenance, ...] = ()
    queue_limit: int = 100
    host: str = ""
    """Where attempts begin: the computer and its state directory. Empty: they end with this process."""
    commit: str = ""
    """The commit of the jobs' files that runs are made from."""

    def closed_by(self, spec: JobSpec, now: Moment) -> str:
        """The maintenance that keeps this job from starting, by name; empty where there is none."""
        return ", ".join(
            each.name or "unnamed" for each in self.maintenance if each.until(spec, now) is not None
        )

    def closed_until(self, spec: JobSpec, now: Moment) -> Moment | None:
        """When the maintenance that keeps this job from starting is over; None where there is none."""
        ends = (each.until(spec, now) for each in self.maintenance)
        return max((end for end in ends if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class Started:
    """The engine is up, and recovery looked for every attempt the store calls running.

    `alive`: still at work, taken over. `ended`: finished meanwhile, with its true outcome. `gone`: it had
    begun and is no more. An attempt in none of the three had not begun: it is started now.
    """

    alive: frozenset[AttemptKey] = frozenset()
    ended: Mapping[AttemptKey, Outcome] = field(default_factory=dict)
    gone: frozenset[AttemptKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """The wall clock was set: forward (`by` > 0) or back."""

    by: Span


@dataclass(frozen=True, slots=True)
class Rezoned:
    """The rules of time zones may have changed: a planned time that is none any more is planned anew."""


@dataclass(frozen=True, slots=True)
class Configured:
    """Capacities or maintenance windows changed."""

    settings: Settings


@frozen
class Added:
    """A new job. `next_at`: "auto" asks the trigger; a moment or None is somebody's word (None: paused)."""

    spec: JobSpec
    next_at: Moment | Literal["auto"] | None = "auto"


@dataclass(frozen=True, slots=True)
class Changed:
    """A known job has another spec. `next_at` as in Added; "auto" keeps the place of an unchanged trigger."""

    spec: JobSpec
    next_at: Moment | Literal["auto"] | None = "auto"


@dataclass(frozen=True, slots=True)
class Removed:
    key: JobKey


@dataclass(frozen=True, slots=True)
class Broken:
    """A stored job cannot be loaded or run (its function is gone): parked, told about, never deleted."""

    key: JobKey
    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    key: JobKey
    until: Moment | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    key: JobKey


@dataclass(frozen=True, slots=True)
class Fired:
    """Somebody or something wants a run now, whatever the schedule says."""

    key: JobKey
    params: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = "manual"
    by: str = ""
    request: str = ""
    """The request's id; the answer names the run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request from outside: `pause` `resume` `trigger` `cancel`. It is answered in the same transaction.

    Args by verb: pause {job, until?, note?}, resume {job}, trigger {job, params?}, cancel {run}, and from the
    runner of another host ended {run, step, attempt, host, outcome, claimed?} (an outcome of None: it never began, by
    the start on record at the moment `claimed`; a later claim voids that).
    """

    request: Request


@dataclass(frozen=True, slots=True)
class CancelAsked:
    run: RunKey
    reason: str = "asked"
    by: str = ""


@frozen
class StepEnded:
    """An executor's word on one attempt; a word on an older attempt is ignored."""

    attempt: AttemptKey
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Delivered:
    """The notifier's word on one delivery: `error` is empty where it arrived."""

    id: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Trouble of the house itself (a broken config, a held-back shrink) for `channels`; `good` closes it."""

    kind: Literal["config"]
    source: str
    channels: tuple[str, ...]
    good: bool
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stopping:
    """No new starts from now on. `stop`: live runs are cancelled(shutdown) too; else they are left alone."""

    stop: bool = False


Event = (
    Started
    | Tick
    | Stepped
    | Rezoned
    | Configured
    | Added
    | Changed
    | Removed
    | Broken
    | Paused
    | Resumed
    | Fired
    | Asked
    | CancelAsked
    | StepEnded
    | Delivered
    | Notice
    | Stopping
)
