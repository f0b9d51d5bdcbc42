"""A value never becomes script text: expressions of a shell script are lifted into environment variables.

Each `${{ }}` is replaced by a reference written for the quoting it stands in, so that the value arrives as one word,
byte for byte, and nothing in it is ever executed. Where the walk below should misjudge a corner of the shell's
grammar, the reference may be split into words, but a reference is still all that stands in the script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runner.errors import ExpressionError
from runner.expressions.scan import Part, parts

PREFIX = "RUNNER_VALUE_"

_RAW = re.compile(r"\|\s*raw\s*$")
_NUMERIC = re.compile(r"\s-(?:eq|ne|lt|le|gt|ge)\s")
_RUNS_TEXT = re.compile(r"(?:^|[;&|]\s*|\s)(eval|(?:ba|da|z|k)?sh\s+-\w*c|ssh|su\s+-c)\s")


@dataclass(frozen=True, slots=True)
class Lifted:
    """`variables`: name to the text of its expression. What is left of `${{ }}` in `script` is marked `| raw`."""

    script: str
    variables: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def lift(script: str, shell: Literal["sh", "bash"] = "sh") -> Lifted:
    """Lift the expressions out of a script; ExpressionError where no safe reference can be written."""
    found = {part.start: part for part in parts(script) if part.expression}
    if not found:
        return Lifted(script)
    walk = _Walk(script, found, shell)
    walk.run()
    return Lifted("".join(walk.out), walk.variables, tuple(walk.warnings))


def refuse(script: str, interpreter: str) -> None:
    """Raise ExpressionError where a script for another interpreter holds an expression."""
    for part in parts(script):
        if part.expression:
            raise _error(
                part,
                f"an expression cannot stand inside a {interpreter} script",
                "hand the value over in the environment: env: {NAME: ${{ ... }}}",
            )


@dataclass(slots=True)
class _Heredoc:
    word: str
    quoted: bool
    tabs: bool


class _Walk:
    """One pass over a script with a stack of what each place is: bare, dq, paren, command, brace, arith, tick."""

    def __init__(self, script: str, found: Mapping[int, Part], shell: str) -> None:
        self.script = script
        self.found = found
        self.shell = shell
        self.at = 0
        self.out: list[str] = []
        self.variables: dict[str, str] = {}
        self.warnings: list[str] = []
        self.stack: list[str] = ["bare"]
        self.heredocs: list[_Heredoc] = []
        self._names: dict[str, str] = {}

    def run(self) -> None:
        while self.at < len(self.script):
            part = self.found.get(self.at)
            if part is not None:
                self._expression(part, self.stack[-1])
            elif self.stack[-1] == "dq":
                self._quoted()
            elif self.stack[-1] == "brace":
                self._brace()
            elif self.stack[-1] in ("arith", "arithparen"):
                self._arith()
            else:
                self._bare()

    # ── expressions ─────────────────────────────────────────────────────────────────────────

    def _expression(self, part: Part, mode: str) -> None:
        self.at = part.end
        if _RAW.search(part.text):
            self.warnings.append(f"${{{{ {part.text} }}}} becomes script text: whatever it holds is executed")
            self.out.append(self.script[part.start : part.end])
            return
        self._check_line(part)
        match mode:
            case "bare" | "paren" | "command":
                self.out.append(f'"${{{self._variable(part)}}}"')
            case "dq" | "heredoc" | "comment":
                self.out.append(f"${{{self._variable(part)}}}")
            case "sq":
                self.out.append(f"'\"${{{self._variable(part)}}}\"'")
            case "arith" | "arithparen":
                raise _error(
                    part,
                    "a value inside (( )) is evaluated by the shell",
                    "do the arithmetic in the expression: ${{ a + 1 }}",
                )
            case "brace":
                raise _error(
                    part,
                    "an expression cannot stand inside ${ }",
                    "assign it first: value=${{ ... }}, and use ${value#...}",
                )
            case "tick":
                raise _error(part, "an expression cannot stand inside backticks", "write $( ) instead")
            case "ansi":
                raise _error(part, "an expression cannot stand inside $' '", 'write it inside " "')
            case _:
                raise _error(
                    part,
                    "a here-document with a quoted delimiter takes everything as it is",
                    "write the delimiter without quotes, or use env",
                )

    def _check_line(self, part: Part) -> None:
        start = self.script.rfind("\n", 0, part.start) + 1
        end = self.script.find("\n", part.end)
        line = self.script[start : len(self.script) if end < 0 else end]
        if self.shell == "bash" and "[[" in line and _NUMERIC.search(line):
            raise _error(
                part,
                "[[ ]] evaluates what it compares as numbers",
                "write [ ... -eq ... ], or compare in `if:`",
            )
        found = _RUNS_TEXT.search(line[: part.start - start])
        if found:
            self.warnings.append(
                f"${{{{ {part.text} }}}} is handed to `{found[1]}`, which may run it as text"
            )

    def _variable(self, part: Part) -> str:
        name = self._names.get(part.text)
        if name is None:
            name = self._names[part.text] = f"{PREFIX}{len(self._names) + 1}"
            self.variables[name] = part.text
        return name

    # ── the shell's quoting ─────────────────────────────────────────────────────────────────

    def _take(self, count: int = 1) -> str:
        text = self.script[self.at : self.at + count]
        self.out.append(text)
        self.at += count
        return text

    def _bare(self) -> None:
        script, at = self.script, self.at
        char = script[at]
        if char == "\\":
            self._escape()
        elif char == "'":
            self._until_quote("sq")
        elif script.startswith("$'", at) and self.shell == "bash":
            self._take()
            self._until_quote("ansi")
        elif char == '"':
            self._open('"', "dq")
        elif script.startswith("$((", at):
            self._open("$((", "arith")
        elif script.startswith("((", at) and self.shell == "bash" and self._word_begins():
            self._open("((", "arith")
        elif script.startswith("$(", at):
            self._open("$(", "command")
        elif script.startswith("${", at):
            self._open("${", "brace")
        elif char == "`":
            self._tick()
        elif char == "#" and self._word_begins():
            self._comment()
        elif script.startswith("<<", at) and not script.startswith("<<<", at):
            self._heredoc_word()
        elif script.startswith("<<<", at):
            self._take(3)
        elif char == "\n":
            self._take()
            if self.heredocs:
                self._heredoc_bodies()
        elif char == "(":
            self._open("(", "paren")
        elif char == ")":
            self._take()
            if self.stack[-1] in ("paren", "command"):
                self.stack.pop()
        else:
            self._take()

    def _quoted(self) -> None:
        script, at = self.script, self.at
        char = script[at]
        if char == "\\":
            self._escape()
        elif char == '"':
            self._take()
            self.stack.pop()
        elif script.startswith("$((", at):
            self._open("$((", "arith")
        elif script.startswith("$(", at):
            self._open("$(", "command")
        elif script.startswith("${", at):
            self._open("${", "brace")
        elif char == "`":
            self._tick()
        else:
            self._take()

    def _brace(self) -> None:
        char = self.script[self.at]
        if char == "\\":
            self._escape()
        elif char == "'" and "dq" not in self.stack:
            self._until_quote("brace")
        elif char == '"':
            self._open('"', "dq")
        elif self.script.startswith("${", self.at):
            self._open("${", "brace")
        elif self.script.startswith("$(", self.at):
            self._open("$(", "command")
        else:
            self._take()
            if char == "}":
                self.stack.pop()

    def _arith(self) -> None:
        if self.script.startswith("))", self.at):
            self._take(2)
            self.stack.pop()
        elif self.script.startswith("$(", self.at) and not self.script.startswith("$((", self.at):
            self._open("$(", "command")
        elif self.script[self.at] == "(":
            self._open("(", "arithparen")
        elif self.script[self.at] == ")" and self.stack[-1] == "arithparen":
            self._take()
            self.stack.pop()
        else:
            self._take()

    def _open(self, text: str, mode: str) -> None:
        self._take(len(text))
        self.stack.append(mode)

    def _escape(self) -> None:
        following = self.found.get(self.at + 1)
        if following is not None:
            raise _error(
                following, "an expression cannot stand behind a backslash", "leave the backslash out"
            )
        self._take(2)

    def _word_begins(self) -> bool:
        return self.at == 0 or self.script[self.at - 1] in " \t\n;&|()"

    def _until_quote(self, mode: str) -> None:
        """Everything up to the closing single quote; with `ansi` a backslash escapes."""
        self._take()
        while self.at < len(self.script):
            part = self.found.get(self.at)
            if part is not None:
                self._expression(part, mode)
                continue
            char = self._take()
            if char == "\\" and mode == "ansi":
                self._take()
            elif char == "'":
                return

    def _tick(self) -> None:
        self._take()
        while self.at < len(self.script):
            part = self.found.get(self.at)
            if part is not None:
                self._expression(part, "tick")
                continue
            char = self._take()
            if char == "\\":
                self._take()
            elif char == "`":
                return

    def _comment(self) -> None:
        while self.at < len(self.script) and self.script[self.at] != "\n":
            part = self.found.get(self.at)
            if part is not None:
                self._expression(part, "comment")
            else:
                self._take()

    # ── here-documents ──────────────────────────────────────────────────────────────────────

    def _heredoc_word(self) -> None:
        match = re.compile(r"<<(-?)[ \t]*((?:\\.|'[^']*'|\"[^\"]*\"|[^\s;&|<>()])+)").match(
            self.script, self.at
        )
        if match is None:
            self._take(2)
            return
        for start in range(match.start(2), match.end(2)):
            if start in self.found:
                raise _error(
                    self.found[start], "an expression cannot be a here-document's delimiter", "name it"
                )
        word = match[2]
        plain = re.sub(r"[\\'\"]", "", word)
        self.heredocs.append(_Heredoc(plain, plain != word, bool(match[1])))
        self._take(match.end() - self.at)

    def _heredoc_bodies(self) -> None:
        heredocs, self.heredocs = self.heredocs, []
        for heredoc in heredocs:
            while self.at < len(self.script):
                end = self.script.find("\n", self.at)
                end = len(self.script) if end < 0 else end + 1
                line = self.script[self.at : end].rstrip("\n")
                if (line.lstrip("\t") if heredoc.tabs else line) == heredoc.word:
                    self._take(end - self.at)
                    break
                self._heredoc_line(end, "quoted heredoc" if heredoc.quoted else "heredoc")

    def _heredoc_line(self, end: int, mode: str) -> None:
        depth = len(self.stack)
        while self.at < end or len(self.stack) > depth:
            if self.at >= len(self.script):
                return
            part = self.found.get(self.at)
            if part is not None:
                self._expression(part, mode if len(self.stack) == depth else self.stack[-1])
            elif len(self.stack) > depth:
                self._inner()
            elif mode == "heredoc" and self.script[self.at] == "\\":
                self._escape()
            elif mode == "heredoc" and self.script.startswith("$((", self.at):
                self._open("$((", "arith")
            elif mode == "heredoc" and self.script.startswith("$(", self.at):
                self._open("$(", "command")
            elif mode == "heredoc" and self.script.startswith("${", self.at):
                self._open("${", "brace")
            elif mode == "heredoc" and self.script[self.at] == "`":
                self._tick()
            else:
                self._take()

    def _inner(self) -> None:
        match self.stack[-1]:
            case "dq":
                self._quoted()
            case "brace":
                self._brace()
            case "arith" | "arithparen":
                self._arith()
            case _:
                self._bare()


def _error(part: Part, fact: str, hint: str) -> ExpressionError:
    error = ExpressionError(f"${{{{ {part.text} }}}}: {fact}", hint=hint)
    error.offset = part.start
    return error
