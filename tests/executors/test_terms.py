from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from runner.clock import VirtualClock
from runner.executors.terms import Terms
from runner.moment import SECOND, Span


class Turns:
    """A loop whose time is moved by hand: what it was asked to do, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.timers: list[tuple[Span, Callable[[], None]]] = []

    def call(self, function: Callable[[], None]) -> None:
        function()

    def later(self, span: Span, function: Callable[[], None]) -> None:
        self.timers.append((self._clock.elapsed() + span, function))

    def move(self, span: Span) -> None:
        self._clock.advance(span)
        due = [function for at, function in self.timers if at <= self._clock.elapsed()]
        self.timers = [timer for timer in self.timers if timer[0] > self._clock.elapsed()]
        for function in due:
            function()


def test_each_is_due_after_the_same_time_and_one_timer_serves_all() -> None:
    clock = VirtualClock(0)
    turns = Turns(clock)
    acted: list[str] = []
    over: set[str] = set()
    terms = Terms(cast(Any, turns), clock, SECOND, cast(Any, acted.append), cast(Any, over.__contains__))
    for name in ("first", "second", "third"):
        terms.put(cast(Any, name))
        clock.advance(SECOND // 10)
    assert len(turns.timers) == 1
    over.add("second")
    turns.move(7 * SECOND // 10)
    assert acted == ["first"]
    # Not for the second, which is over: the next timer is the third's.
    assert [at for at, _ in turns.timers] == [12 * SECOND // 10]
    turns.move(SECOND)
    assert (acted, turns.timers) == (["first", "third"], [])
    terms.put(cast(Any, "fourth"))
    turns.move(SECOND)
    assert (acted, turns.timers) == (["first", "third", "fourth"], [])


def test_one_that_fails_leaves_the_others_their_term() -> None:
    clock = VirtualClock(0)
    turns = Turns(clock)
    acted: list[str] = []

    def act(name: str) -> None:
        acted.append(name)
        if name == "first":
            raise RuntimeError("nobody foresaw it")

    terms = Terms(cast(Any, turns), clock, SECOND, cast(Any, act), lambda _: False)
    for name in ("first", "second"):
        terms.put(cast(Any, name))
    turns.move(SECOND)
    terms.put(cast(Any, "third"))
    turns.move(SECOND)
    assert acted == ["first", "second", "third"]
