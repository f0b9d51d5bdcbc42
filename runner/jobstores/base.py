"""WHERE jobs and live runs outlive the process: the protocol, and what a store answers.

A store keeps records and forgets only what it is told to. It never runs, resolves or unpickles anything it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from runner.core.action import Change
from runner.core.run import Delivery, Incident, Job, Request, Run
from runner.jobstores.retention import Purged
from runner.moment import SECOND, Moment, Span
from runner.spec import JobKey, Retention

LEASE: Span = 3 * SECOND
"""How long a lead with a deadline lasts unless it is renewed: short enough for the next runner to lead within 5 s of a
crash, however busy the machine is. Whole seconds, for etcd counts so."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored job that cannot be read back; it is parked as broken, never deleted."""

    key: JobKey
    reason: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a store knows of a source."""

    jobs: tuple[Job, ...] = ()
    runs: tuple[Run, ...] = ()
    """The live ones."""
    incidents: tuple[Incident, ...] = ()
    """The open ones."""
    deliveries: tuple[Delivery, ...] = ()
    """Those still waiting."""
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write a source's records: a number that grows with each new leader."""

    source: str
    owner: str
    number: int
    until: Moment | None = None
    """When it ends unless renewed; None where the lock lives as long as the process (a file lock)."""


class JobStore(Protocol):
    """Laws, checked by `runner.testing`'s contract suite: `write` is all or nothing; only StoreError is raised;
    a write under a fence that is no longer the newest raises LeaseLost and writes nothing."""

    alias: str

    def open(self) -> None:
        """Connect, and create or migrate what is needed. May be called again after `close`."""
        ...

    def close(self) -> None: ...

    def load(self, source: str) -> Loaded: ...

    def live_of(self, source: str) -> Sequence[Run]:
        """The live runs of a source: what one looks at that does not lead it."""
        ...

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        """One transaction with all of them: jobs, occurrences, runs, incidents, deliveries, answered requests.

        A second *first* write of a run's key is refused with StoreError: an occurrence cannot run twice.
        """
        ...

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        """Take or renew the lead of a source; None while somebody else has it.

        `lease`: how long it shall last unless it is renewed, from now on, be that longer or shorter than before. A
        store that cannot choose gives what it can: the fence's `until` is `now` and as long as the lead lasts.
        """
        ...

    def release(self, fence: Fence) -> None: ...

    def listen(self, source: str, heard: Callable[[], None]) -> bool:
        """Call `heard`, in a thread of the store's, soon after another process asked something of the source or gave
        up its lead, until `close`; calls for nothing are allowed. False where the store cannot tell: then ask it.
        """
        ...

    def purge(
        self,
        now: Moment,
        *,
        wanted: Mapping[JobKey, Retention] = MappingProxyType({}),
        pause: Callable[[], object] = lambda: None,
    ) -> Purged:
        """Delete what every job's retention no longer covers; the usual one holds for jobs that are gone.

        `wanted`: what a file says now, for jobs that are not on record because they only ever ran in the foreground.
        Live runs, open incidents, waiting deliveries and unanswered requests are never touched. `pause` is called
        between two pieces of work. StoreError where it fails; what was deleted until then stays deleted, and the next
        purge goes on.
        """
        ...

    def check(self, values: Iterable[Any]) -> None:
        """StoreError where one of these values could never be written here: arguments, triggers, specs of jobs."""
        ...

    def ask(self, request: Request) -> None:
        """Write down a request for whoever leads its source."""
        ...

    def asked(self, source: str) -> Sequence[Request]:
        """The requests of a source that nobody has answered, oldest first."""
        ...

    def answer(self, request: str) -> Request | None:
        """The request of this id as it stands now."""
        ...


class JobLookupError(KeyError):
    """There is no job of this id in the store."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job by the id of {job_id} was found")


class ConflictingIdError(KeyError):
    """The store has a job of this id already."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job identifier ({job_id}) conflicts with an existing job")


class TransientJobError(ValueError):
    """The job cannot be stored: nobody could find its function again by a name."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Job ({job_id}) cannot be added to this job store because a reference to the callable could not be "
            "determined."
        )
