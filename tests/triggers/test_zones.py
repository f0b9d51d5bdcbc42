"""The tables of clock changes, against the transitions that the zone database itself lists."""

from __future__ import annotations

import importlib.resources
import os
import random
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

import pytest

from runner.errors import TriggerError
from runner.triggers.zones import name_of, zone

ZONES = [
    "Africa/Cairo", "Africa/Casablanca", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "Asia/Gaza",
    "Asia/Tehran", "Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin", "Pacific/Apia", "Antarctica/Troll",
]  # fmt: skip
SPRING_1970, NEW_YEAR_2037 = 0, 2_114_380_800


def compiled(name: str) -> bytes:
    """The file that zoneinfo itself reads: the system's, else the package's."""
    for folder in TZPATH:
        if Path(folder, name).is_file():
            return Path(folder, name).read_bytes()
    return importlib.resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()


def listed(name: str) -> list[tuple[int, int]]:
    """(second, offset from then on) where the offset changes, read from the compiled zone file."""
    data = compiled(name)
    assert data[:4] == b"TZif"
    counts = struct.unpack(">6l", data[20:44])
    isut, isstd, leap, times, types, chars = counts
    skip = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[skip + 20 : skip + 44])
    at = skip + 44
    seconds = struct.unpack(f">{times}q", data[at : at + 8 * times])
    kinds = data[at + 8 * times : at + 9 * times]
    infos = [
        struct.unpack(">lBB", data[at + 9 * times + 6 * n : at + 9 * times + 6 * n + 6])[0]
        for n in range(types)
    ]
    offsets = [infos[kind] for kind in kinds]
    found = []
    for index, second in enumerate(seconds):
        before = offsets[index - 1] if index else infos[0]
        if SPRING_1970 < second < NEW_YEAR_2037 and before != offsets[index]:
            found.append((second, offsets[index]))
    return found


def every_zone() -> list[str]:
    """A dozen in the suite, all of them in the long form (RUNNER_LONG=1)."""
    if os.environ.get("RUNNER_LONG"):
        return sorted(name for name in available_timezones() if name not in ("localtime", "Factory"))
    return ZONES


@pytest.mark.parametrize("name", every_zone())
def test_every_listed_change_is_in_the_table(name: str) -> None:
    last = listed(name)[-1][0] if listed(name) else SPRING_1970
    ours = [(second, after) for second, _, after in zone(name).changes(SPRING_1970, last)]
    assert ours == listed(name)


@pytest.mark.parametrize("name", ZONES)
def test_offsets_and_seconds_agree_with_zoneinfo(name: str) -> None:
    chance = random.Random(name)
    info = ZoneInfo(name)
    for _ in range(500):
        second = chance.randrange(-2_000_000_000, 6_000_000_000)
        offset = datetime.fromtimestamp(second, UTC).astimezone(info).utcoffset()
        assert offset is not None
        assert zone(name).offset_at(second) == offset // timedelta(seconds=1)
        first = zone(name).second_of(second + zone(name).offset_at(second))
        assert first <= second
        assert first + zone(name).offset_at(first) == second + zone(name).offset_at(second)


def test_names() -> None:
    for said in ("UTC", "Europe/Oslo", "+05:30", "-03:00"):
        assert name_of(zone(said).info) == said
    with pytest.raises(TriggerError) as error:
        zone("europe/oslo ")
    assert str(error.value) == "there is no time zone 'europe/oslo ' (did you mean Europe/Oslo?)"
    for bad in ("", "../etc/passwd", "+99:99", "Mars", "\0"):
        with pytest.raises(TriggerError):
            zone(bad)
