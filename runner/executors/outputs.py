"""What a command says for later steps: lines `name=value` in the file `$RUNNER_OUTPUT`."""

from __future__ import annotations

import os
import re

from runner.errors import ExecutorError

LIMIT = 1 << 20
"""Bytes of the whole file."""
MOST = 1000
"""How many outputs a step may have."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_HINT = "write name=value, or name<<END, the lines, END"


def read(path: str) -> dict[str, str]:
    """The outputs; later lines win. Nothing where there is no file. ExecutorError names the bad line."""
    if not os.access(path, os.F_OK, follow_symlinks=False):
        return {}
    try:
        # Opened without following links: the file stands where the command may write.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    with open(descriptor, "rb") as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise ExecutorError(
            f"$RUNNER_OUTPUT is longer than {LIMIT} bytes",
            hint="hand large data on as a file in $RUNNER_RUN_DIR",
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ExecutorError(f"$RUNNER_OUTPUT is not UTF-8 (byte {error.start})") from None
    return parse(text)


def parse(text: str) -> dict[str, str]:
    """`name=value` lines and here-documents (`name<<END` ... `END`); empty lines are passed over."""
    found: dict[str, str] = {}
    rows = text.split("\n")
    at = 0
    while at < len(rows):
        row = rows[at].removesuffix("\r")
        at += 1
        if not row.strip():
            continue
        name, equals, value = row.partition("=")
        head, arrows, end = row.partition("<<")
        if arrows and _NAME.match(head) and end:
            begin = at
            while at < len(rows) and rows[at].removesuffix("\r") != end:
                at += 1
            if at == len(rows):
                raise ExecutorError(
                    f"$RUNNER_OUTPUT line {begin}: {head}<<{end} has no line {end}", hint=_HINT
                )
            name, value = head, "\n".join(rows[begin:at])
            at += 1
        elif not equals or not _NAME.match(name):
            raise ExecutorError(f"$RUNNER_OUTPUT line {at}: {row[:80]!r} is no output", hint=_HINT)
        found[name] = value
        if len(found) > MOST:
            raise ExecutorError(f"$RUNNER_OUTPUT has more than {MOST} outputs")
    return found
