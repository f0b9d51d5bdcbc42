"""Programs about a scheduler's life: configuring, pending jobs, starting, pausing, ending, listeners, parts."""

from __future__ import annotations

import io
import logging
from copy import deepcopy
from typing import Any

from tests.differential import work
from tests.differential.library import FAR, Ears, Library, logged
from tests.differential.programs_jobs import shown


def states(lib: Library) -> None:
    base = lib("schedulers.base")
    lib.say(base.STATE_STOPPED, base.STATE_RUNNING, base.STATE_PAUSED)
    scheduler, ears = lib.scheduler(), Ears()
    scheduler.add_listener(ears)
    lib.say(scheduler.state, scheduler.running, str(scheduler.timezone))
    for call in (scheduler.shutdown, scheduler.pause, scheduler.resume):
        lib.try_(call)
    for step in (
        lambda: scheduler.start(paused=True),
        scheduler.start,
        scheduler.pause,
        scheduler.resume,
        scheduler.resume,
        scheduler.wakeup,
        scheduler.pause,
        lambda: scheduler.configure(timezone="UTC"),
        scheduler.shutdown,
        scheduler.shutdown,
        scheduler.wakeup,
        scheduler.start,
        lambda: scheduler.shutdown(wait=False),
    ):
        lib.try_(step)
        lib.say(scheduler.state, scheduler.running)
    lib.say([event.code for event in ears.heard], ears.facts())


def jobs_wait_for_the_start(lib: Library) -> None:
    scheduler, out, ears = lib.scheduler(), io.StringIO(), Ears()
    scheduler.add_listener(ears)
    scheduler.print_jobs(out=out)
    job = scheduler.add_job(work.add, "date", [1], run_date=FAR, id="one")
    lib.say(str(job), repr(job), job.pending, job.id, job.name, job.args, job.executor, str(job.trigger))
    scheduler.add_job(work.nothing, "cron", hour=5, id="two", name="second")
    scheduler.print_jobs(out=out)
    scheduler.print_jobs("other", out=out)
    lib.say(
        [each.id for each in scheduler.get_jobs()], [each.id for each in scheduler.get_jobs(pending=True)]
    )
    lib.say(
        scheduler.get_job("one") is not None,
        scheduler.get_job("none"),
        [e.id for e in scheduler.get_jobs("x")],
    )
    scheduler.start(paused=True)
    lib.say(job.pending, str(job), [each.id for each in scheduler.get_jobs()])
    scheduler.print_jobs(out=out)
    scheduler.shutdown()
    lib.say(out.getvalue().partition("second")[0], [event.code for event in ears.heard])


def pending_jobs_are_changed_and_removed(lib: Library) -> None:
    scheduler = lib.scheduler()
    job = scheduler.add_job(work.add, "date", [1], run_date=FAR, id="one")
    lib.try_(scheduler.modify_job, "one", args=[1, 2, 3])
    scheduler.modify_job("one", args=[9], name="other", max_instances=6)
    lib.say(job.args, job.name, str(job), job.pending)
    job.reschedule("date", run_date=FAR.replace(year=2041))
    lib.say(str(job.trigger))
    lib.try_(scheduler.remove_job, "none")
    lib.try_(scheduler.modify_job, "none", name="x")
    scheduler.add_job(work.nothing, "cron", hour=5, id="two")
    scheduler.remove_job("two")
    lib.say([each.id for each in scheduler.get_jobs()])
    scheduler.add_job(work.nothing, "cron", hour=5, id="three", jobstore="other")
    scheduler.remove_all_jobs("other")
    lib.say([each.id for each in scheduler.get_jobs()])
    scheduler.start(paused=True)
    shown(lib, scheduler.get_job("one"))
    scheduler.shutdown()


def two_pending_of_one_id(lib: Library) -> None:
    scheduler = lib.scheduler()
    scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
    scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
    lib.say(len(scheduler.get_jobs()))
    lib.try_(scheduler.start)
    if scheduler.running:
        scheduler.shutdown()


def replacing_while_pending(lib: Library) -> None:
    scheduler = lib.scheduler()
    scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
    scheduler.add_job(work.nothing, "cron", year=2041, id="one", name="second", replace_existing=True)
    scheduler.start(paused=True)
    shown(lib, scheduler.get_job("one"))
    scheduler.shutdown()


def configured_in_every_way(lib: Library) -> None:
    root = lib.root
    memory = lib("jobstores.memory").MemoryJobStore()
    pool = lib("executors.pool").ThreadPoolExecutor(3)
    flat = {
        "apscheduler.jobstores.default": {"type": "memory"},
        "apscheduler.jobstores.other": {"type": "memory"},
        "apscheduler.executors.default": {
            "class": f"{root}.executors.pool:ThreadPoolExecutor",
            "max_workers": "20",
        },
        "apscheduler.executors.second": {"type": "processpool", "max_workers": "5"},
        "apscheduler.job_defaults.coalesce": "false",
        "apscheduler.job_defaults.max_instances": "3",
        "apscheduler.timezone": "Europe/Berlin",
        "other.key": 1,
    }
    every: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        # Copies: APScheduler takes its values out of what it is given.
        ((deepcopy(flat),), {}),
        ((deepcopy(flat),), {"timezone": "UTC", "job_defaults": {"max_instances": 8}}),
        ((), {"jobstores": {"default": memory}, "executors": {"default": pool}}),
        (({"x.timezone": "Asia/Tokyo", "x.job_defaults.coalesce": False},), {"prefix": "x."}),
        (({"timezone": "Asia/Tokyo"},), {"prefix": None}),
        (({"timezone": "Asia/Tokyo"},), {"prefix": ""}),
    ]
    for args, options in every:
        scheduler, ears = lib.scheduler(), Ears()
        scheduler.add_listener(ears)
        scheduler.configure(*args, **options)
        scheduler.start(paused=True)
        job = scheduler.add_job(work.nothing, "cron", year=2041, id="one")
        lib.say(str(scheduler.timezone), job.next_run_time, job.coalesce, job.max_instances)
        scheduler.shutdown()
        lib.say(ears.facts())


def wrong_configuration(lib: Library) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"executors": {"default": {"max_workers": 5}}},
        {"executors": {"default": 5}},
        {"executors": {"default": {"type": "no_such"}}},
        {"executors": {"default": {"class": "no.such:Thing"}}},
        {"jobstores": {"default": {}}},
        {"jobstores": {"default": 5}},
        {"jobstores": {"default": {"type": "no_such"}}},
        {"timezone": "No/Where"},
        {"timezone": 5},
    )
    for options in wrong:
        lib.try_(lib.scheduler, **options)


def parts_come_and_go(lib: Library) -> None:
    ears = Ears()
    scheduler = lib.scheduler()
    scheduler.add_listener(ears)
    for step in (0, 1):
        lib.try_(scheduler.add_jobstore, "memory", "other")
        lib.try_(scheduler.add_jobstore, "memory", "other")
        lib.try_(scheduler.add_jobstore, lib("jobstores.memory").MemoryJobStore(), "third")
        lib.try_(scheduler.add_executor, "threadpool", "other", max_workers=2)
        lib.try_(scheduler.add_executor, "threadpool", "other")
        lib.try_(scheduler.add_jobstore, 5, "x")
        lib.try_(scheduler.add_executor, 5, "x")
        lib.try_(scheduler.add_jobstore, "no_such", "x")
        lib.try_(scheduler.add_executor, "no_such", "x")
        lib.try_(scheduler.remove_jobstore, "other")
        lib.try_(scheduler.remove_jobstore, "third", shutdown=False)
        lib.try_(scheduler.remove_executor, "other")
        lib.try_(scheduler.remove_jobstore, "none")
        lib.try_(scheduler.remove_executor, "none")
        if step == 0:
            scheduler.start(paused=True)
    scheduler.shutdown()
    lib.say(ears.facts())


def listeners_and_masks(lib: Library) -> None:
    events = lib("events")
    everything, added, two = Ears(), Ears(), Ears()
    with lib.running(paused=True) as scheduler:
        scheduler.add_listener(everything)
        scheduler.add_listener(added, events.EVENT_JOB_ADDED)
        scheduler.add_listener(two, events.EVENT_JOB_REMOVED | events.EVENT_JOB_MODIFIED)
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
        scheduler.modify_job("one", name="x")
        scheduler.reschedule_job("one", trigger="date", run_date=FAR)
        scheduler.pause_job("one")
        scheduler.resume_job("one")
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="one", replace_existing=True)
        scheduler.remove_job("one")
        scheduler.remove_all_jobs()
        scheduler.remove_all_jobs("default")
        lib.say(scheduler.remove_listener(added))
        scheduler.remove_listener(print)
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="two")
    for ears in (everything, added, two):
        lib.say(ears.facts())


def what_stands_in_the_log(lib: Library) -> None:
    with logged(lib.root) as lines:
        scheduler = lib.scheduler()
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
        scheduler.start(paused=True)
        scheduler.add_job(work.nothing, "date", run_date=FAR, id="two", name="second")
        scheduler.pause()
        scheduler.resume()
        scheduler.remove_job("one")
        scheduler.shutdown()
    lib.say(lines)


def a_logger_of_ones_own(lib: Library) -> None:
    with logged("mine") as lines:
        for logger in (logging.getLogger("mine.x"), "logging:getLogger"):
            if not isinstance(logger, str):
                scheduler = lib.scheduler(logger=logger)
                scheduler.start(paused=True)
                scheduler.shutdown()
    lib.say(lines)


def under_uwsgi_without_threads(lib: Library) -> None:
    import sys
    from types import ModuleType

    for has_threads in (False, True):
        uwsgi = sys.modules["uwsgi"] = ModuleType("uwsgi")
        vars(uwsgi)["has_threads"] = has_threads
        scheduler = lib.scheduler()
        try:
            lib.try_(scheduler.start)
        finally:
            del sys.modules["uwsgi"]
        lib.say(scheduler.running)
        if scheduler.running:
            scheduler.shutdown()


def constants(lib: Library) -> None:
    events = lib("events")
    lib.say({name: getattr(events, name) for name in dir(events) if name.startswith("EVENT_")})
    lib.say(sorted(name for name in dir(events) if name.endswith("Event")))
    made = events.JobExecutionEvent(4096, "one", "default", FAR, retval=5)
    lib.say(vars(made), isinstance(made, events.JobEvent), isinstance(made, events.SchedulerEvent))
    lib.say(vars(events.JobSubmissionEvent(32768, "one", "default", [FAR])), vars(events.SchedulerEvent(1)))


def exceptions(lib: Library) -> None:
    base, schedulers = lib("jobstores.base"), lib("schedulers")
    for kind in (base.JobLookupError, base.ConflictingIdError, base.TransientJobError):
        lib.say(kind.__name__, [each.__name__ for each in kind.__mro__[1:3]], str(kind("one")))
    for kind in (schedulers.SchedulerAlreadyRunningError, schedulers.SchedulerNotRunningError):
        lib.say(kind.__name__, [each.__name__ for each in kind.__mro__[1:]], str(kind()))
    lib.try_(lib("jobstores.sqlalchemy").SQLAlchemyJobStore)
    lib.try_(lib("executors.pool").ThreadPoolExecutor, 0)
    with lib.running() as scheduler:
        job = scheduler.add_job(work.nothing, "date", run_date=FAR, id="one")
        lib.say(str(lib("executors.base").MaxInstancesReachedError(job)))


PROGRAMS = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__
]
