"""Who reads a word of a command as a program: shells, interpreters, and tools with a language of their own.

A value must not become a part of such a program, however it is quoted for the shell that starts the tool. Tools are
told by name, and their options are read as they would read them, so that `awk -v x=VALUE` and `python3 file -c VALUE`
are what they are: arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.expressions.shellwalk import EXPRESSION, FILE, HERE

_AGAIN = "quote it once more for that shell: ${{ ... | sh }}"
_BIND = "hand it over with env: {NAME: ${{ ... }}} to a program that binds values"
_PASS = "hand the value over with env: {NAME: ${{ ... }}}, or as an argument of its own"


@dataclass(frozen=True, slots=True)
class Tool:
    """How a tool reads its arguments, as far as it matters for finding its program."""

    names: str
    hint: str
    program: str = ""
    """Options whose value is a program."""
    takes: str = ""
    """Options with another value."""
    pairs: str = ""
    """Options with two."""
    elsewhere: str = ""
    """Options by which no operand is the program."""
    tail: str = ""
    """Letters behind which the rest of a cluster is a value (`-i.bak`)."""
    operand: int | None = None
    """Which operand is the program."""
    rest: bool = False
    """Whether the operands behind it belong to it."""
    stops: bool = False
    """Whether the first operand is a file to run, and what follows is for that."""
    stdin: bool = False
    """Whether the program comes from standard input where no argument is one."""
    kind: str = ""
    """`shell`: a value quoted with `| sh` is safe; `code`: an interpreter."""


_TOOLS = (
    Tool(
        "sh bash dash ksh zsh ash",
        "",
        takes="-o -O --rcfile --init-file",
        stops=True,
        stdin=True,
        kind="shell",
    ),
    Tool("su runuser", "", program="-c --command --session-command", takes="-s -g -G -w -u", kind="shell"),
    Tool("script flock sg", "", program="-c --command", takes="-w -E", kind="shell"),
    Tool("env", _PASS, program="-S --split-string", takes="-u -C"),
    Tool("eval", "", operand=0, rest=True, kind="shell"),
    Tool("trap", "", operand=0, kind="shell"),
    Tool(
        "ssh autossh",
        "",
        takes="-b -B -c -D -E -e -F -I -i -J -L -l -m -M -O -o -p -P -Q -R -S -W -w",
        operand=1,
        rest=True,
        stdin=True,
        kind="shell",
    ),
    Tool("watch", "", takes="-n --interval", elsewhere="-x --exec", operand=0, rest=True, kind="shell"),
    Tool("parallel", "", takes="-j -P -S -C -n -N -L --jobs --colsep", operand=0, rest=True, kind="shell"),
    Tool(
        "python pypy", _PASS, program="-c", takes="-W -X", elsewhere="-m", stops=True, stdin=True, kind="code"
    ),
    Tool("perl", _PASS, program="-e -E", tail="CDFIMVimx0l", stops=True, stdin=True, kind="code"),
    Tool("ruby", _PASS, program="-e", takes="-r -I -C", tail="iFKE0", stops=True, stdin=True, kind="code"),
    Tool(
        "node deno bun",
        _PASS,
        program="-e -p --eval --print",
        takes="-r --require",
        stops=True,
        stdin=True,
        kind="code",
    ),
    Tool(
        "php",
        _PASS,
        program="-r -B -R -E",
        takes="-d -c",
        elsewhere="-f",
        stops=True,
        stdin=True,
        kind="code",
    ),
    Tool("lua luajit", _PASS, program="-e", takes="-l", stops=True, stdin=True, kind="code"),
    Tool(
        "awk gawk mawk nawk",
        "give it as a value: awk -v x=${{ ... }} '... x ...'",
        program="-e --source",
        takes="-F -v -i -l --assign --field-separator --include",
        elsewhere="-f -E --file --exec",
        operand=0,
    ),
    Tool(
        "sed gsed",
        "sed takes no values: awk -v x=${{ ... }} '{ sub(/old/, x) } 1'; a number or a day may stand there: "
        "${{ n | int }}, ${{ t | date }}",
        program="-e --expression",
        takes="-l --line-length",
        elsewhere="-f --file",
        tail="i",
        operand=0,
    ),
    Tool(
        "jq gojq jaq",
        "give it as a value: jq --arg x ${{ ... }} '... $x ...'",
        takes="-L --indent",
        pairs="--arg --argjson --slurpfile --rawfile",
        elsewhere="-f --from-file",
        operand=0,
    ),
    Tool(
        "yq",
        "hand it over with env: {NAME: ${{ ... }}}, and write strenv(NAME)",
        program="--expression",
        takes="-o -p -I --output-format --input-format --indent",
        elsewhere="--from-file",
        operand=0,
    ),
    Tool(
        "psql",
        "give it as a value: psql -v x=${{ ... }} <<'EOF', and write :'x' there",
        program="-c --command",
        takes="-d -h -p -U -v -o -F -R -T -P -L --dbname --host --port --username --set --variable",
        elsewhere="-f --file",
        stdin=True,
    ),
    Tool(
        "mysql mariadb",
        "write it as FROM_BASE64('${{ ... | b64encode }}')",
        program="-e --execute --init-command",
        takes="-h -P -u -D -S --host --port --user --database --socket",
        tail="p",
        stdin=True,
    ),
    Tool(
        "sqlite3 duckdb",
        _BIND,
        program="-cmd -c",
        takes="-init -separator -nullvalue -newline -maxsize -mmap -vfs",
        operand=1,
        rest=True,
        stdin=True,
    ),
    Tool(
        "clickhouse-client mongosh mongo cqlsh sqlcmd isql sqlplus",
        _BIND,
        program="-q -Q -e --query --eval --execute",
        takes="-h -H -u -U -P -d -S -p --host --port --user --database",
        stdin=True,
    ),
    Tool("at batch crontab ed ex dc ftp sftp gdb gnuplot", "hand the value over in a file", stdin=True),
)
_BY_NAME = {name: tool for tool in _TOOLS for name in tool.names.split()}
_NEAR = frozenset(
    "sudo doas nohup nice ionice time timeout env exec command builtin setsid stdbuf chrt taskset xargs".split(
        " "
    )
)
"""They run the command that stands behind their own options."""
_FAR = frozenset(
    "docker podman nerdctl kubectl oc flock find chroot nsenter lxc incus su runuser strace busybox srun ssh".split(
        " "
    )
)
"""They run a command that stands somewhere behind."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`tool` stands at `at`, and its program begins with the word `first`."""

    tool: Tool
    name: str
    at: int
    first: int


def reading(words: Sequence[str], index: int) -> Reading | None:
    """Who reads the word at this index as a program, or as a part of one."""
    if words[index].startswith(FILE):
        return None
    if words[index].startswith(HERE):
        return fed(words[:index])
    for at, word in enumerate(words[:index]):
        tool = _tool(words, at)
        if tool is not None and (first := _first(tool, words, at, index)) is not None:
            return Reading(tool, word, at, first)
    return None


def fed(words: Sequence[str]) -> Reading | None:
    """Who reads what is given to this command's standard input as a program."""
    if words and words[0].rpartition("/")[2] in _FAR:
        words = " ".join(words).split()
    for at, word in enumerate(words):
        tool = _tool(words, at)
        if tool is not None and tool.stdin and _from_input(tool, words, at):
            return Reading(tool, word, at, len(words))
    return None


def _tool(words: Sequence[str], at: int) -> Tool | None:
    name = words[at].rpartition("/")[2]
    tool = _BY_NAME.get(name) or _BY_NAME.get(name.rstrip("0123456789."))
    if tool is None or ("/" in words[at] and words[at][0] != "/" and not tool.stops):
        return None  # `./script` and `bin/batch` are somebody's own
    head = words[0].rpartition("/")[2]
    # A shell is looked for behind commands nobody knows, too.
    if at == 0 or head in _FAR or tool.stops or name in ("su", "runuser"):
        return tool
    return tool if head in _NEAR and _behind_options(words, at) else None


def _behind_options(words: Sequence[str], at: int) -> bool:
    """Whether nothing but options, their values, settings, numbers and the like stand before the command."""
    value = False
    for word in words[1:at]:
        option = word.startswith("-")
        plain = word.rpartition("/")[2] in _NEAR or "=" in word or word[:1].isdigit() or word == EXPRESSION
        if not (option or value or plain):
            return False
        value = option
    return True


def _first(tool: Tool, words: Sequence[str], at: int, index: int) -> int | None:
    """Where the program begins that the word at `index` is in, or None where it is in none."""
    if tool.kind == "shell" and tool.stops:
        return _shell(words, at, index)
    found = _read(tool, words, at, index)
    return found if isinstance(found, int) else None


def _shell(words: Sequence[str], at: int, index: int) -> int | None:
    """The first operand is a script where `-c` is among the options, else a file."""
    script, value = False, False
    for number in range(at + 1, index + 1):
        word = words[number]
        if value:
            value = False
        elif word[:1] in ("-", "+") and len(word) > 1 and number < index:
            script = script or (not word.startswith("--") and "c" in word[1:])
            value = word in ("--rcfile", "--init-file") or (not word.startswith("--") and word[-1:] in "oO")
        else:
            return index if script and number == index else None
    return None


def _read(tool: Tool, words: Sequence[str], at: int, index: int) -> int | str | None:
    """As `_first`; a text where the whole command was read: `given` if the program is an argument, else empty."""
    program, takes, pairs, elsewhere = (
        frozenset(each.split()) for each in (tool.program, tool.takes, tool.pairs, tool.elsewhere)
    )
    number, operands, given, first = at + 1, 0, False, 0
    options = True
    while number < len(words):
        word = words[number]
        if word.startswith((FILE, HERE)):
            number += 1
            continue
        if options and word == "--":
            options = False
        elif options and len(word) > 1 and word[0] == "-" and word != EXPRESSION:
            option, attached = _option(tool, word, program | takes | pairs | elsewhere)
            if option in program:
                given = True
                if number + (not attached) == index:
                    return index
            given = given or option in elsewhere
            if tool.stops and option in elsewhere:
                return "given"
            number += 2 if option in pairs else option in (program | takes | elsewhere) and not attached
        elif word in (":::", "::::"):
            return "given"
        elif word or tool.operand is None:
            part = tool.operand is not None and not given and operands >= tool.operand
            if part and operands == tool.operand:
                first = number
            if number == index:
                inside = part and (tool.rest or operands == tool.operand)
                return first if inside else None
            if tool.stops or (tool.names == "yq" and word in ("e", "eval", "ea", "eval-all")):
                if tool.stops:
                    return "given" if not given else None
                operands -= 1
            operands += 1
        number += 1
    return "given" if given or (tool.operand is not None and operands > tool.operand) else ""


def _option(tool: Tool, word: str, known: frozenset[str]) -> tuple[str, bool]:
    """The option of this word that has a value or ends the reading, and whether the value stands in the same word."""
    if word.startswith("--") or tool.names.startswith("sqlite3"):
        name, equals, _ = word.partition("=")
        return name, bool(equals)
    for place, letter in enumerate(word[1:], 2):
        if f"-{letter}" in known:
            return f"-{letter}", place < len(word)
        if letter in tool.tail:
            break
    return "", False


def _from_input(tool: Tool, words: Sequence[str], at: int) -> bool:
    if (tool.kind == "shell" and tool.stops) or tool.kind == "code":
        rest = [word for word in words[at + 1 :] if not word.startswith((FILE, HERE))]
        return all(each.startswith("-") for each in rest) or bool({"-", "-s"} & set(rest))
    return _read(tool, words, at, -1) == ""


def quoted(text: str) -> bool:
    """Whether quotes of a shell, or a backslash, are open at the end of this text."""
    quote, number = "", 0
    while number < len(text):
        char = text[number]
        if char == "\\" and quote != "'":
            number += 1
            if number == len(text):
                return True
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        number += 1
    return bool(quote)


def advice(reading: Reading) -> str:
    """What to write instead."""
    return reading.tool.hint or _AGAIN
