"""A and D by engine alone: virtual days under a seed (case 11), one schedule through every door (case 24)."""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from runner.core.run import Job
from runner.core.timing import due
from runner.moment import DAY, SECOND, Moment
from runner.spec import Catchup, Command, JobSpec, Policy, Step
from runner.triggers.schedule import build
from runner.views.upcoming import upcoming
from tests.faults.figures import SEED, record, size
from tests.faults.virtual import BEGIN, World

CHUNK = 50
FEW = 20
"""Worlds for which other processes are not worth their start."""


def played(seed: int) -> Counter[str]:
    """What happened in the days under a seed; AssertionError names it where a law was broken."""
    world = World(seed, CHUNK)
    world.play()
    return Counter(
        {
            "crashes": world.crashes,
            "clock steps": world.steps,
            "store failures": world.failures,
            "attempts": len(world.hosts.begun),
        }
    )


def test_case_11_virtual_days() -> None:
    """RUNNER_FAULTS_SEED replays: the seed that failed is in the message."""
    given = os.environ.get("RUNNER_FAULTS_WORLD")
    days = size(200, 100_000)
    seeds = [int(given)] if given else [SEED * 1_000_000 + number for number in range(days // CHUNK)]
    if len(seeds) > FEW:
        # Each process inherits pytest's collection of log records: they would fill the memory, and slow the collector.
        with ProcessPoolExecutor(initializer=logging.disable) as pool:
            found = sum(pool.map(played, seeds, chunksize=10), Counter())
    else:
        found = sum(map(played, seeds), Counter())
    figures = {**found, "violations": 0}
    record(
        "11",
        "virtual days of engine and core, seeded",
        len(seeds) * CHUNK,
        figures,
        "0 violations, the seed replays",
    )


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Tehran", "UTC")


def random_cron(dice: random.Random) -> str:
    minute = dice.choice(["0", "30", "*/7", "15,45", "*", "59"])
    hour = dice.choice(["*", "2", "0", "*/3", "1-3", "23"])
    day = dice.choice(["*", "*", "1", "*/2", "L" if dice.random() < 0.2 else "15"])
    return f"{minute} {hour} {day} * {dice.choice(['*', '*', 'mon-fri', 'sun'])}"


def test_case_24_one_schedule_through_every_door() -> None:
    """next(), the slots that catch-up enumerates, and the preview are the same list."""
    count = size(200, 100_000)
    dice = random.Random(SEED)
    for _ in range(count):
        text, zone = random_cron(dice), dice.choice(ZONES)
        begin: Moment = BEGIN + dice.randrange(3_000) * DAY + dice.randrange(86_400) * SECOND
        trigger = build(text, timezone=zone, job_id="x", calendars={})
        slots: list[Moment] = []
        at = trigger.next_after(begin)
        while at is not None and len(slots) < 6:
            slots.append(at)
            at = trigger.next_after(at)
        if not slots:
            continue
        window = slots[-1] - slots[0] + DAY
        policy = Policy(catchup=Catchup("all", window=window, max=100))
        spec = JobSpec("x", (Step("main", Command("true")),), trigger, policy, timezone=zone)
        job = Job(spec, slots[0])
        assert list(due(job, slots[-1]).runs) == slots, (text, zone, begin)
        coming = upcoming([job], after=begin, now=begin, count=len(slots))
        assert [each.at for each in coming] == slots, (text, zone, begin)
        # Not by the wall clock, which shows a repeated hour twice.
        assert slots == sorted(set(slots)), (text, zone, begin)
    record(
        "24",
        "random crontab lines and zones: next, catch-up, preview",
        count,
        {"lines that differ": 0},
        "identical lists",
    )
