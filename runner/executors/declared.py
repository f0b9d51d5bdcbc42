"""Outputs a step declares: expressions over what it printed, its exit code, and what it returned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.core.run import Outcome, Status
from runner.errors import ExpressionError
from runner.executors.base import Task
from runner.executors.child import Ended
from runner.executors.output import lines, path_of
from runner.expressions import evaluate
from runner.expressions.filters import as_text

LIMIT = 1 << 20
"""Characters of each stream that expressions may read, and of all outputs as JSON."""


def judging(task: Task, judge: Callable[[Ended], Outcome], state_dir: Path) -> Callable[[Ended], Outcome]:
    """Judges as before, and adds the outputs."""
    return lambda end: with_outputs(task, judge(end), state_dir)


def with_outputs(task: Task, outcome: Outcome, state_dir: Path) -> Outcome:
    """The outcome with the outputs its step declares; a failure where one has no value."""
    if outcome.status is not Status.SUCCEEDED or not task.step.outputs:
        return outcome
    streams = _printed(path_of(state_dir, task.attempt))
    result = dict(outcome.outputs)
    context = {**task.context, **streams, "exit_code": outcome.exit_code, "result": result}
    found: dict[str, Any] = dict(outcome.outputs)
    for name, text in task.step.outputs.items():
        try:
            found[name] = json.loads(json.dumps(evaluate(text, context), default=as_text))
        except (ExpressionError, TypeError, ValueError) as error:
            return replace(outcome, status=Status.FAILED, error=f"the output {name} has no value: {error}")
    if len(json.dumps(found)) > LIMIT:
        why = f"its outputs are longer than {LIMIT} characters: hand large data on as a file"
        return replace(outcome, status=Status.FAILED, error=why)
    return replace(outcome, outputs=found)


def _printed(path: Path) -> dict[str, str]:
    """What was printed to each stream, as far as it was kept."""
    found: dict[str, list[str]] = {"stdout": [], "stderr": []}
    left = dict.fromkeys(found, LIMIT)
    for line in lines(path):
        if line.stream in found and left[line.stream] > 0:
            text = line.raw.decode("utf-8", "replace")
            found[line.stream].append(text[: left[line.stream]])
            left[line.stream] -= len(text) + 1
    return {stream: "\n".join(texts) for stream, texts in found.items()}
