# ruff: noqa: E402 - a program that is patched is patched before anything else is imported
"""One scheduler in its own framework's loop: says as JSON in whose thread what ran. Run by test_front_ends.py."""

from __future__ import annotations

import sys

KIND = sys.argv[1]
PATCHED = KIND.endswith("-patched")
if PATCHED:
    import gevent.monkey

    gevent.monkey.patch_all()

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from runner.clock import SystemClock
from runner.events import EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from runner.moment import Moment
from runner.schedulers.base import BaseScheduler

MAIN = threading.get_native_id()
SEEN: dict[str, Any] = {}
PATIENCE = 60.0
ENOUGH = 8
"""So many decisions in a row are none that were under way already; the pool has room for more of them."""
WANTED = {"function", "coroutine", "listener", "async listener", "second"}


def place() -> str:
    return "host" if threading.get_native_id() == MAIN else "elsewhere"


def note(what: str) -> None:
    SEEN[what] = place()
    if SEEN.keys() >= WANTED:
        for end in ENDS:
            end()


ENDS: list[Callable[[], object]] = []
"""What is called once everything was seen."""


def function() -> None:
    note("function")


async def coroutine() -> None:
    if not KIND.startswith("twisted"):
        await asyncio.sleep(0.001)
    note("coroutine")


def second() -> None:
    note("second")


def listener(event: Any) -> None:
    note("listener")


async def async_listener(event: Any) -> None:
    note("async listener")


def fill(scheduler: BaseScheduler, end: Callable[[], object]) -> None:
    """`end` is called once everything was seen."""
    done = threading.Lock()
    ENDS[:] = [lambda: end() if done.acquire(blocking=False) else None]
    scheduler.add_listener(listener, EVENT_JOB_EXECUTED)
    scheduler.add_listener(async_listener, EVENT_JOB_EXECUTED)
    scheduler.add_job(function, id="function")
    scheduler.add_job(coroutine, id="coroutine")
    scheduler.add_job(second, "interval", seconds=0.05, id="second", max_instances=50)


def busy(scheduler: BaseScheduler) -> None:
    """Hold the host until what became due meanwhile is decided: with the host's help it never would be."""
    since = SystemClock().now()
    found: list[Moment] = []
    decided = scheduler._house.hands.announce

    def watched(announce: Any) -> None:
        if announce.name == "run.started" and announce.value.key.slot > since:
            found.append(announce.value.key.slot)
        decided(announce)

    def starts(event: Any) -> None:
        """Where nobody listens, starts are not announced."""

    scheduler.add_listener(starts, EVENT_JOB_SUBMITTED)
    scheduler._house.hands.announce = watched
    # Not a sleep: in a program that gevent patched that would let others go on.
    until = time.monotonic() + PATIENCE
    while len(found) < ENOUGH and time.monotonic() < until:
        pass
    SEEN["decisions while the host was busy"] = len(found)
    scheduler._house.hands.announce = decided
    scheduler.remove_listener(starts)


def restart(scheduler: BaseScheduler) -> None:
    """Pause, resume, end and start again."""
    scheduler.pause()
    scheduler.resume()
    scheduler.shutdown()
    SEEN["stopped"] = not scheduler.running


def asyncio_like(make: Callable[[], BaseScheduler]) -> None:
    async def main() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        scheduler = make()
        fill(scheduler, lambda: loop.call_soon_threadsafe(over.set))
        scheduler.start()
        await asyncio.wait_for(over.wait(), PATIENCE)
        busy(scheduler)
        restart(scheduler)
        scheduler.start()
        SEEN["again"] = scheduler.running
        scheduler.shutdown()
        await asyncio.sleep(0.05)  # what was put on the loop last is run before it is closed

    asyncio.run(main())


def run_asyncio() -> None:
    from runner.schedulers.asyncio import AsyncIOScheduler

    asyncio_like(AsyncIOScheduler)


def run_tornado() -> None:
    from runner.schedulers.tornado import TornadoScheduler

    asyncio_like(TornadoScheduler)


def run_gevent() -> None:
    import gevent

    from runner.schedulers.gevent import GeventScheduler

    scheduler = GeventScheduler()
    flag: list[int] = []
    fill(scheduler, lambda: flag.append(1))
    greenlet = scheduler.start()
    with gevent.Timeout(PATIENCE):
        while not flag:
            gevent.sleep(0.01)
    busy(scheduler)
    restart(scheduler)
    greenlet.join(timeout=PATIENCE)
    SEEN["greenlet ended"] = greenlet.dead
    scheduler.start()
    SEEN["again"] = scheduler.running
    scheduler.shutdown()


def run_twisted() -> None:
    from twisted.internet import reactor as theirs

    from runner.schedulers.twisted import TwistedScheduler

    reactor: Any = theirs  # Its module is said to be the interfaces, whose methods lack their self.
    scheduler = TwistedScheduler()

    def end() -> None:
        busy(scheduler)
        restart(scheduler)
        scheduler.start()
        SEEN["again"] = scheduler.running
        scheduler.shutdown()
        reactor.stop()

    fill(scheduler, lambda: reactor.callFromThread(end))
    scheduler.start()
    reactor.callLater(PATIENCE, lambda: reactor.stop())
    reactor.run()


def run_qt() -> None:
    from PySide6.QtCore import QCoreApplication, QTimer

    from runner.executors.qt import poster
    from runner.schedulers.qt import QtScheduler

    app = QCoreApplication([])
    post = poster()
    scheduler = QtScheduler()
    scheduler.add_executor("qt", "gui")

    def end() -> None:
        busy(scheduler)
        restart(scheduler)
        scheduler.start()
        SEEN["again"] = scheduler.running
        scheduler.shutdown()
        app.quit()

    WANTED.add("gui")
    scheduler.add_job(lambda: note("gui"), executor="gui")
    fill(scheduler, lambda: post(end))
    scheduler.start()
    QTimer.singleShot(int(PATIENCE * 1000), app.quit)
    app.exec()


def run_background() -> None:
    from runner.schedulers.background import BackgroundScheduler

    over = threading.Event()
    scheduler = BackgroundScheduler()
    fill(scheduler, over.set)
    scheduler.start()
    assert over.wait(PATIENCE)
    busy(scheduler)
    restart(scheduler)
    scheduler.start()
    SEEN["again"] = scheduler.running
    scheduler.shutdown()


def run_blocking() -> None:
    from runner.schedulers.blocking import BlockingScheduler

    scheduler = BlockingScheduler()

    def end() -> None:
        busy(scheduler)
        restart(scheduler)

    fill(scheduler, lambda: scheduler._queue.post(end))
    scheduler.start()
    SEEN["again"] = not scheduler.running


if __name__ == "__main__":
    globals()[f"run_{KIND.partition('-')[0]}"]()
    print(json.dumps(SEEN))
