"""`runner explain`: one job as it is after merging, as YAML, each value with the place it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from runner.config.defaults import Default, defaults
from runner.config.diagnose import Trouble
from runner.config.files import Document
from runner.config.load import merged
from runner.config.merge import Whole
from runner.config.node import Map, Node, Number, Real, Scalar, Seq, Source
from runner.config.order import JOB, Shape
from runner.config.text import parse
from runner.spec import Command, JobSpec

BUILT_IN = "built-in default"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the merged job. `path` is empty where the line says no value (`steps:`, a line of a script).

    `origin`: job, `template NAME`, defaults, vars, env, or built-in default; `line` is 0 for the last. `note` says more
    of it.
    """

    text: str
    path: str = ""
    value: Any = None
    file: str = ""
    line: int = 0
    column: int = 0
    origin: str = ""
    note: str = ""


def explain(paths: Sequence[Path], job: str) -> list[Row]:
    """The lines of a job. Raises ConfigError where the files do not load, KeyError where there is no such job."""
    whole, spec, documents = merged(paths, job)
    rows = _Rows(_origins(documents))
    rows.job(whole, spec, documents)
    return rows.rows


def _origins(documents: Sequence[Document]) -> dict[tuple[str, int, int], str]:
    """What stands in a template, in defaults, in vars and env, by its place."""
    found: dict[tuple[str, int, int], str] = {}
    for document in documents:
        for name in ("defaults", "templates", "vars", "env", "env_file"):
            node = document.root.nodes.get(name)
            if name == "templates" and isinstance(node, Map):
                for each, template in node.nodes.items():
                    found |= dict.fromkeys(_places(template), f"template {each}")
            elif node is not None:
                found |= dict.fromkeys(_places(node), name)
    return found


def _places(node: Node) -> Iterator[tuple[str, int, int]]:
    source, line, column = node.at
    yield source.file, source.first_line + line, column + 1
    for child in (
        node.nodes.values() if isinstance(node, Map) else node.nodes if isinstance(node, Seq) else ()
    ):
        yield from _places(child)


class _Rows:
    def __init__(self, origins: Mapping[tuple[str, int, int], str]) -> None:
        self.origins = origins
        self.rows: list[Row] = []

    def job(self, whole: Whole, spec: JobSpec, documents: Sequence[Document]) -> None:
        self.rows += [Row("jobs:"), Row(f"  {spec.id}:")]
        node = Map(whole.node.at)
        for name in _ordered(whole.node, JOB):
            node.put(name, whole.node.keys[name], whole.node.nodes[name])
        for name in ("vars", "env"):
            shared = [d.root.nodes[name] for d in documents if isinstance(d.root.nodes.get(name), Map)]
            _below(node, name, [each for each in shared if isinstance(each, Map)])
        self._map(node, 4, "", JOB)
        self._matrix(whole, documents)
        for each in _built_in(spec, node):
            text = f"    {each.key}: {flow(each.value) if each.value is not None else ''}".rstrip()
            self.rows.append(Row(text, each.key, each.value, origin=BUILT_IN, note=each.note))

    def _matrix(self, whole: Whole, documents: Sequence[Document]) -> None:
        """Which of the jobs of a matrix this is: a comment, for no job says so itself."""
        node = _axes(whole.id.partition("[")[0], documents)
        for name, value in whole.matrix.items():
            at = node.keys[name] if node is not None and name in node.keys else whole.node.at
            place = (at[0].file, at[0].first_line + at[1], at[2] + 1)
            self.rows.append(
                Row(f"    # matrix.{name}: {flow(value)}", f"matrix.{name}", value, *place, "matrix")
            )

    def _map(self, node: Map, indent: int, path: str, shape: Shape | None) -> None:
        for key in _ordered(node, shape):
            below = shape.under(key) if shape is not None else None
            self._value(
                f"{' ' * indent}{flow(key)}:",
                node.nodes[key],
                indent,
                f"{path}.{key}" if path else key,
                below,
            )

    def _value(self, head: str, node: Node, indent: int, path: str, shape: Shape | None) -> None:
        if isinstance(node, Map) and node.nodes:
            self.rows.append(Row(head))
            self._map(node, indent + 2, path, shape)
        elif isinstance(node, Seq) and any(isinstance(each, Map | Seq) for each in node.nodes):
            self.rows.append(Row(head))
            for number, each in enumerate(node.nodes):
                self._item(each, indent + 2, f"{path}[{number}]", shape)
        elif isinstance(node, Scalar) and _is_text_block(node.value):
            lines = node.value.split("\n")
            keep = "|" if node.value.endswith("\n") else "|-"
            self.rows.append(self._row(f"{head} {keep}", node, path))
            for line in lines[:-1] if keep == "|" else lines:
                self.rows.append(Row(f"{' ' * (indent + 2)}{line}" if line else ""))
        else:
            self.rows.append(self._row(f"{head} {flow(node.value)}", node, path))

    def _item(self, node: Node, indent: int, path: str, shape: Shape | None) -> None:
        first = len(self.rows)
        if isinstance(node, Map) and node.nodes:
            self._map(node, indent + 2, path, shape)
            row = self.rows[first]
            text = f"{' ' * indent}- {row.text[indent + 2 :]}"
            self.rows[first] = Row(text, row.path, row.value, row.file, row.line, row.column, row.origin)
        else:
            self.rows.append(self._row(f"{' ' * indent}- {flow(node.value)}", node, path))

    def _row(self, text: str, node: Node, path: str) -> Row:
        source, line, column = node.at
        place = (source.file, source.first_line + line, column + 1)
        return Row(text, path, _as_written(node.value), *place, self.origins.get(place, "job"))


def _ordered(node: Map, shape: Shape | None) -> list[str]:
    return shape.ordered(list(node.nodes)) if shape is not None else list(node.nodes)


def _below(node: Map, name: str, shared: Iterable[Map]) -> None:
    """Put what holds for all jobs below what the job itself says."""
    own = node.nodes.get(name)
    whole = Map(node.at)
    for each in [*shared, *([own] if isinstance(own, Map) else [])]:
        for key, child in each.nodes.items():
            whole.put(key, each.keys[key], child)
    if whole.nodes:
        node.put(name, node.keys.get(name, whole.at), whole)


def _axes(id: str, documents: Sequence[Document]) -> Map | None:
    """The `matrix` of a definition: its own, else that of the templates it extends, the last one first."""
    jobs, templates = (
        {
            name: each
            for document in documents
            if isinstance(section := document.root.nodes.get(word), Map)
            for name, each in section.nodes.items()
        }
        for word in ("jobs", "templates")
    )
    waiting: list[Node | None] = [jobs.get(id)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Map):
            continue
        if isinstance(found := node.nodes.get("matrix"), Map):
            return found
        names = node.value.get("extends", [])
        waiting += [templates.get(str(name)) for name in (names if isinstance(names, list) else [names])]
    return None


# ── what nobody said ────────────────────────────────────────────────────────────────────────


def _built_in(spec: JobSpec, node: Map) -> Iterator[Default]:
    """Keys that are not written, with what holds instead."""
    commands = [step.work for step in spec.steps if isinstance(step.work, Command)]
    known = {"timezone": spec.timezone, "working_dir": str(Path(spec.source).parent)}
    for each in defaults():
        if each.key in node.nodes or (each.commands and not commands):
            continue
        if each.key == "shell" and not any(command.script is not None for command in commands):
            continue
        yield replace(each, value=known.get(each.key, each.value))


# ── values as text ──────────────────────────────────────────────────────────────────────────


def _is_text_block(value: Any) -> bool:
    """Whether a text is best read as a block, and comes out of one as it went in."""
    if not isinstance(value, str) or "\n" not in value or value[0] in " \n\t":
        return False
    lines = value.removesuffix("\n").split("\n")
    return bool(lines[-1]) and all(line.isprintable() or "\t" in line for line in lines) and "\r" not in value


def _as_written(value: Any) -> Any:
    """Numbers that were not written the shortest way, as their text."""
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    return str(value) if isinstance(value, Number | Real) else value


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Number | Real):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if value is None:
        return "null"
    if not isinstance(value, str):
        return json.dumps(value)
    plain = str(yaml.safe_dump(value, width=1 << 20, allow_unicode=True, default_flow_style=True))
    plain = plain.removesuffix("\n").removesuffix("\n...")
    return plain if _read(f"[{plain}]") == [value] else json.dumps(value, ensure_ascii=False)


def _read(text: str) -> Any:
    try:
        node = parse(text, Source("", text))
    except Trouble:
        return None
    return node.value if node is not None else None
