"""What signals mean to a service, and the terminal it was started in: one that is closed ends what runs in it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

from runner.service.report import Report

WORDS: Mapping[int, str] = {
    int(signal.SIGTERM): "stop",
    int(signal.SIGINT): "stop",
    int(signal.SIGHUP): "reload",
}


class Terminal:
    """Made on the main thread, before signals are taken over. Without a terminal, or under nohup, there is none."""

    def __init__(self, report: Report) -> None:
        kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._at = () if kept else tuple(number for number in (0, 1, 2) if os.isatty(number))
        self._report = report
        self._closed = False

    def hear(self, tell: Callable[[str], None], number: int) -> None:
        """Tell the word for this signal."""
        if WORDS[number] != "reload" or not self._gone():
            tell(WORDS[number])
        elif not self._closed:
            # The shell hands on what the system has told already: that is no second wish to stop.
            self._closed = True
            self._report.say("terminal.gone", "the terminal was closed: stopping", "warn")
            tell("stop")

    def _gone(self) -> bool:
        """Whether it was closed, or the connection behind it lost."""
        return any(not os.isatty(number) for number in self._at)
