"""Hostile values through every quoting of dash and bash: each comes back byte for byte, and nothing is executed.

Over 10,000 values in all; RUNNER_HOSTILE=10000 sends so many through each of the quotings, which takes minutes.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path
from zlib import crc32

import pytest

from runner.expressions import lift

# Each template prints what it was given, then NUL. `@` is the expression. What is behind => is what is printed.
EVERYWHERE = {
    "bare": ("printf '%s\\0' @", "@"),
    "glued": ("printf '%s\\0' pre@post", "pre@post"),
    "double quotes": ("printf '%s\\0' \"@\"", "@"),
    "in double quotes": ("printf '%s\\0' \"a @'b\"", "a @'b"),
    "single quotes": ("printf '%s\\0' '@'", "@"),
    "in single quotes": ("printf '%s\\0' 'a \"@ b'", 'a "@ b'),
    "assignment": ("v=@; printf '%s\\0' \"$v\"", "@"),
    "assignment before a command": ('v=@ sh -c \'printf "%s\\0" "$v"\'', "@"),
    "export": ("export V=@; printf '%s\\0' \"$V\"", "@"),
    "substitution": ("printf '%s\\0' \"$(printf '%s.' @)\"", "@."),
    "nested substitution": ("printf '%s\\0' \"$(printf '%s.' \"$(printf '%s,' \"@\")\")\"", "@,."),
    "single quotes in a substitution": ("printf '%s\\0' \"$(printf '%s.' '@')\"", "@."),
    "backticks": ("v=`printf '%s.' @`; printf '%s\\0' \"$v\"", "@."),
    "quoted backticks": ("printf '%s\\0' \"`printf '%s.' @`\"", "@."),
    "quotes in quoted backticks": ("printf '%s\\0' \"`printf '%s.' \"@\"`\"", "@."),
    "single quotes in backticks": ("v=`printf '%s.' '@'`; printf '%s\\0' \"$v\"", "@."),
    "here-document": ("cat <<EOF\n@\nEOF\nprintf '\\0'", "@\n"),
    "in a here-document": ("cat <<EOF\n'@' \"@\" \\$x # @\nEOF\nprintf '\\0'", "'@' \"@\" $x # @\n"),
    "here-document with tabs": ("cat <<-END\n\t@\n\tEND\nprintf '\\0'", "@\n"),
    "substitution in a here-document": ("cat <<EOF\n$(printf '%s.' @)\nEOF\nprintf '\\0'", "@.\n"),
    "two here-documents": ("cat <<A - /dev/fd/3 3<<B\n@\nA\n@\nB\nprintf '\\0'", "@\n@\n"),
    "here-document in a substitution": ("printf '%s\\0' \"$(cat <<EOF\n@.\nEOF\n)\"", "@."),
    "here-document behind a pipe": ("cat <<EOF | cat\n@\nEOF\nprintf '\\0'", "@\n"),
    "default": ("printf '%s\\0' ${nothing:-@}", "@"),
    "quoted default": ("printf '%s\\0' \"${nothing:-@}\"", "@"),
    "quotes in a default": ("printf '%s\\0' ${nothing:-\"@\"}", "@"),
    "default in a here-document": ("cat <<EOF\n${nothing:-@}\nEOF\nprintf '\\0'", "@\n"),
    "nested default": ("printf '%s\\0' \"${nothing:-${nobody-@}}\"", "@"),
    "prefix": ('v=@; v="${v}tail"; printf \'%s\\0\' "${v#@}"', "tail"),
    "bare prefix": ("v=@; v=\"${v}tail\"; printf '%s\\0' ${v#@}", "tail"),
    "suffix": ('v=@; v="head${v}"; printf \'%s\\0\' "${v%@}"', "head"),
    "case": ("case @ in @) printf '%s\\0' @ ;; *) printf 'other\\0' ;; esac", "@"),
    "case in a substitution": ("printf '%s\\0' \"$(case @ in (x) : ;; @) printf '%s.' @ ;; esac)\"", "@."),
    "behind a case": ("v=$(case a in a) : ;; b) : ;; esac; printf '%s.' '@'); printf '%s\\0' \"$v\"", "@."),
    "test": ("if [ @ = \"@\" ]; then printf '%s\\0' @; fi", "@"),
    "loop": ("for i in @ ; do printf '%s\\0' \"$i\"; done", "@"),
    "subshell": ("( printf '%s\\0' @ )", "@"),
    "braces": ("{ printf '%s\\0' @; }", "@"),
    "function": ("f() { printf '%s\\0' \"$1\"; }\nf @", "@"),
    "in a function": ("f() { printf '%s\\0' '@'; }\nf", "@"),
    "continued line": ("printf '%s\\0' \\\n  @", "@"),
    "continued word": ("printf '%s\\0' a\\\n#@", "a#@"),
    "behind a comment": ("# don't \"${{ v }}\" `\nprintf '%s\\0' '@'", "@"),
    "not a comment": ("printf '%s\\0' a#@", "a#@"),
    "length of a parameter": ("set -- a b; printf '%s\\0' $#@", "2@"),
    "positional": ("set -- @; printf '%s\\0' \"$1\"", "@"),
    "arguments of a shell": ('sh -c \'printf "%s\\0" "$1"\' sh @', "@"),
    "escaped quote": ("printf '%s\\0' \\\"@\\\"", '"@"'),
    "escaped quote in quotes": ('printf \'%s\\0\' "\\"@\\""', '"@"'),
    "negated": ("! [ @ != \"@\" ] && printf '%s\\0' @", "@"),
    "pipe": ("printf '%s' @ | cat; printf '\\0'", "@"),
}
BASH = {
    "here-string": ("cat <<< @; printf '\\0'", "@\n"),
    "double brackets": ("[[ @ == @ && -n x ]] && printf '%s\\0' @", "@"),
    "array": ("a=(x @ y); printf '%s\\0' \"${a[1]}\"", "@"),
    "process substitution": ("cat <(printf '%s\\0' @)", "@"),
    "translated quotes": ("printf '%s\\0' $\"@\"", "@"),
    "behind $' '": ("printf '%s\\0' $'a\\'b'@", "a'b@"),
    "both outputs": ("printf '%s\\0' @ 2>&1", "@"),
    "arithmetic loop": ("for ((i=0; i < 1<<1; i+=2)); do printf '%s\\0' '@'; done", "@"),
}
DASH = {"dollar and single quotes": ("printf '%s\\0' $'@'", "$@")}
SHELLS = {"dash": EVERYWHERE | DASH, "bash": EVERYWHERE | BASH}

PIECES = [
    *(
        "'",
        '"',
        "`",
        "$",
        "$(",
        ")",
        "\\",
        "\n",
        "!",
        "*",
        "?",
        "[a-z]",
        "~",
        "#",
        "&",
        ";",
        "|",
        "<",
        ">",
        " ",
    ),
    *(
        "\t",
        "\r",
        "${",
        "}",
        "$((",
        "))",
        "%s",
        "%n",
        "-n",
        "-",
        "=",
        "{a,b}",
        "\x1b[0m",
        "\x01",
        "\x7f",
        "ü",
        "日",
    ),
    *("🙂", "\u2028", "EOF", "\nEOF\n", "\nEND\n", "$(touch CANARY)", "`touch CANARY`", "';touch CANARY;'"),
    *(
        '";touch CANARY;"',
        "\n touch CANARY\n",
        "||touch CANARY",
        "${x:=$(touch CANARY)}",
        "a[$(touch CANARY)]",
    ),
    *(
        "$RUNNER_VALUE_1",
        "${HOME}",
        "\\n",
        "\\0",
        "\\'",
        '\\"',
        "x" * 50,
        "${{ v }}",
        "{{ 7*7 }}",
        "esac",
        "1",
    ),
]
FIXED = [
    "",
    " ",
    "\n",
    "\n\n",
    "'",
    '"',
    "\\",
    "a b",
    "*",
    "-e",
    "~root",
    "$(touch CANARY)",
    "x" * 100_000,
    "é\n'\"`$",
]


PER_QUOTING = 100
BATCH = 250
"""Values one shell is given: starting it is what takes the time."""


def test_there_are_ten_thousand() -> None:
    assert PER_QUOTING * sum(map(len, SHELLS.values())) >= 10_000


def hostile(count: int, seed: int) -> list[str]:
    chosen = random.Random(seed)
    made = ["".join(chosen.choices(PIECES, k=chosen.randint(1, 12))) for _ in range(count)]
    return [*FIXED, *made][:count]


def run(shell: str, script: str, values: dict[str, str], where: Path) -> bytes:
    environ = {name.encode(): value.encode() for name, value in values.items()}
    done = subprocess.run(
        [shell, "-c", script],
        cwd=where,
        env={b"PATH": b"/usr/bin:/bin", b"LC_ALL": b"C.UTF-8", b"HOME": b"/nowhere", **environ},
        capture_output=True,
        timeout=150,
    )
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize(("shell", "name"), [(shell, name) for shell in SHELLS for name in SHELLS[shell]])
def test_a_hostile_value_arrives_byte_for_byte(shell: str, name: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    template, printed = SHELLS[shell][name]
    values = hostile(
        int(os.environ.get("RUNNER_HOSTILE", PER_QUOTING)), seed=crc32(f"{shell} {name}".encode())
    )
    if name.endswith("fix"):  # shells look for a suffix in quadratic time
        values = [value[:200] for value in values]
    lifted = lift(template.replace("@", "${{ v }}"), "bash" if shell == "bash" else "sh")
    ((lifted_name, expression),) = lifted.variables.items()
    assert expression == "v"
    for at in range(0, len(values), BATCH):
        batch = values[at : at + BATCH]
        script, environ = [], {}
        for number, value in enumerate(batch):
            variable = f"VALUE_{number}"
            script.append(lifted.script.replace(lifted_name, variable))
            environ[variable] = value
        shown = run(shell, "\n".join(script), environ, tmp_path)
        expected = b"".join(printed.replace("@", value).encode() + b"\0" for value in batch)
        assert shown == expected
        assert list(tmp_path.iterdir()) == []
