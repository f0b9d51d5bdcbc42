"""The messages of a bad week: the machine decides, the words are ours."""

from __future__ import annotations

from typing import Any

from runner.core.event import Notice
from runner.core.run import Status
from runner.moment import DAY, HOUR, MINUTE, SECOND, parse_iso
from runner.notify.compose import message
from runner.notify.gate import is_urgent
from runner.simulation import Scripted, Simulation
from runner.spec import Command, JobSpec, Notify, Policy, Rule, Sla, Step
from runner.triggers.schedule import build

START = parse_iso("2026-11-23T12:00:00+01:00")
BAD = Scripted(Status.FAILED, took=63 * SECOND, exit_code=3, tail="loading\nno such table: orders\n")
GOOD = Scripted(took=90 * MINUTE)


def spec(notify: Notify, **more: Any) -> JobSpec:
    steps = (Step("extract", Command(script="a")), Step("load", Command(script="b"), needs=("extract",)))
    trigger = build("0 2 * * *", timezone="Europe/Oslo", job_id="etl", calendars={})
    made = {"name": "Nightly ETL", "owner": "data", "timezone": "Europe/Oslo", "source": "/jobs.yaml"}
    return JobSpec("etl", steps, trigger, notify=notify, **(made | more))


def play(made: JobSpec, days: int, load: list[Scripted], *, undeliverable: str = "") -> Simulation:
    world = Simulation([made], start=START, script={"load": load})
    world.undeliverable |= {undeliverable}
    world.run(START + days * DAY)
    return world


def said(world: Simulation) -> list[str]:
    return [f"{each.channel}: {message(each.news).title}" for each in world.alerts]


def test_failures_reminders_and_recovery() -> None:
    rules = Notify(
        on_failure=(Rule(("ops",)), Rule(("boss",), after=2, remind=16 * HOUR)), on_recovery=(Rule(("ops",)),)
    )
    world = play(spec(rules), 3, [BAD, BAD, GOOD])
    assert said(world) == [
        "ops: Nightly ETL failed in load (exit code 3)",
        "boss: Nightly ETL failed in load (exit code 3)",
        "boss: Nightly ETL is still failing (2 in a row)",
        "ops: Nightly ETL recovered after 2 failures",
    ]
    assert message(world.alerts[1].news).body == (
        """\
Job: Nightly ETL (etl)
Step: load, attempt 1
Result: failed, exit code 3
Scheduled: Wed 2026-11-25 02:00:00 CET
Started: Wed 2026-11-25 02:00:00 CET
Took: 1m 4s
Failures in a row: 2, since Tue 2026-11-24 02:01:04 CET
Owner: data
Look further: runner logs etl@2026-11-25T01:00:00Z

The last lines of output:
    loading
    no such table: orders"""
    )
    assert message(world.alerts[3].news).body == (
        """\
Job: Nightly ETL (etl)
Result: succeeded
Scheduled: Thu 2026-11-26 02:00:00 CET
Started: Thu 2026-11-26 02:00:00 CET
Took: 1h 30m
Failures before: 2, since Tue 2026-11-24 02:01:04 CET, it lasted 2d 1h
Owner: data
Look further: runner logs etl@2026-11-26T01:00:00Z"""
    )


def test_a_late_run_and_one_on_time() -> None:
    rules = Notify(on_late=(Rule(("ops",)),), on_recovery=(Rule(("ops",)),), on_success=(Rule(("log",)),))
    policy = Policy(sla=Sla(max_duration=HOUR))
    world = play(spec(rules, policy=policy), 1, [GOOD])
    assert said(world) == [
        "ops: Nightly ETL is late: it runs longer than it should",
        "log: Nightly ETL succeeded",
        "ops: Nightly ETL is on time again",
    ]


def test_a_message_that_is_given_up_is_told_elsewhere() -> None:
    rules = Notify(on_failure=(Rule(("ops", "mail")),))
    world = play(spec(rules), 3, [BAD, GOOD], undeliverable="ops")
    assert said(world)[-1] == "mail: an alert about Nightly ETL did not reach ops"
    assert "Not delivered: nobody answers\n" in message(world.alerts[-1].news).body


def test_a_broken_file_and_its_mending() -> None:
    world = Simulation([], start=START)
    facts = {"file": "/jobs.yaml", "error": "error[syntax]: expected a mapping"}
    world.handle(Notice("config", "/jobs.yaml", ("ops",), good=False, facts=facts))
    world.run(START + HOUR)
    world.handle(Notice("config", "/jobs.yaml", ("ops",), good=True, facts={"file": "/jobs.yaml"}))
    world.run(START + 2 * HOUR)
    assert said(world) == ["ops: /jobs.yaml is broken", "ops: /jobs.yaml is good again"]
    assert [message(each.news).level for each in world.alerts] == ["failure", "success"]


def test_own_words_and_urgent_jobs() -> None:
    rule = Rule(("ops",), title="${{ job.name }} broke in ${{ run.failed_step }} after ${{ run.duration }} s")
    world = play(spec(Notify(on_failure=(rule,)), tags=("urgent",)), 1, [BAD])
    assert said(world) == ["ops: Nightly ETL broke in load after 64.0 s"]
    assert is_urgent(world.alerts[0])


def test_only_what_the_condition_wants() -> None:
    rule = Rule(("ops",), condition="run.duration > 3600")
    world = play(spec(Notify(on_success=(rule,))), 3, [Scripted(), GOOD, Scripted()])
    assert said(world) == ["ops: Nightly ETL succeeded"]
    assert world.alerts[0].news.facts["took"] > 3600
