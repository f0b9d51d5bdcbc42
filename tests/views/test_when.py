from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from runner.moment import parse_iso
from runner.views.when import away, when, zone_of

OSLO = ZoneInfo("Europe/Oslo")
NOW = parse_iso("2026-11-24T12:30:00+01:00")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-24T02:00:00+01:00", "today 02:00"),
        ("2026-11-24T02:00:03+01:00", "today 02:00:03"),
        ("2026-11-23T23:59:00+01:00", "yesterday 23:59"),
        ("2026-11-25T00:00:00+01:00", "tomorrow 00:00"),
        ("2026-11-24T23:30:00+00:00", "tomorrow 00:30"),
        ("2026-11-26T07:30:00+01:00", "Thu 26 Nov 07:30"),
        ("2027-01-03T07:30:00+01:00", "Sun 03 Jan 2027 07:30"),
        ("2026-07-01T07:30:00+02:00", "Wed 01 Jul 07:30"),
    ],
)
def test_times_as_people_say_them(moment: str, text: str) -> None:
    assert when(parse_iso(moment), NOW, OSLO) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (0.9, "now"),
        (-0.9, "now"),
        (1, "in 1s"),
        (59.9, "in 59s"),
        (119, "in 1m"),
        (3_600, "in 1h"),
        (49_500, "in 13h 45m"),
        (-90, "1m ago"),
        (86_400 * 3 + 7_200, "in 3d 2h"),
    ],
)
def test_how_far_away(seconds: float, text: str) -> None:
    assert away(NOW + round(seconds * 1_000_000), NOW) == text


def test_a_zone_nobody_knows_is_utc() -> None:
    assert str(zone_of("Mars/Olympus")) == "UTC"
    assert str(zone_of("Europe/Oslo")) == "Europe/Oslo"
