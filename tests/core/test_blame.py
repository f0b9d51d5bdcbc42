"""Who is to blame for a bad end: not who was forgiven, and not who was only stopped because of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from runner.core.blame import blamed
from runner.core.context import context
from runner.core.incidents import about
from runner.core.run import Run, Status
from runner.moment import HOUR, MINUTE, SECOND, Span, parse_iso
from runner.simulation import Scripted, Simulation, by_step
from runner.spec import Command, Foreach, JobSpec, Policy, Retry, Step
from runner.views.run import why

START = parse_iso("2026-06-01T00:00Z")
WORK = Command(script="true")
FAILS = Scripted(Status.FAILED, exit_code=4)
HANGS = Scripted(took=HOUR)


def run_of(
    steps: Sequence[Step], plan: Mapping[str, Scripted], timeout: Span | None = None, cancel: bool = False
) -> Run:
    spec = JobSpec("job", tuple(steps), source="/jobs.yaml", policy=Policy(timeout=timeout))
    simulation = Simulation([spec], start=START, script=by_step(plan))
    simulation.fire("job")
    simulation.run(START + MINUTE)
    (run,) = simulation.runs_of("job")
    if cancel:
        simulation.cancel(run)
        simulation.run(START + 2 * MINUTE)
        (run,) = simulation.runs_of("job")
    return run


def told(run: Run) -> tuple[str, str, str]:
    """The step that expressions, alerts and tables name."""
    return context(run)["run"]["failed_step"], str(about(run.spec, run).get("step", "")), why(run)


def test_a_failure_that_is_forgiven_is_not_the_reason_of_the_next() -> None:
    steps = [
        Step("lint", WORK, continue_on_error=True),
        Step("build", WORK, needs=("lint",)),
        Step("tell", WORK, needs=("build",), condition="failure()"),
    ]
    run = run_of(steps, {"lint": FAILS, "build": Scripted(Status.FAILED, exit_code=7)})
    assert run.status is Status.FAILED
    assert told(run) == ("build", "build", "build: exit code 7")


def test_a_good_run_has_no_failed_step() -> None:
    run = run_of([Step("lint", WORK, continue_on_error=True), Step("build", WORK)], {"lint": FAILS})
    assert (run.status, told(run)) == (Status.SUCCEEDED, ("", "", ""))


def test_the_instance_that_failed_and_not_those_that_were_stopped_because_of_it() -> None:
    foreach = Foreach(("a", "b", "c"), fail_fast=True)
    run = run_of([Step("load", WORK, foreach=foreach)], {"load": HANGS, "load[b]": FAILS})
    assert {state.id: state.status for state in run.steps.values()} == {
        "load[a]": Status.CANCELLED,
        "load[b]": Status.FAILED,
        "load[c]": Status.CANCELLED,
    }
    assert told(run) == ("load[b]", "load[b]", "load[b]: exit code 4")
    whole = context(run)["steps"]["load"]
    assert (whole["status"], whole["exit_code"]) == ("failed", 4)


def test_of_steps_side_by_side_the_one_that_failed_first() -> None:
    steps = [Step("slow", WORK), Step("quick", WORK)]
    slow = Scripted(Status.FAILED, took=20 * SECOND, exit_code=2)
    assert told(run_of(steps, {"slow": slow, "quick": FAILS})) == ("quick", "quick", "quick: exit code 4")


@pytest.mark.parametrize("waits", [False, True], ids=["running", "between two attempts"])
@pytest.mark.parametrize("cancel", [False, True], ids=["timeout", "stopped"])
def test_a_run_that_was_cut_off_is_not_good_because_its_last_step_is_forgiven(
    cancel: bool, waits: bool
) -> None:
    step = Step("last", WORK, continue_on_error=True, retry=Retry(max=3, delay=HOUR) if waits else Retry())
    timeout = None if cancel else 30 * SECOND
    run = run_of([Step("first", WORK), step], {"last": FAILS if waits else HANGS}, timeout, cancel)
    assert run.status is (Status.CANCELLED if cancel else Status.TIMED_OUT)
    found = blamed(run)
    assert found is not None
    assert found.id == "last"
