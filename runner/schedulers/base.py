"""What all schedulers are: the programming interface of jobs over one engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeVar

from runner import events
from runner.clock import Clock
from runner.collector import held
from runner.core.run import Job as Record
from runner.engine import Plan
from runner.errors import RunnerError
from runner.events import JobEvent, SchedulerEvent
from runner.frozen import maker, replace
from runner.job import Job, NextAt, Waits
from runner.jobstores.base import JobLookupError, JobStore
from runner.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError, carrying, plans, plugins
from runner.schedulers.alerts import notify_of
from runner.schedulers.asking import Wish, plan_of
from runner.schedulers.drafting import Asked, Drafts
from runner.schedulers.house import is_memory
from runner.schedulers.lifecycle import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED
from runner.schedulers.listening import Mine, Together
from runner.schedulers.looking import Looking
from runner.schedulers.making import changed, is_trigger, moment, storable, undefined
from runner.schedulers.sharing import Triggers
from runner.spec import Call, JobKey, JobSpec
from runner.triggers import Trigger
from runner.triggers.base import asked_in

__all__ = [
    "STATE_PAUSED",
    "STATE_RUNNING",
    "STATE_STOPPED",
    "BaseScheduler",
    "SchedulerAlreadyRunningError",
    "SchedulerNotRunningError",
]

_wish = maker(Wish)
_USUAL: Waits = ("auto", False)
"""One for all that are added so."""

F = TypeVar("F", bound=Callable[..., Any])


class BaseScheduler(Looking):
    """Adds, changes and removes jobs, and tells what becomes of them. Every method may be called from any thread."""

    def __init__(
        self, gconfig: Mapping[str, Any] | None = None, *, clock: Clock | None = None, **options: Any
    ) -> None:
        self._triggers, self._drafts = Triggers(), Drafts()
        super().__init__(gconfig, clock=clock, **options)

    def _about(self, record: Record) -> Job:
        return Job(self, record, live=False)

    def _job(self, record: Record) -> Job:
        return Job(self, record)

    # ── jobs ────────────────────────────────────────────────────────────────────────────────

    def add_job(
        self,
        func: Callable[..., Any] | str,
        trigger: Trigger | str | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: float | None = undefined,
        coalesce: bool = undefined,
        max_instances: int = undefined,
        next_run_time: Any = undefined,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: bool = False,
        *,
        timeout: Any = None,
        retry: Any = None,
        history: int | Mapping[str, Any] | None = None,
        notify: Any = None,
        **trigger_args: Any,
    ) -> Job:
        """Add a job; without a trigger it runs at once, with `next_run_time=None` it is added paused.

        `timeout` (seconds, timedelta or text) stops a run, `retry` (a number, a dict or a Retry) tries a failed one
        again, `history` is how many finished runs are kept, or `{"runs": 50, "age": "7d"}`, `notify` names channels
        that hear of failures and recoveries (or says by kind of news who hears of it). ConflictingIdError where the
        id is taken and `replace_existing` is not set. While the scheduler is stopped the job is pending.
        """
        asked = Asked(
            func,
            self._trigger(trigger, trigger_args),
            name,
            None if trigger is None and misfire_grace_time is undefined else misfire_grace_time,
            coalesce,
            max_instances,
            executor,
            timeout,
            retry,
            history,
            notify_of(notify, self._options.channels),
            self._defaults,
            self._house.source_in(jobstore),
            jobstore,
            self._zone,
            self._by_name(jobstore),
        )
        spec = self._drafts.of(id, args, kwargs, asked)
        next_at: NextAt = "auto" if next_run_time is undefined else moment(next_run_time, self._zone)
        usual = next_at == "auto" and not replace_existing
        job = Job(self, spec, waits=_USUAL if usual else (next_at, bool(replace_existing)))
        if self.state == STATE_STOPPED and self._wait_for_start(job):
            return job
        self._really_add(job)
        return job

    def _wait_for_start(self, job: Job) -> bool:
        """Keep it until the start; False where that has just been."""
        with self._lock:
            if self.state != STATE_STOPPED:
                return False
            self._pending.append(job)
        self._logger.info("Adding job tentatively -- it will be properly scheduled when the scheduler starts")
        return True

    def scheduled_job(
        self,
        trigger: Trigger | str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: float | None = undefined,
        coalesce: bool = undefined,
        max_instances: int = undefined,
        next_run_time: Any = undefined,
        jobstore: str = "default",
        executor: str = "default",
        **more: Any,
    ) -> Callable[[F], F]:
        """Add the decorated function as `add_job` does, with these arguments; one of the same id is replaced.

        `more`: the trigger's arguments, and `timeout`, `retry`, `history`, `notify`.
        """

        given = (args, kwargs, id, name, misfire_grace_time, coalesce, max_instances, next_run_time)

        def decorate(function: F) -> F:
            self.add_job(function, trigger, *given, jobstore, executor, replace_existing=True, **more)
            return function

        return decorate

    def _trigger(self, trigger: Any, arguments: dict[str, Any]) -> Trigger:
        if trigger is None:
            trigger = "date"
        elif not isinstance(trigger, str):
            if is_trigger(trigger):
                given: Trigger = trigger
                asked_in(given, self.timezone)
                return given
            raise TypeError(f"Expected a trigger instance or string, got {type(trigger).__name__} instead")
        if trigger not in ("and", "or"):
            arguments.setdefault("timezone", self._zone)
        return self._triggers.made(plugins.load("trigger", trigger), arguments)

    def _add_pending(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        with held():
            self._add_all(pending)

    def _add_all(self, jobs: Sequence[Job]) -> None:
        """Those of a store that we lead are written together, which is what makes ten thousand of them quick."""
        written: dict[str, Mine] = {}
        for alias in dict.fromkeys(job._last_spec.store for job in jobs):
            mine = [job for job in jobs if job._last_spec.store == alias]
            self._store(alias)
            if len({job._last_spec.id for job in mine}) == len(mine) > 1 and self._house.leads(alias):
                written[alias] = self._write_together(alias, mine)
        known = {alias: self._house.known(alias) for alias in written}
        try:
            for job in jobs:
                spec = job._last_spec
                there = known.get(spec.store)
                if there is not None:
                    self._added(job, spec, there)
                else:
                    self._really_add(job)
        finally:
            for together in written.values():
                together.told()

    def _write_together(self, alias: str, jobs: Sequence[Job]) -> Mine:
        store, source = self._store(alias), self._house.source_in(alias)
        memory = is_memory(store)
        for job in jobs:
            # The store was not there yet when it was added.
            if job._last_spec.source != source:
                job._known = replace(job._last_spec, source=source)
        asked = [(_stored_form(job._last_spec, source, memory), *(job._waits or _USUAL)) for job in jobs]
        store.check([spec for spec, _, _ in asked])
        kinds = Together({spec.key for spec, _, _ in asked})
        return self._act(alias, Wish("add_all"), kinds, plans.add_all(asked, self._clock.now()))

    def _by_name(self, alias: str) -> bool:
        """Whether a store keeps functions as references; one that is not there yet says so when it is."""
        store = self._house.stores.get(alias)
        return store is not None and not is_memory(store)

    def _really_add(self, job: Job) -> None:
        spec, (next_at, replacing) = job._last_spec, job._waits or _USUAL
        spec = _stored_form(spec, self._house.source_in(spec.store), is_memory(self._store(spec.store)))
        wish = _wish("add", {"spec": spec, "next_at": next_at, "replacing": replacing})
        kinds = (("added", spec.key), ("changed", spec.key))
        plan = plans.add(spec, next_at, self._clock.now(), replacing=replacing)
        alone = self._act(spec.store, wish, kinds, plan)
        try:
            self._added(job, spec, self._house.known(spec.store))
        finally:
            alone.told()

    def _added(self, job: Job, spec: JobSpec, known: Mapping[JobKey, Record]) -> None:
        job._known = known.get(spec.key) or replace(job._record, spec=spec)
        job._waits = None
        if self._logger.isEnabledFor(logging.INFO):
            self._logger.info('Added job "%s" to job store "%s"', job.name, spec.store)
        if self._mask & events.EVENT_JOB_ADDED:
            self._dispatch(JobEvent(events.EVENT_JOB_ADDED, spec.id, spec.store))

    def _change(self, alias: str, wish: Wish, key: JobKey) -> Mine:
        """Have it done and written. We tell of it ourselves, in the caller's thread, so the echo is not told."""
        kinds = (("added", key), ("changed", key)) if wish.verb != "remove" else (("removed", key),)
        return self._act(alias, wish, kinds)

    def _act(
        self, alias: str, wish: Wish, kinds: Container[tuple[str, JobKey]], plan: Plan | None = None
    ) -> Mine:
        mine = Mine(kinds)
        token = id(mine)
        self._mine[token] = mine
        try:
            if plan is None:
                plan = plan_of(wish, self._house.source_in(alias), alias, self._clock.now())
            self._house.act(alias, plan, wish)
        except BaseException:
            mine.told()
            raise
        finally:
            # What is told of this change is told in the turn that made it; only then may others be heard.
            self._house.tidy(alias, lambda: self._mine.__delitem__(token))
        return mine

    def _store(self, alias: str) -> JobStore:
        try:
            return self._house.stores[alias]
        except KeyError:
            raise KeyError(f"No such job store: {alias}") from None

    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Any) -> Job:
        """Change attributes of a job; `next_run_time` moves it, None pauses it. JobLookupError where there is none."""
        if "next_run_time" in changes:
            changes["next_run_time"] = moment(changes["next_run_time"], self._zone)
        if "trigger" in changes:
            asked_in(changes["trigger"], self.timezone)
        if "notify" in changes:
            changes["notify"] = notify_of(changes["notify"], self._options.channels)
        if self.state == STATE_STOPPED:
            return self._modify_pending(job_id, jobstore, changes)
        alias = self._alias_of(job_id, jobstore)
        if "func" in changes and callable(changes["func"]) and not is_memory(self._store(alias)):
            self._name_function(job_id, alias, changes)
        return self._modify(job_id, alias, "change", changes=changes)

    def _name_function(self, job_id: str, alias: str, changes: dict[str, Any]) -> None:
        """A store keeps the function as a reference: TransientJobError where it has none."""
        record = self._record_of(job_id, alias)
        if record is None:
            raise JobLookupError(job_id)
        call: dict[str, Any] = {key: changes[key] for key in ("func", "args", "kwargs") if key in changes}
        work = storable(changed(record.spec, call)).steps[0].work
        assert isinstance(work, Call)
        changes |= {"func": work.target, "args": work.args}

    def _modify(self, job_id: str, alias: str, verb: str, **args: Any) -> Job:
        key = JobKey(alias, self._house.source_in(alias), job_id)
        self._change(alias, Wish(verb, {"job": job_id, **args}), key)
        self._dispatch(JobEvent(events.EVENT_JOB_MODIFIED, job_id, alias))
        found = self.get_job(job_id, alias)
        if found is None:
            raise JobLookupError(job_id)
        return found

    def _modify_pending(self, job_id: str, jobstore: str | None, changes: Mapping[str, Any]) -> Job:
        job = self._pending[self._pending_index(job_id, jobstore)]
        next_at, replacing = job._waits or _USUAL
        rest = dict(changes)
        if "next_run_time" in rest:
            next_at = rest.pop("next_run_time")
        spec = changed(job._last_spec, rest)
        job._known, job._waits = spec, (next_at, replacing)
        self._dispatch(JobEvent(events.EVENT_JOB_MODIFIED, job_id, spec.store))
        return job

    def reschedule_job(
        self, job_id: str, jobstore: str | None = None, trigger: Any = None, **trigger_args: Any
    ) -> Job:
        """Give a job another trigger; its next run time is the trigger's first from now, also if it was paused."""
        made = self._trigger(trigger, trigger_args)
        if self.state == STATE_STOPPED:
            return self._modify_pending(job_id, jobstore, {"trigger": made, "next_run_time": "auto"})
        return self._modify(job_id, self._alias_of(job_id, jobstore), "reschedule", trigger=made)

    def pause_job(self, job_id: str, jobstore: str | None = None) -> Job:
        """Let nothing of the job start until it is resumed; what came due meanwhile is not made up for."""
        if self.state == STATE_STOPPED:
            return self._modify_pending(job_id, jobstore, {"next_run_time": None})
        return self._modify(job_id, self._alias_of(job_id, jobstore), "pause")

    def resume_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Go on with a paused job; None where it is never due again, and is removed for that."""
        if self.state == STATE_STOPPED:
            return self._modify_pending(job_id, jobstore, {"next_run_time": "auto"})
        alias = self._alias_of(job_id, jobstore)
        self._change(
            alias, Wish("resume", {"job": job_id}), JobKey(alias, self._house.source_in(alias), job_id)
        )
        found = self.get_job(job_id, alias)
        if found is not None:
            self._dispatch(JobEvent(events.EVENT_JOB_MODIFIED, job_id, alias))
        return found

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Take a job out; what runs of it goes on to its end. JobLookupError where there is none."""
        if self.state == STATE_STOPPED:
            index = self._pending_index(job_id, jobstore)
            alias = self._pending.pop(index)._last_spec.store
        else:
            alias = self._alias_of(job_id, jobstore)
            self._change(
                alias, Wish("remove", {"job": job_id}), JobKey(alias, self._house.source_in(alias), job_id)
            )
        self._dispatch(JobEvent(events.EVENT_JOB_REMOVED, job_id, alias))
        self._logger.info("Removed job %s", job_id)

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Take out every job of a store, or of all of them."""
        if self.state == STATE_STOPPED:
            self._pending = [job for job in self._pending if jobstore not in (None, job._last_spec.store)]
        else:
            for alias in self._aliases(jobstore):
                gone = frozenset(("removed", record.key) for record in self._house.records(alias))
                self._act(alias, Wish("remove_all"), gone)
        self._dispatch(SchedulerEvent(events.EVENT_ALL_JOBS_REMOVED, jobstore))

    def import_jobs(self, infile: carrying.File, jobstore: str = "default") -> None:
        """Add the jobs of a file that `export_jobs` wrote, here or in APScheduler 3, to a store.

        Nothing in the file is executed. A job that cannot be read is named in the log and left out; ValueError where
        the file is no export, ConflictingIdError where an id is taken.
        """
        if self.state != STATE_STOPPED:
            self._store(jobstore)
        jobs: list[Job] = []
        for job in carrying.read(
            infile, source=self._house.source_in(jobstore), store=jobstore, refused=self._import_refused
        ):
            jobs.append(Job(self, job.spec, waits=(job.next_at, False)))
        with self._lock:
            if self.state == STATE_STOPPED:
                self._pending += jobs
                return
        self._add_all(jobs)

    def _import_refused(self, id: str, error: RunnerError) -> None:
        self._logger.error('Job "%s" is not imported: %s', id, error)


def _stored_form(spec: JobSpec, source: str, memory: bool) -> JobSpec:
    """The spec as its store keeps it."""
    if spec.source != source:
        spec = replace(spec, source=source)
    return spec if memory else storable(spec)
