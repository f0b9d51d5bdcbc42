"""One step of a job: what is done, and the rules around it.

Text may hold `${{ }}`; it is rendered when the step starts, in the executor's hand (records.md has the table).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.frozen import frozen
from runner.moment import SECOND, Span
from runner.spec.policy import Retry

EMPTY: Mapping[str, Any] = {}
"""One for all who have nothing to say: ten thousand jobs would keep five each."""


def nothing() -> Mapping[str, Any]:
    """The empty mapping, as what a field is where nobody fills it."""
    return EMPTY


@dataclass(frozen=True, slots=True)
class Success:
    """What counts as success. Output on stderr never decides; `fail_on_output` is a regular expression."""

    exit_codes: tuple[int, ...] = (0,)
    fail_on_output: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command may use: processors, bytes of memory, processes."""

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A child process: `script` for a shell, or `argv` without one; exactly one of the two.

    `shell` is the interpreter's argv: the script text is written to a private file or given with `-c`.
    """

    script: str | None = None
    argv: tuple[str, ...] | None = None
    shell: tuple[str, ...] = ("sh", "-e")
    working_dir: str | None = None
    user: str | None = None
    stop_signal: str = "SIGTERM"
    stop_grace: Span = 10 * SECOND
    success: Success = Success()
    limits: Limits | None = None
    clean_env: bool = False


@frozen
class Call:
    """A Python function. `target` is `pkg.mod:func` text, or the function itself (memory store only).

    `place`: `process` (a worker process: a hang or a crash hurts nobody else) or `thread`; None: as the
    executor says. `args` and `kwargs` reach it as they are; texts in YAML's `with` are rendered first
    where `rendered` says so.
    """

    target: str | Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=nothing)
    rendered: bool = False
    place: Literal["process", "thread"] | None = None
    working_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """One HTTP request; any status outside `expect` is a failure."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=nothing)
    json: Any = None
    body: str | None = None
    expect: tuple[int, ...] = (200, 201, 202, 204)
    timeout: Span = 30 * SECOND


Work = Command | Call | Http


@dataclass(frozen=True, slots=True)
class Foreach:
    """Instances of a step. `items`: an expression text or a fixed list; or `matrix`: axes of values.

    `max_parallel` None: all at once. `fail_fast`: the first failed instance cancels the others.
    """

    items: str | tuple[Any, ...] | None = None
    matrix: Mapping[str, Any] | None = None
    max_parallel: int | None = None
    fail_fast: bool = True


@frozen
class Step:
    """A node of the workflow. `needs` is always explicit here: "in order" is sugar that config lowers."""

    id: str
    work: Work
    needs: tuple[str, ...] = ()
    name: str = ""
    condition: str | None = None
    retry: Retry = Retry()
    timeout: Span | None = None
    executor: str | None = None
    env: Mapping[str, str] = field(default_factory=nothing)
    outputs: Mapping[str, str] = field(default_factory=nothing)
    foreach: Foreach | None = None
    continue_on_error: bool = False
    group: str | None = None
    artifacts: tuple[str, ...] = ()
    artifacts_for: Span | None = None
    """How long artifacts are kept; None: as long as the job's output."""


def is_text(step: Step, output: str) -> bool:
    """Whether an output can only be text: what a command writes to $RUNNER_OUTPUT, and no expression of `outputs`."""
    return isinstance(step.work, Command) and output not in step.outputs
