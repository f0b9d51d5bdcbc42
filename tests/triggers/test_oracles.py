"""Crontab text against two independent readers, cronsim and croniter, where their documented meaning is the same.

Where they answer otherwise stands in DISAGREEMENTS, one by one with the reason, and each is checked: with ours, and
with theirs, so that a change of theirs is noticed. The judge is Debian's cron itself (test_debian_cron.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from croniter import CroniterBadCronError, croniter
from cronsim import CronSim, CronSimError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.errors import TriggerError
from runner.moment import SECOND, iso, to_datetime
from runner.triggers.cron.crontab import CrontabTrigger

MOMENTS = st.integers(1_262_304_000, 2_000_000_000)
COUNT = 6


def number(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(str)


def distinct(ends: list[int]) -> bool:
    return ends[0] < ends[1]


def field(low: int, high: int) -> st.SearchStrategy[str]:
    spans = st.tuples(st.integers(low, high - 1), st.integers(low + 1, high)).map(sorted).filter(distinct)
    return st.one_of(
        st.just("*"),
        number(low, high),
        spans.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.integers(2, min(9, high)).map(lambda n: f"*/{n}"),
        st.lists(number(low, high), min_size=2, max_size=4, unique=True).map(",".join),
    )


LINES = st.tuples(
    field(0, 59),
    field(0, 23),
    st.one_of(st.just("*"), field(1, 28), st.just("L")),
    st.one_of(st.just("*"), field(1, 12)),
    st.one_of(st.just("*"), field(0, 6), st.sampled_from(["mon-fri", "sun", "fri#2", "7"])),
).map(" ".join)


def ours(text: str, zone: str, second: int) -> list[str]:
    trigger = CrontabTrigger.of(text, zone)
    at: int | None = second * SECOND
    found = []
    for _ in range(COUNT):
        assert at is not None
        at = trigger.next_after(at)
        if at is None:
            break
        found.append(iso(at))
    return found


def cronsims(text: str, zone: str, second: int) -> list[str]:
    start = to_datetime(second * SECOND, ZoneInfo(zone))
    steps = CronSim(text, start)
    return [found.astimezone(UTC).isoformat() for found, _ in zip(steps, range(COUNT), strict=False)]


def croniters(text: str, zone: str, second: int) -> list[str]:
    steps = croniter(text, to_datetime(second * SECOND, ZoneInfo(zone)))
    return [steps.get_next(datetime).astimezone(UTC).isoformat() for _ in range(COUNT)]


@settings(max_examples=200, deadline=None)
@given(LINES, MOMENTS)
def test_cronsim_in_utc(text: str, second: int) -> None:
    assert ours(text, "UTC", second) == cronsims(text, "UTC", second)


@settings(max_examples=200, deadline=None)
@given(
    LINES,
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kolkata"]
    ),
    MOMENTS,
)
def test_cronsim_in_zones(text: str, zone: str, second: int) -> None:
    assert ours(text, zone, second) == cronsims(text, zone, second)


@settings(max_examples=150, deadline=None)
@given(LINES, MOMENTS)
def test_croniter_in_utc(text: str, second: int) -> None:
    _, _, day, _, weekday = text.split()
    assume(not (day.startswith("*/") and weekday != "*") and not (weekday.startswith("*/") and day != "*"))
    assume("#" not in weekday or day == "*")
    assert ours(text, "UTC", second) == croniters(text, "UTC", second)


def test_croniter_in_zones_on_days_without_a_change() -> None:
    """In zones the three agree as long as no clock changes: from April to September."""
    for text in ("30 2 * * *", "*/20 1-3 * * *", "0 */2 * * *", "15 4 * * sun", "0 9 1,15 * *"):
        for zone in ("Europe/Berlin", "America/New_York"):
            begin = int(datetime(2026, 4, 10, tzinfo=UTC).timestamp())
            assert ours(text, zone, begin) == croniters(text, zone, begin) == cronsims(text, zone, begin)


CHANGE = "2026-10-24T12:00:00+02:00"
DISAGREEMENTS = [
    # (line, zone, from, ours, cronsim's, croniter's): the firings in the zone, or the error; None where as ours.
    pytest.param(
        "30 2 * * *",
        "Europe/Berlin",
        CHANGE,
        ["10-25 02:30+0200", "10-26 02:30+0100"],
        None,
        ["10-25 02:30+0200", "10-25 02:30+0100"],
        id="croniter fires a fixed time in both passes of a repeated hour; Debian's cron in the first only",
    ),
    pytest.param(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T12:00:00+11:00",
        ["04-05 01:45+1100", "04-06 01:45+1030"],
        None,
        ["04-05 01:45+1100", "04-05 01:45+1030"],
        id="the same where half an hour is repeated",
    ),
    pytest.param(
        "0 */2 * * *",
        "Europe/Berlin",
        "2026-03-29T00:00:00+01:00",
        ["03-29 04:00+0200", "03-29 06:00+0200"],
        None,
        ["03-29 03:00+0200", "03-29 04:00+0200"],
        id="croniter moves a wildcard line to the end of a gap; to Debian's cron 02:00 does not exist that day",
    ),
    pytest.param(
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00:00-10:00",
        ["12-31 09:00+1400", "01-01 09:00+1400"],
        ["12-31 00:00+1400", "12-31 09:00+1400"],
        ["12-31 00:00+1400", "12-31 09:00+1400"],
        id="both make up for a skipped day at midnight; to Debian's cron more than three hours are a set clock",
    ),
    pytest.param(
        "0 0 */2 * mon",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-05 00:00+0000", "01-19 00:00+0000"],
        None,
        ["01-03 00:00+0000", "01-05 00:00+0000"],
        id="croniter takes */2 for a restricted day; crontab(5): a field that begins with * is not, so both must match",
    ),
    pytest.param(
        "0 0 1 * */2",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["02-01 00:00+0000", "03-01 00:00+0000"],
        None,
        ["01-03 00:00+0000", "01-04 00:00+0000"],
        id="and so for the day of the week",
    ),
    pytest.param(
        "0 0 1 * tue#1",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-06 00:00+0000", "02-01 00:00+0000"],
        None,
        ["01-06 00:00+0000", "02-03 00:00+0000"],
        id="croniter forgets the day of the month beside #; it is either, as everywhere in crontab",
    ),
    pytest.param(
        "0 0 * * 5/2",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-02 00:00+0000", "01-09 00:00+0000"],
        ["01-02 00:00+0000", "01-04 00:00+0000"],
        None,
        id="cronsim counts 5/2 on to 7, which is Sunday again; the week ends with Saturday, 6",
    ),
    pytest.param(
        "*/90 * * * *",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        "longer than the field",
        ["01-01 01:00+0000", "01-01 02:00+0000"],
        ["01-01 01:00+0000", "01-01 02:00+0000"],
        id="both read */90 as hourly; nobody means that, so it is an error here",
    ),
    pytest.param(
        "0 0 * * L5",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        "5L is the last of the month",
        CronSimError,
        ["01-30 00:00+0000", "02-27 00:00+0000"],
        id="croniter alone writes L5; Quartz and cronsim write 5L",
    ),
    pytest.param(
        "0 0 LW * *",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-30 00:00+0000", "02-27 00:00+0000"],
        None,
        CroniterBadCronError,
        id="croniter knows no LW",
    ),
    pytest.param(
        "0 0 15W * *",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-15 00:00+0000", "02-16 00:00+0000"],
        CronSimError,
        None,
        id="cronsim knows no W",
    ),
    pytest.param(
        "0 0 L-2 * *",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-29 00:00+0000", "02-26 00:00+0000"],
        CronSimError,
        CroniterBadCronError,
        id="neither knows L-2",
    ),
    pytest.param(
        "0 0 * * fri-mon",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-02 00:00+0000", "01-03 00:00+0000"],
        CronSimError,
        None,
        id="cronsim knows no range that wraps",
    ),
    pytest.param(
        "0 0 ? * mon",
        "UTC",
        "2026-01-01T00:00:00+00:00",
        ["01-05 00:00+0000", "01-12 00:00+0000"],
        CronSimError,
        None,
        id="cronsim knows no ?",
    ),
]


def first_two(answers: list[str], zone: str) -> list[str]:
    shown = [datetime.fromisoformat(one).astimezone(ZoneInfo(zone)) for one in answers[:2]]
    return [f"{one:%m-%d %H:%M%z}" for one in shown]


Said = type[Exception] | list[str] | None


@pytest.mark.parametrize(("text", "zone", "start", "mine", "cronsim", "iterated"), DISAGREEMENTS)
def test_disagreements(
    text: str, zone: str, start: str, mine: str | list[str], cronsim: Said, iterated: Said
) -> None:
    begin = int(datetime.fromisoformat(start).timestamp())
    if isinstance(mine, str):
        with pytest.raises(TriggerError, match=mine):
            ours(text, zone, begin)
    else:
        assert first_two(ours(text, zone, begin), zone) == mine
    assert (cronsim, iterated) != (None, None)
    for read, said in ((cronsims, cronsim), (croniters, iterated)):
        if isinstance(said, type):
            with pytest.raises(said):
                read(text, zone, begin)
        else:
            assert first_two(read(text, zone, begin), zone) == (mine if said is None else said)
