"""A file as people write it, and the things jobs refer to by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from runner.config.document.expected import TestModel
from runner.config.document.job import EnvFiles, JobModel
from runner.config.document.kinds import (
    ID,
    TEXT,
    Also,
    Duration,
    Model,
    Name,
    Names,
    Open,
    Size,
    Text,
    Texts,
    short,
)


class SecretModel(Model):
    """Where a secret is looked up; exactly one of the three."""

    env: Text | None = Field(None, description="an environment variable of the runner")
    file: Text | None = Field(None, description="a file")
    command: list[Text] | None = Field(None, min_length=1, description="a program that prints it")


class ChannelModel(Model):
    """Where messages go."""

    urls: Texts = Field(description="Apprise URLs, or `log:`")
    min_interval: Duration | None = Field(None, description="at most one message per job in this time")
    quiet: Text | None = Field(
        None, description="times of day in which messages wait", examples=["22:00-07:00"]
    )


class CalendarModel(Model):
    """Days off."""

    country: Text | None = Field(None, description="a country's public holidays", examples=["NO"])
    subdivision: Text | None = Field(None, description="a part of the country")
    weekend: Texts | None = Field(
        None, description="days of the week that are off", examples=[["sat", "sun"]]
    )
    add: Texts | None = Field(None, description="more days off")
    remove: Texts | None = Field(None, description="days that are worked after all")
    ics: Text | None = Field(None, description="an iCalendar file whose days are off")


class MaintenanceModel(Model):
    """A time in which nothing starts."""

    name: Text = Field(description="what it is for")
    start: Text = Field(description="when it begins", examples=["2026-12-01T22:00+01:00"])
    duration: Duration | None = Field(None, description="how long it lasts")
    end: Text | None = Field(None, description="when it ends, instead of a duration")
    tags: Texts = Field([], description="only jobs with one of these tags")


class ExecutorModel(Model):
    """Where work runs."""

    type: str = Field("local", description="local", json_schema_extra={"enum": ["local"]})
    max_workers: int | None = Field(None, ge=1, description="how many steps at once")
    python: Literal["processes", "threads"] | None = Field(None, description="where `python` steps run")


class GroupModel(Model):
    """Capacity shared by jobs or steps."""

    max: int = Field(ge=1, description="how many at once")


class HeartbeatModel(Model):
    """What an outside watcher hears as long as the runner is well."""

    url: Text = Field(description="asked every so often; may hold ${{ secrets.NAME }}")
    every: Duration = Field(60_000_000, description="how often, a minute if not said")


class StorageModel(Model):
    """How much disk the runner may take."""

    logs: Size = Field(2 << 30, description="output of all jobs together; the oldest goes first")
    keep_free: Size | None = Field(
        None, description="output stops where less is free; 2 % of the disk, at most 1G, if not said"
    )


class FileModel(Open):
    """Jobs, and what they refer to by name."""

    version: Literal[1] = Field(1, description="the version of this language")
    include: Texts | None = Field(
        None, description="more files, relative to this one; globs allowed", examples=[["jobs.d/*.yaml"]]
    )
    isolate_files: bool = Field(
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
    executors: dict[str, Annotated[ExecutorModel, BeforeValidator(short("type", str)), Also(TEXT)]] | None = (
        Field(None, description="where work runs, under names")
    )
    groups: (
        dict[str, Annotated[GroupModel, BeforeValidator(short("max", int)), Also({"type": "integer"})]] | None
    ) = Field(None, description="capacity shared by jobs or steps, under names")
    heartbeat: Annotated[HeartbeatModel, BeforeValidator(short("url", str)), Also(TEXT)] | None = Field(
        None, description="a URL that is asked as long as the runner is well"
    )
    storage: StorageModel | None = Field(None, description="how much disk the runner may take")
    defaults: JobModel | None = Field(None, description="keys every job below has, unless it says otherwise")
    templates: dict[str, JobModel] | None = Field(None, description="shared halves of jobs, for `extends`")
    jobs: dict[Annotated[str, Field(pattern=ID)], JobModel] | None = Field(
        None, description="what runs, by id"
    )
    tests: list[TestModel] | None = Field(None, description="what jobs are expected to do: `runner test`")
