"""The same machine with a virtual clock and scripted steps: what `simulate`, `test` and people's own tests play.

Nothing is executed and nobody is told; a year of schedules with failures, restarts and clock changes takes a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import heappop, heappush
from itertools import count

from runner.core.action import Action, Announce, Cancel, Forget, Save, Send, Start
from runner.core.event import (
    Added,
    CancelAsked,
    Delivered,
    Event,
    Fired,
    Paused,
    Resumed,
    Settings,
    Started,
    StepEnded,
    Stepped,
    Tick,
)
from runner.core.machine import Machine
from runner.core.reload import changes
from runner.core.run import (
    AttemptKey,
    Delivery,
    Incident,
    Job,
    Occurrence,
    Outcome,
    Run,
    RunKey,
    Status,
)
from runner.moment import SECOND, Moment, Span, from_datetime
from runner.spec import JobKey, JobSpec


@dataclass(frozen=True, slots=True)
class Scripted:
    """How one attempt goes: it takes `took`, ends with `status`; once cancelled it ends after `stops`."""

    status: Status = Status.SUCCEEDED
    took: Span = SECOND
    exit_code: int | None = None
    stops: Span = 0
    outputs: Mapping[str, object] = field(default_factory=dict)
    tail: str = ""
    error: str = ""

    def outcome(self, began: Moment, ended: Moment) -> Outcome:
        code = self.exit_code
        if code is None and not self.error and self.status in (Status.SUCCEEDED, Status.FAILED):
            code = 0 if self.status is Status.SUCCEEDED else 1
        return Outcome(self.status, code, self.error, self.tail, self.outputs, began, ended)


Script = Callable[[Start], Scripted]

GOOD = Scripted()


def by_step(plan: Mapping[str, Scripted | Sequence[Scripted]], usual: Scripted = GOOD) -> Script:
    """A script by step id, `job` or `job/step`. Of a list the n-th attempt takes the n-th; the last stays."""
    used: dict[str, int] = {}

    def script(start: Start) -> Scripted:
        for name in (
            f"{start.run.spec.id}/{start.state.id}",
            start.state.id,
            start.step.id,
            start.run.spec.id,
        ):
            found = plan.get(name)
            if found is None:
                continue
            if isinstance(found, Scripted):
                return found
            position = used.get(name, 0)
            used[name] = position + 1
            return found[min(position, len(found) - 1)]
        return usual

    return script


@dataclass(slots=True)
class _Flight:
    """An attempt under way."""

    start: Start
    scripted: Scripted
    began: Moment
    token: int
    ends: Moment
    outcome: Outcome


class Simulation:
    """Plays specs from a start. `occurrences`, `runs`, `alerts` and `announcements` are what came of it."""

    def __init__(
        self,
        specs: Iterable[JobSpec] = (),
        *,
        start: datetime | Moment,
        script: Script | Mapping[str, Scripted | Sequence[Scripted]] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.now: Moment = start if isinstance(start, int) else from_datetime(start)
        self.settings = settings or Settings()
        self.occurrences: list[Occurrence] = []
        self.runs: dict[RunKey, Run] = {}
        self.jobs: dict[JobKey, Job] = {}
        self.incidents: dict[tuple[JobKey, str], Incident] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.alerts: list[Delivery] = []
        self.announcements: list[tuple[Moment, Announce]] = []
        self.starts: list[tuple[Moment, AttemptKey]] = []
        self.unsaved: list[AttemptKey] = []
        self.undeliverable: set[str] = set()
        self._script = script if callable(script) else by_step(script or {})
        self._plan: list[tuple[Moment, int, Event, int]] = []
        self._flights: dict[AttemptKey, _Flight] = {}
        self._count = count(1)
        self.machine: Machine | None = Machine(self.settings)
        self.handle(Started())
        for spec in specs:
            self.handle(Added(spec))

    # ── what happens ────────────────────────────────────────────────────────────────────────

    def handle(self, event: Event) -> None:
        """Let this happen now."""
        assert self.machine is not None, "the runner is down"
        self._perform(self.machine.handle(self.now, event))

    def at(self, moment: datetime | Moment, event: Event) -> None:
        """Let this happen at a moment still to come."""
        when = moment if isinstance(moment, int) else from_datetime(moment)
        heappush(self._plan, (when, next(self._count), event, 0))

    def fire(self, job: str, params: Mapping[str, object] | None = None) -> None:
        self.handle(Fired(self.key(job), params or {}))

    def pause(self, job: str, until: Moment | None = None) -> None:
        self.handle(Paused(self.key(job), until))

    def resume(self, job: str) -> None:
        self.handle(Resumed(self.key(job)))

    def cancel(self, run: Run) -> None:
        self.handle(CancelAsked(run.key))

    def set_clock(self, by: Span) -> None:
        """Set the wall clock forward or back; what is under way takes as long as it did."""
        self.now += by
        moved = [(moment + by, number, event, token) for moment, number, event, token in self._plan]
        self._plan = moved
        for flight in self._flights.values():
            flight.began += by
            flight.ends += by
        self.handle(Stepped(by))
        self.handle(Tick())

    def reload(self, specs: Iterable[JobSpec]) -> None:
        assert self.machine is not None
        for event in changes(self.machine.jobs, specs):
            self.handle(event)

    def run(self, until: datetime | Moment) -> None:
        """Let time pass until then."""
        end = until if isinstance(until, int) else from_datetime(until)
        while True:
            moment = self.next_moment()
            if moment is None or moment > end:
                break
            self.now = max(self.now, moment)
            while self._plan and self._plan[0][0] <= self.now:
                self._happen(*heappop(self._plan)[2:])
            wakeup = self.machine.wakeup() if self.machine is not None else None
            if wakeup is not None and wakeup <= self.now:
                self.handle(Tick())
        self.now = max(self.now, end)

    def crash(self, *, host: bool = False) -> None:
        """The runner is gone; `host`: the machine, and with it whatever was under way."""
        self.machine = None
        if host:
            for flight in self._flights.values():
                flight.token = -1

    def restart(self, specs: Iterable[JobSpec] | None = None) -> None:
        """The runner is back, with what was on record, and finds out what became of its attempts."""
        live = [run for run in self.runs.values() if not run.status.final]
        open_incidents = [each for each in self.incidents.values() if each.closed_at is None]
        waiting = [each for each in self.deliveries.values() if each.state == "waiting"]
        self.machine = Machine(self.settings, self.jobs.values(), live, open_incidents, waiting)
        alive: set[AttemptKey] = set()
        gone: set[AttemptKey] = set()
        for attempt, flight in list(self._flights.items()):
            (gone if flight.token < 0 else alive).add(attempt)
        for attempt in gone:
            del self._flights[attempt]
        ended = {}
        for attempt in list(alive):
            flight = self._flights[attempt]
            if flight.ends <= self.now:
                ended[attempt] = flight.outcome
                alive.discard(attempt)
                del self._flights[attempt]
        self.handle(Started(frozenset(alive), ended, frozenset(gone)))
        self.handle(Tick())
        if specs is not None:
            self.reload(specs)

    # ── what came of it ─────────────────────────────────────────────────────────────────────

    def key(self, job: str) -> JobKey:
        return next(key for key in self.jobs if key.id == job)

    def runs_of(self, job: str) -> list[Run]:
        """The job's runs, in the order of their slots."""
        return sorted((run for key, run in self.runs.items() if key.job.id == job), key=lambda run: run.key)

    def next_moment(self) -> Moment | None:
        """When something happens next; None where nothing will."""
        moments = [self._plan[0][0]] if self._plan else []
        wakeup = self.machine.wakeup() if self.machine is not None else None
        if wakeup is not None:
            moments.append(wakeup)
        return min(moments, default=None)

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _happen(self, event: Event, token: int) -> None:
        if isinstance(event, StepEnded):
            flight = self._flights.get(event.attempt)
            if flight is None or flight.token != token or self.machine is None:
                return
            del self._flights[event.attempt]
        if self.machine is not None:
            self.handle(event)

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Save | Forget):
                self._write(action)
        for action in actions:
            match action:
                case Start():
                    self._start(action)
                case Cancel(attempt, _, reason):
                    self._cancel(attempt, reason)
                case Send(delivery):
                    self.alerts.append(delivery)
                    error = "nobody answers" if delivery.channel in self.undeliverable else ""
                    heappush(self._plan, (self.now, next(self._count), Delivered(delivery.id, error), 0))
                case Announce():
                    self.announcements.append((self.now, action))

    def _write(self, change: Save | Forget) -> None:
        if isinstance(change, Forget):
            self.jobs.pop(change.key, None)
            return
        record = change.record
        match record:
            case Job():
                self.jobs[record.key] = record
            case Run():
                known = self.runs.get(record.key)
                if known is None or known.created_at != record.created_at:
                    key = record.key
                    ran = Occurrence(key.job, key.slot, "ran", "", key.nonce, decided_at=record.created_at)
                    self.occurrences.append(ran)
                self.runs[record.key] = record
            case Occurrence():
                self.occurrences.append(record)
            case Incident():
                self.incidents[(record.job, record.kind)] = record
            case Delivery():
                self.deliveries[record.id] = record

    def _start(self, start: Start) -> None:
        attempt = start.attempt
        stored = self.runs.get(start.run.key)
        if stored is None or stored.steps[start.state.id].status is not Status.RUNNING:
            self.unsaved.append(attempt)
        scripted = self._script(start)
        token = next(self._count)
        self.starts.append((self.now, attempt))
        ended = self.now + scripted.took
        outcome = scripted.outcome(self.now, ended)
        self._flights[attempt] = _Flight(start, scripted, self.now, token, ended, outcome)
        heappush(self._plan, (ended, token, StepEnded(attempt, outcome), token))

    def _cancel(self, attempt: AttemptKey, reason: str) -> None:
        flight = self._flights.get(attempt)
        if flight is None:
            return
        flight.token = token = next(self._count)
        status = Status.TIMED_OUT if reason == "timeout" else Status.CANCELLED
        ended = self.now + flight.scripted.stops
        outcome = replace(flight.scripted.outcome(flight.began, ended), status=status, exit_code=None)
        flight.ends, flight.outcome = ended, outcome
        heappush(self._plan, (ended, token, StepEnded(attempt, outcome), token))
