"""What becomes of runs, and what listeners and the log are told of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runner import events
from runner.events import (
    EVENT_JOB_ADDED,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from runner.jobstores.memory import MemoryJobStore
from tests.schedulers.moved import START, Moved
from tests.schedulers.targets import Owner, echo, fail, later, nothing
from tests.waiting import PATIENCE, wait_until

Make = Callable[..., Moved]


class Gate:
    """A job that begins, and ends when it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self) -> None:
        self.begun.release()
        assert self.open.wait(PATIENCE)


def test_what_a_run_tells(moved: Make) -> None:
    one = moved()
    one.scheduler.add_job(echo, "interval", seconds=5, args=[1], id="good")
    one.scheduler.add_job(fail, "interval", seconds=5, id="bad")
    one.pass_(5)
    (good,) = one.ears.wait(EVENT_JOB_EXECUTED)
    (bad,) = one.ears.wait(EVENT_JOB_ERROR)
    due = START + timedelta(seconds=5)
    assert (good.job_id, good.jobstore, good.scheduled_run_time, good.retval, good.exception, good.traceback) == (
        "good", "default", due, ((1,), {}), None, None,
    )  # fmt: skip
    assert (bad.job_id, bad.scheduled_run_time, bad.retval) == ("bad", due, None)
    assert repr(bad.exception) == "ValueError('it went wrong')"
    assert bad.traceback.endswith('raise ValueError("it went wrong")\n')
    codes = [event.code for event in one.ears.events if getattr(event, "job_id", "") == "good"]
    assert codes == [events.EVENT_JOB_ADDED, EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED]
    (submitted,) = one.ears.of(EVENT_JOB_SUBMITTED, "good")
    assert submitted.scheduled_run_times == [due]


def test_a_date_job_is_removed_after_its_run(moved: Make) -> None:
    one = moved()
    one.scheduler.add_job(nothing, "date", run_date=START + timedelta(seconds=2), id="j")
    one.pass_(2)
    one.ears.wait(EVENT_JOB_REMOVED)
    codes = [event.code for event in one.ears.events if getattr(event, "job_id", "") == "j"]
    assert codes == [events.EVENT_JOB_ADDED, EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED]


@pytest.mark.parametrize(
    ("grace", "missed", "ran"),
    [(1, 1, 0), (10, 0, 1), (None, 0, 1)],
)
def test_a_run_decided_later_than_its_grace_is_missed(
    moved: Make, grace: int | None, missed: int, ran: int
) -> None:
    one = moved()
    one.scheduler.add_job(nothing, "interval", seconds=10, id="j", misfire_grace_time=grace)
    one.jump(15)
    one.ears.wait(EVENT_JOB_MISSED | EVENT_JOB_EXECUTED, 1, "j")
    assert (len(one.ears.of(EVENT_JOB_MISSED)), len(one.ears.of(EVENT_JOB_EXECUTED))) == (missed, ran)


def test_a_date_that_has_passed_is_missed_and_gone(moved: Make) -> None:
    one = moved()
    due = START - timedelta(hours=1)
    one.scheduler.add_job(nothing, "date", run_date=due, id="j")
    (event,) = one.ears.wait(EVENT_JOB_MISSED)
    assert (event.job_id, event.scheduled_run_time) == ("j", due)
    one.ears.wait(EVENT_JOB_REMOVED)


@pytest.mark.parametrize(("coalesce", "slots"), [(True, [40]), (False, [10, 20, 30, 40])])
def test_times_that_came_together_run_once_or_each(moved: Make, coalesce: bool, slots: list[int]) -> None:
    one = moved()
    one.scheduler.add_job(
        nothing, "interval", seconds=10, id="j", coalesce=coalesce, misfire_grace_time=None, max_instances=9
    )
    one.jump(45)
    ran = one.ears.wait(EVENT_JOB_EXECUTED, len(slots))
    due = [START + timedelta(seconds=slot) for slot in slots]
    assert [time for event in one.ears.of(EVENT_JOB_SUBMITTED) for time in event.scheduled_run_times] == due
    # They run side by side: which of them ends first is not said.
    assert sorted(event.scheduled_run_time for event in ran) == due


def test_more_runs_at_once_than_allowed_are_dropped_and_told(
    moved: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one, gate = moved(), Gate()
    one.scheduler.add_job(gate, "interval", seconds=10, id="j", name="slow", max_instances=2)
    for _ in range(2):
        one.pass_(10)
        assert gate.begun.acquire(timeout=PATIENCE)
    one.pass_(10)
    (event,) = one.ears.wait(EVENT_JOB_MAX_INSTANCES)
    assert (event.job_id, event.scheduled_run_times) == ("j", [START + timedelta(seconds=30)])
    gate.open.set()
    one.ears.wait(EVENT_JOB_EXECUTED, 2)
    assert (
        'Execution of job "slow (trigger: interval[0:00:10], next run at: 2030-01-01 12:00:40 UTC)" skipped: '
        "maximum number of running instances reached (2)"
    ) in caplog.messages


def test_five_hundred_due_at_once_all_run(moved: Make) -> None:
    one = moved()
    counted = threading.Semaphore(0)
    for _ in range(500):
        one.scheduler.add_job(counted.release, "date", run_date=START + timedelta(seconds=1))
    one.pass_(1)
    for _ in range(500):
        assert counted.acquire(timeout=PATIENCE)
    one.ears.wait(EVENT_JOB_EXECUTED, 500)
    assert one.ears.of(EVENT_JOB_MISSED) == []


def test_coroutine_functions_run(moved: Make) -> None:
    one = moved()
    one.scheduler.add_job(later, args=[4])
    (event,) = one.ears.wait(EVENT_JOB_EXECUTED)
    assert event.retval == 5


@pytest.mark.parametrize(
    ("function", "value"),
    [(Owner().method, "method"), (Owner.made, "Owner"), (Owner.free, "free"), (lambda: 3, 3)],
)
def test_any_callable_runs_from_the_memory_store(moved: Make, function: Any, value: Any) -> None:
    one = moved()
    one.scheduler.add_job(function)
    (event,) = one.ears.wait(EVENT_JOB_EXECUTED)
    assert event.retval == value


def test_a_run_is_stopped_after_its_timeout(moved: Make) -> None:
    one, gate = moved(), Gate()
    one.scheduler.add_job(gate, timeout=30, id="j")
    assert gate.begun.acquire(timeout=PATIENCE)
    one.pass_(31)
    (event,) = one.ears.wait(EVENT_JOB_ERROR)
    assert str(event.exception) == "timed_out: given up after its timeout"
    gate.open.set()


def test_a_failed_run_is_tried_again(moved: Make) -> None:
    one = moved()
    tries: list[int] = []

    def third_time_lucky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    one.scheduler.add_job(third_time_lucky, id="j", retry=3)
    (event,) = one.ears.wait(EVENT_JOB_EXECUTED)
    assert (event.retval, one.ears.of(EVENT_JOB_ERROR)) == (3, [])


# ── listeners ───────────────────────────────────────────────────────────────────────────────


def test_a_listener_hears_what_its_mask_says_until_it_is_removed(moved: Make) -> None:
    one = moved()
    heard: list[int] = []

    def listen(event: Any) -> None:
        heard.append(event.code)

    one.scheduler.add_listener(listen, events.EVENT_SCHEDULER_PAUSED)
    one.scheduler.pause()
    one.scheduler.resume()
    one.scheduler.remove_listener(listen)
    one.scheduler.pause()
    assert heard == [events.EVENT_SCHEDULER_PAUSED]


def test_who_comes_while_it_runs_hears_of_runs_from_then_on(moved: Make) -> None:
    """Of a run that nobody listens to nothing is made; who listens is asked anew each time."""
    one, called = moved(), threading.Semaphore(0)
    one.scheduler.remove_listener(one.ears)
    one.scheduler.add_job(called.release, "interval", seconds=5, id="j")
    one.pass_(5)
    assert called.acquire(timeout=PATIENCE)
    one.rest()
    one.scheduler.add_listener(one.ears, EVENT_JOB_SUBMITTED | EVENT_JOB_EXECUTED)
    one.pass_(5)
    (submitted,) = one.ears.wait(EVENT_JOB_SUBMITTED)
    assert submitted.scheduled_run_times == [START + timedelta(seconds=10)]
    second = START + timedelta(seconds=10)
    one.rest()
    one.pass_(5)
    one.ears.wait(EVENT_JOB_SUBMITTED, 2)
    one.ears.wait(EVENT_JOB_EXECUTED, 2)
    assert second in [event.scheduled_run_time for event in one.ears.of(EVENT_JOB_EXECUTED)]


def test_a_level_of_the_log_that_is_set_while_it_runs_counts_from_then_on(
    moved: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one, called = moved(), threading.Semaphore(0)
    one.scheduler.remove_listener(one.ears)
    one.scheduler.add_job(called.release, "interval", seconds=5, id="j")
    one.pass_(5)
    assert called.acquire(timeout=PATIENCE)
    one.rest()
    caplog.set_level(logging.INFO, "runner.executors.default")
    one.pass_(5)
    one.scheduler.shutdown()
    said = [record.getMessage() for record in caplog.records if record.name == "runner.executors.default"]
    assert [line.endswith("(scheduled at 2030-01-01 12:00:10+00:00)") for line in said].count(True) == 1
    assert said[-1].endswith("executed successfully")


def test_what_cannot_listen_is_refused_and_stops_nobody_else(moved: Make) -> None:
    one = moved()
    for wrong, mask in ((5, EVENT_JOB_ADDED), (print, None)):
        with pytest.raises(TypeError, match="a listener is something to call"):
            one.scheduler.add_listener(wrong, mask)  # type: ignore[arg-type]
    one.scheduler.add_job("json:dumps", "cron", hour=5, args=[1], id="j")
    assert one.ears.wait(EVENT_JOB_ADDED, job_id="j")


def test_a_listener_may_raise(moved: Make, caplog: pytest.LogCaptureFixture) -> None:
    one = moved(start=False)

    def broken(event: Any) -> None:
        raise ValueError("a listener's own trouble")

    one.scheduler.remove_listener(one.ears)
    one.scheduler.add_listener(broken)
    one.scheduler.add_listener(one.ears)
    one.scheduler.start()
    one.scheduler.add_job(nothing)
    one.ears.wait(EVENT_JOB_EXECUTED)
    assert "Error notifying listener" in caplog.messages


def test_a_listener_may_call_the_scheduler(moved: Make) -> None:
    one = moved()

    def chain(event: Any) -> None:
        if event.job_id == "first":
            one.scheduler.add_job(nothing, id="second")

    one.scheduler.add_listener(chain, EVENT_JOB_EXECUTED)
    one.scheduler.add_job(nothing, id="first")
    one.ears.wait(EVENT_JOB_EXECUTED, 1, "second")


def test_a_listener_may_be_a_coroutine_function(moved: Make) -> None:
    one = moved()
    heard = threading.Event()

    async def listen(event: Any) -> None:
        await asyncio.sleep(0)
        heard.set()

    one.scheduler.add_listener(listen, EVENT_JOB_EXECUTED)
    one.scheduler.add_job(nothing)
    assert heard.wait(PATIENCE)


def test_a_job_on_the_clock_thread_may_change_jobs(moved: Make) -> None:
    one = moved(executors={"default": {"type": "debug"}})

    def change() -> None:
        one.scheduler.add_job(nothing, "interval", seconds=10, id="new")
        one.scheduler.remove_job("old")

    one.scheduler.add_job(nothing, "interval", hours=1, id="old")
    one.scheduler.add_job(change, id="change")
    one.ears.wait(EVENT_JOB_EXECUTED, 1, "change")
    assert [job.id for job in one.scheduler.get_jobs() if job.next_run_time] == ["new"]


# ── the log ─────────────────────────────────────────────────────────────────────────────────


def test_what_stands_in_the_log(moved: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    one = moved(start=False)
    one.scheduler.add_job(nothing, "interval", seconds=5, id="j")
    one.scheduler.start()
    one.scheduler.add_job(fail, "interval", seconds=5, id="bad")
    one.pass_(5)
    one.ears.wait(EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, 2)
    one.scheduler.add_job(nothing, "date", run_date=START - timedelta(seconds=55), id="late")
    one.ears.wait(EVENT_JOB_REMOVED)
    one.scheduler.remove_job("bad")
    one.scheduler.pause()
    one.scheduler.resume()
    one.scheduler.shutdown()
    good = "nothing (trigger: interval[0:00:05], next run at: 2030-01-01 12:00:10 UTC)"
    bad = "fail (trigger: interval[0:00:05], next run at: 2030-01-01 12:00:10 UTC)"
    found = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    executor, scheduler = "runner.executors.default", "runner.scheduler"
    expected = {
        (scheduler, "INFO", "Adding job tentatively -- it will be properly scheduled when the scheduler starts"),
        (scheduler, "INFO", 'Added job "nothing" to job store "default"'),
        (scheduler, "INFO", "Scheduler started"),
        (scheduler, "INFO", 'Added job "fail" to job store "default"'),
        (executor, "INFO", f'Running job "{good}" (scheduled at 2030-01-01 12:00:05+00:00)'),
        (executor, "INFO", f'Job "{good}" executed successfully'),
        (executor, "INFO", f'Running job "{bad}" (scheduled at 2030-01-01 12:00:05+00:00)'),
        (executor, "ERROR", f'Job "{bad}" raised an exception'),
        (executor, "WARNING",
         'Run time of job "nothing (trigger: date[2030-01-01 11:59:05 UTC], next run at: '
         '2030-01-01 11:59:05 UTC)" was missed by 0:01:00'),
        (scheduler, "INFO", "Removed job late"),
        (scheduler, "INFO", "Removed job bad"),
        (scheduler, "INFO", "Paused scheduler job processing"),
        (scheduler, "INFO", "Resumed scheduler job processing"),
        (scheduler, "INFO", "Scheduler has been shut down"),
    }  # fmt: skip
    assert set(found) == expected


# ── the end ─────────────────────────────────────────────────────────────────────────────────


def test_shutdown_waits_for_what_runs_and_what_waits(moved: Make) -> None:
    one, gate = moved(executors={"default": {"type": "threadpool", "max_workers": "1"}}), Gate()
    for number in range(3):
        one.scheduler.add_job(gate, id=str(number))
    one.turn()  # by its end all of them are decided
    assert gate.begun.acquire(timeout=PATIENCE)
    ended = threading.Thread(target=one.scheduler.shutdown)
    ended.start()
    gate.open.set()
    ended.join(PATIENCE)
    assert not ended.is_alive()
    assert len(one.ears.of(EVENT_JOB_EXECUTED)) == 3
    assert one.ears.codes[-1] == events.EVENT_SCHEDULER_SHUTDOWN


def test_shutdown_without_waiting_leaves_what_runs(moved: Make) -> None:
    one, gate = moved(), Gate()
    one.scheduler.add_job(gate)
    assert gate.begun.acquire(timeout=PATIENCE)
    one.scheduler.shutdown(wait=False)
    assert one.ears.of(EVENT_JOB_EXECUTED | EVENT_JOB_ERROR) == []
    gate.open.set()


def test_a_scheduler_leaves_no_threads_and_no_descriptors(moved: Make) -> None:
    import psutil

    def cycle() -> None:
        one = moved()
        one.scheduler.add_job(nothing)
        one.ears.wait(EVENT_JOB_EXECUTED)
        one.scheduler.shutdown()

    cycle()
    process = psutil.Process()
    before = (process.num_fds(), threading.active_count())
    for _ in range(5):
        cycle()
    # Fewer is fine: what an earlier test left to end by itself may have ended meanwhile.
    wait_until(lambda: process.num_fds() <= before[0] and threading.active_count() <= before[1])


# ── stores and executors ────────────────────────────────────────────────────────────────────


def test_stores_and_executors_come_and_go_while_it_runs(moved: Make) -> None:
    one = moved()
    one.scheduler.add_jobstore(MemoryJobStore(), "second")
    one.scheduler.add_executor("threadpool", "other", max_workers=1)
    one.scheduler.add_job(nothing, id="j", jobstore="second", executor="other")
    (event,) = one.ears.wait(EVENT_JOB_EXECUTED)
    assert event.jobstore == "second"
    one.scheduler.remove_jobstore("second")
    one.scheduler.remove_executor("other")
    with pytest.raises(KeyError, match="No such job store: second"):
        one.scheduler.remove_jobstore("second")
    with pytest.raises(KeyError, match="No such executor: other"):
        one.scheduler.remove_executor("other")
    names = "JOBSTORE_ADDED EXECUTOR_ADDED JOBSTORE_REMOVED EXECUTOR_REMOVED"
    told = [(event.code, event.alias) for event in one.ears.events[3:] if not hasattr(event, "job_id")]
    assert told == [
        (getattr(events, f"EVENT_{name}"), alias)
        for name, alias in zip(names.split(), ["second", "other", "second", "other"], strict=True)
    ]


def test_a_job_whose_executor_is_not_there_fails_and_says_so(moved: Make) -> None:
    one = moved()
    one.scheduler.add_job(nothing, executor="nowhere")
    (event,) = one.ears.wait(EVENT_JOB_ERROR)
    assert str(event.exception) == "failed: there is no executor named 'nowhere' (known: default)"


def test_aliases_are_taken_once(moved: Make) -> None:
    scheduler = moved().scheduler
    with pytest.raises(ValueError, match='already has an executor by the alias of "default"'):
        scheduler.add_executor("debug")
    with pytest.raises(ValueError, match='already has a job store by the alias of "default"'):
        scheduler.add_jobstore("memory")
    with pytest.raises(TypeError, match="Expected an executor instance or a string, got int instead"):
        scheduler.add_executor(5, "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Expected a job store instance or a string, got int instead"):
        scheduler.add_jobstore(5, "x")  # type: ignore[arg-type]
    with pytest.raises(LookupError, match='No executor by the name "x" was found'):
        scheduler.add_executor("x", "x")


def test_jobs_of_a_memory_store_are_added_in_the_caller_s_thread_while_nothing_is_due(
    moved: Callable[..., Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = moved()
    made.turn()
    engine = made.scheduler._house.engines.of("default")
    waited: list[Any] = []
    ask = engine.ask

    def asked(*args: Any) -> Any:
        waited.append(args)
        return ask(*args)

    monkeypatch.setattr(engine, "ask", asked)
    count = 0
    # One that comes while the clock thread is just about to rest waits for it, but not each of them.
    while count < 50 or len(waited) == count:
        assert count < 1000, "each of them waited for the clock thread"
        made.scheduler.add_job(print, "interval", seconds=1, id=str(count))
        count += 1
    assert len(made.scheduler.get_jobs()) == count
    assert [event.job_id for event in made.ears.wait(EVENT_JOB_ADDED, count)] == [
        str(n) for n in range(count)
    ]
    made.pass_(1)
    assert len(made.ears.wait(EVENT_JOB_EXECUTED, count)) == count
