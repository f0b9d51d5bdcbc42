"""`runner doctor`: what the runner wrote of itself, and the jobs and runs on record."""

# ruff: noqa: E501 - whole texts

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner import __version__, config
from runner.clock import SystemClock
from runner.core.action import Save
from runner.core.run import Delivery, Job, News, Run, RunKey, Status, StepRun
from runner.jobstores.sqlalchemy.leases import FileLocks, holder
from runner.jobstores.urls import sqlite_at, store_of
from runner.moment import DAY, HOUR, SECOND, iso
from runner.service import health
from tests.cli.examined import NOBODY, examined
from tests.cli.verb_place import Place

FILE = """\
channels: {ops: {urls: ["log://"]}}
defaults: {timeout: 1h, timezone: UTC, notify: {on_failure: ops}}
jobs:
  hello: {schedule: every 1h, run: echo hello}
  once: {schedule: {at: 2020-01-01T00:00}, run: echo}
"""
NOBODY_FOLLOWS = (
    "  help: a start of runner serve takes over what still runs, and records how the others ended"
)


class Since(SystemClock):
    """The system's clock, read so long ago."""

    def __init__(self, ago: int) -> None:
        self._ago = ago

    def now(self) -> int:
        return super().now() - self._ago

    def elapsed(self) -> int:
        return super().elapsed() - self._ago


@pytest.fixture
def at_work(place: Place) -> Place:
    """A place whose runner is this very process."""
    place.write(FILE.replace("  once: {schedule: {at: 2020-01-01T00:00}, run: echo}\n", ""))
    (place.directory / "state").mkdir(mode=0o700)
    return place


def says(place: Place, *problems: str, ago: int = 0, **status: Any) -> None:
    """It says so of itself."""
    known = {"leading": True, "leader": {"since": iso(SystemClock().now() - DAY)}, "runner": __version__}
    health.write(place.directory / "state", Since(ago), known | status, problems)


def runner_of(place: Place, code: int) -> str:
    return examined(place, "runner", code=code).replace(f"process {os.getpid()}", "process N")


def test_a_loop_that_does_not_turn(at_work: Place) -> None:
    says(at_work, ago=90 * SECOND)
    said = re.sub(r"for \d+ s ", "for N s ", re.sub(r"\d+m ago", "AGO", runner_of(at_work, 1)))
    assert said == (
        "problem runner: its loop has not turned for N s (process N); last seen AGO\n"
        "  help: it is busy, stopped or stuck; if it stays so, end it with SIGTERM and start it again"
    )


def test_what_it_says_of_itself(at_work: Place) -> None:
    says(at_work, "store: the disk is full", clock={"text": "the clock was set back by 1h", "at": iso(SystemClock().now() - HOUR)},
         draining=True)  # fmt: skip
    assert runner_of(at_work, 1) == (
        "problem runner: process N says of itself: store: the disk is full\n"
        "  help: nothing starts until that is mended\n"
        "note runner: the clock was set back by 1h, 1h ago\n"
        "  help: runner why JOB says what became of its times\n"
        "note runner: process N is stopping: nothing new starts"
    )


def test_a_clock_that_was_set_long_ago_is_no_news(at_work: Place) -> None:
    says(at_work, clock={"text": "the clock was set back by 1h", "at": iso(SystemClock().now() - 2 * DAY)})
    assert runner_of(at_work, 0).startswith("ok runner: process N leads since ")


def test_one_that_stands_by_and_is_another_version(at_work: Place) -> None:
    says(at_work, leading=False, runner="0.0.9")
    assert runner_of(at_work, 0).startswith(
        "ok runner: process N stands by, another runner leads; its loop turned "
    )
    said = examined(at_work, "program", code=0)
    assert f"; process {os.getpid()}, which runs the jobs, is runner 0.0.9\n  help: start it again" in said


def test_an_edit_that_was_refused_though_the_file_is_good(at_work: Place) -> None:
    """As one is that loses most jobs."""
    since = iso(SystemClock().now() - HOUR)
    says(at_work, config={"ok": False, "error": "it now has 1 of the 9 jobs it had", "since": since})
    assert examined(at_work, "jobs file", code=1) == (
        "problem jobs file: DIR/jobs.yaml was refused by the runner at work 1h ago; the last good one goes on\n"
        "it now has 1 of the 9 jobs it had\n"
        "  help: runner reload tries again, and says what is wrong"
    )


def test_a_file_that_is_gone_beneath_a_runner(at_work: Place) -> None:
    says(at_work)
    at_work.file.unlink()
    at_work.environ["RUNNER_FILE"] = str(at_work.file)
    assert examined(at_work, "jobs file", code=1) == (
        "problem jobs file: there is no DIR/jobs.yaml; the runner at work goes on with what it held\n"
        "  help: put it back, or give another with -f FILE; runner init writes a first one"
    )


def keep(place: Place, *records: Job | Run | Delivery) -> None:
    (place.directory / "state").mkdir(mode=0o700, exist_ok=True)
    with closing(store_of(sqlite_at(place.directory / "state" / "runner.db"))) as store:
        store.open()
        store.write([Save(record) for record in records])


def test_the_jobs_on_record_where_the_file_is_broken(place: Place) -> None:
    hello, once = config.load(place.write(FILE)).jobs
    keep(place, Job(hello, state="broken", reason="its function is gone"), Job(once, state="paused"))
    place.write("jobs: [")
    assert examined(place, "jobs", code=1) == (
        "problem jobs: hello is broken: its function is gone\n"
        "  help: it comes back when it can be loaded\n"
        "note jobs: paused, so that nothing of them is due: once\n"
        "  help: runner resume JOB\n"
        "note jobs: never due again, for the times of their schedules are past: once\n"
        "  help: give them another schedule, or take them out"
    )


def test_who_leads_a_sqlite_file_is_told_without_touching_its_lock(at_work: Place) -> None:
    keep(at_work)
    locks = FileLocks(at_work.directory / "state" / "runner.db")
    assert locks.take(str(at_work.file))
    assert runner_of(at_work, 0) == "ok runner: none of this state directory; process N on this machine leads"
    locks.give_all()
    assert examined(at_work, "runner", code=0) == NOBODY


def test_who_leads_where_the_kernel_names_another_device_than_stat_does(at_work: Place) -> None:
    """As on btrfs and on a container's layers."""
    keep(at_work)
    file, source = at_work.directory / "state" / "runner.db", str(at_work.file)
    locks = FileLocks(file)
    assert locks.take(source)
    (lock,) = set(file.parent.glob("runner.db.*.lock")) - {file.with_name("runner.db.migrate.lock")}
    said = at_work.directory / "locks"

    def told(pid: int, inode: int) -> int | None:
        said.write_text(f"1: FLOCK  ADVISORY  WRITE {pid} ff:fff:{inode} 0 EOF\n")
        return holder(file, source, said)

    inode, nobody = lock.stat().st_ino, (1 << 22) + 1
    assert told(os.getpid(), inode) == os.getpid()
    assert told(nobody, inode) is None
    assert told(os.getpid(), inode + 1) == 0
    said.unlink()
    assert holder(file, source, said) is None
    locks.give_all()
    said.write_text("")
    assert holder(file, source, said) == 0


def test_runs_that_another_machine_may_follow_are_not_called_lost(at_work: Place) -> None:
    (hello,) = config.load(at_work.file).jobs
    now = SystemClock().now()
    keep(at_work, Job(hello), Run(RunKey(hello.key, 0, "1"), hello, Status.PENDING, created_at=now))
    with closing(store_of(sqlite_at(at_work.directory / "state" / "runner.db"))) as store:
        store.open()
        assert store.hold(str(at_work.file), "elsewhere:7:x", now)
    assert examined(at_work, "runs", code=0) == (
        "note runs: 1 run on record as under way; whether a runner follows them cannot be seen from here: "
        "hello@1970-01-01T00:00:00Z+1\n"
        "  help: look where the last runner of this database was: runner doctor"
    )


def test_one_that_was_killed_and_another_that_leads_now(at_work: Place) -> None:
    keep(at_work)
    says(at_work)
    written = at_work.directory / "state" / "health.json"
    written.write_text(written.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {(1 << 22) + 1}'))
    with closing(store_of(sqlite_at(at_work.directory / "state" / "runner.db"))) as store:
        store.open()
        assert store.hold(str(at_work.file), f"{socket.gethostname()}:7:x", SystemClock().now())
        said = runner_of(at_work, 0)
    assert "is no more; last seen now; process N on this machine leads now\n" in re.sub(
        r"seen \S+( ago)?;", "seen now;", said
    )
    assert runner_of(at_work, 1).startswith("problem runner: process ")


def test_a_runner_of_another_container_is_not_known_by_its_number(at_work: Place) -> None:
    """Those of a pod have one name of a host; a process of that number here is another one."""
    at_work.write(f"{FILE}secrets: {{token: {{env: NO_SUCH_TOKEN}}}}\n")
    says(at_work)
    written = at_work.directory / "state" / "health.json"
    values = json.loads(written.read_text())
    assert examined(at_work, "secrets", code=1).startswith("problem secrets: secrets.token: ")
    written.write_text(json.dumps(values | {"space": "pid:[1]"}))
    assert examined(at_work, "secrets", code=0).startswith("note secrets: secrets.token: ")
    values |= {"pid": (1 << 22) + 1}
    written.write_text(json.dumps(values))
    assert "is no more" in runner_of(at_work, 1)
    written.write_text(json.dumps(values | {"space": "pid:[1]"}))
    assert runner_of(at_work, 0).startswith(f"ok runner: process {(1 << 22) + 1} leads since ")
    written.write_text(json.dumps(values | {"space": "pid:[1]", "elapsed": -HOUR}))
    assert runner_of(at_work, 1).endswith(
        f"  help: look where it was, on {socket.gethostname()}; where that machine or container is no more, "
        "start it again: runner serve -f DIR/jobs.yaml"
    )


def test_messages_that_were_given_up_or_wait(at_work: Place) -> None:
    (hello,) = config.load(at_work.file).jobs
    now = SystemClock().now()
    news = News("failure", hello.key, now)
    keep(
        at_work,
        Delivery("1", "ops", news, "given_up", created_at=now - 2 * DAY, error="nobody there"),
        Delivery("2", "ops", news, "given_up", created_at=now - 30 * DAY, error="long ago"),
        Delivery("3", "ops", news, created_at=now - HOUR),
    )
    assert examined(at_work, "alerts", code=1) == (
        "note alerts: 1 message to ops, the first made 1h ago, not sent yet\n"
        "  help: a runner has to be at work for that\n"
        "problem alerts: 1 message could not be delivered in a whole day and will not be, the last to ops, made 2d ago: "
        "nobody there\n"
        "  help: mend the channel's address or its server; runner history says what they were about"
    )
    keep(at_work, Delivery("4", "ops", news, "delivered", created_at=now - DAY))
    assert "given up" not in examined(at_work, "alerts", code=0)  # the channel was mended since


def test_a_runner_that_does_not_follow_the_file(at_work: Place) -> None:
    (hello,) = config.load(at_work.file).jobs
    keep(at_work, Job(replace(hello, timezone="Europe/Oslo")))
    says(at_work)
    os.utime(at_work.file, (4_000_000_000, 4_000_000_000))
    assert examined(at_work, code=0) == ""  # edited just now: the runner may be about to take it
    os.utime(at_work.file, (1_700_000_000, 1_700_000_000))
    said = examined(at_work, code=0)
    assert said.startswith(
        "note jobs file: the runner at work does not follow the file as it is now: 1 changed (hello), 0 unchanged\n"
        "  help: runner plan --against running shows what differs, runner reload has it read again; a job without "
        "`timezone` differs where the runner's zone is not this shell's ("
    )


def test_runs_that_are_stuck(at_work: Place) -> None:
    (hello,) = config.load(at_work.file).jobs
    now = SystemClock().now()

    def run(nonce: str, created_at: int, status: Status = Status.PENDING, due: int | None = None) -> Run:
        step = StepRun("main", status=status, attempt=int(due is not None), started_at=created_at, due=due)
        begun = created_at if due is not None else None
        return Run(
            RunKey(hello.key, 0, nonce),
            hello,
            status,
            steps={"main": step},
            created_at=created_at,
            started_at=begun,
        )

    stuck = run("1", now - DAY, Status.RUNNING, now - 2 * HOUR)
    keep(at_work, Job(hello), stuck, run("2", now - 3 * HOUR), run("3", now + HOUR))
    first = "hello@1970-01-01T00:00:00Z"
    ahead = (
        f"problem runs: made in the future, by this machine's clock: {first}+3\n"
        "  help: the clock was set back, or is wrong now\n"
    )
    assert examined(at_work, "runs", code=1) == (
        f"{ahead}note runs: 3 runs on record as under way, and no runner is seen that follows them: {first}+1, {first}+2, {first}+3\n"
        f"{NOBODY_FOLLOWS}"
    )
    says(at_work)
    assert examined(at_work, "runs", code=1) == (
        f"{ahead}problem runs: beyond their timeout, and not ended: {first}+1\n"
        "  help: runner status says whether the runner is well; runner logs RUN what they last said\n"
        f"note runs: waiting for a place, the first since 3h ago: {first}+2\n"
        "  help: runner why JOB says what for"
    )


def test_as_another_user_who_may_not_look(place: Place) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        open_to_all = Place(Path(name))
        open_to_all.write(f"{FILE}  root: {{run: echo, user: '0'}}\n")
        open_to_all.call("run", "hello")
        open_to_all.call("doctor")  # all that it needs is loaded: this interpreter may be root's alone
        os.seteuid(65534)
        try:
            said = examined(open_to_all, "state directory", "database", "runner", "users", code=1)
        finally:
            os.seteuid(0)
    assert said == (
        "problem state directory: DIR/state belongs to root, and this is nobody\n"
        "  help: run as that user, or name another directory with RUNNER_STATE_DIR\n"
        "problem database: DIR/state/runner.db cannot be looked at: Permission denied\n"
        "  help: look as the user whose runner it is\n"
        "note runner: the state in DIR/state cannot be read: Permission denied\n"
        "  help: look as the user whose runner it is\n"
        "note users: only root may run a command as 0, for root\n"
        "  help: start the runner as root, or leave user away; look as the user whose runner it is"
    )
    assert NOBODY not in said
