"""`visit`: a change made in its caller's thread, where the clock thread is idle and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from runner.clock import SystemClock
from runner.engine import Engine, Hands
from runner.moment import SECOND, Moment
from tests.waiting import PATIENCE


class Running:
    """An engine on its clock thread, without a partition."""

    def __init__(self) -> None:
        self.engine = Engine(Hands(), SystemClock(), poll_requests=None)
        self.engine.turn()
        self.thread = threading.Thread(target=self.engine.run)
        self.thread.start()
        # Rung once, so that its first look at the inbox is over.
        self.until(lambda: self.engine.visit(lambda now: None))

    def until(self, true: Callable[[], bool]) -> None:
        for _ in range(1000):
            if true():
                return
            self.turned()
        pytest.fail("it never came true")

    def turned(self) -> None:
        seen = threading.Event()
        self.engine.call(lambda now: seen.set())
        assert seen.wait(PATIENCE)

    def end(self) -> None:
        self.engine.end()
        self.thread.join(PATIENCE)


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.end()
    assert not made.thread.is_alive()


def test_it_happens_in_the_caller_s_thread_as_if_that_were_the_clock_s(running: Running) -> None:
    seen: list[tuple[int, bool]] = []

    def look(now: Moment) -> None:
        seen.append((threading.get_ident(), running.engine.on_clock_thread))

    assert not running.engine.on_clock_thread
    running.until(lambda: running.engine.visit(look))
    assert seen == [(threading.get_ident(), True)]
    assert not running.engine.on_clock_thread


def test_it_is_refused_during_a_turn_and_while_something_waits_for_one(running: Running) -> None:
    inside, leave = threading.Event(), threading.Event()

    def long(now: Moment) -> None:
        inside.set()
        assert leave.wait(PATIENCE)

    running.engine.call(long)
    assert inside.wait(PATIENCE)
    assert not running.engine.visit(lambda now: pytest.fail("a turn is under way"))
    leave.set()
    running.turned()

    def asking(now: Moment) -> None:
        running.engine.call(lambda _: None)

    running.until(lambda: running.engine.visit(asking))
    running.turned()


def test_what_it_raises_is_raised_and_the_next_visit_works(running: Running) -> None:
    def bad(now: Moment) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        running.until(lambda: running.engine.visit(bad))
    running.until(lambda: running.engine.visit(lambda now: None))


def test_an_engine_that_ends_or_has_not_begun_takes_no_visits() -> None:
    engine = Engine(Hands(), SystemClock(), poll_requests=None)
    assert not engine.visit(lambda now: pytest.fail("it has not begun"))
    made = Running()
    made.end()
    assert not made.engine.visit(lambda now: pytest.fail("it has ended"))


def test_the_clock_thread_wakes_for_what_a_visit_made_due(running: Running) -> None:
    """It sleeps for ever: only a visit that rings brings the next turn."""
    woken = threading.Event()
    due: list[Moment] = []

    class Waiting:
        machine = object()

        def knocked(self) -> None: ...

        def wait(self, now: Moment) -> int | None:
            return max(0, due[0] - now) if due else None

        def moment(self) -> None: ...

        def ready(self, now: Moment, *, rests: bool = False, ends: object = None) -> bool:
            if due and due[0] <= now:
                due.clear()
                woken.set()
            return False

        def pass_on(self, now: Moment, entries: object) -> list[object]:
            return []

    running.engine.attach(Waiting())  # type: ignore[arg-type]
    running.turned()
    running.until(lambda: running.engine.visit(lambda now: due.append(now + SECOND // 20)))
    assert woken.wait(PATIENCE)


def test_a_chore_is_done_before_the_next_turn_or_visit_and_wakes_nobody(running: Running) -> None:
    order: list[str] = []
    running.turned()
    running.engine.tidy(lambda: order.append("chore"))
    running.until(lambda: running.engine.visit(lambda now: order.append("visit")))
    assert order == ["chore", "visit"]
    running.engine.tidy(lambda: order.append("another"))
    running.turned()
    assert order == ["chore", "visit", "another"]
