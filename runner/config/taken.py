"""Jobs taken over from another tool's file, and the text of the jobs file made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NOT_UNDERSTOOD = (AttributeError, LookupError, OverflowError, TypeError, ValueError)
"""What reading another tool's value raises where that is not what it should be."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""What other readers of YAML take for something else than a text."""
_BREAKS = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What JSON leaves as it is, and readers of YAML take for the end of a line or for no text at all."""
_LONG = 80
"""A mapping that takes more characters in one line is written in several."""


@dataclass(slots=True)
class Taken:
    """A file, read. `jobs`: the lines of each job by its id. `notes` are for people: job, and what needs their eye.

    `secrets`: where each secret comes from, by its name. `channels`: the URL of each, by its name. `calendars`: the
    keys of each. `groups`: how many at once.
    """

    jobs: dict[str, list[str]] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    calendars: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)


def no_yaml(error: Any) -> str:
    """Where and why a text is no YAML, in one line."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"no YAML: {place}{getattr(error, 'problem', None) or str(error).splitlines()[0]}"


def free_id(name: str, others: Mapping[str, Any]) -> str:
    """A job id made of a name, which no other has."""
    base = re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._") or "job"
    id, count = base, 1
    while id in others:
        count += 1
        id = f"{base}-{count}"
    return id


def truth(text: Any) -> bool:
    """Whether another tool's file says yes."""
    return str(text).lower() in ("true", "yes", "on", "1")


def seconds(value: Any) -> str:
    """A number of seconds as a duration of ours. ValueError."""
    milliseconds = round(float(value) * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def literal(text: str) -> str:
    """`${{` means something in our texts: here it is written as an expression that gives it."""
    return text.replace("${{", "${{ '${{' }}")


def quoted(value: Any) -> str:
    """YAML that means these very characters."""
    return _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def comment(text: str) -> str:
    """A line that is nothing but a comment, whatever the text: a line break in it would end it."""
    return "# " + "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def flow(value: Any) -> str:
    """YAML in one line, with quotes only where they are needed."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return quoted(value)


def lines_of(mapping: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a mapping in block style: texts of several lines as they are, short lists and mappings in one."""
    for key, value in mapping.items():
        name = flow(key)
        if isinstance(value, str) and _can_be_block(value):
            yield f"{name}: |"
            yield from (f"  {line}" if line else "" for line in value.split("\n")[:-1])
        elif isinstance(value, Mapping) and (_nested(value) or len(flow(value)) > _LONG):
            yield f"{name}:"
            yield from (f"  {line}" for line in lines_of(value))
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            yield f"{name}:"
            for each in value:
                first, *rest = lines_of(each)
                yield from (f"  - {first}", *(f"    {line}" if line else "" for line in rest))
        else:
            yield f"{name}: {flow(value)}"


def _nested(mapping: Mapping[str, Any]) -> bool:
    return any(isinstance(each, Mapping) for each in mapping.values())


def _can_be_block(text: str) -> bool:
    *lines, last = text.split("\n")
    return bool(
        lines
        and last == ""
        and lines[0].strip()
        and lines[-1]
        and not lines[0].startswith((" ", "\t"))
        and text.replace("\n", "").isprintable()
    )


def as_yaml(taken: Taken, *, name: str, head: Sequence[str]) -> str:
    """The text of a jobs file that does the same. `head`: what a reader should know first, one line each."""
    out = [comment(f"Taken over from {name}. Look through it, then: runner validate")]
    out += map(comment, head)
    out += ["version: 1", ""]
    shared: dict[str, Mapping[str, Any]] = {
        "secrets": taken.secrets,
        "channels": taken.channels,
        "calendars": taken.calendars,
        "groups": taken.groups,
    }
    for key, mapping in shared.items():
        out += [*lines_of({key: mapping}), ""] if mapping else []
    out.append("jobs:" if taken.jobs else "jobs: {}")
    for id, lines in taken.jobs.items():
        out.append(f"  {quoted(id) if id.isdigit() else id}:")
        out += [f"    {line}" if line else "" for line in lines]
    left = [(job, note) for job, note in taken.notes if not job or "left out" in note]
    out += ["", *(comment(f"{job}: {note}" if job else note) for job, note in left)] if left else []
    return "\n".join(out) + "\n"
