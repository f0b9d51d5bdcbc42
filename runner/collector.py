"""The garbage collector, held off while many values are made that all stay."""

from __future__ import annotations

import gc


class _Held:
    """Entered for each batch of a busy program, which a generator's frame would slow down."""

    __slots__ = ("_enabled",)

    def __enter__(self) -> None:
        self._enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *raised: object) -> None:
        if self._enabled:
            gc.enable()


def held() -> _Held:
    """Loading jobs and deciding a batch make many values that stay: to look for garbage among them only costs time.

    For a moment, and as it was afterwards: the process may be somebody else's.
    """
    return _Held()
