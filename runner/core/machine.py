"""The law: what follows from each event. It owns no clock, no thread, no file; it is told the time.

Announcements, by name (value): job.added job.changed job.removed job.paused job.resumed job.broken job.finished (Job);
occurrence.skipped occurrence.missed occurrence.merged (Occurrence); run.started run.ended (Run); step.started
step.ended step.skipped step.retrying (Run, StepRun); incident.opened incident.closed (Incident); delivery.delivered
delivery.retrying delivery.given_up (Delivery).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, assert_never, cast
from zoneinfo import ZoneInfo

from runner.core import event as e
from runner.core.action import Action, Announce, Forget, Save
from runner.core.admission import refusal
from runner.core.agenda import Agenda
from runner.core.event import Event, Settings
from runner.core.flow import Evaluate
from runner.core.incidents import Desk
from runner.core.run import (
    AttemptKey,
    Delivery,
    Incident,
    Job,
    Occurrence,
    Origin,
    Outcome,
    Request,
    Run,
    RunKey,
    Status,
)
from runner.core.runs import Runs
from runner.core.timing import due, follows_the_clock, skipped, start_of
from runner.expressions import evaluate
from runner.frozen import replace
from runner.moment import Moment, to_datetime
from runner.spec import JobKey, JobSpec


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
    ) -> None:
        self.settings = settings
        self.jobs: dict[JobKey, Job] = {}
        self._actions: list[Action] = []
        self._out = self._actions.append
        self._agenda = Agenda()
        self._followers: dict[str, set[JobKey]] = {}
        self._gated: dict[str, set[JobKey]] = {}
        self._nonces: tuple[Moment, dict[JobKey, int]] = (0, {})
        self._desk = Desk(incidents, deliveries, self._agenda, self._out, evaluate)
        self._runs = Runs(settings, self._agenda, self._out, evaluate, self._run_ended, self._run_late)
        self._now: Moment = 0
        for job in jobs:
            self._know(job)
        for run in runs:
            self._runs.load(run)

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

    def wakeup(self) -> Moment | None:
        """The next moment at which a Tick has something to decide; None while nothing is planned."""
        return self._agenda.first()

    def handle(self, now: Moment, event: Event) -> list[Action]:
        """What follows from the event at this moment: writes, starts, cancels, messages, announcements."""
        self._actions.clear()
        self._now = now
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
                self._fired(key, params, origin, by, now)
            case e.Asked(request):
                self._asked(request, now)
            case e.CancelAsked(run, reason):
                self._runs.cancel(run, reason, now)
            case e.Delivered(id, error):
                self._desk.delivered(id, error, now)
            case e.Notice():
                self._desk.notice(event, now)
            case e.Started(alive, ended, gone):
                self._started(alive, dict(ended), gone, now)
            case e.Stepped(by):
                self._stepped(by, now)
            case e.Rezoned():
                self._rezoned(now)
            case e.Configured(settings):
                self.settings = settings
                self._runs.configure(settings, now)
            case e.Stopping(stop):
                self._stopping(stop, now)
            case _:
                assert_never(event)
        self._runs.serve_waiting(now)
        return self._actions.copy()

    def drop(self, run: RunKey) -> None:
        """Forget a live run that the store refused, because one of its key is over already."""
        self._runs.drop(run)

    # ── time ────────────────────────────────────────────────────────────────────────────────

    def _tick(self, now: Moment) -> None:
        for subject in self._agenda.take(now):
            kind: str
            key: Any
            kind, key = cast(tuple[str, Any], subject)
            if kind == "job":
                self._job_due(key, now)
            elif kind == "run":
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

    def _job_due(self, key: JobKey, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None or job.state != "scheduled" or job.next_at is None or self._runs.stopping:
            return
        if start_of(job.spec, job.next_at) > now:
            self._plan(job)
            return
        if job.spec.only_after is not None and not self._gate_open(job, now):
            return
        self._decide(job, now)

    def _decide(self, job: Job, now: Moment) -> None:
        """What becomes of the job's slots that have come."""
        try:
            found = due(job, now)
        except Exception as error:
            # A trigger may be a program's own: what it raises is its job's trouble, and nobody else's.
            self._broken(job.key, f"its trigger failed: {type(error).__name__}: {error}", now)
            return
        for record in found.records:
            for part in _parted(record, job):
                self._record(part)
        moved = replace(job, next_at=found.next_at, passed=max(found.passed, job.passed or found.passed))
        self.jobs[job.key] = moved
        for slot in found.runs:
            late = found.late and moved.spec.policy.catchup.runs == "all"
            self._occurs(moved, slot, _nonce(job, slot), now, late=late)
        self._runs.admit(job.key, now)
        self._keep(self.jobs[job.key])

    def _settle(self, key: JobKey, now: Moment) -> None:
        """Before an edit or a pause: what has come is decided by the spec that planned it, jitter or not."""
        job = self.jobs.get(key)
        if job is not None and job.state in ("paused", "broken"):
            self._pass_over(job, now, job.state)
        while (
            job is not None and job.state == "scheduled" and _has_come(job, now) and not self._runs.stopping
        ):
            if job.spec.only_after is None or self._gate_open(job, now):
                self._decide(job, now)
            elif key in self.jobs:
                self._pass_over(self.jobs[key], now, "only_after")
            job = self.jobs.get(key)

    def _pass_over(self, job: Job, now: Moment, reason: str) -> Job:
        """The job's slots up to now are skipped; the job as it stands after them, not yet saved."""
        record, following = skipped(job, now, reason)
        if record is None:
            return job
        for part in _parted(record, job):
            self._record(part)
        last = record.last or record.slot
        self.jobs[job.key] = job = replace(job, next_at=following, passed=max(last, job.passed or last))
        return job

    def _occurs(self, job: Job, slot: Moment, nonce: str, now: Moment, *, late: bool) -> None:
        """An occurrence that policy wants: a run, or a skip with its reason."""
        spec = job.spec
        reason = "maintenance" if self.settings.closed_until(spec, now) is not None else ""
        if not reason and not late:
            reason = self._overlap(spec)
        if reason:
            self._record(Occurrence(job.key, slot, "skipped", reason, nonce, decided_at=now))
            return
        if spec.policy.concurrency.overlap == "replace" and not late:
            self._replace(job.key, now)
        self._runs.make(spec, RunKey(job.key, slot, nonce), now, last_success=job.last_success, late=late)

    def _overlap(self, spec: JobSpec) -> str:
        concurrency = spec.policy.concurrency
        if spec.key not in self._runs.by_job:
            return ""
        live, waiting = len(self._runs.by_job[spec.key]), self._runs.waiting_of(spec.key)
        return refusal(concurrency, live, waiting, self.settings.queue_limit)

    def _replace(self, key: JobKey, now: Moment) -> None:
        for run in self._runs.live_of(key):
            self._runs.cancel(run.key, "replaced", now)

    def _gate_open(self, job: Job, now: Moment) -> bool:
        """Whether what must have succeeded did; else the job waits, or this occurrence is skipped."""
        gate, slot = job.spec.only_after, job.next_at
        assert gate is not None
        assert slot is not None
        other = self.jobs.get(JobKey(job.key.store, job.key.source, gate.job))
        good = other.last_success if other is not None else None
        zone = ZoneInfo(job.spec.timezone)
        if good is not None and to_datetime(good, zone).date() >= to_datetime(slot, zone).date():
            return True
        if now < slot + gate.within:
            self._agenda.put(("job", job.key), slot + gate.within)
            return False
        nonce = _nonce(job, slot)
        self._record(Occurrence(job.key, slot, "skipped", "only_after", nonce, decided_at=now))
        assert job.spec.trigger is not None
        passed = max(slot, job.passed or slot)
        self._keep(replace(job, next_at=job.spec.trigger.next_after(slot), passed=passed))
        return False

    def _stepped(self, by: int, now: Moment) -> None:
        for job in list(self.jobs.values()):
            if by < 0:
                self._realign(job, now)
            else:
                self._plan(job)

    def _rezoned(self, now: Moment) -> None:
        for job in list(self.jobs.values()):
            trigger, planned = job.spec.trigger, job.next_at
            if job.state != "scheduled" or trigger is None or planned is None or planned <= now:
                continue
            following = trigger.next_after(now)
            if following != planned and trigger.next_after(planned - 1) != planned:
                self._keep(replace(job, next_at=following))

    def _realign(self, job: Job, now: Moment) -> None:
        """After the clock was set back: what counts time or follows the clock goes on from now."""
        trigger = job.spec.trigger
        if trigger is None or job.next_at is None or job.passed is None or job.passed <= now:
            return
        if not follows_the_clock(trigger, now):
            return
        following = trigger.next_after(now)
        if following is not None and following < job.next_at:
            self._keep(replace(job, next_at=following, backs=job.backs + 1))

    # ── jobs ────────────────────────────────────────────────────────────────────────────────

    def _added(self, spec: JobSpec, next_at: Moment | Literal["auto"] | None, now: Moment) -> None:
        job = self._placed(Job(spec), next_at, now)
        job = replace(job, passed=now if job.next_at is None else min(now, job.next_at - 1))
        every = spec.policy.sla.success_every
        if every is not None:
            job = replace(job, late_at=now + every)
        self._know(job)
        self._out(Save(job))
        self._out(Announce("job.added", job))
        self._drop_if_done(job)

    def _placed(self, job: Job, next_at: Moment | Literal["auto"] | None, now: Moment) -> Job:
        spec = job.spec
        if not spec.enabled:
            return replace(job, next_at=None, state="paused", reason="disabled", paused_until=None)
        if next_at is None:
            return replace(job, next_at=None, state="paused", reason="")
        if next_at != "auto":
            # A slot that was decided before comes again under another nonce.
            again = job.passed is not None and next_at <= job.passed
            return replace(job, next_at=next_at, state="scheduled", reason="", backs=job.backs + again)
        following = spec.trigger.next_after(now) if spec.trigger is not None else None
        state: Literal["scheduled", "finished"] = "scheduled"
        if spec.trigger is not None and following is None:
            state = "finished"
        return replace(job, next_at=following, state=state, reason="")

    def _changed(self, spec: JobSpec, next_at: Moment | Literal["auto"] | None, now: Moment) -> None:
        job = self.jobs.get(spec.key)
        if job is None:
            self._added(spec, next_at, now)
            return
        before = job.spec
        keeps = next_at == "auto" and before.trigger == spec.trigger and before.enabled == spec.enabled
        if not keeps or job.state == "broken":
            self._settle(spec.key, now)
            job = self.jobs.get(spec.key)
            if job is None:  # its last run was its end
                self._added(spec, next_at, now)
                return
        self._unlink(before)
        job = replace(job, spec=spec)
        every = spec.policy.sla.success_every
        if every != before.policy.sla.success_every:
            job = replace(job, late_at=None if every is None else now + every)
        stays = job.state == "paused" and before.enabled and spec.enabled and next_at == "auto"
        if job.state == "broken" or not (keeps or stays):
            self._desk.mended(spec.key, now)
            job = self._placed(job, next_at, now)
        elif stays and not keeps:
            job = replace(job, next_at=spec.trigger.next_after(now) if spec.trigger is not None else None)
        self._know(job)
        self._out(Save(job))
        self._out(Announce("job.changed", job))
        self._drop_if_done(job)

    def _removed(self, key: JobKey, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None:
            return
        self._pass_over(job, now, job.state if job.state in ("paused", "broken") else "removed")
        job = self.jobs.pop(key)
        self._unlink(job.spec)
        for kind in ("job", "resume", "late"):
            self._agenda.put((kind, key), None)
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
        self._keep(job)
        self._out(Announce("job.broken", job))
        self._desk.broken(job.spec, reason, now)

    def _paused(self, key: JobKey, until: Moment | None, note: str, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None or job.state not in ("scheduled", "paused"):
            return
        if job.state == "paused" and not job.spec.enabled:
            return  # The end of a pause must not enable what the file disables.
        if job.state == "scheduled":
            self._settle(key, now)
            job = self.jobs.get(key)
            if job is None or job.state != "scheduled":
                return
        job = replace(job, state="paused", reason=note, paused_until=until)
        self._keep(job)
        self._out(Announce("job.paused", job))

    def _resumed(self, key: JobKey, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None or job.state not in ("paused", "broken"):
            return
        job = self._pass_over(job, now, job.state)
        following = job.next_at
        if following is None and job.spec.trigger is not None:
            following = job.spec.trigger.next_after(now)
        state: Literal["scheduled", "finished"] = "scheduled"
        if following is None and job.spec.trigger is not None:
            state = "finished"
        job = replace(job, state=state, reason="", paused_until=None, next_at=following)
        self._desk.mended(key, now)
        self._keep(job)
        self._out(Announce("job.resumed", job))
        self._drop_if_done(job)

    def _know(self, job: Job) -> None:
        self.jobs[job.key] = job
        spec = job.spec
        self._desk.know(spec)
        for after in spec.after:
            self._followers.setdefault(after.job, set()).add(job.key)
        if spec.only_after is not None:
            self._gated.setdefault(spec.only_after.job, set()).add(job.key)
        self._plan(job)

    def _unlink(self, spec: JobSpec) -> None:
        for after in spec.after:
            self._followers.get(after.job, set()).discard(spec.key)
        if spec.only_after is not None:
            self._gated.get(spec.only_after.job, set()).discard(spec.key)

    def _keep(self, job: Job, *, plan: bool = True) -> None:
        """The job as it stands now, on record; `plan` False where none of its moments has changed."""
        if job.next_at is None and job.state == "scheduled" and job.spec.trigger is not None:
            job = replace(job, state="finished")
            self._out(Announce("job.finished", job))
        self.jobs[job.key] = job
        if plan:
            self._plan(job)
        self._out(Save(job))
        self._drop_if_done(job)

    def _plan(self, job: Job) -> None:
        """Put the job's next moments into the agenda."""
        at = None
        if job.state == "scheduled" and job.next_at is not None:
            at = start_of(job.spec, job.next_at)
        self._agenda.put(("job", job.key), at)
        if job.state == "paused" or job.paused_until is not None:
            self._agenda.put(("resume", job.key), job.paused_until if job.state == "paused" else None)
        if job.spec.policy.sla.success_every is not None or job.late_at is not None:
            self._agenda.put(("late", job.key), job.late_at)

    def _drop_if_done(self, job: Job) -> None:
        """The Python interface's way: a job without a next time is removed once its last run has ended."""
        if not job.spec.remove_when_done or job.state != "finished" or job.key in self._runs.by_job:
            return
        if self.jobs.get(job.key) is not None:
            self._removed(job.key, self._now)

    # ── runs ────────────────────────────────────────────────────────────────────────────────

    def _fired(self, key: JobKey, params: Any, origin: Origin, by: str, now: Moment) -> RunKey | str:
        """A run that somebody or something wants now: its key, or why there is none."""
        job = self.jobs.get(key)
        if job is None:
            return "unknown"
        if job.state == "broken":
            return f"broken: {job.reason}"
        if self._runs.stopping:
            return "shutdown"
        run = RunKey(key, now, self._next_nonce(key, now))
        reason = self._overlap(job.spec)
        if origin != "manual" and self.settings.closed_until(job.spec, now) is not None:
            reason = "maintenance"
        if reason:
            self._record(Occurrence(key, now, "skipped", reason, run.nonce, decided_at=now))
            return reason
        if job.spec.policy.concurrency.overlap == "replace":
            self._replace(key, now)
        self._runs.make(
            job.spec, run, now, origin=origin, by=by, params=params, last_success=job.last_success
        )
        self._runs.admit(key, now)
        return run

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
            self._keep(job, plan=job.late_at != before.late_at)
        else:
            self._desk.ended(None, run, 1, now)
        self._runs.admit(key, now)
        self._go_on_after(run, now)

    def _go_on_after(self, run: Run, now: Moment) -> None:
        if not self._followers and not self._gated:
            return
        id = run.key.job.id
        for key in sorted(self._followers.get(id, ())):
            job = self.jobs.get(key)
            if job is None or key.source != run.key.job.source or job.state != "scheduled":
                continue
            for after in job.spec.after:
                if after.job == id and (after.on == "always" or (after.on == "success") == run.status.good):
                    self._fired(key, {}, "after", run.id, now)
                    break
        if run.status.good:
            for key in sorted(self._gated.get(id, ())):
                if key in self.jobs:
                    self._job_due(key, now)

    def _run_late(self, spec: JobSpec, what: str, now: Moment, run: Run) -> None:
        self._desk.late(spec, what, now, run)

    def _success_missing(self, key: JobKey, now: Moment) -> None:
        job = self.jobs.get(key)
        if job is None:
            return
        self._desk.late(job.spec, "success_every", now)
        self._keep(replace(job, late_at=None))

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
                    self._runs.again(attempt)
        for run_key in list(self._runs.live):
            live = self._runs.live.get(run_key)
            if live is not None and live.status is not Status.PENDING:
                self._runs.carry_on(live, now)
        for job in list(self.jobs.values()):
            self._runs.admit(job.key, now)
            self._realign(job, now)
            self._drop_if_done(self.jobs.get(job.key, job))
        for key in {run.key.job for run in self._runs.live.values()} - set(self.jobs):
            self._runs.admit(key, now)

    def _stopping(self, stop: bool, now: Moment) -> None:
        self._runs.stopping = True
        if stop:
            for key in list(self._runs.live):
                if self._runs.live[key].started_at is not None:
                    self._runs.cancel(key, "shutdown", now)

    # ── requests ────────────────────────────────────────────────────────────────────────────

    def _asked(self, request: Request, now: Moment) -> None:
        """Do what another process asks, and answer it in the same transaction."""
        answer = self._answer(request, now)
        state: Literal["done", "refused"] = "refused" if "error" in answer else "done"
        self._out(Save(replace(request, state=state, ended_at=now, answer=answer)))

    def _answer(self, request: Request, now: Moment) -> dict[str, Any]:
        args = request.args
        if request.verb == "ended":
            return self._answer_ended(args, now)
        if request.verb == "cancel":
            return self._answer_cancel(str(args.get("run", "")), now)
        key = self._find(request.source, str(args.get("job", "")))
        if key is None:
            return {"error": f"there is no job {args.get('job')!r}", "unknown": True}
        if request.verb == "pause":
            self._paused(key, args.get("until"), str(args.get("note", "")), now)
            return {"job": key.id, "state": self.jobs[key].state if key in self.jobs else "finished"}
        if request.verb == "resume":
            self._resumed(key, now)
            return {"job": key.id, "state": self.jobs[key].state}
        if request.verb == "trigger":
            made = self._fired(key, args.get("params") or {}, "manual", str(args.get("by", "")), now)
            if isinstance(made, RunKey):
                return {"job": key.id, "run": str(made)}
            return {"error": f"{key.id} was not started: {made}", "reason": made}
        return {"error": f"nobody knows how to {request.verb!r}"}

    def _answer_cancel(self, wanted: str, now: Moment) -> dict[str, Any]:
        found = [key for key in self._runs.live if str(key) == wanted or key.job.id == wanted]
        if not found:
            return {"error": f"no run {wanted!r} is under way", "unknown": True}
        for key in found:
            self._runs.cancel(key, "asked", now)
        return {"run": ", ".join(map(str, found)), "runs": [str(key) for key in found]}

    def _answer_ended(self, args: Mapping[str, Any], now: Moment) -> dict[str, Any]:
        """The word of the runner on whose host the attempt was begun."""
        key = next(
            (
                each
                for each in self._runs.live
                if each.job[1:] == args["run"].job[1:] and each[1:] == args["run"][1:]
            ),
            None,
        )
        state = self._runs.live[key].steps.get(args["step"]) if key is not None else None
        outcome = args["outcome"]
        if (
            key is None
            or state is None
            or (state.status, state.attempt, state.host) != (Status.RUNNING, args["attempt"], args["host"])
        ):
            return {"error": "the attempt is not under way", "unknown": True}
        attempt = AttemptKey(key, state.id, state.attempt)
        if outcome is not None:
            self._runs.step_ended(attempt, outcome, now)
        elif not self._runs.stopping:
            self._runs.again(attempt)
        return {"run": str(key)}

    def _find(self, source: str, id: str) -> JobKey | None:
        return next((key for key in self.jobs if key.id == id and key.source == source), None)

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
