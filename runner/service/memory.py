"""The memory of a process that is the runner's own: what is collected how often, and given back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from functools import cache

from runner.collector import SELDOM

_MIDDLE, _OLD = 10, 100


def settle() -> None:
    """Leave what is loaded out of every later collection, and collect less often.

    The house keeps one record for each job for as long as it lives, and makes a few hundred short-lived ones for each
    occurrence, none of them in cycles. With the interpreter's own thresholds, a third of the time of a large batch
    goes into looking through the same jobs again and again. The library does so only while it handles a batch:
    there the process is somebody else's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM, _MIDDLE, _OLD)
    give_back()


def give_back() -> None:
    """Free what reading the files has left, and hand it to the system.

    A few milliseconds, twenty where ten thousand jobs were read. A reload leaves some lists in cycles, of which so few
    are made that the collector would not come for hours: 50 KB for each 1,000 jobs. Only the C library of GNU can be
    asked to hand memory back.
    """
    gc.collect(0)
    with contextlib.suppress(AttributeError, OSError):
        _system().malloc_trim(0)


@cache
def _system() -> ctypes.CDLL:
    # Once: each of them makes classes that only the garbage collector frees.
    return ctypes.CDLL(None)
