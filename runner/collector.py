"""The garbage collector, held off while many values are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held() -> Iterator[None]:
    """Loading makes many values that stay: looking for garbage among them only costs time.

    For a moment, and as it was afterwards: the process may be somebody else's.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
