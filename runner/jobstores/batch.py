"""What one turn writes, by kind of record."""

from __future__ import annotations

from collections.abc import Sequence

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
        incidents: dict[tuple[JobKey, str, Moment], Incident] = {}
        deliveries: dict[str, Delivery] = {}
        requests: dict[str, Request] = {}
        self.occurrences: list[Occurrence] = []
        for change in changes:
            if isinstance(change, Forget):
                jobs.pop(change.key, None)
                gone[change.key] = None
                continue
            record = change.record
            if isinstance(record, Run):
                runs[record.key] = record
            elif isinstance(record, Job):
                jobs[record.spec.key] = record
            elif isinstance(record, Occurrence):
                # The row of the run says "ran".
                if record.state != "ran":
                    self.occurrences.append(record)
            elif isinstance(record, Incident):
                incidents[(record.job, record.kind, record.since)] = record
            elif isinstance(record, Delivery):
                deliveries[record.id] = record
            else:
                requests[record.id] = record
        # Sets made of dictionaries take over the hashes: these keys are slow to hash, and there are many.
        self.job_keys = set(jobs)
        self.run_keys = set(runs)
        self.jobs = list(jobs.values())
        self.runs = list(runs.values())
        self.gone = [key for key in gone if key not in jobs]
        self.incidents = list(incidents.values())
        self.deliveries = list(deliveries.values())
        self.requests = list(requests.values())
        self.rare = bool(self.occurrences or incidents or deliveries or requests)
        """Whether there is anything but jobs and runs."""
