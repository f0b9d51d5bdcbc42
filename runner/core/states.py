"""Where a run and a step may go from where they are: the table that the tests hold every history against.

The diagrams of docs/design.md are drawn from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.core.run import Status

_BAD = frozenset({Status.FAILED, Status.TIMED_OUT, Status.CANCELLED, Status.INTERRUPTED})
_ENDS = _BAD | {Status.SUCCEEDED}

RUN: Mapping[Status, frozenset[Status]] = {
    # All its steps may be skipped, or fail in a condition, before any of them starts.
    Status.PENDING: frozenset({Status.RUNNING, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.WAITING, *_ENDS}),
    Status.WAITING: frozenset({Status.RUNNING, *_BAD}),
}
"""A run: from each live status, where it may go. A final one stays."""

STEP: Mapping[Status, frozenset[Status]] = {
    # A condition that cannot be evaluated is a failure.
    Status.PENDING: frozenset({Status.RUNNING, Status.SKIPPED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.WAITING, *_ENDS}),
    # Its wait is over, or the run is cancelled in it: then the last attempt's status stands.
    Status.WAITING: frozenset({Status.PENDING, Status.SKIPPED, *_BAD}),
}
"""A step, or one instance of it."""


def diagram(moves: Mapping[Status, frozenset[Status]]) -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.PENDING}"]
    finals: list[Status] = []
    for before in moves:
        for after in Status:
            if after in moves[before]:
                lines.append(f"    {before} --> {after}")
                if after.final and after not in finals:
                    finals.append(after)
    lines += [f"    {status} --> [*]" for status in finals]
    return "\n".join(lines)
