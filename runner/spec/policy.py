"""How a job behaves when reality differs from the plan. Spans are microseconds (runner.moment)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runner.moment import SECOND, Span

Overlap = Literal["skip", "queue", "replace", "allow"]
CatchupRuns = Literal["none", "latest", "all"]
OnInterrupt = Literal["fail", "retry"]


@dataclass(frozen=True, slots=True)
class Retry:
    """Try a failed step again. `max` counts retries, not attempts: 3 means up to four attempts.

    The n-th retry (from 1) waits `delay * backoff ** (n - 1)`, at most `max_delay`, moved by up to
    `jitter` of itself, derived from the run and the attempt. `exit_codes`: only these are tried again.
    """

    max: int = 0
    delay: Span = 0
    backoff: float = 1.0
    max_delay: Span | None = None
    jitter: float = 0.0
    exit_codes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Concurrency:
    """What happens when a run is due while another of the job is live; `group` is shared capacity.

    skip: the occurrence is recorded as skipped(overlap). queue: it waits its turn. replace: the oldest
    live run is cancelled. allow: up to `max` at once, more are skipped (None: no bound).
    """

    overlap: Overlap = "skip"
    max: int | None = 1
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Catchup:
    """What happens to occurrences missed in downtime. `window` None: one period, at least an hour."""

    runs: CatchupRuns = "latest"
    window: Span | None = None
    max: int = 20


@dataclass(frozen=True, slots=True)
class Sla:
    """What makes a run or a job late; only tells, never stops. `finish_by`: minutes after local midnight."""

    start_within: Span | None = None
    max_duration: Span | None = None
    finish_by: int | None = None
    success_every: Span | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of a job's past is kept: runs, age of records, age and bytes of output."""

    runs: int = 500
    age: Span = 90 * 24 * 3600 * SECOND
    logs: Span = 30 * 24 * 3600 * SECOND
    bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it. `grace` (misfire): an occurrence decided later than this is missed; None: never too late.

    `timeout` bounds the run as a whole; a step may have its own.
    """

    concurrency: Concurrency = Concurrency()
    catchup: Catchup = Catchup()
    grace: Span | None = None
    jitter: Span = 0
    priority: int = 0
    timeout: Span | None = None
    on_interrupt: OnInterrupt = "fail"
    sla: Sla = Sla()
    retention: Retention = Retention()
