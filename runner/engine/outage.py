"""While a store fails: what is said of it, when it is tried again, and the deadlines that hold all the same."""

from __future__ import annotations

import logging
from collections.abc import Callable

from runner.core.action import Announce, Cancel
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Status
from runner.engine.hands import Hands
from runner.errors import StoreError, StoreFault
from runner.moment import MILLISECOND, SECOND, Moment, Span

log = logging.getLogger("runner.engine")

_ANNOUNCED = {"announced": True}
"""Said by an announcement as well: who shows those need not show the log's line."""
_FIRST_RETRY: Span = 100 * MILLISECOND
_LAST_RETRY: Span = SECOND


class Outage:
    """The trouble with one store. It is said once when it begins, when it becomes another one, and when it is over.

    `retry_every`: how long after a failure the next try is; None: soon, then less often.
    """

    def __init__(
        self, alias: str, hands: Hands, elapsed: Callable[[], Span], retry_every: Span | None = None
    ) -> None:
        self.trouble = ""
        """What the store says while it fails; empty while it works."""
        self.retry_at: Span | None = None
        """When the store is asked again, by `elapsed`; None: whenever there is something to ask, and no trouble."""
        self._elapsed = elapsed
        self._alias = alias
        self._hands = hands
        self._retry_every = retry_every
        self._kind: tuple[type, type] = (StoreError, type(None))
        self._backoff = _FIRST_RETRY
        self._cancelled: set[AttemptKey] = set()

    def waits(self) -> bool:
        """Whether the store is left alone for now."""
        return self.retry_at is not None and self._elapsed() < self.retry_at

    def ask_again(self, after: Span) -> None:
        """Leave the store alone for so long."""
        self.retry_at = self._elapsed() + after

    def failed(self, error: StoreError) -> None:
        """The store failed, once more, and just now: to tell people may take a while."""
        there = self._elapsed()
        kind = (type(error), type(error.__cause__))
        if not self.trouble or kind != self._kind:
            self._kind = kind
            log.error(
                "the store %r fails: %s; nothing starts until it is back",
                self._alias,
                error,
                extra=_ANNOUNCED,
            )
            if isinstance(error, StoreFault):
                log.error("this should not be; please report it:", exc_info=error.__cause__)
            self._hands.tell(Announce("store.failed", (self._alias, str(error))))
        self.trouble = str(error)
        wait, self._backoff = self._backoff, min(self._backoff * 2, _LAST_RETRY)
        self.retry_at = there + (self._retry_every or wait)

    def over(self) -> None:
        """The store works."""
        if self.trouble:
            log.warning("the store %r is back", self._alias, extra=_ANNOUNCED)
            self._hands.tell(Announce("store.back", self._alias))
            self.trouble = ""
            self._cancelled.clear()
        self._backoff = _FIRST_RETRY
        self.retry_at = None

    def enforce_deadlines(self, machine: Machine, now: Moment) -> None:
        """What runs is still stopped at its deadline; the machine records it later."""
        for run in machine.runs.values():
            for state in run.steps.values():
                due = min((each for each in (state.due, run.due) if each is not None), default=None)
                if state.status is not Status.RUNNING or due is None or due > now:
                    continue
                attempt = AttemptKey(run.key, state.id, state.attempt)
                step = next(step for step in run.spec.steps if step.id == state.step)
                self.cancel(Cancel(attempt, step.executor or run.spec.executor, "timeout"))

    def cancel(self, cancel: Cancel) -> None:
        """Stop an attempt before that is on record; each once."""
        if cancel.attempt not in self._cancelled:
            self._cancelled.add(cancel.attempt)
            self._hands.cancel(cancel)
