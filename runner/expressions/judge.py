"""What a value must not become in a command: refused with what to write instead, or warned of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.errors import ExpressionError
from runner.expressions.programs import Reading, advice, fed, quoted, reading
from runner.expressions.scan import Part, has_expression, parts
from runner.expressions.shellwalk import EXPRESSION, FILE, HERE, Place, Site

_LAST_FILTER = re.compile(r"\|\s*(\w+)\s*$")
_EXPANDED = re.compile(
    r"(?:PS[0-4]|PROMPT_COMMAND|BASH_ENV|ENV|GIT_SSH_COMMAND|(?:-o)?(?:Proxy|Local)Command)\+?="
)
"""Variables whose value a shell reads as script text."""
_NUMERIC = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_NAMING = frozenset({"unset", "read", "declare", "typeset", "local", "mapfile", "readarray"})
_DECLARING = frozenset({"declare", "typeset", "local", "export", "readonly"})
_EVALUATED = re.compile(r"-[a-zA-Z]*[in][a-zA-Z]*")
"""The value is arithmetic (`-i`), or the name of another variable (`-n`)."""
_PROGRAM_OPTIONS = frozenset({"-c", "-e", "-r", "--command", "--eval", "--execute", "--expression"})
_TAME = frozenset({"int", "length", "count", "date"})
"""Filters that leave nothing but digits and dashes: no part of a program in any language."""
_ARGUMENT = "hand it over as an argument of its own ($1), with env, or quoted once more: ${{ ... | sh }}"


def judge(site: Site, last: str, warnings: list[str]) -> None:
    """Refuse, or warn of, commands that read their arguments as programs."""
    before, name = site.words[: site.word], site.words[0]
    if _EXPANDED.match(site.words[site.word]):
        raise error(site.part, "the shell runs what this variable holds", "write a fixed text there")
    if last not in _TAME:
        _judge_program(site, before, last)
    _judge_bash(site, before, name)
    if name == "for" and before[-1:] == ["in"] and not site.before:
        warnings.append(f"{shown(site.part)} is one word for the loop; use foreach for a list")
    elif last not in _TAME and last not in ("sh", "json") and _may_be_program(site):
        warnings.append(
            f"{shown(site.part)} becomes part of what `{name}` interprets; use its own way to pass values"
        )


def _judge_program(site: Site, before: list[str], last: str) -> None:
    """Refuse what would become a part of somebody's program."""
    document = site.place is Place.HEREDOC
    found = fed(before) if document else reading(site.words, site.word)
    if found is None:
        return
    tool, kind = found.tool, found.tool.kind
    if document or site.words[site.word].startswith(HERE):
        hint = "hand the value over with env, or as $1" if kind else advice(found)
        what = "here-document" if document else "here-string"
        raise error(site.part, f"`{found.name}` runs this {what} as a script", hint)
    shown = " ".join(word for word in before if EXPRESSION not in word and not word.startswith((FILE, HERE)))
    if kind == "shell":
        if last == "sh":
            _judge_quotes(site, found)
        elif tool.rest and found.name != "eval":
            raise error(site.part, f"`{found.name}` gives its arguments to a shell", advice(found))
        else:
            raise error(site.part, f"`{shown}` runs its argument as a script", _ARGUMENT)
    elif kind == "code":
        raise error(site.part, f"`{shown}` runs its argument as a script", advice(found))
    elif not (last == "b64encode" and "b64encode" in tool.hint):
        raise error(site.part, f"`{found.name}` reads it as a part of its program", advice(found))


def _judge_quotes(site: Site, found: Reading) -> None:
    """A value that was quoted for another shell is a word there: quotes around it would end in its own."""
    if quoted(" ".join([*site.words[found.first : site.word], site.before])):
        raise error(
            site.part,
            "`| sh` makes it a word of its own, and quotes stand around it",
            "leave the inner quotes out",
        )


def _may_be_program(site: Site) -> bool:
    """Whether it is a part of a text that a command nobody knows here may read as a program."""
    words, at = site.words, site.word
    told = at and words[at - 1] in _PROGRAM_OPTIONS and any(map(str.isspace, words[at]))
    return bool(told) and reading(words, at) is None


def _judge_bash(site: Site, before: list[str], name: str) -> None:
    """What bash evaluates where other shells compare or store; `sh` is bash on some systems."""
    after = site.words[site.word + 1 : site.word + 2]
    if name not in ("[", "test") and (set(before[-1:]) | set(after)) & _NUMERIC and not _counted(site.part):
        raise error(
            site.part,
            "bash evaluates what [[ ]] compares as numbers",
            "write [ ... -eq ... ], or say that it is a number: ${{ n | int }}",
        )
    if name == "let" or (before[-1:] == ["-v"] and name in ("[[", "[", "test", "printf")):
        raise error(
            site.part, f"bash evaluates the arguments of {name}", "compare in `if:`, or use another name"
        )
    if name == "compgen" or (name in _DECLARING and any(map(_EVALUATED.fullmatch, before[1:]))):
        raise error(site.part, f"bash evaluates the arguments of {name}", "assign it to a plain variable")
    if name in _NAMING and not site.before and site.word:
        raise error(site.part, f"bash evaluates the names given to {name}", "write a fixed name there")


def check_command(command: Sequence[str]) -> tuple[int, ExpressionError] | None:
    """The first item of a command line, and what is wrong with it, whose value would be a part of a program."""
    if not any(map(has_expression, command)):
        return None
    try:
        found = [list(parts(item)) for item in command]
    except ExpressionError:
        return None  # told where the names are checked
    words = ["".join(EXPRESSION if part.expression else part.text for part in item) for item in found]
    for index, item in enumerate(found):
        before = ""
        for part in item:
            if part.expression and last_filter(part) not in _TAME:
                try:
                    _judge_program(
                        Site(part, Place.BARE, words, index, before), words[:index], last_filter(part)
                    )
                except ExpressionError as error:
                    return index, error
            before += EXPRESSION if part.expression else part.text
    return None


def _counted(part: Part) -> bool:
    return last_filter(part) in ("int", "length", "count")


def last_filter(part: Part) -> str:
    match = _LAST_FILTER.search(part.text)
    return match[1] if match else ""


def shown(part: Part) -> str:
    return f"${{{{ {part.text} }}}}"


def error(part: Part, fact: str, hint: str) -> ExpressionError:
    return ExpressionError(f"{shown(part)}: {fact}", hint=hint, offset=part.start)
