"""`runner simulate`: what a file would do in a span of time, as one line of events and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from runner.core.run import Delivery, Occurrence, Run
from runner.moment import SECOND, Moment, to_datetime
from runner.notify.compose import message
from runner.spec import JobKey
from runner.views.history import occurrence_entry, reason
from runner.views.run import attempt, entry, origin, status_cell, why
from runner.views.table import Cell, Column, Style, Table, rows
from runner.views.when import iso, took, zone_of


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a simulation; `alerts` are in the order they were sent, with the moment in their news."""

    runs: Sequence[Run]
    others: Sequence[Occurrence] = ()
    alerts: Sequence[Delivery] = ()
    warnings: Sequence[str] = ()


def document(played: Played, zones: Mapping[JobKey, str] | None = None) -> dict[str, Any]:
    """`{occurrences, runs, alerts, warnings}`: occurrences are those that did not run."""
    known = dict(zones or {}) | {run.key.job: run.spec.timezone for run in played.runs}
    return {
        "occurrences": [
            occurrence_entry(one, known.get(one.job, "UTC")) for one in played.others if one.state != "ran"
        ],
        "runs": [entry(run) for run in played.runs],
        "alerts": [_alert(each, known.get(each.news.job, "UTC")) for each in played.alerts],
        "warnings": list(played.warnings),
    }


def of_job(played: Played, job: str) -> Played:
    """Only what happens to one job."""
    return Played(
        [run for run in played.runs if run.spec.id == job],
        [one for one in played.others if one.job.id == job],
        [each for each in played.alerts if each.news.job.id == job],
        played.warnings,
    )


def count(played: Played) -> int:
    """How many lines the table has."""
    return len(played.runs) + len(played.others) + len(played.alerts)


def summary(played: Played, jobs: Sequence[str], *, zone: tzinfo) -> Table:
    """A line for each job: how its runs ended, what did not run, how many alerts, the first and the last time."""
    runs: dict[str, list[Run]] = {}
    others: Counter[str] = Counter()
    alerts = Counter(each.news.job.id for each in played.alerts)
    for run in played.runs:
        runs.setdefault(run.spec.id, []).append(run)
    for one in played.others:
        others[one.job.id] += one.count
    cells: list[list[Cell | str]] = []
    for job in jobs:
        mine = runs.get(job, [])
        good = sum(run.status.good for run in mine)
        first, last = (_minute(mine[n].key.slot, zone) if mine else "" for n in (0, -1))
        cells.append([Cell(job, "bold"), str(len(mine)), _some(good, "good"), _some(len(mine) - good, "bad"),
                      _some(others[job], "warn"), _some(alerts[job], "warn"), first, last])  # fmt: skip
    columns = (
        Column("JOB"),
        *(Column(name, right=True) for name in ("RUNS", "GOOD", "BAD", "NOT RUN", "ALERTS")),
        Column("FIRST"),
        Column("LAST"),
    )
    note = f"{count(played):,} events; --all lists them one by one, --json gives them to programs"
    return Table(columns, rows(cells), empty="nothing happens", notes=(*played.warnings, note))


def _some(number: int, style: Style) -> Cell:
    return Cell(str(number), style) if number else Cell("")


def _minute(moment: Moment, zone: tzinfo) -> str:
    return to_datetime(moment, zone).strftime("%Y-%m-%d %H:%M")


def _alert(delivery: Delivery, zone: str) -> dict[str, Any]:
    news = delivery.news
    return {
        "at": iso(news.at, zone_of(zone)),
        "channel": delivery.channel,
        "kind": news.kind,
        "job": news.job.id,
        "title": message(news).title,
    }


def table(played: Played, *, zone: tzinfo) -> Table:
    """Everything in the order of its time, in the reader's `zone`; a day's first line names the day."""
    events: list[tuple[Moment, int, list[Cell | str]]] = []
    for run in played.runs:
        events.append((run.started_at if run.started_at is not None else run.key.slot, 1, _run(run)))
    for one in played.others:
        if one.state != "ran":
            words = reason(one, one.slot, zone)
            events.append((one.slot, 0, [status_cell(one.state), one.job.id, "", words]))
    for each in played.alerts:
        told = f"to {each.channel}: {message(each.news).title}"
        events.append((each.news.at, 2, [Cell("! alert", "warn"), each.news.job.id, "", told]))
    events.sort(key=lambda event: event[:2])
    cells: list[list[Cell | str]] = []
    day = ""
    for moment, _, row in events:
        there = to_datetime(moment, zone)
        date = there.strftime("%a %d %b %Y")
        clock = there.strftime("%H:%M:%S %Z")
        cells.append([Cell(date if date != day else "", "dim"), clock, *row])
        day = date
    columns = (
        Column("DAY"),
        Column("TIME"),
        Column("WHAT"),
        Column("JOB"),
        Column("TOOK", right=True),
        Column("DETAIL", gives=True),
    )
    return Table(columns, rows(cells), empty="nothing happens", notes=tuple(played.warnings))


def _run(run: Run) -> list[Cell | str]:
    details = [why(run), origin(run)]
    if run.late >= SECOND:
        details.append(f"{took(run.late)} late")
    if (tried := attempt(run)) > 1:
        details.append(f"{tried} attempts")
    length = took(run.took) if run.ended_at is not None else ""
    return [status_cell(run.status), Cell(run.spec.id, "bold"), length, "; ".join(filter(None, details))]
