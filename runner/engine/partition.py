"""One source in one store: its lease, its machine, and the batch that must be written before anything starts.

Write, act, tell, in this order. A write that fails keeps its batch: nothing of it starts, what happens meanwhile
waits, deadlines of what already runs are enforced all the same, and the write is tried again with backoff.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from runner.core.action import Announce, Save
from runner.core.event import (
    Broken,
    Configured,
    Settings,
    Started,
    StepEnded,
    Stepped,
    Stopping,
    Tick,
)
from runner.core.machine import Machine
from runner.core.run import Request, Run, RunKey
from runner.engine.abroad import LOOK_EVERY, Host, Leading, Tending, under_way
from runner.engine.batch import Arrival, Batch, Entry, Plan
from runner.engine.hands import Hands
from runner.engine.outage import Outage
from runner.engine.requests import Requests
from runner.errors import LeaseLost, RunExists, RunnerError, StoreError
from runner.executors.base import Done, Until
from runner.jobstores.base import LEASE, Fence, JobStore
from runner.moment import MILLISECOND, Moment, Span

log = logging.getLogger("runner.engine")

MARGIN: Span = 500 * MILLISECOND
"""Nothing begins so short before the lease's end: what was told to begin has begun when another runner may lead."""
_RENEW_BEFORE: Span = 1750 * MILLISECOND
_ASK_LEAD_EVERY: Span = 500 * MILLISECOND

Come = Callable[[], None]
"""Waits, between writing and acting, for the moment of a turn that is taken a little before it."""


class Partition:
    """Used from the clock thread only, but for reading `machine.jobs`, whose values are frozen."""

    def __init__(
        self,
        store: JobStore,
        source: str,
        *,
        owner: str,
        settings: Settings,
        hands: Hands,
        done: Done,
        elapsed: Callable[[], Span],
        early: Plan | None = None,
        prepare: Plan | None = None,
        on_request: Callable[[Request], bool] | None = None,
        host: Host | None = None,
        retry_every: Span | None = None,
    ) -> None:
        self.store = store
        self.source = source
        self.machine: Machine | None = None
        self.standing_by = False
        self.refused = False
        self._owner = owner
        self.settings = settings
        """What the next machine begins with."""
        self._hands = hands
        self._done = done
        self._early = early
        self._prepare = prepare
        self._host = host
        self._elapsed = elapsed
        self._leading = Leading(store, source, host.name) if host is not None else None
        self._tending = Tending(store, source, host.name, hands) if host is not None else None
        self._fence: Fence | None = None
        self._good_until: Span | None = None
        """Until when the lead is ours for certain, by `elapsed`; None for a lock that lasts as long as we do."""
        self._held: Batch | None = None
        # These are `elapsed` too: a wall clock that is set must not stop a lease from being renewed.
        self._retry_at: Span | None = None
        self._tend_at: Span = 0
        self._look_at: Span | None = None
        self._outage = Outage(store.alias, hands, retry_every)
        self._asked = Requests(store, source, on_request)

    # ── leading ─────────────────────────────────────────────────────────────────────────────

    @property
    def leading(self) -> bool:
        return self.machine is not None

    def lead(self, now: Moment, *, tick: bool = True) -> bool:
        """Try to become leader: take the lease, read what is known, settle what an earlier process left.

        `early` is worked out before anything is decided, `prepare` after the occurrences of the downtime were.
        False where somebody else leads (asked again a second later) or the store fails (with backoff).
        """
        if self._host is not None and not self._host.take():
            self._stand_by()
            return False
        try:
            asked_at = self._elapsed()
            fence = self.store.hold(self.source, self._owner, now)
            if fence is None:
                self._recovered()
                self._stand_by()
                self._tend(now)
                return False
            loaded = self.store.load(self.source)
        except StoreError as error:
            self._failed(error)
            return False
        self._recovered()
        self._take(fence, asked_at)
        self.standing_by = False
        machine = Machine(
            self.settings,
            loaded.jobs,
            loaded.runs,
            loaded.incidents,
            loaded.deliveries,
            hears=self._hands.hears,
        )
        self.machine = machine
        batch = Batch()
        if self._early is not None:
            try:
                early = self._early(machine, now)
            except RunnerError as error:
                self._refuse(error)
                return False
            for event in early:
                self._feed(now, Entry(event), batch)
        self._feed(now, Entry(self._recover(loaded.runs)), batch)
        for bad in loaded.unreadable:
            self._feed(now, Entry(Broken(bad.key, bad.reason)), batch)
        if tick:
            self._feed(now, Entry(Tick()), batch)
        if self._prepare is not None:
            self._feed(now, Entry(self._prepare), batch)
            if tick:
                self._feed(now, Entry(Tick()), batch)
        batch.actions.append(Announce("lease.taken", self.source))
        self._perform(now, batch)
        return True

    def _recover(self, runs: Sequence[Run]) -> Started:
        """What became of the attempts under way; those of other hosts go on, as far as anybody knows."""
        away = frozenset(self._leading.elsewhere(runs)) if self._leading is not None else frozenset()
        untold = self._tending.handed_over() if self._tending is not None else {}
        found = self._hands.recover(runs, away)
        self._look_at = self._elapsed() if away else None
        return Started(
            (found.alive | away) - untold.keys(), {**found.ended, **untold}, found.gone - untold.keys()
        )

    def _take(self, fence: Fence, asked_at: Span) -> None:
        self._fence = fence
        self._good_until = None if fence.until is None else asked_at + LEASE - MARGIN

    def _stand_by(self) -> None:
        if not self.standing_by:
            self.standing_by = True
            self._hands.tell(Announce("lease.held", self.source))
        self._retry_at = self._elapsed() + _ASK_LEAD_EVERY

    def _tend(self, now: Moment) -> None:
        """Standing by: see to what this host runs of the source. StoreError."""
        if self._tending is None or self._elapsed() < self._tend_at:
            return
        self._tend_at = self._elapsed() + LOOK_EVERY
        self._tending.tend(now)

    def pass_on(self, now: Moment, entries: Sequence[Arrival]) -> list[Arrival]:
        """While another runner leads, ends of this host's attempts are for it to know; the rest waits."""
        if self._tending is None or self.machine is not None:
            return list(entries)
        left: list[Arrival] = []
        for entry in entries:
            if isinstance(entry, StepEnded):
                self._tending.ended(entry.attempt, entry.outcome)
                self._tend_at = 0
            else:
                left.append(entry)
        return left

    def knocked(self) -> None:
        """Something was asked, or a lead was given up: whoever stands by need not wait to ask for it."""
        if self.standing_by and self.machine is None and not self.trouble:
            self._retry_at = None

    def _refuse(self, error: RunnerError) -> None:
        """What the store knows and what is wanted now do not go together: leave it alone until somebody decides."""
        self.refused = True
        self.release()
        self._hands.tell(Announce("lease.refused", error))

    def release(self) -> None:
        """Let others lead; what is not written by now is read from the executors' marks by the next leader."""
        fence, self._fence, self.machine = self._fence, None, None
        if fence is not None:
            try:
                self.store.release(fence)
            except StoreError as error:
                log.warning("could not give the lead of %s back: %s", self.source, error)
        if self._host is not None:
            self._host.give()

    def _renew_at(self) -> Span | None:
        return None if self._good_until is None else self._good_until - _RENEW_BEFORE

    def _renew(self, now: Moment) -> None:
        """Renew the lease. Where that fails it is tried again with backoff, and nothing begins after its end."""
        fence, at = self._fence, self._renew_at()
        if fence is None or at is None or self._elapsed() < at:
            return
        if self.trouble and self._retry_at is not None and self._elapsed() < self._retry_at:
            return
        try:
            asked_at = self._elapsed()
            renewed = self.store.hold(self.source, self._owner, now)
        except StoreError as error:
            self._failed(error)
            return
        if renewed is None or renewed.number != fence.number:
            self._lost(renewed)
            return
        self._take(renewed, asked_at)
        if self._held is None:
            self._recovered()

    def _lost(self, renewed: Fence | None = None) -> None:
        """Another runner led meanwhile, or could have: what this one knows is old, and is read again."""
        log.error("the lead of %s is lost to another runner; standing by", self.source)
        batch, self._held = self._held, None
        for waiter in batch.waiters if batch else ():
            waiter.set_exception(LeaseLost(f"the lead of {self.source} is lost"))
        if self._tending is not None:
            for attempt, outcome in batch.ends() if batch else ():
                self._tending.ended(attempt, outcome)
        self.machine = None
        self._fence = None
        self._good_until = None
        self._tend_at = 0
        self._retry_at = self._elapsed() if renewed is not None else self._elapsed() + _ASK_LEAD_EVERY
        self._hands.tell(Announce("lease.lost", self.source))

    def _until(self) -> Until:
        """Until when an attempt decided now may begin: as long as this very lead is ours."""
        number = self._fence.number if self._fence is not None else None

        def until() -> Span | None:
            fence = self._fence
            return self._good_until if fence is not None and fence.number == number else 0

        return until

    # ── a turn ──────────────────────────────────────────────────────────────────────────────

    def wait(self, now: Moment, *, tick: bool = True) -> Span | None:
        """How long this partition needs no turn, unless something happens; None: for ever."""
        moment = self.moment() if tick else None
        if self._retry_at is None and self._look_at is None and self._good_until is None:
            # The usual one: a lead that lasts, and nothing in the way.
            return None if moment is None else max(0, moment - now)
        there = self._elapsed()
        spans = [at - there for at in (self._retry_at, self._look_at) if at is not None]
        if moment is not None:
            spans.append(moment - now)
        renew_at = self._renew_at()
        if renew_at is not None and not self.trouble:
            spans.append(renew_at - there)
        return max(0, min(spans)) if spans else None

    def moment(self) -> Moment | None:
        """When time alone brings something to decide; None: as things stand never."""
        return self.machine.wakeup() if self.machine is not None and self._held is None else None

    def _time_for(self, at: Span | None) -> bool:
        return at is None or self._elapsed() >= at

    def ready(self, now: Moment, *, tick: bool = True) -> bool:
        """Whether entries may be handled: it leads, and nothing is held back."""
        if self.machine is None:
            if not self.refused and self._time_for(self._retry_at):
                self.lead(now, tick=tick)
        else:
            self._renew(now)
        if self._held is not None:
            if self._time_for(self._retry_at):
                held, self._held = self._held, None
                self._perform(now, held)
            if self._held is not None and self.machine is not None:
                self._outage.enforce_deadlines(self.machine, now)
        return self.machine is not None and self._held is None

    def turn(self, now: Moment, entries: Sequence[Arrival], *, tick: bool, come: Come | None = None) -> None:
        """Handle what came in, and what time has brought; then write, act, tell."""
        if self.machine is None:
            return
        batch = Batch()
        ends: list[StepEnded] = []
        for entry in entries:
            if type(entry) is StepEnded:
                ends.append(entry)
                continue
            if ends:
                self._feed_ends(now, ends, batch)
                ends = []
            self._feed(now, entry, batch)  # type: ignore[arg-type]
        if ends:
            self._feed_ends(now, ends, batch)
        for asked in self._look_abroad(now):
            self._feed(now, asked, batch)
        moment = self.machine.wakeup()
        if tick and moment is not None and moment <= now:
            self._feed(now, Entry(Tick()), batch)
        if batch.actions or batch.waiters:
            self._perform(now, batch, come)

    def at_once(self, now: Moment, plan: Plan) -> None:
        """Handle this one plan, for whoever stands on the clock thread or in its place; what it raises is raised."""
        if self.machine is None:
            return
        batch = Batch()
        try:
            for event in plan(self.machine, now):
                batch.actions += self.machine.handle(now, event)
        finally:
            if batch.actions:
                self._perform(now, batch)

    def _look_abroad(self, now: Moment) -> list[Entry]:
        """Every other second, as long as other hosts run something of ours: their word, or their silence."""
        if self._leading is None or self._look_at is None or not self._time_for(self._look_at):
            return []
        assert self.machine is not None
        runs = list(self.machine.runs.values())
        self._look_at = self._elapsed() + LOOK_EVERY if self._leading.elsewhere(runs) else None
        try:
            return [*self.read_requests(now), *(Entry(event) for event in self._leading.look(runs))]
        except StoreError as error:
            self._failed(error)
            return []

    def read_requests(self, now: Moment) -> list[Entry]:
        """What other processes asked of this source. Those the house takes upon itself it answers later."""
        if self.machine is None or self._held is not None:
            return []
        try:
            return self._asked.read()
        except StoreError as error:
            self._failed(error)
            return []

    def answer(self, now: Moment, request: Request) -> None:
        """Write down the house's own answer to a request."""
        self._perform(now, Batch([Save(request)]))

    def stop(self, now: Moment, *, cancel: bool) -> None:
        self.turn(now, [Entry(Stopping(cancel))], tick=False)

    def configure(self, now: Moment, settings: Settings) -> None:
        self.settings = settings
        self.turn(now, [Entry(Configured(settings))], tick=True)

    def stepped(self, now: Moment, by: Span) -> None:
        self.turn(now, [Entry(Stepped(by))], tick=True)

    @property
    def live(self) -> int:
        """How many runs have an attempt under way, on this host."""
        runs = self.machine.runs.values() if self.machine is not None else ()
        here = ("", self._host.name if self._host is not None else "")
        return len({key.run for _, key, host, _ in under_way(runs) if host in here})

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _feed(self, now: Moment, entry: Entry, batch: Batch) -> None:
        assert self.machine is not None
        try:
            events = entry.what(self.machine, now) if callable(entry.what) else (entry.what,)
            for event in events:
                batch.actions += self.machine.handle(now, event)
        except Exception as error:
            # One bad event must not end the loop: say so, and go on with the others.
            if entry.waiter is not None:
                entry.waiter.set_exception(error)
            else:
                log.exception("could not handle %r", entry.what)
        else:
            if entry.waiter is not None:
                batch.waiters.append(entry.waiter)

    def _feed_ends(self, now: Moment, ends: Sequence[StepEnded], batch: Batch) -> None:
        assert self.machine is not None
        batch.actions += self.machine.ends(now, ends, _unhandled)

    def _perform(self, now: Moment, batch: Batch, come: Come | None = None) -> None:
        if self._held is not None:
            # Whoever does not ask whether this is `ready`: a change of settings, a call on the clock thread. What is
            # older comes first, and both are written together.
            self._held.add(batch)
            return
        changes = batch.changes()
        try:
            if changes:
                self.store.write(changes, self._fence)
        except LeaseLost:
            self._held = batch
            self._lost()
            return
        except RunExists as error:
            self._drop(now, batch, error, come)
            return
        except StoreError as error:
            self._held = batch
            self._failed(error)
            return
        except Exception as error:
            # Nobody knows of it but who looks at the log; who waits must not wait for ever.
            for waiter in batch.waiters:
                waiter.set_exception(error)
            raise
        self._recovered()
        if come is not None:
            come()
        if self._good_until is not None and self._elapsed() >= self._good_until:
            self._act_late(now, batch)
        else:
            self._act_on(batch)

    def _act_on(self, batch: Batch) -> None:
        batch.act(self._hands, self._done, self._until())

    def _act_late(self, now: Moment, batch: Batch) -> None:
        """What is written was written in time. What it starts begins only where the lead can still be renewed."""
        self._held = batch.written()
        self._renew(now)
        if self._held is not None and not self.trouble:
            held, self._held = self._held, None
            self._act_on(held)

    def _drop(self, now: Moment, batch: Batch, error: RunExists, come: Come | None) -> None:
        """Runs that are over already must not run again: leave them out, and write the rest."""
        log.error("%s", error)
        assert self.machine is not None
        for key in error.keys:
            if isinstance(key, RunKey):
                self.machine.drop(key)
        batch.leave_out(error.keys)
        self._perform(now, batch, come)

    @property
    def trouble(self) -> str:
        """What the store says while it fails; empty while it works."""
        return self._outage.trouble

    def _failed(self, error: StoreError) -> None:
        self._retry_at = self._elapsed() + self._outage.failed(error)

    def _recovered(self) -> None:
        self._outage.over()
        self._retry_at = None


def _unhandled(end: StepEnded, error: Exception) -> None:
    log.error("could not handle %r", end, exc_info=error)
