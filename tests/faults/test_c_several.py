"""C. Several runners on one store: one leads, the others stand by; killed, frozen, cut off, with other clocks.

Runners of one test have state directories of their own, as on computers of their own: none sees another's processes.
"""

from __future__ import annotations

import json
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from runner.jobstores.sqlalchemy.tables import leases
from tests.faults.checker import Book, check, read
from tests.faults.conftest import Servers, Stage
from tests.faults.figures import SEED, WANTED, judge, record, size
from tests.faults.proxy import Proxy
from tests.faults.rig import MARK, Runner, Scene, every_second
from tests.waiting import PATIENCE, wait_until

LEASE = 3.0
KINDS = ["postgresql"] if WANTED == "short" else ["postgresql", "mariadb"]
"""The suite has MariaDB in one of these cases (17), the long form in all."""
JOBS = "    concurrency: {overlap: allow, max: 100}"


def host(scene: Scene, number: int, **environ: str) -> Runner:
    return scene.serve(name=f"host{number}", state=f"state{number}", environ=environ)


def hosts(scene: Scene, count: int) -> list[Runner]:
    """The first leads, the others stand by."""
    found = [host(scene, 0)]
    found[0].wait_lead()
    for number in range(1, count):
        found.append(host(scene, number))
        found[-1].wait_says("standing by")
    return found


def leader(runners: list[Runner]) -> Runner | None:
    return next((each for each in runners if each.alive and each.leads), None)


def wait_leader(runners: list[Runner], besides: Runner | None = None) -> tuple[Runner, float]:
    took = wait_until(lambda: leader([r for r in runners if r is not besides]), "somebody leads")
    found = leader([r for r in runners if r is not besides])
    assert found is not None
    return found, took


def lease_number(scene: Scene) -> int:
    """How often the lead was taken."""
    engine = create_engine(scene.url)
    try:
        with engine.connect() as connection:
            return int(
                connection.execute(
                    select(leases.c.number).where(leases.c.source == scene.source)
                ).scalar_one()
            )
    finally:
        engine.dispose()


def finish(scene: Scene, runners: list[Runner], patience: float = 300.0) -> Book:
    """Pause what is due, wait until every host has told how its runs ended, stop all."""
    for each in runners:
        if not each.leads:
            each.wait_says("standing by")
    now, _ = wait_leader(runners)
    jobs = sorted(read(scene).triggers)
    for job in jobs:
        scene.ask("pause", now.state.name, job=job)
    try:
        wait_until(lambda: not read(scene).live, "every run has ended", patience)
    except AssertionError as error:
        said = "\n".join(f"── {each.name}\n{each.said()[-1500:]}" for each in runners)
        raise AssertionError(f"{error}: {read(scene).live[:5]}\n{said}") from None
    for each in runners:
        assert each.stop() == 0
    return read(scene)


@pytest.mark.parametrize("kind", KINDS)
def test_case_16_no_faults(stage: Stage, servers: Servers, kind: str) -> None:
    seconds = size(6, 600 if kind == "postgresql" else 120)
    scene = stage(every_second(10, more=JOBS), servers.url(kind))
    runners = hosts(scene, 3)
    time.sleep(seconds)
    wait_until(lambda: sum(each.leads for each in runners) == 1, "one leads")
    leaders = lease_number(scene)
    book = finish(scene, runners)
    verdict = check(book)
    assert verdict.good, str(verdict)
    figures = {**verdict.figures, "leaders": leaders}
    record(
        f"16 {kind}",
        f"3 runners, one {kind}, 10 jobs a second, {seconds} s",
        1,
        figures,
        "0 lost, 0 twice, one leader",
    )
    judge("16", leaders)


@pytest.mark.parametrize(
    ("number", "kind", "count", "short", "long"),
    [("17", "postgresql", 3, 3, 500), ("17", "mariadb", 3, 2, 100), ("19", "sqlite", 2, 4, 500)],
)
def test_case_17_19_kills(
    stage: Stage, servers: Servers, number: str, kind: str, count: int, short: int, long: int, tmp_path: Path
) -> None:
    kills = size(short, long)
    url = servers.url(kind) or f"sqlite:///{tmp_path / 'shared.db'}"
    scene = stage(every_second(10, more=JOBS), url)
    runners = hosts(scene, count)
    chance = random.Random(SEED)
    holes: list[float] = []
    for _ in range(kills):
        time.sleep(chance.uniform(0.0, 1.0))
        index = chance.randrange(count)
        victim = runners[index]
        led = victim.leads
        victim.kill()
        ready = any(each is not victim and "standing by" in each.said() for each in runners)
        if led and ready:
            holes.append(wait_leader(runners, victim)[1])
        runners[index] = host(scene, index)
        scene.wait_start()
    book = finish(scene, runners)
    verdict = check(book)
    assert verdict.good, str(verdict)
    longest = max(holes, default=0.0)
    figures = {**verdict.figures, "leaders killed": len(holes), "longest takeover, s": longest}
    record(
        f"{number} {kind}",
        f"{count} runners, one {kind}, SIGKILL of any",
        kills,
        figures,
        "0 lost, 0 twice, takeover <= 5 s",
    )
    judge(number, longest)


@pytest.mark.parametrize("kind", KINDS)
def test_case_18_frozen(stage: Stage, servers: Servers, kind: str) -> None:
    freezes = size(1, 200 if kind == "postgresql" else 50)
    run = f"{MARK}; sleep 0.3"
    scene = stage(every_second(10, more=JOBS, run=run), servers.url(kind))
    runners = hosts(scene, 3)
    chance = random.Random(SEED)
    longest = 0.0
    for _ in range(freezes):
        frozen, _ = wait_leader(runners)
        time.sleep(chance.uniform(0.0, 1.0))
        frozen.signal(signal.SIGSTOP)
        _, took = wait_leader(runners, frozen)
        longest = max(longest, took)
        time.sleep(chance.uniform(0.5, 2.0))
        before = frozen.said().count("another runner leads now")
        frozen.signal(signal.SIGCONT)
        wait_until(
            partial(lambda f, b: f.said().count("another runner leads now") > b, frozen, before), "it notices"
        )
        wait_until(partial(lambda f: not f.leads, frozen), "it has taken its note away")
    book = finish(scene, runners)
    verdict = check(book)
    assert verdict.good, str(verdict)
    figures = {**verdict.figures, "longest takeover, s": longest}
    record(
        f"18 {kind}",
        f"3 runners, one {kind}, SIGSTOP of the leader beyond its lease",
        freezes,
        figures,
        "0 started twice",
    )


POINTS = (
    "hold.before",
    "write.before",
    "commit.after",
    "write.after",
    "start.before",
    "spawn.before",
    "native.before",
)


@pytest.mark.parametrize("kind", KINDS)
def test_case_18_frozen_between_decision_and_start(stage: Stage, servers: Servers, kind: str) -> None:
    """The proof of promise 2: frozen at the very instants that matter, awake when another runner leads."""
    points = POINTS if size(0, 1) else ("native.before",)
    scene = stage(every_second(10, more=JOBS), servers.url(kind))
    other = host(scene, 9)
    other.wait_lead()
    for number, point in enumerate(points):
        at = 5 if point.startswith("hold") else 25
        frozen = scene.faulty("freeze", point, at, name=f"frozen{number}", state=f"frozen{number}")
        frozen.wait_says("standing by")
        other.stop()
        wait_until(partial(lambda n: len(scene.faults) > n, number), f"it froze at {point}")
        other = host(scene, number)
        other.wait_lead()
        before = scene.started()
        frozen.signal(signal.SIGCONT)
        frozen.wait_says("another runner leads now")
        scene.wait_start(before)
        assert frozen.stop() == 0
    for number in range(len(points)):
        # What still runs on a host is told by its runner.
        scene.serve(name=f"frozen{number}", state=f"frozen{number}").wait_says("standing by")
    book = finish(scene, [each for each in scene.runners if each.alive])
    assert scene.faults == list(points)
    verdict = check(book)
    assert verdict.good, str(verdict)
    figures = {**verdict.figures, "points": ", ".join(points)}
    record(
        f"18 points {kind}",
        f"the leader frozen between decision and start, {kind}",
        len(points),
        figures,
        "it starts and writes nothing",
    )


def test_case_21_cut_off(stage: Stage, servers: Servers) -> None:
    """The leader's wire to PostgreSQL is cut: another leads, its commands go on, and their ends are told afterwards."""
    seconds = size(6, 30)
    url = servers.url("postgresql")
    assert url is not None
    port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
    proxy = Proxy(port)
    try:
        long = f"  long:\n    run: |\n      {MARK}; while ! test -e go; do sleep 0.1; done; exit 42\n"
        scene = stage(every_second(3, more=JOBS) + long, url)
        cut = scene.serve(
            name="host0",
            state="state0",
            environ={"RUNNER_DATABASE_URL": url.replace(f":{port}/", f":{proxy.port}/")},
        )
        cut.wait_lead()
        other = host(scene, 1)
        other.wait_says("standing by")
        scene.trigger("long", "state0")
        wait_until(lambda: "long@" in scene.starts.read_text(), "the long one has begun")
        proxy.cut()
        since = time.monotonic()
        took = other.wait_lead()
        cut.wait_says("nothing starts until it is back")
        scene.wait_start()
        (scene.directory / "go").touch()
        wait_until(lambda: time.monotonic() - since > seconds, "the cut is over", seconds + 5.0)
        assert [run.status for run in read(scene).of("long")] == ["running"], "nobody invents an end"
        proxy.mend()
        told = wait_until(lambda: not any(run.job == "long" for run in read(scene).live), "its end is told")
        book = finish(scene, [cut, other])
        (run,) = book.of("long")
        assert (run.status, run.steps[0]["outcome"]["exit_code"]) == ("failed", 42)
        verdict = check(book)
        assert verdict.good, str(verdict)
        figures = {**verdict.figures, "takeover, s": took, "end told after, s": told}
        record(
            "21",
            f"the leader cut off from PostgreSQL for {seconds} s",
            1,
            figures,
            "nothing starts there; ends told <= 5 s",
        )
        judge("21", told)
    finally:
        proxy.close()


def test_case_22_versions(stage: Stage, servers: Servers) -> None:
    """Rolling restarts between this version and a newer one, whose rows hold what this one does not know."""
    restarts = size(2, 50)
    url = servers.url("postgresql")
    assert url is not None
    scene = stage(every_second(5, more=JOBS), url)
    newer = (str(Path(__file__).with_name("newer.py")), url)
    old = host(scene, 0)
    old.wait_lead()
    for number in range(1, restarts + 1):
        program = newer if number % 2 else ("-m", "runner")
        new = scene.serve(name=f"host{number % 2}", state=f"state{number % 2}", program=program)
        new.wait_says("standing by")
        old.signal(signal.SIGTERM)
        new.wait_lead()
        assert old.process.wait(PATIENCE) == 0
        scene.wait_start()
        old = new
    book = finish(scene, [old])
    verdict = check(book)
    assert verdict.good, str(verdict)
    assert any("mood" in step for run in book.runs for step in run.steps)
    figures = {**verdict.figures, "errors": sum("ERROR" in each.said() for each in scene.runners)}
    assert figures["errors"] == 0
    record("22", "rolling restarts between two versions on one store", restarts, figures, "0 errors, 0 twice")


def test_status_says_who_leads_and_who_stands_by(stage: Stage, servers: Servers) -> None:
    scene = stage(every_second(1), servers.url("postgresql"))
    runners = hosts(scene, 2)
    wait_until((runners[1].state / "health.json").exists, "it has written how it is")
    led, here = (scene.cli("status", state=each.state.name).stdout for each in runners)
    assert f"process {runners[0].pid}" in led
    assert "stands by" not in led
    assert f"process {runners[0].pid}" in here
    assert f"process {runners[1].pid} on" in here
    assert "stands by" in here
    answer = json.loads(scene.cli("status", "--json", state="state1").stdout)
    assert answer["here"]["pid"] == runners[1].pid
    assert answer["here"]["leading"] is False
    assert answer["leader"]["pid"] == runners[0].pid
