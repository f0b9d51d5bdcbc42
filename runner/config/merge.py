"""Halves of jobs to whole ones: defaults, templates, the job itself; maps merge, lists and scalars replace.

A merged map is made of old nodes, so that every value keeps the place it was written at.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.config.diagnose import Trouble, did_you_mean
from runner.config.node import Map, Node, Scalar, Seq, Source
from runner.errors import ExpressionError
from runner.expressions import evaluate, has_expression, names, render

WORK = ("run", "command", "python", "http", "steps")
_WHOLE = frozenset({"schedule", "steps", "foreach", "matrix", "with", "http"})
"""Keys whose value is replaced as a whole; the rest of the mappings merge."""

AT_LOAD = frozenset(
    "schedule timezone timeout retry concurrency catchup on_interrupt priority sla retention enabled executor tags "
    "after only_after success limits stop_signal stop_grace_period user shell group needs id extends owner runbook "
    "name description heartbeat max_parallel fail_fast continue_on_error env_file clean_env params".split(" ")
) - {"params"}
"""Keys whose expressions are read when the file is loaded; the others when the run is made or the step starts."""


MOST_JOBS = 10_000
MOST_TEMPLATES = 32
NOTHING: dict[str, Any] = {}
UNREAD = Scalar(None, (Source("", ""), 0, 0), "")
"""Stands where an expression could not be read; what is wrong with it was said."""


def merge(base: Map, over: Map) -> Map:
    """`over` on top of `base`."""
    if any(key in base.nodes for key in WORK) and any(key in over.nodes for key in WORK):
        base = _copy(base)
        for key in WORK:
            base.drop(key)
    return _deep(base, over, _WHOLE)


def _deep(base: Map, over: Map, whole: frozenset[str] = frozenset()) -> Map:
    merged = Map(over.at)
    merged.dynamic = base.dynamic or over.dynamic
    merged.nodes = base.nodes | over.nodes
    merged.keys = base.keys | over.keys
    merged.value = base.value | over.value
    for name in base.nodes.keys() & over.nodes.keys():
        below, node = base.nodes[name], over.nodes[name]
        if isinstance(node, Map) and isinstance(below, Map) and name not in whole:
            merged.put(name, over.keys[name], _deep(below, node))
    return merged


def extended(
    job: Map, templates: Mapping[str, Map], trouble: Trouble, chain: tuple[str, ...] = ()
) -> Map | None:
    """The job on top of the templates it names, later ones over earlier ones; None where one cannot be."""
    node = job.nodes.get("extends")
    if node is None:
        return job
    result: Map | None = None
    whole: Map | None
    good = True
    for each in node.nodes if isinstance(node, Seq) else [node]:
        name = str(each.value)
        if len(chain) >= MOST_TEMPLATES:
            fact = f"more than {MOST_TEMPLATES} templates extend each other in a row"
            trouble.add("limit", fact, each.at, help="let the job name several: extends: [a, b]")
            good = False
        elif name in chain:
            ring = " -> ".join((*chain[chain.index(name) :], name))
            trouble.add(
                "cycle", f"templates extend each other: {ring}", each.at, help="take one `extends` out"
            )
            good = False
        elif name not in templates:
            trouble.add(
                "unknown-template",
                f"there is no template {name!r}",
                each.at,
                help=did_you_mean(name, templates) or "declare it under `templates:`",
            )
            good = False
        elif (template := extended(templates[name], templates, trouble, (*chain, name))) is None:
            good = False
        else:
            result = template if result is None else merge(result, template)
    if not good:
        return None
    whole = job if result is None else merge(result, job)
    if "extends" in whole.nodes:
        whole = _copy(whole)
        whole.drop("extends")
    return whole


def _copy(node: Map) -> Map:
    copy = Map(node.at)
    copy.dynamic = node.dynamic
    for name, child in node.nodes.items():
        copy.put(name, node.keys[name], child)
    return copy


@dataclass(frozen=True, slots=True)
class Whole:
    """One job after merging: its id (with the matrix values), its map, and the values expressions may read."""

    id: str
    node: Map
    vars: Mapping[str, Any]
    matrix: Mapping[str, Any]


def whole_jobs(
    id: str, job: Map, globals: Map | None, env: Mapping[str, Any], trouble: Trouble
) -> Iterator[Whole]:
    """The jobs a definition stands for: one, or one for each combination of its matrix."""
    own = job.nodes.get("vars")
    texts = globals if not isinstance(own, Map) else own if globals is None else _deep(globals, own)
    matrix = job.nodes.get("matrix")
    if not isinstance(matrix, Map):
        values = variables(texts, {"matrix": {}, "env": env}, trouble)
        yield Whole(id, loaded(job, {"vars": values, "matrix": {}, "env": env}, trouble), values, NOTHING)
        return
    plain = _copy(job)
    plain.drop("matrix")
    first = variables(globals, {"matrix": {}, "env": env}, trouble)
    if not matrix.nodes:
        trouble.add("missing", "`matrix` is empty", job.keys["matrix"], help="write matrix: {name: [a, b]}")
        return
    axes = {name: _axis(name, node, first, trouble) for name, node in matrix.nodes.items()}
    count = math.prod(map(len, axes.values()))
    if count > MOST_JOBS:
        fact = f"the matrix makes {count:,} jobs; at most {MOST_JOBS:,} are made of one"
        trouble.add("limit", fact, job.keys["matrix"], help="write fewer values, or use `foreach` in a step")
        return
    seen: set[str] = set()
    for row in itertools.product(*axes.values()):
        combination = dict(zip(axes, row, strict=True))
        values = variables(texts, {"matrix": combination, "env": env}, trouble)
        context = {"vars": values, "matrix": combination, "env": env}
        label = ",".join(str(value) for value in combination.values())
        if label in seen:
            fact, help = f"the matrix makes {id}[{label}] twice", "take one of the equal values out"
            trouble.add("duplicate", fact, job.keys["matrix"], help=help)
            return
        seen.add(label)
        yield Whole(f"{id}[{label}]", loaded(plain, context, trouble), values, combination)


def _axis(name: str, node: Node, values: Mapping[str, Any], trouble: Trouble) -> list[Any]:
    found = node.value
    if isinstance(node, Scalar) and isinstance(found, str) and has_expression(found):
        try:
            found = evaluate(found, {"vars": values})
        except ExpressionError as error:
            trouble.add("expression", error.fact, node.at, help=error.hint)
            return []
    if not isinstance(found, list) or not found:
        trouble.add("type", f"`{name}` needs a list of values", node.at, help="write [a, b]")
        return []
    return found


def variables(node: Map | None, context: Mapping[str, Any], trouble: Trouble) -> dict[str, Any]:
    """`vars` with their expressions read; one may use another, in any order."""
    if node is None:
        return NOTHING
    if not node.dynamic:
        return node.value
    values: dict[str, Any] = {}
    waiting = dict(node.nodes)
    last: dict[str, tuple[Node, ExpressionError]] = {}
    while waiting:
        before = len(waiting)
        last = {}
        for name, child in list(waiting.items()):
            try:
                values[name] = _read(child.value, {**context, "vars": values})
                del waiting[name]
            except ExpressionError as error:
                last[name] = (child, error)
        if len(waiting) == before:
            break
    for name, (child, trouble_of_it) in last.items():
        if ring := _ring(name, last):
            fact, help = f"vars read each other: {' -> '.join(ring)}", "give one of them a value of its own"
            trouble.add("cycle", fact, place_of(child, trouble_of_it.offset), help=help, key=f"vars.{name}")
            break
        trouble.add(
            "expression",
            trouble_of_it.fact,
            place_of(child, trouble_of_it.offset),
            help=trouble_of_it.hint,
            key=f"vars.{name}",
        )
    return values


def _ring(name: str, waiting: Mapping[str, tuple[Node, ExpressionError]]) -> list[str]:
    """The way from a var back to itself through vars that have no value either; empty where there is none."""
    chain = [name]
    while True:
        text = waiting[chain[-1]][0].value
        read = (
            str(path[1])
            for path in (names(text) if isinstance(text, str) else ())
            if path[0] == "vars" and path[1:]
        )
        following = next((each for each in read if each in waiting), None)
        if following is None:
            return []
        if following in chain:
            return [*chain[chain.index(following) :], following]
        chain.append(following)


def _read(value: Any, context: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return render(value, context) if has_expression(value) else value
    if isinstance(value, list):
        return [_read(item, context) for item in value]
    if isinstance(value, dict):
        return {name: _read(item, context) for name, item in value.items()}
    return value


def loaded(job: Map, context: Mapping[str, Any], trouble: Trouble) -> Map:
    """The job with the expressions read that have to be known when the file is loaded."""
    if not job.dynamic:
        return job
    result: Map | None = None
    for name, node in job.nodes.items():
        fresh = node
        if name == "heartbeat" and "secrets" in str(node.value):
            continue  # read when it is told, as the address of a channel is
        if name in AT_LOAD:
            fresh = _filled(node, context, trouble, name)
        elif name == "steps" and isinstance(node, Seq):
            fresh = _steps(node, context, trouble)
        if fresh is not node:
            result = result or _copy(job)
            result.put(name, job.keys[name], fresh)
    return result or job


def _steps(node: Seq, context: Mapping[str, Any], trouble: Trouble) -> Seq:
    steps = [loaded(each, context, trouble) if isinstance(each, Map) else each for each in node.nodes]
    if all(new is old for new, old in zip(steps, node.nodes, strict=True)):
        return node
    fresh = Seq(node.at)
    fresh.dynamic = node.dynamic
    fresh.nodes = list(steps)
    fresh.value = [each.value for each in steps]
    return fresh


def _filled(node: Node, context: Mapping[str, Any], trouble: Trouble, key: str) -> Node:
    if isinstance(node, Scalar):
        if not isinstance(node.value, str) or not has_expression(node.value):
            return node
        try:
            value = render(node.value, context)
        except ExpressionError as error:
            help = error.hint
            if "secrets" in error.fact:
                help = f"a secret cannot stand in `{key}`"
            elif _reads_later(node.value):
                help = f"`{key}` is read when the file is loaded: only vars, matrix and env exist then"
            trouble.add("expression", error.fact, place_of(node, error.offset), help=help, key=key)
            return UNREAD
        return Scalar(value, node.at, str(value))
    if not node.dynamic:
        return node
    if isinstance(node, Map):
        children = {name: _filled(child, context, trouble, key) for name, child in node.nodes.items()}
        if all(children[name] is child for name, child in node.nodes.items()):
            return node
        fresh = Map(node.at)
        for name, child in children.items():
            fresh.put(name, node.keys[name], child)
        return fresh
    items = [_filled(child, context, trouble, key) for child in node.nodes]
    if all(new is old for new, old in zip(items, node.nodes, strict=True)):
        return node
    seq = Seq(node.at)
    seq.nodes = items
    seq.value = [each.value for each in items]
    return seq


def _reads_later(text: str) -> bool:
    """Whether an expression reads what only a run has."""
    try:
        return any(path[0] in ("params", "run", "steps", "item", "job", "trigger") for path in names(text))
    except ExpressionError:
        return False


def place_of(node: Node, offset: int) -> Any:
    """Where in the file the expression at an offset of a node's text stands."""
    source, line, column = node.at
    if not isinstance(node, Scalar):
        return node.at
    snippet = node.text[offset : offset + 40].split("\n")[0]
    for number in range(line, line + node.text.count("\n") + 3):
        found = source.line(number).find(snippet, column if number == line else 0)
        if snippet and found >= 0:
            return (source, number, found)
    return node.at
