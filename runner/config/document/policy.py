"""How a job behaves when reality differs from the plan, as people write it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from runner.config.document.kinds import (
    LATER,
    TEXT,
    WHOLE,
    Also,
    Duration,
    Model,
    OrOne,
    Share,
    Size,
    SomeTime,
    Text,
    Texts,
    TimeOfDay,
    Truth,
    listed,
    short,
)

ExitCode = Annotated[int, Field(ge=0, le=255)]


class RetryModel(Model):
    """Try a failed step again. `max` counts retries, not attempts."""

    max: Annotated[int, Field(ge=0, le=1000, description="how many times it is tried again")]
    delay: Duration = Field(0, description="wait before the first retry")
    backoff: float = Field(
        1.0, ge=1, le=100, description="each further wait is this many times the one before"
    )
    max_delay: Duration | None = Field(None, description="no wait is longer than this")
    jitter: Share = Field(0.0, description="each wait is moved by up to this share of itself")
    exit_codes: list[ExitCode] | None = Field(None, description="only these exit codes are tried again")


class ConcurrencyModel(Model):
    """What happens when a run is due while another run of the job is still going."""

    overlap: Literal["skip", "queue", "replace", "allow"] = Field(
        "skip", description="skip the new run, queue it, replace the old one, or allow both"
    )
    max: int | None = Field(None, ge=1, description="how many runs at once, with `overlap: allow`")
    group: str | None = Field(None, description="a name under `groups`: capacity shared with other jobs")


class CatchupModel(Model):
    """What happens to occurrences missed in downtime."""

    runs: Literal["none", "latest", "all"] = Field(
        "latest", description="run none, the latest, or all of them"
    )
    window: Duration | None = Field(
        None, description="how far back; one period, at least an hour, if not said"
    )
    max: int = Field(20, ge=1, le=10000, description="with `all`: at most so many")


class SlaModel(Model):
    """What makes a run late. It only tells (`on_late`); `timeout` stops."""

    start_within: SomeTime | None = Field(None, description="due, but not started after this")
    max_duration: SomeTime | None = Field(None, description="still running after this")
    finish_by: TimeOfDay | None = Field(None, description="not finished by this time of day")
    success_every: SomeTime | None = Field(None, description="no success for this long")


class RetentionModel(Model):
    """How much of a job's past is kept."""

    runs: int = Field(500, ge=1, description="so many runs")
    age: Duration = Field(90 * 86400 * 1_000_000, description="records no older than this")
    logs: Duration = Field(30 * 86400 * 1_000_000, description="output no older than this")
    bytes: Size = Field(256 << 20, description="so much output, of all its runs together")


class SuccessModel(Model):
    """What counts as success. Output on stderr never decides."""

    exit_codes: Annotated[list[ExitCode], BeforeValidator(listed), OrOne()] = Field(
        [0], description="exit codes that are good"
    )
    fail_on_output: str | None = Field(
        None, description="a regular expression; output that matches it is a failure"
    )


class LimitsModel(Model):
    """What a command may use."""

    cpus: float | None = Field(None, gt=0, description="processors, as in 1.5")
    memory: Size | None = Field(None, description="bytes, as in 512M")
    pids: int | None = Field(None, ge=1, description="processes and threads")


class RuleModel(Model):
    """Who hears of it, and when."""

    to: Texts = Field(description="names under `channels`")
    after: int = Field(1, ge=1, description="only from the n-th failure in a row")
    remind: SomeTime | None = Field(None, description="tell again every so often while it lasts")
    if_: Text | None = Field(None, alias="if", description="an expression over job and run")
    title: Text | None = Field(None, description="a title of your own; may hold ${{ }}")
    body: Text | None = Field(None, description="a text of your own; may hold ${{ }}")
    attach_log: Truth = Field(False, description="send the output along")


def _rules(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [{"to": value}] if value else []
    return [_rule(item) for item in listed(value) or []]


_rule = short("to", str, list)
Rules = Annotated[list[Annotated[RuleModel, Also(TEXT)]], BeforeValidator(_rules), OrOne()]


class NotifyModel(Model):
    """Who hears of what: names under `channels`."""

    on_failure: Rules | None = Field(None, description="a run did not succeed", examples=["ops"])
    on_recovery: Rules | None = Field(None, description="a run succeeded after failures")
    on_late: Rules | None = Field(None, description="something of `sla` was broken")
    on_success: Rules | None = Field(None, description="a run succeeded")


Retry = Annotated[RetryModel, BeforeValidator(short("max", int)), Also(WHOLE, LATER)]
Concurrency = Annotated[
    ConcurrencyModel,
    BeforeValidator(short("overlap", str)),
    Also({"enum": ["skip", "queue", "replace", "allow"]}, LATER),
]
Catchup = Annotated[
    CatchupModel, BeforeValidator(short("runs", str)), Also({"enum": ["none", "latest", "all"]}, LATER)
]
Success = Annotated[
    SuccessModel, BeforeValidator(short("exit_codes", int, list)), Also({"type": ["integer", "array"]})
]
