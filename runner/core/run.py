"""The records: what the machine knows of jobs, their occurrences, their runs and the news about them.

All are frozen values; the machine replaces them. Keys, states and who writes what: docs/records.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from runner.frozen import frozen
from runner.moment import Moment, Span, iso
from runner.spec import JobKey, JobSpec, nothing


class Status(StrEnum):
    """Where a run or a step is. `skipped` is for steps only."""

    PENDING = "pending"
    """Admitted and written down, waiting for a place, for its needs or for its turn."""
    RUNNING = "running"
    WAITING = "waiting"
    """Between two attempts."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"

    final: bool
    good: bool


# Plain attributes: asked many times for each run, and an enumeration's members are slow to hash.
for _status in Status:
    _status.final = _status not in (Status.PENDING, Status.RUNNING, Status.WAITING)
    _status.good = _status is Status.SUCCEEDED


class RunKey(NamedTuple):
    """A run's identity is derived: the job and its slot, so that an occurrence cannot run twice.

    `nonce`: empty for a scheduled run, a number for a manual one, `c1`, `c2` ... after the clock was set back.
    """

    job: JobKey
    slot: Moment
    nonce: str = ""

    def __str__(self) -> str:
        when = iso(self.slot).replace("+00:00", "Z")
        return f"{self.job.id}@{when}" + (f"+{self.nonce}" if self.nonce else "")


class AttemptKey(NamedTuple):
    """One attempt of one step (`load`, or `load[eu]` for an instance) of one run; attempts count from 1."""

    run: RunKey
    step: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.run}/{self.step}#{self.attempt}"


@frozen
class Outcome:
    """How an attempt ended. `value` and `exception` live in this process only and are never stored."""

    status: Status
    exit_code: int | None = None
    error: str = ""
    tail: str = ""
    outputs: Mapping[str, Any] = field(default_factory=nothing)
    started_at: Moment | None = None
    ended_at: Moment | None = None
    value: Any = None
    exception: BaseException | None = None
    traceback: str = ""

    @property
    def took(self) -> Span:
        """How long it ran, in microseconds."""
        if self.started_at is None or self.ended_at is None:
            return 0
        return max(0, self.ended_at - self.started_at)

    def ended_between(self, started_at: Moment | None, now: Moment) -> Moment:
        """When the attempt ended, as far as that can be: long before `now`, where nobody could hear of it then."""
        if self.ended_at is None or self.ended_at >= now:
            return now
        return self.ended_at if started_at is None else min(now, max(self.ended_at, started_at))


@frozen
class StepRun:
    """A step (or one instance of it) within a run. `due`: the deadline while running, the retry while waiting."""

    step: str
    instance: str = ""
    status: Status = Status.PENDING
    attempt: int = 0
    due: Moment | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    outcome: Outcome | None = None
    reason: str = ""
    item: Any = None
    host: str = ""
    """Where the attempt was begun (`Settings.host`): only there anybody can tell what became of it."""

    @property
    def id(self) -> str:
        return f"{self.step}[{self.instance}]" if self.instance else self.step


Origin = Literal["schedule", "manual", "after", "watch", "webhook"]


@frozen
class Run:
    """One run of a job, with the spec it began with."""

    key: RunKey
    spec: JobSpec
    status: Status = Status.PENDING
    reason: str = ""
    origin: Origin = "schedule"
    by: str = ""
    params: Mapping[str, Any] = field(default_factory=nothing)
    steps: Mapping[str, StepRun] = field(default_factory=nothing)
    created_at: Moment = 0
    started_at: Moment | None = None
    ended_at: Moment | None = None
    due: Moment | None = None
    last_success: Moment | None = None
    """The slot of the job's last good run when this one was made: the usual start of "since last time"."""
    commit: str = ""
    """The git commit of the jobs' files this run was made from, with `+` where they differed; empty: none."""

    @property
    def id(self) -> str:
        return str(self.key)

    @property
    def late(self) -> Span:
        """How much later than planned it started, in microseconds."""
        return 0 if self.started_at is None else max(0, self.started_at - self.key.slot)

    @property
    def took(self) -> Span:
        if self.started_at is None or self.ended_at is None:
            return 0
        return max(0, self.ended_at - self.started_at)


JobState = Literal["scheduled", "paused", "broken", "finished"]


@frozen
class Job:
    """A spec on the wall: what it is, when it is due next, and whether somebody stopped it.

    `next_at` is the next slot (not moved by jitter); `passed` the last slot that was decided.
    """

    spec: JobSpec
    next_at: Moment | None = None
    state: JobState = "scheduled"
    reason: str = ""
    paused_until: Moment | None = None
    passed: Moment | None = None
    last_status: Status | None = None
    last_success: Moment | None = None
    failures: int = 0
    """How many runs in a row did not succeed."""
    backs: int = 0
    """How often the clock was set back behind `passed`: the number in the nonce of slots that come again."""
    late_at: Moment | None = None
    """When `success_every` will be broken, unless a run succeeds before."""

    @property
    def key(self) -> JobKey:
        return self.spec.key


OccurrenceState = Literal["ran", "skipped", "missed", "merged"]


@frozen
class Occurrence:
    """What became of one planned fire time, or of a range of them (`count` from `slot` to `last`)."""

    job: JobKey
    slot: Moment
    state: OccurrenceState
    reason: str = ""
    nonce: str = ""
    last: Moment | None = None
    count: int = 1
    into: Moment | None = None
    detail: str = ""
    decided_at: Moment = 0


IncidentKind = Literal["failure", "late", "broken", "config", "delivery", "clock"]
"""`clock`: the clock was set, from `since`, which it showed, to `closed_at`, which it showed then. Over at once."""


@frozen
class Incident:
    """A trouble that lasts: opened by the first bad news, closed by the good one."""

    job: JobKey
    kind: IncidentKind
    since: Moment
    count: int = 1
    reminded_at: Moment | None = None
    remind_at: Moment | None = None
    told: tuple[str, ...] = ()
    """The channels that heard of it, so that recovery reaches the same people."""
    closed_at: Moment | None = None
    run: RunKey | None = None
    detail: str = ""


NewsKind = Literal["failure", "reminder", "recovery", "late", "success", "config", "delivery", "test"]


@frozen
class News:
    """The facts of one message, before anybody words it. JSON values only."""

    kind: NewsKind
    job: JobKey
    at: Moment
    run: RunKey | None = None
    facts: Mapping[str, Any] = field(default_factory=nothing)


@frozen
class Delivery:
    """A message on its way to one channel: the outbox. `id` is derived, so it is made once."""

    id: str
    channel: str
    news: News
    state: Literal["waiting", "delivered", "given_up"] = "waiting"
    attempts: int = 0
    created_at: Moment = 0
    next_at: Moment = 0
    ended_at: Moment | None = None
    error: str = ""


@frozen
class Request:
    """What somebody outside asks of the leader of a source: pause, resume, trigger, cancel, reload, stop ...

    Not called a command: that is what a step runs.
    """

    id: str
    source: str
    verb: str
    args: Mapping[str, Any] = field(default_factory=nothing)
    state: Literal["asked", "done", "refused"] = "asked"
    asked_at: Moment = 0
    ended_at: Moment | None = None
    answer: Mapping[str, Any] = field(default_factory=nothing)


Record = Job | Occurrence | Run | Incident | Delivery | Request
