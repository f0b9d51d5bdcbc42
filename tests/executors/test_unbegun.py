"""What waits in an executor when its lead is lost never begins there, and whoever leads next may begin it."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.clock import SystemClock
from runner.core.run import AttemptKey, Outcome, RunKey, Status
from runner.executors.asyncio import AsyncIOExecutor
from runner.executors.base import Found
from runner.executors.gevent import GeventExecutor
from runner.executors.pool import ThreadPoolExecutor
from runner.executors.qt import QtExecutor
from runner.executors.threads import Stop, Threads
from runner.executors.twisted import TwistedExecutor
from runner.frozen import replace
from runner.moment import Span
from runner.spec import Call, Http, JobKey
from runner.testing.executor_suite import Ears
from runner.testing.executor_suite import task as called
from tests.executors import loops
from tests.executors.rig import Open, task
from tests.waiting import PATIENCE, wait_until

SOON = SystemClock().elapsed() + 3600 * 1_000_000


def key(number: int) -> AttemptKey:
    return AttemptKey(RunKey(JobKey("default", "api", "job"), number), "main", 1)


class Lead:
    """Led until it is lost; while it is `unsure` it may have ended, and may be renewed."""

    def __init__(self) -> None:
        self.lost = False
        self.unsure = False
        self.asked = threading.Event()

    def until(self) -> Span | None:
        self.asked.set()
        return 0 if self.lost else 1 if self.unsure else SOON


def test_what_waits_is_unbegun_for_good_and_what_began_is_not() -> None:
    told: queue.SimpleQueue[AttemptKey] = queue.SimpleQueue()
    threads = Threads("pool", 1, SystemClock(), lambda key, outcome: told.put(key))
    begun, goes_on, lead, calls = threading.Event(), threading.Event(), Lead(), []

    def first(stop: Stop) -> Outcome:
        begun.set()
        goes_on.wait(PATIENCE)
        return Outcome(Status.SUCCEEDED)

    def second(stop: Stop) -> Outcome:
        calls.append(1)
        return Outcome(Status.SUCCEEDED)

    threads.start(key(1), first, lead.until)
    threads.start(key(2), second, lead.until)
    assert begun.wait(PATIENCE)
    assert not threads.unbegun(key(2)), "the lead is not lost"
    lead.lost = True
    assert [threads.unbegun(key(number)) for number in (1, 2, 3)] == [False, True, False]
    assert [threads.knows(key(number)) for number in (1, 2)] == [True, False]
    # Under the next lead it begins, once; the one that waited never does.
    threads.start(key(2), second, Lead().until)
    assert not threads.unbegun(key(2))
    goes_on.set()
    threads.close(wait=True)
    assert sorted([told.get(timeout=PATIENCE), told.get(timeout=PATIENCE)]) == [key(1), key(2)]
    assert (calls, told.empty()) == ([1], True)


def test_what_a_thread_had_taken_already_is_unbegun_too() -> None:
    told: list[AttemptKey] = []
    threads = Threads("pool", 1, SystemClock(), lambda key, outcome: told.append(key))
    threads.start(key(1), lambda stop: Outcome(Status.SUCCEEDED), lambda: 0)
    wait_until(lambda: threads.unbegun(key(1)))
    threads.close(wait=True)
    assert (told, threads.knows(key(1))) == ([], False)


def test_nothing_is_both_begun_and_unbegun() -> None:
    dice = random.Random(3)
    for _ in range(60):
        began: set[AttemptKey] = set()
        lead, keys = Lead(), [key(number) for number in range(40)]
        threads = Threads("pool", 4, SystemClock(), lambda key, outcome: None)

        def begins(one: AttemptKey, began: set[AttemptKey] = began) -> Callable[[Stop], Outcome]:
            def function(stop: Stop) -> Outcome:
                began.add(one)
                return Outcome(Status.SUCCEEDED)

            return function

        for number, one in enumerate(keys):
            threads.start(one, begins(one), lead.until)
            lead.lost = lead.lost or (number > 10 and dice.random() < 0.1)
        lead.lost = True
        unbegun = {one for one in keys if threads.unbegun(one)}
        threads.close(wait=True)
        assert not began & unbegun
        assert began | unbegun == set(keys)


def test_recovery_leaves_out_what_never_began(local: Open) -> None:
    request = Http("get", "http://127.0.0.1:9/")
    lead = Lead()
    lead.lost = True
    one = replace(task(request), until=lead.until)
    local.executor.start(one)
    assert local.executor.recover([one]) == Found()
    assert local.told.empty()
    # One of an earlier process is gone: nobody knows how far it came.
    assert local.executor.recover([task(request, job="other")]).gone


def test_so_does_a_pool_of_threads(tmp_path: Path) -> None:
    pool, ears = ThreadPoolExecutor(1), Ears()
    pool.open(ears)
    lead = Lead()
    lead.lost = True
    one = replace(called(Call("os:getpid")), until=lead.until)
    pool.start(one)
    assert pool.recover([one]) == Found()
    pool.close()


# ── inside a loop ───────────────────────────────────────────────────────────────────────────

CALLS: list[str] = []


def called_here() -> None:
    CALLS.append("function")


async def awaited_here() -> None:
    CALLS.append("coroutine")


@pytest.fixture(params=["asyncio", "gevent", "qt", "twisted"])
def inside(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Callable[[Callable[[], None]], object]]]:
    """An executor, and what has its loop's thread call something."""
    CALLS.clear()
    with contextlib.ExitStack() as stack:
        if request.param == "asyncio":
            loop = stack.enter_context(loops.asyncio_loop())
            yield AsyncIOExecutor(event_loop=loop), loop.call_soon_threadsafe
        elif request.param == "gevent":
            post = stack.enter_context(loops.gevent_hub())
            yield loops.Elsewhere(GeventExecutor(), loops.waited(post)), post
        elif request.param == "qt":
            post = stack.enter_context(loops.qt_loop())
            yield loops.Elsewhere(QtExecutor(), loops.waited(post)), post
        else:
            reactor = request.getfixturevalue("reactor")
            yield TwistedExecutor(reactor), reactor.callFromThread


@pytest.mark.parametrize("target", ["called_here", "awaited_here"])
def test_what_waits_for_a_loop_is_unbegun_for_good(inside: tuple[Any, Any], target: str) -> None:
    executor, post = inside
    ears, lead, held, goes_on = Ears(), Lead(), threading.Event(), threading.Event()
    executor.open(ears)
    one = replace(called(Call(f"{__name__}:{target}")), until=lead.until)
    post(lambda: hold(held, goes_on))
    assert held.wait(PATIENCE)
    lead.lost = True  # before the start: some go to a thread beside the loop, and need not wait for it
    executor.start(one)
    wait_until(lambda: executor.recover([one]) == Found())
    assert executor.recover([one]) == Found(), "whoever asks again hears the same"
    # Under the next lead it begins, once; what lies in the loop's queue from before never does.
    executor.start(replace(one, until=Lead().until))
    goes_on.set()
    assert ears.next()[0] == one.attempt
    executor.close()
    assert (len(CALLS), ears.silent) == (1, True)


@pytest.mark.parametrize("target", ["called_here", "awaited_here"])
@pytest.mark.parametrize("ends", ["renewed", "lost", "cancelled"])
def test_where_the_lead_is_not_sure_it_waits(inside: tuple[Any, Any], target: str, ends: str) -> None:
    executor, _ = inside
    ears, lead = Ears(), Lead()
    executor.open(ears)
    lead.unsure = True
    one = replace(called(Call(f"{__name__}:{target}")), until=lead.until)
    executor.start(one)
    assert lead.asked.wait(PATIENCE)
    assert executor.recover([one]).alive == {one.attempt}
    if ends == "renewed":
        lead.unsure = False
        assert ears.next()[1].status is Status.SUCCEEDED
    elif ends == "lost":
        lead.lost = True
        wait_until(lambda: executor.recover([one]) == Found())
    else:
        executor.cancel(one.attempt, "asked")
        assert ears.next()[1].status is Status.CANCELLED
    executor.close()
    assert (len(CALLS), ears.silent) == (ends == "renewed", True)


def hold(held: threading.Event, goes_on: threading.Event) -> None:
    """Keep the loop's thread, whatever loop it is."""
    held.set()
    assert goes_on.wait(PATIENCE)
