"""Known specs, wanted specs: what was added, changed and removed. Start-up and hot reload are the same path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runner.core.event import Added, Changed, Event, Removed
from runner.core.run import Job
from runner.spec import JobKey, JobSpec

FEW = 5
"""A source with fewer jobs may lose most of them without anybody asking why."""


def changes(known: Mapping[JobKey, Job], wanted: Iterable[JobSpec]) -> list[Event]:
    """The events that make a machine follow `wanted`; an equal spec is no event."""
    events: list[Event] = []
    seen: set[JobKey] = set()
    for spec in wanted:
        key = spec.key
        seen.add(key)
        job = known.get(key)
        if job is None:
            events.append(Added(spec))
        elif job.spec is not spec and job.spec != spec:
            events.append(Changed(spec))
    gone: list[Event] = [Removed(key) for key in known if key not in seen]
    return gone + events


def shrinks(known: Mapping[JobKey, Job], wanted: Sequence[JobSpec]) -> bool:
    """Whether the wanted ones lack more than half of five or more known jobs, or all of them."""
    if not known:
        return False
    kept = sum(spec.key in known for spec in wanted)
    if kept == 0 and not wanted:
        return True
    return len(known) >= FEW and (len(known) - kept) * 2 > len(known)
