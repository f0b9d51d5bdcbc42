"""What is allowed and yet doubtful: said as warnings, with a place and a way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runner.config.diagnose import make
from runner.config.node import At
from runner.errors import Problem
from runner.spec import JobSpec

_FEW = 5


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
            f"nothing ends {_listed(unbounded)} if it hangs",
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


def _all_bounded(spec: JobSpec) -> bool:
    return all(step.timeout is not None for step in spec.steps)


def _listed(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_FEW])
    return f"{shown} and {len(ids) - _FEW} more" if len(ids) > _FEW else shown
