"""Of a usual run the engine makes only the announcements that `runner serve` has something to say or do about."""

from __future__ import annotations

import io
from datetime import UTC
from pathlib import Path

import pytest

from runner import config
from runner.clock import VirtualClock
from runner.core.action import Announce, Start
from runner.core.event import Added, Settings, StepEnded, Tick
from runner.core.machine import Machine
from runner.core.run import Outcome, Run, RunKey, Status
from runner.jobstores.memory import MemoryJobStore
from runner.moment import SECOND, Moment
from runner.service.drain import Options
from runner.service.place import Place
from runner.service.report import Report
from runner.service.serve import Service
from runner.spec import Command, JobSpec, Step
from runner.triggers.schedule import build

NOON: Moment = 1_800_014_400 * SECOND


def serving(tmp_path: Path) -> tuple[Service, io.StringIO]:
    """A service that says what it says to the second of them."""
    file = tmp_path / "jobs.yaml"
    file.write_text("jobs:\n  a: {run: 'true', schedule: every 10s}\n")
    place = Place.of(file, {"RUNNER_STATE_DIR": str(tmp_path / "state")})
    place.make()
    clock, said = VirtualClock(NOON), io.StringIO()
    return Service(
        place, config.load(file), MemoryJobStore(), Report(clock, UTC, "text", said), clock, Options()
    ), said


@pytest.mark.parametrize(
    ("by", "told"), [("etl@2027-01-15T12:00:00Z", "after etl@2027-01-15T12:00:00Z"), ("", "after")]
)
def test_what_started_a_run_is_told(tmp_path: Path, by: str, told: str) -> None:
    service, said = serving(tmp_path)
    spec = JobSpec("a", (Step("main", Command("true")),), source="/jobs.yaml")
    run = Run(RunKey(spec.key, NOON), spec, Status.RUNNING, origin="after", by=by, started_at=NOON)
    service.house.hands.tell(Announce("run.started", run))
    assert said.getvalue().split(" ", 2)[2] == f"a started ({told})\n"


def test_of_a_usual_run_its_start_and_its_end_are_announced_and_no_step(tmp_path: Path) -> None:
    service, said = serving(tmp_path)
    trigger = build("every 10s", timezone="UTC", job_id="a", calendars={})
    machine = Machine(Settings(), hears=service.house.hands.hears)
    machine.handle(NOON, Added(JobSpec("a", (Step("main", Command("true")),), trigger, source="/jobs.yaml")))
    slot = machine.wakeup()
    assert slot is not None
    actions = machine.handle(slot, Tick())
    (start,) = [action for action in actions if isinstance(action, Start)]
    actions += machine.handle(slot + SECOND, StepEnded(start.attempt, Outcome(Status.SUCCEEDED)))
    told = [action for action in actions if isinstance(action, Announce)]
    assert [announce.name for announce in told] == ["run.started", "run.ended"]
    for announce in told:
        service.house.hands.tell(announce)
    assert [line.split(" ", 2)[2] for line in said.getvalue().splitlines()] == [
        "a started (planned 12:00:10)",
        "a succeeded in 1s",
    ]
