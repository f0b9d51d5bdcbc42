"""A file as people write it, and the things jobs refer to by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from runner.config.document.expected import TestModel
from runner.config.document.job import EnvFiles, JobModel, Schedules
from runner.config.document.kinds import (
    ID,
    OPEN,
    TEXT,
    Also,
    Duration,
    Instead,
    Model,
    Name,
    Names,
    Open,
    Seconds,
    Size,
    Text,
    Texts,
    Truth,
    at_most_one_of,
    one_of,
    short,
)
from runner.config.document.step import WORK

_PART_OF_DAY = r"^\s*\d\d?:\d\d(:\d\d)?\s*[-–]\s*\d\d?:\d\d(:\d\d)?\s*$"
_DAY = {**TEXT, "pattern": "^([Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)"}
_DAYS = {"anyOf": [_DAY, {"type": "array", "items": _DAY}]}
Moment = Annotated[Text, Instead({**TEXT, "pattern": r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)"})]


class SecretModel(Model):
    """Where a secret is looked up; exactly one of the three."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    env: Text | None = Field(None, description="an environment variable of the runner")
    file: Text | None = Field(None, description="a file")
    command: list[Text] | None = Field(None, min_length=1, description="a program that prints it")


class ChannelModel(Model):
    """Where messages go."""

    urls: Texts = Field(description="Apprise URLs, or `log:`")
    min_interval: Duration | None = Field(None, description="at most one message per job in this time")
    quiet: Annotated[Text, Instead({**TEXT, "pattern": _PART_OF_DAY})] | None = Field(
        None, description="times of day in which messages wait", examples=["22:00-07:00"]
    )


class CalendarModel(Model):
    """Days off."""

    country: Text | None = Field(None, description="a country's public holidays", examples=["NO"])
    subdivision: Text | None = Field(None, description="a part of the country")
    weekend: Annotated[Texts, Instead(_DAYS)] | None = Field(
        None, description="days of the week that are off", examples=[["sat", "sun"]]
    )
    add: Texts | None = Field(None, description="more days off")
    remove: Texts | None = Field(None, description="days that are worked after all")
    ics: Text | None = Field(None, description="an iCalendar file whose days are off")


class MaintenanceModel(Model):
    """Times in which nothing starts: one, or one after each firing of a schedule."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                one_of("start", "schedule"),
                one_of("duration", "end"),
                at_most_one_of("schedule", "end"),
            ]
        }
    )

    name: Text = Field(description="what it is for")
    start: Moment | None = Field(None, description="when it begins", examples=["2026-12-01T22:00+01:00"])
    schedule: Schedules | None = Field(
        None, description="when it begins each time, instead of a start", examples=["0 22 * * tue"]
    )
    duration: Duration | None = Field(None, description="how long it lasts")
    end: Moment | None = Field(None, description="when it ends, instead of a duration")
    tags: Texts = Field([], description="only jobs with one of these tags")


class ExecutorModel(Model):
    """Where work runs."""

    type: Literal["local"] = Field(
        "local", description="child processes and worker processes of this machine"
    )
    max_workers: int | None = Field(None, ge=1, description="how many steps at once")
    python: Literal["processes", "threads"] | None = Field(None, description="where `python` steps run")


class GroupModel(Model):
    """Capacity shared by jobs or steps."""

    max: int = Field(ge=1, description="how many at once")


class HeartbeatModel(Model):
    """What an outside watcher hears as long as the runner is well."""

    url: Text = Field(description="asked every so often; may hold ${{ secrets.NAME }}")
    every: Seconds = Field(60_000_000, description="how often, a minute if not said; a second at least")


class StorageModel(Model):
    """How much disk the runner may take."""

    logs: Size = Field(2 << 30, description="output of all jobs together; the oldest goes first")
    keep_free: Size | None = Field(
        None, description="output stops where less is free; 2 % of the disk, at most 1G, if not said"
    )


class Jobs:
    """The JSON Schema of whole jobs. What a template or `defaults` may bring is not asked of them."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        made = handler(schema)
        (job,) = made.pop("patternProperties").values()
        return {**made, "patternProperties": {"^x-": {}, ID.replace("^", "^(?!x-)", 1): job}}


_WHOLE: dict[str, Any] = {
    "if": {"required": ["extends"]},
    "else": {
        "anyOf": [{"required": [key]} for key in (*WORK, "steps")],
        "dependentRequired": {"with": ["python"], "only_after": ["schedule"]},
    },
}
_BROUGHT = [{"required": [key]} for key in (*WORK, "steps", "schedule")]
_NO_HALVES: dict[str, Any] = {
    "if": {"properties": {"defaults": {"anyOf": _BROUGHT}}, "required": ["defaults"]},
    "else": {"properties": {"jobs": {"patternProperties": {"^(?!x-)": _WHOLE}}}},
}


class FileModel(Open):
    """Jobs, and what they refer to by name."""

    model_config = ConfigDict(json_schema_extra={**OPEN, **_NO_HALVES})

    version: Literal[1] = Field(1, description="the version of this language")
    include: Texts | None = Field(
        None, description="more files, relative to this one; globs allowed", examples=[["jobs.d/*.yaml"]]
    )
    isolate_files: Truth = Field(
        False, description="an edit that breaks one of several files: the others are followed all the same"
    )
    vars: dict[Name, Any] | None = Field(
        None, description="values for ${{ vars.NAME }}; not exported to commands"
    )
    env: Names | None = Field(None, description="environment variables of every command")
    env_file: EnvFiles | None = Field(None, description="files of NAME=value lines; `.env?` may be missing")
    secrets: dict[Name, SecretModel] | None = Field(
        None, description="values for ${{ secrets.NAME }}, masked everywhere"
    )
    channels: (
        dict[
            Name,
            Annotated[
                ChannelModel, BeforeValidator(short("urls", str, list)), Also({"type": ["string", "array"]})
            ],
        ]
        | None
    ) = Field(None, description="Apprise URLs under names")
    calendars: dict[Name, CalendarModel] | None = Field(None, description="days off, under names")
    maintenance: list[MaintenanceModel] | None = Field(None, description="times in which nothing starts")
    executors: (
        dict[str, Annotated[ExecutorModel, BeforeValidator(short("type", str)), Also({"enum": ["local"]})]]
        | None
    ) = Field(None, description="where work runs, under names")
    groups: (
        dict[str, Annotated[GroupModel, BeforeValidator(short("max", int)), Also({"type": "integer"})]] | None
    ) = Field(None, description="capacity shared by jobs or steps, under names")
    heartbeat: Annotated[HeartbeatModel, BeforeValidator(short("url", str)), Also(TEXT)] | None = Field(
        None, description="a URL that is asked as long as the runner is well"
    )
    storage: StorageModel | None = Field(None, description="how much disk the runner may take")
    defaults: JobModel | None = Field(None, description="keys every job below has, unless it says otherwise")
    templates: dict[str, JobModel] | None = Field(None, description="shared halves of jobs, for `extends`")
    jobs: Annotated[dict[Annotated[str, Field(pattern=ID)], JobModel], Jobs()] | None = Field(
        None, description="what runs, by id"
    )
    tests: list[TestModel] | None = Field(None, description="what jobs are expected to do: `runner test`")
