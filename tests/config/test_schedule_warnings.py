"""What `validate` says of schedules: each finding once, at the schedule, with the jobs it is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner import config
from runner.errors import ConfigError, Problem
from runner.moment import parse_iso

NOW = parse_iso("2026-11-25T12:00:00Z")
HEAD = "channels: {ops: 'log:'}\ndefaults: {timeout: 1h, notify: {on_failure: ops}}\njobs:\n"
Warned = Callable[..., list[Problem]]


@pytest.fixture
def warned(tmp_path: Path) -> Warned:
    def of(*jobs: str, now: int | None = NOW) -> list[Problem]:
        file = tmp_path / "jobs.yaml"
        file.write_text(HEAD + "".join(f"  {job}\n" for job in jobs))
        return list(config.load(file, now=now).warnings)

    return of


def test_a_finding_stands_at_the_schedule_and_names_all_its_jobs(warned: Warned) -> None:
    (problem,) = warned(
        "a: {run: echo, schedule: '*/7 * * * *'}",
        "b: {run: echo, schedule: '*/7 * * * *'}",
    )
    assert (problem.kind, problem.line, problem.column) == ("uneven-step", 4, 28)
    assert problem.message == "*/7 * * * *: */7 starts anew each hour, so its last step is only 4m (also b)"
    assert problem.help == "*/6 and */10 divide the hour evenly"


def test_two_jobs_at_one_instant(warned: Warned) -> None:
    (problem,) = warned(
        "a: {run: echo, schedule: at 02:00, timezone: UTC}",
        "b: {run: echo, schedule: '0 2 * * *', timezone: UTC}",
        "off: {run: echo, schedule: '0 2 * * *', timezone: UTC, enabled: false}",
    )
    assert problem.kind == "same-instant"
    assert problem.message == (
        "a and b start at the same instant, 7 times in the week ahead: first Thu 26 Nov 2026 02:00 UTC"
    )


def test_jobs_of_one_group_may_be_due_together(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    job = "{run: echo, schedule: at 02:00, timezone: UTC, concurrency: {group: db}}"
    file.write_text(f"groups: {{db: {{max: 1}}}}\n{HEAD}  a: {job}\n  b: {job}\n")
    assert config.load(file, now=NOW).warnings == ()


def test_the_next_clock_changes_are_told_with_date_and_effect(warned: Warned) -> None:
    found = warned("a: {run: echo, schedule: at 02:30, timezone: Europe/Oslo}")
    assert [problem.message for problem in found] == [
        "30 2 * * *: on 2027-03-28 02:30 does not exist in Europe/Oslo, and it fires at 03:00",
        "30 2 * * *: on 2027-10-31 02:30 comes twice in Europe/Oslo, and it fires the first time only",
    ]


def test_who_does_not_say_when_is_told_nothing_of_schedules(warned: Warned) -> None:
    assert warned("a: {run: echo, schedule: '*/7 * * * *'}", now=None) == []


def test_a_schedule_that_never_fires_is_an_error(warned: Warned) -> None:
    with pytest.raises(ConfigError) as error:
        warned("a: {run: echo, schedule: 0 0 31 2 *}")
    (problem,) = error.value.problems
    assert problem.message == '"0 0 31 2 *" can never fire: no month of "2" has a day "31"'
