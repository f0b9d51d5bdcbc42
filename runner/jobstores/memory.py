"""Jobs and runs that live as long as the process: for programs that embed the library, and for tests."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runner.core.action import Change, Forget, Save
from runner.core.run import Delivery, Incident, Job, Occurrence, Request, Run, RunKey
from runner.errors import LeaseLost, RunExists
from runner.jobstores.base import LEASE, Fence, Loaded
from runner.jobstores.lean import Lean
from runner.jobstores.retention import USUAL, Purged, Rules, attempts_of
from runner.moment import Moment, Span
from runner.spec import JobKey, Retention

MOST_FINISHED = 10_000
"""How many finished runs, and occurrences that did not run, are remembered of all jobs together, between two purges."""
MOST_CLOCK_CHANGES = 100


class MemoryJobStore:
    """Holds the very values it is given: lambdas and closures are welcome here."""

    lent = False

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias
        self._lock = threading.RLock()
        self._jobs: dict[JobKey, Job] = {}
        self._runs: dict[RunKey, Run] = {}
        # Ordered, because a plain dict looks through all that was taken from its front to find its first.
        self._finished: OrderedDict[RunKey, Run] = OrderedDict()
        self._lean = Lean()
        self._occurrences: OrderedDict[tuple[JobKey, Moment, str], Occurrence] = OrderedDict()
        self._incidents: dict[tuple[JobKey, str], Incident] = {}
        self._clock: deque[Incident] = deque(maxlen=MOST_CLOCK_CHANGES)
        self._deliveries: dict[str, Delivery] = {}
        self._requests: dict[str, Request] = {}
        self._leases: dict[str, Fence] = {}
        self._numbers: dict[str, int] = {}
        self._ears: list[tuple[str, Callable[[], None]]] = []

    def open(self) -> None:
        return None

    def close(self) -> None:
        with self._lock:
            self._leases.clear()
            self._ears.clear()

    def load(self, source: str) -> Loaded:
        with self._lock:
            return Loaded(
                tuple(job for key, job in self._jobs.items() if key.source == source),
                tuple(run for key, run in self._runs.items() if key.job.source == source),
                tuple(each for each in self._incidents.values() if each.job.source == source),
                tuple(each for each in self._deliveries.values() if each.news.job.source == source),
            )

    def live_of(self, source: str) -> Sequence[Run]:
        return self.load(source).runs

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        with self._lock:
            if fence is not None and self._numbers.get(fence.source, 0) != fence.number:
                raise LeaseLost(f"the lead of {fence.source} went to another scheduler")
            finished = self._finished
            # The key of a run that is written as new, or once more, and is on record as finished.
            again = {
                change.record.key
                for change in changes
                if type(change) is Save and type(change.record) is Run and change.record.key in finished
            }
            if again:
                raise RunExists(again)
            jobs, runs, over = self._jobs, self._runs, list[Run]()
            for change in changes:
                if type(change) is Forget:
                    jobs.pop(change.key, None)
                    self._lean.forget(change.key)
                    continue
                # By the type itself, the most frequent first: a turn may have a hundred thousand of them.
                record: Any = change.record  # type: ignore[union-attr]  # a Save: nothing else is left
                kind = type(record)
                if kind is Run:
                    if record.status.final:
                        runs.pop(record.key, None)
                        over.append(record)
                    else:
                        runs[record.key] = record
                elif kind is Job:
                    jobs[record.spec.key] = record
                else:
                    self._keep(record)
            lean = self._lean.of
            for run in over:
                finished[run.key] = lean(run, run.key.job in jobs)
            _bound(finished)
            _bound(self._occurrences)

    def _keep(self, record: Occurrence | Incident | Delivery | Request) -> None:
        """What there is less of than of jobs and runs."""
        if isinstance(record, Occurrence):
            if record.state != "ran":
                self._occurrences[(record.job, record.slot, record.nonce)] = record
        elif isinstance(record, Incident):
            if record.kind == "clock":
                self._clock.append(record)
            elif record.closed_at is None:
                self._incidents[(record.job, record.kind)] = record
            else:
                self._incidents.pop((record.job, record.kind), None)
        elif isinstance(record, Delivery):
            if record.state == "waiting":
                self._deliveries[record.id] = record
            else:
                self._deliveries.pop(record.id, None)
        elif isinstance(record, Request):
            self._requests[record.id] = record

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        with self._lock:
            held = self._leases.get(source)
            if held is not None:
                return held if held.owner == owner else None
            number = self._numbers.get(source, 0) + 1
            fence = Fence(source, owner, number)
            self._numbers[source] = number
            self._leases[source] = fence
            return fence

    def release(self, fence: Fence) -> None:
        with self._lock:
            if self._leases.get(fence.source) == fence:
                del self._leases[fence.source]
        self._knock(fence.source)

    def listen(self, source: str, heard: Callable[[], None]) -> bool:
        with self._lock:
            self._ears.append((source, heard))
        return True

    def _knock(self, source: str) -> None:
        for wanted, heard in list(self._ears):
            if wanted == source:
                heard()

    def check(self, values: Iterable[Any]) -> None:
        return None

    def ask(self, request: Request) -> None:
        with self._lock:
            self._requests[request.id] = request
        self._knock(request.source)

    def asked(self, source: str) -> Sequence[Request]:
        with self._lock:
            return [
                each for each in self._requests.values() if each.source == source and each.state == "asked"
            ]

    def answer(self, request: str) -> Request | None:
        with self._lock:
            return self._requests.get(request)

    def purge(
        self,
        now: Moment,
        *,
        wanted: Mapping[JobKey, Retention] = MappingProxyType({}),
        pause: Callable[[], object] = lambda: None,
    ) -> Purged:
        with self._lock:
            rules = Rules(
                now, {key: job.spec.policy.retention for key, job in self._jobs.items()} | dict(wanted)
            )
            runs = rules.runs(self._finished.values())
            skipped = rules.occurrences(self._occurrences.values())
            answered = [
                each.id
                for each in self._requests.values()
                if each.state != "asked" and each.asked_at < now - USUAL.age
            ]
            for run in runs:
                del self._finished[run.key]
            for each in skipped:
                del self._occurrences[(each.job, each.slot, each.nonce)]
            for id in answered:
                del self._requests[id]
        attempts = tuple(each for run in runs for each in attempts_of(run))
        return Purged(tuple(run.key for run in runs), len(skipped), requests=len(answered), attempts=attempts)

    # ── what is over ────────────────────────────────────────────────────────────────────────

    def finished(self) -> Sequence[Run]:
        """The finished runs that are remembered, oldest first."""
        with self._lock:
            return list(self._finished.values())

    def occurrences(self) -> Sequence[Occurrence]:
        """The occurrences that did not run and are remembered, oldest first."""
        with self._lock:
            return list(self._occurrences.values())

    def clock_changes(self) -> Sequence[Incident]:
        """When the clock was set, as far as that is remembered, oldest first."""
        with self._lock:
            return list(self._clock)

    def jobs(self) -> Sequence[Job]:
        with self._lock:
            return list(self._jobs.values())

    def live(self) -> Sequence[Run]:
        with self._lock:
            return list(self._runs.values())


def _bound(records: OrderedDict[Any, Any]) -> None:
    while len(records) > MOST_FINISHED:
        records.popitem(last=False)
