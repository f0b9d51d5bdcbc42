"""Texts of a step with their values, made on a worker thread just before it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import ExecutorError
from runner.executors.base import Task
from runner.executors.place import scratch_dir
from runner.expressions import check_command, evaluate, has_expression, lift, refuse, render
from runner.expressions.filters import as_text
from runner.secrets import Secrets

SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"})


class Rendering:
    """What one task's expressions may read: its context, `run.dir`, and secrets looked up as they are used."""

    def __init__(self, task: Task, state_dir: Path, secrets: Secrets | None) -> None:
        self.run_dir = scratch_dir(state_dir, task.run.key)
        run = {**task.context.get("run", {}), "dir": self.run_dir}
        self.context: dict[str, Any] = {**task.context, "run": run}
        if secrets is not None:
            self.context["secrets"] = secrets.view()

    def text(self, source: str) -> str:
        """The text with its values. ExpressionError, SecretError."""
        value = render(source, self.context) if has_expression(source) else source
        return _plain(value if isinstance(value, str) else as_text(value))

    def value(self, source: Any) -> Any:
        """The same for whatever YAML holds, texts at any depth; a text that is one expression keeps its type."""
        if isinstance(source, str):
            return render(source, self.context) if has_expression(source) else source
        if isinstance(source, Mapping):
            return {key: self.value(item) for key, item in source.items()}
        if isinstance(source, list | tuple):
            return [self.value(item) for item in source]
        return source

    def variables(self, *levels: Mapping[str, str]) -> dict[str, str]:
        """Environment variables, the outer level first; a level may read those before it as `env`."""
        found: dict[str, str] = {}
        for level in levels:
            found |= {name: self.text(str(text)) for name, text in level.items()}
            self.context["env"] = dict(found)
        return found

    def argv(self, source: tuple[str, ...]) -> tuple[str, ...]:
        """Each item is one argument, and no value is a part of a program among them. ExpressionError."""
        wrong = check_command(source)
        if wrong is not None:
            raise wrong[1]
        return tuple(map(self.text, source))

    def script(self, source: str, shell: tuple[str, ...]) -> tuple[str, dict[str, str]]:
        """The script, with the values it refers to as variables: a value never becomes script text."""
        if not has_expression(source):
            return _plain(source), {}
        interpreter = os.path.basename(shell[0])
        if interpreter not in SHELLS:
            refuse(source, interpreter)
        lifted = lift(source, "bash" if interpreter in ("bash", "zsh", "ksh") else "sh")
        values = {
            name: _plain(as_text(evaluate(expression, self.context)))
            for name, expression in lifted.variables.items()
        }
        return self.text(lifted.script), values


def _plain(text: str) -> str:
    if "\0" in text:
        raise ExecutorError("a value holds a NUL character", hint="no command can be given one")
    return text
