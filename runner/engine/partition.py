"""One source in one store: its lease, its machine, and the batch that must be written before anything starts.

What happens while a write fails waits; deadlines of what already runs are enforced all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from runner.collector import MANY, seldom
from runner.core.action import Announce, Save
from runner.core.event import Configured, Settings, StepEnded, Stepped, Stopping, Tick
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Outcome, Request
from runner.engine.abroad import LOOK_EVERY, Host, Leading, Tending, told_of, under_way
from runner.engine.anew import Unwritten
from runner.engine.batch import Arrival, Batch, Cause, Entry, Plan
from runner.engine.feeding import feed, feed_all
from runner.engine.guarded import Guarded
from runner.engine.hands import Hands
from runner.engine.lead import Lead
from runner.engine.outage import Outage
from runner.engine.requests import Requests
from runner.engine.takeover import Ends, Takeover
from runner.engine.writing import Writing
from runner.errors import LeaseLost, RunnerError, StoreError, StoreFault
from runner.executors.base import Done
from runner.jobstores.base import Fence, JobStore, Loaded
from runner.moment import MILLISECOND, Moment, Span

log = logging.getLogger("runner.engine")

_ASK_LEAD_EVERY: Span = 500 * MILLISECOND
_TICK = Entry(Tick())


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
        self.settings = settings
        """What the next machine begins with."""
        self._hands = hands
        self._here = ("", host.name if host is not None else "")
        self._elapsed = elapsed
        self._store = guarded = Guarded(store)
        self._leading = Leading(guarded, source, host.name) if host is not None else None
        self._tending = Tending(guarded, source, host.name, hands) if host is not None else None
        self._lead = Lead(guarded, source, owner, elapsed, host)
        self._takeover = Takeover(source, hands, self._leading, self._tending, elapsed, early, prepare)
        self._outage = Outage(store.alias, hands, elapsed, retry_every)
        self._writing = Writing(
            guarded,
            self._lead,
            hands,
            done,
            self._outage,
            renew=self._renew,
            lost=self._lost,
            given_up=self._begin_anew,
        )
        self._asked = Requests(guarded, source, on_request)
        self._stopping = False
        self._read_all = False
        """False where requests may be there of which nobody tells again: who wrote them told an earlier leader, or this
        one when it could not read them."""
        self._unwritten = Unwritten(guarded, source, self._tending)

    # ── leading ─────────────────────────────────────────────────────────────────────────────

    @property
    def leading(self) -> bool:
        return self.machine is not None

    @property
    def trouble(self) -> str:
        """What the store says while it fails; empty while it works."""
        return self._outage.trouble

    def lead(self, now: Moment, *, rests: bool = False, ends: Ends = tuple) -> bool:
        """Try to become leader: take the lease, read what is known, settle what an earlier process left.

        False where somebody else leads (asked again a second later) or the store fails (with backoff).
        """
        try:
            if not self._lead.speaks():
                self._stand_by()
                return False
            if not self._unwritten.proved:
                self._unwritten.prove()
            if self._lead.take(now) is None:
                self._outage.over()
                self._stand_by()
                self._tend(now)
                return False
            loaded = self._store.load(self.source)
            told = self._told(loaded)
        except StoreError as error:
            self._outage.failed(error)
            return False
        self._outage.over()
        self.standing_by = False
        # Each part of a takeover may last nearly as long as a lease does.
        if not self._renew(now):
            return False
        self._read_all = False
        self.machine = machine = self._takeover.machine(self.settings, loaded)
        machine.rest(rests)
        try:
            batch = self._takeover.decide(
                machine,
                loaded,
                now,
                ends=lambda: [*self._unwritten.untold, *ends()],
                told=told,
                kept=self._unwritten.attempts,
            )
        except RunnerError as error:
            self._refuse(error)
            return False
        self._unwritten.untold.clear()
        self._writing.held = batch
        if not self._renew(now):
            return False
        self._writing.again(machine, now)
        return True

    def _told(self, loaded: Loaded) -> dict[AttemptKey, Outcome]:
        """What an earlier process of this host had told of its attempts' ends. StoreError."""
        if self._leading is None or not loaded.runs:
            return {}
        return told_of(self._store.asked(self.source), self._leading.host, loaded.runs)

    def _stand_by(self) -> None:
        if not self.standing_by:
            self.standing_by = True
            self._hands.tell(Announce("lease.held", self.source))
        self._unwritten.hand_over()
        self._outage.ask_again(_ASK_LEAD_EVERY)

    def _tend(self, now: Moment) -> None:
        """Standing by: see to what this host runs of the source. StoreError."""
        if self._tending is None or self._elapsed() < self._tending.tend_at:
            return
        self._tending.tend_at = self._elapsed() + LOOK_EVERY
        self._tending.tend(now)

    def pass_on(self, now: Moment, entries: Sequence[Arrival]) -> list[Arrival]:
        """While another runner leads, ends of this host's attempts are for it to know; the rest waits."""
        if self._tending is None or self.machine is not None:
            return list(entries)
        left: list[Arrival] = []
        for entry in entries:
            if isinstance(entry, StepEnded):
                self._tending.ended(entry.attempt, entry.outcome)
                self._tending.tend_at = 0
            else:
                left.append(entry)
        return left

    def knocked(self) -> None:
        """Something was asked, or a lead was given up: whoever stands by need not wait to ask for it."""
        if self.standing_by and self.machine is None and not self.trouble:
            self._outage.retry_at = None

    def _refuse(self, error: RunnerError) -> None:
        """What the store knows and what is wanted now do not go together: leave it alone until somebody decides."""
        self.refused = True
        self.release()
        self._hands.tell(Announce("lease.refused", error))

    def release(self) -> None:
        """Let others lead; what is not written by now is read from the executors' marks by the next leader."""
        machine, self.machine = self.machine, None
        if machine is not None:
            # Its parts know each other: it would stay, with all its jobs, until the collector comes by.
            machine.jobs.clear()
        self._lead.release()

    def _renew(self, now: Moment) -> bool:
        """Renew the lease. Where that fails it is tried again with backoff, and nothing begins after its end.

        False where it is lost.
        """
        at = self._lead.renew_at
        if self._lead.fence is None or at is None or self._elapsed() < at:
            return True
        if self.trouble and self._outage.waits():
            return True
        number = self._lead.fence.number
        try:
            renewed = self._lead.renew(now)
        except StoreError as error:
            self._outage.failed(error)
            return True
        if renewed is None or renewed.number != number:
            self._lost(renewed)
            return False
        if self._writing.held is None:
            self._outage.over()
        return True

    def _lost(self, renewed: Fence | None = None) -> None:
        """Another runner led meanwhile, or could have: what this one knows is old, and is read again."""
        log.error("the lead of %s is lost to another runner; standing by", self.source)
        batch, self._writing.held = self._writing.held, None
        for waiter in batch.waiters if batch else ():
            waiter.set_exception(LeaseLost(f"the lead of {self.source} is lost"))
        self._unwritten.hand_over(batch.ends() if batch else ())
        if self._tending is not None:
            self._tending.tend_at = 0
        self.machine = None
        self._lead.lost()
        self._asked.forget()
        self._outage.ask_again(0 if renewed is not None else _ASK_LEAD_EVERY)
        self._hands.tell(Announce("lease.lost", self.source))

    def _begin_anew(self, batch: Batch, error: StoreFault) -> None:
        """What was decided cannot be written: what is on record is read again, and what came in handled one by one.

        Whoever stands by may lead first: it may be this process that is at fault.
        """
        log.error(
            "what was decided for %s cannot be written: it is read again, and decided anew", self.source
        )
        self._unwritten.give_up(batch, error)
        self.release()
        self._outage.ask_again(2 * _ASK_LEAD_EVERY)

    def _handle_again(self, now: Moment) -> None:
        """What came in with a batch that was given up."""
        while self.machine is not None and self._writing.held is None:
            try:
                batch = self._unwritten.next(self.machine, now)
            except StoreError as error:
                self._outage.failed(error)
                continue
            if batch is None:
                return
            self._writing.perform(self.machine, now, batch)

    # ── a turn ──────────────────────────────────────────────────────────────────────────────

    def wait(self, now: Moment) -> Span | None:
        """How long this partition needs no turn, unless something happens; None: for ever."""
        if self.machine is None and (self._stopping or self.refused):
            return None
        moment = self.moment()
        retry_at = self._outage.retry_at
        acts = self.machine is not None and self._writing.held is None
        look_at = self._leading.look_at if self._leading is not None and acts else None
        if retry_at is None and look_at is None and not self._lead.ends:
            # The usual one: a lead that lasts, and nothing in the way.
            return None if moment is None else max(0, moment - now)
        there = self._elapsed()
        spans = [at - there for at in (retry_at, look_at) if at is not None]
        if moment is not None:
            spans.append(moment - now)
        renew_at = self._lead.renew_at
        if renew_at is not None and not self.trouble:
            spans.append(renew_at - there)
        return max(0, min(spans)) if spans else None

    def moment(self) -> Moment | None:
        """When time alone brings something to decide; None: as things stand never."""
        return self.machine.wakeup() if self.machine is not None and self._writing.held is None else None

    def ready(self, now: Moment, *, rests: bool = False, ends: Ends = tuple) -> bool:
        """Whether entries may be handled: it leads, and nothing is held back.

        `ends`: takes those out of the inbox that wait there.
        """
        if self.machine is None:
            if not self.refused and not self._stopping and not self._outage.waits():
                self.lead(now, rests=rests, ends=ends)
        elif self._lead.renew_at is not None:
            self._renew(now)
        if self.machine is not None:
            self.machine.rest(rests)
        if self._writing.held is not None and self.machine is not None and not self._outage.waits():
            self._writing.again(self.machine, now)
        if self.machine is not None and (self._writing.held is not None or self.trouble):
            # Before anything else is tried: a server that hangs takes its time to fail.
            self._outage.enforce_deadlines(self.machine, now)
        if self._unwritten.again:
            self._handle_again(now)
        is_ready = self.machine is not None and self._writing.held is None
        if not is_ready:
            # Nobody knocks a second time.
            self._read_all = False
        return is_ready

    def turn(
        self,
        now: Moment,
        entries: Sequence[Arrival],
        *,
        rests: bool,
        later: bool = False,
        asked: bool = False,
    ) -> None:
        """Handle what came in, and what time has brought; then write, act, tell. `rests`: no job becomes due.

        `later`: decide and write it, ahead of its moment; `begin` does the rest. `asked`: what others asked was read
        just now, and is among the entries: until its answer is written, it would be found, and done, once more.
        """
        machine = self.machine
        if machine is None:
            return
        machine.rest(rests)
        causes: list[Cause] = [*entries]
        looks = self._leading is not None and self._looks_abroad(machine, self._leading)
        if not asked and (looks or (not self._read_all and not self._outage.waits())):
            causes += self.read_requests()
        if looks:
            # Their last words first: who has said how it ended is not lost with it.
            causes += self._silent_abroad(machine)
        if len(causes) > MANY or machine.crowd() > MANY:
            with seldom:
                self._decide(machine, now, causes, later)
        else:
            self._decide(machine, now, causes, later)

    def _decide(self, machine: Machine, now: Moment, causes: list[Cause], later: bool) -> None:
        batch = Batch(causes=causes)
        if causes:
            feed_all(machine, now, causes, batch)
        moment = machine.wakeup()
        if moment is not None and moment <= now:
            feed(machine, now, _TICK, batch)
        if batch.actions or batch.waiters:
            self._writing.perform(machine, now, batch, later=later)

    def begin(self, now: Moment) -> None:
        """Act on what a turn has only written."""
        self._writing.act(now)

    def at_once(self, now: Moment, plan: Plan, *, rests: bool = False) -> None:
        """Handle this one plan, for whoever stands on the clock thread or in its place; what it raises is raised."""
        machine = self.machine
        if machine is None:
            return
        machine.rest(rests)
        batch = Batch([], [], [Entry(plan)])
        try:
            for event in plan(machine, now):
                batch.actions += machine.handle(now, event)
        finally:
            if batch.actions:
                self._writing.perform(machine, now, batch)

    def stop(self, now: Moment, *, cancel: bool) -> None:
        """Start nothing more, nor take a lead; `cancel`: what runs is stopped as well."""
        self._stopping = True
        self.turn(now, [Entry(Stopping(cancel))], rests=True)

    def configure(self, now: Moment, settings: Settings, *, rests: bool = False) -> None:
        self.settings = settings
        self.turn(now, [Entry(Configured(settings))], rests=rests)

    def stepped(self, now: Moment, by: Span, *, rests: bool = False) -> None:
        self.turn(now, [Entry(Stepped(by))], rests=rests)

    # ── what others do and ask ──────────────────────────────────────────────────────────────

    def _looks_abroad(self, machine: Machine, leading: Leading) -> bool:
        """Whether it is time to: every other second, as long as other hosts run something of ours."""
        if leading.look_at is None or self._elapsed() < leading.look_at:
            return False
        leading.look_at = self._elapsed() + LOOK_EVERY if leading.elsewhere(machine.runs.values()) else None
        return True

    def _silent_abroad(self, machine: Machine) -> list[StepEnded]:
        """The ends of what ran on hosts of which nothing is heard any more."""
        if self._leading is None:
            return []
        try:
            return self._leading.look(list(machine.runs.values()))
        except StoreError as error:
            self._read_all = False
            self._outage.failed(error)
            return []

    def read_requests(self) -> list[Entry]:
        """What other processes asked of this source. Those the house takes upon itself it answers later."""
        if self.machine is None:
            return []
        if self._writing.held is not None or self._outage.waits():
            self._read_all = False
            return []
        try:
            found = self._asked.read()
        except StoreError as error:
            self._read_all = False
            self._outage.failed(error)
            return []
        if not self._read_all:
            self._read_all = True
            self._outage.over()
        return found

    def answer(self, now: Moment, request: Request) -> None:
        """Write down the house's own answer to a request."""
        save = Save(request)
        self._writing.perform(self.machine, now, Batch([save], causes=[save]))
        if self.machine is None and self._writing.held is not None:
            # Nobody tries that again: who takes the lead begins with what is on record, where it is not answered.
            self._writing.held = None
            self._asked.forget()

    @property
    def live(self) -> int:
        """How many runs have an attempt under way, on this host."""
        runs = self.machine.runs.values() if self.machine is not None else ()
        return len({key.run for _, key, host, _ in under_way(runs) if host in self._here})
