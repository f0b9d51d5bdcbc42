"""The terminal that a service was started in: one that is closed ends what runs in it, as people expect."""

from __future__ import annotations

import os
import signal


class Terminal:
    """Made on the main thread, before signals are taken over. Without a terminal, or under nohup, there is none."""

    def __init__(self) -> None:
        kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._at = () if kept else tuple(number for number in (0, 1, 2) if os.isatty(number))

    @property
    def gone(self) -> bool:
        """Whether it was closed, or the connection behind it lost."""
        return any(not os.isatty(number) for number in self._at)
