"""A value never becomes script text: expressions of a shell script are lifted into environment variables.

Each `${{ }}` is replaced by a reference written for the quoting it stands in, so that the value arrives as one word,
byte for byte, and nothing in it is ever executed. Where a place has no such reference, or a command would run the
value as a script, it is an error that says how to write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.errors import ExpressionError
from runner.expressions.filters import as_text
from runner.expressions.judge import error, judge, last_filter, shown
from runner.expressions.render import evaluate, render
from runner.expressions.scan import Part, has_expression, parts
from runner.expressions.shellwalk import Place, Site, Walk

PREFIX = "RUNNER_VALUE_"
MOST_VALUE = 128 * 1024 - 64
"""Bytes of one variable: what Linux takes, less its name."""

_REFERENCES = {
    Place.BARE: '"${%s}"',
    Place.PATTERN: '"${%s}"',
    Place.DOUBLE: "${%s}",
    Place.HEREDOC: "${%s}",
    Place.SINGLE: "'\"${%s}\"'",
    Place.ARITHMETIC: " ${%s}",
}
_REFUSED = {
    Place.ARITHMETIC: (
        "the shell evaluates what stands in (( ))",
        "calculate in the expression, or say that it is a number: ${{ n | int }}",
    ),
    Place.SUBSCRIPT: (
        "bash evaluates what stands in a subscript",
        "say that it is a number: ${{ n | int }}",
    ),
    Place.PARAMETER: (
        "an expression cannot stand there inside ${ }",
        "assign it first: value=${{ ... }}, then use ${value}",
    ),
    Place.ANSI: ("an expression cannot stand inside $' '", 'close the quotes before it, or use " "'),
    Place.BACKTICKS: ("an expression cannot stand in backticks with a backslash", "write $( ) instead"),
    Place.ESCAPED: ("an expression cannot stand behind a backslash", "leave the backslash out"),
    Place.DELIMITER: (
        "an expression cannot be the delimiter of a here-document",
        "write a fixed word there, such as EOF",
    ),
    Place.QUOTED_HEREDOC: (
        "a here-document with a quoted delimiter takes everything as it is",
        "write the delimiter without quotes (<<EOF), or hand the value over with env: {NAME: ${{ ... }}}",
    ),
}


@dataclass(frozen=True, slots=True)
class Lifted:
    """A script without values. `variables`: name to the text of the expression whose value it gets.

    What is left of `${{ }}` in `script` is marked `| raw`; `filled` inserts it.
    """

    script: str
    variables: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def filled(self, context: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """The script to run and the variables it needs. ExpressionError where a value cannot be one."""
        values = {name: _value(text, context) for name, text in self.variables.items()}
        return (str(render(self.script, context)) if has_expression(self.script) else self.script), values


def lift(script: str, shell: Literal["sh", "bash"] = "sh") -> Lifted:
    """Lift the expressions out of a script; ExpressionError where no safe reference can be written."""
    found = {part.start: part for part in parts(script) if part.expression}
    if not found:
        return Lifted(script)
    try:
        sites = Walk(script, found, shell).sites
    except RecursionError:
        raise ExpressionError("the script is nested too deep", hint="move it into a file") from None
    names: dict[str, str] = {}
    warnings: list[str] = []
    pieces: list[str] = []
    at = 0
    for site in sorted(sites, key=lambda site: site.part.start):
        part = site.part
        pieces.append(script[at : part.start])
        at = part.end
        pieces.append(_replacement(site, script, names, warnings))
    variables = {name: text for text, name in names.items()}
    return Lifted("".join([*pieces, script[at:]]), variables, tuple(warnings))


def without_comments(script: str) -> str:
    """A script of the same length in which expressions that stand in comments are none any more.

    Where it cannot be read, it is as it was.
    """
    try:
        found = {part.start: part for part in parts(script) if part.expression}
        sites = Walk(script, found, "sh").sites
    except (ExpressionError, RecursionError):
        return script
    for site in sites:
        if site.place is Place.COMMENT:
            script = f"{script[: site.part.start]}...{script[site.part.start + 3 :]}"
    return script


def refuse(script: str, interpreter: str) -> None:
    """Raise ExpressionError where a script for another interpreter holds an expression."""
    for part in parts(script):
        if part.expression:
            raise error(
                part,
                f"an expression cannot stand inside a {interpreter} script",
                "hand the value over in the environment: env: {NAME: ${{ ... }}}",
            )


def _replacement(site: Site, script: str, names: dict[str, str], warnings: list[str]) -> str:
    part, last = site.part, last_filter(site.part)
    if site.place is Place.COMMENT:
        inert = "$ " + script[part.start + 1 : part.end]  # never read, and no expression any more
        return inert.replace("\n", " ")
    if last == "raw":
        warnings.append(f"{shown(part)} becomes script text: whatever it holds is executed")
        return script[part.start : part.end]
    if site.place in (Place.ARITHMETIC, Place.SUBSCRIPT) and last in ("int", "length", "count"):
        return _REFERENCES[Place.ARITHMETIC] % _name(part, names)
    if site.place in _REFUSED:
        raise error(part, *_REFUSED[site.place])
    judge(site, last, warnings)
    return _REFERENCES[site.place] % _name(part, names)


def _name(part: Part, names: dict[str, str]) -> str:
    return names.setdefault(part.text, f"{PREFIX}{len(names) + 1}")


def _value(text: str, context: Mapping[str, Any]) -> str:
    value = as_text(evaluate(text, context))
    if "\0" in value:
        raise ExpressionError(
            f"${{{{ {text} }}}} holds a NUL character", hint="a command cannot be given one"
        )
    if len(value.encode("utf-8", "surrogateescape")) > MOST_VALUE:
        raise ExpressionError(
            f"${{{{ {text} }}}} is longer than the {MOST_VALUE // 1024} KiB a command can be given",
            hint="hand large data over in a file: ${{ run.dir }} is private to the run",
        )
    return value
