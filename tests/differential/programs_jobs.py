"""Programs that add, look at, change and remove jobs of a running scheduler."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any, TypeVar

from tests.differential import work
from tests.differential.library import FAR, Library

Function = TypeVar("Function", bound=Callable[..., Any])

ATTRIBUTES = (
    "id name func_ref args kwargs coalesce executor misfire_grace_time max_instances next_run_time pending"
).split()


def shown(lib: Library, job: Any) -> None:
    """Everything a program can see of a job."""
    if job is None:
        lib.say(None)
        return
    lib.say(type(job).__name__, str(job), repr(job), str(job.trigger), repr(job.trigger))
    for name in ATTRIBUTES:
        lib.say(name, getattr(job, name, "has none"))


def a_job_shows_what_it_was_given(lib: Library) -> None:
    with lib.running() as scheduler:
        job = scheduler.add_job(
            work.add, "date", [1], {"c": 4}, "one", "a name", 30, False, 5, run_date=FAR, executor="other"
        )
        shown(lib, job)
        shown(lib, scheduler.get_job("one"))
        lib.say(scheduler.get_job("one") == job, job != 5, job.func is work.add, hash is not None)


def what_is_not_given_has_the_usual_value(lib: Library) -> None:
    with lib.running() as scheduler:
        job = scheduler.add_job(work.nothing, "date", run_date=FAR)
        lib.say(len(job.id), job.id.isalnum(), job.name, job.func_ref, job.args, job.kwargs)
        lib.say(job.coalesce, job.max_instances, job.misfire_grace_time, job.executor, job.pending)


def job_defaults(lib: Library) -> None:
    given: list[dict[str, Any]] = [
        {"misfire_grace_time": 60, "coalesce": False, "max_instances": 3},
        {"misfire_grace_time": None},
        {"misfire_grace_time": "15", "coalesce": "no", "max_instances": "4"},
        {"coalesce": "yes"},
    ]
    for defaults in given:
        with lib.running(job_defaults=defaults) as scheduler:
            job = scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
            lib.say(job.misfire_grace_time, job.coalesce, job.max_instances)
            job = scheduler.add_job(
                work.nothing, "date", run_date=FAR, misfire_grace_time=7, coalesce=True, max_instances=9
            )
            lib.say(job.misfire_grace_time, job.coalesce, job.max_instances)


def wrong_defaults(lib: Library) -> None:
    for defaults in ({"coalesce": "maybe"}, {"max_instances": "many"}, {"misfire_grace_time": "x"}):
        lib.try_(lib.scheduler, job_defaults=defaults)


def wrong_arguments_are_refused_at_once(lib: Library) -> None:
    with lib.running() as scheduler:
        wrong: list[tuple[Any, dict[str, Any]]] = [
            (5, {}),
            (None, {}),
            ("no_colon", {}),
            ("no.such.module:function", {}),
            ("json:no_such_function", {}),
            (work.add, {}),
            (work.add, {"args": [1, 2, 3]}),
            (work.add, {"args": [1], "kwargs": {"a": 2}}),
            (work.add, {"args": [1], "kwargs": {"z": 2}}),
            (work.only_place, {"args": [1], "kwargs": {"b": 2}}),
            (work.add, {"args": "text"}),
            (work.add, {"args": 5}),
            (work.add, {"kwargs": 5}),
            (work.nothing, {"id": 5}),
            (work.nothing, {"name": 5}),
            (work.nothing, {"misfire_grace_time": 0}),
            (work.nothing, {"misfire_grace_time": -1}),
            (work.nothing, {"misfire_grace_time": "1"}),
            (work.nothing, {"max_instances": 0}),
            (work.nothing, {"max_instances": "1"}),
            (work.nothing, {"max_instances": 1.5}),
            (work.nothing, {"executor": 5}),
            (work.nothing, {"next_run_time": 5}),
            (work.nothing, {"next_run_time": "2040-13-01"}),
            (work.nothing, {"trigger": "no_such"}),
            (work.nothing, {"trigger": 5}),
            (work.nothing, {"trigger": "date", "no_such": 1}),
            (work.nothing, {"trigger": "date", "run_date": "garbage"}),
            (work.nothing, {"trigger": "date", "run_date": 5.5j}),
            (work.nothing, {"trigger": "interval", "seconds": "x"}),
            (work.nothing, {"trigger": "interval", "days": 1, "timezone": "No/Where"}),
            (work.nothing, {"trigger": "cron", "hour": "25"}),
            (work.nothing, {"trigger": "cron", "day_of_week": "fun"}),
            (work.nothing, {"trigger": "cron", "minute": "*/90"}),
            (work.nothing, {"trigger": "cron", "hour": "9-7"}),
            (work.nothing, {"trigger": "cron", "month": "abc"}),
            (work.nothing, {"trigger": "cron", "hour": "x"}),
            (work.nothing, {"jobstore": "no_such", "trigger": "date", "run_date": FAR}),
        ]
        for func, arguments in wrong:
            lib.say(str(func).partition(" at ")[0], sorted(arguments))
            lib.try_(scheduler.add_job, func, **arguments)
        lib.say(len(scheduler.get_jobs()))


def names_of_callables(lib: Library) -> None:
    with lib.running() as scheduler:
        counter = work.Counter()
        for func, args in (
            (work.nothing, ()),
            ("tests.differential.work:nothing", ()),
            (counter.step, ()),
            (work.Counter.step, (counter,)),
            (work.Counter.made, ()),
            (work.Counter.free, ()),
            (work.Counter, ()),
            (counter, ()),
            (lambda: None, ()),
            (print, ()),
            (len, ("x",)),
        ):
            job = scheduler.add_job(func, "date", args, run_date=FAR)
            lib.say(job.name, job.func_ref)
        lib.try_(lambda: scheduler.add_job(partial(work.add, 1), "date", run_date=FAR, name="p").func_ref)


def an_id_is_taken_once(lib: Library) -> None:
    with lib.running() as scheduler:
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
        lib.try_(scheduler.add_job, work.nothing, "date", run_date=FAR, id="one")
        replaced = scheduler.add_job(
            work.add, "cron", [1], hour=5, id="one", name="other", replace_existing=True
        )
        lib.say(str(replaced.trigger), replaced.name, len(scheduler.get_jobs()))
        lib.say(len(scheduler.add_job(work.nothing, "date", run_date=FAR, id="").id))


def no_next_run_time_means_paused(lib: Library) -> None:
    with lib.running() as scheduler:
        job = scheduler.add_job(work.nothing, "interval", hours=1, id="one", next_run_time=None)
        lib.say(str(job), job.next_run_time, str(scheduler.get_job("one")))
        job.resume()
        lib.say(job.next_run_time is not None, scheduler.get_job("one").next_run_time is not None)


def a_next_run_time_of_ones_own(lib: Library) -> None:
    with lib.running() as scheduler:
        for when in (FAR, date(2040, 5, 1), "2040-05-01 10:00:00", "2040-05-01"):
            job = scheduler.add_job(work.nothing, "cron", hour=3, next_run_time=when)
            lib.say(job.next_run_time, str(job))


def moments_given_in_another_zone(lib: Library) -> None:
    tokyo = timezone(timedelta(hours=9), "JST")
    given = FAR.replace(tzinfo=tokyo)
    with lib.running() as scheduler:
        job = scheduler.add_job(work.nothing, "cron", hour=3, next_run_time=given)
        lib.say(job.next_run_time == given, str(job.trigger))
        lib.say(job.next_run_time)
        job = scheduler.add_job(
            work.nothing, "interval", hours=3, start_date=given, end_date=given + timedelta(days=9)
        )
        trigger = job.trigger
        lib.say(trigger.start_date == given, trigger.end_date - given, job.next_run_time, str(job))
        lib.say(trigger.start_date, trigger.end_date, repr(trigger))


def a_job_for_now_that_waits_for_the_start(lib: Library) -> None:
    scheduler = lib.scheduler()
    scheduler.add_job(work.nothing, id="one")
    lib.say(scheduler.get_job("one").trigger.run_date is None)
    scheduler.start(paused=True)
    lib.say(scheduler.get_job("one").trigger.run_date == scheduler.get_job("one").next_run_time)
    scheduler.shutdown()


def jobs_come_by_their_next_run_time(lib: Library) -> None:
    with lib.running() as scheduler:
        for name, when in (("late", 9), ("soon", 1), ("mid", 5)):
            scheduler.add_job(work.nothing, "date", run_date=FAR + timedelta(hours=when), id=name)
        scheduler.add_job(work.nothing, "cron", hour=3, id="paused", next_run_time=None)
        lib.say([job.id for job in scheduler.get_jobs()])
        lib.say([job.id for job in scheduler.get_jobs("default")])
        lib.say([job.id for job in scheduler.get_jobs("no_such")])
        lib.say(scheduler.get_job("soon").id, scheduler.get_job("none"), scheduler.get_job("soon", "no_such"))
        lib.say([job.id for job in scheduler.get_jobs(pending=True)])


def printed_jobs(lib: Library) -> None:
    with lib.running() as scheduler:
        out = io.StringIO()
        scheduler.print_jobs(out=out)
        scheduler.add_jobstore("memory", "other")
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="one", name="first")
        scheduler.add_job(
            work.nothing,
            "cron",
            day="last",
            hour=1,
            id="two",
            name="second",
            jobstore="other",
            next_run_time=FAR,
        )
        scheduler.add_job(work.nothing, "interval", hours=2, next_run_time=None, name="third")
        scheduler.print_jobs(out=out)
        scheduler.print_jobs("other", out=out)
        scheduler.print_jobs("no_such", out=out)
        lib.say(out.getvalue())


def attributes_are_changed(lib: Library) -> None:
    with lib.running() as scheduler:
        scheduler.add_job(work.add, "date", [1], run_date=FAR, id="one")
        for changes in (
            {"name": "other"},
            {"args": [5]},
            {"kwargs": {"c": 9}},
            {"func": "tests.differential.work:add"},
            {"func": work.nothing, "args": (), "kwargs": {}},
            {"coalesce": False},
            {"coalesce": 0},
            {"misfire_grace_time": 99},
            {"misfire_grace_time": None},
            {"max_instances": 7},
            {"executor": "elsewhere"},
            {"next_run_time": FAR + timedelta(days=1)},
            {"next_run_time": None},
            {"trigger": lib("triggers.interval").IntervalTrigger(hours=3, start_date=FAR, timezone="UTC")},
        ):
            lib.say(type(scheduler.modify_job("one", **changes)).__name__)
            shown(lib, scheduler.get_job("one"))
        lib.try_(scheduler.modify_job, "one", id="other")
        lib.try_(scheduler.modify_job, "one", no_such=1)
        lib.try_(scheduler.modify_job, "one", args=[1])
        lib.try_(scheduler.modify_job, "one", name="")
        lib.try_(scheduler.modify_job, "one", trigger="date")
        lib.try_(scheduler.modify_job, "one", func=5)
        lib.try_(scheduler.modify_job, "none", name="x")
        lib.try_(scheduler.modify_job, "one", "no_such", name="x")
        shown(lib, scheduler.get_job("one"))


def another_trigger_without_another_time(lib: Library) -> None:
    with lib.running() as scheduler:
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
        trigger = lib("triggers.date").DateTrigger(FAR + timedelta(days=5), "UTC")
        scheduler.modify_job("one", next_run_time=FAR + timedelta(days=1))
        lib.say(scheduler.get_job("one").next_run_time)
        scheduler.modify_job("one", trigger=trigger)
        lib.say(scheduler.get_job("one").next_run_time)


def a_job_is_its_own_handle(lib: Library) -> None:
    with lib.running() as scheduler:
        job = scheduler.add_job(work.add, "date", [1], run_date=FAR, id="one")
        lib.say(job.modify(name="n") is job, job.name)
        lib.say(
            job.reschedule("date", run_date=FAR + timedelta(1)) is job, str(job.trigger), job.next_run_time
        )
        lib.say(job.pause() is job, job.next_run_time)
        lib.say(job.resume() is job, job.next_run_time)
        lib.say(job.remove(), scheduler.get_job("one"))
        lib.try_(job.remove)
        lib.try_(job.pause)
        lib.try_(job.modify, name="x")


def rescheduling(lib: Library) -> None:
    with lib.running() as scheduler:
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
        job = scheduler.reschedule_job(
            "one", trigger="cron", year=2041, month="mar", day="2nd fri", hour="6-9/2"
        )
        shown(lib, job)
        job = scheduler.reschedule_job("one", None, "interval", days=1, start_date="2041-05-01")
        shown(lib, job)
        lib.try_(scheduler.reschedule_job, "none", trigger="date", run_date=FAR)
        lib.try_(scheduler.reschedule_job, "one", trigger="no_such")
        lib.try_(scheduler.reschedule_job, "one", trigger=5)


def pause_and_resume(lib: Library) -> None:
    with lib.running() as scheduler:
        scheduler.add_job(work.nothing, "interval", hours=1, start_date=FAR, id="one")
        shown(lib, scheduler.pause_job("one"))
        shown(lib, scheduler.pause_job("one"))
        shown(lib, scheduler.resume_job("one"))
        shown(lib, scheduler.resume_job("one"))
        lib.try_(scheduler.pause_job, "none")
        lib.try_(scheduler.resume_job, "none")
        scheduler.add_job(work.nothing, "date", run_date="2001-01-01", next_run_time=None, id="old")
        scheduler.add_job(work.nothing, "cron", year=2001, next_run_time=None, id="never")
        lib.say(scheduler.resume_job("never"), scheduler.get_job("never"))


def removing(lib: Library) -> None:
    with lib.running() as scheduler:
        scheduler.add_jobstore("memory", "other")
        for name, store in (("a", "default"), ("b", "default"), ("c", "other")):
            scheduler.add_job(work.nothing, "date", run_date=FAR, id=name, jobstore=store)
        lib.say(scheduler.remove_job("a"))
        lib.try_(scheduler.remove_job, "a")
        lib.try_(scheduler.remove_job, "b", "other")
        lib.say(scheduler.remove_job("b", "default"), [job.id for job in scheduler.get_jobs()])
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="d")
        lib.say(scheduler.remove_all_jobs("other"), [job.id for job in scheduler.get_jobs()])
        scheduler.remove_all_jobs("no_such")
        lib.say(scheduler.remove_all_jobs(), [job.id for job in scheduler.get_jobs()])


def a_trigger_that_never_fires(lib: Library) -> None:
    with lib.running() as scheduler:
        job = scheduler.add_job(work.nothing, "cron", year=2001, id="one")
        lib.say(job.next_run_time, str(job))
        found = scheduler.get_job("one")
        lib.say(found is None or found.next_run_time)


def decorated(lib: Library) -> None:
    with lib.running() as scheduler:
        as_job: Callable[..., Callable[[Function], Function]] = scheduler.scheduled_job

        @as_job("cron", hour=5, id="one", name="first", args=[1])
        def function(x: int) -> int:
            return x

        @as_job(lib("triggers.date").DateTrigger(FAR, "UTC"), [2], id="two")
        def other(x: int) -> int:
            return x

        lib.say(function(3), other(4), sorted(job.id for job in scheduler.get_jobs()))

        @as_job("date", run_date=FAR, id="one")
        def third() -> None:
            return None

        lib.say(str(scheduler.get_job("one").trigger), len(scheduler.get_jobs()))
        lib.try_(
            as_job, "cron", [1], {}, "five", "n", 5, True, 2, FAR, "default", "default", "too much", "more"
        )
        every = as_job("cron", [1], {}, "all", "n", 5, False, 2, FAR, "default", "other", hour=5)
        every(work.add)
        shown(lib, scheduler.get_job("all"))


def what_cannot_be_pickled(lib: Library) -> None:
    with lib.running() as scheduler:
        lib.try_(pickle.dumps, scheduler)
        job = scheduler.add_job(lambda: None, "date", run_date=FAR, id="one", name="n")
        lib.try_(job.__getstate__)
        job = scheduler.add_job(work.add, "date", [1], run_date=FAR, id="two")
        lib.say(sorted(job.__getstate__()), {k: v for k, v in job.__getstate__().items() if k != "trigger"})


def what_a_store_cannot_keep(lib: Library) -> None:
    store = lib("jobstores.sqlalchemy").SQLAlchemyJobStore("sqlite://")
    with lib.running(jobstores={"default": store}) as scheduler:

        def local() -> None:
            return None

        for func in (lambda: None, local, partial(work.nothing)):
            lib.try_(scheduler.add_job, func, "date", run_date=FAR, id="one", name="n")
        lib.say(len(scheduler.get_jobs()))


def a_store_keeps_jobs(lib: Library) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as where:
        url = f"sqlite:///{where}/jobs.db"
        with lib.running(jobstores={"default": {"type": "sqlalchemy", "url": url}}) as scheduler:
            scheduler.add_job(work.add, "date", (1,), {"c": 2}, run_date=FAR, id="one")
            scheduler.add_job(work.nothing, "cron", hour=5, id="two", next_run_time=None)
            scheduler.add_job(
                work.nothing,
                "interval",
                hours=5,
                start_date=FAR,
                id="three",
                executor="other",
                max_instances=4,
            )
        with lib.running(jobstores={"default": {"type": "sqlalchemy", "url": url}}) as scheduler:
            lib.say([job.id for job in scheduler.get_jobs()])
            for job in scheduler.get_jobs():
                shown(lib, job)
            lib.try_(scheduler.add_job, work.nothing, "date", run_date=FAR, id="one")


def text_and_dates(lib: Library) -> None:
    with lib.running(timezone="Europe/Berlin") as scheduler:
        for when in (
            "2040-07-01 12:00:00",
            "2040-07-01",
            date(2040, 7, 1),
            datetime(2040, 7, 1, 3, 30, 15, 500000),
        ):
            job = scheduler.add_job(work.nothing, "date", run_date=when)
            lib.say(job.next_run_time, str(job), str(job.trigger), repr(job.trigger))
        job = scheduler.add_job(work.nothing, "cron", year=2040, hour=3, timezone="America/New_York")
        lib.say(job.next_run_time, str(job), str(job.trigger), repr(job.trigger))


PROGRAMS = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name not in ("shown",)
]
