"""What holds for a job where nobody says anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from runner.config.schema import written
from runner.duration import format_duration
from runner.spec import Catchup, Command, Concurrency, Policy, Retention, Retry

_KINDS = dict.fromkeys(("window", "age", "logs"), "duration") | {"bytes": "size"}


@dataclass(frozen=True, slots=True)
class Default:
    """`value` as people write it, None where nothing holds; `note` says more. `commands`: of commands only."""

    key: str
    value: Any = None
    note: str = ""
    commands: bool = False


def defaults() -> Iterator[Default]:
    """Of each key of a job that has one."""
    command = Command()
    yield Default("enabled", True)
    yield Default("timezone", None, "the machine's")
    yield Default("timeout", None, "none")
    yield Default("retry", Retry().max)
    yield Default("concurrency", Concurrency().overlap)
    yield Default("catchup", _said(Catchup()), "within one period, at least 1h")
    yield Default("on_interrupt", Policy().on_interrupt)
    yield Default("priority", Policy().priority)
    yield Default("executor", "default")
    yield Default("shell", command.shell[0], "with -e", commands=True)
    yield Default("working_dir", None, "the directory of the file", commands=True)
    yield Default("clean_env", command.clean_env, commands=True)
    yield Default("stop_signal", command.stop_signal, commands=True)
    yield Default("stop_grace_period", format_duration(command.stop_grace), commands=True)
    yield Default("success", {"exit_codes": list(command.success.exit_codes)}, commands=True)
    yield Default("notify", None, "nobody")
    yield Default("retention", _said(Retention()))


def _said(value: Any) -> dict[str, Any]:
    """The fields of a policy that have a value, as people write them."""
    found = {each.name: getattr(value, each.name) for each in fields(value)}
    return {name: written(item, _KINDS.get(name, "")) for name, item in found.items() if item is not None}
