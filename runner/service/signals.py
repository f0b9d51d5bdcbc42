"""Signals as words in a queue, none of them lost.

A handler in Python runs once the main thread gets round to it, which a main thread that is just about to wait for its
queue never does. The interpreter's wake-up descriptor is written to at once, whatever the main thread does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any

_held: list[int] = []
"""What came before anybody listened, by number."""


def hold(number: int) -> None:
    """Keep a signal that would end the process until somebody listens to it (`Signals.open`). Main thread only.

    One that is ignored stays so.
    """
    if signal.getsignal(number) is signal.SIG_DFL:
        signal.signal(number, lambda number, _frame: _held.append(number))


class Signals:
    """Main thread only. `tell` is called with each signal's number, in a thread of its own."""

    def __init__(self, numbers: Iterable[int], tell: Callable[[int], None]) -> None:
        self._numbers = tuple(numbers)
        self._tell = tell
        self._before: dict[int, Any] = {}
        self._wakeup = -1
        self._read = self._write = -1

    def open(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.getsignal(number) for number in self._numbers}
        for number in self._numbers:
            signal.signal(number, _nothing)
        threading.Thread(target=self._listen, args=(self._read,), name="runner-signals", daemon=True).start()
        for number in self._numbers:
            if number in _held:
                os.write(self._write, bytes([number]))
        _held.clear()

    def close(self) -> None:
        """As it was before."""
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._write)

    def _listen(self, read: int) -> None:
        with contextlib.suppress(OSError):
            while numbers := os.read(read, 64):
                for number in numbers:
                    if number in self._before:
                        self._tell(number)
        os.close(read)


def _nothing(_number: int, _frame: object) -> None:
    """The wake-up descriptor has told it."""
