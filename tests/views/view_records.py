"""Records to look at: one small house, the same in every table of these tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from runner.core.run import Job, Occurrence, Outcome, Run, RunKey, Status, StepRun
from runner.moment import HOUR, MINUTE, SECOND, Moment, parse_iso
from runner.spec import After, Command, JobSpec, Step
from runner.triggers.schedule import build

OSLO = ZoneInfo("Europe/Oslo")
NOW = parse_iso("2026-11-24T12:30:00+01:00")
FILE = "/etc/runner/jobs.yaml"


def at(text: str) -> Moment:
    """A moment of the day, or of a date and time, in Oslo in winter."""
    return parse_iso(f"{text if 'T' in text else '2026-11-24T' + text}+01:00")


def spec(id: str, schedule: str = "", **more: Any) -> JobSpec:
    trigger = None
    if schedule:
        trigger = build(schedule, timezone=more.get("timezone", "Europe/Oslo"), job_id=id, calendars={})
    step = Step("main", Command(script="true"))
    more = {"timezone": "Europe/Oslo", "source": FILE, "schedule": schedule} | more
    return JobSpec(id, more.pop("steps", (step,)), trigger, **more)


def job(spec: JobSpec, **more: Any) -> Job:
    next_at = spec.trigger.next_after(NOW) if spec.trigger is not None else None
    return replace(Job(spec, next_at=next_at), **more)


def run(spec: JobSpec, slot: str, status: str = "succeeded", span: int = 63 * SECOND, **more: Any) -> Run:
    key = RunKey(spec.key, at(slot), more.pop("nonce", ""))
    late = more.pop("late", 0)
    final = Status(status).final
    started = key.slot + late if status != "pending" else None
    ended = started + span if final and started is not None else None
    outcome = more.pop("outcome", None)
    state = StepRun(
        "main",
        status=Status(status),
        attempt=more.pop("attempt", 1),
        started_at=started,
        ended_at=ended,
        outcome=outcome,
    )
    steps = more.pop("steps", {"main": state})
    return Run(key, spec, Status(status), steps=steps, started_at=started, ended_at=ended, **more)


ETL = spec("etl", "0 2 * * *", name="Nightly ETL")
REPORT = spec("report", after=(After("etl"),))
BACKUP = spec("backup", "30 3 * * sun")
PING = spec("ping", "*/15 * * * *")
LEGACY = spec("legacy", "0 6 * * *", timezone="America/New_York")
BYHAND = spec("reindex")

JOBS = (
    job(ETL, last_status=Status.FAILED, failures=2),
    job(REPORT),
    job(BACKUP, state="paused", paused_until=at("2026-12-01T08:00:00")),
    job(PING),
    job(LEGACY, state="broken", reason="no function app.tasks:clean"),
    job(BYHAND),
)

FAILED = Outcome(Status.FAILED, exit_code=3, error="exit code 3")
RUNS = (
    run(PING, "12:30:00", "running", late=0, attempt=1),
    run(PING, "12:15:00", span=230_000),
    run(REPORT, "11:02:03", origin="after", by="etl"),
    run(ETL, "02:00:00", "failed", late=3 * SECOND, attempt=3, outcome=FAILED),
    run(ETL, "2026-11-23T02:00:00", "timed_out", span=2 * HOUR + 5 * MINUTE, reason="timeout"),
    run(BYHAND, "2026-11-22T09:30:00", nonce="1", origin="manual", by="kari"),
)
LAST = {RUNS[0].key.job: RUNS[0], REPORT.key: RUNS[2], ETL.key: RUNS[3], BYHAND.key: RUNS[5]}

OTHERS = (
    Occurrence(PING.key, at("12:00:00"), "skipped", "overlap", decided_at=at("12:00:00")),
    Occurrence(
        BACKUP.key, at("2026-11-22T03:30:00"), "skipped", "paused", decided_at=at("2026-11-22T03:30:00")
    ),
    Occurrence(
        PING.key,
        at("2026-11-23T01:00:00"),
        "missed",
        "window",
        last=at("2026-11-23T05:45:00"),
        count=20,
        decided_at=at("2026-11-23T06:00:30"),
    ),
    Occurrence(PING.key, at("2026-11-23T06:00:00"), "merged", into=at("2026-11-23T06:15:00")),
    Occurrence(ETL.key, at("02:00:00"), "ran", decided_at=at("02:00:00")),
)
