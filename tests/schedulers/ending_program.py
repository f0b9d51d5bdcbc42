# ruff: noqa: E402 - a program that is patched is patched before anything else is imported
"""A program whose scheduler ends in an unusual way. Run by test_endings.py: python ending_program.py PATCHED CASE."""

from __future__ import annotations

import sys

PATCHED, CASE = sys.argv[1:3]
if PATCHED == "patched":
    import gevent.monkey

    gevent.monkey.patch_all()

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.errors import RunnerError
from runner.events import EVENT_JOB_EXECUTED, SchedulerEvent
from runner.schedulers.background import BackgroundScheduler
from runner.schedulers.blocking import BlockingScheduler

if TYPE_CHECKING:
    from runner.schedulers.base import BaseScheduler
    from runner.schedulers.gevent import GeventScheduler

PATIENCE = 30.0
SOON = 4.0
"""Seconds; what used to go wrong took five at least."""
TRIES = 5
"""A machine that stands still for a while does not do so each time; what goes wrong does."""


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never happens"
        time.sleep(0.01)


def soon(act: Callable[[], float]) -> None:
    """It takes a moment, in seconds as it says."""
    took: list[float] = []
    while not took or took[-1] >= SOON:
        took.append(act())
        assert len(took) < TRIES, took


def nothing() -> None:
    """The work."""


def with_a_listener() -> None:
    """The end waits for what listeners are still to be told, and for nothing else."""
    heard: list[SchedulerEvent] = []
    scheduler = BackgroundScheduler()
    scheduler.add_listener(heard.append, EVENT_JOB_EXECUTED)

    def ends() -> float:
        heard.clear()
        scheduler.start()
        for _ in range(5):
            scheduler.add_job(nothing)
        until(lambda: heard)
        began = time.monotonic()
        scheduler.shutdown()
        took = time.monotonic() - began
        assert len(heard) == 5
        return took

    for _ in range(2):
        soon(ends)


def in_a_fork() -> None:
    """A child is told at once that it has no scheduler; it ends one without waiting; its parent's goes on."""
    ran: list[int] = []
    scheduler = BackgroundScheduler()
    if PATCHED == "plain":
        # Where threads are greenlets, those of the program are in the child, too.
        scheduler.add_listener(lambda event: None, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(lambda: ran.append(1), "interval", seconds=0.05, max_instances=1_000)
    until(lambda: ran)

    def forks(*, ends: bool) -> float:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            for asks in (
                lambda: scheduler.add_job(nothing),
                lambda: scheduler.add_jobstore("memory", "other"),
                lambda: scheduler.remove_jobstore("default"),
                lambda: scheduler.add_executor("threadpool", "other"),
                lambda: scheduler.remove_executor("default"),
            ):
                assert "forked" in refusal(asks)
            if ends:
                scheduler.shutdown()
                assert not scheduler.running
            sys.exit(0)  # as a program ends: what is registered for that is done
        assert os.waitpid(child, 0)[1] == 0
        return time.monotonic() - began

    for ends in (False, True):
        soon(partial(forks, ends=ends))
    ran.clear()
    until(lambda: ran)
    scheduler.shutdown()


def refusal(asks: Callable[[], object]) -> str:
    try:
        asks()
    except RunnerError as error:
        return str(error)
    return ""


def by_a_signal() -> None:
    """A handler of a signal ends it: where gevent patched the program, it is called on the hub, which cannot wait."""
    for wait in (True, False):
        scheduler = BlockingScheduler()
        signal.signal(signal.SIGTERM, lambda *_, wait=wait, of=scheduler: of.shutdown(wait))
        # The shell has the pause: the signal comes when nothing else goes on.
        command = ["sh", "-c", f"read line; sleep 0.3; kill -TERM {os.getpid()}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:

            def over(event: SchedulerEvent, sender: subprocess.Popen[bytes] = sender) -> None:
                assert sender.stdin is not None
                sender.stdin.write(b"\n")
                sender.stdin.flush()

            scheduler.add_listener(over, EVENT_JOB_EXECUTED)
            scheduler.add_job(nothing)
            scheduler.start()
            assert not scheduler.running
        assert sender.returncode == 0


def by_its_own_run() -> None:
    """A greenlet that a scheduler runs may end it: the end is whole, and a new start works."""
    import gevent

    from runner.schedulers.gevent import GeventScheduler

    scheduler = GeventScheduler()
    for wait in (True, False):
        greenlet = scheduler.start()
        scheduler.add_job(lambda wait=wait: scheduler.shutdown(wait))
        greenlet.join(timeout=PATIENCE)
        assert greenlet.dead
        assert not scheduler.running

    if PATCHED == "patched":
        with_a_timeout(scheduler)
    ran: list[int] = []
    scheduler.start()
    scheduler.add_job(lambda: ran.append(1))
    while not ran:
        gevent.sleep(0.01)
    scheduler.shutdown()


def with_a_timeout(scheduler: GeventScheduler) -> None:
    """Who does not wait for the end any longer has it all the same."""
    import gevent
    from gevent.event import Event

    began, may_end = Event(), Event()

    def work() -> None:
        began.set()
        may_end.wait(PATIENCE)

    over = scheduler.start()
    scheduler.add_executor("threadpool", "threads", max_workers=1)
    scheduler.add_job(work, executor="threads")
    assert began.wait(PATIENCE)
    with gevent.Timeout(0.2, False):
        scheduler.shutdown()
    until(lambda: not scheduler.running)
    assert not over.dead
    may_end.set()
    over.join(PATIENCE)
    assert over.dead


def both(did: list[str]) -> bool:
    return len(did) == 2


def ended(scheduler: BaseScheduler) -> bool:
    return not scheduler.running


def by_a_run_in_a_thread() -> None:
    """The run that asks is not waited for, the others are; what comes after the call is still done."""
    for kind in (BackgroundScheduler, BlockingScheduler):
        for wait in (True, False):
            scheduler, did = kind(), list[str]()
            began, may_end = threading.Event(), threading.Event()

            def other(
                did: list[str] = did, began: threading.Event = began, may_end: threading.Event = may_end
            ) -> None:
                began.set()
                may_end.wait(PATIENCE)
                did.append("other")

            def asks(
                scheduler: BaseScheduler = scheduler,
                did: list[str] = did,
                began: threading.Event = began,
                may_end: threading.Event = may_end,
                wait: bool = wait,
            ) -> None:
                # What has not begun is cancelled where nobody waits.
                assert began.wait(PATIENCE)
                if wait:
                    threading.Timer(0.3, may_end.set).start()
                scheduler.shutdown(wait)
                did.append("asked")
                may_end.set()

            scheduler.add_job(other)
            scheduler.add_job(asks)
            scheduler.start()
            until(partial(both, did))
            assert not scheduler.running
            assert did == (["other", "asked"] if wait else ["asked", "other"])
            scheduler.start(paused=True) if kind is BackgroundScheduler else None
            scheduler.shutdown() if scheduler.running else None


def by_a_run_on_the_clock_thread() -> None:
    """A run of the executor `debug` asks for the end, and for jobs, while the start goes on."""
    for wait in (True, False):
        scheduler, ran = BackgroundScheduler(executors={"default": {"type": "debug"}}), list[int]()

        def asks(scheduler: BaseScheduler = scheduler, ran: list[int] = ran, wait: bool = wait) -> None:
            scheduler.add_listener(print, 0)
            scheduler.add_job(nothing)
            scheduler.shutdown(wait)
            ran.append(1)

        scheduler.add_job(asks)
        scheduler.add_job(nothing, "interval", hours=1)
        scheduler.start()
        until(partial(ended, scheduler))
        # It is ended as soon as that is asked for; the run that asks goes on.
        until(partial(bool, ran))
        until(lambda: not [each for each in threading.enumerate() if each.name.startswith("runner")])


def by_a_function_beside_a_loop() -> None:
    """A plain function of an asyncio program, in its thread, ends the scheduler while the loop turns."""
    import asyncio

    from runner.schedulers.asyncio import AsyncIOScheduler

    async def program() -> None:
        scheduler, over = AsyncIOScheduler(), asyncio.Event()
        loop, did = asyncio.get_running_loop(), list[str]()

        began = threading.Event()

        async def other() -> None:
            began.set()
            await asyncio.sleep(0.3)
            did.append("other")

        def asks() -> None:
            assert began.wait(PATIENCE)
            scheduler.shutdown(wait=True)
            did.append("asked")
            loop.call_soon_threadsafe(over.set)

        scheduler.add_job(other)
        scheduler.add_job(asks)
        scheduler.start()
        await asyncio.wait_for(over.wait(), PATIENCE)
        assert did == ["other", "asked"]

    asyncio.run(program())


def by_a_function_of_the_reactor() -> None:
    """As with asyncio, in the reactor's thread pool."""
    from twisted.internet import reactor

    from runner.schedulers.twisted import TwistedScheduler

    running: Any = reactor
    scheduler, did = TwistedScheduler(), list[str]()

    def asks() -> None:
        scheduler.shutdown(wait=True)
        did.append("asked")
        running.callFromThread(running.stop)

    scheduler.add_job(asks)
    running.callWhenRunning(scheduler.start)
    running.callLater(PATIENCE, running.stop)
    running.run()
    assert did == ["asked"]


CASES = {
    "listener": with_a_listener,
    "fork": in_a_fork,
    "run": by_its_own_run,
    "signal": by_a_signal,
    "thread": by_a_run_in_a_thread,
    "debug": by_a_run_on_the_clock_thread,
    "asyncio": by_a_function_beside_a_loop,
    "twisted": by_a_function_of_the_reactor,
}

if __name__ == "__main__":
    CASES[CASE]()
    print("well")
