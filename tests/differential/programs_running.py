"""Programs whose jobs run: what is called, told and logged, in which order."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from tests.differential import work
from tests.differential.library import PATIENT, Ears, Library, logged

RUN = 2**12 | 2**13 | 2**14


def moments_ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def a_run(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, RUN)
        scheduler.add_job(work.note, args=["x"], id="one", name="n")
        ears.wait(RUN)
        lib.say(ears.facts(), work.CALLS, scheduler.get_job("one"))
        event = ears.heard[0]
        lib.say(event.retval, event.exception, event.traceback, event.scheduled_run_time.tzinfo is not None)


def a_run_that_fails(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, RUN)
        scheduler.add_job(work.fail, id="one", kwargs={"text": "bad"})
        ears.wait(RUN)
        event = ears.heard[0]
        lib.say(ears.facts(), event.retval, type(event.exception), str(event.exception))
        lib.say(isinstance(event.traceback, str), "in fail" in event.traceback)


def what_is_logged_of_runs(lib: Library) -> None:
    ears = Ears()
    with logged(f"{lib.root}.executors") as lines, lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, RUN)
        for name, function in (("good", work.nothing), ("bad", work.fail)):
            scheduler.add_job(
                function, "date", run_date=datetime(2001, 1, 1), name=name, misfire_grace_time=None
            )
            ears.wait(RUN, 1 if name == "good" else 2)
    lib.say([(logger, level, text.partition("(trigger")[0]) for logger, level, text in lines])


def what_is_logged_of_a_job_that_is_done(lib: Library) -> None:
    ears = Ears()
    with logged(f"{lib.root}.scheduler") as lines, lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, 2**10)
        scheduler.add_job(work.nothing, id="once")
        ears.wait(2**10)
    lib.say(sorted(line for line in lines if "once" in line[2]))


def a_job_that_is_at_work_for_the_last_time_is_gone(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, RUN | 2**15)
        scheduler.add_job(work.hold, id="once")
        ears.wait(2**15)
        lib.say(scheduler.get_job("once"), scheduler.get_jobs())
        scheduler.print_jobs(out=(out := io.StringIO()))
        lib.say(out.getvalue())
        for change in (scheduler.pause_job, scheduler.resume_job, scheduler.remove_job):
            lib.try_(change, "once")
        lib.try_(scheduler.modify_job, "once", name="other")
        work.GATE.set()
        ears.wait(RUN)


def a_job_that_adds_itself_again(lib: Library) -> None:
    """The usual way to work at times that follow from the work."""
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, RUN)

        def again() -> None:
            work.note(scheduler.get_job("same"))
            if len(work.CALLS) < 3:
                soon = moments_ago(-0.05)
                scheduler.add_job(again, "date", run_date=soon, id="same", misfire_grace_time=None)

        scheduler.add_job(again, id="same")
        ears.wait(RUN, 3)
        lib.say(work.CALLS, [fact for fact in ears.facts() if "same" in fact])
        lib.say(scheduler.get_jobs())


def the_same_moment_once_more(lib: Library) -> None:
    """A new job of the same id and date, while the one before is at work."""
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, RUN | 2**15)
        when = moments_ago(1)
        for count in (1, 2):
            scheduler.add_job(
                work.hold, "date", run_date=when, id="same", misfire_grace_time=None, max_instances=2
            )
            ears.wait(2**15, count)
        work.GATE.set()
        ears.wait(RUN, 2)
        lib.say(ears.count(2**12), ears.count(2**15), scheduler.get_jobs())


def an_interval_counts_from_its_own_first_time(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, 2**12)
        began = moments_ago(9000)
        scheduler.add_job(
            work.note,
            "interval",
            ["x"],
            hours=1,
            next_run_time=began,
            id="one",
            coalesce=False,
            max_instances=3,
            misfire_grace_time=None,
        )
        ears.wait(2**12, 3)
        lib.say(scheduler.get_job("one").next_run_time - began, work.CALLS)
    lib.say(sorted(event.scheduled_run_time - began for event in ears.heard))


def an_interval_counts_on_from_where_it_was_moved(lib: Library) -> None:
    """Whatever its `start_date` says; a calendar interval counts on from the date."""
    ears, far = Ears(), datetime(2020, 1, 1, tzinfo=UTC)
    for move in ("add", "modify"):
        with lib.running(job_defaults=PATIENT) as scheduler:
            scheduler.add_listener(ears, 2**12)
            began = moments_ago(60)
            first = {"next_run_time": began} if move == "add" else {}
            always = {"start_date": far, "misfire_grace_time": None, **first}
            scheduler.add_job(work.nothing, "interval", hours=7, id="grid", **always)
            scheduler.add_job(work.nothing, "calendarinterval", days=3, hour=23, id="days", **always)
            scheduler.add_job(work.nothing, "cron", year="*", id="cron", **always)
            if move == "modify":
                for id in ("grid", "days", "cron"):
                    scheduler.modify_job(id, next_run_time=began)
            ears.wait(2**12, 3 if move == "add" else 6)
            lib.say(scheduler.get_job("grid").next_run_time - began)
            lib.say(scheduler.get_job("days").next_run_time.date() - began.date())
            lib.say(scheduler.get_job("cron").next_run_time)
            scheduler.pause_job("grid")


def a_moved_interval_is_resumed(lib: Library) -> None:
    far = datetime(2020, 1, 1, tzinfo=UTC)
    moved = datetime(2040, 1, 1, 0, 17, tzinfo=UTC)
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_job(work.nothing, "interval", hours=1, start_date=far, id="grid")
        scheduler.modify_job("grid", next_run_time=moved)
        scheduler.pause_job("grid")
        scheduler.resume_job("grid")
        lib.say(scheduler.get_job("grid").next_run_time.minute)


def a_missed_run(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears)
        scheduler.add_job(work.note, "date", ["x"], run_date=moments_ago(60), id="one", misfire_grace_time=10)
        ears.wait(2**14)
        lib.say([fact for fact in ears.facts() if fact[0] == "JobExecutionEvent"], work.CALLS)
        ears.wait(2**10)
        lib.say(scheduler.get_job("one"))


def times_that_came_together(lib: Library) -> None:
    for coalesce in (True, False):
        work.CALLS.clear()
        ears = Ears()
        with lib.running(job_defaults=PATIENT) as scheduler:
            scheduler.add_listener(ears, RUN)
            start = moments_ago(5.5)
            scheduler.add_job(
                work.note,
                "interval",
                ["x"],
                seconds=2,
                start_date=start,
                end_date=start + timedelta(seconds=5),
                next_run_time=start,
                coalesce=coalesce,
                misfire_grace_time=None,
                id="one",
            )
            ears.wait(RUN, 1 if coalesce else 3)
        offsets = [round((each.scheduled_run_time - start).total_seconds()) for each in ears.heard]
        lib.say(coalesce, offsets, work.CALLS)


def what_is_missed_of_times_that_came_together(lib: Library) -> None:
    """Three of them: the last within the grace, all of them late, and each judged by itself."""
    for coalesce, grace in ((True, 2000), (True, 60), (False, 4000)):
        work.CALLS.clear()
        ears = Ears()
        with logged(f"{lib.root}.executors") as lines, lib.running(job_defaults=PATIENT) as scheduler:
            scheduler.add_listener(ears, RUN)
            began = moments_ago(8000)
            scheduler.add_job(
                work.note,
                "interval",
                ["x"],
                hours=1,
                start_date=began,
                next_run_time=began,
                coalesce=coalesce,
                misfire_grace_time=grace,
                max_instances=3,
                id="one",
            )
            ears.wait(RUN, 1 if coalesce else 3)
        lib.say(sorted((each.code, each.scheduled_run_time - began) for each in ears.heard), work.CALLS)
        lib.say({(log, level) for log, level, _ in lines if level == "WARNING"})


def what_is_submitted(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, 2**15 | RUN)
        start = moments_ago(5.5)
        scheduler.add_job(
            work.nothing,
            "interval",
            seconds=2,
            start_date=start,
            end_date=start + timedelta(seconds=5),
            next_run_time=start,
            coalesce=False,
            misfire_grace_time=None,
            id="one",
        )
        ears.wait(RUN, 3)
    submitted = [event for event in ears.heard if event.code == 2**15]
    lib.say(sum(len(event.scheduled_run_times) for event in submitted))
    lib.say(len(submitted))


def an_executor_that_is_not_there(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, 2**10 | RUN)
        scheduler.add_job(
            work.nothing, "interval", hours=1, next_run_time=moments_ago(0), id="one", executor="x"
        )
        ears.wait(2**10 | RUN)
        lib.say(scheduler.get_job("one") is None)
    lib.say([event.code for event in ears.heard])


def more_at_once_than_allowed(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, 2**16)
        scheduler.add_job(work.hold, "interval", seconds=0.2, id="one", max_instances=1)
        ears.wait(2**16)
        work.GATE.set()
        event = ears.heard[0]
        lib.say(
            type(event).__name__, event.code, event.job_id, event.jobstore, len(event.scheduled_run_times)
        )


def a_run_as_things_are_told(lib: Library) -> None:
    ears = Ears()
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, 2**9 | 2**10 | RUN)
        scheduler.add_job(work.note, args=["x"], id="one")
        ears.wait(2**10)
        ears.wait(RUN)
        lib.say(sorted(event.code for event in ears.heard), ears.heard[0].code)


def listeners_that_raise_and_call(lib: Library) -> None:
    ears = Ears()
    with logged(f"{lib.root}.scheduler") as lines, lib.running(job_defaults=PATIENT) as scheduler:

        def angry(event: Any) -> None:
            raise RuntimeError("no")

        def busy(event: Any) -> None:
            if event.code == 2**12 and event.job_id == "one":
                scheduler.add_job(work.note, args=["again"], id="two")

        scheduler.add_listener(angry, 2**12)
        scheduler.add_listener(busy)
        scheduler.add_listener(ears, RUN)
        scheduler.add_job(work.note, args=["first"], id="one")
        ears.wait(RUN, 2)
    lib.say(work.CALLS, [line for line in lines if line[1] == "ERROR"])


def methods_and_objects(lib: Library) -> None:
    ears = Ears()
    counter = work.Counter(5)
    with lib.running(job_defaults=PATIENT) as scheduler:
        scheduler.add_listener(ears, RUN)
        every: list[tuple[Any, list[Any]]] = [
            (counter.step, [2]),
            (counter, []),
            (work.Counter.made, []),
            (work.Counter.free, []),
            (work.Counter.step, [counter, 3]),
            (lambda: "lambda", []),
            ("tests.differential.work:nothing", []),
        ]
        for index, (function, args) in enumerate(every):
            scheduler.add_job(function, args=args, id=str(index))
            ears.wait(RUN, index + 1)
    lib.say([(event.code, event.job_id, event.retval) for event in ears.heard])


def a_pool_of_processes(lib: Library) -> None:
    ears = Ears()
    with lib.running(
        job_defaults=PATIENT, executors={"default": {"type": "processpool", "max_workers": 1}}
    ) as scheduler:
        scheduler.add_listener(ears, RUN)
        scheduler.add_job(work.add, args=[1], id="one")
        ears.wait(RUN)
        scheduler.add_job(work.fail, id="two")
        ears.wait(RUN, 2)
    lib.say(ears.facts())


def coroutines_on_asyncio(lib: Library) -> None:
    import asyncio

    async def main() -> None:
        ears = Ears()
        scheduler = lib.scheduler("AsyncIO", job_defaults=PATIENT)
        scheduler.add_listener(ears, RUN)
        scheduler.start()
        loop_thread = threading.get_ident()
        threads = []

        async def where() -> str:
            threads.append(threading.get_ident() == loop_thread)
            return "coroutine"

        def plain() -> str:
            threads.append(threading.get_ident() == loop_thread)
            return "plain"

        scheduler.add_job(where, id="one")
        await asyncio.to_thread(ears.wait, RUN)
        scheduler.add_job(plain, id="two")
        await asyncio.to_thread(ears.wait, RUN, 2)
        scheduler.add_job(work.later, args=[5], id="three")
        await asyncio.to_thread(ears.wait, RUN, 3)
        lib.say(threads, [(event.job_id, event.retval) for event in ears.heard])
        lib.say(scheduler.shutdown())
        await asyncio.sleep(0)  # APScheduler only asks the loop to do it.
        lib.say(scheduler.running)

    asyncio.run(main())


def starting_without_a_loop(lib: Library) -> None:
    lib.try_(lib.scheduler("AsyncIO").start)


def shutdown_from_another_thread(lib: Library) -> None:
    scheduler = lib.scheduler("Blocking")
    scheduler.add_job(work.nothing, "interval", hours=1)
    scheduler.add_listener(lambda event: threading.Timer(0.1, scheduler.shutdown).start(), 2**0)
    lib.say(scheduler.start(), scheduler.running, scheduler.state)


def an_interrupt_leaves_a_blocking_scheduler(lib: Library) -> None:
    import signal

    scheduler = lib.scheduler("Blocking")
    scheduler.add_job(work.nothing, "interval", hours=1)

    def soon() -> None:
        threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()

    def interrupted(number: int, frame: FrameType | None) -> None:
        """What is raised in a listener is the listener's trouble: not before it is left."""
        while frame is not None:
            if frame.f_code.co_name in ("_dispatch", "_dispatch_event"):
                soon()
                return
            frame = frame.f_back
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    scheduler.add_listener(lambda event: soon(), 2**0)
    try:
        scheduler.start()
    except (KeyboardInterrupt, SystemExit) as left:
        lib.say(type(left).__name__)
    finally:
        signal.signal(signal.SIGINT, before)
    lib.say(scheduler.running)
    if scheduler.running:
        scheduler.shutdown()
    lib.say(scheduler.running)


PROGRAMS = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name not in ("moments_ago",)
]
