"""The same questions for stores without a query language: what they remember, narrowed down here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from runner.core.run import Incident, Job, Occurrence, Run
from runner.history.finding import Finding
from runner.moment import Moment
from runner.spec import JobKey


class Remembering(Protocol):
    """A store that can list what it holds of all sources."""

    def jobs(self) -> Sequence[Job]: ...

    def live(self) -> Sequence[Run]: ...

    def finished(self) -> Sequence[Run]: ...

    def occurrences(self) -> Sequence[Occurrence]: ...

    def clock_changes(self) -> Sequence[Incident]: ...


class Remembered(Finding):
    """`History` for a store in memory, or one of keys and values: it reads all, so it is for some ten thousand runs."""

    def __init__(self, store: Remembering) -> None:
        self._store = store
        self.unreadable = 0

    def jobs(self) -> list[Job]:
        """The jobs of all sources, by source and id."""
        return sorted(self._store.jobs(), key=lambda job: (job.key.source, job.key.id))

    def last(self, others: Iterable[JobKey] = ()) -> dict[JobKey, Run]:
        """The newest run of each job that has one, live or finished, whether it is on record or not."""
        found: dict[JobKey, Run] = {}
        for run in self._newest_first():
            found.setdefault(run.key.job, run)
        return found

    def runs(
        self,
        *,
        source: str | None = None,
        job: str | None = None,
        statuses: Iterable[str] = (),
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Runs by slot, newest first; `since` and `until` bound the slot and are included."""
        wanted = frozenset(statuses)
        found = []
        for run in self._newest_first():
            key, slot = run.key.job, run.key.slot
            if (
                _named(key, source, job)
                and (not wanted or run.status in wanted)
                and (since is None or slot >= since)
                and (until is None or slot <= until)
            ):
                found.append(run)
        return found[:limit]

    def occurrences(
        self,
        *,
        source: str | None = None,
        job: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int = 100,
    ) -> list[Occurrence]:
        """What did not become a run of its own, by slot, newest first."""
        found = [
            each
            for each in self._store.occurrences()
            if _named(each.job, source, job)
            and (since is None or (each.last or each.slot) >= since)
            and (until is None or each.slot <= until)
        ]
        return sorted(found, key=lambda each: (each.slot, each.nonce), reverse=True)[:limit]

    def clock_changes(
        self, *, source: str | None = None, since: Moment | None = None, limit: int = 100
    ) -> list[Incident]:
        """When a runner saw the clock set: from `since` to `closed_at`; the newest first. `since` bounds the latter."""
        found = [
            each
            for each in self._store.clock_changes()
            if (source is None or each.job.source == source)
            and (since is None or (each.closed_at or each.since) >= since)
        ]
        return sorted(found, key=lambda each: each.closed_at or each.since, reverse=True)[:limit]

    def oldest(self, key: JobKey) -> Moment | None:
        """The slot of the oldest record of a job."""
        slots = [run.key.slot for run in self._newest_first() if _named(run.key.job, key.source, key.id)]
        slots += [each.slot for each in self.occurrences(source=key.source, job=key.id, limit=2**62)]
        return min(slots, default=None)

    def _newest_first(self) -> list[Run]:
        every = [*self._store.live(), *self._store.finished()]
        return sorted(every, key=lambda run: (run.key.slot, run.created_at, run.key.nonce), reverse=True)


def _named(key: JobKey, source: str | None, job: str | None) -> bool:
    return (source is None or key.source == source) and (job is None or key.id == job)
