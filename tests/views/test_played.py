from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from runner.core.run import Status
from runner.moment import MINUTE, SECOND, from_datetime
from runner.simulation import Scripted, Simulation
from runner.spec import Command, JobSpec, Notify, Retry, Rule, Step
from runner.triggers.schedule import build
from runner.views import played as view
from runner.views.table import text

OSLO = ZoneInfo("Europe/Oslo")
SPEC = JobSpec(
    "etl",
    (Step("main", Command(script="x"), retry=Retry(max=1, delay=10 * SECOND)),),
    build("30 2 * * *", timezone="Europe/Oslo", job_id="etl", calendars={}),
    timezone="Europe/Oslo",
    notify=Notify(on_failure=(Rule(("ops",)),), on_recovery=(Rule(("ops",)),)),
)
BAD, GOOD = Scripted(Status.FAILED, took=MINUTE, exit_code=3), Scripted(took=5 * MINUTE)


def played() -> view.Played:
    """Two days around the change to summer time: 02:30 does not exist on the second."""
    start = from_datetime(datetime(2026, 3, 28, 0, 0, tzinfo=OSLO))
    world = Simulation([SPEC], start=start, script={"main": [BAD, BAD, GOOD]})
    world.run(from_datetime(datetime(2026, 3, 30, 0, 0, tzinfo=OSLO)))
    return view.Played(world.runs_of("etl"), world.occurrences, world.alerts)


TABLE = """\
DAY              TIME           WHAT         JOB   TOOK  DETAIL
Sat 28 Mar 2026  02:30:00 CET   ✗ failed     etl  2m 10s  exit code 3; 2 attempts
                 02:32:10 CET   ! alert      etl          to ops: etl failed (exit code 3)
Sun 29 Mar 2026  03:00:00 CEST  ✓ succeeded  etl      5m
                 03:05:00 CEST  ! alert      etl          to ops: etl recovered after 1 failure"""


def test_a_weekend_as_a_table() -> None:
    shown = text(view.table(played(), zone=OSLO))
    assert shown == TABLE.replace("JOB   TOOK", "JOB    TOOK")


def test_a_weekend_as_json() -> None:
    document = view.document(played())
    assert [(run["scheduled_at"], run["status"]) for run in document["runs"]] == [
        ("2026-03-28T02:30:00+01:00", "failed"),
        ("2026-03-29T03:00:00+02:00", "succeeded"),
    ]
    assert document["alerts"][0] == {
        "at": "2026-03-28T02:32:10+01:00",
        "channel": "ops",
        "kind": "failure",
        "job": "etl",
        "title": "etl failed (exit code 3)",
    }
    assert (document["occurrences"], document["warnings"]) == ([], [])


def test_nothing_happens() -> None:
    assert text(view.table(view.Played([], warnings=["etl never fires"]), zone=OSLO)) == (
        "nothing happens\netl never fires"
    )
