"""What is sound of a document whose shape has mistakes, so that the rest of its mistakes are told in the same pass.

The wrong parts are taken out until the rest has the right shape. What follows from a part that was taken out is no
mistake of its own: whoever misspelt `run` did not forget it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from runner.config.node import Map, Node, Seq
from runner.errors import Problem

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

_ROUNDS = 20
_NEEDS_THE_REST = frozenset({"missing", "conflict", "empty"})
"""Kinds of mistakes that may come of a part that was taken out."""
_NEEDS_NAMES = frozenset({"order"})
"""The same where names may have gone with it; and so are most of the unknown ones."""
_DECLARED_ELSEWHERE = frozenset({"unknown-timezone", "unknown-channel", "unknown-group", "unknown-executor"})
_NAMES = frozenset({"steps", "params", "outputs", "vars", "matrix", "env", "foreach", "secrets"})
_NAMELESS = frozenset(
    "artifacts clean_env continue_on_error executor fail_fast group http if limits max_parallel name retry shell"
    " stop_grace_period stop_signal success timeout user with working_dir".split()
)
"""Keys of a step that go without a name going with them."""


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


def independent(
    problems: Iterable[Problem], taken: Iterable[Path], known: Container[str]
) -> Iterator[Problem]:
    """Those that are mistakes of their own, whatever stood in the parts that were taken out.

    `known`: the keys of a job; another one may have been meant to hold anything.
    """
    names_too = any(_held_names(path, known) for path in taken)
    for problem in problems:
        named = problem.kind in _NEEDS_NAMES or problem.kind.startswith("unknown-")
        if problem.kind in _NEEDS_THE_REST:
            continue
        if named and names_too and problem.kind not in _DECLARED_ELSEWHERE:
            continue
        yield problem


def _held_names(path: Path, known: Container[str]) -> bool:
    """Whether a part that was taken out may have held names that others use."""
    if path[0] == "steps" and len(path) > 2:
        return path[2] not in _NAMELESS
    return path[0] in _NAMES or path[0] not in known


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
