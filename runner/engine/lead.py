"""The lease of a source, as this process knows it: whether it leads, and until when that is certain.

Its times are elapsed ones: a wall clock that is set must not stop a lease from being renewed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from runner.engine.abroad import Host
from runner.engine.guarded import Guarded
from runner.errors import StoreError
from runner.executors.base import Until
from runner.jobstores.base import LEASE, Fence
from runner.moment import MILLISECOND, Moment, Span

log = logging.getLogger("runner.engine")

MARGIN: Span = 500 * MILLISECOND
"""Nothing begins so short before the lease's end: what was told to begin has begun when another runner may lead."""
_RENEW_AFTER: Span = LEASE - MARGIN - 1750 * MILLISECOND
_LONGEST: Span = 16 * LEASE
"""No takeover asks for a longer lease: after its crash the next runner would wait as long."""


def _never() -> Span | None:
    return 0


class Lead:
    """`fence` is what the writes are made under; None where this process does not lead."""

    def __init__(
        self, store: Guarded, source: str, owner: str, elapsed: Callable[[], Span], host: Host | None
    ) -> None:
        self.fence: Fence | None = None
        self._store = store
        self.source = source
        self._owner = owner
        self._elapsed = elapsed
        self._host = host
        self._good_until: Span | None = None
        """Until when the lead is ours for certain; None for a lock that lasts as long as we do."""
        self.renew_at: Span | None = None
        """When it has to be renewed; None: never."""
        self.until: Until = _never
        """Until when an attempt decided now may begin: as long as this very lead is ours."""
        self.taken_at: Span | None = None
        """While it is being taken over: since when."""
        self._takeover: Span = LEASE
        """How long a lease a takeover asks for: longer than usual where an earlier one was lost, for it was slow."""

    def speaks(self) -> bool:
        """Whether this process may lead at all: it speaks for its host. StoreError where that cannot be known."""
        try:
            return self._host is None or self._host.take()
        except OSError as error:
            raise StoreError(f"the host's lock cannot be taken: {error.strerror or error}") from error

    def take(self, now: Moment) -> Fence | None:
        """Ask the store for the lead; None while somebody else has it. StoreError."""
        asked_at = self._elapsed()
        fence = self._store.hold(self.source, self._owner, now, self._takeover)
        if fence is not None:
            self.taken_at = asked_at
            self._took(fence, asked_at, now)
        return fence

    def through(self) -> None:
        """The takeover is over: what it had decided is written. From now on the lease is an usual one."""
        if self.taken_at is None:
            return
        took, self.taken_at = self._elapsed() - self.taken_at, None
        if self._takeover > LEASE and self.renew_at is not None:
            self.renew_at = self._elapsed()
        self._takeover = min(max(LEASE, 2 * took), _LONGEST)

    def renew(self, now: Moment) -> Fence | None:
        """As `take`, for one that leads: None, or a fence of another number, where the lead was lost. StoreError."""
        asked_at = self._elapsed()
        lease = LEASE if self.taken_at is None else self._takeover
        fence = self._store.hold(self.source, self._owner, now, lease)
        if fence is not None and self.fence is not None and fence.number == self.fence.number:
            self._took(fence, asked_at, now)
        return fence

    def _took(self, fence: Fence, asked_at: Span, now: Moment) -> None:
        if self.fence is None or self.fence.number != fence.number:
            self.until = self._as_long_as(fence.number)
        self.fence = fence
        ends = fence.until is not None
        self._good_until = asked_at + (fence.until - now) - MARGIN if fence.until is not None else None
        self.renew_at = asked_at + _RENEW_AFTER if ends else None

    @property
    def ends(self) -> bool:
        """Whether it has a deadline."""
        return self._good_until is not None

    @property
    def over(self) -> bool:
        """Whether another runner may lead by now: nothing begins unless it is renewed."""
        return self._good_until is not None and self._elapsed() >= self._good_until

    def _as_long_as(self, number: int) -> Until:
        def until() -> Span | None:
            fence = self.fence
            return self._good_until if fence is not None and fence.number == number else 0

        return until

    def lost(self) -> None:
        """Another runner led meanwhile, or could have. One that was lost before it was through took too long."""
        if self.taken_at is not None:
            took, self.taken_at = self._elapsed() - self.taken_at, None
            self._takeover = min(2 * max(self._takeover, took), _LONGEST)
        self.fence = None
        self._good_until = self.renew_at = None

    def release(self) -> None:
        """Let others lead."""
        fence, self.fence = self.fence, None
        self._good_until = self.renew_at = self.taken_at = None
        if fence is not None:
            try:
                self._store.release(fence)
            except StoreError as error:
                log.warning("could not give the lead of %s back: %s", self.source, error)
        if self._host is not None:
            self._host.give()
