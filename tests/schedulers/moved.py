"""A scheduler on a clock that tests move, and ears that wait for what it tells."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from runner.clock import VirtualClock
from runner.core.run import Status
from runner.engine import Engine
from runner.events import EVENT_ALL
from runner.moment import SECOND, Moment, from_datetime
from runner.schedulers.background import BackgroundScheduler
from tests.waiting import PATIENCE

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Ears:
    """A listener that keeps what it hears; `wait` returns once enough of it came."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._changed = threading.Condition()

    def __call__(self, event: Any) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, mask: int, job_id: str | None = None) -> list[Any]:
        return [
            event
            for event in list(self.events)
            if event.code & mask and job_id in (None, getattr(event, "job_id", None))
        ]

    def wait(self, mask: int, count: int = 1, job_id: str | None = None) -> list[Any]:
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.of(mask, job_id)) >= count, PATIENCE)
        assert came, f"only {[(e.code, getattr(e, 'job_id', '')) for e in self.events]}"
        return self.of(mask, job_id)

    @property
    def codes(self) -> list[int]:
        return [event.code for event in list(self.events)]


class Moved:
    """A background scheduler whose clock stands still until `pass_`."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock(from_datetime(START))
        options = {"timezone": "UTC", **options}
        self.scheduler = BackgroundScheduler(clock=self.clock, **options)
        self.ears = Ears()
        self.scheduler.add_listener(self.ears, EVENT_ALL)

    def pass_(self, seconds: float) -> None:
        """Let time pass, second by second, with a turn of the clock thread for each."""
        whole, rest = divmod(seconds, 1)
        for span in [1.0] * int(whole) + ([rest] if rest else []):
            self._advance(span)
            self.turn()

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as if the process had slept."""
        self._advance(seconds)
        self.turn()

    def _advance(self, seconds: float) -> None:
        # Between two turns: what one turn decides, and when it is to be tried again, is all of one time.
        with ExitStack() as between:
            for engine in self.scheduler._house.engines.each.values():
                between.enter_context(engine._turning)
            self.clock.advance(round(seconds * SECOND))

    def turn(self) -> None:
        """Return when the clock threads have seen the time, and the turn in which each did is over."""
        turned = [_seen(engine) for engine in self.scheduler._house.engines.each.values()]
        for each in turned:
            assert each.wait(PATIENCE)

    def rest(self) -> None:
        """Return when what has begun is over, as far as the scheduler knows."""
        until = time.monotonic() + PATIENCE
        while any(
            run.status is Status.RUNNING
            for partition in self.scheduler._house.engines.partitions
            for run in (list(partition.machine.runs.values()) if partition.machine is not None else ())
        ):
            assert time.monotonic() < until, "it never ends"
            self.turn()


def _seen(engine: Engine) -> threading.Event:
    turned = threading.Event()

    def seen(_: Moment) -> None:
        engine.tidy(turned.set)
        engine.poke()

    engine.call(seen)
    engine.poke()
    return turned
