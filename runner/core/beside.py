"""A new job of the id of one that is gone: what it runs at a time of that one's runs is another run."""

from __future__ import annotations

from collections.abc import Iterable

from runner.core.run import Job, RunKey
from runner.frozen import replace
from runner.moment import Moment
from runner.spec import JobKey


class Beside:
    """Knows the jobs, the runs under way (`live`), and those that left in this turn, unknown to the store as yet."""

    def __init__(self, jobs: dict[JobKey, Job], live: dict[JobKey, dict[RunKey, None]]) -> None:
        self._jobs = jobs
        self._live = live
        self._left: tuple[Moment, dict[JobKey, list[RunKey]]] = (0, {})

    def gone(self, job: Job, now: Moment) -> None:
        """The job is removed."""
        if job.passed is not None:
            self.left(_last(job, job.passed), now)

    def left(self, run: RunKey, now: Moment) -> None:
        """A run has ended whose job is gone."""
        if self._left[0] != now:
            self._left = (now, {})
        self._left[1].setdefault(run.job, []).append(run)

    def placed(self, job: Job, now: Moment) -> Job:
        """The new job: times up to the last of those runs come again, under a nonce that none of them has."""
        runs: list[RunKey] = []
        if self._left[0] == now:
            runs += self._left[1].get(job.key, ())
        if self._live:
            runs += self._live.get(job.key, ())
        before = self._jobs.get(job.key)
        if before is not None and before.passed is not None:
            # It is over, and only its last run is under way. Earlier ones have nonces, too.
            runs.append(_last(before, before.passed))
        return _after(job, runs) if runs else job


def _last(job: Job, passed: Moment) -> RunKey:
    """What its last run may be called."""
    return RunKey(job.key, passed, f"c{job.backs}" if job.backs else "")


def _after(job: Job, runs: Iterable[RunKey]) -> Job:
    passed = max(job.passed or 0, *(run.slot for run in runs))
    backs = max((int(run.nonce[1:]) for run in runs if run.nonce.startswith("c")), default=0)
    return replace(job, passed=passed, backs=backs + 1)
