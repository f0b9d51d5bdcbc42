"""The usual occurrence, straight away: a plain job that is due on time with nothing in its way, and its run's good end.

What is decided here is what the whole rules decide (slots, timing, runs, flow, incidents), and the records are the
same; only a run that starts at once is not written as pending first. Where anything is not as usual the answer is
False, nothing was touched, and the whole rules decide. tests/core/test_plain.py plays the two side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from runner.core.action import Action, Announce, Save, Start
from runner.core.admission import Place
from runner.core.agenda import Agenda
from runner.core.flow import pending
from runner.core.incidents import Desk
from runner.core.run import Job, Outcome, Run, RunKey, Status, StepRun
from runner.core.runs import Runs
from runner.core.timing import on_time
from runner.core.wall import Wall
from runner.frozen import maker, replace
from runner.moment import Moment
from runner.spec import Step, nothing

_RUNNING, _SUCCEEDED = Status.RUNNING, Status.SUCCEEDED
_job, _run, _step_run = maker(Job), maker(Run), maker(StepRun)
_save, _start, _announce = maker(Save), maker(Start), maker(Announce)
_NO_PARAMS = nothing()
_ALL = ("run.started", "run.ended", "step.started", "step.ended", "job.added")


class Lane:
    """Of jobs whose spec is `plain`. `hears`: the announcements somebody listens to just now; None: all."""

    __slots__ = (
        "_agenda",
        "_asked",
        "_desk",
        "_hears",
        "_job_added",
        "_out",
        "_run_ended",
        "_run_started",
        "_runs",
        "_step_ended",
        "_step_started",
        "_wall",
    )

    def __init__(
        self,
        wall: Wall,
        runs: Runs,
        desk: Desk,
        agenda: Agenda,
        out: Callable[[Action], None],
        hears: Callable[[], Container[str]] | None = None,
    ) -> None:
        self._wall = wall
        self._runs = runs
        self._desk = desk
        self._agenda = agenda
        self._out = out
        self._hears = hears
        self.listen()

    def listen(self) -> None:
        """What is heard may have changed since: listeners come and go."""
        self._asked = False

    def _ask(self) -> None:
        self._asked = True
        heard = _ALL if self._hears is None else self._hears()
        self._run_started = "run.started" in heard
        self._run_ended = "run.ended" in heard
        self._step_started = "step.started" in heard
        self._step_ended = "step.ended" in heard
        self._job_added = "job.added" in heard

    @property
    def tells_of_added(self) -> bool:
        """Whether anybody hears of jobs that are added."""
        if not self._asked:
            self._ask()
        return self._job_added

    def begins(self, job: Job, now: Moment) -> bool:
        """The job's slot has come: its run starts, and the job moves on."""
        spec, slot, runs = job.spec, job.next_at, self._runs
        trigger, key, passed = spec.trigger, spec.key, job.passed
        if (
            not spec.plain
            or trigger is None
            or slot is None
            or slot > now
            or (passed is not None and slot <= passed)
            or key in runs.by_job
            or runs.settings.maintenance
            or job.paused_until is not None
            or job.late_at is not None
        ):
            return False
        try:
            following = trigger.next_after(slot)
        except Exception:
            return False  # A program's own trigger: whoever asks it next says what it raised.
        if following is None or not on_time(spec.policy, slot, following, now):
            return False
        step = spec.steps[0]
        run_key = RunKey(key, slot, "")
        place: Place = ("executor", step.executor or spec.executor)
        if runs.places.take_one(place):
            self._starts(job, step, run_key, now)
        else:
            self._waits(job, step, run_key, place, now)
        job = _job(
            spec,
            following,
            "scheduled",
            job.reason,
            None,
            slot,
            job.last_status,
            job.last_success,
            job.failures,
            job.backs,
            None,
        )
        self._wall.jobs[key] = job
        self._agenda.put(key, following)
        self._out(_save(job))
        return True

    def _starts(self, job: Job, step: Step, key: RunKey, now: Moment) -> None:
        """A run that starts at once: its place is taken."""
        spec, runs = job.spec, self._runs
        state = _step_run(step.id, "", _RUNNING, 1, None, now, None, None, "", None, runs.settings.host)
        run = _run(
            key,
            spec,
            _RUNNING,
            "",
            "schedule",
            "",
            _NO_PARAMS,
            {step.id: state},
            now,
            now,
            None,
            None,
            job.last_success,
            runs.settings.commit,
        )
        runs.by_job[spec.key] = {key: None}
        self._under_way(run, step, state)

    def _under_way(self, run: Run, step: Step, state: StepRun) -> None:
        if not self._asked:
            self._ask()
        out = self._out
        self._runs.live[run.key] = run
        out(_save(run))
        out(_start(run, step, state))
        if self._run_started:
            out(_announce("run.started", run))
        if self._step_started:
            out(_announce("step.started", (run, state)))

    def _waits(self, job: Job, step: Step, key: RunKey, place: Place, now: Moment) -> None:
        """A run that waits for its place: Runs calls it when there is one."""
        spec, runs = job.spec, self._runs
        run = _run(
            key,
            spec,
            Status.PENDING,
            "",
            "schedule",
            "",
            _NO_PARAMS,
            {step.id: pending(step.id)},
            now,
            None,
            None,
            None,
            job.last_success,
            runs.settings.commit,
        )
        runs.live[key] = run
        runs.by_job[spec.key] = {key: None}
        runs.wait(place, run, step.id)
        self._out(_save(run))

    def goes_on(self, key: RunKey, now: Moment) -> bool:
        """The place that a run waited for may be free: it starts, or waits on."""
        runs = self._runs
        run = runs.live.get(key)
        if run is None or not run.spec.plain or run.started_at is not None or runs.settings.maintenance:
            return False
        spec, step = run.spec, run.spec.steps[0]
        if run.steps[step.id].status is not Status.PENDING:
            return False
        place: Place = ("executor", step.executor or spec.executor)
        if not runs.places.take_one(place):
            runs.wait(place, run, step.id)
            return True
        state = _step_run(step.id, "", _RUNNING, 1, None, now, None, None, "", None, runs.settings.host)
        run = _run(
            key,
            spec,
            _RUNNING,
            run.reason,
            run.origin,
            run.by,
            run.params,
            {step.id: state},
            run.created_at,
            now,
            None,
            None,
            run.last_success,
            run.commit,
        )
        self._under_way(run, step, state)
        return True

    def ends(self, run: Run, state: StepRun, outcome: Outcome, now: Moment) -> bool:
        """The attempt went well: its run is over, and the job knows of it."""
        spec, key = run.spec, run.key
        job = self._wall.jobs.get(key.job)
        if (
            not spec.plain
            or job is None
            or job.next_at is None
            or job.late_at is not None
            or job.spec.policy.sla.success_every is not None
            or outcome.status is not _SUCCEEDED
            or run.reason
            or state.reason
            or self._desk.incidents
            or spec.notify.on_success
            or self._wall.linked
            or len(self._runs.by_job[key.job]) > 1
        ):
            return False
        out, slot = self._out, key.slot
        step = spec.steps[0]
        self._runs.places.free_one(("executor", step.executor or spec.executor))
        ended_at = now if outcome.ended_at is None else outcome.ended_between(state.started_at, now)
        ended = _step_run(
            state.step,
            "",
            _SUCCEEDED,
            state.attempt,
            None,
            state.started_at,
            ended_at,
            outcome,
            "",
            None,
            state.host,
        )
        over = _run(
            key,
            spec,
            _SUCCEEDED,
            "",
            run.origin,
            run.by,
            run.params,
            {state.step: ended},
            run.created_at,
            run.started_at,
            ended_at,
            None,
            run.last_success,
            run.commit,
        )
        if not self._asked:
            self._ask()
        if self._step_ended:
            out(_announce("step.ended", (replace(run, steps=over.steps), ended)))
        self._runs.leave(key)
        out(_save(over))
        if self._run_ended:
            out(_announce("run.ended", over))
        before = job.last_success
        job = _job(
            job.spec,
            job.next_at,
            job.state,
            job.reason,
            job.paused_until,
            job.passed,
            _SUCCEEDED,
            slot if before is None or before < slot else before,
            0,
            job.backs,
            None,
        )
        self._wall.jobs[key.job] = job
        out(_save(job))
        return True
