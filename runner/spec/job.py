"""A job as people say it: one frozen value for YAML and for the Python interface alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from runner.frozen import frozen
from runner.moment import Span
from runner.spec.notify import Notify
from runner.spec.policy import Policy
from runner.spec.step import Step, nothing
from runner.triggers.base import Trigger


class JobKey(NamedTuple):
    """Which job: the store it lives in, who owns it (`source`), and its id there."""

    store: str
    source: str
    id: str

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class Param:
    """A value a run is given. `default` may be a template over `run` and `vars`."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "date", "datetime", "choice"] = "string"
    default: Any = None
    required: bool = False
    description: str = ""
    options: tuple[Any, ...] = ()
    pattern: str | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class After:
    """Start when another job's run ends so: `on` success, failure or always."""

    job: str
    on: Literal["success", "failure", "always"] = "success"


@dataclass(frozen=True, slots=True)
class OnlyAfter:
    """A gate beside a schedule: wait for `job`'s success of the same day, at most `within`."""

    job: str
    within: Span


@frozen
class JobSpec:
    """What a job is. Equal specs are the same job: a reload says nothing about them.

    `steps` are in the order people wrote them, with explicit needs. `timezone` is an IANA name. `vars`, `env`
    and texts in steps may hold `${{ }}`.
    """

    id: str
    steps: tuple[Step, ...]
    trigger: Trigger | None = None
    policy: Policy = Policy()
    source: str = "api:default"
    store: str = "default"
    name: str = ""
    description: str = ""
    owner: str = ""
    runbook: str = ""
    tags: tuple[str, ...] = ()
    executor: str = "default"
    timezone: str = "UTC"
    env: Mapping[str, str] = field(default_factory=nothing)
    env_files: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=nothing)
    matrix: Mapping[str, Any] = field(default_factory=nothing)
    """This job's values of a job-level matrix; what `matrix.NAME` reads."""
    params: tuple[Param, ...] = ()
    notify: Notify = Notify()
    after: tuple[After, ...] = ()
    only_after: OnlyAfter | None = None
    enabled: bool = True
    heartbeat: str | None = None
    schedule: str = ""
    """The schedule as people wrote it, for tables; empty where there is none."""
    remove_when_done: bool = False
    """Forget the job when its trigger has no next time and its last run ended (the Python interface's way)."""

    key: JobKey = field(init=False, repr=False, compare=False)
    plain: bool = field(init=False, repr=False, compare=False)
    """One step that wants nothing but an executor, at times that nothing moves: core.plain starts and ends it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", JobKey(self.store, self.source, self.id))
        object.__setattr__(self, "plain", _is_plain(self))

    @property
    def title(self) -> str:
        """What people call it: `name`, else the id."""
        return self.name or self.id


_NO_SLA = Policy().sla


def _is_plain(spec: JobSpec) -> bool:
    if len(spec.steps) != 1 or spec.params or spec.only_after is not None:
        return False
    step, policy = spec.steps[0], spec.policy
    return (
        step.condition is None
        and step.foreach is None
        and step.timeout is None
        and step.group is None
        and policy.timeout is None
        and not policy.jitter
        and (policy.sla is _NO_SLA or policy.sla == _NO_SLA)
        and policy.concurrency.group is None
        and (spec.trigger is None or getattr(spec.trigger, "steady", False))
    )
