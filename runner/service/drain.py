"""The end of a service: nothing new starts, what runs gets its grace, the rest is left or stopped."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import Literal

from runner.clock import Clock
from runner.core.event import CancelAsked
from runner.core.run import Status
from runner.moment import SECOND, Moment, Span
from runner.service.house import House
from runner.service.report import Report
from runner.spec import Command


@dataclass(frozen=True, slots=True)
class Options:
    """`grace`: how long a stop waits for what runs. `on_shutdown`: what becomes of the rest then.

    `stuck_after`: a clock thread that has not turned for so long ends the process.
    """

    grace: Span = 20 * SECOND
    on_shutdown: Literal["leave", "stop"] = "leave"
    allow_shrink: bool = False
    stuck_after: Span = 60 * SECOND


class Drain:
    """On the main thread; `mail` brings a second stop, and a word when a run has ended."""

    def __init__(
        self, house: House, report: Report, clock: Clock, options: Options, mail: queue.SimpleQueue[str]
    ) -> None:
        self._house = house
        self._report = report
        self._clock = clock
        self._options = options
        self._mail = mail

    def drain(self) -> None:
        """No new starts; wait for what runs, up to the grace; a second stop ends at once."""
        house = self._house
        house.engine.call(lambda now: house.partition.stop(now, cancel=False))
        live = self._live()
        if live:
            self._report.say(
                "stopping",
                f"stopping: waiting up to {self._options.grace // SECOND} s for {_runs(live)}; "
                "once more to end at once",
            )
        deadline = self._clock.elapsed() + self._options.grace
        while live := self._live():
            left = (deadline - self._clock.elapsed()) / SECOND
            if left <= 0:
                self._stop_the_rest()
                break
            try:
                if self._mail.get(timeout=left) == "stop":
                    self._at_once(live)
                    break
            except queue.Empty:
                continue

    def _at_once(self, live: int) -> None:
        left = f"; {_runs(live)} left to the next runner" if self._options.on_shutdown == "leave" else ""
        self._report.say("stopping", f"stopping at once{left}", "warn")

    def _stop_the_rest(self) -> None:
        """After the grace: commands are left to the next runner, or everything is stopped and recorded."""
        house = self._house
        leave = self._options.on_shutdown == "leave"
        ended = threading.Event()

        def stop(now: Moment) -> None:
            if not leave:
                house.partition.stop(now, cancel=True)
            machine = house.partition.machine
            for run in list(machine.runs.values()) if machine is not None and leave else []:
                steps = {step.id: step for step in run.spec.steps}
                running = [s for s in run.steps.values() if s.status is Status.RUNNING]
                if any(not isinstance(steps[state.step].work, Command) for state in running):
                    house.engine.post(CancelAsked(run.key, "shutdown"))
            ended.set()

        house.engine.call(stop)
        ended.wait(5)
        if leave:
            left = self._live()
            if left:
                self._report.say("stopping", f"{_runs(left)} left to the next runner", "warn")
            return
        longest = self._clock.elapsed() + 15 * SECOND
        while self._live() and self._clock.elapsed() < longest:
            try:
                if self._mail.get(timeout=0.5) == "stop":
                    return
            except queue.Empty:
                continue

    def _live(self) -> int:
        """How many runs have an attempt under way, asked of the clock thread."""
        answer: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._house.engine.call(lambda _now: answer.put(self._house.partition.live))
        try:
            return answer.get(timeout=5)
        except queue.Empty:
            return 0


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
