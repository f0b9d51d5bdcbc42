"""The frame of the benches: ratios, goals and drawings say what they should, and wrong work has no figures."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import __main__ as frame
from benchmarks.drawing import svg
from benchmarks.measure import (
    Curve,
    Goal,
    Row,
    Table,
    Wrong,
    at_most,
    check,
    figure,
    interleaved,
    ratio_at_most,
    share_of_limit,
    times_rival,
)
from benchmarks.page import GATES, gates, rows, write


def test_more_than_one_is_always_ahead() -> None:
    rate = Row("rate", figure(300.0, "per s"), rival=figure(100.0, "per s"), limit=figure(600.0, "per s"))
    assert (rate.times_rival, rate.share_of_limit) == (3, 0.5)
    time = Row(
        "time", figure(2.0, "ms"), rival=figure(6.0, "ms"), limit=figure(1.0, "ms"), less_is_better=True
    )
    assert (time.times_rival, time.share_of_limit) == (3, 0.5)


def test_the_median_stands_for_its_samples() -> None:
    found = figure([5.0, 1.0, 3.0], "ms")
    assert found.as_json() == {"median": 3.0, "low": 1.0, "high": 5.0, "samples": 3, "unit": "ms"}


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (times_rival(3), True),
        (times_rival(3.1), False),
        (share_of_limit(0.5), True),
        (share_of_limit(0.6), False),
        (at_most(300), True),
        (at_most(299), False),
        (ratio_at_most(1.1), True),
        (ratio_at_most(1.0), False),
    ],
)
def test_a_goal_is_met_or_not(goal: Goal, met: bool) -> None:
    row = Row("rate", figure(300.0, ""), rival=figure(100.0, ""), limit=figure(600.0, ""), ratio=1.05)
    assert row.met(goal) is met


def test_a_goal_without_what_it_is_measured_by_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is none in the row"):
        Row("rate", figure(300.0, "")).met(times_rival(3))


def test_each_is_taken_in_turn() -> None:
    order: list[str] = []

    def takes(seconds: float, mark: str) -> float:
        order.append(mark)
        return seconds

    found = interleaved(3, "s", ours=lambda: takes(1, "o"), rival=lambda: takes(2, "r"))
    assert "".join(order) == "orroor"
    assert (found["ours"].samples, found["rival"].samples) == ((1, 1, 1), (2, 2, 2))


def test_a_gate_that_is_not_met_is_said() -> None:
    def table(rate: float) -> dict[str, Table]:
        row = Row("rate", figure(rate, ""), rival=figure(1.0, ""), goals=(times_rival(2),), gate=GATES[0])
        return {"one": Table("One", "", [row])}

    text, good = gates(table(3.0))
    assert good
    assert text.count("not measured") == len(GATES) - 1
    text, good = gates(table(1.0))
    assert not good
    assert "**not met**" in text


def test_the_page_and_its_drawings(tmp_path: Path) -> None:
    curve = Curve("growth", "A < B & C", "jobs", "us", {"runner": [(1, 2.0), (100, 2.5), (10_000, 3.0)]})
    table = Table("Growth", "About it.", [Row("a cost", figure(2.0, "us"))], [curve])
    machine = {"python": "3", "processors": 2, "system": "x", "load": 0.1, "load after": 0.9}
    write(tmp_path / "performance.md", machine, {"growth": table}, quick=True)
    page = (tmp_path / "performance.md").read_text()
    assert "| a cost | 2 us |" in page
    assert "](performance/growth.svg)" in page
    drawing = (tmp_path / "performance" / "growth.svg").read_text()
    assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing.count("<circle") == 3


def test_a_drawing_of_nothing_is_no_trouble() -> None:
    assert ET.fromstring(svg(Curve("none", "None", "x", "y", {"runner": []}))) is not None


def test_empty_columns_are_left_out() -> None:
    assert rows(Table("One", "", [Row("a", figure(1.0, "ms"))])).splitlines()[0] == "| measured | runner |"
    assert rows(Table("None", "", [])) == ""


def test_wrong_work_has_no_figures_and_fails_the_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def take(name: str, quick: bool) -> Table:
        check(name != "store", "two of three are on record")
        return Table(name, "", [Row("a", figure(1.0, "ms"))])

    monkeypatch.setattr(frame, "take", take)
    out = tmp_path / "results.json"
    monkeypatch.setattr("sys.argv", ["bench", "store", "growth", "--json", str(out)])
    assert frame.main() == 1
    assert "No figures: two of three are on record" in capsys.readouterr().out
    results = json.loads(out.read_text())
    assert list(results["tables"]) == ["growth"]
    assert results["wrong"] == {"store": "two of three are on record"}
    with pytest.raises(Wrong):
        check(False, "no")
