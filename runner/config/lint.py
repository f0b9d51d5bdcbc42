"""What is allowed and yet doubtful: said as warnings, with a place and a way out. What is only worth knowing: notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Protocol

from runner.amounts import few
from runner.config.diagnose import make
from runner.config.node import At
from runner.errors import Level, Problem
from runner.moment import Moment, to_datetime
from runner.spec import JobSpec
from runner.triggers.base import BaseTrigger, Trigger
from runner.triggers.lint import Finding, lint
from runner.triggers.together import Together, together


class Places(Protocol):
    """Where the definitions of jobs stand."""

    def get(self, id: str, /) -> At | None: ...


def of_all(specs: Sequence[JobSpec], places: Places, zone: str) -> list[Problem]:
    """The warnings about jobs as a whole, each said once however many jobs it concerns."""
    found: list[Problem] = []

    def warn(kind: str, ids: Sequence[str], fact: str, help: str) -> None:
        place = next((at for id in ids if (at := places.get(id.partition("[")[0]))), None)
        if place is not None:
            length = len(ids[0].partition("[")[0])
            found.append(make(kind, fact, place, help=help, length=length, level="warning"))

    unbounded = [spec.id for spec in specs if spec.policy.timeout is None and not _all_bounded(spec)]
    if unbounded:
        warn(
            "no-timeout",
            unbounded,
            f"nothing ends {few(unbounded)} if it hangs",
            "write `timeout: 1h` in the job or in `defaults`",
        )
    silent = [spec.id for spec in specs if not spec.notify.on_failure]
    if silent and len(silent) == len(specs):
        warn(
            "no-notify",
            silent,
            "nobody hears when a job fails",
            "write `channels:`, and `notify: {on_failure: NAME}` in `defaults`",
        )
    return found


def of_schedules(specs: Sequence[JobSpec], places: Mapping[str, At], now: Moment) -> list[Problem]:
    """What may surprise about the schedules from `now` on. `places`: where each job's schedule stands."""
    found: dict[Finding, list[str]] = {}
    triggers: dict[str, Trigger] = {}
    for spec in specs:
        if spec.trigger is not None and spec.enabled:
            if not spec.policy.jitter:
                triggers[spec.id] = spec.trigger
            for finding in lint(spec.trigger, now):
                found.setdefault(finding, []).append(spec.id)
    problems = []
    for finding, ids in found.items():
        fact = finding.fact + (f" (also {few(ids[1:])})" if len(ids) > 1 else "")
        level: Level = "warning" if finding.doubtful else "note"
        problems.append(make(finding.kind, fact, places[ids[0]], help=finding.help, level=level))
    groups = {spec.id: spec.policy.concurrency.group for spec in specs}
    for met in together(triggers, now):
        if groups[met.names[0]] is None or len({groups[id] for id in met.names}) > 1:
            problems.append(_met(met, triggers, places))
    return problems


def _met(met: Together, triggers: Mapping[str, Trigger], places: Mapping[str, At]) -> Problem:
    trigger = triggers[met.names[0]]
    there = to_datetime(met.first, trigger.tzinfo if isinstance(trigger, BaseTrigger) else UTC)
    often = "once" if met.times == 1 else f"{met.times} times"
    return make(
        "same-instant",
        f"{_joined(met.names)} start at the same instant, {often} in the week ahead: "
        f"first {there:%a %d %b %Y %H:%M %Z}",
        places[met.names[0]],
        help="spread them with `H` (H 2 * * *) or `jitter`, or let a `group` decide how many run at once",
        level="warning",
    )


def _joined(ids: Sequence[str]) -> str:
    return f"{ids[0]} and {ids[1]}" if len(ids) == 2 else few(ids)


def _all_bounded(spec: JobSpec) -> bool:
    return all(step.timeout is not None for step in spec.steps)
