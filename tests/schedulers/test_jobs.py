"""What a program does with jobs: add, look, change, pause, remove; pending and running."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runner import events
from runner.events import EVENT_JOB_EXECUTED
from runner.job import Job
from runner.jobstores.base import ConflictingIdError, JobLookupError
from runner.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from runner.schedulers.background import BackgroundScheduler
from runner.schedulers.base import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED
from runner.triggers.cron import CronTrigger
from runner.triggers.interval import IntervalTrigger
from tests.schedulers.moved import START, Moved
from tests.schedulers.targets import echo, nothing, two

Make = Callable[..., Moved]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


# ── adding ──────────────────────────────────────────────────────────────────────────────────


def test_a_job_shows_what_it_was_given(moved: Make) -> None:
    scheduler = moved().scheduler
    job = scheduler.add_job(
        two,
        "interval",
        seconds=10,
        args=[1],
        kwargs={"b": 3},
        id="j",
        name="the job",
        misfire_grace_time=42,
        coalesce=False,
        max_instances=3,
        executor="default",
    )
    shown = {
        name: getattr(job, name)
        for name in (
            "id name func func_ref args kwargs coalesce executor misfire_grace_time max_instances next_run_time pending"
        ).split()
    }
    assert shown == {
        "id": "j",
        "name": "the job",
        "func": two,
        "func_ref": "tests.schedulers.targets:two",
        "args": (1,),
        "kwargs": {"b": 3},
        "coalesce": False,
        "executor": "default",
        "misfire_grace_time": 42,
        "max_instances": 3,
        "next_run_time": at(10),
        "pending": False,
    }
    assert isinstance(job.trigger, IntervalTrigger)
    assert str(job) == "the job (trigger: interval[0:00:10], next run at: 2030-01-01 12:00:10 UTC)"
    assert repr(job) == "<Job (id=j name=the job)>"


def test_a_program_asks_a_job_s_trigger_for_its_next_times(moved: Make) -> None:
    """As it stands here, with nothing said about types: mypy looks at it, too."""
    job = moved().scheduler.add_job(nothing, "cron", hour=13)
    assert job.trigger.get_next_fire_time(None, START) == at(3600)
    assert job.trigger.get_next_fire_time(job.next_run_time, START) == at(25 * 3600)


def test_what_is_not_given_has_the_usual_value(moved: Make) -> None:
    job = moved().scheduler.add_job(nothing, "cron", hour=5)
    assert len(job.id) == 32
    assert (job.name, job.misfire_grace_time, job.coalesce, job.max_instances) == ("nothing", 1, True, 1)
    assert (job.args, job.kwargs, job.executor) == ((), {}, "default")


def test_job_defaults_are_what_configure_says(moved: Make) -> None:
    defaults = {"misfire_grace_time": None, "coalesce": "false", "max_instances": "4"}
    job = moved(job_defaults=defaults).scheduler.add_job(nothing, "cron", hour=5)
    assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, False, 4)


@pytest.mark.parametrize(
    ("trigger", "arguments", "due"),
    [
        ("date", {"run_date": at(7)}, at(7)),
        ("date", {"run_date": "2030-01-01T12:00:08"}, at(8)),
        ("interval", {"minutes": 1}, at(60)),
        ("interval", {"minutes": 1, "start_date": at(5)}, at(5)),
        ("cron", {"second": "*/15"}, at(0)),
        ("cron", {"hour": 13, "minute": 30}, at(5400)),
        ("calendarinterval", {"days": 1, "hour": 13}, at(3600)),
        (IntervalTrigger(seconds=9, timezone="UTC"), {}, at(9)),
        (CronTrigger.from_crontab("30 12 * * *", timezone="UTC"), {}, at(1800)),
    ],
)
def test_the_first_run_is_where_the_trigger_says(
    moved: Make, trigger: Any, arguments: dict[str, Any], due: datetime
) -> None:
    one = moved(start=False)
    one.scheduler.start(paused=True)
    assert one.scheduler.add_job(nothing, trigger, **arguments).next_run_time == due


def test_combined_triggers_work_by_alias(moved: Make) -> None:
    parts = [IntervalTrigger(seconds=40, timezone="UTC"), CronTrigger(minute="*", timezone="UTC")]
    scheduler = moved().scheduler
    scheduler.pause()
    assert scheduler.add_job(
        nothing, "or", triggers=[parts[0], CronTrigger(hour=13, timezone="UTC")]
    ).next_run_time == at(40)
    assert scheduler.add_job(nothing, "and", triggers=parts).next_run_time == at(120)


def test_without_a_trigger_it_runs_at_once_and_is_gone(moved: Make) -> None:
    one = moved()
    one.scheduler.add_job(echo, args=[5], id="now")
    (event,) = one.ears.wait(EVENT_JOB_EXECUTED)
    assert (event.job_id, event.retval, event.scheduled_run_time) == ("now", ((5,), {}), START)
    one.ears.wait(events.EVENT_JOB_REMOVED)
    assert one.scheduler.get_jobs() == []


def test_a_first_run_time_of_ones_own_comes_before_the_triggers(moved: Make) -> None:
    one = moved()
    job = one.scheduler.add_job(nothing, "interval", minutes=1, next_run_time=at(3), id="j")
    assert job.next_run_time == at(3)
    one.pass_(3)
    one.ears.wait(EVENT_JOB_EXECUTED)
    assert job.next_run_time == at(63), "a whole interval later, as in APScheduler"


@pytest.mark.parametrize("given", [{"start_date": "2029-01-01"}, {}])
@pytest.mark.parametrize("trigger", ["interval", "calendarinterval"])
def test_one_that_is_moved_beyond_its_end_runs_then_and_never_again(
    moved: Make, trigger: str, given: dict[str, Any]
) -> None:
    one = moved()
    job = one.scheduler.add_job(nothing, trigger, days=1, end_date="2030-02-01", id="j", **given)
    job.modify(next_run_time=at(40 * 86_400))
    assert job.next_run_time == at(40 * 86_400)
    one.jump(40 * 86_400)
    (event,) = one.ears.wait(EVENT_JOB_EXECUTED)
    assert event.scheduled_run_time == at(40 * 86_400)
    one.ears.wait(events.EVENT_JOB_REMOVED)


def test_no_first_run_time_means_paused(moved: Make) -> None:
    scheduler = moved().scheduler
    job = scheduler.add_job(nothing, "interval", minutes=1, next_run_time=None)
    assert job.next_run_time is None
    assert str(job) == "nothing (trigger: interval[0:01:00], paused)"
    job.resume()
    assert job.next_run_time == at(60)


def test_a_trigger_that_never_fires_makes_a_job_that_is_not_due(moved: Make) -> None:
    scheduler = moved().scheduler
    assert scheduler.add_job(nothing, "cron", year=2020).next_run_time is None
    assert len(scheduler.get_jobs()) == 1


def test_an_id_is_taken_once(moved: Make) -> None:
    scheduler = moved().scheduler
    scheduler.add_job(nothing, "cron", hour=5, id="j")
    with pytest.raises(ConflictingIdError) as caught:
        scheduler.add_job(nothing, "cron", hour=6, id="j")
    assert caught.value.args == ("Job identifier (j) conflicts with an existing job",)


def test_replacing_takes_the_new_definition(moved: Make) -> None:
    scheduler = moved().scheduler
    scheduler.add_job(nothing, "cron", hour=15, id="j", name="old")
    job = scheduler.add_job(echo, "cron", hour=16, id="j", name="new", replace_existing=True)
    assert [(each.name, each.func) for each in scheduler.get_jobs()] == [("new", echo)]
    assert job.next_run_time == at(4 * 3600)


def test_scheduled_job_leaves_the_function_as_it_is(moved: Make) -> None:
    scheduler = moved().scheduler

    @scheduler.scheduled_job("interval", seconds=5, id="decorated", args=[1])
    def function(value: int) -> int:
        return value

    assert function(7) == 7
    job = scheduler.get_job("decorated")
    assert job is not None
    assert job.args == (1,)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"func": 5}, TypeError, "func must be a callable or a textual reference to one"),
        ({"func": "nowhere"}, ValueError, "'nowhere' is not a reference: write package.module:function"),
        (
            {"func": "no.such:thing"},
            LookupError,
            "Error resolving reference no.such:thing: could not import module (No module named 'no')",
        ),
        ({"id": 5}, TypeError, "id must be a nonempty string"),
        ({"name": ""}, TypeError, "name must be a nonempty string"),
        ({"args": "text"}, TypeError, "args must be a non-string iterable"),
        ({"kwargs": 5}, TypeError, "kwargs must be a dict-like object"),
        ({"executor": 5}, TypeError, "executor must be a string"),
        ({"max_instances": 0}, TypeError, "max_instances must be a positive integer"),
        (
            {"misfire_grace_time": 0},
            TypeError,
            "misfire_grace_time must be either None or a positive integer",
        ),
        ({"trigger": 5}, TypeError, "Expected a trigger instance or string, got int instead"),
        ({"trigger": "x"}, LookupError, 'No trigger by the name "x" was found'),
        ({"func": two}, ValueError, "The following arguments have not been supplied: a"),
        ({"jobstore": "x"}, KeyError, "No such job store: x"),
        ({"next_run_time": 5}, TypeError, "Unsupported type for next_run_time: int"),
    ],
)
def test_what_is_wrong_is_said_at_once(
    moved: Make, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    scheduler = moved().scheduler
    with pytest.raises(error) as caught:
        scheduler.add_job(**{"func": nothing, "trigger": "cron", **arguments})
    assert caught.value.args[0] == text
    assert scheduler.get_jobs() == []


# ── pending ─────────────────────────────────────────────────────────────────────────────────


def test_jobs_wait_for_the_start(moved: Make) -> None:
    one = moved(start=False)
    job = one.scheduler.add_job(nothing, "interval", seconds=5, id="j")
    assert (job.pending, str(job)) == (True, "nothing (trigger: interval[0:00:05], pending)")
    assert one.scheduler.get_jobs() == [job]
    assert one.scheduler.get_job("j") is job
    one.scheduler.start()
    assert not job.pending
    assert job.next_run_time == at(5)


def test_pending_jobs_can_be_changed_and_removed(moved: Make) -> None:
    scheduler = moved(start=False).scheduler
    job = scheduler.add_job(nothing, "interval", seconds=5, id="a")
    scheduler.add_job(nothing, "interval", seconds=5, id="b")
    scheduler.modify_job("a", name="changed")
    job.pause()
    scheduler.remove_job("b")
    with pytest.raises(JobLookupError):
        scheduler.remove_job("b")
    scheduler.start()
    assert [(each.id, each.name, each.next_run_time) for each in scheduler.get_jobs()] == [
        ("a", "changed", None)
    ]


def test_two_pending_jobs_of_one_id_do_not_start(moved: Make) -> None:
    scheduler = moved(start=False).scheduler
    for _ in range(2):
        scheduler.add_job(nothing, "interval", seconds=5, id="a")
    with pytest.raises(ConflictingIdError):
        scheduler.start()
    assert not scheduler.running


# ── changing ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"name": "other"}, "name", "other"),
        ({"func": echo, "args": [1, 2]}, "args", (1, 2)),
        ({"func": echo}, "func", echo),
        ({"max_instances": 9}, "max_instances", 9),
        ({"misfire_grace_time": None}, "misfire_grace_time", None),
        ({"coalesce": False}, "coalesce", False),
        ({"next_run_time": at(99)}, "next_run_time", at(99)),
        ({"next_run_time": None}, "next_run_time", None),
    ],
)
def test_attributes_are_changed(moved: Make, changes: dict[str, Any], name: str, value: Any) -> None:
    one = moved()
    job = one.scheduler.add_job(nothing, "interval", seconds=50, id="j")
    assert getattr(job.modify(**changes), name) == value
    assert one.ears.codes[-1] == events.EVENT_JOB_MODIFIED


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"id": "k"}, ValueError, "The job ID may not be changed"),
        ({"colour": 1}, AttributeError, "The following are not modifiable attributes of Job: colour"),
        ({"trigger": "cron"}, TypeError, "Expected a trigger instance, got str instead"),
        ({"args": [1]}, ValueError, "The list of positional arguments is longer than the target callable can "
            "handle (allowed: 0, given in args: 1)"),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_is_said(
    moved: Make, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    scheduler = moved().scheduler
    scheduler.add_job(nothing, "interval", seconds=50, id="j")
    with pytest.raises(error) as caught:
        scheduler.modify_job("j", **changes)
    assert caught.value.args[0] == text


def test_another_trigger_counts_from_now(moved: Make) -> None:
    one = moved()
    job = one.scheduler.add_job(nothing, "interval", seconds=50, id="j")
    one.pass_(10)
    assert job.reschedule("interval", seconds=20).next_run_time == at(30)
    assert job.reschedule("cron", minute="5").next_run_time == at(300)


def test_pause_and_resume(moved: Make) -> None:
    one = moved()
    job = one.scheduler.add_job(nothing, "interval", seconds=10, id="j")
    assert one.scheduler.pause_job("j").next_run_time is None
    one.pass_(25)
    assert one.ears.of(EVENT_JOB_EXECUTED) == []
    resumed = one.scheduler.resume_job("j")
    assert resumed == job
    assert job.next_run_time == at(30)


def test_a_job_that_is_never_due_again_is_removed_when_resumed(moved: Make) -> None:
    one = moved()
    job = one.scheduler.add_job(nothing, "date", run_date=at(5), id="j")
    job.pause()
    one.pass_(10)
    assert one.scheduler.resume_job("j") is None
    assert one.scheduler.get_job("j") is None


def test_removed_jobs_are_gone(moved: Make) -> None:
    one = moved()
    job = one.scheduler.add_job(nothing, "interval", seconds=10, id="j")
    job.remove()
    assert one.scheduler.get_job("j") is None
    assert one.ears.codes[-1] == events.EVENT_JOB_REMOVED
    for call in (
        one.scheduler.remove_job,
        one.scheduler.pause_job,
        one.scheduler.resume_job,
        one.scheduler.modify_job,
    ):
        with pytest.raises(JobLookupError) as caught:
            call("j")
        assert caught.value.args == ("No job by the id of j was found",)


def test_all_jobs_of_a_store_are_removed(moved: Make) -> None:
    one = moved()
    one.scheduler.add_jobstore("memory", "other")
    for store in ("default", "other"):
        for number in range(3):
            one.scheduler.add_job(nothing, "interval", seconds=10, id=f"{store}{number}", jobstore=store)
    one.scheduler.remove_all_jobs("other")
    assert {job.id for job in one.scheduler.get_jobs()} == {"default0", "default1", "default2"}
    assert one.ears.of(events.EVENT_JOB_REMOVED) == []
    (event,) = one.ears.of(events.EVENT_ALL_JOBS_REMOVED)
    assert event.alias == "other"
    one.scheduler.remove_all_jobs()
    assert one.scheduler.get_jobs() == []


# ── looking ─────────────────────────────────────────────────────────────────────────────────


def test_jobs_come_by_their_next_run_time(moved: Make) -> None:
    scheduler = moved().scheduler
    scheduler.add_job(nothing, "interval", seconds=30, id="c")
    scheduler.add_job(nothing, "interval", seconds=10, id="a")
    scheduler.add_job(nothing, "interval", seconds=20, id="b", next_run_time=None)
    assert [job.id for job in scheduler.get_jobs()] == ["a", "c", "b"]


def test_printed_jobs(moved: Make) -> None:
    one = moved(start=False)
    shown = io.StringIO()
    one.scheduler.print_jobs(out=shown)
    one.scheduler.add_job(nothing, "interval", seconds=30, id="c")
    one.scheduler.print_jobs(out=shown)
    one.scheduler.add_jobstore("memory", "other")
    one.scheduler.start()
    one.scheduler.print_jobs(out=shown)
    assert shown.getvalue() == (
        "Pending jobs:\n"
        "    No pending jobs\n"
        "Pending jobs:\n"
        "    nothing (trigger: interval[0:00:30], pending)\n"
        "Jobstore default:\n"
        "    nothing (trigger: interval[0:00:30], next run at: 2030-01-01 12:00:30 UTC)\n"
        "Jobstore other:\n"
        "    No scheduled jobs\n"
    )


def test_jobs_are_equal_by_their_id(moved: Make) -> None:
    scheduler = moved().scheduler
    job = scheduler.add_job(nothing, "interval", seconds=30, id="c")
    assert scheduler.get_job("c") == job
    assert job != "c"
    assert {job, scheduler.get_job("c")} == {job}
    assert isinstance(job, Job)


def test_a_scheduler_cannot_be_pickled() -> None:
    with pytest.raises(TypeError) as caught:
        pickle.dumps(BackgroundScheduler())
    assert str(caught.value) == (
        "Schedulers cannot be serialized. Ensure that you are not passing a scheduler instance as an argument to a "
        "job, or scheduling an instance method where the instance contains a scheduler as an attribute."
    )


# ── the scheduler's own state ───────────────────────────────────────────────────────────────


def test_states_and_their_events(moved: Make) -> None:
    one = moved(start=False)
    scheduler = one.scheduler
    assert (scheduler.state, scheduler.running) == (STATE_STOPPED, False)
    scheduler.start(paused=True)
    assert (scheduler.state, scheduler.running) == (STATE_PAUSED, True)
    scheduler.resume()
    assert scheduler.state == STATE_RUNNING
    scheduler.pause()
    scheduler.shutdown()
    assert (scheduler.state, scheduler.running) == (STATE_STOPPED, False)
    scheduler.start()
    names = "EXECUTOR_ADDED JOBSTORE_ADDED SCHEDULER_STARTED SCHEDULER_RESUMED SCHEDULER_PAUSED SCHEDULER_SHUTDOWN"
    expected = [getattr(events, f"EVENT_{name}") for name in names.split()]
    assert one.ears.codes == [*expected, events.EVENT_SCHEDULER_STARTED]


def test_what_needs_another_state_is_refused(moved: Make) -> None:
    scheduler = moved(start=False).scheduler
    for call in (scheduler.shutdown, scheduler.pause, scheduler.resume):
        with pytest.raises(SchedulerNotRunningError, match=r"^Scheduler is not running$"):
            call()
    scheduler.wakeup()  # nothing is to be looked at
    scheduler.start()
    for call in (scheduler.start, scheduler.configure):
        with pytest.raises(SchedulerAlreadyRunningError, match=r"^Scheduler is already running$"):
            call()


def test_nothing_is_due_while_paused(moved: Make) -> None:
    one = moved(start=False)
    one.scheduler.add_job(nothing, "interval", seconds=1, id="j", misfire_grace_time=None)
    one.scheduler.start(paused=True)
    one.pass_(3)
    assert one.ears.of(events.EVENT_JOB_SUBMITTED) == []
    one.scheduler.resume()
    (event,) = one.ears.wait(EVENT_JOB_EXECUTED)
    assert event.scheduled_run_time == at(3).astimezone(UTC)


def test_a_memory_store_is_empty_after_shutdown(moved: Make) -> None:
    scheduler = moved().scheduler
    scheduler.add_job(nothing, "interval", seconds=1, id="j")
    scheduler.shutdown()
    scheduler.add_job(nothing, "interval", seconds=1, id="j")
    scheduler.start()
    assert [job.id for job in scheduler.get_jobs()] == ["j"]
