"""What one turn writes, by kind of record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from runner.core.action import Change, Forget
from runner.core.run import Delivery, Incident, Job, Occurrence, Request, Run, RunKey
from runner.moment import Moment
from runner.spec import JobKey


class Batch:
    """Changes by kind; of one record only the last state is written."""

    def __init__(self, changes: Sequence[Change]) -> None:
        jobs: dict[JobKey, Job] = {}
        runs: dict[RunKey, Run] = {}
        gone: dict[JobKey, None] = {}
        self.occurrences: list[Occurrence] = []
        self.incidents: Collection[Incident] = ()
        self.deliveries: Collection[Delivery] = ()
        self.requests: Collection[Request] = ()
        rare: list[Incident | Delivery | Request] = []
        # By the type itself, the most frequent first: a turn may have a hundred thousand of them.
        for change in changes:
            if type(change) is Forget:
                jobs.pop(change.key, None)
                gone[change.key] = None
                continue
            record: Any = change.record  # type: ignore[union-attr]  # a Save: nothing else is left
            kind = type(record)
            if kind is Run:
                runs[record.key] = record
            elif kind is Job:
                jobs[record.spec.key] = record
            elif kind is not Occurrence:
                rare.append(record)
            elif record.state != "ran":
                # The row of the run says "ran".
                self.occurrences.append(record)
        # Sets made of dictionaries take over the hashes: these keys are slow to hash, and there are many.
        self.job_keys = set(jobs)
        self.run_keys = set(runs)
        self.jobs = list(jobs.values())
        self.runs = list(runs.values())
        self.gone = [key for key in gone if key not in jobs] if gone else []
        if rare:
            self._part(rare)
        self.rare = bool(rare or self.occurrences)
        """Whether there is anything but jobs and runs."""

    def _part(self, rare: Sequence[Incident | Delivery | Request]) -> None:
        incidents: dict[tuple[JobKey, str, Moment], Incident] = {}
        deliveries: dict[str, Delivery] = {}
        requests: dict[str, Request] = {}
        for record in rare:
            if isinstance(record, Incident):
                incidents[(record.job, record.kind, record.since)] = record
            elif isinstance(record, Delivery):
                deliveries[record.id] = record
            else:
                requests[record.id] = record
        self.incidents = incidents.values()
        self.deliveries = deliveries.values()
        self.requests = requests.values()
