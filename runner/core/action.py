"""What the machine wants done, in order: write (all Saves and Forgets of a turn in one transaction), act, tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.core.run import AttemptKey, Delivery, Record, Run, StepRun
from runner.frozen import frozen
from runner.spec import JobKey, Step


@frozen
class Save:
    """Write this record; a later Save of the same key within a turn replaces the earlier one."""

    record: Record


@dataclass(frozen=True, slots=True)
class Forget:
    """The job is no longer; its history stays."""

    key: JobKey


@frozen
class Start:
    """Begin this attempt, after the turn's transaction."""

    run: Run
    step: Step
    state: StepRun

    @property
    def attempt(self) -> AttemptKey:
        return AttemptKey(self.run.key, self.state.id, self.state.attempt)


@frozen
class Cancel:
    """End this attempt: its whole tree. Its executor still answers with an outcome."""

    attempt: AttemptKey
    executor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Send:
    """Carry this delivery to its channel; the notifier answers with Delivered."""

    delivery: Delivery


@frozen
class Announce:
    """Tell listeners, the log and the live page. `name` is a stable machine name such as `run.ended`."""

    name: str
    value: Any


Action = Save | Forget | Start | Cancel | Send | Announce
Change = Save | Forget
