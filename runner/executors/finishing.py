"""A program that ends waits for what its functions are amid in threads, as it does for those of concurrent.futures."""

from __future__ import annotations

import atexit
import os
from weakref import WeakSet

from runner.executors.greenlets import threads_are_greenlets
from runner.executors.threads import Threads

_OPENED: WeakSet[Threads] = WeakSet()
"""All that may be at work, also after their scheduler was shut down."""


def wait_for(threads: Threads) -> None:
    """Have the program wait for these as it ends."""
    _OPENED.add(threads)


@atexit.register
def _finish() -> None:
    if not threads_are_greenlets():
        for threads in list(_OPENED):
            threads.finish()


def before_what_is_registered() -> None:
    """What was registered by now for the program's end comes after that wait."""
    atexit.unregister(_finish)
    atexit.register(_finish)


# A child of a fork has none of these threads.
os.register_at_fork(after_in_child=_OPENED.clear)
