from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.core.run import Job, Occurrence
from runner.triggers.calendars import Calendar
from runner.triggers.schedule import build
from runner.views import why
from tests.views.view_records import ETL, JOBS, NOW, OSLO, OTHERS, RUNS, at, job, run, spec

BY_ID = {one.spec.id: one for one in JOBS}


def said(job: Job, moment: str, **more: Any) -> str:
    of_job: dict[str, Any] = {
        "runs": [run for run in RUNS if run.key.job == job.key],
        "others": [one for one in OTHERS if one.job == job.key],
    }
    slots = [run.key.slot for run in of_job["runs"]] + [one.slot for one in of_job["others"]]
    of_job["oldest"] = min(slots, default=None)
    made = why.answer(job, at(moment), now=NOW, zone=OSLO, **(of_job | more))
    return why.text(made, now=NOW, zone=OSLO)


CASES = [
    (
        "etl",
        "02:00:00",
        """\
etl, today 02:00 Europe/Oslo: ran
  etl@2026-11-24T01:00:00Z failed after 1m 3s, planned today 02:00, 3s late (exit code 3)
  planned before it yesterday 02:00, after it tomorrow 02:00
  its schedule: 0 2 * * * (at 02:00)""",
    ),
    (
        "ping",
        "12:30:00",
        """\
ping, today 12:30 Europe/Oslo: running
  ping@2026-11-24T11:30:00Z running, planned today 12:30
  planned before it today 12:15, after it today 12:45
  its schedule: */15 * * * * (every 15 minutes)""",
    ),
    (
        "ping",
        "12:00:00",
        """\
ping, today 12:00 Europe/Oslo: skipped
  it was planned, but skipped: an earlier run was still at work
  planned before it today 11:45, after it today 12:15
  its schedule: */15 * * * * (every 15 minutes)""",
    ),
    (
        "ping",
        "2026-11-23T03:15:00",
        """\
ping, yesterday 03:15 Europe/Oslo: missed
  it was planned, but missed: 20 times until yesterday 05:45; older than the catch-up window
  planned before it yesterday 03:00, after it yesterday 03:30
  its schedule: */15 * * * * (every 15 minutes)""",
    ),
    (
        "ping",
        "2026-11-23T06:00:00",
        """\
ping, yesterday 06:00 Europe/Oslo: merged
  it was planned, but merged: the one of yesterday 06:15 stands for it
  planned before it yesterday 05:45, after it yesterday 06:15
  its schedule: */15 * * * * (every 15 minutes)""",
    ),
    (
        "ping",
        "2026-11-23T03:20:00",
        """\
ping, yesterday 03:20 Europe/Oslo: not planned
  the minute is 20, the schedule says */15
  planned before it yesterday 03:15, after it yesterday 03:30
  its schedule: */15 * * * * (every 15 minutes)""",
    ),
    (
        "etl",
        "2026-11-26T02:00:00",
        """\
etl, Thu 26 Nov 02:00 Europe/Oslo: planned
  it will run Thu 26 Nov 02:00
  0 2 * * * names 02:00 in Europe/Oslo
  planned before it tomorrow 02:00, after it Fri 27 Nov 02:00
  its schedule: 0 2 * * * (at 02:00)""",
    ),
    (
        "backup",
        "2026-11-29T03:30:00",
        """\
backup, Sun 29 Nov 03:30 Europe/Oslo: planned
  it will be skipped: the job is paused until Tue 01 Dec 08:00
  30 3 * * sun names 03:30 in Europe/Oslo
  planned before it Sun 22 Nov 03:30, after it Sun 06 Dec 03:30
  its schedule: 30 3 * * sun (at 03:30, only on Sunday)""",
    ),
    (
        "backup",
        "2026-12-06T03:30:00",
        """\
backup, Sun 06 Dec 03:30 Europe/Oslo: planned
  the job is paused until Tue 01 Dec 08:00, and goes on by then
  30 3 * * sun names 03:30 in Europe/Oslo
  planned before it Sun 29 Nov 03:30, after it Sun 13 Dec 03:30
  its schedule: 30 3 * * sun (at 03:30, only on Sunday)""",
    ),
    (
        "etl",
        "2026-11-20T02:00:00",
        """\
etl, Fri 20 Nov 02:00 Europe/Oslo: unknown
  its schedule names this time, but nothing is written down of it
  the oldest record of this job is of yesterday 02:00; before that it was not there, had another schedule, or its"""
        """ history was cleared
  planned before it Thu 19 Nov 02:00, after it Sat 21 Nov 02:00
  its schedule: 0 2 * * * (at 02:00)""",
    ),
    (
        "reindex",
        "2026-11-22T09:30:00",
        """\
reindex, Sun 22 Nov 09:30 Europe/Oslo: ran
  reindex@2026-11-22T08:30:00Z+1 succeeded after 1m 3s, manual by kari Sun 22 Nov 09:30""",
    ),
    (
        "reindex",
        "10:00:00",
        "reindex, today 10:00 Europe/Oslo: not planned\n  it has no schedule; it runs by hand",
    ),
    (
        "report",
        "10:00:00",
        "report, today 10:00 Europe/Oslo: not planned\n  it has no schedule; it runs after etl",
    ),
]


@pytest.mark.parametrize(("id", "moment", "text"), CASES)
def test_whole_answers(id: str, moment: str, text: str) -> None:
    assert said(BY_ID[id], moment) == text


def test_a_run_by_hand_is_found_by_its_minute() -> None:
    odd = run(ETL, "10:15:42", origin="manual", nonce="1")
    assert said(BY_ID["etl"], "10:15:00", runs=[odd]).startswith(
        "etl, today 10:15 Europe/Oslo: ran\n  etl@2026-11-24T09:15:42Z+1"
    )


def test_as_json() -> None:
    made = why.answer(BY_ID["ping"], at("12:00:00"), now=NOW, zone=OSLO, others=OTHERS[:1])
    assert why.document(made) == {
        "job": "ping",
        "at": "2026-11-24T12:00:00+01:00",
        "verdict": "skipped",
        "note": "",
        "schedule": "*/15 * * * * (every 15 minutes)",
        "because": ["it was planned, but skipped: an earlier run was still at work"],
        "run": None,
        "occurrence": {
            "id": None,
            "job": "ping",
            "status": "skipped",
            "reason": "overlap",
            "scheduled_at": "2026-11-24T12:00:00+01:00",
            "started_at": None,
            "ended_at": None,
            "took": None,
            "late": 0.0,
            "attempt": 0,
            "trigger": "schedule",
            "commit": None,
            "steps": [],
            "detail": "",
            "last": None,
            "count": 1,
            "into": None,
            "decided_at": "2026-11-24T12:00:00+01:00",
        },
        "previous": "2026-11-24T11:45:00+01:00",
        "next": "2026-11-24T12:15:00+01:00",
    }


def test_a_broken_and_a_finished_job_will_not_run() -> None:
    daily = spec("daily", "0 18 * * *")
    assert "it will not run: the job is broken (gone)" in said(
        job(daily, state="broken", reason="gone"), "18:00:00"
    )
    assert "it will not run: the job is finished" in said(job(daily, state="finished"), "18:00:00")
    off = job(daily, state="paused", reason="disabled")
    assert "it will be skipped: the job is paused (the job is disabled)" in said(off, "18:00:00")


def test_an_occurrence_on_a_day_off_is_explained_though_the_rule_passes_it_by() -> None:
    off = Occurrence(ETL.key, at("03:00:00"), "skipped", "calendar", detail="Christmas Day")
    assert "it was planned, but skipped: a day off: Christmas Day" in said(
        BY_ID["etl"], "03:00:00", others=[off]
    )


def test_a_time_amid_a_range_of_days_off_is_skipped_and_one_that_nobody_named_is_not() -> None:
    calendars = {"off": Calendar("off", weekend=frozenset({5, 6}))}
    trigger = build(
        {"cron": "*/15 * * * *", "calendar": "off"}, timezone="Europe/Oslo", job_id="x", calendars=calendars
    )
    one = job(replace(spec("x"), trigger=trigger))
    first, last = at("2026-11-22T00:00:00"), at("2026-11-22T23:45:00")
    record = Occurrence(one.key, first, "skipped", "calendar", last=last, count=96, detail="a Sunday")
    assert "skipped: 96 times until Sun 22 Nov 23:45; a day off: a Sunday" in said(
        one, "2026-11-22T12:15:00", others=[record]
    )
    assert ": not planned" in said(one, "2026-11-22T12:20:00", others=[record])


def test_a_time_amid_two_ranges_is_of_the_one_that_counted_it() -> None:
    """Half hours on working days, full hours on all days; nobody served them from Friday to Sunday."""
    calendars = {"off": Calendar("off", weekend=frozenset({5, 6}))}
    trigger = build(
        [{"cron": "*/30 * * * *", "calendar": "off"}, "0 * * * *"],
        timezone="Europe/Oslo",
        job_id="x",
        calendars=calendars,
    )
    one = job(replace(spec("x"), trigger=trigger))
    friday, saturday, until = at("2026-11-20T12:00:00"), at("2026-11-21T00:30:00"), at("2026-11-22T08:00:00")
    down = Occurrence(one.key, friday, "missed", "downtime", last=until, count=56)
    off = Occurrence(
        one.key,
        saturday,
        "skipped",
        "calendar",
        last=at("2026-11-21T23:30:00"),
        count=24,
        detail="a Saturday",
    )
    for others in ([off, down], [down, off]):
        assert "missed: 56 times" in said(one, "2026-11-21T12:00:00", others=others)
        assert "skipped: 24 times" in said(one, "2026-11-21T12:30:00", others=others)
    paused = Occurrence(one.key, friday, "skipped", "paused", last=until, count=56)
    assert ": not planned" in said(one, "2026-11-21T12:30:00", others=[paused])


def test_a_day_that_was_off_then_is_explained_though_it_is_worked_by_the_calendar_of_now() -> None:
    one = job(
        replace(spec("x"), trigger=build("0 * * * *", timezone="Europe/Oslo", job_id="x", calendars={}))
    )
    first, last = at("2026-11-21T00:00:00"), at("2026-11-21T23:00:00")
    off = Occurrence(one.key, first, "skipped", "calendar", last=last, count=24, detail="a Saturday")
    assert "skipped: 24 times" in said(one, "2026-11-21T12:00:00", others=[off])
