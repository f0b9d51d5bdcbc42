from __future__ import annotations

import itertools
import pickle

import pytest

from runner.errors import TriggerError
from runner.moment import iso, parse_iso
from runner.triggers import load
from runner.triggers.cron.crontab import CrontabTrigger
from runner.triggers.zones import zone


def after(text: str, moment: str, count: int, zone_name: str = "UTC") -> list[str]:
    trigger = CrontabTrigger.of(text, zone_name)
    found: list[str] = []
    at: int | None = parse_iso(moment)
    for _ in range(count):
        assert at is not None
        at = trigger.next_after(at)
        if at is None:
            break
        found.append(iso(at, zone(zone_name).info).removesuffix("+00:00").removesuffix(":00"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 2 * * mon-fri", ["2026-01-01T02:00", "2026-01-02T02:00", "2026-01-05T02:00"]),
        ("*/20 9 * * *", ["2026-01-01T09:00", "2026-01-01T09:20", "2026-01-01T09:40"]),
        ("0 0 * * 7", ["2026-01-04T00:00", "2026-01-11T00:00", "2026-01-18T00:00"]),
        ("0 0 * * 0", ["2026-01-04T00:00", "2026-01-11T00:00", "2026-01-18T00:00"]),
        ("0 0 * * fri-mon", ["2026-01-02T00:00", "2026-01-03T00:00", "2026-01-04T00:00"]),
        ("0 0 * * 6-7", ["2026-01-03T00:00", "2026-01-04T00:00", "2026-01-10T00:00"]),
        ("0 22-1 * * *", ["2026-01-01T01:00", "2026-01-01T22:00", "2026-01-01T23:00"]),
        ("0 0 13 * fri", ["2026-01-02T00:00", "2026-01-09T00:00", "2026-01-13T00:00"]),
        ("0 0 */2 * mon", ["2026-01-05T00:00", "2026-01-19T00:00", "2026-02-09T00:00"]),
        ("0 0 ? * mon", ["2026-01-05T00:00", "2026-01-12T00:00", "2026-01-19T00:00"]),
        ("0 0 L * *", ["2026-01-31T00:00", "2026-02-28T00:00", "2026-03-31T00:00"]),
        ("0 0 L-2 * *", ["2026-01-29T00:00", "2026-02-26T00:00", "2026-03-29T00:00"]),
        ("0 0 LW * *", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-31T00:00"]),
        ("0 0 1W * *", ["2026-02-02T00:00", "2026-03-02T00:00", "2026-04-01T00:00"]),
        ("0 0 15W * *", ["2026-01-15T00:00", "2026-02-16T00:00", "2026-03-16T00:00"]),
        ("0 0 31W * *", ["2026-01-30T00:00", "2026-03-31T00:00", "2026-05-29T00:00"]),
        ("0 0 * * friL", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-27T00:00"]),
        ("0 0 * * 5L", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-27T00:00"]),
        ("0 0 * * tue#2", ["2026-01-13T00:00", "2026-02-10T00:00", "2026-03-10T00:00"]),
        ("0 0 * * mon#5", ["2026-03-30T00:00", "2026-06-29T00:00", "2026-08-31T00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("30 0 0 1 1 *", ["2026-01-01T00:00:30", "2027-01-01T00:00:30", "2028-01-01T00:00:30"]),
        ("*/30 * * * * *", ["2026-01-01T00:00:30", "2026-01-01T00:01", "2026-01-01T00:01:30"]),
        ("5/20 0 * * *", ["2026-01-01T00:05", "2026-01-01T00:25", "2026-01-01T00:45"]),
        ("0 0 1 jan,July *", ["2026-07-01T00:00", "2027-01-01T00:00", "2027-07-01T00:00"]),
        ("@hourly", ["2026-01-01T01:00", "2026-01-01T02:00", "2026-01-01T03:00"]),
        ("@weekly", ["2026-01-04T00:00", "2026-01-11T00:00", "2026-01-18T00:00"]),
        ("@monthly", ["2026-02-01T00:00", "2026-03-01T00:00", "2026-04-01T00:00"]),
        ("@Yearly", ["2027-01-01T00:00", "2028-01-01T00:00", "2029-01-01T00:00"]),
    ],
)
def test_next(text: str, expected: list[str]) -> None:
    assert after(text, "2026-01-01T00:00:00+00:00", 3) == expected


@pytest.mark.parametrize(
    ("text", "zone_name", "moment", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
            id="a fixed time in a gap fires at its end",
        ),
        pytest.param(
            "0,15,30 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00+01:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00"],
            id="several in a gap and one due anyway are one firing",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00+02:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
            id="of a repeated hour only the first pass",
        ),
        pytest.param(
            "0 */2 * * *",
            "Europe/Berlin",
            "2026-03-28T23:30+01:00",
            ["2026-03-29T00:00:00+01:00", "2026-03-29T04:00:00+02:00"],
            id="a wildcard line has nothing inside the gap",
        ),
        pytest.param(
            "30 * * * *",
            "Europe/Berlin",
            "2026-10-25T02:00+02:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"],
            id="a wildcard line follows both passes",
        ),
        pytest.param(
            "0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00-03:00",
            ["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
            id="a day without midnight",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00+10:30",
            ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
            id="a change by half an hour",
        ),
        pytest.param(
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00-10:00",
            ["2011-12-31T09:00:00+14:00", "2012-01-01T09:00:00+14:00"],
            id="a skipped day is lost",
        ),
    ],
)
def test_clock_changes(text: str, zone_name: str, moment: str, expected: list[str]) -> None:
    trigger = CrontabTrigger.of(text, zone_name)
    first = trigger.next_after(parse_iso(moment))
    assert first is not None
    second = trigger.next_after(first)
    assert second is not None
    assert [iso(at, zone(zone_name).info) for at in (first, second)] == expected


def test_half_hourly_runs_on_through_a_change() -> None:
    """46 firings on the short day, 50 on the long one, never more than half an hour apart (case 17)."""
    trigger = CrontabTrigger.of("*/30 * * * *", "Europe/Berlin")
    for day, count in (("2026-03-29", 46), ("2026-10-25", 50)):
        begin = zone("Europe/Berlin").moment_of(parse_iso(f"{day}T00:00+00:00") // 1_000_000)
        end = zone("Europe/Berlin").moment_of(parse_iso(f"{day}T00:00+00:00") // 1_000_000 + 86_400)
        found = []
        at = trigger.next_after(begin - 1)
        while at is not None and at < end:
            found.append(at)
            at = trigger.next_after(at)
        assert len(found) == count
        assert {later - earlier for earlier, later in itertools.pairwise(found)} == {1_800_000_000}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "75 * * * *",
            'minute field: "75" has 75, out of range: expected 0 to 59'
            " (write a number from 0 to 59, a list 1,3, a range 1-5, a step */5, or *)",
        ),
        ("0 24 * * *", 'hour field: "24" has 24, out of range: expected 0 to 23 (midnight is hour 0)'),
        (
            "60 * * * *",
            'minute field: "60" has 60, out of range: expected 0 to 59 (minute 0 of the next one)',
        ),
        ("0 0 0 * *", 'day of month field: "0" has 0, out of range: expected 1 to 31 (the first day is 1)'),
        ("0 0 * * 8", 'day of week field: "8" has 8, out of range: expected 0 to 7 (0 and 7 are Sunday)'),
        (
            "2 30 * * *",
            'hour field: "30" has 30, out of range: expected 0 to 23'
            " (the minute comes before the hour: 30 2 * * * is 02:30)",
        ),
        (
            "0 0 * mon *",
            "month field: \"mon\" has 'mon', a day of week (that belongs in the day of week field)",
        ),
        (
            "0 0 * * mondy",
            "day of week field: \"mondy\" has 'mondy', which is no number or name (did you mean mon?)",
        ),
        (
            "*/0 * * * *",
            "minute field: \"*/0\" has the step '0', which is no number from 1 on (*/15 is every 15th)",
        ),
        (
            "*/90 * * * *",
            'minute field: "*/90" has the step 90, longer than the field (0 to 59)'
            " (for a longer period write `every 90m`)",
        ),
        (
            "1,,2 * * * *",
            'minute field: "1,,2" has a comma with nothing beside it (separate values by single commas: 1,15)',
        ),
        (
            "0 0 * * L",
            'day of week field: "L" says last, but not which weekday (friL is the last Friday of the month)',
        ),
        (
            "0 0 * * tue#6",
            'day of week field: "tue#6" has "6" after # (tue#2 is the second Tuesday; 1 to 5 may stand there)',
        ),
        (
            "0 0 * *",
            '"0 0 * *" has 4 fields, a crontab line has 5 (or 6, seconds first)'
            " (minute hour day-of-month month day-of-week, as in 0 2 * * mon-fri)",
        ),
        (
            "0 0 12 ? * MON 2027",
            '"0 0 12 ? * MON 2027" has 7 fields, a crontab line has 5 (or 6, seconds first)'
            " (a seventh field, the year of Quartz, is not known here: use start and end)",
        ),
        ("@dayly", '"@dayly" is not a nickname of a line (did you mean @daily?)'),
        ("@every 5m", '"@every 5m" is not a nickname of a line (write `every 5m`)'),
        (
            "0 0 31 2 *",
            '"0 0 31 2 *" can never fire: no month of "2" has a day "31" (L is the last day of a month)',
        ),
        (
            "0 0 31 4,6 ?",
            '"0 0 31 4,6 ?" can never fire: no month of "4,6" has a day "31" (L is the last day of a month)',
        ),
    ],
)
def test_errors_say_which_field_and_what_it_may_have_meant(text: str, message: str) -> None:
    with pytest.raises(TriggerError) as error:
        CrontabTrigger.of(text)
    assert str(error.value) == message


def test_the_same_meaning_is_the_same_trigger() -> None:
    assert CrontabTrigger.of("0 0 * * 0") == CrontabTrigger.of("0  0 * * sun") == CrontabTrigger.of("@weekly")
    assert hash(CrontabTrigger.of("0 0 * * 7")) == hash(CrontabTrigger.of("@weekly"))
    assert CrontabTrigger.of("0 0 * * *") != CrontabTrigger.of("0 0 * * *", "Europe/Oslo")
    assert CrontabTrigger.of("*/5 * * * *") != CrontabTrigger.of("0 0 * * *")


def test_hash_is_stable_per_job_and_spreads_jobs() -> None:
    of = CrontabTrigger.of
    assert of("H 1 * * *", job_id="backup") == of("H 1 * * *", job_id="backup")
    assert len({of("H 1 * * *", job_id=f"job{n}").line.text for n in range(200)}) > 40
    for n in range(50):
        line = of("H(10-19)/5 H * * *", job_id=f"job{n}").line
        assert line.text.split()[0] in {f"{first}-19/5" for first in range(10, 15)}
    stored = of("H 1 * * *", job_id="backup")
    assert load(stored.to_json()) == stored


@pytest.mark.parametrize("text", ["0 2 * * mon-fri", "*/10 * * * * *", "0 0 LW * friL", "0 0 29 2 *"])
def test_json_and_pickle_keep_the_meaning(text: str) -> None:
    trigger = CrontabTrigger.of(text, "Europe/Oslo", start=5, end=10**17, jitter=30_000_000)
    assert load(trigger.to_json()) == trigger
    copy = pickle.loads(pickle.dumps(trigger))
    assert copy == trigger
    assert copy.next_after(0) == trigger.next_after(0)


def test_start_and_end_are_inclusive() -> None:
    start, end = parse_iso("2026-01-02T02:00+00:00"), parse_iso("2026-01-03T02:00+00:00")
    trigger = CrontabTrigger.of("0 2 * * *", start=start, end=end)
    assert trigger.next_after(0) == start
    assert trigger.next_after(start) == end
    assert trigger.next_after(end) is None
