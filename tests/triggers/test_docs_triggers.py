"""What docs/triggers.md says is true: its files load, its times are the next ones, its errors are word for word."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runner import config
from runner.core.run import Job
from runner.errors import TriggerError
from runner.moment import Moment, from_datetime, to_datetime
from runner.spec import Command, JobSpec, Step
from runner.triggers import explain
from runner.triggers.cron.crontab import NICKNAMES
from runner.triggers.lint import lint
from runner.triggers.schedule import build
from runner.views import why

PAGE = (Path(__file__).parents[2] / "docs/triggers.md").read_text()
BLOCKS = re.findall(r"^```([a-z]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
OSLO = ZoneInfo("Europe/Oslo")
NOW = from_datetime(datetime(2026, 11, 25, 12, tzinfo=OSLO))


def blocks(kind: str) -> list[str]:
    found = [text for name, text in BLOCKS if name == kind]
    assert found, kind
    return found


def rows(kind: str) -> list[list[str]]:
    return [re.split(r"\s+=> ", line, maxsplit=1) for text in blocks(kind) for line in text.splitlines()]


def shown(at: Moment, offset: bool) -> str:
    there = to_datetime(at, OSLO)
    clock = f"{there.day} {there:%b %H:%M:%S}".removesuffix(":00")
    return clock + there.isoformat()[-6:] if offset else clock


@pytest.mark.parametrize(("schedule", "times"), rows("schedules"))
def test_next_times(schedule: str, times: str) -> None:
    trigger = build(schedule, timezone="Europe/Oslo", job_id="etl", calendars={})
    expected = times.split(", ")
    assert [shown(at, False) for at in explain.following(trigger, NOW, len(expected))] == expected


@pytest.mark.parametrize(("schedule", "times"), rows("changes"))
def test_clock_changes(schedule: str, times: str) -> None:
    trigger = build(schedule, timezone="Europe/Oslo", job_id="etl", calendars={})
    expected = times.split(", ")
    first = datetime.strptime(f"2027 {expected[0]}", "%Y %d %b %H:%M%z")
    found = explain.following(trigger, from_datetime(first) - 1, len(expected))
    assert [shown(at, True) for at in found] == expected


@pytest.mark.parametrize(("schedule", "message"), rows("errors"))
def test_errors(schedule: str, message: str) -> None:
    with pytest.raises(TriggerError) as caught:
        build(schedule, timezone="Europe/Oslo", job_id="etl", calendars={})
    assert str(caught.value) == message


ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:test
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20261225
SUMMARY:Christmas Day
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize("text", blocks("yaml"))
def test_files_load(text: str, tmp_path: Path) -> None:
    (tmp_path / "bank-holidays.ics").write_text(ICS)
    file = tmp_path / "jobs.yaml"
    file.write_text(text)
    assert config.load(file).jobs


@pytest.mark.parametrize("text", blocks("why"))
def test_answers(text: str) -> None:
    asked, _, answer = text.partition("\n")
    id, when = asked.split()
    trigger = build("30 2 * * *", timezone="Europe/Oslo", job_id=id, calendars={})
    step = Step("main", Command(script="true"))
    job = Job(JobSpec(id, (step,), trigger, timezone="Europe/Oslo", schedule="30 2 * * *"))
    wall = datetime.fromisoformat(when)
    note = explain.clock_change(wall, "Europe/Oslo")
    at = (
        from_datetime(wall.replace(tzinfo=OSLO))
        if not note
        else from_datetime(datetime(2027, 3, 28, 3, tzinfo=OSLO))
    )
    made = why.answer(job, at, now=NOW, zone=OSLO)
    assert why.text(made, now=NOW, zone=OSLO, note=note) + "\n" == answer


def test_programs_run() -> None:
    """One after another, as somebody types them."""
    names: dict[str, object] = {}
    for text in blocks("python"):
        exec(text, names)
    assert "weekdays" in names


def test_every_kind_of_warning_and_every_nickname_is_there() -> None:
    schedules: list[Any] = [
        "*/7 * * * *", "0 0 1 * fri", "every 7m", "every 1d", "30 2 * * *", {"at": "2020-01-01"},
    ]  # fmt: skip
    kinds = {
        (finding.kind, finding.doubtful)
        for schedule in schedules
        for finding in lint(build(schedule, timezone="Europe/Oslo", job_id="etl", calendars={}), NOW)
    }
    told = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert told == {kind for kind, doubtful in kinds if doubtful} | {"same-instant"}
    assert {kind for kind, doubtful in kinds if not doubtful} == {"clock-change"}
    assert "A `clock-change` is a note" in PAGE
    assert all(name in PAGE for name in NICKNAMES)
