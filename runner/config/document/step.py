"""A step as people write it, and the keys a job of one step shares with it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from runner.config.document.kinds import (
    EXPRESSION,
    OPEN,
    TEXT,
    Also,
    Duration,
    Instead,
    Model,
    Name,
    Names,
    Open,
    OrOne,
    SomeTime,
    Text,
    Texts,
    Truth,
    any_of,
    at_most_one_of,
    listed,
    one_of,
    short,
)
from runner.config.document.policy import LimitsModel, Retry, Success

FUNCTION = r"^[^\W\d][\w]*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$"
_METHODS = ("get", "post", "put", "patch", "delete", "head")
Values = Annotated[
    list[Any] | str,
    Instead({"anyOf": [{"type": "array", "minItems": 1}, {"type": "string", "pattern": EXPRESSION}]}),
]


Status = Annotated[int, Field(ge=100, le=599)]
WORK = ("run", "command", "python", "http")


class HttpModel(Model):
    """One HTTP request: exactly one method with its URL."""

    model_config = ConfigDict(json_schema_extra=one_of(*_METHODS))

    get: Text | None = Field(None, description="the URL to GET")
    post: Text | None = Field(None, description="the URL to POST to")
    put: Text | None = Field(None, description="the URL to PUT to")
    patch: Text | None = Field(None, description="the URL to PATCH")
    delete: Text | None = Field(None, description="the URL to DELETE")
    head: Text | None = Field(None, description="the URL to HEAD")
    headers: Names = Field({}, description="header lines by name")
    json_: Any = Field(None, alias="json", description="a body, sent as JSON")
    body: Text | None = Field(None, description="a body, sent as it is")
    expect: Annotated[list[Status], BeforeValidator(listed), OrOne()] = Field(
        [200, 201, 202, 204], description="status codes that are good"
    )
    timeout: SomeTime = Field(30_000_000, description="how long the answer may take")

    def request(self) -> tuple[tuple[str, str], ...]:
        """The methods given, with their URLs."""
        return tuple((name, url) for name in _METHODS if (url := getattr(self, name)) is not None)


class ArtifactsModel(Model):
    """Files to keep after the run."""

    paths: Texts = Field(description="globs, relative to the working directory")
    expire_in: Duration | None = Field(
        None, description="how long they are kept; as long as the job's output, if not said"
    )


class Work(Open):
    """What is done and how: the keys of a step that a job of one step has as well."""

    run: Annotated[Text, Instead({"type": ["string", "number", "boolean"], "pattern": r"\S"})] | None = Field(
        None, description="text for a shell", examples=["echo hello"]
    )
    command: Annotated[list[Text], Instead({"type": "array", "items": TEXT, "minItems": 1})] | None = Field(
        None,
        description="a program and its arguments, without a shell",
        examples=[["python", "-m", "billing.send"]],
    )
    python: Annotated[Text, Instead({**TEXT, "pattern": FUNCTION})] | None = Field(
        None, description="an importable function", examples=["etl.tasks:clean"]
    )
    with_: dict[str, Any] | None = Field(None, alias="with", description="keyword arguments of the function")
    http: HttpModel | None = Field(None, description="one HTTP request")
    shell: Annotated[list[Text], BeforeValidator(listed), OrOne()] | None = Field(
        None, description="sh (with -e), bash (with -eo pipefail), python, or an argv", examples=["bash"]
    )
    working_dir: Text | None = Field(None, description="relative to the file's directory")
    user: Text | None = Field(None, description="the user it runs as")
    clean_env: Truth | None = Field(
        None, description="only PATH, HOME, LANG and TZ of the runner's environment"
    )
    success: Success | None = Field(None, description="what counts as success")
    limits: LimitsModel | None = Field(None, description="what it may use")
    stop_signal: str | None = Field(
        None, pattern="^SIG[A-Z0-9]+$", description="the signal that asks it to stop"
    )
    stop_grace_period: Duration | None = Field(
        None, description="how long it may take to stop before SIGKILL"
    )
    env: Names | None = Field(None, description="environment variables; values may hold ${{ }}")
    retry: Retry | None = Field(None, description="how often a failed step is tried again")
    timeout: SomeTime | None = Field(None, description="stop it, and all it started, after this")
    executor: str | None = Field(None, description="a name under `executors`")
    outputs: Names | None = Field(None, description="outputs by name: expressions over `stdout`")
    artifacts: (
        Annotated[
            ArtifactsModel, BeforeValidator(short("paths", str, list)), Also({"type": ["string", "array"]})
        ]
        | None
    ) = Field(None, description="files to keep after the run")


class StepModel(Work):
    """One step of a job. Steps run in order, unless `needs` says otherwise."""

    model_config = ConfigDict(
        json_schema_extra={
            **OPEN,
            "allOf": [
                one_of(*WORK),
                at_most_one_of("foreach", "matrix"),
                {"if": any_of("max_parallel", "fail_fast"), "then": any_of("foreach", "matrix")},
                {"dependentRequired": {"with": ["python"]}},
            ],
        }
    )

    id: Name | None = Field(None, description="its name in expressions and tables")
    name: Text | None = Field(None, description="shown instead of the id")
    needs: Texts | None = Field(None, description="steps that come before; [] starts at once")
    if_: (
        Annotated[
            str,
            BeforeValidator(lambda v: str(v).lower() if isinstance(v, bool) else v),
            Also({"type": "boolean"}),
        ]
        | None
    ) = Field(
        None,
        alias="if",
        description="an expression; the step is skipped where it is false",
        examples=["always()"],
    )
    foreach: Values | None = Field(None, description="one instance per value; `item` in expressions")
    matrix: dict[Name, Values] | None = Field(
        None, min_length=1, description="one instance per combination of values"
    )
    max_parallel: int | None = Field(None, ge=1, description="how many instances at once")
    fail_fast: Truth | None = Field(
        None, description="the first failed instance cancels the others; true, unless continue_on_error is"
    )
    continue_on_error: Truth | None = Field(None, description="a failure does not fail the run")
    group: str | None = Field(None, description="a name under `groups`: capacity shared with others")


class ParamModel(Open):
    """A value a run is given."""

    model_config = ConfigDict(
        json_schema_extra={
            **OPEN,
            "if": {"properties": {"type": {"const": "choice"}}, "required": ["type"]},
            "then": {"required": ["options"]},
        }
    )

    type: Literal["string", "integer", "number", "boolean", "date", "datetime", "choice"] = Field(
        "string", description="what it may be"
    )
    default: Any = Field(None, description="used where none is given; may hold ${{ }} over run and vars")
    required: Truth = Field(False, description="a run without it is refused")
    description: Text = Field("", description="shown in the form and the help")
    options: list[Any] | None = Field(
        None, min_length=1, description="with `type: choice`: what may be chosen"
    )
    pattern: str | None = Field(None, description="a regular expression the whole text must match")
    min: float | None = Field(None, description="the least number")
    max: float | None = Field(None, description="the greatest number")
