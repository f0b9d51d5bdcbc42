"""A store that hangs holds up its own jobs; those of the other stores start when they are due."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from runner.core.action import Change
from runner.errors import StoreError
from runner.events import EVENT_JOB_EXECUTED, JobExecutionEvent
from runner.jobstores.base import Fence
from runner.jobstores.memory import MemoryJobStore
from runner.schedulers.background import BackgroundScheduler
from runner.schedulers.base import BaseScheduler
from tests.jobstores import store_servers
from tests.jobstores.frozen_server import frozen
from tests.waiting import PATIENCE, wait_until

LATE = 5.0
"""Seconds, beside what the machine itself stood still; a server that hangs amid a statement is given up after ten."""
LONG = bool(os.environ.get("RUNNER_LONG"))
TICKS = 40 if LONG else 8
"""So many, each half a second: the long form sees the tries of a store that is known to hang as well."""

SCHEDULERS: list[BaseScheduler] = []
"""Where a job finds the one that runs it."""
MEET = threading.Barrier(2, timeout=PATIENCE)


class Ears:
    """Hears what has run, and when."""

    def __init__(self) -> None:
        self._heard: list[tuple[str | None, float, datetime]] = []
        self._more = threading.Condition()

    def __call__(self, event: JobExecutionEvent) -> None:
        with self._more:
            self._heard.append((event.jobstore, time.monotonic(), event.scheduled_run_time))
            self._more.notify_all()

    def times(self, store: str, since: float = 0, until: float = float("inf")) -> list[float]:
        return [at for each, at, _ in list(self._heard) if each == store and since < at < until]

    def due(self, store: str, since: datetime, until: float) -> list[datetime]:
        """What was due after a moment, and was heard of before another."""
        return [due for each, at, due in list(self._heard) if each == store and due > since and at < until]

    def wait(self, what: Callable[[], bool]) -> None:
        with self._more:
            assert self._more.wait_for(what, PATIENCE), "it never happens"


# ── a store of a program's own ──────────────────────────────────────────────────────────────


class Hanging(MemoryJobStore):
    """Writes nothing, and does not return, while `open_gate` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.open_gate = threading.Event()
        self.open_gate.set()
        self.hangs = threading.Event()
        self.writer = 0
        self.answers_others = False
        """Whether only the write that hangs goes on to hang."""

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        if not self.open_gate.is_set() and not self.answers_others:
            self.writer = threading.get_ident()
            self.hangs.set()
            self.open_gate.wait(5 * PATIENCE)
        super().write(changes, fence)

    def hang(self, scheduler: BackgroundScheduler) -> None:
        """From now on it does, and the thread that writes a job's run stands in it."""
        scheduler.add_job("math:sqrt", "interval", args=[4], seconds=0.05, id="far", jobstore="far")
        self.open_gate.clear()
        assert self.hangs.wait(PATIENCE)


@pytest.fixture
def hanging() -> Iterator[tuple[BackgroundScheduler, Hanging]]:
    store = Hanging()
    scheduler = BackgroundScheduler()
    scheduler.add_jobstore(store, "far")
    scheduler.start()
    yield scheduler, store
    store.open_gate.set()
    if scheduler.running:
        scheduler.shutdown()


def test_while_a_write_does_not_return_another_store_goes_on(
    hanging: tuple[BackgroundScheduler, Hanging],
) -> None:
    scheduler, store = hanging
    ears = Ears()
    scheduler.add_listener(ears, EVENT_JOB_EXECUTED)
    store.hang(scheduler)
    scheduler.add_job("math:sqrt", "interval", args=[4], seconds=0.05, id="near")
    ears.wait(lambda: len(ears.times("default")) >= 3)
    scheduler.pause_job("near")
    scheduler.remove_job("near")
    since = time.monotonic()
    store.open_gate.set()
    ears.wait(lambda: bool(ears.times("far", since)))


def test_stores_come_and_go_while_one_hangs(hanging: tuple[BackgroundScheduler, Hanging]) -> None:
    scheduler, store = hanging
    ears = Ears()
    scheduler.add_listener(ears, EVENT_JOB_EXECUTED)
    store.hang(scheduler)
    scheduler.add_jobstore("memory", "third")
    scheduler.add_job("math:sqrt", "interval", args=[4], seconds=0.05, id="third", jobstore="third")
    ears.wait(lambda: bool(ears.times("third")))
    scheduler.remove_jobstore("third")
    scheduler.add_jobstore("memory", "third")
    assert scheduler.get_jobs("third") == []
    assert not store.open_gate.is_set()


def test_a_shutdown_waits_for_the_write_under_way(hanging: tuple[BackgroundScheduler, Hanging]) -> None:
    scheduler, store = hanging
    store.hang(scheduler)
    ended = threading.Thread(target=scheduler.shutdown)
    ended.start()
    ended.join(0.2)
    assert ended.is_alive()
    store.open_gate.set()
    ended.join(PATIENCE)
    assert not ended.is_alive()
    assert not [each for each in threading.enumerate() if each.name == "runner-clock"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.schedulers.engines._PATIENCE", 0.2)


def clock_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "runner-clock"]


def ended(threads: Sequence[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(PATIENCE)
    return not any(thread.is_alive() for thread in threads)


@pytest.mark.usefixtures("impatient")
def test_a_store_that_hangs_for_long_is_removed_and_another_may_take_its_name(
    hanging: tuple[BackgroundScheduler, Hanging], caplog: pytest.LogCaptureFixture
) -> None:
    scheduler, store = hanging
    ears = Ears()
    scheduler.add_listener(ears, EVENT_JOB_EXECUTED)
    store.hang(scheduler)
    before = clock_threads()
    scheduler.remove_jobstore("far")
    assert "the store 'far' does not answer" in caplog.text
    assert scheduler.get_jobs("far") == []
    scheduler.add_jobstore("memory", "far")
    (late,) = [each for each in before if each.is_alive() and each.ident == store.writer]
    store.open_gate.set()
    assert ended([late])
    since = time.monotonic()
    scheduler.add_job("math:sqrt", "interval", args=[4], seconds=0.05, id="new", jobstore="far")
    ears.wait(lambda: bool(ears.times("far", since)))
    assert [job.id for job in scheduler.get_jobs("far")] == ["new"]


@pytest.mark.usefixtures("impatient")
def test_a_shutdown_ends_all_but_a_store_that_hangs_for_long_and_that_one_later(
    hanging: tuple[BackgroundScheduler, Hanging],
) -> None:
    scheduler, store = hanging
    store.hang(scheduler)
    scheduler.shutdown(wait=False)
    (late,) = clock_threads()
    assert late.ident == store.writer
    # It may start again meanwhile, and the late one closes nothing of that.
    ears = Ears()
    scheduler.add_listener(ears, EVENT_JOB_EXECUTED)
    store.answers_others = True
    scheduler.start()
    scheduler.add_job("math:sqrt", args=[4])
    ears.wait(lambda: bool(ears.times("default")))
    assert late.is_alive()
    scheduler.shutdown(wait=False)
    store.open_gate.set()
    assert ended(clock_threads())


def test_a_change_of_a_store_that_is_removed_meanwhile_leaves_nothing_behind(
    hanging: tuple[BackgroundScheduler, Hanging],
) -> None:
    """A change that was still awaited would keep those who change the job later from being heard."""
    scheduler, store = hanging
    scheduler.add_job("math:sqrt", "interval", args=[4], hours=1, id="far", jobstore="far")
    store.open_gate.clear()
    raised: list[BaseException] = []

    def change() -> None:
        try:
            scheduler.remove_job("far", "far")
        except Exception as error:
            raised.append(error)

    changing = threading.Thread(target=change)
    changing.start()
    assert store.hangs.wait(PATIENCE)
    removing = threading.Thread(target=scheduler.remove_jobstore, args=["far"])
    removing.start()
    while "far" in scheduler._house.stores:
        removing.join(0.01)
    store.open_gate.set()
    assert ended([changing, removing])
    assert raised == []
    assert scheduler._mine == {}


def test_a_store_that_cannot_be_opened_is_not_added() -> None:
    scheduler = BackgroundScheduler()
    scheduler.start()
    try:
        for _ in range(2):
            with pytest.raises(StoreError):
                scheduler.add_jobstore("sqlalchemy", "far", url="sqlite:////nowhere/at/all.db")
        assert scheduler.get_jobs() == []
    finally:
        scheduler.shutdown()


def test_an_executor_that_comes_or_goes_disturbs_nobody_who_goes_through_them() -> None:
    """A clock thread does, between a write and the starts that follow from it."""
    scheduler = BackgroundScheduler()
    scheduler.start()
    try:
        names = iter(scheduler._house.hands.executors)
        assert next(names) == "default"
        scheduler.add_executor("threadpool", "more")
        assert list(names) == []
        names = iter(scheduler._house.hands.executors)
        assert next(names) == "default"
        scheduler.remove_executor("more")
        assert list(names) == ["more"]
    finally:
        scheduler.shutdown()


# ── runs on the clock thread ────────────────────────────────────────────────────────────────


def add_in(store: str) -> None:
    """Run by the debug executor, on the clock thread of one store: it wants something of the other's."""
    MEET.wait()
    SCHEDULERS[0].add_job("math:sqrt", "interval", args=[4], hours=1, id="added", jobstore=store)


def test_runs_on_the_clock_threads_of_two_stores_may_change_each_others_jobs(tmp_path: Path) -> None:
    """Where both wait for each other one gives up, and says that the change is kept: it is made all the same."""
    scheduler = BackgroundScheduler(
        executors={"default": {"type": "debug"}},
        jobstores={"far": {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path / 'jobs.db'}"}},
    )
    SCHEDULERS[:] = [scheduler]
    scheduler.start()
    try:
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        for store, other in (("far", "default"), ("default", "far")):
            scheduler.add_job(
                add_in,
                "date",
                run_date=soon,
                args=[other],
                id="first",
                jobstore=store,
                misfire_grace_time=None,
            )
        wait_until(
            lambda: all(scheduler.get_job("added", jobstore=store) for store in ("far", "default")),
            "an end of their waiting for each other",
        )
    finally:
        scheduler.shutdown()
        SCHEDULERS.clear()


# ── real servers ────────────────────────────────────────────────────────────────────────────


class Machine(threading.Thread):
    """How long the machine lets nobody go on: a thread that has nothing to do with any of it, with a file to write."""

    def __init__(self, file: Path) -> None:
        super().__init__(daemon=True)
        self.worst = 0.0
        self.over = threading.Event()
        self._file = file

    def run(self) -> None:
        with self._file.open("wb", buffering=0) as file:
            before = time.monotonic()
            while not self.over.wait(0.1):
                file.write(b"x")
                os.fsync(file)
                before, last = time.monotonic(), before
                self.worst = max(self.worst, before - last)


@pytest.fixture(params=["postgresql", "mariadb"] if LONG else ["postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with getattr(store_servers, request.param)(own=True) as url:
        yield url


def test_a_server_that_hangs_delays_no_job_of_another_store(server: str, tmp_path: Path) -> None:
    ears = Ears()
    scheduler = BackgroundScheduler(
        jobstores={
            "far": {"type": "sqlalchemy", "url": server},
            "near": {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path / 'jobs.db'}"},
        }
    )
    scheduler.add_listener(ears, EVENT_JOB_EXECUTED)
    stores, machine = ("far", "near", "default"), Machine(tmp_path / "beside")
    for store in stores:
        scheduler.add_job("math:sqrt", "interval", args=[4], seconds=0.5, id="tick", jobstore=store)
    scheduler.start()
    machine.start()
    try:
        ears.wait(lambda: all(ears.times(store) for store in stores))
        with frozen(server):
            began, now = time.monotonic(), datetime.now(UTC)
            ears.wait(lambda: all(len(ears.times(store, began)) >= TICKS for store in stores[1:]))
            over = time.monotonic()
        assert ears.due("far", now, over) == [], "it stands still"
        machine.over.set()
        machine.join()
        for store in stores[1:]:
            gaps = [after - before for before, after in pairwise([began, *ears.times(store, began, over)])]
            assert max(gaps) < LATE + 2 * machine.worst, f"{store}: {gaps}, the machine {machine.worst}"
        ears.wait(lambda: len(ears.times("far", over)) >= 2)
    finally:
        scheduler.shutdown()
