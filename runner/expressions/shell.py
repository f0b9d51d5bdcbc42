"""A value never becomes script text: expressions of a shell script are lifted into environment variables.

Each `${{ }}` is replaced by a reference written for the quoting it stands in, so that the value arrives as one word,
byte for byte, and nothing in it is ever executed. Where a place has no such reference, or a command would run the
value as a script, it is an error that says how to write it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.errors import ExpressionError
from runner.expressions.filters import as_text
from runner.expressions.render import evaluate, render
from runner.expressions.scan import Part, has_expression, parts
from runner.expressions.shellwalk import EXPRESSION, Place, Site, Walk

PREFIX = "RUNNER_VALUE_"
MOST_VALUE = 128 * 1024 - 64
"""Bytes of one variable: what Linux takes, less its name."""

_LAST_FILTER = re.compile(r"\|\s*(\w+)\s*$")
_SHELLS = re.compile(r"(?:.*/)?(?:ba|da|k|z|a)?sh")
_CODE = re.compile(r"(?:.*/)?(?:python[0-9.]*|pypy[0-9.]*|perl|ruby|node|php|lua)")
_RUNS_CODE = re.compile(r"-[a-zA-Z]*[ceE]|-r|--eval")
_EXPANDED = re.compile(r"(?:PS[0-4]|PROMPT_COMMAND|BASH_ENV|ENV)\+?=")
"""Variables whose value a shell reads as script text."""
_RUNS_TEXT = re.compile(r"-[a-zA-Z]*c")
_NUMERIC = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_NAMING = frozenset({"unset", "read", "declare", "typeset", "local", "mapfile", "readarray"})
_DECLARING = frozenset({"declare", "typeset", "local", "export", "readonly"})
_EVALUATED = re.compile(r"-[a-zA-Z]*[in][a-zA-Z]*")
"""The value is arithmetic (`-i`), or the name of another variable (`-n`)."""
_INTERPRETERS = frozenset({"awk", "gawk", "mawk", "sed", "jq", "ssh", "su", "xargs", "parallel", "watch"})
_PROGRAM_OPTIONS = frozenset({"-c", "-e", "-r", "--command", "--eval", "--execute", "--expression"})

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
            raise _error(
                part,
                f"an expression cannot stand inside a {interpreter} script",
                "hand the value over in the environment: env: {NAME: ${{ ... }}}",
            )


def _replacement(site: Site, script: str, names: dict[str, str], warnings: list[str]) -> str:
    part, last = site.part, _last_filter(site.part)
    if site.place is Place.COMMENT:
        inert = "$ " + script[part.start + 1 : part.end]  # never read, and no expression any more
        return inert.replace("\n", " ")
    if last == "raw":
        warnings.append(f"{_shown(part)} becomes script text: whatever it holds is executed")
        return script[part.start : part.end]
    if site.place in (Place.ARITHMETIC, Place.SUBSCRIPT) and last in ("int", "length", "count"):
        return _REFERENCES[Place.ARITHMETIC] % _name(part, names)
    if site.place in _REFUSED:
        raise _error(part, *_REFUSED[site.place])
    _judge(site, last, warnings)
    return _REFERENCES[site.place] % _name(part, names)


def _name(part: Part, names: dict[str, str]) -> str:
    return names.setdefault(part.text, f"{PREFIX}{len(names) + 1}")


def _judge(site: Site, last: str, warnings: list[str]) -> None:
    """Refuse, or warn of, commands that read their arguments as programs."""
    before, name = site.words[: site.word], site.words[0]
    if last != "sh" and _executes(before, site.word):
        raise _error(
            site.part,
            f"`{' '.join(word for word in before if EXPRESSION not in word)}` runs its argument as a script",
            "hand it over as an argument of its own ($1), with env, or quoted once more: ${{ ... | sh }}",
        )
    _judge_text(site, before, name)
    _judge_bash(site, before, name)
    if name == "for" and before[-1:] == ["in"] and site.begins:
        warnings.append(f"{_shown(site.part)} is one word for the loop; use foreach for a list")
    elif last not in ("sh", "int", "json") and _interprets(site, name.rpartition("/")[2]):
        warnings.append(
            f"{_shown(site.part)} becomes part of what `{name}` interprets; use its own way to pass values"
        )


def _judge_text(site: Site, before: list[str], name: str) -> None:
    """What is read as a script by way of an input or a variable, and scripts of other languages."""
    if site.place is Place.HEREDOC and _reads_script(before):
        raise _error(
            site.part,
            f"`{name}` runs this here-document as a script",
            "hand the value over with env, or as $1",
        )
    if _EXPANDED.match(site.words[site.word]):
        raise _error(site.part, "the shell runs what this variable holds", "write a fixed text there")
    safe = _counted(site.part) or _last_filter(site.part) == "json"
    if before and _RUNS_CODE.fullmatch(before[-1]) and any(map(_CODE.fullmatch, before)) and not safe:
        raise _error(
            site.part,
            f"`{' '.join(before)}` runs its argument as a script",
            "hand the value over with env: {NAME: ${{ ... }}}, or as an argument of its own",
        )


def _reads_script(words: list[str]) -> bool:
    """Whether a command takes its script from its input: a shell or an interpreter, and no file."""
    for number, word in enumerate(words):
        if _SHELLS.fullmatch(word) or _CODE.fullmatch(word):
            rest = words[number + 1 :]
            return all(each.startswith("-") for each in rest) or bool({"-", "-s"} & set(rest))
    return False


def _interprets(site: Site, name: str) -> bool:
    """Whether the expression is a part of a program in another language, or of a remote command."""
    if not site.word:
        return False
    if name in ("ssh", "su"):
        return site.word > 1
    if site.words[site.word - 1] in ("-v", "--arg", "--argjson", "--assign"):
        return False
    if name in _INTERPRETERS:
        return site.words[site.word] != EXPRESSION
    return site.words[site.word - 1] in _PROGRAM_OPTIONS and not _SHELLS.fullmatch(name)


def _executes(before: list[str], word: int) -> bool:
    """Whether the next word is a script to the command that stands before it."""
    if not before:
        return False
    heads = [each for each in before if each not in ("command", "builtin", "exec", "sudo", "env", "nohup")]
    if heads and (heads[0] == "eval" or heads == ["trap"] or heads == ["trap", "--"]):
        return True
    return bool(_RUNS_TEXT.fullmatch(before[-1])) and any(
        _SHELLS.fullmatch(each) or each.rpartition("/")[2] in ("su", "runuser") for each in before
    )


def _judge_bash(site: Site, before: list[str], name: str) -> None:
    """What bash evaluates where other shells compare or store; `sh` is bash on some systems."""
    after = site.words[site.word + 1 : site.word + 2]
    if name not in ("[", "test") and (set(before[-1:]) | set(after)) & _NUMERIC and not _counted(site.part):
        raise _error(
            site.part,
            "bash evaluates what [[ ]] compares as numbers",
            "write [ ... -eq ... ], or say that it is a number: ${{ n | int }}",
        )
    if name == "let" or (before[-1:] == ["-v"] and name in ("[[", "[", "test", "printf")):
        raise _error(
            site.part, f"bash evaluates the arguments of {name}", "compare in `if:`, or use another name"
        )
    if name == "compgen" or (name in _DECLARING and any(map(_EVALUATED.fullmatch, before[1:]))):
        raise _error(site.part, f"bash evaluates the arguments of {name}", "assign it to a plain variable")
    if name in _NAMING and site.begins and site.word:
        raise _error(site.part, f"bash evaluates the names given to {name}", "write a fixed name there")


def _counted(part: Part) -> bool:
    return _last_filter(part) in ("int", "length", "count")


def _last_filter(part: Part) -> str:
    match = _LAST_FILTER.search(part.text)
    return match[1] if match else ""


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


def _shown(part: Part) -> str:
    return f"${{{{ {part.text} }}}}"


def _error(part: Part, fact: str, hint: str) -> ExpressionError:
    return ExpressionError(f"{_shown(part)}: {fact}", hint=hint, offset=part.start)
