"""The register of live runs: which there are, what each holds, and the moments that matter to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from runner.core.action import Action, Save
from runner.core.admission import Place, Places
from runner.core.agenda import Agenda
from runner.core.event import Settings
from runner.core.progress import Progress
from runner.core.run import Run, RunKey, Status, StepRun
from runner.frozen import replace
from runner.moment import DAY, MINUTE, Moment, from_datetime, to_datetime
from runner.spec import JobKey, Policy, Step

NO_SLA = Policy().sla
CATCH_UP = "catch-up"
"""The reason of a pending run that makes good for downtime: such runs go one at a time, oldest first."""


class Live:
    """What Runs knows; nothing here decides what becomes of a run."""

    def __init__(
        self,
        settings: Settings,
        agenda: Agenda,
        out: Callable[[Action], None],
    ) -> None:
        self.live: dict[RunKey, Run] = {}
        self.by_job: dict[JobKey, dict[RunKey, None]] = {}
        self.places = Places(settings)
        self._host = settings.host
        self._agenda = agenda
        self.settings = settings
        self._out = out
        self._unbegun: set[RunKey] = set()
        """Those that wait for their turn among the job's runs."""
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

    def live_of(self, job: JobKey) -> list[Run]:
        return [self.live[key] for key in self.by_job.get(job, ())]

    def waiting_of(self, job: JobKey) -> int:
        """How many runs of the job have not begun."""
        return sum(key in self._unbegun for key in self.by_job.get(job, ()))

    def leave(self, key: RunKey) -> None:
        """Forget a run, its moments and the group it held."""
        del self.live[key]
        mine = self.by_job[key.job]
        del mine[key]
        if not mine:
            del self.by_job[key.job]
        # Most of these are empty most of the time, and a key is slow to hash.
        if self._unbegun:
            self._unbegun.discard(key)
        if self._steps:
            self._progress.pop(key, None)
            self._steps.pop(key, None)
        if self._shut and key in self._shut:
            self._shut.discard(key)
            self._agenda.put(("opens", key), None)
        if self._timed and key in self._timed:
            self._timed.discard(key)
            self._agenda.put(("run", key), None)
        if self._told_late:
            self._told_late = {told for told in self._told_late if told[0] != key}
        if self._held and key in self._held:
            self.places.free((self._held.pop(key),))

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

    def put(self, run: Run) -> None:
        moments = [state.due for state in run.steps.values() if state.due is not None]
        if run.due is not None:
            moments.append(run.due)
        if run.spec.policy.sla is not NO_SLA:
            moments += [moment for _, moment in self._promises(run)]
        if moments:
            self._timed.add(run.key)
            self._agenda.put(("run", run.key), min(moments))
        elif run.key in self._timed:
            self._timed.discard(run.key)
            self._agenda.put(("run", run.key), None)

    def _cancelled(self, run: Run) -> bool:
        return bool(run.reason) and run.reason != CATCH_UP

    def _save(self, run: Run) -> None:
        self._progress.pop(run.key, None)
        self.live[run.key] = run
        self._out(Save(run))
        self.put(run)

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
