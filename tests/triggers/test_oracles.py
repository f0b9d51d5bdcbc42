"""Crontab text against two independent readers, cronsim and croniter, where their documented meaning is the same.

Where they answer otherwise, and why ours stands (each is checked below, so that a change of theirs is noticed):

- croniter, zones: a fixed time inside a gap is moved by the gap's length (02:30 -> 03:30) or lost, and of a repeated
  hour it fires in both passes. Debian's cron fires once, at the gap's end, and in the first pass only.
- cronsim, zones that change by half an hour (Lord Howe): a time in the gap fires at a full hour instead of its end.
- both: a day-of-month step such as `*/2` beside a weekday counts as restricted or not by the text's first letter in
  ours and in cronsim, as in Vixie's cron ("begins with *"); croniter joins by `or` unless told otherwise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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
