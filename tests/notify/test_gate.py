from __future__ import annotations

import itertools
from datetime import time, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.run import Delivery, News, NewsKind
from runner.errors import RunnerError
from runner.moment import HOUR, MINUTE, SECOND, iso, parse_iso
from runner.notify.gate import WINDOW, Gate, Quiet
from runner.spec import JobKey

OSLO = ZoneInfo("Europe/Oslo")
NOON = parse_iso("2026-11-24T12:00:00+01:00")


def delivery(number: int, job: str = "etl", kind: NewsKind = "failure", **facts: object) -> Delivery:
    return Delivery(f"d{number}", "ops", News(kind, JobKey("default", "f", job), NOON, None, facts))


def ids(batch: list[Delivery]) -> list[str]:
    return [delivery.id for delivery in batch]


def test_the_first_goes_at_once_and_a_storm_becomes_one() -> None:
    gate = Gate(zone=OSLO)
    sizes = []
    for number in range(500):
        gate.add(delivery(number, f"job{number}"))
        if batch := gate.take(NOON + number * 20_000):
            sizes.append(len(batch))
    end = gate.next_at(NOON + 10 * SECOND)
    assert end == NOON + 10 * SECOND
    sizes.append(len(gate.take(end)))
    assert sizes == [1, 250, 249]


def test_one_job_is_told_of_once_per_interval() -> None:
    gate = Gate(zone=OSLO, min_interval=10 * MINUTE)
    gate.add(delivery(1))
    assert ids(gate.take(NOON)) == ["d1"]
    gate.add(delivery(2))
    gate.add(delivery(3, "other"))
    assert ids(gate.take(NOON + WINDOW)) == ["d3"]
    gate.add(delivery(4))
    assert gate.next_at(NOON + MINUTE) == NOON + 10 * MINUTE
    assert ids(gate.take(NOON + 10 * MINUTE)) == ["d2", "d4"]
    assert gate.next_at(NOON + 10 * MINUTE) is None


@pytest.mark.parametrize(
    ("quiet", "at", "until"),
    [
        ("22:00-07:00", "2026-11-24T21:59:59+01:00", None),
        ("22:00-07:00", "2026-11-24T22:00:00+01:00", "2026-11-25T07:00:00+01:00"),
        ("22:00-07:00", "2026-11-25T06:59:59+01:00", "2026-11-25T07:00:00+01:00"),
        ("22:00-07:00", "2026-11-25T07:00:00+01:00", None),
        ("12:00-13:30", "2026-11-24T12:10:00+01:00", "2026-11-24T13:30:00+01:00"),
        ("12:00-13:30", "2026-11-24T13:30:00+01:00", None),
        # The night of the change to summer time is an hour shorter, the end is 07:00 by the wall all the same.
        ("22:00-07:00", "2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),
        # An end inside the gap: what comes then waits for the first moment after it.
        ("22:00-02:30", "2026-03-28T23:00:00+01:00", "2026-03-29T03:30:00+02:00"),
    ],
)
def test_quiet_times(quiet: str, at: str, until: str | None) -> None:
    end = Quiet.parse(quiet).until(parse_iso(at), OSLO)
    assert (None if end is None else iso(end, OSLO)) == until


@pytest.mark.parametrize("text", ["22-07:00-1", "late", "22:00", "25:00-07:00", "-"])
def test_quiet_times_nobody_can_read(text: str) -> None:
    with pytest.raises(RunnerError) as caught:
        Quiet.parse(text)
    assert caught.value.fact.startswith("quiet: ")
    assert caught.value.hint == 'write quiet: "22:00-07:00"'


def test_quiet_holds_back_then_tells_once_and_urgent_passes() -> None:
    gate = Gate(zone=OSLO, quiet=Quiet(time(22), time(7)))
    midnight = parse_iso("2026-11-25T00:00:00+01:00")
    for number in range(5):
        gate.add(delivery(number, f"job{number}"))
    gate.add(delivery(9, "pager", tags=["urgent"]))
    assert ids(gate.take(midnight)) == ["d9"]
    morning = gate.next_at(midnight + HOUR)
    assert morning == parse_iso("2026-11-25T07:00:00+01:00")
    assert len(gate.take(morning)) == 5


def test_a_test_message_waits_for_nothing() -> None:
    gate = Gate(zone=OSLO, quiet=Quiet(time(0), time(23, 59)), min_interval=HOUR)
    gate.add(delivery(1, kind="test"))
    assert ids(gate.take(NOON)) == ["d1"]


def test_a_clock_set_back_silences_nobody() -> None:
    gate = Gate(zone=OSLO, min_interval=MINUTE)
    gate.add(delivery(1))
    gate.take(NOON)
    gate.add(delivery(2))
    assert gate.next_at(NOON - 5 * HOUR) == NOON - 5 * HOUR + MINUTE


def test_other_rules_hold_for_what_waits() -> None:
    gate = Gate(zone=OSLO, quiet=Quiet(time(0), time(23)))
    gate.add(delivery(1))
    assert gate.take(NOON) == []
    gate.set(zone=OSLO)
    assert ids(gate.take(NOON)) == ["d1"]


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 3)), max_size=60),
    st.sampled_from([None, 20 * SECOND]),
)
def test_everything_goes_once_and_no_window_hears_two(
    arrivals: list[tuple[int, int]], interval: int | None
) -> None:
    gate = Gate(zone=OSLO, min_interval=interval)
    spoken: list[tuple[int, list[Delivery]]] = []
    for number, (at, job) in enumerate(sorted(arrivals)):
        now = NOON + at * SECOND
        while (due := gate.next_at(now)) is not None and due <= now and (batch := gate.take(now)):
            spoken.append((now, batch))
        gate.add(delivery(number, f"job{job}"))
        if batch := gate.take(now):
            spoken.append((now, batch))
    now = NOON + 90 * SECOND
    while (due := gate.next_at(now)) is not None:
        assert due >= now
        now = due
        spoken.append((now, gate.take(now)))
    told = [one.id for _, batch in spoken for one in batch]
    assert sorted(told) == sorted(f"d{number}" for number in range(len(arrivals)))
    times = [at for at, _ in spoken]
    assert all(later - earlier >= WINDOW for earlier, later in itertools.pairwise(times))
    if interval:
        for job in range(4):
            of_job = [at for at, batch in spoken if any(one.news.job.id == f"job{job}" for one in batch)]
            assert all(later - earlier >= interval for earlier, later in itertools.pairwise(of_job))


def test_ten_thousand_that_wait_for_the_morning_are_not_looked_at_each_time() -> None:
    looks = 0

    class Counting(Quiet):
        def until(self, moment: int, zone: tzinfo) -> int | None:
            nonlocal looks
            looks += 1
            return super().until(moment, zone)

    gate = Gate(zone=OSLO, quiet=Counting(time(0), time(23)))
    for number in range(10_000):
        gate.add(delivery(number, f"job{number}"))
        assert gate.take(NOON + number) == []
    assert looks == 10_000
    evening = gate.next_at(NOON + HOUR)
    assert evening == parse_iso("2026-11-24T23:00:00+01:00")
    assert len(gate.take(evening)) == 10_000
