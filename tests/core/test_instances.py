"""Instances of a step: one for each value of a list, and none for the letters of a text."""

from __future__ import annotations

from typing import Any

import pytest

from runner.core.run import Run
from runner.moment import MINUTE, parse_iso
from runner.simulation import Scripted, Simulation, by_step
from runner.spec import Command, Foreach, JobSpec, Step

NAMES = "${{ steps.list.outputs.names }}"
START = parse_iso("2026-06-01T00:00Z")


def of(foreach: Foreach, names: Any) -> Run:
    """The run of a job whose second step has these instances, `names` being what its first step puts out."""
    steps = (
        Step("list", Command(script="true")),
        Step("each", Command(script="true"), needs=("list",), foreach=foreach),
    )
    script = by_step({"list": Scripted(outputs={"names": names})})
    simulation = Simulation([JobSpec("job", steps, source="/jobs.yaml")], start=START, script=script)
    simulation.fire("job")
    simulation.run(START + MINUTE)
    (run,) = simulation.runs_of("job")
    return run


@pytest.mark.parametrize("foreach", [Foreach(NAMES), Foreach(matrix={"name": NAMES})])
def test_each_value_of_a_list(foreach: Foreach) -> None:
    run = of(foreach, ["eu", "us"])
    assert [*run.steps, run.status] == ["list", "each[eu]", "each[us]", "succeeded"]


@pytest.mark.parametrize(
    ("foreach", "names", "why"),
    [
        (Foreach(NAMES), "eu us", "foreach: a list is needed, not the text 'eu us' (`| fromjson` reads one)"),
        (
            Foreach(matrix={"name": NAMES}),
            '["eu", "us"]',
            'matrix: name: a list is needed, not the text \'["eu", "us"]\' (`| fromjson` reads one)',
        ),
        (
            Foreach(NAMES),
            "x" * 50,
            f"foreach: a list is needed, not the text '{'x' * 39}…' (`| fromjson` reads one)",
        ),
        (Foreach(NAMES), {"eu": 1}, "foreach: a list is needed, not dict"),
        (Foreach(matrix={"name": NAMES}), 7, "matrix: name: a list is needed, not int"),
    ],
)
def test_what_is_no_list_fails_the_step_with_the_reason(foreach: Foreach, names: Any, why: str) -> None:
    run = of(foreach, names)
    assert (list(run.steps), run.status) == (["list", "each"], "failed")
    outcome = run.steps["each"].outcome
    assert outcome is not None
    assert outcome.error == f"condition: {why}"
