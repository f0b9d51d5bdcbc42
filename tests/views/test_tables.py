"""Whole tables and whole documents of one small house."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from rich.cells import cell_len

from runner.core.event import Maintenance
from runner.core.run import Outcome, Status, StepRun
from runner.moment import HOUR, MINUTE, SECOND
from runner.spec import OnlyAfter
from runner.triggers.date import DateTrigger
from runner.views import calendar, history, listing, status, upcoming
from runner.views import run as one_run
from runner.views.table import Cell, Column, Table, plain, rows, text
from tests.views import view_golden as golden
from tests.views.view_records import (
    BACKUP,
    ETL,
    FILE,
    JOBS,
    LAST,
    NOW,
    OSLO,
    OTHERS,
    PING,
    RUNS,
    at,
    job,
    run,
    spec,
)

MORE = (*JOBS, job(spec("nightly-copy", "15 2 * * *")), job(spec("mail", "0 9 * * mon-fri", timezone="UTC")))
ANSWER: dict[str, Any] = {
    "leader": {"pid": 4711, "host": "box", "since": "2026-11-24T11:00:00+00:00"},
    "file": FILE,
    "commit": "1a2b3c4",
    "runner": "0.1.0",
    "state_dir": "/var/lib/runner",
    "loaded_at": "2026-11-24T11:29:00+00:00",
    "config": {"ok": True, "error": "", "since": None},
    "store": {"ok": True, "error": ""},
    "jobs": 6,
    "running": [RUNS[0].id],
    "waiting": [],
    "draining": False,
}
BAD = ANSWER | {
    "commit": None,
    "config": {
        "ok": False,
        "error": "error[unknown-key]: there is no key 'scheduel'",
        "since": "2026-11-24T11:20:00+00:00",
    },
    "store": {"ok": False, "error": "disk full"},
    "running": [],
    "waiting": ["etl@x"],
    "draining": True,
}
AFTER = at("2026-11-25T01:30:00")
SAID: dict[str, Any] = {"now": NOW, "zone": OSLO}

TABLES = {
    "LIST": lambda: text(listing.table(JOBS, LAST, **SAID)),
    "LIST_NARROW": lambda: text(listing.table(JOBS, LAST, **SAID), width=105),
    "NEXT": lambda: text(upcoming.table(upcoming.upcoming(MORE, after=AFTER, now=NOW, count=7), **SAID)),
    "HISTORY": lambda: text(history.table(RUNS, OTHERS, **SAID)),
    "RUN": lambda: text(one_run.table(RUNS[3], **SAID)),
    "WEEK": lambda: calendar.text(calendar.heat(MORE, **SAID, days=3)),
    "STATUS": lambda: text(status.table(ANSWER, **SAID)),
    "STATUS_BAD": lambda: text(status.table(BAD, **SAID)),
}


@pytest.mark.parametrize("name", TABLES)
def test_whole_tables(name: str) -> None:
    assert TABLES[name]() == getattr(golden, name)


def test_list_as_json() -> None:
    document = json.loads(json.dumps(listing.document(JOBS, LAST)))
    assert document["jobs"][0] == {
        "id": "etl",
        "name": "Nightly ETL",
        "source": FILE,
        "state": "scheduled",
        "reason": "",
        "schedule": "0 2 * * *",
        "next_at": "2026-11-25T02:00:00+01:00",
        "last": {
            "id": "etl@2026-11-24T01:00:00Z",
            "status": "failed",
            "scheduled_at": "2026-11-24T02:00:00+01:00",
            "started_at": "2026-11-24T02:00:03+01:00",
            "ended_at": "2026-11-24T02:01:06+01:00",
            "took": 63.0,
        },
        "failures": 2,
        "paused_until": None,
    }
    assert document["jobs"][2]["next_at"] is None
    assert document["jobs"][2]["paused_until"] == "2026-12-01T08:00:00+01:00"
    assert document["jobs"][4]["reason"] == "no function app.tasks:clean"
    assert document["jobs"][3]["last"]["took"] is None


def test_next_as_json() -> None:
    document = upcoming.document(upcoming.upcoming(JOBS, after=AFTER, now=NOW, count=2))
    assert document == {
        "occurrences": [
            {"job": "ping", "at": "2026-11-25T01:45:00+01:00", "note": ""},
            {"job": "etl", "at": "2026-11-25T02:00:00+01:00", "note": ""},
        ]
    }


def test_history_as_json() -> None:
    zones = {one.spec.key: one.spec.timezone for one in JOBS}
    document = json.loads(json.dumps(history.document(RUNS, OTHERS, zones)))
    assert document["runs"][4] == {
        "id": "etl@2026-11-24T01:00:00Z",
        "job": "etl",
        "status": "failed",
        "reason": "",
        "scheduled_at": "2026-11-24T02:00:00+01:00",
        "started_at": "2026-11-24T02:00:03+01:00",
        "ended_at": "2026-11-24T02:01:06+01:00",
        "took": 63.0,
        "late": 3.0,
        "attempt": 3,
        "trigger": "schedule",
        "commit": None,
        "steps": [{"id": "main", "status": "failed", "attempt": 3, "exit_code": 3, "took": 63.0}],
    }
    assert [each["status"] for each in document["runs"]] == (
        "running succeeded skipped succeeded failed merged timed_out missed succeeded skipped".split()
    )
    assert document["runs"][7] == {
        "id": None,
        "job": "ping",
        "status": "missed",
        "reason": "window",
        "scheduled_at": "2026-11-23T01:00:00+01:00",
        "started_at": None,
        "ended_at": None,
        "took": None,
        "late": 0.0,
        "attempt": 0,
        "trigger": "schedule",
        "commit": None,
        "steps": [],
        "detail": "",
        "last": "2026-11-23T05:45:00+01:00",
        "count": 20,
        "into": None,
        "decided_at": "2026-11-23T06:00:30+01:00",
    }
    assert len(history.document(RUNS)["runs"]) == len(RUNS)


def test_a_run_as_json_has_its_steps_in_full() -> None:
    bad = Outcome(Status.FAILED, exit_code=3, error="no such table", outputs={"rows": 7})
    made = replace(run(ETL, "02:00:00", "failed", outcome=bad), by="kari", params={"date": "2026-11-24"})
    document = one_run.document(made)["run"]
    assert (document["by"], document["params"]) == ("kari", {"date": "2026-11-24"})
    assert document["steps"] == [
        {
            "id": "main",
            "status": "failed",
            "attempt": 1,
            "exit_code": 3,
            "took": 63.0,
            "started_at": "2026-11-24T02:00:00+01:00",
            "ended_at": "2026-11-24T02:01:03+01:00",
            "reason": "",
            "error": "no such table",
            "outputs": {"rows": 7},
        }
    ]


def test_calendar_as_json() -> None:
    document = calendar.document(calendar.heat(MORE, now=NOW, zone=OSLO, days=2))
    assert document["often"] == ["ping (*/15 * * * *)"]
    tomorrow = document["days"][1]
    assert (tomorrow["date"], tomorrow["total"]) == ("2026-11-25", 3)
    assert [hour for hour, count in enumerate(tomorrow["hours"]) if count] == [2, 10]


# ── odd cases ───────────────────────────────────────────────────────────────────────────────


def test_the_map_fits_a_narrow_terminal_and_names_the_zone() -> None:
    heat = calendar.heat(MORE, now=NOW, zone=OSLO, days=3)
    assert calendar.text(heat, width=60, zone="Europe/Oslo").splitlines()[:5] == [
        "Europe/Oslo  00 03 06 09 12 15 18 21    due",
        "today        ························     0",
        "tomorrow     ··▒·······░·············     3",
        "Thu 26 Nov   ··▒·······░·············     3",
        "due in an hour: · none  ░ 1  ▒ 2",
    ]


def test_what_maintenance_keeps_from_starting_is_not_on_the_map_but_below() -> None:
    patching = Maintenance("patching", DateTrigger.of(NOW), 24 * HOUR)
    heat = calendar.heat(MORE, now=NOW, zone=OSLO, days=2, maintenance=[patching])
    *_, tomorrow = calendar.document(heat)["days"]
    assert tomorrow["total"] == 0
    assert calendar.document(heat)["maintenance"] == {"patching": 3}
    assert calendar.text(heat).splitlines()[-1] == "not counted, for maintenance patching: 3"


def test_a_job_due_every_second_costs_the_map_nothing() -> None:
    fast = job(spec("fast", "* * * * * *"))
    made = calendar.heat([fast], now=NOW, zone=OSLO)
    assert made.often == ("fast (* * * * * *)",)
    assert not made.counts


def test_the_first_coming_one_is_what_the_record_says() -> None:
    moved = job(PING, next_at=NOW + 7 * MINUTE)
    assert [one.at - NOW for one in upcoming.upcoming([moved], after=NOW, now=NOW, count=2)] == [
        7 * MINUTE,
        15 * MINUTE,
    ]


def test_a_paused_job_comes_when_its_pause_ends() -> None:
    until = at("2026-11-29T03:30:00")
    paused = job(BACKUP, state="paused", paused_until=until)
    assert upcoming.upcoming([paused], after=NOW, now=NOW, count=1)[0].at == until
    for_ever = job(BACKUP, state="paused", paused_until=None)
    assert upcoming.upcoming([for_ever], after=NOW, now=NOW, count=1) == []


def test_notes_say_what_may_move_it() -> None:
    gated = job(spec("gated", "0 13 * * *", only_after=OnlyAfter("etl", 2 * HOUR), timezone="UTC"))
    coming = upcoming.upcoming([gated], after=NOW, now=NOW, count=1)
    assert text(upcoming.table(coming, **SAID)) == (
        "WHEN                   JOB    NOTE\ntoday 14:00  in 1h 30m  gated  once etl succeeded, 13:00 UTC"
    ).replace("WHEN                   JOB", "WHEN                    JOB")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (listing.table([], {}, **SAID), "there are no jobs"),
        (upcoming.table([], **SAID), "nothing is planned"),
        (history.table([], **SAID), "nothing has run yet"),
    ],
)
def test_nothing_is_said_in_words(table: Table, said: str) -> None:
    assert text(table) == said


def test_a_run_of_several_steps_says_which_one_failed() -> None:
    steps = {
        "load": StepRun("load", status=Status.SUCCEEDED, attempt=1, outcome=Outcome(Status.SUCCEEDED, 0)),
        "sum": StepRun("sum", status=Status.FAILED, attempt=2, outcome=Outcome(Status.FAILED, 9)),
        "mail": StepRun("mail", status=Status.SKIPPED),
    }
    made = run(ETL, "02:00:00", "failed", steps=steps)
    assert one_run.why(made) == "sum: exit code 9"
    assert one_run.entry(made)["attempt"] == 2


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("failed", "exit code 143"),
        ("timed_out", "stopped after its timeout"),
        ("cancelled", "stopped after its timeout"),
    ],
)
def test_of_what_was_stopped_the_reason_counts_and_not_its_signal(status: str, said: str) -> None:
    outcome = Outcome(Status(status), exit_code=143, error="stopped after its timeout")
    assert one_run.why(run(ETL, "02:00", status, outcome=outcome)) == said


def test_no_text_moves_the_cursor() -> None:
    evil = job(spec("evil", description="x"), state="broken", reason="\x1b[2J\x07\nrm -rf\u202e")
    made = text(listing.table([evil], {}, **SAID))
    assert "broken: \\x1b[2J\\x07 rm -rf\\u202e" in made
    assert "\x1b" not in made


def test_colours_are_only_where_asked_for() -> None:
    made = text(listing.table(JOBS, LAST, **SAID), colour=True)
    assert "\x1b[31mfailing (2 in a row)\x1b[0m" in made
    assert "\x1b" not in golden.LIST


def test_wide_letters_stay_in_line() -> None:
    columns = (Column("NAME", gives=True), Column("N", right=True))
    table = Table(columns, rows([("日本語のジョブ", "1"), ("plain", "22")]))
    lines = text(table, width=14).split("\n")
    assert [cell_len(line) for line in lines] == [14, 14, 14]
    assert lines[1] == "日本語の…    1"


@pytest.mark.parametrize("width", range(20, 160, 7))
def test_a_narrow_table_says_the_same_in_fewer_columns(width: int) -> None:
    lines = text(history.table(RUNS, OTHERS, **SAID), width=width).split("\n")
    wide = max(map(cell_len, golden.HISTORY.split("\n"))) <= width
    more = ["LATE", "ATTEMPT"] if wide else []
    assert lines[0].split() == ["STATUS", "RUN", "SCHEDULED", "TOOK", *more, "WHY"]
    assert len(lines) == len(golden.HISTORY.split("\n"))
    assert all(cell_len(line) <= max(width, 84) for line in lines)
    if width >= 130:
        failed = next(line for line in lines if "etl@2026-11-24" in line)
        assert (
            failed.split()[-2:] == ["code", "3"]
            if wide
            else failed.endswith("exit code 3; 3 attempts; 3s late")
        )


def test_order_of_upcoming_is_time_then_as_given() -> None:
    coming = upcoming.upcoming(MORE, after=NOW, now=NOW, count=200)
    order = {one.spec.id: index for index, one in enumerate(MORE)}
    assert all((a.at, order[a.job.spec.id]) < (b.at, order[b.job.spec.id]) for a, b in pairwise(coming))


def test_plain_text() -> None:
    assert plain("a\tb\nc") == "a\\tb c"
    assert Cell("x").style == ""


def test_late_is_said_from_a_second_on() -> None:
    made = history.table([run(PING, "12:00:00", late=SECOND - 1), run(PING, "12:15:00", late=SECOND)], **SAID)
    assert [row[4].text for row in made.rows] == ["1s", ""]
