"""Finding one run by what a person copied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from runner.core.run import Run
from runner.moment import Moment, parse_iso


class Finding(ABC):
    """A history in which a run can be found by its id, or by its job's."""

    @abstractmethod
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

    def find(self, text: str, *, source: str | None = None) -> Run | None:
        """The run of this id (`etl@2026-11-24T01:00:00Z`), else the newest run of the job of this id."""
        parsed = parse_run_id(text)
        if parsed is not None:
            job, slot, nonce = parsed
            for run in self.runs(source=source, job=job, since=slot, until=slot):
                if run.key.nonce == nonce:
                    return run
        newest = self.runs(source=source, job=text, limit=1)
        return newest[0] if newest else None


def parse_run_id(text: str) -> tuple[str, Moment, str] | None:
    """Job, slot and nonce of a run's id as people copy it; None where it is no such thing."""
    job, at, rest = text.rpartition("@")
    when, zulu, nonce = rest.partition("Z")
    if not at or not job or not zulu or (nonce and not nonce.startswith("+")):
        return None
    try:
        return job, parse_iso(when + "+00:00"), nonce.removeprefix("+")
    except ValueError:
        return None
