"""A walk through a POSIX shell script that says where each `${{ }}` stands: in which quoting, of which command.

It follows the shell's grammar as far as quoting goes (POSIX 2.2, 2.3, 2.6, 2.7.4 and bash's additions, because `sh`
is bash on some systems), with an expression as one atom that none of the shell's rules look into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from runner.expressions.scan import Part


class Place(Enum):
    """What the shell makes of text in this place."""

    BARE = auto()
    DOUBLE = auto()
    SINGLE = auto()
    PATTERN = auto()
    """Behind `#` or `%` inside `${ }`."""
    HEREDOC = auto()
    COMMENT = auto()
    QUOTED_HEREDOC = auto()
    DELIMITER = auto()
    ARITHMETIC = auto()
    SUBSCRIPT = auto()
    PARAMETER = auto()
    ANSI = auto()
    BACKTICKS = auto()
    ESCAPED = auto()


@dataclass(slots=True)
class Command:
    """A simple command: its words without their quotes, expressions as EXPRESSION, and whether a word is open."""

    words: list[str] = field(default_factory=list)
    open: bool = False
    target: str = ""
    """What begins the next word, where it is no argument: FILE or HERE."""
    cases: list[str] = field(default_factory=list)
    """For each `case` that is open: `head` up to its `in`, then `pattern` or `body`."""

    def say(self, text: str) -> None:
        """A piece of a word."""
        if not self.open:
            self.words.append(self.target)
            self.open, self.target = True, ""
        self.words[-1] += text


@dataclass(frozen=True, slots=True)
class Site:
    """Where an expression stands. `word` is its index in the command's words, which are complete after the walk."""

    part: Part
    place: Place
    words: list[str]
    word: int
    before: str
    """What stands before it in its word."""


EXPRESSION = "\0"
FILE = "\1"
"""Begins a word that is no argument: the file of a redirection."""
HERE = "\2"
"""The same: the text of a here-string."""
_KEYWORDS = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "coproc"})
_HEREDOC = re.compile(r"<<(-?)[ \t]*((?:\\.|'[^']*'|\"[^\"]*\"|[^\s;&|<>()'\"\\])+)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARAMETER = re.compile(r"[#!]?(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])")
_DEFAULT = re.compile(r":?[-=?+]")
_STRIP = re.compile(r"##?|%%?")


class Walk:
    """One pass over a script; `sites` has every expression of it afterwards."""

    def __init__(self, script: str, found: Mapping[int, Part], shell: str) -> None:
        self.script = script
        self.found = found
        self.bash = shell == "bash"
        self.at = 0
        self.end = len(script)
        self.sites: list[Site] = []
        self._heredocs: list[tuple[str, bool, bool, list[str]]] = []
        self._in_backticks = 0
        self._commands(Command(), "")

    # ── commands ────────────────────────────────────────────────────────────────────────────

    def _commands(self, command: Command, closer: str) -> None:
        """Commands up to `closer`, which is taken: `)`, a backtick, or the end of the script."""
        while self.at < self.end:
            char = self.script[self.at]
            if char == closer and not (char == ")" and command.cases):
                self._word_ends(command)
                self.at += 1
                return
            if (part := self.found.get(self.at)) is not None:
                self._site(part, Place.BARE, command)
            elif char in " \t":
                self._word_ends(command)
                self.at += 1
            elif char in "\n;&|()":
                self._operator(command, char)
            elif char in "<>":
                self._redirection(command)
            elif char == "#" and not command.open:
                self._comment(closer)
            elif char == "[" and self._subscripted(command):
                self._subscript(command)
            else:
                self._word(command, char)

    def _word(self, command: Command, char: str) -> None:
        """A piece of a word, outside quotes."""
        if char == "\\":
            self._escape(command)
        elif char == "'":
            command.say("")
            self._single(command, Place.SINGLE)
        elif char == '"':
            command.say("")
            self._double(command)
        elif char == "$":
            command.say("$")
            self._dollar(command, Place.BARE)
        elif char == "`":
            command.say("`")
            self._backticks(command)
        else:
            command.say(char)
            self.at += 1

    def _operator(self, command: Command, char: str) -> None:
        self._word_ends(command)
        if self._calculates(command) and self._arithmetic(2, command):
            return
        if self.script.startswith("&>", self.at):
            self.at += 3 if self.script.startswith("&>>", self.at) else 2
            command.target = FILE
            return
        self.at += 1
        if char == "(" and not (command.cases and command.cases[-1] == "pattern"):
            self._commands(Command(), ")")
            command.words = []  # the body of a function begins, or a subshell has ended
            return
        if char == ")" and command.cases and command.cases[-1] == "pattern":
            command.cases[-1] = "body"
        if char == ";" and self.script.startswith((";", "&"), self.at) and command.cases:
            self.at += 1
            self.at += self.script.startswith("&", self.at)
            command.cases[-1] = "pattern"
        if char == "\n" and self._heredocs:
            self._heredoc_bodies(command)
        if not (char == "\n" and command.cases and command.cases[-1] == "head"):
            command.words = []

    def _calculates(self, command: Command) -> bool:
        return self.script.startswith("((", self.at) and command.words in ([], ["for"])

    def _word_ends(self, command: Command) -> None:
        """Keywords leave the next word in the place of a command's name; `case` has a grammar of its own."""
        if not command.open:
            return
        command.open = False
        word, cases = command.words[-1], command.cases
        if cases and cases[-1] == "head":
            if word == "in" and len(command.words) == 2:
                cases[-1] = "pattern"
                command.words = []
        elif len(command.words) == 1:
            if word == "esac" and cases:
                cases.pop()
                command.words = []
            elif cases and cases[-1] == "pattern":
                pass
            elif word == "case":
                cases.append("head")
                command.words = []
            elif word in _KEYWORDS or re.fullmatch(r"[A-Za-z_]\w*\+?=.*", word, re.DOTALL):
                command.words = []

    def _redirection(self, command: Command) -> None:
        """`<`, `>`, here-documents and here-strings."""
        script, at = self.script, self.at
        if command.open and command.words[-1].isdigit():
            command.words.pop()  # which descriptor
            command.open = False
        self._word_ends(command)
        if script.startswith("<<<", at):
            self.at += 3
            command.target = HERE
        elif script.startswith("<<", at):
            self._heredoc_word(command)
        elif script.startswith(("<(", ">("), at):
            self.at += 2
            self._commands(Command(), ")")
        else:
            self.at += 2 if script.startswith(("&", "|", ">"), at + 1) else 1
            command.target = FILE

    def _comment(self, closer: str) -> None:
        while self.at < self.end and self.script[self.at] != "\n":
            if (part := self.found.get(self.at)) is not None:
                self._site(part, Place.COMMENT, Command())
            elif closer == "`" and self.script[self.at] == "`":
                return
            else:
                self.at += 1

    # ── quoting ─────────────────────────────────────────────────────────────────────────────

    def _site(self, part: Part, place: Place, command: Command) -> None:
        command.say("")
        before = command.words[-1]
        command.say(EXPRESSION)
        self.sites.append(Site(part, place, command.words, len(command.words) - 1, before))
        self.at = part.end

    def _escape(self, command: Command) -> None:
        if (part := self.found.get(self.at + 1)) is not None:
            self._site(part, Place.ESCAPED, command)
            return
        following = self.script[self.at + 1 : self.at + 2]
        if following != "\n":  # a line that goes on: neither character is there for the shell
            command.say(following)
        self.at += 2

    def _single(self, command: Command, place: Place) -> None:
        """From a single quote to the next; inside `$' '` a backslash escapes."""
        self.at += 1
        while self.at < self.end:
            char = self.script[self.at]
            if (part := self.found.get(self.at)) is not None:
                self._site(part, place, command)
            elif char == "\\" and place is Place.ANSI:
                self.at += 2
            else:
                self.at += 1
                if char == "'":
                    return
                command.say(char)

    def _double(self, command: Command) -> None:
        self.at += 1
        while self.at < self.end:
            char = self.script[self.at]
            if (part := self.found.get(self.at)) is not None:
                self._site(part, Place.DOUBLE, command)
            elif char == '"':
                self.at += 1
                return
            else:
                self._quoted(command, char, Place.DOUBLE)

    def _quoted(self, command: Command, char: str, place: Place) -> None:
        """One thing inside double quotes or a here-document."""
        if char == "\\":
            self._escape(command)
        elif char == "$":
            self._dollar(command, place)
        elif char == "`":
            self._backticks(command)
        else:
            command.say(char)
            self.at += 1

    def _dollar(self, command: Command, place: Place) -> None:
        script, at = self.script, self.at
        if script.startswith("$((", at) and self._arithmetic(3, command):
            return
        if script.startswith("$(", at):
            self.at += 2
            self._commands(Command(), ")")
        elif script.startswith("${", at):
            self.at += 2
            self._parameter(command, place)
        elif script.startswith("$'", at) and self.bash and place is Place.BARE:
            self.at += 1
            self._single(command, Place.ANSI)
        else:
            self.at += 1

    def _backticks(self, command: Command) -> None:
        """Old-style substitution: what is inside is read as commands, unless a backslash changes what they are."""
        start = self.at + 1
        close = start
        while close < self.end and self.script[close] != "`":
            if close in self.found:
                close = self.found[close].end
            else:
                close += 2 if self.script[close] == "\\" else 1
        inside = [part for at, part in self.found.items() if start <= at < close]
        if inside and ("\\" in self.script[start:close] or "<<" in self.script[start:close]):
            for part in inside:
                self._site(part, Place.BACKTICKS, command)
        elif inside:
            self.at = start
            self._commands(Command(), "`")
        self.at = min(self.end, close + 1)

    # ── ${ }, $(( )), a[ ] ──────────────────────────────────────────────────────────────────

    def _parameter(self, command: Command, place: Place) -> None:
        """Behind `${`: a name, and perhaps a word whose meaning depends on what stands between them."""
        inside = Place.PARAMETER
        name = _PARAMETER.match(self.script, self.at)
        if name is not None and name.end() - 1 not in self.found:  # its `$` may begin an expression
            self.at = name.end()
            if (operator := _DEFAULT.match(self.script, self.at)) is not None:
                inside = place
            elif (operator := _STRIP.match(self.script, self.at)) is not None:
                inside = Place.PARAMETER if place is Place.HEREDOC else Place.PATTERN
            if operator is not None:
                self.at = operator.end()
        quoted = place is not Place.BARE
        while self.at < self.end:
            char = self.script[self.at]
            if (part := self.found.get(self.at)) is not None:
                self._site(part, inside, command)
            elif char == "}":
                self.at += 1
                return
            elif char == "\\":
                self._escape(command)
            elif char == "$":
                self._dollar(command, inside if inside is not Place.PATTERN else place)
            elif char == "`":
                self._backticks(command)
            elif char == '"':
                if quoted:  # shells disagree about quotes inside quotes here
                    self._until('"', command, Place.PARAMETER)
                else:
                    self._double(command)
            elif char == "'" and (not quoted or inside is Place.PATTERN):
                self._single(command, Place.SINGLE if not quoted else Place.PARAMETER)
            else:
                self.at += 1

    def _until(self, closer: str, command: Command, place: Place) -> None:
        """Up to a closing character, with every expression at this place."""
        self.at += 1
        while self.at < self.end:
            char = self.script[self.at]
            if (part := self.found.get(self.at)) is not None:
                self._site(part, place, command)
            elif char == "\\":
                self._escape(command)
            elif char == "$":
                self._dollar(command, place)
            else:
                self.at += 1
                if char == closer:
                    return

    def _arithmetic(self, opening: int, command: Command) -> bool:
        """`(( ))`; False, with nothing taken, where it turns out to be a subshell inside a substitution."""
        start, sites, depth = self.at, len(self.sites), 0
        words = len(command.words)
        self.at += opening
        while self.at < self.end:
            char = self.script[self.at]
            if (part := self.found.get(self.at)) is not None:
                self._site(part, Place.ARITHMETIC, command)
            elif char == ")" and depth == 0:
                if self.script.startswith("))", self.at):
                    self.at += 2
                    return True
                break
            elif char == "$":
                self._dollar(command, Place.ARITHMETIC)
            elif char == "`":
                self._backticks(command)
            else:
                depth += (char == "(") - (char == ")")
                self.at += 2 if char == "\\" else 1
        self.at = start
        del self.sites[sites:], command.words[words:]
        return False

    def _subscripted(self, command: Command) -> bool:
        """Whether the `[` here belongs to `name[...]=`, which bash evaluates as arithmetic."""
        return command.open and len(command.words) == 1 and _NAME.fullmatch(command.words[-1]) is not None

    def _subscript(self, command: Command) -> None:
        self._until("]", command, Place.SUBSCRIPT)
        command.say("[]")

    # ── here-documents ──────────────────────────────────────────────────────────────────────

    def _heredoc_word(self, command: Command) -> None:
        match = _HEREDOC.match(self.script, self.at)
        if match is None:
            self.at += 2
            if (part := self.found.get(self.at)) is not None:
                self._site(part, Place.DELIMITER, command)
            return
        for at, part in self.found.items():
            if match.start(2) <= at <= match.end(2):
                self._site(part, Place.DELIMITER, command)
        plain = re.sub(r"\\(.)|['\"]", r"\1", match[2])
        self._heredocs.append((plain, plain != match[2], bool(match[1]), list(command.words)))
        self.at = max(self.at, match.end())

    def _heredoc_bodies(self, command: Command) -> None:
        heredocs, self._heredocs = self._heredocs, []
        for word, quoted, tabs, words in heredocs:
            command = Command(words)
            end, after = self._heredoc_end(word, tabs)
            while self.at < end:
                if (part := self.found.get(self.at)) is not None:
                    self._site(part, Place.QUOTED_HEREDOC if quoted else Place.HEREDOC, command)
                elif quoted:
                    self.at += 1
                else:
                    self._quoted(command, self.script[self.at], Place.HEREDOC)
            self.at = max(self.at, after)

    def _heredoc_end(self, word: str, tabs: bool) -> tuple[int, int]:
        """Where the body ends, and where the script goes on."""
        at = self.at
        while at < self.end:
            newline = self.script.find("\n", at)
            newline = self.end if newline < 0 else newline
            line = self.script[at:newline]
            if (line.lstrip("\t") if tabs else line) == word:
                return at, min(self.end, newline + 1)
            at = newline + 1
        return self.end, self.end
