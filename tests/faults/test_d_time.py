"""D. Time: clocks that are set, nights that are slept through, clock changes, other rules for a zone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import zoneinfo
from functools import partial
from pathlib import Path

from tests.faults.checker import check, moment, read
from tests.faults.clock import WallClock
from tests.faults.conftest import Servers, Stage
from tests.faults.figures import judge, record, size
from tests.faults.rig import MARK, Scene
from tests.faults.test_c_several import finish, host, wait_leader
from tests.waiting import wait_until

TWO = f"""\
jobs:
  second:
    schedule: "* * * * * *"
    run: |
      {MARK}
  daily:
    schedule: "0 12 * * *"
    run: |
      {MARK}
"""


def test_case_20_other_clocks(stage: Stage, servers: Servers) -> None:
    rounds = size(1, 60)
    jobs = "jobs:\n" + "".join(
        f'  tick{n}:\n    schedule: "* * * * * *"\n    concurrency: {{overlap: allow, max: 50}}\n'
        f"    run: |\n      {MARK}\n"
        for n in range(5)
    )
    scene = stage(jobs, servers.url("postgresql"))
    environ: list[dict[str, str]] = [{}]
    for number, by in ((1, 300), (2, -300)):
        directory = scene.directory / f"clock{number}"
        directory.mkdir()
        clock = WallClock(directory)
        clock.set(by)
        environ.append({key: value for key, value in clock.environ.items() if key != "TZ"})
    runners = [host(scene, 0)]
    runners[0].wait_lead()
    for number in (1, 2):
        runners.append(host(scene, number, **environ[number]))
        runners[-1].wait_says("off the database's")
    for number in range(rounds):
        leader, _ = wait_leader(runners)
        scene.wait_start()
        index = runners.index(leader)
        leader.kill() if number % 2 else leader.stop()
        wait_leader(runners, leader)
        runners[index] = host(scene, index, **environ[index])
    book = finish(scene, runners)
    verdict = check(book)
    assert verdict.good, str(verdict)
    record(
        "20",
        "3 runners, clocks +5 min and -5 min, the leader killed or stopped",
        rounds,
        verdict.figures,
        "0 lost, 0 twice, a warning",
    )


def test_case_23_clock_changes_live(stage: Stage) -> None:
    changes = [
        ("Europe/Berlin", "30 2 * * *", "2026-03-29T00:59:57", "2026-03-29T01:00:00", "gap"),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T01:29:57", "", "second pass"),
        ("America/New_York", "30 2 * * *", "2026-03-08T06:59:57", "2026-03-08T07:00:00", "gap"),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T15:29:57", "2026-10-03T15:30:00", "gap"),
        ("Africa/Cairo", "15 0 * * *", "2026-04-23T21:59:57", "2026-04-23T22:00:00", "gap"),
        ("America/New_York", "30 1 * * *", "2026-11-01T06:29:57", "", "second pass"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T15:14:57", "", "second pass"),
        ("Africa/Cairo", "30 23 * * *", "2026-10-29T21:29:57", "", "second pass"),
    ]
    count = size(2, len(changes))
    for zone, cron, begin, due, _ in changes[:count]:
        scene = stage(
            f"""\
defaults: {{timezone: {zone}}}
jobs:
  fixed:
    schedule: "{cron}"
    run: |
      {MARK}
  second:
    schedule: "* * * * * *"
    run: |
      {MARK}
"""
        )
        clock = WallClock(scene.directory, begin)
        clock.set(-600)
        runner = scene.serve(environ=clock.environ)
        runner.wait_lead()
        clock.set_to(begin)
        over = moment(begin + "Z") + 5_500_000
        wait_until(
            partial(lambda s, b: any(slot > b for slot in decided(s)), scene, over), "the change is over"
        )
        assert runner.stop() == 0
        book = read(scene)
        fired = [run.slot for run in book.of("fixed")]
        assert fired == ([moment(due + "Z")] if due else []), (zone, cron)
        near = moment(begin + "Z") + 1_000_000
        seconds = [slot // 1_000_000 for slot in decided(scene) if slot >= near]
        assert len(seconds) >= 4
        assert seconds == list(range(seconds[0], seconds[-1] + 1)), "no hole and no burst"
        verdict = check(book)
        assert verdict.good, str(verdict)
    record(
        "23 live",
        "clock changes under libfaketime: Berlin, New York, Lord Howe, Cairo",
        count,
        {"fired as planned": count},
        "fixed once a day, wildcards without a hole",
    )


def decided(scene: Scene) -> list[int]:
    """Each second that was decided about: where a command takes longer than one, the next is skipped."""
    book = read(scene)
    slots = [run.slot for run in book.of("second")]
    for each in book.ranges:
        if each.job == "second":
            slots += range(each.slot, each.last + 1, 1_000_000)
    return sorted(slots)


def clock_set(scene: Scene) -> list[str]:
    """What the history says of the clock, by what the clock showed then, the latest first."""
    told = json.loads(scene.cli("history", "--all", "--json").stdout)["clock"]
    return [each["text"].removeprefix("the clock was set ") for each in told]


def test_case_25_clock_back(stage: Stage) -> None:
    scene = stage(TWO)
    clock = WallClock(scene.directory, "2027-01-15T11:40:00")
    runner = scene.serve(environ=clock.environ)
    runner.wait_lead()
    clock.set_to("2027-01-15T11:59:58")
    wait_until(lambda: "daily@" in scene.starts.read_text(), "the daily job ran")
    clock.set(-3600)
    back = time.monotonic()
    runner.wait_says("the wall clock was set by -3600")
    # It has noticed, so what starts from here on is of the hour that comes again.
    scene.wait_start(scene.started())
    gap = time.monotonic() - back
    # The hour comes to its end again: what is fixed to noon has been there.
    clock.set(3600 - 3)
    runner.wait_says("the wall clock was set by +3597")
    wait_until(lambda: clock.now() * 1e6 > moment("2027-01-15T12:00:03Z") + 2e6, "it is noon again")
    scene.wait_start()
    # By the wall's time, which went back: which of the two ways forward is the later one there is chance.
    first, *others = reversed(clock_set(scene))
    assert first == "back by 1h"
    assert len(others) == 2
    assert "forward by 59m 57s" in others
    assert json.loads(scene.cli("status", "--json").stdout)["clock"]["text"].endswith("forward by 59m 57s")
    assert runner.stop() == 0
    book = read(scene)
    assert len(book.of("daily")) == 1
    keys = [(run.job, run.slot, run.nonce) for run in book.runs]
    assert len(keys) == len(set(keys))
    assert any(run.nonce == "c1" for run in book.of("second"))
    verdict = check(book)
    assert not verdict.started_twice
    assert not verdict.doubled
    assert not verdict.live
    record(
        "25",
        "the clock set back by 1 h",
        1,
        {"per-second job goes on after, s": gap, "daily runs": 1, "started twice": 0},
        "<= 2 s, daily not repeated",
    )
    judge("25", gap)


def test_case_26_clock_forward(stage: Stage) -> None:
    scene = stage(
        TWO.replace(
            "  daily:",
            f'  all:\n    schedule: "* * * * * *"\n    catchup: all\n    run: |\n      {MARK}\n  daily:',
        )
    )
    clock = WallClock(scene.directory, "2027-01-15T11:30:00")
    runner = scene.serve(environ=clock.environ)
    runner.wait_lead()
    scene.wait_start()
    before = clock.now() * 1e6
    clock.set(3600)
    after = clock.now() * 1e6
    runner.wait_says("the wall clock was set by +3600")
    wait_until(lambda: "daily@" in scene.starts.read_text(), "the daily job ran")
    wait_until(
        lambda: sum(run.slot > after + 5e6 for run in read(scene).of("second")),
        "it goes on",
    )
    for job in ("second", "all", "daily"):
        scene.ask("pause", job=job)
    wait_until(lambda: not read(scene).live, "the caught-up ones have ended")
    assert runner.stop() == 0
    book = read(scene)
    extra = [run for run in book.of("second") if before + 60e6 < run.slot < after - 60e6]
    late = [run for run in book.of("all") if before + 5e6 < run.slot < after]
    assert not extra
    assert len(late) <= 20
    assert len(book.of("daily")) == 1
    merged = sum(each.count for each in book.ranges if each.job == "second" and each.state == "merged")
    missed = sum(each.count for each in book.ranges if each.job == "all" and each.state == "missed")
    assert merged > 3500
    assert missed > 3500
    told = {each.detail for each in book.ranges if each.count > 3000}
    assert told == {"the clock was set forward by 1h"}
    assert clock_set(scene) == ["forward by 1h"]
    verdict = check(book)
    assert verdict.good, str(verdict)
    figures = {**verdict.figures, "merged": merged, "caught up": len(late), "missed": missed}
    record("26", "the clock set forward by 1 h", 1, figures, "1 run a job; `all`: at most 20")


def test_case_27_suspended(stage: Stage) -> None:
    length = size(7, 90)
    scene = stage(
        f"""\
jobs:
  latest:
    schedule: "* * * * * *"
    run: |
      {MARK}
  all:
    schedule: "* * * * * *"
    catchup: {{runs: all, window: 1h, max: 20}}
    run: |
      {MARK}
  none:
    schedule: "* * * * * *"
    catchup: none
    run: |
      {MARK}
"""
    )
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    runner.signal(signal.SIGSTOP)
    time.sleep(length)
    before = scene.started()
    runner.signal(signal.SIGCONT)
    first = scene.wait_start(before)
    newest = int(time.time() * 1e6)
    wait_until(
        lambda: all(read(scene).of(job)[-1].slot > newest + 2_000_000 for job in ("latest", "all", "none")),
        "all go on",
    )
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    merged = sum(each.count for each in book.ranges if each.state == "merged" and each.job == "latest")
    missed = sum(each.count for each in book.ranges if each.state == "missed" and each.job == "none")
    assert merged >= length - 3
    assert missed >= length - 8
    figures = {
        **verdict.figures,
        "first start after waking, s": first,
        "merged": merged,
        "missed(downtime)": missed,
    }
    record(
        "27",
        f"SIGSTOP of the runner for {length} s, as a suspended host",
        1,
        figures,
        "first <= 1 s, catch-up decides",
    )
    judge("27", first)


def test_case_28_zone_rules(stage: Stage) -> None:
    scene = stage(
        'jobs:\n  daily:\n    schedule: "0 12 * * *"\n    timezone: Europe/Berlin\n    run: "true"\n'
    )
    data = scene.directory / "zones"
    system = next(Path(path) for path in zoneinfo.TZPATH if (Path(path) / "Europe/Berlin").exists())
    shutil.copytree(system, data, symlinks=False)
    scene.environ["PYTHONTZPATH"] = str(data)
    runner = scene.serve()
    runner.wait_lead()
    before = _next(scene)
    # A decree: Berlin goes by Tokyo's time. Time zone packages replace the files of a zone just so.
    aside = data / "Europe" / ".Berlin"
    shutil.copy(data / "Asia" / "Tokyo", aside)
    os.replace(aside, data / "Europe" / "Berlin")
    began = time.monotonic()
    runner.signal(signal.SIGHUP)
    wait_until(lambda: _next(scene) != before, "the next time is planned anew")
    took = time.monotonic() - began
    assert _next(scene) % 86_400_000_000 == 3 * 3600 * 1_000_000
    assert runner.stop() == 0
    scene.file.write_text(scene.file.read_text().replace("Europe/Berlin", "Europe/Berlim"))
    refused = scene.cli("validate", check=False)
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert "jobs.yaml:4" in said
    assert "Europe/Berlin" in said
    record(
        "28",
        "other rules for a zone, SIGHUP; an unknown zone",
        1,
        {"planned anew after, s": took, "unknown zone": "refused, line named"},
        "<= 1 min",
    )


def _next(scene: object) -> int:
    from sqlalchemy import create_engine, select

    from runner.jobstores.sqlalchemy.tables import jobs
    from tests.faults.rig import Scene

    assert isinstance(scene, Scene)
    engine = create_engine(scene.url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(select(jobs.c.next_at)).scalar_one())
    finally:
        engine.dispose()


POLICIES = {"none": ("missed", "downtime"), "latest": ("merged", "catch-up"), "all": ("missed", "window")}


def test_case_08_catch_up_counts(stage: Stage) -> None:
    """Ten minutes down, on a clock that is set: per-second and daily jobs under each policy, exact counts."""
    kinds = {"second": "* * * * * *", "daily": "0 12 * * *"}
    names = [f"{kind}_{policy}" for kind in kinds for policy in POLICIES]
    scene = stage(
        "jobs:\n"
        + "".join(
            f'  {kind}_{policy}:\n    schedule: "{cron}"\n    catchup: {policy}\n    run: |\n      {MARK}\n'
            for kind, cron in kinds.items()
            for policy in POLICIES
        )
    )
    clock = WallClock(scene.directory, "2027-01-15T11:54:00")
    runner = scene.serve(environ=clock.environ)
    runner.wait_lead()
    scene.wait_start()
    assert runner.stop() == 0
    last = max(run.slot for run in read(scene).runs)
    clock.set(600)
    back = int(clock.now() * 1e6)
    runner = scene.serve(environ=clock.environ)
    runner.wait_lead()

    def goes_on() -> bool:
        book = read(scene)
        return all(
            any(run.slot > back + 1_000_000 for run in book.of(f"second_{policy}")) for policy in POLICIES
        )

    wait_until(goes_on, "it goes on")
    for job in names:
        scene.ask("pause", job=job)
    wait_until(lambda: not read(scene).live, "all has ended")
    assert runner.stop() == 0
    book = read(scene)
    verdict = check(book)
    assert verdict.good, str(verdict)
    assert {policy: len(book.of(f"daily_{policy}")) for policy in POLICIES} == {
        "none": 0,
        "latest": 1,
        "all": 1,
    }
    figures: dict[str, object] = dict(verdict.figures)
    for policy, (state, reason) in POLICIES.items():
        job = f"second_{policy}"
        down = [run for run in book.of(job) if last < run.slot <= back - 10_000_000]
        assert len(down) <= (20 if policy == "all" else 0), policy
        big = [each for each in book.ranges if each.job == job and each.count > 500]
        assert [(each.state, each.reason) for each in big] == [(state, reason)], policy
        figures[f"{policy}: {state}({reason})"] = big[0].count
    record(
        "08",
        "10 min down, each catch-up policy, per-second and daily jobs",
        1,
        figures,
        "exact counts, one summarising row",
    )
