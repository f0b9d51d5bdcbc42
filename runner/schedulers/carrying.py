"""Jobs carried from one store to another: export to text and back, and what APScheduler 3 had written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, TextIO

from runner import __version__
from runner.core.run import Job as Record
from runner.errors import StoreError
from runner.jobstores import codec
from runner.jobstores.apscheduler import OldJob, Refused, exported
from runner.moment import Moment
from runner.schedulers.making import STEP, policy_of, storable
from runner.spec import Call, JobSpec, Step
from runner.triggers.zones import name_of

File = str | PathLike[str] | TextIO


@dataclass(frozen=True, slots=True)
class Carried:
    """A job on its way: what it is and when it is due next (None: paused)."""

    spec: JobSpec
    next_at: Moment | None


def write(file: File, records: Iterable[Record]) -> None:
    """The jobs as JSON; StoreError names what of a job cannot be written."""
    jobs = []
    for record in records:
        spec = storable(record.spec)
        paused = record.state == "paused"
        jobs.append(codec.encode({"spec": spec, "next_at": None if paused else record.next_at}))
    with _opened(file, "w") as out:
        json.dump({"version": 1, "library": f"runner {__version__}", "jobs": jobs}, out, indent=1)


def read(file: File, *, source: str, store: str, refused: Callable[[str, Refused], None]) -> list[Carried]:
    """The jobs of a file that `export_jobs` wrote, ours or APScheduler's; what cannot be read is told to `refused`.

    ValueError where the file is neither.
    """
    with _opened(file, "r") as text:
        document = json.load(text)
    if isinstance(document, dict) and str(document.get("library", "")).startswith("runner "):
        if document.get("version") != 1:
            raise ValueError(f"unrecognized version: {document.get('version')}")
        return [_ours(each, source, store) for each in document["jobs"]]
    found = []
    for id, job in exported(document):
        if isinstance(job, Refused):
            refused(id, job)
        else:
            found.append(carried(job, source=source, store=store))
    return found


def _ours(data: Any, source: str, store: str) -> Carried:
    try:
        value = codec.decode(data)
        return Carried(replace(value["spec"], source=source, store=store), value["next_at"])
    except (StoreError, TypeError, KeyError, LookupError) as error:
        raise ValueError(f"an exported job cannot be read: {error}") from None


def carried(job: OldJob, *, source: str, store: str) -> Carried:
    """A job of APScheduler's as one of ours. Its function stays a name: nothing is imported to read it."""
    trigger = job.trigger
    zone = getattr(trigger, "tzinfo", None)
    spec = JobSpec(
        job.id,
        (Step(STEP, Call(job.func, job.args, dict(job.kwargs or {}))),),
        trigger=trigger,
        schedule=str(trigger),
        policy=policy_of(
            misfire_grace_time=job.misfire_grace_time,
            coalesce=job.coalesce,
            max_instances=job.max_instances,
        ),
        source=source,
        store=store,
        name=job.name,
        executor=job.executor,
        timezone="UTC" if zone is None else name_of(zone),
        remove_when_done=True,
    )
    return Carried(spec, job.next_run_time)


@contextmanager
def _opened(file: File, mode: str) -> Iterator[TextIO]:
    if isinstance(file, str | PathLike):
        with open(file, mode, encoding="utf-8") as opened:
            yield opened  # type: ignore[misc]  # the mode is a text one
    else:
        yield file
