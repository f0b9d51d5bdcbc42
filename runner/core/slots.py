"""The planned times of jobs: what becomes of each when it has come, and of a run that somebody asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from runner.core import timing
from runner.core.action import Action, Announce, Save
from runner.core.admission import refusal
from runner.core.agenda import Agenda
from runner.core.plain import Lane
from runner.core.run import Incident, Job, Occurrence, Origin, RunKey
from runner.core.runs import Runs
from runner.core.timing import follows_the_clock, skipped, start_of
from runner.core.wall import Wall
from runner.duration import say_duration
from runner.frozen import replace
from runner.moment import Moment, Span, to_datetime
from runner.spec import JobKey, JobSpec


class Slots:
    """`broken` is told a job whose trigger raised, with the reason."""

    def __init__(
        self,
        wall: Wall,
        runs: Runs,
        agenda: Agenda,
        out: Callable[[Action], None],
        broken: Callable[[JobKey, str, Moment], None],
        lane: Lane,
    ) -> None:
        self._wall = wall
        self._jobs = wall.jobs
        self._runs = runs
        self._agenda = agenda
        self._out = out
        self._broken = broken
        self._lane = lane
        self._nonces: tuple[Moment, dict[JobKey, int]] = (0, {})
        self._jumped: tuple[Moment, str] = (0, "")
        """When the clock was last set forward, and the words for it."""
        self.clock_set: Incident | None = None
        """The last time that the clock was set."""
        self._resting = False
        """Whether the scheduler is paused: nothing becomes due."""
        self._put_by: dict[JobKey, None] = {}
        """What came meanwhile."""

    def rest(self, resting: bool) -> None:
        """Whether nothing becomes due from now on; what came meanwhile becomes due once that is over."""
        self._resting = resting
        if self._put_by and not resting:
            for key in self._put_by:
                if key in self._jobs:
                    self._wall.plan(self._jobs[key])
            self._put_by.clear()

    def due(self, key: JobKey, now: Moment) -> None:
        """The job's moment in the agenda has come."""
        if self._resting:
            self._put_by[key] = None
            return
        job = self._jobs.get(key)
        if job is None or job.state != "scheduled" or job.next_at is None or self._runs.stopping:
            return
        if self._lane.begins(job, now):
            return
        if start_of(job.spec, job.next_at) > now:
            self._wall.plan(job)
            return
        if job.spec.only_after is not None and not self._gate_open(job, now):
            return
        self._decide(job, now)

    def _decide(self, job: Job, now: Moment) -> None:
        """What becomes of the job's slots that have come."""
        try:
            found = timing.due(job, now)
        except Exception as error:
            # A trigger may be a program's own: what it raises is its job's trouble, and nobody else's.
            self._broken(job.key, f"its trigger failed: {type(error).__name__}: {error}", now)
            return
        for record in found.records:
            for part in _parted(record, job):
                self._record(self._explained(part, now))
        moved = replace(job, next_at=found.next_at, passed=max(found.passed, job.passed or found.passed))
        self._jobs[job.key] = moved
        for slot in found.runs:
            late = found.late and moved.spec.policy.catchup.runs == "all"
            self._occurs(moved, slot, _nonce(job, slot), now, late=late)
        self._runs.admit(job.key, now)
        self._wall.keep(self._jobs[job.key])

    def settle(self, key: JobKey, now: Moment) -> None:
        """Before an edit or a pause: what has come is decided by the spec that planned it, jitter or not."""
        job = self._jobs.get(key)
        if job is not None and job.state in ("paused", "broken"):
            self.pass_over(job, now, job.state)
        if self._resting and job is not None and job.state == "scheduled":
            job = self.pass_over(job, now, "paused")
        # Also where nothing begins any more: the run waits for the next start.
        while job is not None and job.state == "scheduled" and _has_come(job, now):
            if job.spec.only_after is None or self._gate_open(job, now):
                self._decide(job, now)
            elif key in self._jobs:
                self.pass_over(self._jobs[key], now, "only_after")
            job = self._jobs.get(key)

    def pass_over(self, job: Job, now: Moment, reason: str) -> Job:
        """The job's slots up to now are skipped; the job as it stands after them, not yet saved."""
        try:
            record, following = skipped(job, now, reason)
        except Exception:
            # Its trigger fails, which stands in the way of no edit, and least of all of its removal.
            return job
        if record is None:
            return job
        for part in _parted(record, job):
            self._record(part)
        last = record.last or record.slot
        self._jobs[job.key] = job = replace(job, next_at=following, passed=max(last, job.passed or last))
        return job

    def _occurs(self, job: Job, slot: Moment, nonce: str, now: Moment, *, late: bool) -> None:
        """An occurrence that policy wants: a run, or a skip with its reason."""
        spec = job.spec
        detail = self._runs.settings.closed_by(spec, now)
        reason = "maintenance" if detail else "" if late else self._overlap(spec)
        if reason:
            self._record(Occurrence(job.key, slot, "skipped", reason, nonce, detail=detail, decided_at=now))
            return
        if spec.policy.concurrency.overlap == "replace" and not late:
            self._replace(job.key, now)
        self._runs.make(spec, RunKey(job.key, slot, nonce), now, last_success=job.last_success, late=late)

    def fired(self, key: JobKey, params: Any, origin: Origin, by: str, now: Moment) -> RunKey | str:
        """A run that somebody or something wants now: its key, or why there is none."""
        job = self._jobs.get(key)
        if job is None:
            return "unknown"
        if job.state == "broken":
            return f"broken: {job.reason}"
        if self._runs.stopping:
            return "shutdown"
        run = RunKey(key, now, self._next_nonce(key, now))
        reason = self._overlap(job.spec)
        detail = self._runs.settings.closed_by(job.spec, now) if origin != "manual" else ""
        if detail:
            reason = "maintenance"
        if reason:
            self._record(Occurrence(key, now, "skipped", reason, run.nonce, detail=detail, decided_at=now))
            return reason
        if job.spec.policy.concurrency.overlap == "replace":
            self._replace(key, now)
        self._runs.make(
            job.spec, run, now, origin=origin, by=by, params=params, last_success=job.last_success
        )
        self._runs.admit(key, now)
        return run

    def kept_from(self, key: JobKey, reason: str, now: Moment) -> None:
        """What would have started it came while it was kept from running: that is on record."""
        nonce = self._next_nonce(key, now)
        self._record(Occurrence(key, now, "skipped", reason, nonce, decided_at=now))

    def _next_nonce(self, key: JobKey, now: Moment) -> str:
        """Runs asked for at one moment are numbered, those included that are over already."""
        if self._nonces[0] != now:
            self._nonces = (now, {})
        numbers = self._nonces[1]
        number = numbers.get(key, 0) + 1
        while RunKey(key, now, str(number)) in self._runs.live:
            number += 1
        numbers[key] = number
        return str(number)

    def _overlap(self, spec: JobSpec) -> str:
        concurrency = spec.policy.concurrency
        if spec.key not in self._runs.by_job:
            return ""
        live, waiting = len(self._runs.by_job[spec.key]), self._runs.waiting_of(spec.key)
        return refusal(concurrency, live, waiting, self._runs.settings.queue_limit)

    def _replace(self, key: JobKey, now: Moment) -> None:
        for run in self._runs.live_of(key):
            self._runs.cancel(run.key, "replaced", now)

    def _gate_open(self, job: Job, now: Moment) -> bool:
        """Whether what must have succeeded did; else the job waits, or this occurrence is skipped."""
        gate, slot = job.spec.only_after, job.next_at
        assert gate is not None
        assert slot is not None
        other = self._jobs.get(JobKey(job.key.store, job.key.source, gate.job))
        good = other.last_success if other is not None else None
        zone = ZoneInfo(job.spec.timezone)
        if good is not None and to_datetime(good, zone).date() >= to_datetime(slot, zone).date():
            return True
        if now < slot + gate.within:
            self._agenda.put(job.key, slot + gate.within)
            return False
        nonce = _nonce(job, slot)
        detail = f"{gate.job}, within {say_duration(gate.within)}"
        self._record(Occurrence(job.key, slot, "skipped", "only_after", nonce, detail=detail, decided_at=now))
        assert job.spec.trigger is not None
        passed = max(slot, job.passed or slot)
        self._wall.keep(replace(job, next_at=job.spec.trigger.next_after(slot), passed=passed))
        return False

    def _explained(self, record: Occurrence, now: Moment) -> Occurrence:
        """What the clock jumped over says so: nobody was away then."""
        jumped_at, words = self._jumped
        return replace(record, detail=words) if now == jumped_at and not record.detail else record

    def stepped(self, by: Span, now: Moment) -> None:
        words = f"the clock was set {'forward' if by > 0 else 'back'} by {say_duration(abs(by))}"
        if by > 0:
            self._jumped = (now, words)
        for store, source in sorted({(key.store, key.source) for key in self._jobs}):
            where = JobKey(store, source, "")
            self.clock_set = Incident(where, "clock", now - by, closed_at=now, detail=words)
            self._out(Save(self.clock_set))
        for job in list(self._jobs.values()):
            if by < 0:
                self.realign(job, now)
            else:
                self._wall.plan(job)

    def rezoned(self, now: Moment) -> None:
        for job in list(self._jobs.values()):
            trigger, planned = job.spec.trigger, job.next_at
            if job.state != "scheduled" or trigger is None or planned is None or planned <= now:
                continue
            following = trigger.next_after(now)
            if following != planned and trigger.next_after(planned - 1) != planned:
                self._wall.keep(replace(job, next_at=following))

    def realign(self, job: Job, now: Moment) -> None:
        """After the clock was set back: what counts time or follows the clock goes on from now."""
        trigger = job.spec.trigger
        if trigger is None or job.next_at is None or job.passed is None or job.passed <= now:
            return
        if not follows_the_clock(trigger, now):
            return
        following = trigger.next_after(now)
        if following is not None and following < job.next_at:
            self._wall.keep(replace(job, next_at=following, backs=job.backs + 1))

    def _record(self, record: Occurrence) -> None:
        self._out(Save(record))
        self._out(Announce(f"occurrence.{record.state}", record))


def _has_come(job: Job, now: Moment) -> bool:
    return job.next_at is not None and job.next_at <= now


def _nonce(job: Job, slot: Moment) -> str:
    """What tells a slot from the same one before the clock was set back."""
    return f"c{job.backs}" if job.passed is not None and slot <= job.passed else ""


def _parted(record: Occurrence, job: Job) -> list[Occurrence]:
    """A range whose first slots come again and whose last ones come for the first time is two rows."""
    passed, trigger = job.passed, job.spec.trigger
    nonce = _nonce(job, record.slot)
    if not nonce or record.last is None or passed is None or record.last <= passed or trigger is None:
        return [replace(record, nonce=nonce)]
    count, end = 1, record.slot
    following = trigger.next_after(end)
    while following is not None and following <= passed:
        count, end = count + 1, following
        following = trigger.next_after(end)
    assert following is not None
    again = replace(record, nonce=nonce, last=end if count > 1 else None, count=count)
    fresh = record.count - count
    return [again, replace(record, slot=following, last=record.last if fresh > 1 else None, count=fresh)]
