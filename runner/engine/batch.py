"""What one turn takes in, and what it decided: written in one transaction, then acted on, then told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from runner.core.action import Action, Announce, Cancel, Change, Forget, Save, Send, Start
from runner.core.event import Event, StepEnded
from runner.core.machine import Machine
from runner.core.run import Run, RunKey
from runner.engine.hands import Hands
from runner.executors.base import Done, Until
from runner.moment import Moment

Plan = Callable[[Machine, Moment], Sequence[Event]]
"""Events that depend on what the machine knows: worked out on the clock thread, handled at once."""


@dataclass(slots=True)
class Entry:
    """Something in the inbox: an event or a plan, and who waits for it to be written."""

    what: Event | Plan
    waiter: Future[None] | None = None


Arrival = Entry | StepEnded
"""What stands in the inbox. The end of an attempt, for which nobody waits, stands there bare: there are many."""

Cause = Arrival | Save
"""What a batch was made of, besides what time has brought. Save: a record as it stands, the house's own."""


@dataclass(slots=True)
class Batch:
    """The actions of a turn in order, who waits until they are written, and what they follow from.

    `alone`: the one thing it was made of, because it may be what cannot be written.
    """

    actions: list[Action] = field(default_factory=list)
    waiters: list[Future[None]] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    alone: Cause | None = None

    def add(self, other: Batch) -> None:
        """Take in what was decided later."""
        self.actions += other.actions
        self.waiters += other.waiters
        self.causes += other.causes
        if other.causes:
            self.alone = None

    def changes(self) -> list[Change]:
        """What must be written before anything else happens."""
        return [action for action in self.actions if type(action) is Save or type(action) is Forget]

    def written(self) -> Batch:
        """What is left to do once the changes are written."""
        return Batch([each for each in self.actions if not isinstance(each, Save | Forget)], self.waiters)

    def urgent(self, *, any_reason: bool) -> list[Cancel]:
        """Take out the cancels that need not wait until it is written: of attempts that do not begin with it.

        `any_reason`: also those that are no timeouts.
        """
        begun = {action.attempt for action in self.actions if type(action) is Start}
        urgent = [
            action
            for action in self.actions
            if type(action) is Cancel
            and action.attempt not in begun
            and (any_reason or action.reason == "timeout")
        ]
        if urgent:
            self.actions = [action for action in self.actions if action not in urgent]
        return urgent

    def act(self, hands: Hands, done: Done, until: Until) -> None:
        """After the write: start, stop and send, and then tell."""
        news: list[Announce] = []
        starts: list[Start] = []
        # The most frequent first: a turn may have a hundred thousand of them.
        for action in self.actions:
            kind = type(action)
            if kind is Save:
                continue
            if kind is Start:
                starts.append(action)  # type: ignore[arg-type]
            elif kind is Announce:
                news.append(action)  # type: ignore[arg-type]
            elif isinstance(action, Cancel):
                # It may be of what starts in this very batch, one that was held back.
                hands.start_all(starts, done, until)
                starts = []
                hands.cancel(action)
            elif isinstance(action, Send):
                hands.deliver(action.delivery)
        if starts:
            hands.start_all(starts, done, until)
        if hands.keeping:
            for run in self._ended():
                hands.forget(run)
        if self.waiters:
            self.answer()
        for announce in news:
            hands.tell(announce)

    def _ended(self) -> Iterator[Run]:
        """The runs that are over with it."""
        for action in self.actions:
            if isinstance(action, Save) and isinstance(action.record, Run) and action.record.status.final:
                yield action.record

    def answer(self) -> None:
        """It is written: tell who waits for that."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter.set_result(None)

    def leave_out(self, runs: Collection[Any]) -> None:
        """Without anything that is about these runs."""
        self.actions = [action for action in self.actions if _run_of(action) not in runs]

    def ends(self) -> Iterator[StepEnded]:
        """The ends of attempts that it would write."""
        return (cause for cause in self.causes if type(cause) is StepEnded)


def _run_of(action: Action) -> RunKey | None:
    """The run an action is about, if it is about one."""
    match action:
        case Save(Run() as run):
            return run.key
        case Start(run=run):
            return run.key
        case Cancel(attempt=attempt):
            return attempt.run
        case Announce(value=Run() as run):
            return run.key
        case _:
            return None
