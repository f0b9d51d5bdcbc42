"""The live runs: made, started as places allow, carried from step to step, ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from runner.core.action import Action, Announce, Cancel, Save, Start
from runner.core.admission import Place, limit
from runner.core.agenda import Agenda
from runner.core.context import parameters
from runner.core.ends import Ends
from runner.core.event import Settings
from runner.core.flow import Evaluate, beginning, retry_wait, settle, states_of
from runner.core.live import CATCH_UP, NO_SLA
from runner.core.progress import Progress, goes_well
from runner.core.run import AttemptKey, Origin, Outcome, Run, RunKey, Status, StepRun
from runner.frozen import maker, replace
from runner.moment import Moment, Span
from runner.spec import JobKey, JobSpec, Step, nothing

_run, _step_run = maker(Run), maker(StepRun)
_save, _start, _announce = maker(Save), maker(Start), maker(Announce)


class Plainly(Protocol):
    """What core.plain does for runs; False: nothing, the whole rules are to decide."""

    def goes_on(self, key: RunKey, now: Moment) -> bool: ...

    def ends(self, run: Run, state: StepRun, outcome: Outcome, now: Moment) -> bool: ...


class Runs(Ends):
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
        super().__init__(settings, agenda, out, ended)
        self.stopping = False
        self.plain: Plainly | None = None
        """Who ends the usual run."""
        self._evaluate = evaluate
        self._late = late
        self._offered: set[tuple[RunKey, str]] = set()

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
        if run.status is Status.PENDING:
            self._unbegun.add(run.key)
        else:
            self._hold_group(run)
        for state in run.steps.values():
            if state.status is Status.RUNNING:
                self.places.hold(self._wanted(run, self._step(run, state)))
        self.put(run)

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
        """A new run, whose record is its occurrence's too; `admit` starts it as soon as it may."""
        run = _run(
            key,
            spec,
            Status.PENDING,
            CATCH_UP if late else "",
            origin,
            by,
            params or nothing(),
            beginning(spec),
            now,
            last_success=last_success,
            commit=self.settings.commit,
        )
        if spec.params:
            run = replace(run, params=parameters(run))
        self.live[key] = run
        self.by_job.setdefault(key.job, {})[key] = None
        self._unbegun.add(key)
        self._out(_save(run))
        if spec.policy.sla is not NO_SLA:
            self.put(run)
        return run

    # ── starting ────────────────────────────────────────────────────────────────────────────

    def admit(self, job: JobKey, now: Moment) -> None:
        """Let pending runs of a job begin, oldest first, as far as its concurrency allows."""
        keys = self.by_job.get(job)
        if not keys or self.stopping:
            return
        count, catching_up = 0, False
        pending: list[RunKey] = []
        for key in keys:
            if key in self._unbegun:
                pending.append(key)
            else:
                count += 1
                catching_up = catching_up or self.live[key].reason == CATCH_UP
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
            self._unbegun.discard(key)
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
                    self._out(_announce("step.skipped", (settled, state)))
        if not ready:
            self._finish(run.key, now)
        elif not self.stopping:
            for id in ready:
                self._offer(run.key, id, now)

    def serve_waiting(self, now: Moment) -> None:
        """Places became free: whoever waited longest at the highest priority goes on."""
        if self.stopping or not self.places.freed:
            return
        for waiting in self.places.called():
            if waiting in self._offered:
                self._offered.discard(waiting)
                key, id = waiting
                if self.plain is None or not self.plain.goes_on(key, now):
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
            self.wait(full, run, id)
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

    def wait(self, place: Place, run: Run, id: str) -> None:
        """A step that may start waits for a place that is full."""
        self._offered.add((run.key, id))
        self.places.wait(place, run.spec.policy.priority, (run.key, id))

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
        state = _step_run(
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
        run = _run(
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
        self._out(_save(run))
        if due is not None or (first and (timeout is not None or run.spec.policy.sla is not NO_SLA)):
            self.put(run)
        self._out(_start(run, step, state))
        if first:
            self._out(_announce("run.started", run))
        self._out(_announce("step.started", (run, state)))

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
        if self.plain is not None and self.plain.ends(run, state, outcome, now):
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
            self._out(_announce("step.retrying", (self.live[run.key], waiting)))
            return
        ended = _step_run(
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
            self._out(_announce("step.ended", (run, ended)))
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
        self._out(_announce("step.ended", (run, ended)))
        if step.foreach is not None and step.foreach.fail_fast and not ended.status.good:
            self._fail_fast(run.key, step, now)
        self.carry_on(self.live[run.key], now)

    def _go_on(self, run: Run, state: StepRun, ended: StepRun, progress: Progress, now: Moment) -> None:
        """A step of a run that goes well has succeeded: only what needs it is looked at."""
        before, run = run, replace(run, steps={**run.steps, ended.id: ended})
        self.live[run.key] = run
        self._out(_save(run))
        if state.due is not None:
            self.put(run)
        self._out(_announce("step.ended", (before, ended)))
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

    def retry(self, run: Run, state: StepRun, now: Moment) -> None:
        """The wait between two attempts is over."""
        self._change(run, replace(state, status=Status.PENDING, due=None))
        if not self.stopping:
            self._offer(run.key, state.id, now)

    def again(self, attempt: AttemptKey, now: Moment) -> None:
        """An attempt that is on record as running had not begun: start it now, as the same attempt.

        Where there are several hosts it gets another moment of its start, on record before it: what a host said of
        the attempt until then, that it had not begun, is of no account any more.
        """
        run = self.live.get(attempt.run)
        state = run.steps.get(attempt.step) if run is not None else None
        if run is not None and state is not None:
            if self._host:
                began = max(now, (state.started_at or 0) + 1)
                state = replace(state, host=self._host, started_at=began)
                self._change(run, state)
                run = self.live[attempt.run]
            self._out(_start(run, self._step(run, state), state))

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
                steps[id] = replace(state, status=status, due=None, reason=reason)
        run = replace(run, steps=steps)
        self._save(run)
        for state in run.steps.values():
            if state.status is Status.RUNNING:
                self._cancel_attempt(self.live[key], state, reason)
        if key not in self._unbegun:
            if reason == "shutdown":
                self._skip_pending(key, now)
            self.carry_on(self.live[key], now)
        else:
            self._unbegun.discard(key)
            self._skip_pending(key, now)
            self._finish(key, now)
        return True

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
            self.put(current)
