"""Names in expressions: what validate knows is what a run has, and what it says of comments and secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner import config
from runner.config import names
from runner.core.context import context
from runner.core.run import Run, RunKey
from runner.moment import SECOND

FRAME = """
defaults: {timezone: UTC}
channels: {ops: "json://127.0.0.1:9/"}
secrets: {key: {env: KEY}}
jobs:
  a:
    timeout: 1m
    notify: {on_failure: ops}
"""


def problems(tmp_path: Path, step: str) -> list[str]:
    path = tmp_path / "jobs.yaml"
    path.write_text(FRAME + step)
    return [f"{each.level}[{each.kind}] {each.message}" for each in config.load(path).warnings]


def test_known_names_are_those_a_run_has(tmp_path: Path) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text(FRAME + "    run: echo\n")
    (spec,) = config.load(path).jobs
    found: dict[str, Any] = context(Run(RunKey(spec.key, SECOND), spec))
    assert set(found) == names._EVERYWHERE
    assert set(found["run"]) | {"dir"} == names._RUN
    assert set(found["job"]) == names._JOB
    assert set(found["trigger"]) == names._TRIGGER


def test_a_comment_may_name_what_is_gone(tmp_path: Path) -> None:
    assert (
        problems(
            tmp_path, "    run: |\n      # ${{ steps.gone.outputs.x }} ${{ broken |\n      #}}\n      echo\n"
        )
        == []
    )


@pytest.mark.parametrize(
    ("step", "found"),
    [
        (
            "    command: [curl, -H, 'Bearer ${{ secrets.key }}']\n",
            ["warning[exposed-secret] the secret `key` will stand in the list of processes"],
        ),
        ("    run: curl -H ${{ secrets.key }} x\n", []),
        ("    run: curl x\n    env: {KEY: '${{ secrets.key }}'}\n", []),
    ],
)
def test_a_secret_among_arguments_is_warned_of(tmp_path: Path, step: str, found: list[str]) -> None:
    assert problems(tmp_path, step) == found


WRITES = """\
    steps:
      - {id: one, run: 'echo "ok=false" >> "$RUNNER_OUTPUT"', outputs: {k: "stdout | trim | int"}}
      - {id: two, if: "%s", run: echo}
"""


@pytest.mark.parametrize("condition", ["steps.one.outputs.ok", "success() and not steps.one.outputs.ok"])
def test_a_text_as_a_condition_is_warned_of(tmp_path: Path, condition: str) -> None:
    """The text `false` is not empty, so the step would run."""
    assert problems(tmp_path, WRITES % condition) == [
        "warning[text] steps.one.outputs.ok is text, as all that a command writes to $RUNNER_OUTPUT, and holds "
        "unless it is empty: the text `false` does, too"
    ]


@pytest.mark.parametrize(
    "condition",
    [
        "steps.one.outputs.ok == 'true'",
        "steps.one.outputs.ok | int > 5",
        "steps.one.outputs.ok != '' or steps.one.outputs.ok in ['a', 1]",
        "steps.one.outputs.k",
        "steps.one.outputs.k > 5",
        "'x' if steps.one.outputs.k == 5 else 'y'",
    ],
)
def test_a_text_that_is_asked_for_its_words_is_not(tmp_path: Path, condition: str) -> None:
    assert problems(tmp_path, WRITES % condition) == []
