"""What came in, given to the machine: one bad event must not end the loop, nor spoil the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from runner.core.event import Added, StepEnded
from runner.core.machine import Machine
from runner.engine.batch import Batch, Cause, Entry
from runner.moment import Moment

log = logging.getLogger("runner.engine")


def feed(machine: Machine, now: Moment, entry: Entry, batch: Batch) -> None:
    """Handle one event, or what a plan makes of it; what it raises is told to who waits, or said."""
    try:
        events = entry.what(machine, now) if callable(entry.what) else (entry.what,)
        if len(events) > 1 and all(type(event) is Added for event in events):
            batch.actions += machine.additions(now, cast("Sequence[Added]", events))
        else:
            for event in events:
                batch.actions += machine.handle(now, event)
    except Exception as error:
        if entry.waiter is not None:
            entry.waiter.set_exception(error)
        else:
            log.exception("could not handle %r", entry.what)
    else:
        if entry.waiter is not None:
            batch.waiters.append(entry.waiter)


def feed_all(machine: Machine, now: Moment, entries: Sequence[Cause], batch: Batch) -> None:
    """Handle all in order; ends that stand together are handled together."""
    ends: list[StepEnded] = []
    for entry in entries:
        if type(entry) is StepEnded:
            ends.append(entry)
            continue
        if ends:
            batch.actions += machine.ends(now, ends, _unhandled)
            ends = []
        feed(machine, now, entry, batch)  # type: ignore[arg-type]
    if ends:
        batch.actions += machine.ends(now, ends, _unhandled)


def _unhandled(end: StepEnded, error: Exception) -> None:
    log.error("could not handle %r", end, exc_info=error)
