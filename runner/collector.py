"""The garbage collector, held back while many values are made that all stay.

For a moment, and as it was afterwards: the process may be somebody else's.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 100
"""Where more than so many are decided or written at once, the collector is held back: for one run that takes as long as
to decide it."""
SELDOM = 200_000
"""Ten thousand occurrences at one moment make 130,000 records that live until they are written."""


@contextmanager
def held() -> Iterator[None]:
    """Loading makes many values that stay: looking for garbage among them only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Seldom:
    """Entered for each batch: a large one is not looked through again and again while it is decided, written and
    begun. Not off altogether, because a program's own functions may be called meanwhile.

    One for the process: schedulers in several threads may be within it at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._usual = self._ours = gc.get_threshold()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._usual = young, middle, old = gc.get_threshold()
                # A threshold of none is somebody's way to switch it off.
                self._ours = (max(young, SELDOM) if young else 0, middle, old)
                gc.set_threshold(*self._ours)

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and gc.get_threshold() == self._ours:
                gc.set_threshold(*self._usual)


seldom = Seldom()
