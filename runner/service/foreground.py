"""One job, now, in this terminal: `runner run`. Where a service leads the file, the run is handed to it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.clock import Clock
from runner.config import Config
from runner.core.action import Announce, Change, Save
from runner.core.event import CancelAsked, Fired
from runner.core.run import Job, Request, Run, RunKey
from runner.errors import RunnerError
from runner.jobstores.base import LEASE, Fence, JobStore, Loaded
from runner.jobstores.retention import Purged
from runner.moment import SECOND, Moment, Span
from runner.service.house import House
from runner.service.place import Place
from runner.spec import JobKey, JobSpec


class NotBegun(RunnerError):
    """It was cancelled before the run was there."""

    exit_code = 130


class OneJob:
    """A store seen through one job: its live runs and incidents, without its schedule.

    So a run by hand decides nothing about the schedule. What it learns of the job (last status, failures) is
    written back without touching the job's place in time.
    """

    def __init__(self, store: JobStore, spec: JobSpec) -> None:
        self.alias = store.alias
        self._store = store
        self._spec = replace(spec, trigger=None, after=(), only_after=None, enabled=True)
        self._known: Job | None = None

    def open(self) -> None:
        self._store.open()

    def close(self) -> None:
        self._store.close()

    def load(self, source: str) -> Loaded:
        loaded = self._store.load(source)
        key = self._spec.key
        self._known = next((job for job in loaded.jobs if job.key == key), None)
        job = Job(self._spec) if self._known is None else self._known
        job = replace(job, spec=self._spec, next_at=None, state="scheduled", paused_until=None, reason="")
        return Loaded(
            jobs=(job,),
            runs=tuple(run for run in loaded.runs if run.key.job == key),
            incidents=tuple(incident for incident in loaded.incidents if incident.job == key),
            deliveries=tuple(delivery for delivery in loaded.deliveries if delivery.news.job == key),
        )

    def live_of(self, source: str) -> Sequence[Run]:
        return [run for run in self._store.live_of(source) if run.key.job == self._spec.key]

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        self._store.write([change for each in changes if (change := self._without_schedule(each))], fence)

    def _without_schedule(self, change: Change) -> Change | None:
        if not isinstance(change, Save):
            return None
        if not isinstance(change.record, Job):
            return change
        if self._known is None:
            return None
        job = change.record
        self._known = replace(
            self._known, last_status=job.last_status, last_success=job.last_success, failures=job.failures
        )
        return Save(self._known)

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        return self._store.hold(source, owner, now, lease)

    def release(self, fence: Fence) -> None:
        self._store.release(fence)

    def listen(self, source: str, heard: Callable[[], None]) -> bool:
        return False

    def purge(self, now: Moment, **how: Any) -> Purged:
        return self._store.purge(now, **how)

    def check(self, values: Iterable[Any]) -> None:
        self._store.check(values)

    def ask(self, request: Request) -> None:
        self._store.ask(request)

    def asked(self, source: str) -> Sequence[Request]:
        return ()

    def answer(self, request: str) -> Request | None:
        return self._store.answer(request)


@dataclass(slots=True)
class Foreground:
    """Runs one job in this process. `hear` is told every announcement, on the clock thread."""

    place: Place
    config: Config
    spec: JobSpec
    store: JobStore
    clock: Clock
    hear: Callable[[Announce], None]
    say: Callable[[str], None]
    params: dict[str, object] = field(default_factory=dict)
    by: str = ""
    _mail: queue.SimpleQueue[Run | str] = field(default_factory=queue.SimpleQueue)
    _run: RunKey | None = None

    def cancel(self) -> None:
        """Ask for the end of the run; from a signal handler."""
        self._mail.put("cancel")

    def run(self, patience: Span = 10 * SECOND) -> Run | None:
        """The ended run; None where another runner leads the file. `patience`: for the alerts at the end."""
        seen = OneJob(self.store, self.spec)
        house = House(self.place, self.config, seen, clock=self.clock, announce=self._heard, say=self.say)
        engine = threading.Thread(target=house.engine.run, name="runner-clock", daemon=True)
        house.open()
        engine.start()
        try:
            return self._follow(house)
        finally:
            house.engine.end()
            engine.join(10)
            house.close(leave=False, patience=patience / SECOND)

    def _follow(self, house: House) -> Run | None:
        """NotBegun where it was cancelled before the store could be led, as one that is away."""
        fired = cancelled = False
        while True:
            word = self._mail.get()
            if word == "cancel":
                if not fired:
                    raise NotBegun("cancelled before the run began", hint="nothing was started")
                cancelled = True
            if word == "lease.held":
                return None
            if word == "lease.taken" and not fired:
                fired = True
                key = JobKey(house.store.alias, self.place.source, self.spec.id)
                house.engine.post(Fired(key, self.params, "manual", self.by))
            elif word in ("cancel", "started") and cancelled and self._run is not None:
                house.engine.post(CancelAsked(self._run, "asked", self.by))
            elif word == "overlap":
                raise_overlap(self.spec)
            elif isinstance(word, Run) and word.key == self._run:
                return word

    def _heard(self, announce: Announce) -> None:
        self.hear(announce)
        if announce.name in ("lease.taken", "lease.held"):
            self._mail.put(announce.name)
        elif announce.name == "occurrence.skipped" and self._run is None:
            self._mail.put("overlap")
        elif announce.name == "run.started" and self._run is None and announce.value.origin == "manual":
            self._run = announce.value.key
            self._mail.put("started")
        elif announce.name == "run.ended":
            self._mail.put(announce.value)


def raise_overlap(spec: JobSpec) -> None:
    raise RunnerError(
        f"{spec.id} is running already, and does not run twice at once",
        hint="runner stop it first, or give it `concurrency: allow`",
    )
