"""Words for text that is not YAML: what went wrong, where it began, what to type instead."""

from __future__ import annotations

import re
from typing import Any

import yaml

from runner.config.diagnose import make
from runner.config.node import MAX_DEPTH, Source
from runner.errors import Problem

_SLOW_LIMIT = 200_000
"""Characters the pure Python parser is asked to read again: a second of its time at most."""


def explain(text: str, source: Source, error: yaml.YAMLError) -> Problem:
    """The better words of the pure Python parser, at the place where the trouble begins."""
    if isinstance(error, yaml.reader.ReaderError):
        return _unreadable(text, source, error)
    if len(text) < _SLOW_LIMIT:
        error = _again(text) or error
    mark: Any = getattr(error, "problem_mark", None)
    line, column = (mark.line, mark.column) if mark else (0, 0)
    last = text.count("\n") - (text.endswith("\n"))
    if line > last:
        line, column = last, max(0, len(source.line(last)) - 1)
    if "nesting depth" in str(getattr(error, "problem", "")):
        return make("limit", f"nested deeper than {MAX_DEPTH} levels", (source, line, column), length=1,
                    help="a bracket may be missing, or too much was generated")  # fmt: skip
    fact, help = _words(error, source, line, column)
    return make("syntax", fact, (source, line, column), help=help, length=1)


def _again(text: str) -> yaml.YAMLError | None:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > 100:
                return None
    except yaml.YAMLError as error:
        return error
    except RecursionError:
        return None
    return None


def _unreadable(text: str, source: Source, error: Any) -> Problem:
    place = min(int(getattr(error, "position", 0) or 0), len(text))
    match = re.compile(
        r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufeff\uff00-\ufffd\U00010000-\U0010ffff]"
    ).search(text)
    place = match.start() if match else place
    line = text.count("\n", 0, place)
    column = place - (text.rfind("\n", 0, place) + 1)
    character = f"U+{ord(text[place]):04X}" if place < len(text) else "a character"
    fact = f"the file holds a control character ({character}), so it is not text"
    help = f'in a quoted text write it as "{_escaped(text[place : place + 1])}"'
    return make("syntax", fact, (source, line, column), help=help, length=1)


_BRACKET = re.compile(r"[\s-]*[\w.-]+:\s+([\[{])")
"""`run: [ -f x ] && ...`, as far as the `&`."""


def _escaped(character: str) -> str:
    code = ord(character or "\a")
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _words(error: yaml.YAMLError, source: Source, line: int, column: int) -> tuple[str, str]:
    problem = str(getattr(error, "problem", "") or error).strip()
    context = str(getattr(error, "context", "") or "").strip()
    mark = getattr(error, "context_mark", None)
    text = source.line(line)
    began = f" that begins on line {mark.line + source.first_line}" if mark else ""
    if "\t" in text[: max(column + 1, len(text) - len(text.lstrip()))] and (
        "\\t" in problem or "token" in problem
    ):
        return (
            "a tab stands where YAML wants spaces",
            "indent with two spaces per level; set the editor to expand tabs",
        )
    if "mapping values are not allowed" in problem and ":" not in text[:column]:
        return "the line above has no `:`", "write `key: value`; text over several lines begins with `|`"
    if "mapping values are not allowed" in problem:
        return (
            "a second `:` in one line",
            'text that holds ": " needs quotes, as in run: "echo a: b"; or indent the line',
        )
    if "could not find expected ':'" in problem:
        return f"a key without `:`{began}", "write `key: value`; text over several lines begins with `|`"
    if "while scanning a quoted scalar" in context:
        return f"a quoted text{began} is never closed", "close the quote"
    if "while parsing a flow" in context:
        if "node" in context and text[: column + 1].rstrip()[-1:] in ("[", "{"):
            close = "]" if text[: column + 1].rstrip()[-1] == "[" else "}"
            return f"what begins here is never closed with `{close}`", f"close it with `{close}`"
        close = "]" if "sequence" in context else "}"
        return (
            f"`{close}` or `,` is missing in the {'list' if close == ']' else 'mapping'}{began}",
            f"close it with `{close}`",
        )
    if "expected <block end>" in problem or "did not find expected key" in problem:
        help = "lines of one mapping or list stand in the same column; a quote or `- ` may be missing above"
        return "this line does not line up with the ones above it", help
    if "cannot start any token" in problem:
        return (
            f"`{text[column : column + 1]}` cannot begin a value",
            'put the value in quotes, as in "@daily" or "%H"',
        )
    if "unknown escape character" in problem:
        return (
            f"{problem.replace('found ', '')} in a quoted text",
            "in double quotes write \\\\ for a backslash; or use single quotes",
        )
    if "undefined tag handle" in problem or "tag" in context:
        return "`!` begins a tag, which means nothing here", 'put the value in quotes, as in "!important"'
    if "anchor" in context or "alias" in context:
        if bracket := _BRACKET.match(text[:column]):
            fact = f"a text that begins with `{bracket[1]}` is a {'list' if bracket[1] == '[' else 'mapping'} for YAML"
            return fact, "put it in quotes, or write `|` and the text on the lines below"
        return (
            f"`{text[column : column + 1] or '*'}` cannot stand in the name of an anchor",
            'put text that begins with * or & in quotes, as in "*/5 * * * *"',
        )
    words = f"{context}: {problem}" if context else problem
    return words, "see the line above as well: a quote, a bracket or a `:` may be missing"
