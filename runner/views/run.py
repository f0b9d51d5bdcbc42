"""One run with its steps, and the words and entries that other views say of runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from runner.core.blame import blamed
from runner.core.run import Run, Status, StepRun
from runner.moment import SECOND, Moment, Span, seconds
from runner.views.table import Cell, Column, Style, Table, rows
from runner.views.when import iso, rough, took, when, zone_of

STYLES: Mapping[str, tuple[str, Style]] = {
    "succeeded": ("✓", "good"),
    "failed": ("✗", "bad"),
    "timed_out": ("✗", "bad"),
    "interrupted": ("✗", "bad"),
    "cancelled": ("-", "warn"),
    "skipped": ("-", "dim"),
    "missed": ("!", "warn"),
    "merged": ("-", "dim"),
    "running": (">", "bold"),
    "pending": ("·", "dim"),
    "waiting": ("·", "warn"),
}
"""The sign and the style of each status, the same in every table."""

_LATE: Span = SECOND
"""Less is nothing people want to read of."""


def status_cell(status: str) -> Cell:
    sign, style = STYLES.get(status, ("·", ""))
    return Cell(f"{sign} {status.replace('_', ' ')}", style)


def entry(run: Run) -> dict[str, Any]:
    """A run as `--json` shows it, in lists and alone; times are in the job's zone."""
    zone = zone_of(run.spec.timezone)
    return {
        "id": run.id,
        "job": run.spec.id,
        "status": str(run.status),
        "reason": run.reason,
        "scheduled_at": iso(run.key.slot, zone),
        "started_at": iso(run.started_at, zone),
        "ended_at": iso(run.ended_at, zone),
        "took": seconds(run.took) if run.ended_at is not None else None,
        "late": seconds(run.late),
        "attempt": attempt(run),
        "trigger": run.origin,
        "commit": run.commit or None,
        "steps": [_step_entry(state) for state in run.steps.values()],
    }


def attempt(run: Run) -> int:
    """The highest attempt of any of its steps."""
    return max((state.attempt for state in run.steps.values()), default=0)


def why(run: Run) -> str:
    """In a few words why it did not succeed: the run's reason, else the step that is to blame and its end."""
    if run.status.good:
        return ""
    if run.reason and run.status is not Status.TIMED_OUT:
        return run.reason
    state = blamed(run)
    return run.reason if state is None else _step_trouble(state, alone=len(run.steps) == 1)


def origin(run: Run) -> str:
    """What started it, where that was not its schedule: `after etl`, `manual by kari`."""
    if run.origin == "schedule":
        return ""
    if not run.by:
        return run.origin
    return f"after {run.by}" if run.origin == "after" else f"{run.origin} by {run.by}"


def document(run: Run) -> dict[str, Any]:
    """`{run: ...}`: the entry, with its parameters, who asked for it, and each step's times, outputs and error."""
    zone = zone_of(run.spec.timezone)
    steps = [
        _step_entry(state)
        | {
            "started_at": iso(state.started_at, zone),
            "ended_at": iso(state.ended_at, zone),
            "reason": state.reason,
            "error": state.outcome.error if state.outcome else "",
            "outputs": dict(state.outcome.outputs) if state.outcome else {},
        }
        for state in run.steps.values()
    ]
    return {"run": entry(run) | {"by": run.by, "params": dict(run.params), "steps": steps}}


def table(run: Run, *, now: Moment, zone: tzinfo) -> Table:
    """The steps, below them the run's own line."""
    cells = [
        (
            status_cell(state.status),
            state.id,
            when(state.started_at, now, zone) if state.started_at is not None else "",
            _took(state.started_at, state.ended_at, now),
            str(state.attempt) if state.attempt else "",
            _step_trouble(state, alone=True) or state.reason,
        )
        for state in run.steps.values()
    ]
    columns = (
        Column("STATUS"),
        Column("STEP"),
        Column("STARTED"),
        Column("TOOK", right=True),
        Column("ATTEMPT", right=True),
        Column("WHY", gives=True),
    )
    return Table(columns, rows(cells), empty="no step has begun", notes=(sentence(run, now=now, zone=zone),))


def sentence(run: Run, *, now: Moment, zone: tzinfo) -> str:
    """`etl@2026-11-24T01:00:00Z failed after 1m 3s, planned today 02:00, 3s late (exit code 3)`."""
    parts = [f"{run.id} {str(run.status).replace('_', ' ')}"]
    if run.ended_at is not None and run.started_at is not None:
        parts[0] += f" after {took(run.took)}"
    if run.origin == "schedule":
        parts.append(f"planned {when(run.key.slot, now, zone)}")
        if run.late >= _LATE:
            parts.append(f"{took(run.late)} late")
    else:
        parts.append(f"{origin(run)} {when(run.key.slot, now, zone)}")
    reason = why(run)
    return ", ".join(parts) + (f" ({reason})" if reason else "")


def _step_entry(state: StepRun) -> dict[str, Any]:
    took = None
    if state.started_at is not None and state.ended_at is not None:
        took = seconds(max(0, state.ended_at - state.started_at))
    return {
        "id": state.id,
        "status": str(state.status),
        "attempt": state.attempt,
        "exit_code": state.outcome.exit_code if state.outcome else None,
        "took": took,
    }


def _step_trouble(state: StepRun, *, alone: bool) -> str:
    if not state.status.final or state.status.good or state.status is Status.SKIPPED:
        return ""
    where = "" if alone else f"{state.id}: "
    outcome = state.outcome
    # Of what was stopped it says how it died, and not why.
    if outcome is not None and outcome.exit_code and state.status is Status.FAILED:
        return f"{where}exit code {outcome.exit_code}"
    words = outcome.error.strip().split("\n")[0] if outcome is not None else ""
    return where + (words or state.reason or str(state.status).replace("_", " "))


def _took(started: Moment | None, ended: Moment | None, now: Moment) -> str:
    if started is None:
        return ""
    if ended is None:
        return f"{rough(max(0, now - started))} so far"
    return took(max(0, ended - started))
