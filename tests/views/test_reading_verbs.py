"""list, next, history, why and calendar on a jobs file and a real database; no service runs."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from runner import config
from runner.cli import calendar_, history_, list_, next_, why_
from runner.clock import SystemClock
from runner.core.action import Save
from runner.core.run import Incident, Job, Occurrence, Outcome, Record, Run, RunKey, Status, StepRun
from runner.errors import RunnerError
from runner.frozen import replace
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import DAY, HOUR, MINUTE, SECOND, Moment, parse_iso, to_datetime
from runner.spec import JobSpec
from runner.views.when import zone_of

FILE = """\
defaults: {timezone: Europe/Oslo}
jobs:
  etl:
    schedule: "0 2 * * *"
    run: echo etl
  ping:
    schedule: every 15m
    run: echo ping
  reindex:
    run: echo by hand
"""
OSLO = zone_of("Europe/Oslo")
VERBS = {
    "list": list_.command,
    "next": next_.command,
    "history": history_.command,
    "why": why_.command,
    "calendar": calendar_.command,
}


class Desk:
    def __init__(self, directory: Path) -> None:
        self.file = directory / "jobs.yaml"
        self.file.write_text(FILE)
        self.state = directory / "state"
        self.now = SystemClock().now()
        # The latest 02:00 in Oslo that is over.
        self.slot = self.planned(self.now - 2 * DAY)
        while (later := self.planned(self.slot)) <= self.now:
            self.slot = later

    def planned(self, after: Moment) -> Moment:
        """The first time of `etl` after another."""
        trigger = self.spec("etl").trigger
        assert trigger is not None
        found = trigger.next_after(after)
        assert found is not None
        return found

    def spec(self, id: str) -> JobSpec:
        return next(spec for spec in config.load(self.file).jobs if spec.id == id)

    def keep(self, *records: Record) -> None:
        self.state.mkdir(exist_ok=True)
        store = SQLAlchemyJobStore(f"sqlite:///{self.state / 'runner.db'}")
        store.open()
        store.write([Save(record) for record in records])
        store.close()

    def call(self, verb: str, *args: str) -> Result:
        environ = {"RUNNER_STATE_DIR": str(self.state), "RUNNER_DATABASE_URL": None}
        return CliRunner().invoke(VERBS[verb], [*args, "-f", str(self.file)], env=environ)

    def said(self, verb: str, *args: str) -> str:
        result = self.call(verb, *args)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, verb: str, *args: str) -> Any:
        document = json.loads(self.said(verb, *args, "--json"))
        assert document["version"] == 1
        return document


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def run(spec: JobSpec, slot: Moment, status: Status = Status.SUCCEEDED) -> Run:
    code = 0 if status.good else 3
    (step,) = spec.steps
    state = StepRun(step.id, "", status, 1, None, slot, slot + 63 * SECOND, Outcome(status, exit_code=code))
    steps = {step.id: state}
    return Run(
        RunKey(spec.key, slot),
        spec,
        status,
        steps=steps,
        created_at=slot,
        started_at=slot,
        ended_at=slot + 63 * SECOND,
    )


def iso(moment: Moment) -> str:
    return to_datetime(moment, OSLO).isoformat()


# ── nothing was ever written down ───────────────────────────────────────────────────────────


def test_a_file_is_enough_and_nothing_is_made(desk: Desk) -> None:
    jobs = desk.json("list")["jobs"]
    assert [(job["id"], job["state"], job["schedule"], job["last"]) for job in jobs] == [
        ("etl", "scheduled", "0 2 * * *", None),
        ("ping", "scheduled", "every 15m", None),
        ("reindex", "scheduled", "", None),
    ]
    assert desk.said("history") == "nothing has run yet\n"
    assert desk.said("history", "--status", "failed") == "no such run is on record\n"
    assert desk.said("history", "--since", "1d") == "no such run is on record\n"
    assert desk.said("list", "--tag", "none") == "there is no such job\n"
    assert desk.said("history", "--since=-1d") == "no such run is on record\n"
    assert not desk.state.exists()


def test_next_of_all_and_of_one(desk: Desk) -> None:
    etl = desk.json("next", "etl", "-n", "3", "--at", "2026-03-27T12:00")["occurrences"]
    assert [each["at"] for each in etl] == [
        "2026-03-28T02:00:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:00:00+02:00",
    ]
    both = desk.json("next", "-n", "200")["occurrences"]
    assert {each["job"] for each in both} == {"etl", "ping"}
    assert desk.said("next", "reindex") == "nothing is planned\n"


def test_previous_of_all_and_of_one(desk: Desk) -> None:
    etl = desk.json("next", "etl", "-p", "3", "--at", "2026-03-30T02:00")["occurrences"]
    assert [each["at"] for each in etl] == [
        "2026-03-27T02:00:00+01:00",
        "2026-03-28T02:00:00+01:00",
        "2026-03-29T03:00:00+02:00",
    ]
    all_of_them = desk.json("next", "--previous", "4", "--at", "2026-03-30T02:10+02:00")["occurrences"]
    assert [(each["job"], each["at"][11:16]) for each in all_of_them] == [
        ("ping", "01:30"), ("ping", "01:45"), ("etl", "02:00"), ("ping", "02:00"),
    ]  # fmt: skip
    assert desk.said("next", "reindex", "-p", "1") == "nothing was planned before it\n"


def test_a_moment_is_taken_as_it_is_shown(desk: Desk) -> None:
    """`today 02:00` and the rest are what the tables say; whoever types it back is understood."""
    for text, day, time in (
        ("12:00", 0, "12:00:00"),
        ("6:00", 0, "06:00:00"),
        ("today 12:00", 0, "12:00:00"),
        ("yesterday 23:59:55", -1, "23:59:55"),
        ("tomorrow 12:00", 1, "12:00:00"),
        ("yesterday", -1, "00:00:00"),
    ):
        asked = to_datetime(SystemClock().now(), OSLO).date()
        at = desk.json("why", "etl", "--at", text)["at"]
        # A day may end between the question and its answer.
        days = {asked, to_datetime(SystemClock().now(), OSLO).date()}
        assert at[:19] in {f"{today + timedelta(days=day)}T{time}" for today in days}, text
    for text in ("25:00", "today 2h", "someday 02:00", "02:60", "02"):
        refused = desk.call("why", "etl", "--at", text)
        assert isinstance(refused.exception, RunnerError)
        assert "is not a moment" in str(refused.exception), text


def test_a_list_says_when_nobody_runs_it(desk: Desk) -> None:
    desk.keep(Job(desk.spec("etl")))
    result = desk.call("list")
    assert result.exit_code == 0
    assert result.stderr == "no runner is at work here: nothing starts until one is (runner serve)\n"


def test_a_list_of_a_program_s_jobs_does_not_send_people_to_the_service(desk: Desk) -> None:
    desk.keep(Job(replace(desk.spec("etl"), source="api:shop")))
    environ = {
        "RUNNER_STATE_DIR": str(desk.state),
        "RUNNER_DATABASE_URL": f"sqlite:///{desk.state}/runner.db",
    }
    result = CliRunner().invoke(VERBS["list"], [], env=environ)
    assert "etl" in result.stdout
    assert result.stderr == "these are jobs of a Python program: they start while its scheduler runs\n"


def test_a_planned_maintenance_is_told_beforehand(desk: Desk) -> None:
    window = '{name: upgrade, start: "2030-01-10T01:00", duration: 4h}'
    desk.file.write_text(f"{FILE}maintenance: [{window}]\n")
    coming = desk.json("next", "etl", "-n", "2", "--at", "2030-01-09T12:00")["occurrences"]
    assert [each["note"] for each in coming] == ["skipped: maintenance upgrade", ""]
    why = desk.json("why", "etl", "--at", "2030-01-10T02:00")
    assert why["verdict"] == "planned"
    assert why["because"][0] == (
        "it will be skipped: the maintenance upgrade lasts until Thu 10 Jan 2030 05:00"
    )
    assert desk.json("why", "etl", "--at", "2030-01-11T02:00")["because"][0].startswith("it will run")


def test_calendar_names_what_is_always_due(desk: Desk) -> None:
    document = desk.json("calendar", "--days", "3")
    assert document["often"] == ["ping (every 15m)"]
    assert [day["total"] for day in document["days"][1:]] == [1, 1]
    assert "due all the time, not counted: ping (every 15m)" in desk.said("calendar")


def test_why_without_records(desk: Desk) -> None:
    document = desk.json("why", "etl", "--at", "2026-11-20T02:00:30")
    assert (document["verdict"], document["next"]) == ("not planned", "2026-11-21T02:00:00+01:00")
    assert desk.json("why", "etl", "--at", iso(desk.slot + 7 * DAY))["verdict"] in ("planned", "not planned")
    assert desk.json("why", "etl", "--at", "2020-11-20T02:00")["verdict"] == "unknown"


def test_why_of_a_job_that_left_the_file(desk: Desk) -> None:
    # At 02:00 there, which is an hour of its own in UTC on days that have another offset.
    in_years = desk.planned(desk.slot + 3700 * DAY)
    desk.keep(run(desk.spec("etl"), desk.slot, Status.FAILED))
    desk.file.write_text("jobs: {load: {run: echo load}}")
    document = desk.json("why", "etl")
    assert (document["verdict"], document["run"]["status"]) == ("ran", "failed")
    assert document["note"] == f"it is not in {desk.file} any more; this is what is known of it"
    assert "it will not run" in desk.said("why", "etl", "--at", iso(in_years))
    refused = desk.call("why", "never").exception
    assert isinstance(refused, RunnerError)
    assert refused.exit_code == 5


def test_why_of_a_job_that_left_the_file_looks_for_its_schedule(desk: Desk) -> None:
    """`runner run` keeps none with its runs."""
    etl = desk.spec("etl")
    desk.keep(run(replace(etl, trigger=None), desk.slot, Status.SUCCEEDED))
    desk.file.write_text("jobs: {load: {run: echo load}}")
    document = desk.json("why", "etl", "--at", "2020-11-20T02:00:30")
    assert (document["verdict"], document["because"]) == ("unknown", ["no schedule of it is on record"])
    desk.keep(run(etl, desk.slot - DAY, Status.FAILED))
    assert desk.json("why", "etl", "--at", "2020-11-20T02:00:30")["verdict"] == "not planned"


def test_why_means_whole_seconds(desk: Desk) -> None:
    assert desk.json("why", "reindex", "--at", "-90s")["at"].count(".") == 0


# ── with what a service wrote ───────────────────────────────────────────────────────────────


def test_list_shows_state_and_last_run(desk: Desk) -> None:
    etl, ping = desk.spec("etl"), desk.spec("ping")
    until = desk.now + 3 * DAY
    desk.keep(
        Job(etl, next_at=desk.slot + DAY, failures=2),
        Job(ping, state="paused", paused_until=until),
        run(etl, desk.slot - DAY),
        run(etl, desk.slot, Status.FAILED),
    )
    first, second, _ = desk.json("list")["jobs"]
    assert (first["failures"], first["last"]["status"], first["last"]["took"]) == (2, "failed", 63.0)
    assert (second["state"], second["paused_until"], second["next_at"]) == ("paused", iso(until), None)
    table = desk.said("list").splitlines()
    assert "failing (2 in a row)" in table[1]
    assert "✗" in table[1]
    assert [job["id"] for job in desk.json("list", "--state", "paused")["jobs"]] == ["ping"]


def test_history_narrowed_down_and_with_all(desk: Desk) -> None:
    etl, ping = desk.spec("etl"), desk.spec("ping")
    lost = Occurrence(ping.key, desk.slot - HOUR, "missed", "window", last=desk.slot - MINUTE, count=4)
    desk.keep(
        run(etl, desk.slot, Status.FAILED), run(ping, desk.slot + MINUTE), run(etl, desk.slot - DAY), lost
    )
    assert [each["id"].split("@")[0] for each in desk.json("history")["runs"]] == ["ping", "etl", "etl"]
    assert len(desk.json("history", "etl")["runs"]) == 2
    assert len(desk.json("history", "--status", "failed")["runs"]) == 1
    assert len(desk.json("history", "-n", "1")["runs"]) == 1
    assert len(desk.json("history", "--since", iso(desk.slot))["runs"]) == 2
    everything = desk.json("history", "--all")["runs"]
    assert [each["status"] for each in everything] == ["succeeded", "failed", "missed", "succeeded"]
    assert (everything[2]["count"], everything[2]["reason"]) == (4, "window")
    assert "4 times until" in desk.said("history", "--all")
    for back in ("3000d", "-3000d"):
        assert len(desk.json("history", f"--since={back}")["runs"]) == 3
    # The id that is read there says which moment is asked about.
    why = desk.json("why", everything[1]["id"])
    assert (why["job"], why["verdict"], why["run"]["id"]) == ("etl", "ran", everything[1]["id"])


def test_a_clock_that_was_set_is_told(desk: Desk) -> None:
    etl = desk.spec("etl")
    words = "the clock was set back by 1h"
    where = etl.key._replace(id="")
    desk.keep(
        run(etl, desk.slot),
        Incident(where, "clock", desk.slot + HOUR, closed_at=desk.slot, detail=words),
        Incident(where, "config", desk.slot, closed_at=desk.slot + 1),
    )
    assert "clock" not in desk.json("history")
    (entry,) = desk.json("history", "--all")["clock"]
    assert (entry["by"], entry["text"]) == (-3600.0, words)
    assert Moment(parse_iso(entry["at"])) == desk.slot
    assert Moment(parse_iso(entry["was"])) == desk.slot + HOUR
    assert f"{words}, from " in desk.said("history", "--all")
    assert f"{words}, from " in desk.said("history", "etl", "--all")
    # Another program's, on a machine of its own: nothing that happened to this job's.
    theirs = where._replace(source="api:other")
    desk.keep(Incident(theirs, "clock", desk.slot, closed_at=desk.slot + 3 * HOUR, detail="set elsewhere"))
    assert "set elsewhere" in desk.said("history", "--all")
    assert "set elsewhere" not in desk.said("history", "etl", "--all")
    during, after = iso(desk.slot + MINUTE), iso(desk.slot + 2 * HOUR)
    assert "this time came twice" in desk.said("why", "etl", "--at", during)
    assert "the clock" not in desk.said("why", "etl", "--at", after)


def test_a_change_of_the_clock_that_several_saw_is_told_once(desk: Desk) -> None:
    """Each file's runner, and each program, keeps it for its own source; they look a moment apart."""
    words, second = "the clock was set forward by 1h", 1_000_000

    def seen(source: str, at: Moment, by: int = HOUR) -> Incident:
        where = desk.spec("etl").key._replace(id="", source=source)
        return Incident(where, "clock", at - by, closed_at=at, detail=words)

    own = desk.spec("etl").source
    desk.keep(
        seen(own, desk.slot + 7), seen("api:other", desk.slot), seen("/b.yaml", desk.slot + second, HOUR + 3)
    )
    (entry,) = desk.json("history", "--all")["clock"]
    assert Moment(parse_iso(entry["at"])) == desk.slot, "who saw it first"
    assert desk.said("history", "--all").count(words) == 1
    assert desk.said("history", "etl", "--all").count(words) == 1
    # Another one, later, or the other way, is another one.
    desk.keep(seen("/b.yaml", desk.slot + MINUTE), seen("api:other", desk.slot + 2 * second, -HOUR))
    assert len(desk.json("history", "--all")["clock"]) == 3


def test_history_of_one_run_shows_its_steps(desk: Desk) -> None:
    failed = run(desk.spec("etl"), desk.slot, Status.FAILED)
    desk.keep(failed)
    document = desk.json("history", failed.id)["run"]
    assert (document["id"], document["steps"][0]["exit_code"]) == (failed.id, 3)
    shown = desk.said("history", failed.id).splitlines()
    assert shown[0].split() == ["STATUS", "STEP", "STARTED", "TOOK", "ATTEMPT", "WHY"]
    assert shown[-1].startswith(f"{failed.id} failed after 1m 3s")
    error = desk.call("history", "etl@2001-01-01T00:00:00Z").exception
    assert isinstance(error, RunnerError)
    assert str(error) == "there is no run 'etl@2001-01-01T00:00:00Z' (runner history lists them)"


def test_history_of_a_job_that_is_gone(desk: Desk) -> None:
    desk.keep(run(desk.spec("etl"), desk.slot))
    desk.file.write_text(FILE.replace("  etl:", "  load:"))
    assert len(desk.json("history", "etl")["runs"]) == 1


def test_why_knows_what_was_written(desk: Desk) -> None:
    etl = desk.spec("etl")
    desk.keep(
        run(etl, desk.slot, Status.FAILED),
        Occurrence(etl.key, desk.slot - DAY, "skipped", "paused", decided_at=1),
    )
    ran = desk.json("why", "etl", "--at", iso(desk.slot))
    assert (ran["verdict"], ran["run"]["status"]) == ("ran", "failed")
    skipped = desk.json("why", "etl", "--at", iso(desk.slot - DAY))
    assert (skipped["verdict"], skipped["occurrence"]["reason"]) == ("skipped", "paused")
    assert "it was planned, but skipped: the job was paused" in desk.said(
        "why", "etl", "--at", iso(desk.slot - DAY)
    )


def test_why_without_a_moment_is_about_the_last_on_record(desk: Desk) -> None:
    etl = desk.spec("etl")
    coming = desk.json("why", "etl")
    assert coming["verdict"] == "planned"
    assert desk.json("why", "reindex")["because"] == ["it has no schedule; it runs by hand"]
    desk.keep(run(etl, desk.slot, Status.FAILED))
    assert (desk.json("why", "etl")["verdict"], desk.json("why", "etl")["at"]) == ("ran", iso(desk.slot))
    first = desk.planned(desk.slot)
    second = desk.planned(first)
    desk.keep(Occurrence(etl.key, first, "missed", "downtime", last=second, count=2, decided_at=1))
    last = desk.json("why", "etl")
    assert (last["verdict"], last["at"]) == ("missed", iso(second))


def test_why_knows_whether_there_are_records_of_other_times(desk: Desk) -> None:
    etl = desk.spec("etl")
    # From day to day in hours of the clock there, which are not always 24 of ours.
    early, kept, last = (desk.planned(desk.slot - days * DAY - 2 * HOUR) for days in (5, 3, 1))
    assert early < kept < last < desk.slot
    long_before = "nothing is written down of this job at all: it has not been served yet"
    assert long_before in desk.said("why", "etl", "--at", iso(early))
    desk.keep(run(etl, kept, Status.SUCCEEDED))
    assert "the oldest record of this job is of" in desk.said("why", "etl", "--at", iso(early))
    assert "it has older records: it had another schedule then" in desk.said("why", "etl", "--at", iso(last))


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "args", [("next", "elt"), ("history", "elt"), ("why", "elt", "--at", "now"), ("calendar", "elt")]
)
def test_a_job_nobody_knows(desk: Desk, args: tuple[str, ...]) -> None:
    error = desk.call(*args).exception
    assert isinstance(error, RunnerError)
    assert error.fact == f"there is no job 'elt' in {desk.file}"
    assert error.hint == "did you mean etl?"
    assert getattr(error, "exit_code", None) == 5


def test_a_moment_nobody_can_read(desk: Desk) -> None:
    error = desk.call("next", "--at", "tomorrowish").exception
    assert isinstance(error, RunnerError)
    assert getattr(error, "exit_code", None) == 2


def test_a_broken_file_shows_the_last_good_schedule(desk: Desk) -> None:
    desk.keep(Job(desk.spec("etl"), next_at=desk.slot + DAY))
    desk.file.write_text("jobs: [\n")
    result = desk.call("list", "--json")
    assert result.exit_code == 0
    assert [job["id"] for job in json.loads(result.stdout)["jobs"]] == ["etl"]
    assert result.stderr == f"{desk.file} is broken (runner validate); this is the last good schedule\n"


def test_a_broken_file_without_a_past_is_an_error(desk: Desk) -> None:
    desk.file.write_text("jobs: [\n")
    result = desk.call("list")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "error" in result.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_does(verb: str) -> None:
    result = CliRunner().invoke(VERBS[verb], ["--help"])
    assert result.exit_code == 0
    assert "--json" in result.output
