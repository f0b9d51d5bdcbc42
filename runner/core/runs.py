"""The live runs: made, started as places allow, carried from step to step, ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runner.core.action import Action, Announce, Cancel, Save, Start
from runner.core.admission import Place, Places, limit
from runner.core.agenda import Agenda
from runner.core.context import parameters
from runner.core.event import Settings
from runner.core.flow import Evaluate, beginning, ending, retry_wait, settle, states_of
from runner.core.progress import Progress, goes_well
from runner.core.run import AttemptKey, Occurrence, Origin, Outcome, Run, RunKey, Status, StepRun
from runner.frozen import replace
from runner.moment import DAY, MINUTE, Moment, Span, from_datetime, to_datetime
from runner.spec import JobKey, JobSpec, Policy, Step

_NO_SLA = Policy().sla
CATCH_UP = "catch-up"
"""The reason of a pending run that makes good for downtime: such runs go one at a time, oldest first."""


class Runs:
    """`ended` is told each run that became final, `late` each broken promise of time."""

    def __init__(
        self,
        settings: Settings,
        agenda: Agenda,
        out: Callable[[Action], None],
        evaluate: Evaluate,
        ended: Callable[[Run, Moment], None],
        late: Callable[[JobSpec, str, Moment, Run], None],
    ) -> None:
        self.live: dict[RunKey, Run] = {}
        self.by_job: dict[JobKey, dict[RunKey, None]] = {}
        self.stopping = False
        self.places = Places(settings)
        self._host = settings.host
        self._agenda = agenda
        self.settings = settings
        self._out = out
        self._evaluate = evaluate
        self._ended = ended
        self._late = late
        self._begun: set[RunKey] = set()
        self._offered: set[tuple[RunKey, str]] = set()
        self._held: dict[RunKey, Place] = {}
        self._told_late: set[tuple[RunKey, str]] = set()
        self._progress: dict[RunKey, Progress] = {}
        """Of those that go well; any other change of a run's steps takes it out."""
        self._steps: dict[RunKey, dict[str, Step]] = {}
        """The steps of those that have several, by id."""
        self._shut: set[RunKey] = set()
        """Runs that wait for the end of a maintenance."""
        self._timed: set[RunKey] = set()
        """Those with a moment in the agenda."""

    def configure(self, settings: Settings, now: Moment) -> None:
        """Other capacities and windows of maintenance from now on, and where attempts begin."""
        self.settings = settings
        self._host = settings.host
        self.places.configure(settings)
        for key in list(self._shut):
            self.opens(key, now)

    # ── making and loading ──────────────────────────────────────────────────────────────────

    def load(self, run: Run) -> None:
        """Know a live run of an earlier process; what it had under way keeps its places."""
        self.live[run.key] = run
        self.by_job.setdefault(run.key.job, {})[run.key] = None
        if run.status is not Status.PENDING:
            self._begun.add(run.key)
            self._hold_group(run)
        for state in run.steps.values():
            if state.status is Status.RUNNING:
                self.places.hold(self._wanted(run, self._step(run, state)))
        self._put(run)

    def make(
        self,
        spec: JobSpec,
        key: RunKey,
        now: Moment,
        *,
        origin: Origin = "schedule",
        by: str = "",
        params: Mapping[str, Any] | None = None,
        last_success: Moment | None = None,
        late: bool = False,
    ) -> Run:
        """A new run, on record together with its occurrence; `admit` starts it as soon as it may."""
        run = Run(
            key,
            spec,
            Status.PENDING,
            CATCH_UP if late else "",
            origin,
            by,
            params or {},
            beginning(spec),
            now,
            last_success=last_success,
            commit=self.settings.commit,
        )
        if spec.params:
            run = replace(run, params=parameters(run))
        self.live[key] = run
        self.by_job.setdefault(key.job, {})[key] = None
        self._out(Save(Occurrence(key.job, key.slot, "ran", "", key.nonce, None, 1, None, "", now)))
        self._out(Save(run))
        if spec.policy.sla is not _NO_SLA:
            self._put(run)
        return run

    def live_of(self, job: JobKey) -> list[Run]:
        return [self.live[key] for key in self.by_job.get(job, ())]

    def waiting_of(self, job: JobKey) -> int:
        """How many runs of the job have not begun."""
        return sum(key not in self._begun for key in self.by_job.get(job, ()))

    # ── starting ────────────────────────────────────────────────────────────────────────────

    def admit(self, job: JobKey, now: Moment) -> None:
        """Let pending runs of a job begin, oldest first, as far as its concurrency allows."""
        keys = self.by_job.get(job)
        if not keys or self.stopping:
            return
        count, catching_up = 0, False
        pending: list[RunKey] = []
        for key in keys:
            if key in self._begun:
                count += 1
                catching_up = catching_up or self.live[key].reason == CATCH_UP
            else:
                pending.append(key)
        for key in pending:
            run = self.live.get(key)
            if run is None:
                continue
            most = limit(run.spec.policy.concurrency)
            if most is not None and count >= most:
                return
            late = run.reason == CATCH_UP
            if late and catching_up:
                return
            catching_up = catching_up or late
            count += 1
            self._begun.add(key)
            self.carry_on(run, now)

    def carry_on(self, run: Run, now: Moment) -> None:
        """Skip what cannot start, start what can, end what is through."""
        ending_early = run.reason == CATCH_UP
        view = replace(run, reason="") if ending_early else run
        settled, ready = settle(view, now, self._evaluate)
        if ending_early:
            settled = replace(settled, reason=CATCH_UP)
        if settled is not run and settled != run:
            self._save(settled)
            for state in settled.steps.values():
                before = run.steps.get(state.id)
                if before is not state and state.status is Status.SKIPPED:
                    self._out(Announce("step.skipped", (settled, state)))
        if not ready:
            self._finish(run.key, now)
        elif not self.stopping:
            for id in ready:
                self._offer(run.key, id, now)

    def serve_waiting(self, now: Moment) -> None:
        """Places became free: whoever waited longest at the highest priority goes on."""
        if self.stopping or not self.places.freed:
            return
        for key, id in self.places.called():
            if (key, id) in self._offered:
                self._offered.discard((key, id))
                self._offer(key, id, now)

    def _offer(self, key: RunKey, id: str, now: Moment) -> None:
        """Start a pending step if its places are free, else let it wait for them."""
        run = self.live.get(key)
        if run is None or (self._offered and (key, id) in self._offered):
            return
        state = run.steps.get(id)
        if state is None or state.status is not Status.PENDING:
            return
        step = self._step(run, state)
        if step.foreach is not None and step.foreach.max_parallel is not None:
            mine = states_of(run, step.id)
            if (
                sum(one.status in (Status.RUNNING, Status.WAITING) for one in mine)
                >= step.foreach.max_parallel
            ):
                return
        if run.started_at is None and self._closed(run, now):
            return
        wanted = self._wanted(run, step)
        group = run.spec.policy.concurrency.group
        if group is not None and key not in self._held:
            wanted.append(("group", group))
        full = self.places.take(wanted)
        if full is not None:
            self._offered.add((key, id))
            self.places.wait(full, run.spec.policy.priority, (key, id))
            return
        if group is None or key in self._held:
            self._start(run, step, state, now)
        else:
            self._held[key] = ("group", group)
            self._start(run, step, state, now)
            # The run's other steps waited for the place that the run has now.
            for other in [other for owner, other in self._offered if owner == key]:
                self._offered.discard((key, other))
                self._offer(key, other, now)

    def _closed(self, run: Run, now: Moment) -> bool:
        """Whether maintenance keeps a run that waited from starting; it is offered again when that is over."""
        if not self.settings.maintenance or run.origin == "manual":
            return False
        until = self.settings.closed_until(run.spec, now)
        if until is None:
            return False
        self._shut.add(run.key)
        self._agenda.put(("opens", run.key), until)
        return True

    def opens(self, key: RunKey, now: Moment) -> None:
        """The maintenance that kept this run from starting is over."""
        run = self.live.get(key)
        self._shut.discard(key)
        if run is not None:
            self.carry_on(run, now)

    def _start(self, run: Run, step: Step, state: StepRun, now: Moment) -> None:
        due = None if step.timeout is None else now + step.timeout
        state = StepRun(
            state.step,
            state.instance,
            Status.RUNNING,
            state.attempt + 1,
            due,
            now,
            None,
            None,
            "",
            state.item,
            self._host,
        )
        first = run.started_at is None
        timeout = run.spec.policy.timeout
        run = Run(
            run.key,
            run.spec,
            Status.RUNNING,
            run.reason,
            run.origin,
            run.by,
            run.params,
            {**run.steps, state.id: state},
            run.created_at,
            now if first else run.started_at,
            None,
            (now + timeout if timeout is not None else None) if first else run.due,
            run.last_success,
            run.commit,
        )
        self.live[run.key] = run
        self._out(Save(run))
        if due is not None or (first and (timeout is not None or run.spec.policy.sla is not _NO_SLA)):
            self._put(run)
        self._out(Start(run, step, state))
        if first:
            self._out(Announce("run.started", run))
        self._out(Announce("step.started", (run, state)))

    # ── answers ─────────────────────────────────────────────────────────────────────────────

    def step_ended(self, attempt: AttemptKey, outcome: Outcome, now: Moment) -> None:
        """An executor's word; one on an older attempt, or on a run that is no more, is ignored."""
        run = self.live.get(attempt.run)
        state = run.steps.get(attempt.step) if run is not None else None
        if (
            run is None
            or state is None
            or state.status is not Status.RUNNING
            or state.attempt != attempt.attempt
        ):
            return
        step = self._step(run, state)
        self.places.free(self._wanted(run, step))
        if state.reason == "timeout" and outcome.status is Status.CANCELLED:
            outcome = replace(outcome, status=Status.TIMED_OUT)
        wait = None if outcome.status.good else self._wait(run, step, state, outcome)
        if wait is not None and not self._cancelled(run) and not (state.reason and state.reason != "timeout"):
            waiting = replace(
                state, status=Status.WAITING, due=now + wait, outcome=outcome, ended_at=now, reason=""
            )
            self._change(run, waiting)
            self._out(Announce("step.retrying", (self.live[run.key], waiting)))
            return
        ended = StepRun(
            state.step,
            state.instance,
            outcome.status,
            state.attempt,
            None,
            state.started_at,
            outcome.ended_between(state.started_at, now),
            outcome,
            state.reason,
            state.item,
            state.host,
        )
        if len(run.steps) == 1 and not self._cancelled(run):
            # The usual case, one step: the run ends with it, in one record.
            self.live[run.key] = run = replace(run, steps={attempt.step: ended})
            self._out(Announce("step.ended", (run, ended)))
            self._finish(run.key, now)
            return
        if ended.status.good and not self._cancelled(run):
            progress = self._progress.get(run.key)
            if progress is None and goes_well(run):
                progress = self._progress[run.key] = Progress(run)
            if progress is not None:
                self._go_on(run, state, ended, progress, now)
                return
        self._change(run, ended)
        self._out(Announce("step.ended", (run, ended)))
        if step.foreach is not None and step.foreach.fail_fast and not ended.status.good:
            self._fail_fast(run.key, step, now)
        self.carry_on(self.live[run.key], now)

    def _go_on(self, run: Run, state: StepRun, ended: StepRun, progress: Progress, now: Moment) -> None:
        """A step of a run that goes well has succeeded: only what needs it is looked at."""
        before, run = run, replace(run, steps={**run.steps, ended.id: ended})
        self.live[run.key] = run
        self._out(Save(run))
        if state.due is not None:
            self._put(run)
        self._out(Announce("step.ended", (before, ended)))
        ready = progress.succeeded(ended.id)
        if not progress.left:
            self._finish(run.key, now)
        elif not self.stopping:
            for id in ready:
                self._offer(run.key, id, now)

    def _wait(self, run: Run, step: Step, state: StepRun, outcome: Outcome) -> Span | None:
        """How long until an attempt that did not end well is made again; None where it is not."""
        if outcome.status is Status.INTERRUPTED and run.spec.policy.on_interrupt == "retry":
            return 0
        return retry_wait(step.retry, run.key, state.id, state.attempt, outcome)

    def _fail_fast(self, key: RunKey, step: Step, now: Moment) -> None:
        for state in states_of(self.live[key], step.id):
            if state.status is Status.RUNNING:
                self._cancel_attempt(self.live[key], state, "fail_fast")
            elif state.status in (Status.PENDING, Status.WAITING):
                self._change(
                    self.live[key],
                    replace(state, status=Status.SKIPPED, reason="fail_fast", due=None, ended_at=now),
                )

    def retry(self, run: Run, state: StepRun, now: Moment) -> None:
        """The wait between two attempts is over."""
        self._change(run, replace(state, status=Status.PENDING, due=None))
        if not self.stopping:
            self._offer(run.key, state.id, now)

    def again(self, attempt: AttemptKey) -> None:
        """An attempt that is on record as running had not begun: start it now, as the same attempt."""
        run = self.live.get(attempt.run)
        state = run.steps.get(attempt.step) if run is not None else None
        if run is not None and state is not None:
            if state.host != self._host:
                state = replace(state, host=self._host)
                self._change(run, state)
                run = self.live[attempt.run]
            self._out(Start(run, self._step(run, state), state))

    def cancel_again(self, attempt: AttemptKey) -> None:
        """An attempt that was taken over and had been cancelled: whoever was to stop it may not have got to it."""
        run = self.live.get(attempt.run)
        state = run.steps.get(attempt.step) if run is not None else None
        if run is not None and state is not None and state.reason:
            self._out(Cancel(attempt, self._executor(run, self._step(run, state)), state.reason))

    # ── ending ──────────────────────────────────────────────────────────────────────────────

    def cancel(self, key: RunKey, reason: str, now: Moment) -> bool:
        """End a run: what runs is cancelled, what waits is skipped. False where there is no such live run."""
        run = self.live.get(key)
        if run is None:
            return False
        if self._cancelled(run):
            self._end_cleaning_up(run, reason, now)
            return True
        run = replace(run, reason=reason, due=None)
        steps = dict(run.steps)
        for id, state in steps.items():
            if state.status is Status.WAITING:
                status = state.outcome.status if state.outcome is not None else Status.CANCELLED
                steps[id] = replace(state, status=status, due=None)
        run = replace(run, steps=steps)
        self._save(run)
        for state in run.steps.values():
            if state.status is Status.RUNNING:
                self._cancel_attempt(self.live[key], state, reason)
        if key in self._begun:
            if reason == "shutdown":
                self._skip_pending(key, now)
            self.carry_on(self.live[key], now)
        else:
            self._begun.add(key)
            self._skip_pending(key, now)
            self._finish(key, now)
        return True

    def _end_cleaning_up(self, run: Run, reason: str, now: Moment) -> None:
        """What still runs because it asked to run `always()` has had its time as well."""
        self._save(replace(run, due=None))
        for state in run.steps.values():
            if state.status is Status.RUNNING and state.reason != reason:
                self._cancel_attempt(self.live[run.key], state, reason)
        self._skip_pending(run.key, now)
        self._finish(run.key, now)

    def _skip_pending(self, key: RunKey, now: Moment) -> None:
        run = self.live[key]
        steps = {
            id: replace(state, status=Status.SKIPPED, reason="cancelled", ended_at=now)
            if state.status is Status.PENDING
            else state
            for id, state in run.steps.items()
        }
        self._save(replace(run, steps=steps))

    def _cancel_attempt(self, run: Run, state: StepRun, reason: str) -> None:
        step = self._step(run, state)
        self._change(run, replace(state, reason=reason, due=None))
        self._out(Cancel(AttemptKey(run.key, state.id, state.attempt), self._executor(run, step), reason))

    def drop(self, key: RunKey) -> None:
        """Forget a live run, its places and its moments, without a word."""
        run = self.live.get(key)
        if run is None:
            return
        for state in run.steps.values():
            if state.status is Status.RUNNING:
                self.places.free(self._wanted(run, self._step(run, state)))
        self._leave(key)

    def _leave(self, key: RunKey) -> None:
        del self.live[key]
        mine = self.by_job[key.job]
        del mine[key]
        if not mine:
            del self.by_job[key.job]
        self._begun.discard(key)
        self._progress.pop(key, None)
        self._steps.pop(key, None)
        if key in self._shut:
            self._shut.discard(key)
            self._agenda.put(("opens", key), None)
        if key in self._timed:
            self._timed.discard(key)
            self._agenda.put(("run", key), None)
        if self._told_late:
            self._told_late = {told for told in self._told_late if told[0] != key}
        held = self._held.pop(key, None)
        if held is not None:
            self.places.free((held,))

    def _finish(self, key: RunKey, now: Moment) -> None:
        run = self.live.get(key)
        if run is None:
            return
        for state in run.steps.values():
            if not state.status.final:
                return
        if run.reason == CATCH_UP:
            run = replace(run, reason="")
        status, reason = ending(run)
        ended = Run(
            run.key,
            run.spec,
            status,
            reason,
            run.origin,
            run.by,
            run.params,
            run.steps,
            run.created_at,
            run.started_at,
            max((state.ended_at or now for state in run.steps.values()), default=now),
            None,
            run.last_success,
            run.commit,
        )
        self._leave(key)
        self._out(Save(ended))
        self._out(Announce("run.ended", ended))
        self._ended(ended, now)

    # ── time ────────────────────────────────────────────────────────────────────────────────

    def due(self, key: RunKey, now: Moment) -> None:
        """A deadline, a retry or a broken promise of this run has come."""
        run = self.live.get(key)
        if run is None:
            return
        for what, moment in self._promises(run):
            if moment <= now:
                self._told_late.add((key, what))
                self._late(run.spec, what, now, run)
        if run.due is not None and run.due <= now:
            self.cancel(key, "timeout", now)
        for id in list(run.steps):
            current = self.live.get(key)
            if current is None:
                return
            state = current.steps.get(id)
            if state is None or state.due is None or state.due > now:
                continue
            if state.status is Status.RUNNING:
                self._cancel_attempt(current, state, "timeout")
            elif state.status is Status.WAITING:
                self.retry(current, state, now)
        current = self.live.get(key)
        if current is not None:
            self._put(current)

    def _promises(self, run: Run) -> list[tuple[str, Moment]]:
        """The promises of time that may still be broken, each with the moment when it is."""
        sla = run.spec.policy.sla
        found: list[tuple[str, Moment]] = []
        if sla.start_within is not None and run.started_at is None:
            found.append(("start_within", run.key.slot + sla.start_within))
        if sla.max_duration is not None and run.started_at is not None:
            found.append(("max_duration", run.started_at + sla.max_duration))
        if sla.finish_by is not None:
            found.append(("finish_by", _finish_by(run, sla.finish_by)))
        return [each for each in found if (run.key, each[0]) not in self._told_late]

    def _put(self, run: Run) -> None:
        moments = [state.due for state in run.steps.values() if state.due is not None]
        if run.due is not None:
            moments.append(run.due)
        if run.spec.policy.sla is not _NO_SLA:
            moments += [moment for _, moment in self._promises(run)]
        if moments:
            self._timed.add(run.key)
            self._agenda.put(("run", run.key), min(moments))
        elif run.key in self._timed:
            self._timed.discard(run.key)
            self._agenda.put(("run", run.key), None)

    # ── small things ────────────────────────────────────────────────────────────────────────

    def _cancelled(self, run: Run) -> bool:
        return bool(run.reason) and run.reason != CATCH_UP

    def _save(self, run: Run) -> None:
        self._progress.pop(run.key, None)
        self.live[run.key] = run
        self._out(Save(run))
        self._put(run)

    def _change(self, run: Run, state: StepRun) -> None:
        self._save(replace(run, steps={**run.steps, state.id: state}, status=_status(run, state)))

    def _step(self, run: Run, state: StepRun) -> Step:
        steps = run.spec.steps
        if len(steps) == 1:
            return steps[0]
        known = self._steps.get(run.key)
        if known is None:
            known = self._steps[run.key] = {step.id: step for step in steps}
        return known[state.step]

    def _executor(self, run: Run, step: Step) -> str:
        return step.executor or run.spec.executor

    def _wanted(self, run: Run, step: Step) -> list[Place]:
        places: list[Place] = [("executor", self._executor(run, step))]
        # A run that holds the group's place for all its steps would wait for itself.
        if step.group is not None and step.group != run.spec.policy.concurrency.group:
            places.append(("group", step.group))
        return places

    def _hold_group(self, run: Run) -> None:
        group = run.spec.policy.concurrency.group
        if group is not None:
            self._held[run.key] = ("group", group)
            self.places.hold((("group", group),))


def _status(run: Run, changed: StepRun) -> Status:
    """A run is running while a step is, and waiting while all that is left waits for a retry."""
    statuses = {state.status for state in run.steps.values() if state.id != changed.id} | {changed.status}
    if Status.RUNNING in statuses:
        return Status.RUNNING
    if Status.WAITING in statuses:
        return Status.WAITING
    return run.status


def _finish_by(run: Run, minutes: int) -> Moment:
    """The first moment at or after the slot that is so many minutes after local midnight."""
    zone = ZoneInfo(run.spec.timezone)
    slot = to_datetime(run.key.slot, zone)
    midnight = datetime(slot.year, slot.month, slot.day, tzinfo=zone)
    moment = from_datetime(midnight + timedelta(microseconds=minutes * MINUTE))
    return moment if moment >= run.key.slot else moment + DAY
