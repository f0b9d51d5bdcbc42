"""Jobs that are added one after another share what is the same in them, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest

from runner.jobstores.base import TransientJobError
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.schedulers.background import BackgroundScheduler
from tests.schedulers.moved import Moved
from tests.schedulers.targets import echo, nothing, two

Make = Callable[..., Moved]


@pytest.fixture
def scheduler(moved: Make) -> BackgroundScheduler:
    return moved(start=False).scheduler


def test_jobs_of_the_same_words_share_their_trigger_and_their_step(scheduler: BackgroundScheduler) -> None:
    one, two = (scheduler.add_job(nothing, "interval", hours=1, id=id) for id in "ab")
    assert (one.id, two.id) == ("a", "b")
    assert one.key != two.key
    assert one.trigger is two.trigger
    assert one.record.spec.steps is two.record.spec.steps


def test_each_has_arguments_of_its_own(scheduler: BackgroundScheduler) -> None:
    jobs = [scheduler.add_job(echo, "interval", hours=1, args=[number]) for number in range(3)]
    assert [job.args for job in jobs] == [(0,), (1,), (2,)]
    assert len({job.id for job in jobs}) == 3
    bare = scheduler.add_job(echo, "interval", hours=1)
    assert (bare.args, bare.kwargs) == ((), {})
    assert scheduler.add_job(echo, "interval", hours=1, kwargs={"a": 1}).kwargs == {"a": 1}


def test_arguments_are_checked_each_time(scheduler: BackgroundScheduler) -> None:
    scheduler.add_job(two, "interval", hours=1, args=[1])
    with pytest.raises(ValueError, match="have not been supplied: a"):
        scheduler.add_job(two, "interval", hours=1)
    with pytest.raises(ValueError, match="longer than the target callable"):
        scheduler.add_job(two, "interval", hours=1, args=[1, 2, 3])


def test_equal_values_that_mean_different_things(scheduler: BackgroundScheduler) -> None:
    """1 and True are equal, and so are datetimes of one instant in two zones."""
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    there = noon.astimezone(ZoneInfo("Europe/Berlin"))
    scheduler.add_job(nothing, "interval", days=1, start_date=noon, timezone=None)
    other = scheduler.add_job(nothing, "interval", days=1, start_date=there, timezone=None)
    assert str(other.trigger.tzinfo) == "Europe/Berlin"
    one, two, three = (
        scheduler.add_job(nothing, "interval", hours=1, start_date=start, timezone="Europe/Berlin").trigger
        for start in (
            datetime(2030, 10, 27, 2, 30),
            datetime(2030, 10, 27, 2, 30),
            datetime(2030, 10, 27, 2, 31),
        )
    )
    assert one is two
    assert (two.to_json()["start"], three.to_json()["start"]) == (
        "2030-10-27T00:30:00+00:00",
        "2030-10-27T00:31:00+00:00",
    )
    scheduler.add_job(nothing, "interval", hours=1, max_instances=1, coalesce=True)
    last = scheduler.add_job(nothing, "interval", hours=2, max_instances=2, coalesce=False)
    assert (last.trigger.to_json()["seconds"], last.max_instances, last.coalesce) == (7200, 2, False)


@pytest.mark.parametrize(
    "words",
    [
        {"name": "another"},
        {"misfire_grace_time": 5},
        {"max_instances": 7},
        {"coalesce": False},
        {"executor": "another"},
        {"timeout": 3},
        {"retry": 2},
        {"history": 9},
    ],
    ids=lambda words: next(iter(words)),
)
def test_a_job_of_other_words_is_another(scheduler: BackgroundScheduler, words: dict[str, object]) -> None:
    def added(id: str, **more: object) -> object:
        spec = scheduler.add_job(nothing, "interval", hours=1, id=id, **more).record.spec  # type: ignore[arg-type]
        return (spec.steps, spec.name, spec.policy, spec.executor)

    usual, differs, again = added("a"), added("b", **words), added("c")
    assert usual == again
    assert differs not in (usual, again)
    assert added("d", **words) == differs


def test_a_mapping_that_is_changed_meanwhile(scheduler: BackgroundScheduler) -> None:
    history, retry = {"runs": 5}, {"max": 1}
    scheduler.add_job(nothing, "interval", hours=1, history=history, retry=retry)
    history["runs"], retry["max"] = 6, 2
    spec = scheduler.add_job(nothing, "interval", hours=1, history=history, retry=retry).record.spec
    assert (spec.policy.retention.runs, spec.steps[0].retry.max) == (6, 2)


def test_an_interval_counts_from_the_moment_its_job_is_added(moved: Make) -> None:
    one = moved()
    first = one.scheduler.add_job(nothing, "interval", hours=1)
    one.pass_(600)
    second = one.scheduler.add_job(nothing, "interval", hours=1)
    assert first.next_run_time is not None
    assert second.next_run_time is not None
    assert second.next_run_time - first.next_run_time == timedelta(minutes=10)


def test_a_function_that_left_its_module_has_no_name(moved: Make, tmp_path: Path) -> None:
    """A module that was read again has other functions: the old one's name is no longer its own."""
    module = ModuleType("passing_targets")
    exec("def call():\n    pass\n", module.__dict__)
    old = module.call
    sys.modules["passing_targets"] = module
    one = moved(jobstores={"default": SQLAlchemyJobStore(f"sqlite:///{tmp_path / 'jobs.db'}")})
    try:
        job = one.scheduler.add_job(old, "interval", hours=1, id="a")
        assert job.func_ref == "passing_targets:call"
        exec("def call():\n    pass\n", module.__dict__)
        with pytest.raises(TransientJobError):
            one.scheduler.add_job(old, "interval", hours=1, id="b")
        one.scheduler.add_job(module.call, "interval", hours=1, id="c")
        assert {job.id for job in one.scheduler.get_jobs()} == {"a", "c"}
    finally:
        del sys.modules["passing_targets"]


def test_jobs_that_waited_for_a_store_of_a_name_of_its_own_are_seen_as_they_are(
    scheduler: BackgroundScheduler, tmp_path: Path
) -> None:
    """Whose they are is known only when the store is there."""
    jobs = [scheduler.add_job(nothing, "interval", hours=1, jobstore="later", id=id) for id in "ab"]
    scheduler.add_jobstore(SQLAlchemyJobStore(f"sqlite:///{tmp_path / 'jobs.db'}", tablename="ours"), "later")
    scheduler.start()
    due = jobs[0].next_run_time
    assert due is not None
    jobs[0].pause()
    assert [job.next_run_time for job in jobs] == [None, due]
    scheduler.shutdown()
