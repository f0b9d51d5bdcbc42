"""A pool's threads come one at a time to what waits: what waits for something is under way at once all the same."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from runner.clock import SystemClock
from runner.core.run import AttemptKey, Outcome, RunKey, Status
from runner.executors.threads import Item, Stop, Threads
from runner.spec import JobKey
from tests.waiting import PATIENCE, wait_until

GOOD = Outcome(Status.SUCCEEDED)


def key(number: int) -> AttemptKey:
    return AttemptKey(RunKey(JobKey("default", "api", "job"), number), "main", 1)


class Pool:
    """Threads, and what they told."""

    def __init__(self, most: int, begin: Callable[[], object] | None = None) -> None:
        self.told: queue.SimpleQueue[tuple[AttemptKey, Outcome]] = queue.SimpleQueue()
        self.threads = Threads(
            "pool", most, SystemClock(), lambda key, outcome: self.told.put((key, outcome)), begin=begin
        )

    def start(self, count: int, function: Callable[[], object]) -> None:
        def work(stop: Stop) -> Outcome:
            function()
            return GOOD

        self.threads.start_all([Item(key(number), work) for number in range(count)])

    def all_well(self, count: int) -> None:
        """So many were told, each once, and well."""
        told = [self.told.get(timeout=PATIENCE) for _ in range(count)]
        assert {one for one, _ in told} == {key(number) for number in range(count)}
        assert {outcome.status for _, outcome in told} == {Status.SUCCEEDED}
        assert self.told.empty()

    @property
    def made(self) -> int:
        return len(self.threads._threads)


def test_functions_that_wait_for_each_other_are_under_way_at_once() -> None:
    pool = Pool(6)
    for _ in range(3):
        # None of them returns before all have begun; the second time the threads are there already.
        together = threading.Barrier(6, timeout=PATIENCE)
        pool.start(6, together.wait)
        pool.all_well(6)
    assert pool.made == 6
    pool.threads.close(wait=True)


def test_so_they_are_where_each_is_handed_over_alone() -> None:
    pool, together = Pool(4), threading.Barrier(4, timeout=PATIENCE)

    def work(stop: Stop) -> Outcome:
        together.wait()
        return GOOD

    for number in range(4):
        pool.threads.start(key(number), work)
    pool.all_well(4)
    pool.threads.close(wait=True)


def test_an_initializer_that_takes_long_keeps_no_other_thread_from_coming() -> None:
    # Neither is through before both have come to it.
    together = threading.Barrier(2, timeout=PATIENCE)
    broken: list[threading.BrokenBarrierError] = []

    def begin() -> None:
        try:
            together.wait()
        except threading.BrokenBarrierError as error:
            broken.append(error)

    pool = Pool(5, begin)
    pool.start(2, lambda: None)
    pool.all_well(2)
    assert (broken, pool.made) == ([], 2)
    pool.threads.close(wait=True)


def test_a_thread_whose_initializer_fails_works_all_the_same() -> None:
    for error in (ValueError, SystemExit):

        def begin(error: type[BaseException] = error) -> None:
            raise error("not today")

        pool = Pool(1, begin)
        pool.start(3, lambda: None)
        pool.all_well(3)
        pool.threads.close(wait=True)


def test_no_more_threads_are_made_than_there_is_work_for() -> None:
    pool = Pool(5)
    for _ in range(20):
        pool.start(1, lambda: None)
        pool.all_well(1)
        wait_until(lambda: len(pool.threads._asleep) == pool.made)
    assert pool.made == 1
    pool.threads.close(wait=True)


def test_what_waits_begins_in_order_and_once() -> None:
    pool, begun = Pool(1), list[int]()
    for number in range(500):

        def work(stop: Stop, number: int = number) -> Outcome:
            begun.append(number)
            return GOOD

        pool.threads.start(key(number), work)
    pool.all_well(500)
    assert begun == list(range(500))
    pool.threads.close(wait=True)


def test_a_larger_pool_takes_up_what_waited_for_the_smaller_one() -> None:
    pool, together = Pool(1), threading.Barrier(3, timeout=PATIENCE)
    pool.start(3, together.wait)
    wait_until(lambda: together.n_waiting == 1)
    pool.threads.resize(3)
    pool.all_well(3)
    pool.threads.close(wait=True)
