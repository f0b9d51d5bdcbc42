"""The JSON Schema of the jobs file, generated from the models: `python -m runner.config.schema [--check]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from runner.config.document import FileModel
from runner.errors import RunnerError

FILE = Path(__file__).parents[2] / "schemas" / "jobs.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as a value."""
    made = FileModel.model_json_schema(by_alias=True)
    made.pop("title", None)
    return {"$schema": _DIALECT, "title": "jobs.yaml", **_plain(made)}


def text() -> str:
    """The schema as a file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:
    """Without what pydantic adds for programs: generated titles, and null for what may be left out."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: _plain(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
    }
    names = plain.get("patternProperties")
    if names and plain.get("type") == "object" and "properties" not in plain:
        # Names that people choose have a form, and no other is one.
        plain["additionalProperties"] = False
    options = plain.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        del plain["anyOf"]
        plain = {**(rest[0] if len(rest) == 1 else {"anyOf": rest}), **plain}
        if plain.get("default", 0) is None:
            del plain["default"]
    return plain


# ── in words ────────────────────────────────────────────────────────────────────────────────


def describe(path: str) -> str:
    """What stands at a path of the file (`jobs.retry`, `channels.quiet`), in words."""
    root = schema()
    node: Mapping[str, Any] = root
    done: list[str] = []
    for part in path.strip(".").split("."):
        keys = dict(_keys(node, root))
        if part not in keys:
            # A name that people choose (a job's id) stands for any.
            value = node.get("additionalProperties") if part not in keys else None
            if isinstance(value, Mapping):
                node = _resolved(value, root)
                done.append(part)
                continue
            near = get_close_matches(part, keys, 1)
            where = ".".join(done) or "the file"
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(keys))}"
            raise RunnerError(f"{where} has no key {part!r}", hint=hint)
        node = keys[part]
        done.append(part)
    return "\n".join(_described(".".join(done), node, root))


def _described(name: str, node: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    yield name
    if node.get("description"):
        yield f"  {node['description']}"
    yield f"  {_kind(node, root)}"
    if "default" in node and node["default"] not in (None, [], {}):
        yield f"  default: {json.dumps(node['default'])}"
    for example in node.get("examples", []):
        yield f"  example: {example if isinstance(example, str) else json.dumps(example)}"
    keys = dict(_keys(node, root))
    if keys:
        yield ""
        width = max(map(len, keys))
        for key, child in keys.items():
            said = str(child.get("description") or _kind(child, root))
            yield f"  {key:{width}}  {said}"


def _kind(node: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "enum" in node:
        return "one of: " + ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if "$ref" in node:
        return _kind(_resolved(node, root), root)
    if "anyOf" in node:
        kinds = [_kind(option, root) for option in node["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    kind = node.get("type", "any value")
    words = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number",
             "number": "a number", "boolean": "true or false"}  # fmt: skip
    if isinstance(kind, list):
        return " or ".join(str(words.get(each, each)) for each in kind)
    return words.get(str(kind), str(kind))


def _keys(node: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys below a node, through references, choices, lists, and names that people choose."""
    node = _resolved(node, root)
    yield from node.get("properties", {}).items()
    for option in node.get("anyOf", ()):
        yield from _keys(option, root)
    for below in (node.get("items"), node.get("additionalProperties")):
        if isinstance(below, Mapping):
            yield from _keys(below, root)
    for below in node.get("patternProperties", {}).values():
        if below:
            yield from _keys(below, root)


def _resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if not reference:
        return node
    found: Mapping[str, Any] = root["$defs"][reference.rsplit("/", 1)[-1]]
    return {**found, **{key: value for key, value in node.items() if key != "$ref"}}


def main(args: list[str]) -> int:
    """Write the file, or with `--check` say whether it is what the models make."""
    fresh = text()
    if "--check" in args:
        if not FILE.exists() or FILE.read_text(encoding="utf-8") != fresh:
            print(f"{FILE.name} is not what the models make: run make generate", file=sys.stderr)
            return 1
        return 0
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
