"""The law: what follows from each event. It owns no clock, no thread, no file; it is told the time.

Announcements, by name (value): job.added job.changed job.removed job.paused job.resumed job.broken job.finished (Job);
occurrence.skipped occurrence.missed occurrence.merged (Occurrence); run.started run.ended (Run); step.started
step.ended step.skipped step.retrying (Run, StepRun); incident.opened incident.closed (Incident); delivery.delivered
delivery.retrying delivery.given_up (Delivery).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, Literal, assert_never, cast

from runner.core import event as e
from runner.core.action import Action, Announce, Forget, Save
from runner.core.agenda import Agenda
from runner.core.beside import Beside
from runner.core.event import Event, Settings, StepEnded
from runner.core.flow import Evaluate
from runner.core.incidents import Desk
from runner.core.plain import Lane
from runner.core.requests import Requests
from runner.core.run import (
    AttemptKey,
    Delivery,
    Incident,
    Job,
    Outcome,
    Run,
    RunKey,
    Status,
)
from runner.core.runs import Runs
from runner.core.slots import Slots
from runner.core.wall import Wall, placed
from runner.expressions import evaluate
from runner.frozen import maker, replace
from runner.moment import Moment
from runner.spec import JobKey, JobSpec

_job, _save, _announce = maker(Job), maker(Save), maker(Announce)


class Machine:
    """`handle` decides and answers with actions in order; `wakeup` says when time alone brings a decision."""

    def __init__(
        self,
        settings: Settings,
        jobs: Iterable[Job] = (),
        runs: Iterable[Run] = (),
        incidents: Iterable[Incident] = (),
        deliveries: Iterable[Delivery] = (),
        *,
        evaluate: Evaluate = evaluate,
        hears: Callable[[], Container[str]] | None = None,
    ) -> None:
        """`hears`: the announcements somebody listens to, by name; of usual runs the others are not made. None: all.

        It is asked for each event and each batch of ends: listeners come and go.
        """
        self._actions: list[Action] = []
        self._out = self._actions.append
        self._agenda = Agenda()
        # Asked in every turn: no call more than what answers.
        self.wakeup: Callable[[], Moment | None] = self._agenda.first
        """The next moment at which a Tick has something to decide; None while nothing is planned."""
        self.crowd: Callable[[], int] = self._agenda.crowd
        """About how many things are to be decided at that moment."""
        self._now: Moment = 0
        self._wall = Wall(self._agenda, self._out, self._over)
        self.jobs = self._wall.jobs
        self._desk = Desk(incidents, deliveries, self._agenda, self._out, evaluate)
        self._runs = Runs(settings, self._agenda, self._out, evaluate, self._run_ended, self._run_late)
        self._lane = lane = Lane(self._wall, self._runs, self._desk, self._agenda, self._out, hears)
        self._runs.plain = lane
        self._slots = Slots(self._wall, self._runs, self._agenda, self._out, self._broken, lane)
        self._requests = Requests(self.jobs, self._runs, self._slots, self._out, self._paused, self._resumed)
        self._beside = Beside(self.jobs, self._runs.by_job)
        self._some_go_first = False
        """Whether some job had a priority since the machine was made."""
        for job in jobs:
            self._know(job)
        for run in runs:
            self._runs.load(run)

    def rest(self, resting: bool) -> None:
        """Whether no job becomes due from now on; runs go on, with their timeouts, retries and alerts.

        A job that is changed or paused meanwhile gives up what has come of it: that is skipped(paused).
        """
        self._slots.rest(resting)

    @property
    def settings(self) -> Settings:
        """What the house around the machine offers."""
        return self._runs.settings

    @property
    def runs(self) -> dict[RunKey, Run]:
        """The live runs."""
        return self._runs.live

    @property
    def incidents(self) -> Iterable[Incident]:
        """The open ones."""
        return self._desk.incidents.values()

    @property
    def deliveries(self) -> Iterable[Delivery]:
        """Those not yet delivered."""
        return self._desk.deliveries.values()

    @property
    def clock_set(self) -> Incident | None:
        """The last time that the clock was set, since this machine began: from `since` to `closed_at`."""
        return self._slots.clock_set

    def handle(self, now: Moment, event: Event) -> list[Action]:
        """What follows from the event at this moment: writes, starts, cancels, messages, announcements."""
        self._actions.clear()
        self._now = now
        self._lane.listen()
        match event:
            case e.Tick():
                self._tick(now)
            case e.StepEnded(attempt, outcome):
                self._runs.step_ended(attempt, outcome, now)
            case e.Added(spec, next_at):
                self._added(spec, next_at, now)
            case e.Changed(spec, next_at):
                self._changed(spec, next_at, now)
            case e.Removed(key):
                self._removed(key, now)
            case e.Broken(key, reason):
                self._broken(key, reason, now)
            case e.Paused(key, until, note):
                self._paused(key, until, note, now)
            case e.Resumed(key):
                self._resumed(key, now)
            case e.Fired(key, params, origin, by):
                self._slots.fired(key, params, origin, by, now)
            case e.Asked(request):
                self._requests.carry_out(request, now)
            case e.CancelAsked(run, reason):
                self._runs.cancel(run, reason, now)
            case e.Delivered(id, error):
                self._desk.delivered(id, error, now)
            case e.Notice():
                self._desk.notice(event, now)
            case e.Started(alive, ended, gone):
                self._started(alive, dict(ended), gone, now)
            case e.Stepped(by):
                self._slots.stepped(by, now)
            case e.Rezoned():
                self._slots.rezoned(now)
            case e.Configured(settings):
                self._runs.configure(settings, now)
            case e.Stopping(stop):
                self._stopping(stop, now)
            case _:
                assert_never(event)
        self._runs.serve_waiting(now)
        return self._actions.copy()

    def ends(
        self, now: Moment, ends: Iterable[StepEnded], failed: Callable[[StepEnded, Exception], None]
    ) -> list[Action]:
        """As `handle` of each of them in turn; one that raises is told to `failed`, and nothing comes of it."""
        actions, runs = self._actions, self._runs
        actions.clear()
        self._now = now
        self._lane.listen()
        for end in ends:
            before = len(actions)
            try:
                runs.step_ended(end.attempt, end.outcome, now)
                if runs.places.freed:
                    runs.serve_waiting(now)
            except Exception as error:
                del actions[before:]
                failed(end, error)
        return actions.copy()

    def additions(self, now: Moment, added: Iterable[e.Added]) -> list[Action]:
        """As `handle` of each of them in turn: many jobs that are added at once."""
        self._actions.clear()
        self._now = now
        self._lane.listen()
        for each in added:
            self._added(each.spec, each.next_at, now)
        self._runs.serve_waiting(now)
        return self._actions.copy()

    def drop(self, run: RunKey, now: Moment) -> list[Action]:
        """Forget a live run that the store refused, for its key is over already, and its job where that is done."""
        self._actions.clear()
        self._now = now
        self._runs.drop(run)
        if run.job in self.jobs:
            self._wall.drop_if_done(self.jobs[run.job])
        return self._actions.copy()

    # ── time ────────────────────────────────────────────────────────────────────────────────

    def _tick(self, now: Moment) -> None:
        for subject in self._agenda.take(now, self._rank if self._some_go_first else None):
            if type(subject) is JobKey:  # a job's next slot; anything else says what it is
                self._slots.due(subject, now)
                continue
            kind: str
            key: Any
            kind, key = cast(tuple[str, Any], subject)
            if kind == "run":
                self._runs.due(key, now)
            elif kind == "opens":
                self._runs.opens(key, now)
            elif kind == "delivery":
                self._desk.due(key)
            elif kind == "incident":
                job = self.jobs.get(key[0])
                self._desk.remind(key, job.spec if job is not None else None, now)
            elif kind == "resume":
                self._resumed(key, now)
            elif kind == "late":
                self._success_missing(key, now)

    def _rank(self, subject: Any) -> int:
        """Of what is due at one moment the higher priority is decided first: it takes the places that are free."""
        if type(subject) is not JobKey:
            kind, subject = subject
            subject = subject.job if kind in ("run", "opens") else subject
        job = self.jobs.get(subject)
        return job.spec.policy.priority if job is not None else 0

    # ── jobs ────────────────────────────────────────────────────────────────────────────────

    def _added(self, spec: JobSpec, next_at: Moment | Literal["auto"] | None, now: Moment) -> None:
        if isinstance(next_at, int) and spec.enabled:  # `placed`, of most of a program's jobs
            job = _job(spec, next_at, passed=now if now < next_at else next_at - 1)
        else:
            job = placed(Job(spec), next_at, now)
            job = replace(job, passed=now if job.next_at is None else min(now, job.next_at - 1))
        job = self._beside.placed(job, now)
        every = spec.policy.sla.success_every
        if every is not None:
            job = replace(job, late_at=now + every)
        self._know(job)
        self._out(_save(job))
        if self._lane.tells_of_added:
            self._out(_announce("job.added", job))
        self._wall.drop_if_done(job)

    def _changed(self, spec: JobSpec, next_at: Moment | Literal["auto"] | None, now: Moment) -> None:
        job = self.jobs.get(spec.key)
        if job is None:
            self._added(spec, next_at, now)
            return
        before = job.spec
        keeps = next_at == "auto" and before.trigger == spec.trigger and before.enabled == spec.enabled
        # Put where it is already: what has come there is to run, and once.
        stands = next_at == job.next_at and job.state == "scheduled" and spec.enabled
        if not (keeps or stands) or job.state == "broken":
            self._slots.settle(spec.key, now)
            job = self.jobs.get(spec.key)
            if job is None:  # its last run was its end
                self._added(spec, next_at, now)
                return
        self._wall.unlink(before)
        job = replace(job, spec=spec)
        every = spec.policy.sla.success_every
        if every != before.policy.sla.success_every:
            job = replace(job, late_at=None if every is None else now + every)
        stays = job.state == "paused" and before.enabled and spec.enabled and next_at == "auto"
        if job.state == "broken" or not (keeps or stays):
            self._desk.mended(spec.key, now)
            job = placed(job, next_at, now)
        elif stays and not keeps:
            job = replace(job, next_at=spec.trigger.next_after(now) if spec.trigger is not None else None)
        self._know(job)
        self._out(Save(job))
        self._out(Announce("job.changed", job))
        self._wall.drop_if_done(job)

    def _removed(self, key: JobKey, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None:
            return
        self._slots.pass_over(job, now, job.state if job.state in ("paused", "broken") else "removed")
        job = self._wall.take_down(key)
        self._beside.gone(job, now)
        for run in self._runs.live_of(key):
            if run.started_at is None:
                self._runs.cancel(run.key, "removed", now)
        self._desk.removed(key, now)
        self._out(Forget(key))
        self._out(Announce("job.removed", job))

    def _broken(self, key: JobKey, reason: str, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None or job.state == "broken":
            return
        job = replace(job, state="broken", reason=reason)
        self._wall.keep(job)
        self._out(Announce("job.broken", job))
        self._desk.broken(job.spec, reason, now)

    def _paused(self, key: JobKey, until: Moment | None, note: str, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None or job.state not in ("scheduled", "paused"):
            return
        if job.state == "paused" and not job.spec.enabled:
            return  # The end of a pause must not enable what the file disables.
        if job.state == "scheduled":
            self._slots.settle(key, now)
            job = self.jobs.get(key)
            if job is None or job.state != "scheduled":
                return
        job = replace(job, state="paused", reason=note, paused_until=until)
        self._wall.keep(job)
        self._out(Announce("job.paused", job))

    def _resumed(self, key: JobKey, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None or job.state not in ("paused", "broken"):
            return
        job = self._slots.pass_over(job, now, job.state)
        following = job.next_at
        if following is None and job.spec.trigger is not None:
            following = job.spec.trigger.next_after(now)
        state: Literal["scheduled", "finished"] = "scheduled"
        if following is None and job.spec.trigger is not None:
            state = "finished"
        job = replace(job, state=state, reason="", paused_until=None, next_at=following)
        self._desk.mended(key, now)
        self._wall.keep(job)
        self._out(Announce("job.resumed", job))
        self._wall.drop_if_done(job)

    def _know(self, job: Job) -> None:
        if job.spec.policy.priority:
            self._some_go_first = True
        self._desk.know(job.spec)
        self._wall.know(job)

    def _over(self, key: JobKey) -> None:
        if key not in self._runs.by_job:
            self._removed(key, self._now)

    # ── runs ────────────────────────────────────────────────────────────────────────────────

    def _run_ended(self, run: Run, now: Moment) -> None:
        """A run is final: the job learns of it, people hear of it, what waited for it goes on."""
        key = run.key.job
        before = self.jobs.get(key)
        if before is not None:
            job = before
            if run.status.good:
                failures = 0
                every = job.spec.policy.sla.success_every
                job = replace(
                    job,
                    last_status=run.status,
                    failures=0,
                    last_success=max(run.key.slot, job.last_success or run.key.slot),
                    late_at=None if every is None else now + every,
                )
            else:
                failures = job.failures + (run.status is not Status.CANCELLED)
                job = replace(job, last_status=run.status, failures=failures)
            self._desk.ended(job, run, failures, now)
            self._wall.keep(job, plan=job.late_at != before.late_at)
        else:
            self._desk.ended(None, run, 1, now)
            self._beside.left(run.key, now)
        self._runs.admit(key, now)
        self._go_on_after(run, now)

    def _go_on_after(self, run: Run, now: Moment) -> None:
        id = run.key.job.id
        for key in self._wall.followers(id):
            job = self.jobs.get(key)
            if job is None or key.source != run.key.job.source:
                continue
            if not any(after.job == id and _follows(after.on, run.status) for after in job.spec.after):
                continue
            if job.state == "scheduled":
                self._slots.fired(key, {}, "after", run.id, now)
            elif job.spec.enabled and job.state in ("paused", "broken"):
                self._slots.kept_from(key, job.state, now)
        if run.status.good:
            for key in self._wall.gated(id):
                if key in self.jobs:
                    self._slots.due(key, now)

    def _run_late(self, spec: JobSpec, what: str, now: Moment, run: Run) -> None:
        self._desk.late(spec, what, now, run)

    def _success_missing(self, key: JobKey, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None:
            return
        self._desk.late(job.spec, "success_every", now)
        self._wall.keep(replace(job, late_at=None))

    def _started(
        self,
        alive: frozenset[AttemptKey],
        ended: dict[AttemptKey, Outcome],
        gone: frozenset[AttemptKey],
        now: Moment,
    ) -> None:
        """Settle what an earlier process left: ended, alive, interrupted, or not begun."""
        for run in list(self._runs.live.values()):
            for state in list(run.steps.values()):
                if state.status is not Status.RUNNING:
                    continue
                attempt = AttemptKey(run.key, state.id, state.attempt)
                if attempt in ended:
                    self._runs.step_ended(attempt, ended[attempt], now)
                elif attempt in gone:
                    error = "the machine or the runner went down while it ran"
                    self._runs.step_ended(
                        attempt, Outcome(Status.INTERRUPTED, error=error, ended_at=now), now
                    )
                elif attempt in alive:
                    self._runs.cancel_again(attempt)
                else:
                    self._runs.again(attempt, now)
        for run_key in list(self._runs.live):
            live = self._runs.live.get(run_key)
            if live is not None and live.status is not Status.PENDING:
                self._runs.carry_on(live, now)
        for job in list(self.jobs.values()):
            self._runs.admit(job.key, now)
            self._slots.realign(job, now)
            self._wall.drop_if_done(self.jobs.get(job.key, job))
        for key in {run.key.job for run in self._runs.live.values()} - set(self.jobs):
            self._runs.admit(key, now)

    def _stopping(self, stop: bool, now: Moment) -> None:
        self._runs.stopping = True
        if stop:
            for key in list(self._runs.live):
                if self._runs.live[key].started_at is not None:
                    self._runs.cancel(key, "shutdown", now)


def _follows(on: str, status: Status) -> bool:
    """Whether a job that starts `on` this starts after that end. What somebody ended is no failure, as for alerts."""
    if on == "always":
        return True
    return status.good if on == "success" else not status.good and status is not Status.CANCELLED
