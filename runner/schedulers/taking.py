"""Taking over the jobs of an APScheduler 3 store: look first, then write them all at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from runner.core.action import Save
from runner.core.run import Job
from runner.errors import RunnerError
from runner.jobstores.apscheduler import Place, Refused, job_of, loads
from runner.jobstores.base import JobStore
from runner.moment import Moment, to_datetime
from runner.schedulers.carrying import Carried, carried
from runner.spec import Call


@dataclass(slots=True)
class Taken:
    """What was read for a source. `results`: by id, what became of it (`added`, `replaced`, `kept`)."""

    source: str
    jobs: list[Carried] = field(default_factory=list)
    refused: dict[str, Refused] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)

    def function(self, job: Carried) -> str:
        work = job.spec.steps[0].work
        return str(work.target) if isinstance(work, Call) else ""

    def when(self, job: Carried) -> str:
        """When it is due next, in its trigger's zone."""
        assert job.next_at is not None
        zone = getattr(job.spec.trigger, "tzinfo", None)
        at = to_datetime(job.next_at, zone) if zone is not None else to_datetime(job.next_at)
        return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def look(place: Place, *, source: str) -> Taken:
    """The jobs of the old store, and those that cannot be read with the reason. Nothing is changed or executed."""
    taken = Taken(source)
    for entry in place.read():
        try:
            job = carried(job_of(loads(entry.data)), source=source, store="default")
        except Refused as refused:
            taken.refused[entry.id] = refused
        else:
            taken.jobs.append(job)
    return taken


def write(taken: Taken, store: JobStore, *, now: Moment, replacing: bool) -> None:
    """Write the jobs to a store, in one transaction, while no scheduler leads their source.

    Jobs whose id is there already are kept as they are, unless `replacing`. RunnerError where a scheduler of this
    name is at work on the store.
    """
    store.open()
    try:
        fence = store.hold(taken.source, f"import:{uuid4().hex[:8]}", now)
        if fence is None:
            raise RunnerError(
                f"a scheduler leads {taken.source} in this store",
                hint="stop the program first, or give another name with --as-source",
            )
        try:
            known = {job.key.id for job in store.load(taken.source).jobs}
            changes = []
            for job in taken.jobs:
                there = job.spec.id in known
                taken.results[job.spec.id] = (
                    "replaced" if there and replacing else "kept" if there else "added"
                )
                if not there or replacing:
                    changes.append(Save(_record(job)))
            store.write(changes, fence)
        finally:
            store.release(fence)
    finally:
        store.close()


def _record(job: Carried) -> Job:
    if job.next_at is None:
        return Job(job.spec, state="paused")
    return Job(job.spec, job.next_at)
