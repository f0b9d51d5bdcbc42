"""Defaults of parameters are read when the run is made, and stay with it."""

from __future__ import annotations

from runner.moment import HOUR, SECOND, Moment
from runner.simulation import Simulation
from runner.spec import Command, JobSpec, Param, Step
from runner.triggers.schedule import build

START: Moment = 1_780_272_000 * SECOND


def test_defaults_are_read_when_the_run_is_made() -> None:
    params = (
        Param("day", "date", "${{ run.scheduled_at | date }}"),
        Param("limit", "integer", 98),
        Param("mode", "choice", "delta", options=("full", "delta")),
        Param("nothing"),
        Param("odd", "string", "${{ vars.absent }}"),
    )
    trigger = build("0 2 * * *", timezone="Europe/Oslo", job_id="etl", calendars={})
    spec = JobSpec("etl", (Step("main", Command("true")),), trigger, timezone="Europe/Oslo", params=params)
    simulation = Simulation([spec], start=START - HOUR)
    simulation.run(START + 23 * HOUR)
    simulation.fire("etl", {"mode": "full", "limit": 5})
    first, second = simulation.runs_of("etl")
    assert first.params == {"day": "2026-06-01", "limit": 98, "mode": "delta"}
    assert second.params == {"day": "2026-06-02", "limit": 5, "mode": "full"}
