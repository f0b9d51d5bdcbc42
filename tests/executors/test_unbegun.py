"""What waits in an executor when its lead is lost never begins there, and whoever leads next may begin it."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from pathlib import Path

from runner.clock import SystemClock
from runner.core.run import AttemptKey, Outcome, RunKey, Status
from runner.executors.base import Found
from runner.executors.pool import ThreadPoolExecutor
from runner.executors.threads import Stop, Threads
from runner.frozen import replace
from runner.moment import Span
from runner.spec import Call, Http, JobKey
from runner.testing.executor_suite import Ears
from runner.testing.executor_suite import task as called
from tests.executors.rig import Open, task, wait_until

SOON = SystemClock().elapsed() + 3600 * 1_000_000


def key(number: int) -> AttemptKey:
    return AttemptKey(RunKey(JobKey("default", "api", "job"), number), "main", 1)


class Lead:
    """Led until it is lost."""

    def __init__(self) -> None:
        self.lost = False

    def until(self) -> Span | None:
        return 0 if self.lost else SOON


def test_what_waits_is_unbegun_for_good_and_what_began_is_not() -> None:
    told: queue.SimpleQueue[AttemptKey] = queue.SimpleQueue()
    threads = Threads("pool", 1, SystemClock(), lambda key, outcome: told.put(key))
    begun, goes_on, lead, calls = threading.Event(), threading.Event(), Lead(), []

    def first(stop: Stop) -> Outcome:
        begun.set()
        goes_on.wait(20)
        return Outcome(Status.SUCCEEDED)

    def second(stop: Stop) -> Outcome:
        calls.append(1)
        return Outcome(Status.SUCCEEDED)

    threads.start(key(1), first, lead.until)
    threads.start(key(2), second, lead.until)
    assert begun.wait(20)
    assert not threads.unbegun(key(2)), "the lead is not lost"
    lead.lost = True
    assert [threads.unbegun(key(number)) for number in (1, 2, 3)] == [False, True, False]
    assert [threads.knows(key(number)) for number in (1, 2)] == [True, False]
    # Under the next lead it begins, once; the one that waited never does.
    threads.start(key(2), second, Lead().until)
    assert not threads.unbegun(key(2))
    goes_on.set()
    threads.close(wait=True)
    assert sorted([told.get(timeout=20), told.get(timeout=20)]) == [key(1), key(2)]
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
