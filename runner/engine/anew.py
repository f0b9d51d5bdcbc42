"""What came in and is not written, where a lead is lost, or a batch given up that no write would take."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future

from runner.core.action import Save
from runner.core.event import Asked, StepEnded
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Outcome, Request
from runner.engine.abroad import Tending, sign_id
from runner.engine.batch import Batch, Cause, Entry
from runner.engine.feeding import feed_all
from runner.engine.guarded import Guarded
from runner.errors import LeaseLost, StoreError, StoreFault
from runner.frozen import replace
from runner.moment import Moment

log = logging.getLogger("runner.engine")


class Unwritten:
    """`again`: what is to be handled again, one by one. `untold`: ends that only this process knows of. `proved`:
    False once a batch was given up, until the store has shown that it can be written at all."""

    def __init__(self, store: Guarded, source: str, tending: Tending | None) -> None:
        self.untold: list[StepEnded] = []
        self.proved = True
        self._store = store
        self._source = source
        self._tending = tending
        self.again: deque[Cause] = deque()

    @property
    def attempts(self) -> set[AttemptKey]:
        """Those whose ends are to be handled again."""
        return {cause.attempt for cause in self.again if isinstance(cause, StepEnded)}

    def hand_over(self, ends: Iterable[StepEnded] = ()) -> None:
        """Another runner leads: ends, and those that are kept, are for it to know; who waits is told."""
        causes = [*ends, *self.again]
        self.again.clear()
        for cause in causes:
            if isinstance(cause, StepEnded):
                if self._tending is not None:
                    self._tending.ended(cause.attempt, cause.outcome)
                else:
                    self.untold.append(cause)
            elif isinstance(cause, Entry) and cause.waiter is not None:
                cause.waiter.set_exception(LeaseLost(f"the lead of {self._source} is lost"))

    def give_up(self, batch: Batch, error: StoreFault) -> None:
        """Keep what the batch was made of, to be handled one by one; less of it where it was alone already."""
        alone = [batch.alone] if batch.alone is not None else []
        others = [cause for cause in batch.causes if cause is not batch.alone]
        if alone and self._writes_others():
            alone = _what_is_left(alone[0], error)
        self.again = deque([*alone, *self.again, *others])
        self.proved = False

    def _writes_others(self) -> bool:
        """Whether the store writes anything at all: else what it does not write is not at fault."""
        try:
            self.prove()
        except StoreError:
            return False
        return True

    def prove(self) -> None:
        """Write something of no account, where that is to be shown. StoreError."""
        self._store.ask(Request(sign_id(self._source, ""), self._source, "here", state="done"))
        self.proved = True

    def next(self, machine: Machine, now: Moment) -> Batch | None:
        """What follows from the next one alone: it may be what cannot be written. None: there is none. StoreError."""
        while self.again:
            cause = self.again.popleft()
            if self._answered(cause):
                continue
            batch = Batch(causes=[cause], alone=cause)
            if isinstance(cause, Save):
                batch.actions.append(cause)
            else:
                feed_all(machine, now, [cause], batch)
            return batch
        return None

    def _answered(self, cause: Cause) -> bool:
        """Whether it is a request that somebody has answered meanwhile. StoreError: it is read in the store again."""
        if not isinstance(cause, Entry) or not isinstance(cause.what, Asked):
            return False
        request = self._store.answer(cause.what.request.id)
        return request is None or request.state != "asked"


def _what_is_left(alone: Cause, error: StoreFault) -> list[Cause]:
    """What remains of something that cannot be written, even alone: of an end how it ended, of a wish nothing."""
    match alone:
        case StepEnded(attempt, said):
            fault = type(error.__cause__).__name__
            log.error("what was said of the end of %s cannot be written: %s", attempt, error)
            end = Outcome(
                said.status,
                said.exit_code,
                f"what was said of its end could not be stored ({fault}; see the runner's log)",
                started_at=said.started_at,
                ended_at=said.ended_at,
                value=said.value,
                exception=said.exception,
            )
            return [StepEnded(attempt, end)]
        case Entry(what=Asked(request)):
            fault = type(error.__cause__).__name__
            answer = {"error": f"what follows from it could not be stored ({fault}; see the runner's log)"}
            return [Save(replace(request, state="refused", ended_at=request.asked_at, answer=answer))]
        case Entry(waiter=Future() as waiter):
            waiter.set_exception(error.__cause__ or error)
            return []
        case _:
            log.error("given up, for it cannot be written: %r: %s", alone, error)
            return []
