"""`runner schema PATH`: what stands at a place of the jobs file, in words: kind, default, meaning, example, keys."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from runner.config.defaults import defaults
from runner.config.order import JOB, STEP
from runner.config.samples import EXAMPLES
from runner.config.schema import meaning_of, schema
from runner.errors import RunnerError

Node = Mapping[str, Any]
NAME = "*"
"""Stands for a name that people choose, such as a job's id."""

_MEANINGS = {
    "duration": "a length of time: 90s, 15m, 1h30m, 2d",
    "size": "a size: 64K, 512M, 2G",
    "share": "a share: 20%",
    "time of day": 'a time of day: "05:00"',
}
_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number",
          "number": "a number", "boolean": "true or false", "null": "nothing"}  # fmt: skip
_WIDTH = 80


def describe(path: str) -> str:
    """What stands at a path: `jobs.*.retry`, `jobs.etl.steps.run`, `channels`. RunnerError where nothing can."""
    root = _root()
    node: Node = root
    done: list[str] = []
    for part in _parts(path):
        node = _below(part, node, root, ".".join(done))
        done.append(part)
    return "\n".join(_described(done, node, root))


@lru_cache(maxsize=1)
def _root() -> Node:
    return schema()


def keys_of(model: str = "") -> str:
    """The keys of a mapping (`StepModel`; the file itself, if none is named) as a table in Markdown."""
    root = _root()
    node = root["$defs"][model] if model else root
    path = ["jobs", NAME] if model == "JobModel" else [model or "file"]
    rows = ["| key | what may stand there | if it is left out | meaning |", "|---|---|---|---|"]
    for key, child in _in_order(dict(_keys(node, root))).items():
        if child.get("not") == {}:
            continue
        absent = "an error" if key in node.get("required", ()) else _default([*path, key], child)
        cells = (f"`{key}`", _kinds(child, root), absent, _said(child, root))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _parts(path: str) -> list[str]:
    """`jobs.*.steps[0].run` without the numbers: an item stands where its list does."""
    return [bare for part in path.split(".") if (bare := part.partition("[")[0]) and not bare.isdecimal()]


def _below(part: str, node: Node, root: Node, done: str) -> Node:
    own, chosen = dict(_keys(node, root)), list(_chosen(node, root))
    if part in own:
        return own[part]
    within = {name: child for each in chosen for name, child in _keys(each, root)}
    if chosen and part != NAME and part in within:
        return within[part]
    near = get_close_matches(part, [*own, *within], 1, cutoff=0.75)
    if chosen and (part == NAME or not near):
        return chosen[0]
    fact = f"{done} has no key {part!r}" if done else f"the file has no key {part!r}"
    if not own and not within:
        raise RunnerError(fact, hint=f"{done} is {_kinds(node, root)}")
    known = sorted(own or within)
    raise RunnerError(fact, hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}")


def _described(path: list[str], node: Node, root: Node) -> Iterator[str]:
    name = path[-1] if path else ""
    yield ".".join(path) or "jobs.yaml"
    said = _said(node, root)
    if said:
        yield from textwrap.wrap(said[:1].upper() + said[1:] + ("" if said.endswith(".") else "."), _WIDTH - 2,
                                 initial_indent="  ", subsequent_indent="  ")  # fmt: skip
    yield ""
    yield from _field("type", _kinds(node, root))
    default = _default(path, node)
    if default:
        yield from _field("default", default)
    for example in _examples(name, node, root):
        yield from _field("example", example)
    chosen = list(_chosen(node, root))
    own = dict(_keys(node, root))
    if chosen and not own:
        yield ""
        yield f"  Below it stand names that you choose; `{NAME}` is any of them:"
        own = dict(_keys(chosen[0], root))
        path = [*path, NAME]
    if own:
        own = _in_order(own)
        yield ""
        yield from _table(own, node if not chosen else chosen[0], root)
        yield ""
        first = next(iter(own))
        yield (
            f"  More: runner schema '{'.'.join([*path, first])}'"
            if NAME in path
            else (f"  More: runner schema {'.'.join([*path, first])}")
        )


def _field(word: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH, initial_indent=f"  {word:8} ", subsequent_indent=" " * 11,
                             break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _table(keys: Mapping[str, Node], owner: Node, root: Node) -> Iterator[str]:
    needed = {name for each in _mappings(owner, root) for name in each.get("required", ())}
    width = max(map(len, keys))
    for key, child in keys.items():
        said = _said(child, root) or _kinds(child, root)
        if child.get("not") == {}:
            said = "not yet available"
        if key in needed:
            said += " (needed)"
        elif default := _default([key], child, table=True):
            said += f" [{default}]"
        yield from textwrap.wrap(said, _WIDTH, initial_indent=f"  {key:{width}}  ",
                                 subsequent_indent=" " * (width + 4))  # fmt: skip


def _in_order(keys: Mapping[str, Node]) -> dict[str, Node]:
    """Those of a job and of a step as `runner fmt` puts them; the others as they are told."""
    for shape in (JOB, STEP):
        if set(keys) == set(shape.keys):
            return {key: keys[key] for key in shape.keys}
    return dict(keys)


# ── one node ────────────────────────────────────────────────────────────────────────────────


def _said(node: Node, root: Node) -> str:
    return str(node.get("description") or _resolved(node, root).get("description") or "")


def _default(path: list[str], node: Node, *, table: bool = False) -> str:
    if node.get("default") not in (None, [], {}, ""):
        return _yaml(node["default"])
    if not table and len(path) >= 2 and path[0] in ("jobs", "defaults", "templates") and "steps" not in path:
        for each in defaults():
            if each.key == path[-1] and len(path) <= (3 if path[0] != "defaults" else 2):
                said = _yaml(each.value) if each.value is not None else ""
                return ", ".join(filter(None, (said, each.note)))
    return ""


def _kinds(node: Node, root: Node) -> str:
    """What may be written there, each form once."""
    return ", or ".join(dict.fromkeys(_each_kind(node, root)))


def _each_kind(node: Node, root: Node) -> Iterator[str]:
    node = _resolved(node, root)
    if node.get("not") == {}:
        yield "nothing: it is not yet available"
    elif "enum" in node:
        yield "one of: " + ", ".join(map(str, node["enum"]))
    elif "const" in node:
        yield f"`{node['const']}`"
    elif "anyOf" in node and not node.get("properties"):
        for option in node["anyOf"]:
            # An expression over vars and matrix is possible nearly everywhere.
            if not str(option.get("pattern", "")).startswith("\\$"):
                yield from _each_kind(option, root)
    elif meaning := meaning_of(node):
        yield _MEANINGS[meaning]
    else:
        kind = node.get("type")
        if isinstance(kind, list):
            yield "text" if "string" in kind else " or ".join(_TYPES[each] for each in kind)
        elif kind == "array":
            yield "a list" + _of(node.get("items"), root)
        elif kind == "object" and not node.get("properties"):
            chosen = next(_chosen(node, root), None)
            yield "a mapping from names to" + _of(chosen, root).removeprefix(" of") if chosen else "a mapping"
        elif kind in ("integer", "number"):
            yield _TYPES[kind] + _bounds(node)
        else:
            yield _TYPES.get(str(kind), "any value")


def _of(node: Any, root: Node) -> str:
    if not isinstance(node, Mapping) or not node:
        return " of any values"
    kinds = list(dict.fromkeys(_each_kind(node, root)))
    plural = {"a mapping": "mappings", "text": "texts", "a whole number": "whole numbers", "a list": "lists"}
    return " of " + " or ".join(plural.get(kind, kind) for kind in kinds)


def _bounds(node: Node) -> str:
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum")
    if low is None and high is None:
        return ""
    if high is None:
        return f", {'more than' if 'exclusiveMinimum' in node else 'at least'} {low:g}"
    return f", {low:g} to {high:g}"


def _examples(name: str, node: Node, root: Node) -> Iterator[str]:
    given = node.get("examples", [])
    if given:
        for each in given[:3]:
            yield f"{name}: {_yaml(each)}" if name else _yaml(each)
        return
    if name in EXAMPLES:
        yield EXAMPLES[name]
        return
    for option in [node, *_resolved(node, root).get("anyOf", ())]:
        plain = _resolved(option, root)
        value: Any = None
        if plain.get("examples"):
            value = plain["examples"][0]
        elif "enum" in plain:
            value = next((each for each in plain["enum"] if each != node.get("default")), None)
        elif plain.get("type") == "boolean":
            value = not node.get("default", False)
        elif plain.get("type") in ("integer", "number"):
            value = max(2, plain.get("minimum", 2))
        if value is not None:
            yield f"{name}: {_yaml(value)}"
            return


def _yaml(value: Any) -> str:
    """In one line."""
    from runner.config.explain import flow

    return flow(value)


# ── through the schema ──────────────────────────────────────────────────────────────────────


def _mappings(node: Node, root: Node) -> Iterator[Node]:
    """The mappings that may be written there: also as one of several forms, and as an item of a list."""
    node = _resolved(node, root)
    if node.get("properties") or node.get("additionalProperties") or node.get("patternProperties"):
        yield node
    for option in node.get("anyOf", ()):
        if isinstance(option, Mapping):
            yield from _mappings(option, root)
    if isinstance(node.get("items"), Mapping):
        yield from _mappings(node["items"], root)


def _keys(node: Node, root: Node) -> Iterator[tuple[str, Node]]:
    """The keys that may be written there."""
    for each in _mappings(node, root):
        yield from each.get("properties", {}).items()


def _chosen(node: Node, root: Node) -> Iterator[Node]:
    """What stands below names that people choose."""
    for each in _mappings(node, root):
        more = [each.get("additionalProperties"), *each.get("patternProperties", {}).values()]
        if not each.get("properties"):
            yield from (below for below in more if isinstance(below, Mapping) and below)


def _resolved(node: Node, root: Node) -> Node:
    reference = node.get("$ref")
    if not reference:
        return node
    found: Node = root["$defs"][reference.rsplit("/", 1)[-1]]
    return {**found, **{key: value for key, value in node.items() if key != "$ref"}}
