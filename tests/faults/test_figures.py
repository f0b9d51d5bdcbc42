"""The table of figures, and the bounds of speed: not a fault, but what the faults are told with."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.faults import bounds, elsewhere
from tests.faults.figures import Row, lines, merged, read

HERE = Path(__file__).parent
OLD: list[Row] = [
    ("4", "killed", "200", "true 200", "all", "5 min"),
    ("36 lines", "a flood", "1", "times 9.00", "<= 2x", ""),
]


def test_a_table_is_read_as_it_was_written() -> None:
    assert read(lines(OLD)) == OLD


def test_a_table_from_before_the_times_is_read() -> None:
    text = (
        "| case | fault | n | measured | target |\n|---|---|---|---|---|\n| 9 | a kill | 50 | all | <= 5 s |"
    )
    assert read(text) == [("9", "a kill", "50", "all", "<= 5 s", "")]


def test_a_line_that_stands_for_more_faults_stays() -> None:
    fewer: Row = ("4", "killed", "20", "true 20", "all", "3 s")
    again: Row = ("36 lines", "a flood", "1", "times 1.20", "<= 2x", "8 s")
    other: Row = ("13 leave", "a stop", "1", "exit 2.00", "+ 1 s", "22 s")
    assert merged(OLD, [fewer, again, other]) == [OLD[0], other, again]


def test_every_figure_that_is_judged_has_its_bound_and_every_bound_is_used() -> None:
    code = "".join(path.read_text() for path in HERE.glob("test_[a-i]_*.py"))
    judged = set(re.findall(r'judge\(f?"(\d\d(?: [a-z]+)?)', code)) | {"17", "19"}  # judge(number, ...)
    assert judged == set(bounds.BOUNDS)


def test_what_is_looser_than_promised_says_why() -> None:
    for bound in bounds.BOUNDS.values():
        assert bound.why
        assert bound.busy > bound.promised


@pytest.mark.parametrize("beside", ["1", "4"])
def test_the_short_form_is_held_to_what_is_promised_where_it_has_the_machine_to_itself(
    beside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that was counted over a minute says nothing of the last second: who is beside it, does."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", beside)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    held = {case: bounds.bound_of(case, "short")[1] for case in bounds.BOUNDS}
    alone = {case: bound.busy if bound.loose else bound.promised for case, bound in bounds.BOUNDS.items()}
    busy = {case: bound.busy for case, bound in bounds.BOUNDS.items()}
    assert held == (alone if beside == "1" else busy)


def test_the_long_form_is_held_to_what_is_promised() -> None:
    for case, bound in bounds.BOUNDS.items():
        assert bounds.bound_of(case, "long") == (bound.what, bound.promised)
    assert bounds.bound_of("31 as vim", "long") == bounds.bound_of("31", "long")


def test_cases_proved_in_other_rooms_name_tests_that_are_there() -> None:
    for case in elsewhere.CASES.values():
        for test in case.tests:
            path, _, name = test.partition("::")
            text = (HERE.parent.parent / path).read_text()
            assert f"def {name or 'test_'}" in text
