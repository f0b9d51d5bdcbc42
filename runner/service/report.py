"""What the daemon says while it works: one plain line for each thing that happened, for people or as JSON.

Control characters of names and outputs never reach the terminal: they are shown escaped.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, TextIO

from runner.clock import Clock
from runner.moment import to_datetime

SIGNS: Mapping[str, str] = {"good": "✓", "bad": "✗", "info": "·", "warn": "!"}


def plain(text: str) -> str:
    """The text with control characters escaped, so that no output can move the cursor or recolour the screen."""
    return "".join(
        char if char.isprintable() or char == " " else char.encode("unicode_escape").decode() for char in text
    )


class Report:
    """Writes lines; safe from any thread. `form` is `text` or `json` (`$RUNNER_LOG_FORMAT`)."""

    def __init__(self, clock: Clock, zone: tzinfo, form: str = "text", stream: TextIO | None = None) -> None:
        self._clock = clock
        self._zone = zone
        self._form = form
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def say(self, name: str, sentence: str, level: str = "info", **facts: Any) -> None:
        """`name` is the stable machine name of what happened; `sentence` is for people."""
        now = to_datetime(self._clock.now(), self._zone)
        if self._form == "json":
            line = json.dumps(
                {"at": now.isoformat(), "event": name, "level": level, "text": sentence, **facts}, default=str
            )
            self._write(line)
            return
        stamp = now.strftime("%H:%M:%S")
        first, *rest = sentence.splitlines() or [""]
        self._write(
            f"{stamp} {SIGNS.get(level, '·')} {plain(first)}", *(f"           {plain(line)}" for line in rest)
        )

    def raw(self, text: str) -> None:
        """Text as it is: config errors, already laid out."""
        self._write(*text.splitlines())

    def _write(self, *lines: str) -> None:
        # Where nobody reads any more (the terminal is gone) the work goes on.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
