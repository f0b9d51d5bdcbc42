"""Where we differ, always to the safe side: APScheduler's trouble, shown with the real one, and our answer."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apscheduler.executors.debug
import apscheduler.executors.pool
import apscheduler.jobstores.memory
import apscheduler.schedulers.background
import apscheduler.triggers.base
import apscheduler.triggers.calendarinterval
import apscheduler.triggers.cron
import pytest

from runner.errors import StoreError
from runner.executors.debug import DebugExecutor
from runner.executors.pool import ThreadPoolExecutor
from runner.jobstores.memory import MemoryJobStore
from runner.schedulers.background import BackgroundScheduler
from runner.triggers.base import BaseTrigger
from runner.triggers.calendarinterval import CalendarIntervalTrigger
from runner.triggers.cron import CronTrigger
from tests.differential import work
from tests.differential.library import PATIENCE, Ears

Theirs = apscheduler.schedulers.background.BackgroundScheduler
EXECUTED, ERROR, MISSED, SUBMITTED = 2**12, 2**13, 2**14, 2**15


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def sqlite(where: Path) -> dict[str, Any]:
    return {"default": {"type": "sqlalchemy", "url": f"sqlite:///{where}/jobs.db"}}


# ── 1: whatever raises, the scheduler goes on ───────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_1_a_store_that_raises_ends_their_thread() -> None:
    def raises(job: Any) -> None:
        raise OSError("disk full")

    bad = apscheduler.jobstores.memory.MemoryJobStore()
    bad.update_job = raises
    scheduler = Theirs(jobstores={"default": bad}, timezone="UTC")
    scheduler.start()
    scheduler.add_job(work.nothing, "interval", seconds=0.05)
    eventually(lambda: not scheduler._thread.is_alive())
    assert scheduler.running, "it says that it runs, and will never run anything again"


class Failing(MemoryJobStore):
    """Its writes fail so many times."""

    left = 0

    def write(self, changes: Any, fence: Any = None) -> None:
        if self.left:
            self.left -= 1
            raise StoreError("disk full")
        super().write(changes, fence)


def test_1_our_scheduler_waits_for_its_store_and_goes_on() -> None:
    store, ears = Failing(), Ears()
    scheduler = BackgroundScheduler(jobstores={"default": store}, timezone="UTC")
    scheduler.add_listener(ears, EXECUTED)
    scheduler.start()
    scheduler.add_job(work.nothing, "interval", seconds=0.05, misfire_grace_time=None)
    ears.wait(EXECUTED)
    store.left = 3
    eventually(lambda: not store.left)
    ears.wait(EXECUTED, len(ears.heard) + 2)
    scheduler.shutdown()


def moody(base: type) -> Any:
    """A trigger of a program's own that fires twice, then raises."""

    class Moody(base):  # type: ignore[misc]
        asked = 0

        def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
            Moody.asked += 1
            if Moody.asked > 2:
                raise ZeroDivisionError("a trigger of my own")
            return now + timedelta(seconds=0.05)

    return Moody()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_1_a_trigger_that_raises_ends_their_thread() -> None:
    scheduler = Theirs(timezone="UTC")
    scheduler.start()
    scheduler.add_job(work.nothing, trigger=moody(apscheduler.triggers.base.BaseTrigger))
    eventually(lambda: not scheduler._thread.is_alive())
    assert scheduler.running


def test_1_a_trigger_and_an_executor_that_raise_hurt_only_their_job(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ThreadPoolExecutor):
        def start(self, task: Any) -> None:
            raise OSError("no more threads")

    ears = Ears()
    scheduler = BackgroundScheduler(timezone="UTC", executors={"broken": Broken()})
    scheduler.add_listener(ears, EXECUTED | ERROR)
    scheduler.start()
    scheduler.add_job(work.nothing, id="moody", trigger=moody(BaseTrigger))
    scheduler.add_job(work.nothing, id="broken", executor="broken")
    scheduler.add_job(work.nothing, "interval", seconds=0.05, id="good")

    def broken() -> str:
        job = scheduler.get_job("moody")
        assert job is not None
        return job.broken

    eventually(broken)
    count = sum(event.job_id == "good" for event in ears.heard)
    eventually(lambda: sum(event.job_id == "good" for event in ears.heard) >= count + 3)
    assert any(event.job_id == "broken" and event.code == ERROR for event in ears.heard)
    reason = "its trigger failed: ZeroDivisionError: a trigger of my own"
    assert broken() == reason
    assert f'Job "nothing" cannot run and is set aside: {reason}' in caplog.text
    scheduler.shutdown()


# ── 2: a job whose function is gone is kept ─────────────────────────────────────────────────


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the program's that can be taken away and brought back."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "programs_own.py"
    file.write_text("def job():\n    return 5\n")
    return file


def forget(file: Path) -> None:
    import importlib

    file.unlink(missing_ok=True)
    sys.modules.pop("programs_own", None)
    importlib.invalidate_caches()


def test_2_their_store_deletes_what_it_cannot_restore(tmp_path: Path, module: Path) -> None:
    scheduler = Theirs(jobstores=sqlite(tmp_path), timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job("programs_own:job", "cron", hour=5, id="one")
    scheduler.shutdown()
    forget(module)
    scheduler = Theirs(jobstores=sqlite(tmp_path), timezone="UTC")
    scheduler.start(paused=True)
    assert scheduler.get_jobs() == []
    scheduler.shutdown()
    rows = sqlite3.connect(tmp_path / "jobs.db").execute("SELECT count(*) FROM apscheduler_jobs").fetchone()
    assert rows == (0,), "the job is gone for good"


def test_2_ours_sets_it_aside_until_its_function_is_back(tmp_path: Path, module: Path) -> None:
    def jobs() -> list[tuple[str, str]]:
        scheduler = BackgroundScheduler(jobstores=sqlite(tmp_path), timezone="UTC")
        scheduler.start(paused=True)
        found = [(job.id, job.broken.partition(":")[0]) for job in scheduler.get_jobs()]
        scheduler.shutdown()
        return found

    scheduler = BackgroundScheduler(jobstores=sqlite(tmp_path), timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job("programs_own:job", "cron", hour=5, id="one")
    scheduler.shutdown()
    text = module.read_text()
    forget(module)
    assert jobs() == [("one", "Error resolving reference programs_own")]
    module.write_text(text)
    forget_cache = sys.modules.pop("programs_own", None)
    assert forget_cache is None
    import importlib

    importlib.invalidate_caches()
    assert jobs() == [("one", "")]


# ── 3: several processes, one store ─────────────────────────────────────────────────────────

SHARING = """
import sys, time, signal
from importlib import import_module
root, url, out = sys.argv[1:]
sys.path.insert(0, ".")
Scheduler = import_module(root + ".schedulers.background").BackgroundScheduler
scheduler = Scheduler(jobstores={"default": {"type": "sqlalchemy", "url": url}}, timezone="UTC")
events = import_module(root + ".events")
def heard(event):
    with open(out, "a") as file:
        file.write(event.scheduled_run_time.isoformat() + "\\n")
scheduler.add_listener(heard, events.EVENT_JOB_EXECUTED)
scheduler.start()
print("started", flush=True)
signal.pause()
"""


def share(root: str, where: Path, count: int) -> list[subprocess.Popen[str]]:
    """So many processes whose schedulers share a store."""
    made = []
    for _ in range(count):
        process = subprocess.Popen(
            [sys.executable, "-c", SHARING, root, f"sqlite:///{where}/jobs.db", str(where / "ran")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        made.append(process)
    return made


def ran(where: Path) -> Counter[str]:
    try:
        return Counter((where / "ran").read_text().splitlines())
    except FileNotFoundError:
        return Counter()


def ended(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def test_3_their_processes_all_run_the_same_job(tmp_path: Path) -> None:
    scheduler = Theirs(jobstores=sqlite(tmp_path), timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job("tests.differential.work:nothing", "interval", seconds=1, id="one")
    scheduler.shutdown()
    processes = share("apscheduler", tmp_path, 3)
    try:
        eventually(lambda: max(ran(tmp_path).values(), default=0) > 1)
    finally:
        ended(processes)


def test_3_of_ours_one_leads_the_others_stand_by_and_take_over(tmp_path: Path) -> None:
    processes = share("runner", tmp_path, 3)
    try:
        standing_by = BackgroundScheduler(jobstores=sqlite(tmp_path), timezone="UTC")

        def heard(event: Any) -> None:  # it may be the one that takes over
            with open(tmp_path / "ran", "a") as file:
                file.write(event.scheduled_run_time.isoformat() + "\n")

        standing_by.add_listener(heard, EXECUTED)
        standing_by.start()
        standing_by.add_job("tests.differential.work:nothing", "interval", seconds=0.3, id="one")
        eventually(lambda: len(ran(tmp_path)) >= 4)
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait(PATIENCE)
        before = len(ran(tmp_path))
        eventually(lambda: len(ran(tmp_path)) >= before + 4)
        assert [job.id for job in standing_by.get_jobs()] == ["one"]
        standing_by.modify_job("one", name="changed from a scheduler that stands by")
        standing_by.remove_job("one")
        assert standing_by.get_jobs() == []
        standing_by.shutdown()
    finally:
        ended(processes)
    assert set(ran(tmp_path).values()) == {1}, "no time ran twice"


# ── 4: clock changes ────────────────────────────────────────────────────────────────────────


def days(trigger: Any, start: datetime, until: datetime) -> list[datetime]:
    found: list[datetime] = []
    now = start
    while (at := trigger.get_next_fire_time(found[-1] if found else None, now)) is not None and at < until:
        if found and at.astimezone(UTC) <= found[-1].astimezone(UTC):
            break  # it does not get on
        found.append(at)
        now = at + timedelta(seconds=1)
    return found


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]
)
def test_4_ours_runs_a_daily_job_once_a_day_and_an_hourly_one_every_hour(zone: str) -> None:
    info = ZoneInfo(zone)
    start, until = datetime(2030, 1, 1, tzinfo=info), datetime(2031, 1, 1, tzinfo=info)
    for hour, minute in ((0, 0), (1, 30), (2, 15), (2, 30), (3, 0)):
        daily = days(CronTrigger(hour=hour, minute=minute, timezone=zone), start, until)
        assert Counter(at.date() for at in daily) == Counter(
            date(2030, 1, 1) + timedelta(n) for n in range(365)
        )
    hourly = [at.astimezone(UTC) for at in days(CronTrigger(minute=0, timezone=zone), start, until)]
    gaps = Counter(later - earlier for earlier, later in pairwise(hourly))
    if zone != "Australia/Lord_Howe":  # its clock moves by half an hour
        assert set(gaps) == {timedelta(hours=1)}


def test_4_theirs_loses_or_repeats_a_day() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start, until = datetime(2030, 1, 1, tzinfo=zone), datetime(2031, 1, 1, tzinfo=zone)
    wrong = []
    for hour, minute in ((2, 15), (2, 30)):
        trigger = apscheduler.triggers.cron.CronTrigger(hour=hour, minute=minute, timezone=zone)
        counted = Counter(at.date() for at in days(trigger, start, until))
        wrong += [day for n in range(365) if counted[day := date(2030, 1, 1) + timedelta(n)] != 1]
    assert wrong, "APScheduler has mended it: take this difference out of the guide"


# ── 5: coroutines everywhere ────────────────────────────────────────────────────────────────


def one_run(scheduler: Any, function: Any, *args: Any) -> Any:
    ears = Ears()
    scheduler.add_listener(ears, EXECUTED | ERROR)
    scheduler.start()
    scheduler.add_job(function, args=args, misfire_grace_time=None)
    ears.wait(EXECUTED | ERROR)
    scheduler.shutdown()
    return ears.heard[0].retval


def test_5_theirs_never_awaits_a_coroutine_on_a_background_scheduler() -> None:
    value = one_run(Theirs(timezone="UTC"), work.later, 5)
    assert asyncio.iscoroutine(value)
    value.close()


def test_5_ours_runs_it_and_awaits_listeners() -> None:
    scheduler, heard = BackgroundScheduler(timezone="UTC"), threading.Event()

    async def listener(event: Any) -> None:
        await asyncio.sleep(0)
        heard.set()

    scheduler.add_listener(listener, EXECUTED)
    assert one_run(scheduler, work.later, 5) == 6
    assert heard.wait(PATIENCE)


# ── 6: timeout, retry, history, notify ──────────────────────────────────────────────────────


def test_6_theirs_has_no_such_keywords() -> None:
    scheduler = Theirs(timezone="UTC")
    with pytest.raises(TypeError):
        scheduler.add_job(work.nothing, timeout=5)
    assert not hasattr(scheduler, "history")


def test_6_ours_tells_what_ran() -> None:
    ears = Ears()
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_listener(ears, EXECUTED | ERROR)
    scheduler.start()
    scheduler.add_job(work.fail, id="one", retry=1, timeout="30s", history=10)
    ears.wait(ERROR)
    (run,) = scheduler.history("one")
    assert (run.status, run.attempts, run.error) == ("failed", 2, "ValueError: it went wrong")
    scheduler.shutdown()


# ── 7: replacing, and misfires ──────────────────────────────────────────────────────────────


def replaced(scheduler: Any, *, paused: bool) -> tuple[Any, Any]:
    scheduler.start(paused=True)
    scheduler.add_job(work.nothing, "interval", hours=1, id="one")
    if paused:
        scheduler.pause_job("one")
    before, now = scheduler.get_job("one").next_run_time, datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) > now)
    scheduler.add_job(work.nothing, "interval", hours=1, id="one", replace_existing=True)
    after = scheduler.get_job("one").next_run_time
    scheduler.shutdown()
    return before, after


def test_7_theirs_starts_over_and_resumes_what_was_paused() -> None:
    before, after = replaced(Theirs(timezone="UTC"), paused=False)
    assert after > before, "a program that restarts more often than every hour never runs this job"
    before, after = replaced(Theirs(timezone="UTC"), paused=True)
    assert (before, after is not None) == (None, True)


def test_7_ours_keeps_the_place_in_time_and_the_pause() -> None:
    before, after = replaced(BackgroundScheduler(timezone="UTC"), paused=False)
    assert after == before
    assert replaced(BackgroundScheduler(timezone="UTC"), paused=True) == (None, None)


def many(scheduler: Any, count: int) -> Counter[int]:
    ears = Ears()
    scheduler.add_listener(ears, EXECUTED | MISSED)
    scheduler.start(paused=True)
    due = datetime.now(UTC) + timedelta(seconds=1)
    for number in range(count):
        scheduler.add_job(time.sleep, "date", [0.3], run_date=due, id=str(number))
    scheduler.resume()
    ears.wait(EXECUTED | MISSED, count)
    scheduler.shutdown()
    return Counter(event.code for event in ears.heard)


def test_7_theirs_misses_what_waits_for_a_worker() -> None:
    told = many(Theirs(timezone="UTC"), 60)
    assert told[MISSED] > 0, "judged when a worker is free, more than a second after it was due"


def test_7_ours_judges_when_it_decides() -> None:
    # A machine that stands still for a second before it is decided does not do so each time.
    assert any(many(BackgroundScheduler(timezone="UTC"), 60) == {EXECUTED: 60} for _ in range(5))


# ── 8: and, or, the order of events, calendar intervals ─────────────────────────────────────


def test_8_and_and_or_by_alias() -> None:
    theirs, ours = Theirs(timezone="UTC"), BackgroundScheduler(timezone="UTC")
    trigger = apscheduler.triggers.cron.CronTrigger(hour=5, timezone="UTC")
    with pytest.raises(TypeError, match="timezone"):
        theirs.add_job(work.nothing, "or", triggers=[trigger])
    for kind in ("or", "and"):
        job = ours.add_job(work.nothing, kind, triggers=[CronTrigger(hour=5, timezone="UTC")])
        assert str(job.trigger) == f"{kind}[cron[hour='5']]"


def order(scheduler: Any) -> list[int]:
    ears = Ears()
    scheduler.add_listener(ears, SUBMITTED | EXECUTED)
    scheduler.start()
    scheduler.add_job(work.nothing, misfire_grace_time=None)
    ears.wait(EXECUTED | SUBMITTED, 2)
    scheduler.shutdown()
    return [event.code for event in ears.heard]


def test_8_submitted_comes_before_executed() -> None:
    assert order(Theirs(executors={"default": apscheduler.executors.debug.DebugExecutor()})) == [
        EXECUTED,
        SUBMITTED,
    ]
    assert order(BackgroundScheduler(executors={"default": DebugExecutor()})) == [SUBMITTED, EXECUTED]
    assert order(BackgroundScheduler()) == [SUBMITTED, EXECUTED]


def test_8_a_calendar_interval_is_never_in_the_past() -> None:
    now = datetime(2030, 5, 5, 12, tzinfo=UTC)
    kinds = (apscheduler.triggers.calendarinterval.CalendarIntervalTrigger, CalendarIntervalTrigger)
    theirs, ours = (
        kind(months=1, start_date=date(2020, 1, 1), timezone=ZoneInfo("UTC")).get_next_fire_time(None, now)
        for kind in kinds
    )
    assert theirs is not None
    assert theirs < now
    assert ours == datetime(2030, 6, 1, tzinfo=UTC)


# ── 9: JSON, not pickles ────────────────────────────────────────────────────────────────────


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.path}",))


def test_9_reading_their_store_executes_what_stands_in_it(tmp_path: Path) -> None:
    scheduler = Theirs(jobstores=sqlite(tmp_path), timezone="UTC")
    scheduler.start(paused=True)
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        evil = pickle.dumps(Touch(tmp_path / "made"))
        connection.execute("INSERT INTO apscheduler_jobs VALUES ('evil', 2e9, ?)", (evil,))
    scheduler.get_jobs()
    scheduler.shutdown()
    assert (tmp_path / "made").exists()


def test_9_ours_reads_text_and_resolves_only_what_the_program_allows(tmp_path: Path) -> None:
    scheduler = BackgroundScheduler(jobstores=sqlite(tmp_path), timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job(work.note, "cron", args=[{"day": date(2030, 1, 1)}], hour=5, id="one")
    scheduler.shutdown()
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        ((spec,),) = connection.execute("SELECT spec FROM runner_specs").fetchall()
        assert "tests.differential.work:note" in spec
        assert '"2030-01-01"' in spec
        evil = spec.replace("tests.differential.work:note", "os:system")
        connection.execute("UPDATE runner_specs SET spec = ?", (evil,))
    options: dict[str, Any] = {"jobstores": sqlite(tmp_path), "timezone": "UTC"}
    scheduler = BackgroundScheduler(allowed_modules=["tests.differential"], **options)
    scheduler.start(paused=True)
    (job,) = scheduler.get_jobs()
    assert "os:system is not in the modules this program allows" in job.broken
    scheduler.shutdown()


warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
