"""What `add_job` returns: a view of a job that always shows its present state, and the handle to change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol, cast

from runner.core.run import Job as Record
from runner.executors.reference import reference, resolve, unbound
from runner.moment import SECOND, Moment, to_datetime
from runner.spec import Call, JobKey, JobSpec
from runner.triggers import BaseTrigger

NextAt = Moment | Literal["auto"] | None
"""When a job is due first, as somebody said it: "auto" asks its trigger, None is a pause."""
Waits = tuple[NextAt, bool]
"""When a job that waits for the start of its scheduler is due first, and whether it may replace one."""


class Keeper(Protocol):
    """The scheduler, as far as a job needs it."""

    def present(self, job: Job) -> Record | None:
        """The job's record as it stands now; None where it is no more, or cannot be read."""
        ...

    def modify_job(self, job_id: str, jobstore: str | None = ..., **changes: Any) -> Job: ...

    def reschedule_job(
        self, job_id: str, jobstore: str | None = ..., trigger: Any = ..., **trigger_args: Any
    ) -> Job: ...

    def pause_job(self, job_id: str, jobstore: str | None = ...) -> Job: ...

    def resume_job(self, job_id: str, jobstore: str | None = ...) -> Job | None: ...

    def remove_job(self, job_id: str, jobstore: str | None = ...) -> None: ...


class Job:
    """A job of a scheduler. Attributes show it as it is now; once it is gone, as it was last."""

    __slots__ = ("__weakref__", "_known", "_live", "_scheduler", "_waits")

    def __init__(
        self,
        scheduler: Keeper,
        known: Record | JobSpec,
        *,
        waits: Waits | None = None,
        live: bool = True,
    ) -> None:
        self._scheduler = scheduler
        self._known = known
        """Of one that waits only its spec: a program may add ten thousand before it starts."""
        self._waits = waits
        """How it is to be added when its scheduler starts; None where it is there."""
        self._live = live

    @property
    def _record(self) -> Record:
        """As it was seen last."""
        known = self._known
        if isinstance(known, Record):
            return known
        next_at = self._waits[0] if self._waits is not None else None
        return Record(known, next_at=next_at if isinstance(next_at, int) else None)

    @property
    def _last_spec(self) -> JobSpec:
        known = self._known
        return known.spec if isinstance(known, Record) else known

    # ── what it is ──────────────────────────────────────────────────────────────────────────

    @property
    def record(self) -> Record:
        """The house's own record of it."""
        if self._live and self._waits is None:
            self._known = self._scheduler.present(self) or self._record
        return self._record

    @property
    def _spec(self) -> JobSpec:
        return self.record.spec

    @property
    def _call(self) -> Call:
        work = self._spec.steps[0].work
        assert isinstance(work, Call)
        return work

    @property
    def key(self) -> JobKey:
        return self._last_spec.key

    @property
    def id(self) -> str:
        return self._last_spec.id

    @property
    def name(self) -> str:
        return self._spec.title

    @property
    def func(self) -> Callable[..., Any]:
        """What it calls; LookupError where the stored reference leads nowhere."""
        target = self._call.target
        return resolve(target) if isinstance(target, str) else target

    @property
    def func_ref(self) -> str | None:
        """The function by name, or None where it has none (a lambda, a nested function)."""
        target = self._call.target
        if isinstance(target, str):
            return target
        try:
            return reference(unbound(target, ())[0])
        except ValueError:
            return None

    @property
    def args(self) -> tuple[Any, ...]:
        return self._call.args

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self._call.kwargs)

    @property
    def trigger(self) -> BaseTrigger:
        """When it is due; what may be asked of it is what `BaseTrigger` says, `get_next_fire_time` for one."""
        trigger = self._spec.trigger
        assert trigger is not None
        # One that derives from nothing of ours but has a trigger's methods is taken, too, and shown as it is.
        return cast("BaseTrigger", trigger)

    @property
    def executor(self) -> str:
        """The alias of the executor that runs it."""
        return self._spec.executor

    @property
    def coalesce(self) -> bool:
        """Whether several times that came due together are run once."""
        return self._spec.policy.catchup.runs != "all"

    @property
    def misfire_grace_time(self) -> float | None:
        """How many seconds late a run may still be begun; None: any."""
        grace = self._spec.policy.grace
        if grace is None:
            return None
        return grace // SECOND if grace % SECOND == 0 else grace / SECOND

    @property
    def max_instances(self) -> int | None:
        """How many of its runs may be under way at once."""
        return self._spec.policy.concurrency.max

    @property
    def next_run_time(self) -> datetime | None:
        """When it is due next; None while it is paused or where it is never due again."""
        record = self.record
        if record.next_at is None or record.state in ("paused", "broken", "finished"):
            return None
        zone = getattr(record.spec.trigger, "tzinfo", None)
        return to_datetime(record.next_at, zone) if zone is not None else to_datetime(record.next_at)

    @property
    def pending(self) -> bool:
        """Whether it waits for the scheduler to start."""
        return self._waits is not None

    @property
    def broken(self) -> str:
        """Why it cannot run, where it cannot (its function is gone); empty otherwise."""
        record = self.record
        return record.reason if record.state == "broken" else ""

    # ── changing it ─────────────────────────────────────────────────────────────────────────

    @property
    def _alias(self) -> str:
        return self._last_spec.store

    def modify(self, **changes: Any) -> Job:
        """Change attributes; see `scheduler.modify_job`."""
        self._scheduler.modify_job(self.id, self._alias, **changes)
        return self

    def reschedule(self, trigger: Any, **trigger_args: Any) -> Job:
        """Give it another trigger; its next run time is worked out anew."""
        self._scheduler.reschedule_job(self.id, self._alias, trigger, **trigger_args)
        return self

    def pause(self) -> Job:
        """Let nothing of it start until it is resumed."""
        self._scheduler.pause_job(self.id, self._alias)
        return self

    def resume(self) -> Job:
        """Go on; a job that is never due again is removed."""
        self._scheduler.resume_job(self.id, self._alias)
        return self

    def remove(self) -> None:
        """Take it out of the scheduler and its store."""
        self._scheduler.remove_job(self.id, self._alias)

    # ── as a value ──────────────────────────────────────────────────────────────────────────

    def __getstate__(self) -> Mapping[str, Any]:
        """Its attributes, the function as a reference; ValueError where it has none."""
        ref = self.func_ref
        if ref is None:
            raise ValueError(
                f"This Job cannot be serialized since the reference to its callable ({self.func!r}) could not be "
                "determined. Consider giving a textual reference (module:function name) instead."
            )
        return {
            "version": 1,
            "id": self.id,
            "func": ref,
            "trigger": self.trigger,
            "executor": self.executor,
            "args": unbound(self._call.target, self.args)[1],
            "kwargs": self.kwargs,
            "name": self.name,
            "misfire_grace_time": self.misfire_grace_time,
            "coalesce": self.coalesce,
            "max_instances": self.max_instances,
            "next_run_time": self.next_run_time,
        }

    def __reduce__(self) -> Any:
        raise TypeError(
            f"a job cannot be pickled (job {self.id}): pass its id, and ask the scheduler for it there"
        )

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Job) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Job (id={self.id} name={self.name})>"

    def __str__(self) -> str:
        return f"{self.name} (trigger: {self.trigger}, {self._when()})"

    def _when(self) -> str:
        if self.pending:
            return "pending"
        if self.broken:
            return f"broken: {self.broken}"
        if self.record.state == "finished":
            return "finished"
        due = self.next_run_time
        return "paused" if due is None else f"next run at: {due:%Y-%m-%d %H:%M:%S %Z}"
