"""What jobs are expected to do, as people write it under `tests:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from runner.config.document.kinds import (
    TEXT,
    WHOLE,
    Also,
    Duration,
    Model,
    Name,
    Names,
    OrOne,
    Text,
    Texts,
    listed,
    short,
)

KINDS = ("failure", "reminder", "recovery", "late", "success")
Status = Literal["succeeded", "failed", "timed_out", "cancelled"]


class FailModel(Model):
    """How the first attempts of a step fail."""

    times: Annotated[
        Annotated[int, Field(ge=0)] | None,
        BeforeValidator(lambda value: None if value == "always" else value),
        Also({"const": "always"}),
    ] = Field(1, description="how many attempts fail, or `always`")
    exit_code: int = Field(1, ge=1, le=255, description="the exit code of a failed attempt")
    error: Text = Field("", description="what it says when it fails")


class AlertModel(Model):
    """One message: only what is written is compared."""

    to: Text | None = Field(None, description="a name under `channels`")
    kind: Literal["failure", "reminder", "recovery", "late", "success"] | None = Field(
        None, description="what is told"
    )
    title: Text | None = Field(None, description="the first line of the message")
    job: Text | None = Field(None, description="the job it is about, where it is another one")


class CommandModel(Model):
    """What a step is started with: only what is written is compared."""

    run: Text | None = Field(None, description="the text of `run`, with its values")
    command: list[Text] | None = Field(None, description="the program and its arguments")
    contains: Texts | None = Field(None, description="texts that occur in it")
    env: Names | None = Field(None, description="environment variables among those the file sets")


def _command(value: Any) -> Any:
    if isinstance(value, list):
        return {"command": value}
    return {"run": value} if isinstance(value, str | int | float) else value


Alert = Annotated[AlertModel, BeforeValidator(short("to", str)), Also(TEXT)]


class ExpectModel(Model):
    """What is expected: only what is written is compared."""

    times: Texts | None = Field(
        None, description="every fire time between `from` and `to`", examples=[["2026-03-28T02:00"]]
    )
    statuses: Annotated[list[Status], BeforeValidator(listed), OrOne()] | None = Field(
        None, description="how the runs between `from` and `to` end, in their order"
    )
    status: Status | None = Field(None, description="how the run ends")
    reason: Text | None = Field(None, description="why, where the machine says so, as in `timeout`")
    attempts: dict[str, int] | None = Field(None, description="how often steps are tried, by id")
    order: Texts | None = Field(None, description="the steps in the order in which they start")
    skipped: Texts | None = Field(None, description="the steps that are skipped")
    commands: (
        dict[
            str,
            Annotated[CommandModel, BeforeValidator(_command), Also({"type": ["string", "array"]})],
        ]
        | None
    ) = Field(None, description="what steps are started with, by id")
    alerts: Annotated[list[Alert], BeforeValidator(listed), OrOne()] | None = Field(
        None, description="who hears of what, in order; [] is nobody", examples=["ops"]
    )


def _expect(value: Any) -> Any:
    return {"times": value} if isinstance(value, list) else value


def _fail(value: Any) -> Any:
    return {"times": value} if isinstance(value, int | str) and not isinstance(value, bool) else value


class TestModel(Model):
    """What a job is expected to do; `runner test` plays it."""

    job: Text = Field(description="the job's id", examples=["etl"])
    name: Text | None = Field(None, description="what is tested")
    from_: Text | None = Field(
        None, alias="from", description="the first day or moment that is looked at", examples=["2026-03-28"]
    )
    to: Text | None = Field(
        None, description="the day or moment before which it ends", examples=["2026-03-31"]
    )
    at: Text | None = Field(
        None,
        description="the moment of the one run, where there is no `from`; 2026-01-01, if not said",
        examples=["2026-03-29T02:00"],
    )
    params: dict[Name, Any] | None = Field(None, description="what the run is given")
    fail: dict[str, Annotated[FailModel, BeforeValidator(_fail), Also(WHOLE, {"const": "always"})]] | None = (
        Field(None, description="how many attempts of the steps fail first, by id", examples=[{"extract": 2}])
    )
    took: dict[str, Duration] | None = Field(
        None, description="how long each attempt of the steps takes, by id; 1s, if not said"
    )
    outputs: dict[str, dict[Name, Any]] | None = Field(
        None, description="the outputs of steps, by id and name", examples=[{"extract": {"rows": 5}}]
    )
    expect: Annotated[ExpectModel, BeforeValidator(_expect), Also({"type": "array", "items": TEXT})] = Field(
        description="the fire times, or what becomes of the runs"
    )
