"""A schedule in the wrong order of words: what is told to write instead, and that it can be written."""

from __future__ import annotations

import pytest

from runner.errors import TriggerError
from runner.triggers.meant import hint_for
from runner.triggers.schedule import build

MEANT = """\
15m                                        every 15m
evry 5m                                    every 5m
at 02:00 on weekdays                       every weekday at 02:00
weekdays at 02:00                          every weekday at 02:00
at 02:00 mon-fri                           every mon-fri at 02:00
daily at 02:00                             every day at 02:00
at 02:00 daily                             every day at 02:00
2am every day                              every day at 2am
on mon, wed at 7pm                         every mon, wed at 7pm
at 02:00 and 14:00 on mon and thu          every mon and thu at 02:00 and 14:00
at noon on the weekend                     every weekend at noon
last friday at 18:00                       0 18 * * friL
every last friday at 18:00                 0 18 * * friL
first monday of each month at 9:00         0 9 * * mon#1
every second monday of the month at 9:00   0 9 * * mon#2
last day of the month at 23:30             30 23 L * *
last working day at 17:00                  0 17 LW * *
every month on the 1st at 06:00            0 6 1 * *
monthly on the 1st at 06:00                0 6 1 * *
1st and 15th at 06:00 and 18:00            0 6,18 1,15 * *
on the 15th at 12:00:30                    30 0 12 15 * *
"""


@pytest.mark.parametrize("line", MEANT.splitlines())
def test_what_was_meant_is_told_and_is_a_schedule(line: str) -> None:
    said, meant = (part.strip() for part in line.split("  ", 1))
    with pytest.raises(TriggerError) as error:
        build(said, timezone="UTC", job_id="a", calendars={})
    assert error.value.hint == f"did you mean `{meant}`?"
    build(meant, timezone="UTC", job_id="a", calendars={})


@pytest.mark.parametrize(
    "text",
    [
        "every second monday at 09:00",  # each other week, or the second of the month?
        "at 02:00 on mondy",
        "at 25:00 on monday",
        "every 15m at 02:00",
        "02:00 tomorrow",
        "32nd at 06:00",
        "1st at 06:00 and 18:30",  # two lines
        "every now and then",
    ],
)
def test_nothing_is_guessed_where_it_could_be_two_things_or_none(text: str) -> None:
    assert hint_for(text) is None
