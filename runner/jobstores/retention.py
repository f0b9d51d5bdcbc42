"""What a job's retention no longer covers: the one rule, for every store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from runner.core.run import AttemptKey, Occurrence, Run, RunKey
from runner.moment import Moment
from runner.spec import JobKey, Retention

USUAL = Retention()
SKIPPED_PER_RUN = 10
"""Occurrences that did not run are kept up to this many times the number of runs."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted. `attempts` are those of the runs, so that their output can follow."""

    runs: tuple[RunKey, ...] = ()
    occurrences: int = 0
    incidents: int = 0
    deliveries: int = 0
    requests: int = 0
    specs: int = 0
    attempts: tuple[AttemptKey, ...] = ()


Record = TypeVar("Record")


class Rules(NamedTuple):
    """Of which job what is kept, at which moment; the usual retention holds for jobs that are gone."""

    now: Moment
    of_job: Mapping[JobKey, Retention]

    def runs(self, finished: Iterable[Run]) -> list[Run]:
        """Those to forget: past their job's age, or behind its newest `runs`."""
        dated = ((run, run.key.job, run.key.slot, run.ended_at or run.key.slot) for run in finished)
        return list(self._outlived(dated, 1))

    def occurrences(self, skipped: Iterable[Occurrence]) -> list[Occurrence]:
        """Those to forget, likewise."""
        dated = ((each, each.job, each.slot, each.decided_at) for each in skipped)
        return list(self._outlived(dated, SKIPPED_PER_RUN))

    def _outlived(
        self, dated: Iterable[tuple[Record, JobKey, Moment, Moment]], times: int
    ) -> Iterator[Record]:
        by_job: dict[JobKey, list[tuple[Moment, Moment, Record]]] = defaultdict(list)
        for record, job, slot, at in dated:
            by_job[job].append((slot, at, record))
        for job, records in by_job.items():
            rule = self.of_job.get(job, USUAL)
            records.sort(key=lambda each: each[0], reverse=True)
            for place, (_, at, record) in enumerate(records):
                if place >= rule.runs * times or at < self.now - rule.age:
                    yield record


def attempts_of(run: Run) -> Iterator[AttemptKey]:
    """Every attempt of a run."""
    for state in run.steps.values():
        for number in range(1, state.attempt + 1):
            yield AttemptKey(run.key, state.id, number)
