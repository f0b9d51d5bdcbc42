"""`runner history`: past and live runs, and with `--all` the occurrences that did not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

from runner.core.run import Incident, Occurrence, Run, RunKey
from runner.moment import SECOND, Moment, Span
from runner.spec import JobKey
from runner.views.run import attempt, entry, origin, status_cell, why
from runner.views.table import Cell, Column, Table, rows
from runner.views.when import iso, rough, took, when, zone_of

REASONS: Mapping[str, str] = {
    "paused": "the job was paused",
    "broken": "the job could not run",
    "overlap": "an earlier run was still at work",
    "calendar": "a day off",
    "maintenance": "a maintenance window",
    "queue full": "too many were waiting",
    "window": "older than the catch-up window",
    "grace": "decided later than the grace allows",
    "only_after": "the job it waits for did not succeed in time",
    "removed": "the job was removed",
    "disabled": "the job is disabled",
}
"""What the machine's reasons mean; a reason that is not here is shown as it is."""


def document(
    runs: Sequence[Run],
    others: Sequence[Occurrence] = (),
    zones: Mapping[JobKey, str] | None = None,
    clock: Sequence[Incident] | None = None,
) -> dict[str, Any]:
    """`{runs: [...]}`, newest first. `others` that did not become a run stand among them: with the same keys,
    their state as status, and what they cover. `clock`, where it is asked for: when the clock was set."""
    entries = [(run.key.slot, entry(run)) for run in runs]
    for one in others:
        if one.state != "ran":
            entries.append((one.slot, occurrence_entry(one, (zones or {}).get(one.job, "UTC"))))
    entries.sort(key=lambda item: item[0], reverse=True)
    document: dict[str, Any] = {"runs": [each for _, each in entries]}
    if clock is not None:
        document["clock"] = [clock_entry(each) for each in clock]
    return document


_ONE_CHANGE: Span = 5 * SECOND
"""Who sees the clock set within so long, by the same amount, has seen the same change."""


def seen_once(clock: Sequence[Incident]) -> list[Incident]:
    """Each change of the clock once, newest first: every source keeps it, and each looks at a moment of its own."""
    once: list[Incident] = []
    for change in sorted(clock, key=_set_at):
        if not any(_same(change, other) for other in once):
            once.append(change)
    return once[::-1]


def _same(one: Incident, other: Incident) -> bool:
    by = [_set_at(each) - each.since for each in (one, other)]
    return abs(_set_at(one) - _set_at(other)) <= _ONE_CHANGE and abs(by[0] - by[1]) <= SECOND


def _set_at(change: Incident) -> Moment:
    return change.closed_at or change.since


def clock_entry(change: Incident) -> dict[str, Any]:
    """When the clock was set: `at` it showed, then, and `was` before; `by` seconds, less than none where back."""
    at = _set_at(change)
    return {
        "at": iso(at, UTC),
        "was": iso(change.since, UTC),
        "by": (at - change.since) / SECOND,
        "text": change.detail,
    }


def occurrence_entry(one: Occurrence, zone: str) -> dict[str, Any]:
    """A planned time that did not run, or a range of them: `count` from `scheduled_at` to `last`."""
    where = zone_of(zone)
    return {
        "id": None,
        "job": one.job.id,
        "status": one.state,
        "reason": one.reason,
        "scheduled_at": iso(one.slot, where),
        "started_at": None,
        "ended_at": None,
        "took": None,
        "late": 0.0,
        "attempt": 0,
        "trigger": "schedule",
        "commit": None,
        "steps": [],
        "detail": one.detail,
        "last": iso(one.last, where),
        "count": one.count,
        "into": iso(one.into, where),
        "decided_at": iso(one.decided_at or None, where),
    }


def table(
    runs: Sequence[Run],
    others: Sequence[Occurrence] = (),
    clock: Sequence[Incident] = (),
    *,
    now: Moment,
    zone: tzinfo,
    chosen: bool = False,
) -> Table:
    """Newest first, runs, the others and changes of the clock in one order; times in the reader's `zone`.

    `chosen`: only some were asked for, so that there may be others.
    """
    cells = [(run.key.slot, _run_row(run, now, zone)) for run in runs]
    cells += [(one.slot, _other_row(one, now, zone)) for one in others if one.state != "ran"]
    cells += [(_set_at(one), _clock_row(one, now, zone)) for one in clock]
    cells.sort(key=lambda item: item[0], reverse=True)
    columns = (
        Column("STATUS"),
        Column("RUN"),
        Column("SCHEDULED"),
        Column("TOOK", right=True),
        Column("LATE", right=True, spare=True),
        Column("ATTEMPT", right=True, spare=True),
        Column("WHY", gives=True),
    )
    return Table(
        columns,
        rows([row for _, row in cells]),
        empty="no such run is on record" if chosen else "nothing has run yet",
    )


def _run_row(run: Run, now: Moment, zone: tzinfo) -> list[Cell | str]:
    tried = attempt(run)
    if run.ended_at is not None:
        length = took(run.took)
    else:
        length = f"{rough(max(0, now - run.started_at))} so far" if run.started_at is not None else ""
    late = took(run.late) if run.late >= SECOND else ""
    words = [part for part in (why(run), origin(run)) if part]
    more = [f"{tried} attempts"] if tried > 1 else []
    more += [f"{late} late"] if late else []
    return [
        status_cell(run.status),
        run.id,
        _when(run.key.slot, now, zone),
        length,
        late,
        str(tried) if tried else "",
        Cell("; ".join(words), short="; ".join([*words, *more])),
    ]


def _when(moment: Moment, now: Moment, zone: tzinfo) -> Cell:
    words = when(moment, now, zone)
    return Cell(words, short=words.removeprefix("today "))


def _other_row(one: Occurrence, now: Moment, zone: tzinfo) -> list[Cell | str]:
    return [
        status_cell(one.state),
        Cell(str(RunKey(one.job, one.slot, one.nonce)), "dim"),
        _when(one.slot, now, zone),
        "",
        "",
        "",
        reason(one, now, zone),
    ]


def _clock_row(change: Incident, now: Moment, zone: tzinfo) -> list[Cell | str]:
    at = _set_at(change)
    words = f"{change.detail}, from {when(change.since, now, zone)}"
    return [Cell("clock", "warn"), "", _when(at, now, zone), "", "", "", words]


def reason(one: Occurrence, now: Moment, zone: tzinfo) -> str:
    """Why this occurrence did not become a run of its own, in words."""
    words = REASONS.get(one.reason, one.reason)
    if one.state == "merged" and one.into is not None:
        words = f"the one of {when(one.into, now, zone)} stands for it"
    if one.detail:
        words = f"{words}: {one.detail}" if words else one.detail
    if one.count > 1:
        until = f" until {when(one.last, now, zone)}" if one.last is not None else ""
        words = f"{one.count} times{until}; {words}" if words else f"{one.count} times{until}"
    return words
