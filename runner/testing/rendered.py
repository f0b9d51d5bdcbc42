"""What a step would be started with, as people read it: its text with the values in it, and its environment."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.core.action import Start
from runner.core.context import context
from runner.errors import ExpressionError
from runner.executors import http
from runner.executors.base import Task
from runner.executors.rendering import Rendering
from runner.expressions import evaluate, has_expression, parts
from runner.expressions.filters import as_text
from runner.spec import Call, Command, Http

HIDDEN = "***"
"""What stands for the value of a secret: none is looked up."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """`text`: a script, a command line, a call or a request. `argv` where there is no shell."""

    text: str
    argv: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    more: str = ""
    """Headers and body of a request."""

    @property
    def whole(self) -> str:
        return f"{self.text}\n{self.more}" if self.more else self.text


def rendered(start: Start, secrets: Iterable[str] = ()) -> Rendered:
    """Render it as its executor does, but that no secret is looked up and `run.dir` is `$RUNNER_RUN_DIR`.

    Raises RunnerError where the step could not be started.
    """
    task = Task(start.run, start.step, start.state, context(start.run, start.state))
    rendering = Rendering(task, Path("/"), None)
    rendering.context["run"]["dir"] = "$RUNNER_RUN_DIR"
    rendering.context["secrets"] = dict.fromkeys(secrets, HIDDEN)
    env = rendering.variables(start.run.spec.env, start.step.env)
    match start.step.work:
        case Command(script=None, argv=argv):
            line = tuple(rendering.text(text) for text in argv or ())
            return Rendered(shlex.join(line), line, env)
        case Command(script=script, shell=shell):
            rendering.script(script or "", shell)
            return Rendered(_filled(script or "", rendering.context), env=env)
        case Call() as work:
            given: dict[str, Any] = rendering.value(dict(work.kwargs)) if work.rendered else dict(work.kwargs)
            said = [*map(repr, work.args), *(f"{name}={value!r}" for name, value in given.items())]
            return Rendered(f"{work.target}({', '.join(said)})", env=env)
        case Http() as work:
            request = http.rendered(work, rendering.context)
            more = [f"{name}: {value}" for name, value in request.headers.items()]
            if request.json is not None:
                more.append(json.dumps(request.json, ensure_ascii=False, default=str))
            if request.body is not None:
                more.append(request.body)
            return Rendered(f"{request.method.upper()} {request.url}", env=env, more="\n".join(more))


def _filled(script: str, values: Mapping[str, Any]) -> str:
    """The script with its values in it, for reading only: the shell is given them as variables."""
    if not has_expression(script):
        return script
    pieces = []
    for part in parts(script):
        if not part.expression:
            pieces.append(part.text)
            continue
        try:
            pieces.append(as_text(evaluate(part.text, values)))
        except ExpressionError:
            # In a comment of the shell an expression is only text: one that is needed was read before.
            pieces.append(script[part.start : part.end])
    return "".join(pieces)
