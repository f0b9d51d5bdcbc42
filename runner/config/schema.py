"""The JSON Schema of the jobs file, generated from the models: `python -m runner.config.schema [--check]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.document import FileModel
from runner.duration import format_duration

FILE = Path(__file__).parents[2] / "schemas" / "jobs.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as a value."""
    made = FileModel.model_json_schema(by_alias=True)
    made.pop("title", None)
    # A schedule's short form becomes this key before validation; nobody writes it.
    made["$defs"]["ScheduleModel"]["properties"].pop("text", None)
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
    if isinstance(plain.get("default"), int) and not isinstance(plain["default"], bool):
        plain["default"] = written(plain["default"], meaning_of(plain))
    return plain


def meaning_of(node: Mapping[str, Any]) -> str:
    """What a text or a number stands for: duration, size, share, time of day, or nothing special."""
    pattern, examples = str(node.get("pattern", "")), node.get("examples", [])
    if "[wdhms]" in pattern:
        return "duration"
    if examples == ["512M", "2G"]:
        return "size"
    return {"20%": "share", "05:00": "time of day"}.get(str(examples[0]), "") if examples else ""


def written(value: int, meaning: str) -> Any:
    """A value of the models as people write it."""
    if meaning == "duration":
        return format_duration(value)
    return size_text(value) if meaning == "size" else value


def size_text(size: int) -> str:
    """Bytes with the largest unit that says them whole: 256M."""
    for unit, factor in (("T", 1024**4), ("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


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
