"""What of a schedule is due: which occurrences run, which are missed, merged or skipped, and why.

The rules (docs/reliability.md): occurrences older than the catch-up window are missed(window); `latest` runs the
newest and merges the rest into it; `all` runs the newest `max` of them, oldest first; `none` runs only what is
decided promptly. Grace is judged here, never after waiting for a place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from runner.core.missed import Firings, all_up_to
from runner.core.run import Job, Occurrence, OccurrenceState
from runner.frozen import frozen
from runner.moment import HOUR, SECOND, Moment, Span
from runner.spec import JobKey, JobSpec, Policy
from runner.triggers.base import Trigger
from runner.triggers.counting import widest_jitter
from runner.triggers.passing import passing

PROMPT: Span = 5 * SECOND
"""Decided within this, an occurrence is on time; later, there was downtime."""


@frozen
class Due:
    """`runs`: slots to run, oldest first; `late`: they are caught up. `records`: what becomes of the others."""

    runs: Sequence[Moment]
    records: Sequence[Occurrence]
    next_at: Moment | None
    passed: Moment
    late: bool = False


def start_of(spec: JobSpec, slot: Moment) -> Moment:
    """When the occurrence of this slot starts: the slot, moved back by its jitter."""
    if spec.plain:
        return slot
    most = max(spec.policy.jitter, spec.trigger.jitter_at(slot) if spec.trigger is not None else 0)
    return slot if most <= 0 else slot + _fraction(spec.id, slot) % (most + 1)


def _fraction(id: str, slot: Moment) -> int:
    """A number that depends on the job and the slot alone, so that a restart gives the same moment."""
    digest = hashlib.blake2b(f"{id}\0{slot}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def follows_the_clock(trigger: Trigger, now: Moment) -> bool:
    """Whether the trigger goes on when the clock is set back: one that fires at least hourly, or counts time.

    One with fixed times of the day does not repeat what it did.
    """
    wildcard = getattr(trigger, "wildcard", None)
    if wildcard is not None:
        return bool(wildcard)
    first = trigger.next_after(now)
    second = None if first is None else trigger.next_after(first)
    return first is not None and second is not None and second - first <= HOUR


def due(job: Job, now: Moment) -> Due:
    """Decide every occurrence of the job that has come; `job.next_at` must be one."""
    spec, slot = job.spec, job.next_at
    trigger = spec.trigger
    assert trigger is not None
    assert slot is not None
    # The usual case: one occurrence, on time.
    following = trigger.next_after(slot)
    policy = spec.policy
    if on_time(policy, slot, following, now):
        records = _passed(job, trigger, slot, now)
        return Due((slot,), records, following, slot)
    slots, following = _come(spec, trigger, slot, now)
    runs, records = _choose(spec, slots, following, now)
    passed = _passed(job, trigger, slots.last, now)
    late = now - slot > PROMPT or slots.first != slots.last
    return Due(runs, [*passed, *records], following, slots.last, late)


def on_time(policy: Policy, slot: Moment, following: Moment | None, now: Moment) -> bool:
    """Whether the slot alone has come, and so lately that nothing is missed, merged or caught up."""
    late = now - slot
    if late > PROMPT or (following is not None and following <= now):
        return False
    return policy.grace is None or (late <= policy.grace and policy.catchup.window is None)


def _come(spec: JobSpec, trigger: Trigger, slot: Moment, now: Moment) -> tuple[Firings, Moment | None]:
    """The slots from one on whose start has come, up to the first whose start has not, and that one."""
    slots = all_up_to(trigger, slot, now - _widest(spec, trigger, now - slot))
    newest = slots.last
    following = trigger.next_after(newest)
    while following is not None and start_of(spec, following) <= now:
        newest, following = following, trigger.next_after(following)
    return (slots if newest == slots.last else all_up_to(trigger, slot, newest)), following


def _widest(spec: JobSpec, trigger: Trigger, most: Span) -> Span:
    """What no slot's start is later than the slot by; `most` where the trigger does not say."""
    widest = widest_jitter(trigger)
    return most if widest is None else max(spec.policy.jitter, widest)


def _choose(
    spec: JobSpec, slots: Firings, following: Moment | None, now: Moment
) -> tuple[list[Moment], list[Occurrence]]:
    """What runs, and what becomes of the rest."""
    policy, records = spec.policy, list[Occurrence]()
    runs, window = policy.catchup.runs, policy.catchup.window
    if policy.grace is not None:
        slots = _missed(spec, slots, policy.grace, "grace", now, records)
    if runs == "none":
        slots = _missed(spec, slots, PROMPT, "downtime", now, records)
    if not slots:
        return [], records
    if runs == "all":
        if window is None:
            window = max(HOUR, 0 if following is None else following - slots.last)
        fresh = slots.since(now - window).newest(policy.catchup.max)
        old = slots.before(fresh.first) if fresh else slots
        if old:
            records.append(_record(spec.key, old, "missed", "window", now))
        return [slot for slot, _ in fresh.pieces], records
    newest = slots.last
    if window is not None and now - newest > window:
        records.append(_record(spec.key, slots, "missed", "window", now))
        return [], records
    if rest := slots.before(newest):
        records.append(_record(spec.key, rest, "merged", "catch-up", now, into=newest))
    return [newest], records


def _missed(
    spec: JobSpec, slots: Firings, most: Span, reason: str, now: Moment, records: list[Occurrence]
) -> Firings:
    """Those that are decided in time; the others, which are the older ones, are on record as missed."""
    if not slots:
        return slots
    near = now - most
    far = near - _widest(spec, slots.trigger, near - slots.first)
    old, fresh = slots.split(far, near, lambda slot: start_of(spec, slot) < near)
    if old:
        records.append(_record(spec.key, old, "missed", reason, now))
    return fresh


def _passed(job: Job, trigger: Trigger, until: Moment, now: Moment) -> list[Occurrence]:
    after = job.passed
    if after is None or after >= until:
        after = until - 1
    return [
        Occurrence(
            job.key,
            each.first,
            "skipped",
            each.reason,
            last=each.last if each.count > 1 else None,
            count=each.count,
            detail=each.detail,
            decided_at=now,
        )
        for each in passing(trigger, after, until)
    ]


def skipped(job: Job, now: Moment, reason: str) -> tuple[Occurrence | None, Moment | None]:
    """All occurrences up to now as one skipped range (None where there were none), and the next slot."""
    slot, trigger = job.next_at, job.spec.trigger
    if slot is None or trigger is None or slot > now:
        return None, slot
    slots = all_up_to(trigger, slot, now)
    return _record(job.key, slots, "skipped", reason, now), trigger.next_after(slots.last)


def _record(
    key: JobKey,
    slots: Firings,
    state: OccurrenceState,
    reason: str,
    now: Moment,
    into: Moment | None = None,
) -> Occurrence:
    end = slots.last if slots.last != slots.first else None
    return Occurrence(key, slots.first, state, reason, "", end, slots.count(), into, "", now)
