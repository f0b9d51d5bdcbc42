"""A program that ends waits for what its functions are amid in threads, as it does for those of concurrent.futures."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from runner.executors.greenlets import threads_are_greenlets
from runner.executors.threads import Threads

_log = logging.getLogger("runner.executors")


class Beginner(Protocol):
    """Whoever gives those threads their work."""

    def program_ends(self) -> None:
        """Begin nothing any more. Called before anything is waited for."""

    def program_ended(self) -> None:
        """Write down what has ended. Called after that."""


_BEGINNERS: WeakSet[Beginner] = WeakSet()
_OPENED: WeakSet[Threads] = WeakSet()
"""All that may be at work, also after their scheduler was shut down."""


def wait_for(threads: Threads) -> None:
    """Have the program wait for these as it ends."""
    _OPENED.add(threads)


def tell(beginner: Beginner) -> None:
    """Have it told before that, and after."""
    _BEGINNERS.add(beginner)


@atexit.register
def _finish() -> None:
    if threads_are_greenlets():
        return
    beginners = list(_BEGINNERS)
    for beginner in beginners:
        _guarded(beginner.program_ends)
    for threads in list(_OPENED):
        threads.finish()
    for beginner in beginners:
        _guarded(beginner.program_ended)


def _guarded(say: Callable[[], None]) -> None:
    try:
        say()
    except Exception:
        _log.exception("a scheduler could not be told that the program ends")


def before_what_is_registered() -> None:
    """What was registered by now for the program's end comes after that wait."""
    atexit.unregister(_finish)
    atexit.register(_finish)


# A child of a fork has none of these threads.
os.register_at_fork(after_in_child=_OPENED.clear)
os.register_at_fork(after_in_child=_BEGINNERS.clear)
