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
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.errors import RunnerError
from runner.events import EVENT_JOB_EXECUTED, SchedulerEvent
from runner.schedulers.background import BackgroundScheduler
from runner.schedulers.blocking import BlockingScheduler

if TYPE_CHECKING:
    from runner.schedulers.gevent import GeventScheduler

PATIENCE = 30.0
SOON = 4.0
"""Seconds; what used to go wrong took five at least."""


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never happens"
        time.sleep(0.01)


def nothing() -> None:
    """The work."""


def with_a_listener() -> None:
    """The end waits for what listeners are still to be told, and for nothing else."""
    heard: list[SchedulerEvent] = []
    scheduler = BackgroundScheduler()
    scheduler.add_listener(heard.append, EVENT_JOB_EXECUTED)
    for _ in range(2):
        heard.clear()
        scheduler.start()
        for _ in range(5):
            scheduler.add_job(nothing)
        until(lambda: heard)
        began = time.monotonic()
        scheduler.shutdown()
        assert time.monotonic() - began < SOON
        assert len(heard) == 5


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
    began = time.monotonic()
    for ends in (False, True):
        child = os.fork()
        if child == 0:
            assert "forked" in refusal(scheduler)
            if ends:
                scheduler.shutdown()
                assert not scheduler.running
            sys.exit(0)  # as a program ends: what is registered for that is done
        assert os.waitpid(child, 0)[1] == 0
    assert time.monotonic() - began < SOON
    ran.clear()
    until(lambda: ran)
    scheduler.shutdown()


def refusal(scheduler: BackgroundScheduler) -> str:
    try:
        scheduler.add_job(nothing)
    except RunnerError as error:
        return str(error)
    return ""


def by_a_signal() -> None:
    """A handler of a signal ends it: where gevent patched the program, it is called on the hub, which cannot wait."""
    for wait in (True, False):
        scheduler = BlockingScheduler()
        signal.signal(signal.SIGTERM, lambda *_, wait=wait, of=scheduler: of.shutdown(wait))
        # The shell has the pause: the signal comes when nothing else goes on.
        command = ["sh", "-c", f"sleep 0.3; kill -TERM {os.getpid()}"]
        senders: list[subprocess.Popen[bytes]] = []
        scheduler.add_job(lambda of=senders, command=command: of.append(subprocess.Popen(command)))
        scheduler.start()
        assert not scheduler.running
        assert senders[0].wait(PATIENCE) == 0


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
    assert not scheduler.running
    assert not over.dead
    may_end.set()
    over.join(PATIENCE)
    assert over.dead


if __name__ == "__main__":
    {"listener": with_a_listener, "fork": in_a_fork, "run": by_its_own_run, "signal": by_a_signal}[CASE]()
    print("well")
