"""Waiting for something outside the test to become true: often looked at, and bounded."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds until something that has to happen is given up. Bounds a wait; nothing is timed by it."""


def wait_until(
    true: Callable[[], object], what: str = "what was waited for", patience: float = PATIENCE
) -> float:
    """Look often until it is true; how many seconds that took."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > patience:
            raise AssertionError(f"not within {patience:g} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - began
