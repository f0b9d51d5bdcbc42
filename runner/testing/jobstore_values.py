"""A job and a run for tests of stores."""

from __future__ import annotations

from typing import Any

from runner.core.run import Run, RunKey, StepRun
from runner.moment import SECOND, Moment
from runner.spec import Call, Command, JobSpec, Notify, Rule, Step

NOON: Moment = 1_800_014_400 * SECOND
SOURCE = "/srv/jobs.yaml"


def spec(id: str = "job", **rest: Any) -> JobSpec:
    """A job with a command and a call, whose arguments JSON alone does not know."""
    steps = (
        Step("first", Command(script="echo ${{ params.x }}", stop_grace=3 * SECOND)),
        Step(
            "second",
            Call("pkg.mod:function", args=(1, (2, 3), {4}), kwargs={"deep": [1, {"a": (1,)}]}),
            ("first",),
        ),
    )
    notify = Notify(on_failure=(Rule(("ops", "mail"), after=2),))
    values = {"vars": {"a": [1, 2]}, "notify": notify, "source": SOURCE, **rest}
    return JobSpec(id, steps, **values)


def run(job: JobSpec, slot: Moment = NOON, **rest: Any) -> Run:
    steps = {step.id: StepRun(step.id) for step in job.steps}
    values = {"steps": steps, "created_at": NOON, "commit": "1a2b3c4+", **rest}
    return Run(RunKey(job.key, slot), job, **values)
