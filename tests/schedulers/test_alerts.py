"""Alerts and histories of Python jobs: the outbox, its channels, and what `notify` takes."""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from runner.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from runner.schedulers.background import BackgroundScheduler
from runner.spec import Notify, Rule
from tests.schedulers import targets
from tests.schedulers.moved import Ears, Moved
from tests.waiting import PATIENCE, wait_until

Make = Callable[..., Moved]


def test_a_failure_reaches_a_channel(httpserver: HTTPServer, tmp_path: Any) -> None:
    """With the real outbox, Apprise and a real HTTP server; the jobs are in a durable store."""
    heard: list[dict[str, Any]] = []
    came = threading.Event()

    def take(request: Any) -> Any:
        from werkzeug import Response

        heard.append(request.get_json())
        came.set()
        return Response("ok")

    httpserver.expect_request("/hook").respond_with_handler(take)
    url = f"json://127.0.0.1:{httpserver.port}/hook"
    ears = Ears()
    scheduler = BackgroundScheduler(
        timezone="UTC",
        channels={"ops": url},
        jobstores={"default": {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path}/jobs.db"}},
    )
    scheduler.add_listener(ears, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job("tests.schedulers.targets:fail", "cron", year=2099, id="etl", notify="ops")
    job = scheduler.get_job("etl")
    assert job is not None
    job.modify(next_run_time="2020-01-01", misfire_grace_time=None)
    ears.wait(EVENT_JOB_ERROR)
    assert came.wait(PATIENCE)
    scheduler.shutdown()
    assert len(heard) == 1
    assert heard[0]["title"] == "fail failed"
    assert "it went wrong" in heard[0]["title"] + heard[0]["message"]


def test_the_recovery_of_a_job_reaches_the_channel_that_heard_of_its_failures(
    httpserver: HTTPServer, tmp_path: Any
) -> None:
    """Failed twice, then well, with a restart of the program between: one message each, the incident over."""
    heard: queue.Queue[dict[str, Any]] = queue.Queue()

    def take(request: Any) -> Any:
        from werkzeug import Response

        heard.put(request.get_json())
        return Response("ok")

    httpserver.expect_request("/hook").respond_with_handler(take)
    flag = tmp_path / "flag"

    def started() -> tuple[BackgroundScheduler, Ears]:
        ears = Ears()
        scheduler = BackgroundScheduler(
            timezone="UTC",
            channels={"ops": f"json://127.0.0.1:{httpserver.port}/hook"},
            jobstores={"default": {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path}/jobs.db"}},
            job_defaults={"misfire_grace_time": None},
        )
        scheduler.add_listener(ears, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
        sulk = "tests.schedulers.targets:sulk"
        scheduler.add_job(
            sulk,
            "cron",
            [str(flag)],
            year=2099,
            id="etl",
            name="nightly",
            notify="ops",
            replace_existing=True,
        )
        scheduler.start()
        return scheduler, ears

    scheduler, ears = started()
    for count in (1, 2):
        scheduler.modify_job("etl", next_run_time="2020-01-01")
        ears.wait(EVENT_JOB_ERROR, count)
    failed = heard.get(timeout=PATIENCE)
    scheduler.shutdown()
    flag.touch()
    scheduler, ears = started()
    for count in (1, 2):
        scheduler.modify_job("etl", next_run_time="2020-01-01")
        ears.wait(EVENT_JOB_EXECUTED, count)
    recovered = heard.get(timeout=PATIENCE)
    scheduler.shutdown()
    assert heard.empty()
    assert (failed["title"], failed["type"]) == ("nightly failed", "failure")
    assert "the other side is away" in failed["title"] + failed["message"]
    assert recovered["type"] == "success"
    assert "nightly" in recovered["title"]
    assert "recovered" in recovered["title"] + recovered["message"]


def test_a_channel_may_be_the_log(moved: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "runner.notify")
    one = moved(channels={"console": "log:"})
    one.scheduler.add_job(targets.fail, id="etl", notify={"on_failure": [{"to": "console", "title": "oh"}]})
    one.ears.wait(EVENT_JOB_ERROR)
    one.scheduler.shutdown()
    assert "oh" in caplog.text


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (None, Notify()),
        ("ops", Notify((Rule(("ops",)),), (Rule(("ops",)),))),
        (["ops", "log"], Notify((Rule(("ops", "log")),), (Rule(("ops", "log")),))),
        ({"on_success": "log"}, Notify(on_success=(Rule(("log",)),))),
        (
            {"on_failure": [{"to": "ops", "after": 3, "remind": "1h"}, "log"], "on_late": ["ops"]},
            Notify(
                (Rule(("ops",), after=3, remind=3_600_000_000), Rule(("log",))), on_late=(Rule(("ops",)),)
            ),
        ),
        (Notify(on_late=(Rule(("log",)),)), Notify(on_late=(Rule(("log",)),))),
    ],
)
def test_what_notify_takes(moved: Make, given: Any, made: Notify) -> None:
    one = moved(
        channels={"ops": ["log:"], "log": {"urls": "log:", "min_interval": "5m", "quiet": "22:00-07:00"}}
    )
    job = one.scheduler.add_job(targets.nothing, "cron", hour=5, id="one", notify=given)
    assert job.record.spec.notify == made
    one.scheduler.modify_job("one", notify=None)
    assert job.record.spec.notify == Notify()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nobody", r"there is no channel 'nobody' \(there are log, ops\)"),
        ({"on_monday": "ops"}, r"notify has no on_monday"),
        ({"on_failure": {"after": 2}}, "to be told whom it is for"),
        ({"on_failure": {"to": "ops", "when": 2}}, "has no when"),
    ],
)
def test_what_is_wrong_is_said_at_once(moved: Make, given: Any, words: str) -> None:
    one = moved(channels={"ops": ["log:"], "log": "log:"})
    with pytest.raises(ValueError, match=words):
        one.scheduler.add_job(targets.nothing, "cron", hour=5, notify=given)


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ({"ops": "nosuch://x"}, "channel 'ops'"),
        ({"ops": {"min_interval": 5}}, "needs urls"),
        ({"ops": {"urls": "log:", "color": "red"}}, "nothing else"),
    ],
)
def test_a_channel_nobody_can_read_is_refused(channels: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BackgroundScheduler(channels=channels)


# ── histories ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("durable", [False, True])
def test_the_past_of_a_job(moved: Make, tmp_path: Any, durable: bool) -> None:
    options = {"jobstores": {"default": {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path}/jobs.db"}}}
    one = moved(**(options if durable else {}))
    one.scheduler.add_job("tests.schedulers.targets:echo", "interval", seconds=10, id="good", args=[1])
    one.scheduler.add_job("tests.schedulers.targets:fail", id="bad", retry={"max": 1, "delay": 5})

    def waits_for_its_retry() -> bool:
        one.turn()
        return one.scheduler.history("bad")[0].status == "waiting"

    wait_until(waits_for_its_retry)
    one.pass_(5)
    one.ears.wait(EVENT_JOB_ERROR)
    one.pass_(5)
    one.ears.wait(EVENT_JOB_EXECUTED)  # else the second would find the first one under way
    one.pass_(10)
    one.ears.wait(EVENT_JOB_EXECUTED, 2)
    good = one.scheduler.history("good")
    assert [(run.job_id, run.jobstore, run.status) for run in good] == [("good", "default", "succeeded")] * 2
    assert [run.scheduled_run_time.second for run in good] == [20, 10]
    assert one.scheduler.history("good", limit=1) == good[:1]
    (bad,) = one.scheduler.history("bad")
    assert (bad.status, bad.attempts, bad.error) == ("failed", 2, "ValueError: it went wrong")
    assert bad.traceback.rstrip().endswith("ValueError: it went wrong")
    assert bad.took is not None
    assert one.scheduler.get_job("bad") is None, "its history stays when it is done"
    assert one.scheduler.history("never") == []


def test_only_so_many_runs_are_kept(moved: Make, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    one = moved(jobstores={"default": {"type": "sqlalchemy", "url": url}, "memory": {"type": "memory"}})
    for store in ("default", "memory"):
        one.scheduler.add_job(
            "tests.schedulers.targets:nothing", "interval", seconds=10, id=store, history=3, jobstore=store
        )
    for count in range(1, 7):
        one.pass_(10)
        one.ears.wait(EVENT_JOB_EXECUTED, 2 * count)
    assert [len(one.scheduler.history(store)) for store in ("default", "memory")] == [3, 3]

    def rows() -> int:
        with sqlite3.connect(tmp_path / "jobs.db") as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM runner_runs").fetchall()
            return int(count)

    assert rows() == 6
    one.scheduler._house._tidy.round()
    assert rows() == 3


def test_old_runs_of_a_job_go_with_their_age(moved: Make, tmp_path: Any) -> None:
    one = moved(
        jobstores={
            "default": {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path}/jobs.db"},
            "memory": {"type": "memory"},
        }
    )
    for store in ("default", "memory"):
        one.scheduler.add_job(
            "tests.schedulers.targets:nothing",
            "interval",
            hours=1,
            id=store,
            history={"age": "150m"},
            jobstore=store,
        )
    for count in range(1, 5):
        one.jump(3600)
        one.ears.wait(EVENT_JOB_EXECUTED, 2 * count)
    assert [len(one.scheduler.history(store)) for store in ("default", "memory")] == [4, 4]
    one.scheduler._house._tidy.round()
    assert [len(one.scheduler.history(store)) for store in ("default", "memory")] == [3, 3]
    for wrong in ({"days": 3}, {"runs": 0}, "3", {"age": -1}):
        with pytest.raises(TypeError):
            one.scheduler.add_job("tests.schedulers.targets:nothing", "interval", hours=1, history=wrong)  # type: ignore[arg-type]


def test_a_program_may_wait_for_its_scheduler(tmp_path: Any) -> None:
    """`daemon=False`: the process goes on until the scheduler is shut down."""
    program = """
import sys
import threading
from datetime import datetime, timedelta
from runner.schedulers.background import BackgroundScheduler

def last():
    threading.main_thread().join()
    print("still here", flush=True)
    threading.Thread(target=scheduler.shutdown).start()

scheduler = BackgroundScheduler(daemon=sys.argv[1])
scheduler.start()
# Where the program does not wait, it ends long before.
soon = timedelta(hours=1) if sys.argv[1] == "true" else timedelta(seconds=0.3)
scheduler.add_job(last, "date", run_date=datetime.now() + soon, misfire_grace_time=None)
"""
    said = {}
    for daemon in ("false", "true"):
        done = subprocess.run(
            [sys.executable, "-c", program, daemon],
            capture_output=True,
            text=True,
            timeout=150,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == 0, done.stderr
        said[daemon] = done.stdout
    assert said == {"false": "still here\n", "true": ""}
