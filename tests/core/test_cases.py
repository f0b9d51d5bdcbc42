"""The worked timelines: a spec, what happens, the ledger afterwards. UTC unless said."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from runner.core.event import Configured, Fired, Maintenance, Notice, Settings
from runner.core.run import Status
from runner.moment import HOUR, MINUTE, SECOND, Moment, from_datetime, to_datetime
from runner.simulation import Scripted, Simulation, by_step
from runner.spec import (
    After,
    Catchup,
    Command,
    Concurrency,
    JobKey,
    JobSpec,
    Notify,
    OnlyAfter,
    Policy,
    Retry,
    Rule,
    Sla,
    Step,
)
from runner.triggers.calendars import Calendar
from runner.triggers.date import DateTrigger
from runner.triggers.schedule import Schedule, build

FAIL = Scripted(Status.FAILED)
D = Scripted()
NOBODY = Notify()
ONCE = Retry()


def at(text: str, zone: str = "UTC") -> Moment:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


MIDNIGHT = at("2026-06-01T00:00")


def job(
    id: str = "job",
    schedule: Schedule | None = None,
    *,
    steps: tuple[Step, ...] | None = None,
    zone: str = "UTC",
    calendars: Mapping[str, Calendar] | None = None,
    notify: Notify = NOBODY,
    only_after: OnlyAfter | None = None,
    retry: Retry = ONCE,
    **policy: Any,
) -> JobSpec:
    trigger = None
    if schedule is not None:
        trigger = build(schedule, timezone=zone, job_id=id, calendars=calendars or {})
    return JobSpec(
        id,
        steps or (step("main", retry=retry),),
        trigger,
        policy=Policy(**policy),
        source="/jobs.yaml",
        timezone=zone,
        notify=notify,
        only_after=only_after,
    )


def step(id: str, *needs: str, **rest: Any) -> Step:
    return Step(id, Command(script="true"), needs=needs, **rest)


def ran(simulation: Simulation, id: str = "job") -> list[tuple[str, str, float]]:
    """Each run: its slot, its status, how late it started in seconds."""
    return [
        (clock(run.key.slot) + run.key.nonce, str(run.status), run.late / SECOND)
        for run in simulation.runs_of(id)
    ]


def clock(moment: Moment) -> str:
    return to_datetime(moment, UTC).strftime("%H:%M:%S").removesuffix(":00")


def others(simulation: Simulation, id: str = "job") -> list[tuple[str, str, str, int]]:
    """What did not run: first slot, state, reason, how many."""
    return [
        (clock(each.slot), each.state, each.reason, each.count)
        for each in simulation.occurrences
        if each.state != "ran" and each.job.id == id
    ]


def down(simulation: Simulation, start: str, end: str, *, host: bool = False) -> None:
    simulation.run(at(start))
    simulation.crash(host=host)
    simulation.run(at(end))
    simulation.restart()


def test_1_a_daily_job_missed_by_an_hour_runs_late() -> None:
    simulation = Simulation([job(schedule="0 2 * * *")], start=MIDNIGHT)
    down(simulation, "2026-06-01T01:30", "2026-06-01T03:01")
    simulation.run(at("2026-06-01T04:00"))
    assert ran(simulation) == [("02:00", "succeeded", 3660)]
    assert others(simulation) == []


def test_2_three_days_down_runs_the_newest_and_merges_the_rest() -> None:
    simulation = Simulation([job(schedule="0 2 * * *")], start=MIDNIGHT)
    down(simulation, "2026-06-01T01:00", "2026-06-03T12:00")
    simulation.run(at("2026-06-03T13:00"))
    assert [(clock(run.key.slot), run.key.slot - MIDNIGHT) for run in simulation.runs_of("job")] == [
        ("02:00", 50 * HOUR)
    ]
    (merged,) = [each for each in simulation.occurrences if each.state == "merged"]
    assert (merged.count, merged.slot, merged.last, merged.into) == (
        2,
        MIDNIGHT + 2 * HOUR,
        MIDNIGHT + 26 * HOUR,
        MIDNIGHT + 50 * HOUR,
    )


def test_3_all_runs_every_missed_one_oldest_first_one_at_a_time() -> None:
    spec = job(schedule="* * * * *", catchup=Catchup("all"))
    simulation = Simulation([spec], start=MIDNIGHT)
    down(simulation, "2026-06-01T00:00:30", "2026-06-01T00:10:30")
    simulation.run(at("2026-06-01T00:11:30"))
    assert [slot for slot, _, _ in ran(simulation)] == [f"00:{n:02}" for n in range(1, 12)]
    began = [moment for moment, _ in simulation.starts]
    assert began[:10] == [at("2026-06-01T00:10:30") + n * SECOND for n in range(10)]
    assert others(simulation) == []


def test_4_all_with_a_bound_misses_the_older_ones_in_one_row() -> None:
    spec = job(schedule="* * * * *", catchup=Catchup("all", max=3))
    simulation = Simulation([spec], start=MIDNIGHT)
    down(simulation, "2026-06-01T00:00:30", "2026-06-01T00:10:30")
    simulation.run(at("2026-06-01T00:10:50"))
    assert [slot for slot, _, _ in ran(simulation)] == ["00:08", "00:09", "00:10"]
    assert others(simulation) == [("00:01", "missed", "window", 7)]


def test_5_none_misses_them_in_one_row() -> None:
    spec = job(schedule="* * * * *", catchup=Catchup("none"))
    simulation = Simulation([spec], start=MIDNIGHT)
    down(simulation, "2026-06-01T00:00:30", "2026-06-01T00:10:30")
    simulation.run(at("2026-06-01T00:11:30"))
    assert others(simulation) == [("00:01", "missed", "downtime", 10)]
    assert ran(simulation) == [("00:11", "succeeded", 0)]


def test_6_a_pause_is_one_row_and_the_plan_goes_on() -> None:
    simulation = Simulation([job(schedule="* * * * *")], start=MIDNIGHT)
    simulation.run(at("2026-06-01T00:00:30"))
    simulation.pause("job")
    simulation.run(at("2026-06-01T00:05:30"))
    simulation.resume("job")
    simulation.run(at("2026-06-01T00:06:30"))
    assert others(simulation) == [("00:01", "skipped", "paused", 5)]
    assert ran(simulation) == [("00:06", "succeeded", 0)]


SLOW = Scripted(took=90 * SECOND)


def test_7_skip() -> None:
    simulation = Simulation([job(schedule="* * * * *")], start=MIDNIGHT - SECOND, script={"job": SLOW})
    simulation.run(at("2026-06-01T00:03:59"))
    assert [slot for slot, _, _ in ran(simulation)] == ["00:00", "00:02"]
    assert others(simulation) == [("00:01", "skipped", "overlap", 1), ("00:03", "skipped", "overlap", 1)]


def test_8_queue() -> None:
    spec = job(schedule="* * * * *", concurrency=Concurrency("queue"))
    simulation = Simulation([spec], start=MIDNIGHT - SECOND, script={"job": SLOW})
    simulation.run(at("2026-06-01T00:03:10"))
    assert [(slot, late) for slot, _, late in ran(simulation)][:3] == [
        ("00:00", 0),
        ("00:01", 30),
        ("00:02", 60),
    ]


def test_9_replace() -> None:
    spec = job(schedule="* * * * *", concurrency=Concurrency("replace"))
    simulation = Simulation([spec], start=MIDNIGHT - SECOND, script={"job": SLOW})
    simulation.run(at("2026-06-01T00:01:50"))
    first, second = simulation.runs_of("job")
    assert (first.status, first.reason, first.ended_at) == (
        Status.CANCELLED,
        "replaced",
        MIDNIGHT + MINUTE,
    )
    assert (second.status, second.started_at) == (Status.RUNNING, MIDNIGHT + MINUTE)


def test_10_a_full_group_waits() -> None:
    specs = [job(id, schedule="0 2 * * *", concurrency=Concurrency(group="db")) for id in ("a", "b")]
    simulation = Simulation(
        specs,
        start=MIDNIGHT,
        settings=Settings(groups={"db": 1}),
        script={"a": Scripted(took=5 * MINUTE), "b": Scripted(took=5 * MINUTE)},
    )
    simulation.run(at("2026-06-01T03:00"))
    assert ran(simulation, "a") == [("02:00", "succeeded", 0)]
    assert ran(simulation, "b") == [("02:00", "succeeded", 300)]


def test_10_of_those_due_at_one_moment_the_higher_priority_takes_the_place() -> None:
    specs = [
        job(id, schedule="0 2 * * *", concurrency=Concurrency(group="db"), priority=priority)
        for id, priority in (("low", -5), ("usual", 0), ("other", 0), ("high", 5))
    ]
    simulation = Simulation(
        specs,
        start=MIDNIGHT,
        settings=Settings(groups={"db": 1}),
        script={each.id: Scripted(took=5 * MINUTE) for each in specs},
    )
    simulation.run(at("2026-06-01T03:00"))
    began = {each.id: ran(simulation, each.id)[0][2] for each in specs}
    assert began == {"high": 0, "usual": 300, "other": 600, "low": 900}


def test_11_retries_are_one_run() -> None:
    notify = Notify(on_failure=(Rule(("ops",)),))
    spec = job(schedule="0 2 * * *", retry=Retry(2, 10 * SECOND, 2), notify=notify)
    simulation = Simulation([spec], start=MIDNIGHT, script={"job": [FAIL, FAIL, D]})
    simulation.run(at("2026-06-01T03:00"))
    (run,) = simulation.runs_of("job")
    assert (run.status, run.steps["main"].attempt) == (Status.SUCCEEDED, 3)
    two = at("2026-06-01T02:00")
    assert [moment - two for moment, _ in simulation.starts] == [0, 11 * SECOND, 32 * SECOND]
    assert simulation.alerts == []


def test_12_a_failed_step_skips_what_needs_it_but_not_what_always_runs() -> None:
    steps = (step("a"), step("b", "a"), step("c", "b"), step("d", "c", condition="always()"))
    simulation = Simulation([job(steps=steps)], start=MIDNIGHT, script={"b": FAIL})
    simulation.fire("job")
    simulation.run(at("2026-06-01T01:00"))
    (run,) = simulation.runs_of("job")
    assert run.status is Status.FAILED
    assert {id: str(state.status) for id, state in run.steps.items()} == {
        "a": "succeeded",
        "b": "failed",
        "c": "skipped",
        "d": "succeeded",
    }


def test_13_a_timeout_ends_when_the_tree_is_gone() -> None:
    spec = job(schedule="0 2 * * *", timeout=MINUTE)
    stubborn = Scripted(took=HOUR, stops=10 * SECOND)
    simulation = Simulation([spec], start=MIDNIGHT, script={"job": stubborn})
    simulation.run(at("2026-06-01T03:00"))
    (run,) = simulation.runs_of("job")
    assert (run.status, run.took) == (Status.TIMED_OUT, 70 * SECOND)


def test_14_a_live_run_ends_by_the_old_spec() -> None:
    simulation = Simulation([job(schedule="0 2 * * *")], start=MIDNIGHT, script={"job": Scripted(took=HOUR)})
    simulation.run(at("2026-06-01T02:30"))
    old = simulation.runs_of("job")[0].spec
    simulation.reload([job(schedule="0 5 * * *")])
    simulation.run(at("2026-06-01T04:00"))
    (run,) = simulation.runs_of("job")
    assert (run.status, run.spec) == (Status.SUCCEEDED, old)
    assert simulation.jobs[run.key.job].next_at == at("2026-06-01T05:00")


def test_15_a_removed_job_ends_its_run_and_keeps_its_history() -> None:
    simulation = Simulation([job(schedule="0 2 * * *")], start=MIDNIGHT, script={"job": Scripted(took=HOUR)})
    simulation.run(at("2026-06-01T02:30"))
    simulation.reload([])
    simulation.run(at("2026-06-05T00:00"))
    assert [str(run.status) for run in simulation.runs.values()] == ["succeeded"]
    assert simulation.jobs == {}


@pytest.mark.parametrize(
    ("start", "slots"),
    [
        ("2026-03-29T00:00", ["2026-03-29T03:00:00+02:00"]),
        ("2026-10-25T00:00", ["2026-10-25T02:30:00+02:00"]),
    ],
)
def test_16_a_fixed_time_runs_once_through_both_changes(start: str, slots: list[str]) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = at(start, "Europe/Berlin")
    simulation = Simulation([job(schedule="30 2 * * *", zone="Europe/Berlin")], start=begin)
    simulation.run(begin + 20 * HOUR)
    assert [to_datetime(run.key.slot, zone).isoformat() for run in simulation.runs_of("job")] == slots


@pytest.mark.parametrize(("day", "fires"), [("2026-03-29", 46), ("2026-10-25", 50)])
def test_17_a_half_hourly_job_never_has_a_hole(day: str, fires: int) -> None:
    begin = at(f"{day}T00:00", "Europe/Berlin")
    end = at(f"{day}T23:59", "Europe/Berlin")
    simulation = Simulation([job(schedule="*/30 * * * *", zone="Europe/Berlin")], start=begin - SECOND)
    simulation.run(end)
    slots = [run.key.slot for run in simulation.runs_of("job")]
    assert len(slots) == fires
    assert {b - a for a, b in pairwise(slots)} == {30 * MINUTE}


def test_18_every_second_hour_leaves_out_the_hour_that_does_not_exist() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = at("2026-03-29T00:00", "Europe/Berlin")
    simulation = Simulation([job(schedule="0 */2 * * *", zone="Europe/Berlin")], start=begin - SECOND)
    simulation.run(at("2026-03-29T05:00", "Europe/Berlin"))
    assert [to_datetime(run.key.slot, zone).hour for run in simulation.runs_of("job")] == [0, 4]


QUICK = Scripted(took=100_000)


def test_19_a_clock_set_back_holds_up_only_what_has_fixed_times() -> None:
    specs = [job("tick", schedule="every 1s"), job("daily", schedule="0 2 * * *")]
    simulation = Simulation(specs, start=at("2026-06-01T01:59:30"), script={"tick": QUICK})
    simulation.run(at("2026-06-01T02:30"))
    simulation.set_clock(-HOUR)
    simulation.run(at("2026-06-01T01:30:05"))
    again = [moment for moment, attempt in simulation.starts if attempt.run.nonce == "c1"]
    assert again[:2] == [at("2026-06-01T01:30:01"), at("2026-06-01T01:30:02")]
    simulation.run(at("2026-06-01T02:10"))
    nonces = {run.key.nonce for run in simulation.runs_of("tick") if run.key.slot == at("2026-06-01T02:05")}
    assert nonces == {"", "c1"}
    assert ran(simulation, "daily") == [("02:00", "succeeded", 0)]


def test_20_a_clock_set_forward_is_downtime() -> None:
    simulation = Simulation([job(schedule="every 1s")], start=MIDNIGHT, script={"job": QUICK})
    simulation.run(at("2026-06-01T00:00:10.5"))
    before = len(simulation.runs)
    simulation.set_clock(HOUR)
    assert len(simulation.runs) == before + 1
    assert others(simulation) == [("00:00:11", "merged", "catch-up", 3599)]


def test_21_a_day_off_is_on_record_and_rolls_forward() -> None:
    from runner.triggers.calendars import Calendar

    monday = datetime(2026, 6, 1).date()
    calendars = {"off": Calendar("off", add=((monday, "a day off"),))}
    spec = job(
        schedule={"cron": "0 9 * * mon-fri", "calendar": "off", "roll": "forward"}, calendars=dict(calendars)
    )
    simulation = Simulation([spec], start=MIDNIGHT)
    simulation.run(at("2026-06-03T00:00"))
    assert [run.key.slot for run in simulation.runs_of("job")] == [at("2026-06-02T09:00")]
    assert others(simulation) == [("09:00", "skipped", "calendar", 1)]
    (passed,) = [each for each in simulation.occurrences if each.state == "skipped"]
    assert "2026-06-02" in passed.detail


def test_22_alerts_arrive_and_do_not_tire() -> None:
    notify = Notify(on_failure=(Rule(("ops",), after=2, remind=HOUR),), on_recovery=(Rule(("ops",)),))
    spec = job(schedule="every 36m", notify=notify)
    simulation = Simulation([spec], start=MIDNIGHT - SECOND, script={"job": [FAIL] * 5 + [D]})
    simulation.run(at("2026-06-01T06:00"))
    told = [(clock(each.news.at), each.news.kind) for each in simulation.alerts]
    assert told == [
        ("00:36:01", "failure"),
        ("01:36:01", "reminder"),
        ("02:36:01", "reminder"),
        ("03:00:01", "recovery"),
    ]
    facts = simulation.alerts[-1].news.facts
    assert (facts["failures"], facts["since"]) == (5, "2026-06-01T00:00:01+00:00")


def test_23_a_dead_mans_switch_is_told_once_and_closed_by_a_success() -> None:
    notify = Notify(on_late=(Rule(("ops",)),))
    spec = job(schedule="0 2 * * *", sla=Sla(success_every=26 * HOUR), notify=notify)
    script = {"job": [D, FAIL, FAIL, D]}
    simulation = Simulation([spec], start=MIDNIGHT, script=script)
    simulation.run(at("2026-06-05T00:00"))
    assert [(each.news.at, each.news.kind) for each in simulation.alerts] == [
        (at("2026-06-02T04:00:01"), "late")
    ]
    assert simulation.incidents[(simulation.key("job"), "late")].closed_at == at("2026-06-04T02:00:01")


def test_24_an_attempt_that_had_not_begun_is_started_once() -> None:
    simulation = Simulation([job(schedule="0 2 * * *")], start=MIDNIGHT, script={"job": Scripted(took=HOUR)})
    simulation.run(at("2026-06-01T02:00"))
    simulation.crash()
    simulation._flights.clear()
    simulation.restart()
    simulation.run(at("2026-06-01T05:00"))
    (run,) = simulation.runs_of("job")
    assert (run.status, run.steps["main"].attempt) == (Status.SUCCEEDED, 1)


def test_25_a_command_that_outlives_the_runner_is_taken_over() -> None:
    spec = job(schedule="0 2 * * *")
    script = {"job": Scripted(Status.FAILED, HOUR, 7)}
    simulation = Simulation([spec], start=MIDNIGHT, script=script)
    down(simulation, "2026-06-01T02:30", "2026-06-01T02:31")
    simulation.run(at("2026-06-01T05:00"))
    (run,) = simulation.runs_of("job")
    outcome = run.steps["main"].outcome
    assert outcome is not None
    assert (run.status, outcome.exit_code, len(simulation.starts)) == (Status.FAILED, 7, 1)


@pytest.mark.parametrize(
    ("policy", "status", "attempt"), [("fail", Status.INTERRUPTED, 1), ("retry", Status.SUCCEEDED, 2)]
)
def test_26_a_host_that_dies(policy: str, status: Status, attempt: int) -> None:
    spec = job(schedule="0 2 * * *", on_interrupt=policy)
    simulation = Simulation([spec], start=MIDNIGHT, script={"job": Scripted(took=HOUR)})
    down(simulation, "2026-06-01T02:30", "2026-06-01T02:40", host=True)
    simulation.run(at("2026-06-01T05:00"))
    (run,) = simulation.runs_of("job")
    assert (run.status, run.steps["main"].attempt) == (status, attempt)


@pytest.mark.parametrize(
    ("took", "expected"),
    [
        (50 * MINUTE, [("08:30", "succeeded", 20 * 60)]),
        (3 * HOUR, []),
    ],
)
def test_27_a_gate_waits_and_then_skips(took: int, expected: list[tuple[str, str, float]]) -> None:
    specs = [
        job("etl", schedule="0 8 * * *"),
        job("report", schedule="30 8 * * *", only_after=OnlyAfter("etl", 2 * HOUR)),
    ]
    simulation = Simulation(specs, start=MIDNIGHT, script={"etl": Scripted(took=took)})
    simulation.run(at("2026-06-01T12:00"))
    assert ran(simulation, "report") == expected
    if not expected:
        assert others(simulation, "report") == [("08:30", "skipped", "only_after", 1)]
        assert [each.detail for each in simulation.occurrences if each.detail] == ["etl, within 2h"]


def closed(simulation: Simulation, start: str, end: str, *tags: str) -> None:
    opens = at(f"2026-06-01T{start}")
    simulation.settings = Settings(
        {"db": 1},
        maintenance=(Maintenance("upgrade", DateTrigger.of(opens), at(f"2026-06-01T{end}") - opens, tags),),
    )
    simulation.handle(Configured(simulation.settings))


def test_nothing_starts_in_maintenance_but_what_a_person_starts() -> None:
    hourly = job("hourly", schedule="0 * * * *")
    then = replace(job("then"), after=(After("other", "always"),))
    simulation = Simulation([hourly, then, job("other")], start=MIDNIGHT)
    closed(simulation, "00:30", "01:30")
    simulation.run(at("2026-06-01T01:10"))
    simulation.handle(Fired(JobKey("default", "/jobs.yaml", "other")))
    simulation.run(at("2026-06-01T02:10"))
    assert others(simulation, "hourly") == [("01:00", "skipped", "maintenance", 1)]
    assert ran(simulation, "hourly") == [("02:00", "succeeded", 0)]
    assert ran(simulation, "other") == [("01:101", "succeeded", 0)]
    assert others(simulation, "then") == [("01:10:01", "skipped", "maintenance", 1)]
    skipped = [each for each in simulation.occurrences if each.state == "skipped"]
    assert {each.detail for each in skipped} == {"upgrade"}


@pytest.mark.parametrize(("on", "follows"), [("failure", 0), ("success", 0), ("always", 1)])
def test_a_run_that_somebody_cancelled_is_no_failure_to_follow(
    on: Literal["success", "failure", "always"], follows: int
) -> None:
    then = replace(job("then"), after=(After("first", on),))
    slow = by_step({"first": Scripted(took=HOUR)})
    simulation = Simulation([job("first", schedule="0 1 * * *"), then], start=MIDNIGHT, script=slow)
    simulation.run(at("2026-06-01T01:10"))
    simulation.cancel(*simulation.runs_of("first"))
    simulation.run(at("2026-06-01T02:10"))
    assert [run.status for run in simulation.runs_of("first")] == [Status.CANCELLED]
    assert len(simulation.runs_of("then")) == follows


def test_a_paused_job_that_follows_another_has_on_record_what_it_did_not_follow() -> None:
    then = replace(job("then"), after=(After("first", "success"),))
    off = replace(job("off"), after=(After("first", "always"),), enabled=False)
    simulation = Simulation([job("first", schedule="0 * * * *"), then, off], start=MIDNIGHT)
    simulation.run(at("2026-06-01T01:10"))
    simulation.pause("then")
    simulation.run(at("2026-06-01T03:10"))
    simulation.resume("then")
    simulation.run(at("2026-06-01T04:10"))
    assert others(simulation, "then") == [
        ("02:00:01", "skipped", "paused", 1),
        ("03:00:01", "skipped", "paused", 1),
    ]
    assert [moment for moment, *_ in ran(simulation, "then")] == ["01:00:011", "04:00:011"]
    assert (others(simulation, "off"), ran(simulation, "off")) == ([], [])


def test_maintenance_comes_again_each_time_its_schedule_says() -> None:
    zone = "Europe/Berlin"
    weekly = build("0 1 * * sun", timezone=zone, job_id="", calendars={})
    simulation = Simulation(
        [job("hourly", schedule="0 * * * *", zone=zone)], start=at("2026-03-21T22:30", zone)
    )
    simulation.settings = Settings(maintenance=(Maintenance("patches", weekly, 150 * MINUTE),))
    simulation.handle(Configured(simulation.settings))
    simulation.run(at("2026-03-22T05:30", zone))
    night = [(each, "skipped", "maintenance", 1) for each in ("00:00", "01:00", "02:00")]
    assert others(simulation, "hourly") == night
    # In this night the clock springs from 02:00 to 03:00: the window lasts as long as ever, and these times are UTC.
    simulation.run(at("2026-03-29T06:30", zone))
    assert others(simulation, "hourly") == night * 2


def test_a_window_of_maintenance_that_opens_again_before_it_is_over_goes_on() -> None:
    twice = build(["0 22 * * *", "0 23 * * *"], timezone="UTC", job_id="", calendars={})
    night, hourly = Maintenance("tapes", twice, 90 * MINUTE), job("hourly")
    ends = at("2026-03-02T00:30")
    for hour, until in (("21:59", None), ("22:00", ends), ("23:29", ends), ("23:45", ends)):
        assert night.until(hourly, at(f"2026-03-01T{hour}")) == until
    assert night.until(hourly, ends) is None
    # One that goes on and on is followed only so far: who asks again then is told more.
    always = Maintenance("ever", build("every 1m", timezone="UTC", job_id="", calendars={}), 2 * MINUTE)
    noon = at("2026-03-01T12:00")
    assert always.until(hourly, noon) == noon + 101 * MINUTE


def test_what_waits_for_its_turn_waits_for_each_window_of_maintenance() -> None:
    slow = {"first": Scripted(took=65 * MINUTE)}
    specs = [
        job(name, schedule="0 1 * * *", concurrency=Concurrency(group="db")) for name in ("first", "second")
    ]
    simulation = Simulation(specs, start=MIDNIGHT, script=slow)
    hourly = build("5 * * * *", timezone="UTC", job_id="", calendars={})
    simulation.settings = Settings({"db": 1}, maintenance=(Maintenance("tapes", hourly, 20 * MINUTE),))
    simulation.handle(Configured(simulation.settings))
    simulation.run(at("2026-06-01T03:00"))
    assert ran(simulation, "second") == [("01:00", "succeeded", 85 * 60)]


def test_maintenance_of_tags_leaves_the_others_alone() -> None:
    tagged = replace(job("tagged", schedule="0 1 * * *"), tags=("db",))
    simulation = Simulation([tagged, job("plain", schedule="0 1 * * *")], start=MIDNIGHT)
    closed(simulation, "00:30", "01:30", "db")
    simulation.run(at("2026-06-01T02:00"))
    assert others(simulation, "tagged") == [("01:00", "skipped", "maintenance", 1)]
    assert ran(simulation, "plain") == [("01:00", "succeeded", 0)]


@pytest.mark.parametrize("die", [False, True])
def test_what_waited_for_its_turn_waits_for_the_end_of_maintenance(die: bool) -> None:
    specs = [
        job("first", schedule="0 1 * * *", concurrency=Concurrency(group="db")),
        job("second", schedule="0 1 * * *", concurrency=Concurrency(group="db")),
    ]
    simulation = Simulation(specs, start=MIDNIGHT, script={"first": Scripted(took=10 * MINUTE)})
    closed(simulation, "01:05", "02:00")
    if die:
        down(simulation, "2026-06-01T01:20", "2026-06-01T01:30")
    simulation.run(at("2026-06-01T03:00"))
    assert ran(simulation, "second") == [("01:00", "succeeded", 3600)]


def test_maintenance_that_is_called_off_lets_go_what_waited() -> None:
    simulation = Simulation([job(schedule="0 1 * * *", concurrency=Concurrency("queue"))], start=MIDNIGHT,
                            script={"job": Scripted(took=10 * MINUTE)})  # fmt: skip
    simulation.run(at("2026-06-01T01:05"))
    simulation.handle(Fired(JobKey("default", "/jobs.yaml", "job"), origin="after"))
    closed(simulation, "01:06", "02:00")
    simulation.run(at("2026-06-01T01:20"))
    assert len(ran(simulation)) == 2
    assert simulation.runs_of("job")[1].status is Status.PENDING
    closed(simulation, "03:00", "04:00")
    simulation.run(at("2026-06-01T01:40"))
    assert [run.status for run in simulation.runs_of("job")] == [Status.SUCCEEDED] * 2


def test_a_year_of_a_nightly_job_plays_in_a_second() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = at("2026-01-01T00:00", "Europe/Berlin")
    began = time.process_time()
    simulation = Simulation([job(schedule="30 2 * * *", zone="Europe/Berlin")], start=begin)
    simulation.run(at("2027-01-01T00:00", "Europe/Berlin"))
    assert time.process_time() - began < 1.0
    days = [to_datetime(run.key.slot, zone).date() for run in simulation.runs_of("job")]
    assert len(days) == len(set(days)) == 365


def test_a_notice_is_told_once_and_closed() -> None:
    simulation = Simulation(start=MIDNIGHT)
    for _ in range(3):
        simulation.handle(Notice("config", "/jobs.yaml", ("ops",), good=False, facts={"error": "line 3"}))
    simulation.handle(Notice("config", "/jobs.yaml", ("ops",), good=True))
    assert [(each.news.kind, each.news.facts["good"]) for each in simulation.alerts] == [
        ("config", False),
        ("config", True),
    ]


def test_an_alert_is_tried_again_and_given_up_after_a_day() -> None:
    notify = Notify(on_failure=(Rule(("ops",)), Rule(("mail",))))
    spec = job(schedule="0 2 * * *", notify=notify)
    simulation = Simulation([spec], start=MIDNIGHT, script={"job": [FAIL, D]})
    simulation.undeliverable = {"ops"}
    simulation.run(at("2026-06-03T00:00"))
    ops = [each for each in simulation.alerts if each.channel == "ops"]
    assert len(ops) > 20
    waits = [b.next_at - a.next_at for a, b in pairwise(ops)]
    assert waits[:3] == [5 * SECOND, 10 * SECOND, 20 * SECOND]
    assert max(waits) == HOUR
    final = [each for each in simulation.deliveries.values() if each.channel == "ops"]
    assert [each.state for each in final] == ["given_up"]
    told = [each for each in simulation.alerts if each.news.kind == "delivery"]
    assert [(each.channel, each.news.facts["channel"]) for each in told] == [("mail", "ops")]
