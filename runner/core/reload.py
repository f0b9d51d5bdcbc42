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
    passed: dict[JobKey, None] = {}
    """Known ones that stand before those wanted so far, and were not among them yet."""
    # Both stand in the order of the file, but for the few places that were edited. To look each up by its key takes
    # several times as long, and longer the more there are: nothing of it is in the processor's caches then.
    rest = iter(known.values())
    here = next(rest, None)
    for spec in wanted:
        if here is not None and here.spec is spec:
            here = next(rest, None)
            continue
        key = spec.key
        job = known.get(key)
        if job is None:
            events.append(Added(spec))
            continue
        if key in passed:
            del passed[key]
        else:
            while here is not None and here is not job:
                passed[here.key] = None
                here = next(rest, None)
            here = next(rest, None)
        if job.spec is not spec and job.spec != spec:
            events.append(Changed(spec))
    gone: list[Event] = [Removed(key) for key in passed]
    while here is not None:
        gone.append(Removed(here.key))
        here = next(rest, None)
    return gone + events


def shrinks(known: Mapping[JobKey, Job], wanted: Sequence[JobSpec]) -> bool:
    """Whether the wanted ones lack more than half of five or more known jobs, or all of them."""
    if not known:
        return False
    kept = sum(spec.key in known for spec in wanted)
    if kept == 0 and not wanted:
        return True
    return len(known) >= FEW and (len(known) - kept) * 2 > len(known)
