"""What is sound of a document whose shape has mistakes, so that the rest of its mistakes are told in the same pass.

The wrong parts are taken out until the rest has the right shape. What follows from a part that was taken out is no
mistake of its own: whoever misspelt `run` did not forget it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from runner.config.diagnose import nearest
from runner.config.document import JobModel, StepModel
from runner.config.foreign import ours
from runner.config.node import Map, Node, Seq
from runner.config.order import keys_of
from runner.errors import Problem

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

_ROUNDS = 20
_WORK = frozenset({"run", "command", "python", "http", "steps", "extends"})
"""Keys without one of which a job, or a step, has nothing to run."""
_GIVES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_WORK, frozenset({"unknown-output", "text"})),
    "steps": frozenset({"unknown-step", "unknown-output", "unknown-name", "order"}),
    "id": frozenset({"unknown-step", "unknown-output", "order"}),
    "needs": frozenset({"order"}),
    "params": frozenset({"unknown-parameter"}),
    "vars": frozenset({"unknown-var"}),
    "matrix": frozenset({"unknown-name"}),
    "foreach": frozenset({"unknown-name"}),
    "outputs": frozenset({"unknown-output", "text"}),
}
"""Kinds of mistakes that follow where a key that gives names was taken out."""


def sound(model: type[M], node: Map) -> tuple[M, Map, list[Path]] | None:
    """The document and its nodes without what is wrong, and what that was; None where nothing is left."""
    rest = _copy(node)
    taken: list[Path] = []
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(rest.value), rest, taken
        except ValidationError as error:
            paths = {_culprit(rest, each["loc"], each["type"]) for each in error.errors(include_url=False)}
        if () in paths:
            return None
        for path in paths:
            _take_out(rest, path)
        taken += paths
    return None


def sound_items(model: type[M], node: Map, name: str) -> tuple[M, Node] | None:
    """A section with those of its items that are whole, as a document and as a node; None where there are none."""
    found = sound(model, node)
    if found is None or any(len(path) < 2 for path in found[2]):
        return None
    wrong = {path[1] for path in found[2]}
    rest = _copied(node.nodes[name])
    if isinstance(rest, Seq):
        rest.nodes = [child for number, child in enumerate(rest.nodes) if number not in wrong]
        rest.value = [child.value for child in rest.nodes]
    elif isinstance(rest, Map):
        for key in wrong:
            rest.drop(str(key))
    if not rest.value:
        return None
    alone = Map(node.at)
    alone.put(name, node.keys[name], rest)
    return model.model_validate(alone.value), rest


def independent(problems: Iterable[Problem], job: Map, taken: Iterable[Path]) -> Iterator[Problem]:
    """Those that are mistakes of their own, whatever stood in the parts that were taken out of the job."""
    follow: set[str] = set()
    idle: set[int | None] = set()
    for path in taken:
        in_step = path[0] == "steps" and len(path) > 2
        key = _meant(str(path[2] if in_step else path[0]))
        follow |= _GIVES.get(key, frozenset())
        if key in _WORK or not key:
            idle.add(int(path[1]) if in_step else None)
    for problem in problems:
        follows = problem.kind in ("missing", "conflict") and _step_at(problem, job) in idle
        if problem.kind not in follow and not follows:
            yield problem


def _meant(name: str) -> str:
    """The key of a job or step that somebody meant; empty where nobody can know."""
    known = {*keys_of(JobModel), *keys_of(StepModel)}
    if name in known:
        return name
    words = re.findall("[a-z_]+", ours(name, ("jobs",)))
    return next((word for word in words if word in known), None) or nearest(name, known) or ""


def _step_at(problem: Problem, job: Map) -> int | None:
    """The number of the step a problem is in; None where it is of the job itself."""
    found = None
    steps = job.nodes.get("steps")
    for number, step in enumerate(steps.nodes if isinstance(steps, Seq) else ()):
        source, line, column = step.at
        begin = (source.first_line + line, column + 1)
        if source.file == problem.file and begin <= (problem.line, problem.column):
            found = number
    return found


def _culprit(root: Map, location: tuple[str | int, ...], kind: str) -> Path:
    """The key to take out for a mistake: the last one on the way to it that somebody wrote."""
    parts = [part for part in location if part != "[key]"]
    if kind == "missing":
        parts = parts[:-1]
    found: Path = ()
    node: Node = root
    path: list[str | int] = []
    for part in parts:
        if isinstance(node, Map) and part in node.nodes:
            node = node.nodes[str(part)]
            path.append(part)
            found = tuple(path)
        elif isinstance(node, Seq) and isinstance(part, int) and part < len(node.nodes):
            node = node.nodes[part]
            path.append(part)
        else:
            break
    return found


def _take_out(root: Map, path: Path) -> None:
    node: Node = root
    for part in path[:-1]:
        if isinstance(node, Map) and part in node.nodes:
            node = node.nodes[str(part)]
        elif isinstance(node, Seq) and isinstance(part, int):
            node = node.nodes[part]
        else:
            return  # went with another
    if isinstance(node, Map):
        node.drop(str(path[-1]))


def _copy(node: Map) -> Map:
    """The same with mappings and lists of its own; values and places are shared."""
    made = Map(node.at)
    made.merged = set(node.merged)
    for name, child in node.nodes.items():
        made.put(name, node.keys[name], _copied(child))
    return made


def _copied(node: Node) -> Node:
    if isinstance(node, Map):
        return _copy(node)
    if isinstance(node, Seq):
        made = Seq(node.at)
        made.dynamic = node.dynamic
        made.nodes = [_copied(child) for child in node.nodes]
        made.value = [child.value for child in made.nodes]
        return made
    return node
