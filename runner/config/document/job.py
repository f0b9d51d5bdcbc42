"""A job as people write it. Nothing is required here: templates and defaults are halves of jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from runner.config.document.kinds import (
    OPEN,
    TEXT,
    Also,
    Duration,
    Instead,
    Model,
    Name,
    OrOne,
    Text,
    Texts,
    Truth,
    at_most_one_of,
    listed,
    one_of,
    short,
)
from runner.config.document.policy import Catchup, Concurrency, NotifyModel, RetentionModel, SlaModel
from runner.config.document.step import WORK, ParamModel, StepModel, Values, Work

_WHEN: dict[str, Any] = {"type": "string", "examples": ["every 5m", "0 2 * * mon-fri", "at 02:00", "@daily"]}
EnvFiles = Annotated[list[str], BeforeValidator(listed), OrOne()]


class ScheduleModel(Model):
    """When it starts: exactly one of `cron`, `every` and `at`, and what bounds it."""

    model_config = ConfigDict(
        json_schema_extra={**one_of("cron", "every", "at"), "dependentRequired": {"roll": ["calendar"]}}
    )

    text: Annotated[str | None, Field(exclude=True)] = None
    cron: Text | None = Field(
        None, description="5 fields (6: seconds first), or @daily and the like", examples=["0 9 * * mon-fri"]
    )
    every: Text | None = Field(
        None, description="a length of time, counted in elapsed time", examples=["15m"]
    )
    at: Texts | None = Field(
        None, description="a time of day, or one moment", examples=["02:00", "2026-12-24T08:00"]
    )
    timezone: Text | None = Field(None, description="an IANA zone", examples=["Europe/Oslo"])
    start: Text | None = Field(None, description="not before")
    end: Text | None = Field(None, description="not after")
    jitter: Text | None = Field(None, description="each start is moved back by up to this", examples=["30s"])
    between: Texts | None = Field(
        None, description="only within these times of day", examples=["10:00-16:00"]
    )
    calendar: Text | None = Field(None, description="a name under `calendars`; not on its days off")
    roll: Literal["skip", "forward", "backward"] | None = Field(
        None, description="what happens to starts on days off"
    )


class AfterModel(Model):
    """Start when another job's run ends."""

    job: Text = Field(description="the other job's id")
    on: Literal["success", "failure", "always"] = Field("success", description="how it must end")


class OnlyAfterModel(Model):
    """A gate beside a schedule: wait for another job's success of the same day."""

    job: Text = Field(description="the other job's id")
    within: Duration = Field(description="how long to wait for it")


Schedules = Annotated[
    list[Annotated[ScheduleModel, BeforeValidator(short("text", str)), Also(_WHEN)]],
    BeforeValidator(listed),
    OrOne(),
]
NOT_YET: dict[str, Any] = {"not": {}, "description": "not yet available"}


class JobModel(Work):
    """What runs, when, and what happens when it fails."""

    model_config = ConfigDict(json_schema_extra={**OPEN, **at_most_one_of(*WORK, "steps")})

    name: Text | None = Field(None, description="shown instead of the id")
    description: Text | None = Field(None, description="what it is for")
    owner: Text | None = Field(None, description="who looks after it")
    runbook: Text | None = Field(None, description="a link for whoever gets the alert")
    tags: Texts | None = Field(None, description="words to choose jobs by")
    schedule: Schedules | None = Field(None, description="when it starts; any of several")
    timezone: Text | None = Field(
        None, description="the IANA zone of its schedule; the machine's, if not said"
    )
    after: (
        Annotated[
            list[Annotated[AfterModel, BeforeValidator(short("job", str)), Also(TEXT)]],
            BeforeValidator(listed),
            OrOne(),
        ]
        | None
    ) = Field(None, description="start when another job's run ends", examples=["etl"])
    only_after: OnlyAfterModel | None = Field(None, description="a gate beside the schedule")
    watch: Annotated[Any, Instead(NOT_YET)] = Field(None)
    webhook: Annotated[Any, Instead(NOT_YET)] = Field(None)
    enabled: Truth = Field(True, description="false: it is not scheduled, and can still be run by hand")
    extends: Texts | None = Field(
        None, description="names under `templates`; maps merge, lists and scalars replace"
    )
    matrix: dict[Name, Values] | None = Field(
        None, min_length=1, description="one job per combination of values"
    )
    vars: dict[Name, Any] | None = Field(None, description="values for ${{ vars.NAME }}")
    env_file: EnvFiles | None = Field(None, description="files of NAME=value lines; `.env?` may be missing")
    params: dict[Name, Annotated[ParamModel, BeforeValidator(lambda v: {} if v is None else v)]] | None = (
        Field(None, description="values a run is given: -p NAME=value")
    )
    steps: list[StepModel] | None = Field(
        None, min_length=1, description="in order, unless `needs` says otherwise"
    )
    concurrency: Concurrency | None = Field(None, description="what happens when another run is still going")
    catchup: Catchup | None = Field(None, description="what happens to occurrences missed in downtime")
    on_interrupt: Literal["fail", "retry"] | None = Field(
        None, description="a run cut off by a crash of the machine"
    )
    priority: int | None = Field(None, ge=-1000, le=1000, description="higher goes first where jobs wait")
    sla: SlaModel | None = Field(None, description="what makes it late")
    heartbeat: Text | None = Field(None, description="a URL that is told of start, success and failure")
    notify: NotifyModel | None = Field(None, description="who hears of what")
    retention: RetentionModel | None = Field(None, description="how much of its past is kept")
