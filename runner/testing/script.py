"""How attempts go in a played schedule: which fail first, how long they take, what they put out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from runner.config.expected import Fail
from runner.core.action import Start
from runner.core.run import Status
from runner.errors import RunnerError
from runner.expressions import as_text, has_expression, names
from runner.moment import SECOND, Span
from runner.simulation import Scripted
from runner.spec import Call, Command, Http, JobSpec, Notify, Rule, Step, is_text

Of = tuple[str, str]
"""A job and a step; of an instance, `load[eu]` or `load`."""


class Script:
    """`fail`, `took` and `outputs` are by (job, step). `begun` hears of each start, and may refuse it (RunnerError):
    the attempt fails with its words, as it would at work."""

    def __init__(
        self,
        *,
        fail: Mapping[Of, Fail] | None = None,
        took: Mapping[Of, Span] | None = None,
        outputs: Mapping[Of, Mapping[str, Any]] | None = None,
        begun: Callable[[Start], None] | None = None,
    ) -> None:
        self._fail = dict(fail or {})
        self._took = dict(took or {})
        self._outputs = dict(outputs or {})
        self._begun = begun
        self._failed: dict[tuple[str, str], int] = {}
        self._assumed: dict[int, dict[str, dict[str, Any]]] = {}
        self._specs: list[JobSpec] = []

    def __call__(self, start: Start) -> Scripted:
        took = self._of(self._took, start, SECOND)
        if self._begun is not None:
            try:
                self._begun(start)
            except RunnerError as trouble:
                return Scripted(Status.FAILED, 0, error=str(trouble))
        fail = self._of(self._fail, start, None)
        if fail is not None:
            # Each instance of a step fails as often as is said.
            key = (start.run.spec.id, start.state.id)
            done = self._failed.get(key, 0)
            if fail.times is None or done < fail.times:
                self._failed[key] = done + 1
                error = fail.error or f"exit code {fail.exit_code}"
                return Scripted(Status.FAILED, took, fail.exit_code, error=error, tail=fail.error)
        return Scripted(took=took, outputs=self._outputs_of(start))

    def _outputs_of(self, start: Start) -> Mapping[str, Any]:
        spec, given = start.run.spec, self._of(self._outputs, start, {})
        # A spec is looked through once, and lives as long as its job.
        assumed = self._assumed.get(id(spec))
        if assumed is None:
            assumed = self._assumed[id(spec)] = placeholders(spec)
            self._specs.append(spec)
        put_out = {**assumed.get(start.step.id, {}), **given}
        return {
            name: as_text(value) if is_text(start.step, name) else value for name, value in put_out.items()
        }

    def _of(self, given: Mapping[Of, Any], start: Start, usual: Any) -> Any:
        job, state = start.run.spec.id, start.state
        for key in ((job, state.id), (job, state.step)):
            if key in given:
                return given[key]
        return usual


def placeholders(spec: JobSpec) -> dict[str, dict[str, Any]]:
    """The outputs that the job's expressions read, by step and name: `<extract.rows>` where nobody says otherwise,
    and one of it in a list where a `foreach` asks for one and does not make it of a text."""
    found: dict[str, dict[str, Any]] = {}
    for step in spec.steps:
        if step.condition is not None:
            _assume(step.condition, found, bare=True)
        if step.foreach is not None:
            axes = [step.foreach.items, *(step.foreach.matrix or {}).values()]
            for text in axes:
                if isinstance(text, str):
                    _assume(text, found, bare=True, several=".split" not in text)
    for text in _texts(spec):
        _assume(text, found)
    return found


def _assume(
    text: str, found: dict[str, dict[str, Any]], *, bare: bool = False, several: bool = False
) -> None:
    for path in names(text, bare=bare):
        match path:
            case ("steps", str(step), "outputs", str(name), *_):
                shown = f"<{step}.{name}>"
                found.setdefault(step, {}).setdefault(name, [shown] if several else shown)


def _texts(value: Any) -> Iterator[str]:
    """Every text with an expression, at any depth of a value."""
    if isinstance(value, str):
        if has_expression(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, JobSpec | Step | Command | Call | Http | Notify | Rule):
        for each in fields(value):
            yield from _texts(getattr(value, each.name))
