from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from runner.clock import SystemClock
from runner.core.run import AttemptKey, Outcome, RunKey, Status
from runner.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from runner.executors.pool_worker import RemoteTraceback
from runner.executors.threads import Stop, Threads
from runner.spec import Call, Command, JobKey
from runner.testing.executor_suite import Ears, task
from tests.executors import callables
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def pool() -> Iterator[tuple[ProcessPoolExecutor, Ears]]:
    executor = ProcessPoolExecutor(1)
    ears = Ears()
    executor.open(ears)
    yield executor, ears
    executor.close()


def test_a_worker_is_used_again_and_replaced_when_it_dies(pool: tuple[ProcessPoolExecutor, Ears]) -> None:
    executor, ears = pool
    pids = []
    for number, target in enumerate((os.getpid, os.getpid, callables.dies, os.getpid)):
        executor.start(task(Call(target), job=f"job{number}"))
        pids.append(ears.next()[1])
    assert pids[0].value == pids[1].value != os.getpid()
    assert pids[2].error == "its process ended without a result (exit code 0)"
    assert pids[3].value not in (pids[0].value, None)


def test_a_crash_is_told(pool: tuple[ProcessPoolExecutor, Ears]) -> None:
    executor, ears = pool
    executor.start(task(Call(callables.crashes)))
    assert ears.next()[1].error == "its process was killed by SIGSEGV"


def test_an_exception_keeps_its_traceback(pool: tuple[ProcessPoolExecutor, Ears]) -> None:
    executor, ears = pool
    executor.start(task(Call(callables.fail, ("no",))))
    outcome = ears.next()[1]
    assert isinstance(outcome.exception, ValueError)
    assert isinstance(outcome.exception.__cause__, RemoteTraceback)
    assert "raise ValueError(text)" in str(outcome.exception.__cause__)


def test_what_cannot_be_handed_over(pool: tuple[ProcessPoolExecutor, Ears]) -> None:
    executor, ears = pool
    executor.start(task(Call(lambda: 1)))
    assert ears.next()[1].error.startswith("it cannot be handed to another process: ")
    executor.start(task(Call(threading.Lock), job="two"))
    assert ears.next()[1].error == (
        "TypeError: what it returned cannot be handed back: TypeError: cannot pickle '_thread.lock' object"
    )


def test_values_are_what_was_returned() -> None:
    ears = Ears()
    executor = ThreadPoolExecutor()
    executor.open(ears)
    marker = object()
    executor.start(task(Call(lambda: marker)))
    assert ears.next()[1].value is marker
    executor.close()


def test_a_worker_is_changed_after_some_calls() -> None:
    ears = Ears()
    executor = ProcessPoolExecutor(1, {"max_tasks_per_child": 2})
    executor.open(ears)
    pids = []
    for number in range(4):
        executor.start(task(Call(os.getpid), job=f"job{number}"))
        pids.append(ears.next()[1].value)
    executor.close()
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_threads_begin_with_the_initializer() -> None:
    ears = Ears()
    begun: list[Any] = []
    executor = ThreadPoolExecutor(1, {"initializer": begun.append, "initargs": ("here",)})
    executor.open(ears)
    executor.start(task(Call(int)))
    assert ears.next()[1].status is Status.SUCCEEDED
    executor.close()
    assert begun == ["here"]


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError) as caught:
        ThreadPoolExecutor(1, {"max_worker": 3})
    assert str(caught.value) == (
        "unknown pool_kwargs max_worker (known: initargs, initializer, thread_name_prefix)"
    )


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.parametrize("count", [0, -1, "0"])
def test_a_pool_of_nobody_is_refused(kind: Any, count: Any) -> None:
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        kind(count)


def test_a_command_is_refused() -> None:
    ears = Ears()
    executor = ThreadPoolExecutor()
    executor.open(ears)
    executor.start(task(Command(script="true")))
    assert ears.next()[1].error == "this executor calls Python functions; Command is none"
    executor.close()


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    """Each is forked with a copy of the pipes to those before it."""
    program = """
import os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
from runner.executors.pool import ProcessPoolExecutor
from runner.spec import Call
from runner.testing.executor_suite import Ears, task
executor, ears = ProcessPoolExecutor(3), Ears()
executor.open(ears)
for number in range(3):
    executor.start(task(Call("tests.executors.callables:meets", (sys.argv[2], str(number), 3)), job=f"job{number}"))
for number in range(3):
    ears.next()
print(*[worker._process.pid for worker in executor._workers], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, os.pathsep.join(sys.path), tmp_path],
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    workers = [int(pid) for pid in done.stdout.split()]
    assert len(workers) == 3
    wait_until(lambda: not any(map(alive, workers)), "no worker is left behind")


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_what_is_just_being_told_is_still_known() -> None:
    """Whoever asks what became of an attempt finds it known, or told: never neither."""
    known: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def done(key: AttemptKey, outcome: Outcome) -> None:
        known.put(threads.knows(key))

    threads = Threads("pool", 1, SystemClock(), done)
    key = AttemptKey(RunKey(JobKey("default", "api", "job"), 0), "main", 1)
    threads.start(key, lambda stop: Outcome(Status.SUCCEEDED))
    assert known.get(timeout=PATIENCE)
    threads.close(wait=True)
    assert not threads.knows(key)


def test_who_waits_for_the_end_finds_the_threads_gone() -> None:
    """Also one that is slow to leave: APScheduler's pools are joined as well."""
    gate = threading.Event()
    before = set(threading.enumerate())
    threads = Threads("pool", 3, SystemClock(), lambda key, outcome: None)
    began: queue.SimpleQueue[None] = queue.SimpleQueue()

    def work(stop: Stop) -> Outcome:
        began.put(None)
        gate.wait()
        return Outcome(Status.SUCCEEDED)

    for number in range(3):
        threads.start(AttemptKey(RunKey(JobKey("default", "api", f"job{number}"), 0), "main", 1), work)
    for _ in range(3):
        began.get(timeout=PATIENCE)
    gate.set()
    threads.close(wait=True)
    assert set(threading.enumerate()) <= before


def test_a_thread_that_works_on_at_what_was_given_up_holds_up_no_end() -> None:
    gate = threading.Event()
    began: queue.SimpleQueue[None] = queue.SimpleQueue()
    threads = Threads("pool", 1, SystemClock(), lambda key, outcome: None)

    def work(stop: Stop) -> Outcome:
        began.put(None)
        gate.wait()
        return Outcome(Status.SUCCEEDED)

    key = AttemptKey(RunKey(JobKey("default", "api", "job"), 0), "main", 1)
    threads.start(key, work)
    began.get(timeout=PATIENCE)
    threads.cancel(key, "timeout")
    threads.close(wait=True)
    assert not threads.knows(key)
    gate.set()


def test_a_system_that_gives_no_more_threads_keeps_the_work_for_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin, made = threading.Thread.start, list[threading.Thread]()

    def start(thread: threading.Thread) -> None:
        if made:
            raise RuntimeError("can't start new thread")
        made.append(thread)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    executor, ears = ThreadPoolExecutor(3), Ears()
    executor.open(ears)
    tasks = [task(Call("json:loads", ("1",)), job=f"job{number}") for number in range(5)]
    executor.start_all(tasks)
    assert {ears.next()[0] for _ in tasks} == {one.attempt for one in tasks}
    executor.close()
    assert ears.silent


def test_a_system_that_gives_not_even_one_thread_fails_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    executor, ears = ThreadPoolExecutor(3), Ears()
    executor.open(ears)
    tasks = [task(Call("json:loads", ("1",)), job=f"job{number}") for number in range(2)]
    executor.start_all(tasks)
    assert [ears.next()[1].error for _ in tasks] == ["can't start new thread"] * 2
    # Nothing is left that somebody would wait for.
    executor.close()
    assert ears.silent
