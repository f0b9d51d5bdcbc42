"""Commands for which something is due after one and the same time, and one timer for all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from runner.clock import Clock
from runner.executors.child import Child
from runner.executors.loop import Loop, guarded
from runner.moment import Span


class Terms:
    """`act` is called on the loop for each whose time has come, unless it is `over` for it by then.

    A timer each would wake the loop for every command, most of which are over.
    """

    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        span: Span,
        act: Callable[[Child], None],
        over: Callable[[Child], bool],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._span = span
        self._act = act
        self._over = over
        self._waiting: deque[tuple[Span, Child]] = deque()
        self._asked = False
        """Somebody sees to it that the loop looks at them."""
        self._timer = False

    def put(self, child: Child) -> None:
        """From any thread."""
        self._waiting.append((self._clock.elapsed() + self._span, child))
        if not self._asked:
            self._asked = True
            self._loop.call(self._set)

    def _set(self) -> None:
        if self._waiting and not self._timer:
            self._timer = True
            self._loop.later(max(0, self._waiting[0][0] - self._clock.elapsed()), self._come)

    def _come(self) -> None:
        self._timer = False
        now = self._clock.elapsed()
        while self._waiting and (self._over(self._waiting[0][1]) or self._waiting[0][0] <= now):
            child = self._waiting.popleft()[1]
            if not self._over(child):
                guarded(self._act, child)
        # In this order: what is put in meanwhile is seen here, or asks for itself.
        self._asked = False
        if self._waiting:
            self._asked = True
            self._set()
