"""G. The store: locked, full, gone, replaced, damaged. Nothing starts unrecorded, and work resumes by itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.faults import checker
from tests.faults.checker import check, read, together
from tests.faults.conftest import Servers, Stage
from tests.faults.figures import SEED, judge, record
from tests.faults.figures import size as how_many
from tests.faults.proxy import Proxy
from tests.faults.rig import MARK, Runner, Scene, dice, every_second, side_by_side
from tests.small_disk import small_disk
from tests.waiting import PATIENCE, wait_until

QUICK = every_second(3, more="    concurrency: {overlap: allow, max: 50}")


def healthy(scene: Scene) -> int:
    """The exit code of `runner status --check`."""
    return scene.cli("status", "--check", check=False).returncode


def settled(scene: Scene) -> None:
    """All that was due until now has its row, and what ran has ended."""
    now = time.time() * 1e6

    def caught_up() -> bool:
        book = read(scene)
        newest = [max((run.slot for run in book.of(job)), default=0) for job in book.triggers]
        return min(newest) > now - 1e6 and all(
            run.ended_at is not None for run in book.runs if run.slot < now
        )

    wait_until(caught_up, "all that was due is decided and over", 300)


def end(scene: Scene, runner: Runner) -> checker.Verdict:
    """A clean stop, then what is left over is done by one more runner; the verdict on all of it."""
    assert runner.stop() == 0
    verdict = check(read(scene), over=False)
    assert verdict.good, str(verdict)
    return verdict


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    other = sqlite3.connect(database, isolation_level=None, timeout=PATIENCE)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_case_44_locked(stage: Stage) -> None:
    """Another process holds the database, at moments of every kind: between, before and after starts and ends."""
    times = how_many(2, 60)
    scene = stage(QUICK)
    database = scene.directory / "state" / "runner.db"
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    resumed: list[float] = []
    for number, length in enumerate(dice(SEED, times, 1.0, how_many(5, 60))):
        time.sleep(number * 37 % 100 / 100)
        with locked(database):
            since = time.time()
            time.sleep(length)
            if length > 2.6:
                runner.wait_says("nothing starts until it is back")
                wait_until(lambda: healthy(scene) == 1, "the check says so")
                assert "database is locked" in scene.cli("status").stdout
                # What was on record before may begin a little later.
                assert scene.latest() <= since
            frozen = scene.started()
        resumed.append(scene.wait_start(frozen))
    wait_until(lambda: healthy(scene) == 0, "it is well again")
    settled(scene)
    verdict = end(scene, runner)
    record("44", "SQLite locked by another process", times, {**verdict.figures, "resumed after, s": max(resumed)},
           "0 lost, 0 twice, resumes <= 2 s")  # fmt: skip
    judge("44", max(resumed))


PHASES = {
    "as it takes the lead": "hold.before",
    "before it reads what is known": "load.before",
    "as it looks for what an earlier one left": "recover.before",
    "before a decision": "decide.before",
    "between decision and commit": "write.before",
    "between commit and start": "write.after",
    "as a command is handed over": "start.before",
    "before its directory is made": "spawn.before",
    "as its process begins": "native.after",
    "as its end is heard": "ended.before",
    "as its end is judged": "judge.after",
    "as the end reaches the clock thread": "done.before",
}


def test_case_44_locked_at_each_phase(stage: Stage) -> None:
    """The lock is taken while the runner stands at the very point, and it goes on with the database locked."""
    rounds = how_many(1, 20)
    phases = list(PHASES)[:: 4 if rounds == 1 else 1]
    # Nearly all of it is the wait for the lock's end: several scenes side by side, each with its phases.
    rigs = 1 if rounds == 1 else 6
    scenes = [stage(QUICK) for _ in range(rigs)]
    resumed: list[float] = []
    side_by_side(
        locked_at,
        [(scene, phases[rig::rigs], rounds, SEED + rig, resumed) for rig, scene in enumerate(scenes)],
    )
    verdicts = []
    for scene in scenes:
        runner = scene.serve()
        runner.wait_lead()
        settled(scene)
        verdicts.append(end(scene, runner))
    assert len(resumed) == rounds * len(phases)
    figures = {**together(verdicts), "phases": len(phases), "resumed after, s": max(resumed)}
    record("44 phases", "SQLite locked as the runner stands at a named point, then killed", len(resumed), figures,
           "0 lost, 0 twice, resumes <= 2 s")  # fmt: skip
    judge("44", max(resumed))


def locked_at(scene: Scene, phases: list[str], rounds: int, seed: int, resumed: list[float]) -> None:
    """A runner for each phase and round, and a lock as it stands there; how soon each went on after it."""
    go = scene.directory / "faults.go"
    lengths = dice(seed, rounds * len(phases), 1.0, how_many(2, 60))
    for number in range(rounds):
        for phase, length in zip(phases, lengths, strict=False):
            go.unlink(missing_ok=True)
            point = PHASES[phase]
            once = point in ("hold.before", "load.before", "recover.before")
            before = len(scene.faults)
            runner = scene.faulty("wait", point, 1 if once else 3 + number)
            wait_until(partial(lambda b: len(scene.faults) > b, before), phase)
            with locked(scene.directory / "state" / "runner.db"):
                go.touch()
                time.sleep(length)
                assert runner.alive, phase
                count = scene.started()
            resumed.append(scene.wait_start(count))
            runner.kill()


def test_case_44_locked_at_the_start(stage: Stage) -> None:
    scene = stage(QUICK)
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    runner.kill()
    with locked(scene.directory / "state" / "runner.db"):
        since = time.time()
        runner = scene.serve()
        runner.wait_says("database is locked")
        wait_until(lambda: healthy(scene) == 1, "the check says so")
        time.sleep(1.0)
        assert scene.latest() <= since
        frozen = scene.started()
    took = scene.wait_start(frozen)
    settled(scene)
    verdict = end(scene, runner)
    record("44 start", "locked while a runner starts", 1, {**verdict.figures, "resumed after, s": took},
           "says so, resumes <= 2 s")  # fmt: skip


def test_case_45_server_stopped(stage: Stage, servers: Servers) -> None:
    away, cuts = how_many(2, 30), how_many(3, 120)
    url = servers.url("postgresql")
    server = getattr(url, "server", None)
    if url is None or server is None:
        pytest.skip("somebody else runs the PostgreSQL server: it cannot be stopped")
    scene = stage(QUICK, url)
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    server.end(b"kill")
    try:
        runner.wait_says("nothing starts until it is back")
        said = time.time()
        time.sleep(away)
        # What was on record before may begin a little later.
        assert scene.latest() <= said
        wait_until(lambda: healthy(scene) == 1, "the check says so")
        frozen = scene.started()
    finally:
        server.start()
    resumed = scene.wait_start(frozen)
    plain = url.replace("+psycopg", "")
    for wait in dice(SEED, cuts, 0.2, 0.5):
        time.sleep(wait)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
    settled(scene)
    verdict = end(scene, runner)
    record("45", f"PostgreSQL killed for {away} s, then its connections cut", cuts + 1,
           {**verdict.figures, "resumed after, s": resumed}, "0 lost, 0 twice")  # fmt: skip


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_case_45_server_says_nothing(stage: Stage, servers: Servers, kind: str) -> None:
    """A server that takes connections and bytes and never answers, as a frozen process or a lost proxy does."""
    if kind == "mariadb" and not how_many(0, 1):
        pytest.skip("in the long form only: the driver's own bound, RUNNER_FAULTS=long")
    url = servers.url(kind)
    assert url is not None
    port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
    proxy = Proxy(port)
    try:
        scene = stage(QUICK, url)
        runner = scene.serve(environ={"RUNNER_DATABASE_URL": url.replace(f":{port}/", f":{proxy.port}/")})
        runner.wait_lead()
        scene.wait_start()
        proxy.freeze()
        noticed = runner.wait_says("nothing starts until it is back")
        since = time.time()
        wait_until(lambda: healthy(scene) == 1, "the check says so")
        time.sleep(how_many(1, 60))
        assert scene.latest() <= since
        frozen = scene.started()
        assert runner.alive
        proxy.mend()
        resumed = scene.wait_start(frozen)
        settled(scene)
        verdict = end(scene, runner)
    finally:
        proxy.close()
    record(f"45 silent {kind}", "the server takes connections and never answers", 1,
           {**verdict.figures, "noticed after, s": noticed, "resumed after, s": resumed},
           "0 lost, 0 twice, noticed <= 15 s")  # fmt: skip
    judge("45", noticed)


def test_case_45_empty_standby(stage: Stage, servers: Servers) -> None:
    """A failover to a server that holds nothing: refused, and the right one is taken up again."""
    url = servers.url("postgresql")
    assert url is not None
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        for name in ("first", "empty"):
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
    scene = stage(QUICK, url.rsplit("/", 1)[0] + "/first")
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    swap(plain, "first", "aside", "empty", "first")
    runner.wait_says("holds nothing; it is not the one")
    said = time.time()
    wait_until(lambda: healthy(scene) == 1, "the check says so")
    time.sleep(2)
    assert scene.latest() <= said
    frozen = scene.started()
    engine = create_engine(scene.url)
    with engine.connect() as connection_:
        found = connection_.execute(
            text("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'runner%'")
        ).scalar()
    engine.dispose()
    assert found == 0
    swap(plain, "first", "empty", "aside", "first")
    scene.wait_start(frozen)
    settled(scene)
    verdict = end(scene, runner)
    record("45 standby", "failover to an empty server, and back", 1, {**verdict.figures, "tables made there": 0},
           "refused")  # fmt: skip


def swap(url: str, first: str, aside: str, second: str, back: str) -> None:
    """Rename two databases of a server, whoever is connected."""
    with psycopg.connect(url, autocommit=True) as connection:
        for old, new in ((first, aside), (second, back)):
            until = time.monotonic() + PATIENCE
            while True:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (%s, %s)"
                    " AND pid <> pg_backend_pid()", (old, new),
                )  # fmt: skip
                try:
                    connection.execute(f"ALTER DATABASE {old} RENAME TO {new}")
                    break
                except psycopg.Error:
                    if time.monotonic() > until:
                        raise


@pytest.fixture(name="small_disk")
def disk_of_24_mebibytes(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 24) as place:
        yield place


def fill(disk: Path, leave: int = 0) -> Path:
    """Take all the room but `leave` bytes."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while shutil.disk_usage(disk).free > leave:
            file.write(b"x" * min(1 << 16, max(1, shutil.disk_usage(disk).free - leave)))
    return filler


def test_case_46_disk_full(stage: Stage, small_disk: Path) -> None:
    length = how_many(3, 60)
    scene = stage(
        QUICK + f"  long:\n    run: |\n      {MARK}; while ! test -e go; do sleep 0.05; done; exit 7\n"
    )
    scene.url = f"sqlite:///{small_disk / 'state' / 'runner.db'}"
    runner = scene.serve(state=str(small_disk / "state"))
    runner.wait_lead()
    scene.wait_start()
    reserve = small_disk / "state" / "runner.db.reserve"
    assert reserve.stat().st_size == 1 << 20
    scene.trigger("long", state=str(small_disk / "state"))
    before = scene.started()
    wait_until(lambda: "long@" in scene.starts.read_text(), "the long one has begun")
    until = time.monotonic() + length
    # Given up once something could not be written, which may take a busy machine longer.
    while time.monotonic() < until or (reserve.exists() and time.monotonic() < until + PATIENCE):
        filler = fill(small_disk)
        time.sleep(0.1)
    assert runner.alive
    assert not reserve.exists()
    (scene.directory / "go").touch()
    time.sleep(0.5)
    wait_until(lambda: "nearly full" in runner.said() or "is full" in runner.said(), "it is said")
    filler.unlink()
    began = time.monotonic()
    wait_until(
        lambda: any(run.job == "long" and run.ended_at for run in read(scene).runs), "the end is recorded"
    )
    recorded = time.monotonic() - began
    settled(scene)
    book = read(scene)
    verdict = end(scene, runner)
    (long,) = book.of("long")
    assert long.steps[0]["outcome"]["exit_code"] == 7
    assert reserve.exists() or scene.started() - before < 64
    figures = {**verdict.figures, "recorded after there was room, s": recorded,
               "runs that failed": sum(run.status == "failed" for run in book.runs) - 1}  # fmt: skip
    record("46", f"the disk full for {length} s", 1, figures, "0 lost, all records <= 5 s after")
    judge("46", recorded)


def test_case_46_log_disk_nearly_full(stage: Stage, small_disk: Path) -> None:
    """Output stops, schedules go on, and both are said; output comes back."""
    scene = stage(every_second(1) + "storage: {keep_free: 8M}\n")
    talk = "  talk:\n    run: 'while ! test -e go; do echo talk; sleep 0.02; done; echo end'\n"
    scene.file.write_text(every_second(1) + talk + "storage: {keep_free: 8M}\n")
    scene.url = f"sqlite:///{small_disk / 'state' / 'runner.db'}"
    state = str(small_disk / "state")
    runner = scene.serve(state=state)
    runner.wait_lead()
    scene.trigger("talk", state=state)
    scene.wait_start()
    kept = small_disk / "state" / "logs"
    wait_until(lambda: any(b"talk" in log.read_bytes() for log in kept.rglob("*.log")), "output is kept")
    filler = fill(small_disk, 6 << 20)
    runner.wait_says("nearly full: output of commands is dropped")
    count = scene.started()
    scene.wait_start(count)
    assert "nearly full" in scene.cli("status", state=state).stdout
    filler.unlink()
    runner.wait_says("has room again")
    (scene.directory / "go").touch()
    wait_until(lambda: any(run.job == "talk" and run.ended_at for run in read(scene).runs), "it ends")
    shown = scene.cli("logs", "talk", state=state).stdout
    assert runner.stop() == 0
    assert shown.startswith("talk\n")
    assert "bytes dropped: the disk was nearly full" in shown
    assert shown.endswith("end\n")
    record("46 output", "the disk nearly full", 1, {"schedules went on": 1, "output came back": 1},
           "output stops, schedules go on, said")  # fmt: skip


@pytest.mark.parametrize("what", ["deleted", "emptied", "another", "older", "damaged"])
def test_case_47_another_file(stage: Stage, what: str) -> None:
    scene = stage(every_second(2, catchup="{runs: none, window: 1h}"))
    database = scene.directory / "state" / "runner.db"
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    backup = scene.directory / "backup.db"
    scene.cli("db", "backup", str(backup))
    scene.wait_start()
    figures: dict[str, object] = {}
    if what == "deleted":
        database.unlink()
        runner.wait_says(f"the database file {database} is gone")
        stopped(scene)
        rescued = database.with_name("runner.db.rescued")
        wait_until(rescued.exists, "what was in it is saved")
        rescued.rename(database)
    elif what in ("emptied", "another"):
        aside = database.with_name("aside.db")
        new = scene.directory / "new.db"
        if what == "emptied":
            new.touch(0o600)
        else:
            other = stage(every_second(1))
            second = other.serve(name="other")
            second.wait_lead()
            assert second.stop() == 0
            (other.directory / "state" / "runner.db").rename(new)
        os.link(database, aside)
        new.replace(database)
        runner.wait_says("not the one that was used until")
        stopped(scene)
        assert "runner db accept" in runner.said()
        aside.replace(database)
    elif what == "older":
        time.sleep(how_many(5, 30))
        backup.replace(database)
        runner.wait_says("is an older copy of itself")
    else:
        assert runner.stop() == 0
        good = database.read_bytes()
        database.write_bytes(good[:4096] + b"\xff" * 8192 + good[4096 + 8192 :])
        torn = database.read_bytes()
        runner = scene.serve()
        runner.wait_says("is damaged")
        stopped(scene)
        assert database.read_bytes() == torn
        assert "damaged" in scene.cli("db", "check", check=False).stderr or healthy(scene) == 1
        assert scene.cli("db", "restore", str(backup), check=False).returncode == 0
        assert database.with_name("runner.db.aside").read_bytes() == torn
    count = scene.started()
    figures["resumed after, s"] = scene.wait_start(count)
    wait_until(lambda: healthy(scene) == 0, "it is well again")
    time.sleep(1.2)
    assert runner.stop() == 0
    verdict = check(read(scene), over=False)
    assert not verdict.started_twice, str(verdict)
    assert not verdict.doubled
    if what not in ("older", "damaged"):
        assert verdict.good, str(verdict)
    record(f"47 {what}", f"the database file {what}", 1, {**figures, "started twice": 0},
           "says so, starts nothing, resumes by itself")  # fmt: skip


def stopped(scene: Scene) -> None:
    """It is said from outside too, and nothing starts."""
    wait_until(lambda: healthy(scene) == 1, "the check says that it is not well")
    now = time.time()
    time.sleep(1.5)
    # What was on record before may begin a little later.
    assert scene.latest() <= now


def test_case_49_a_module_that_is_missing_for_a_while(stage: Stage) -> None:
    scene = stage("jobs:\n  call:\n    schedule: '* * * * * *'\n    python: acts:go\n")
    runner = scene.serve()
    runner.wait_lead()
    wait_until(lambda: any(run.status == "failed" for run in read(scene).runs), "it fails")
    (scene.directory / "acts.py").write_text("def go(): pass\n")
    wait_until(lambda: any(run.status == "succeeded" for run in read(scene).runs), "it works")
    (scene.directory / "acts.py").write_text("def renamed(): pass\n")
    for cache in scene.directory.glob("__pycache__"):
        shutil.rmtree(cache)
    wait_until(lambda: read(scene).of("call")[-1].status == "failed" or read(scene).of("call")[-2].status == "failed",
               "it fails again")  # fmt: skip
    failed = [run.steps[0]["outcome"]["error"] for run in read(scene).runs if run.status == "failed"]
    assert any("acts" in error for error in failed)
    listed = json.loads(scene.cli("list", "--json").stdout)["jobs"]
    assert runner.stop() == 0
    assert [job["state"] for job in listed] == ["scheduled"]
    record(
        "49",
        "the module of a job missing, then its function",
        2,
        {"schedules removed": 0},
        "0 removed, recovers",
    )
