"""The clock thread: waits for the next moment or for something in the inbox, then gives the partition its turn.

Under load the inbox fills while a turn writes, so the next turn's batch is larger: the group commit grows by itself.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from runner.clock import Alarm, Clock
from runner.core.event import Event, Settings, StepEnded
from runner.core.run import AttemptKey, Outcome, Request
from runner.engine.batch import Arrival, Entry, Plan
from runner.engine.hands import Hands
from runner.engine.partition import Partition
from runner.errors import RunnerError
from runner.frozen import maker
from runner.moment import MILLISECOND, SECOND, Moment, Span, to_datetime

log = logging.getLogger("runner.engine")

_step_ended = maker(StepEnded)

HEAD_START: Span = 2 * MILLISECOND
"""So long before its moment what is due is decided and written: it starts at that moment, and never before it."""
_STEP: Span = 5 * SECOND
"""A difference between wall clock and elapsed time that is a step, not a drift (docs/reliability.md)."""


_BREATH: Span = 100 * MILLISECOND
_OVERSLEPT: Span = 100 * MILLISECOND
"""Who wakes so much later than it meant to was stopped, or the machine suspended."""
_READ_WITHIN = 1.0
"""Seconds that are spent on reading what ended meanwhile."""


class Engine:
    """Turns one partition's machine. `run` is the clock thread's; everything else may be called from anywhere."""

    def __init__(self, hands: Hands, clock: Clock, *, poll_requests: Span | None = SECOND) -> None:
        self._hands = hands
        self._clock = clock
        self._alarm = Alarm()
        self.partition: Partition | None = None
        """What it turns: None before `attach`, and after `detach`."""
        self._inbox: deque[Arrival] = deque()
        self._calls: deque[Callable[[Moment], None]] = deque()
        self._chores: deque[Callable[[], None]] = deque()
        self._poll_requests = poll_requests
        self._poll_at: Span | None = None
        self._poked = True
        self._paused = False
        self._ending = False
        self._offset: Span | None = None
        self._thread: int | None = None
        self._visitor: int | None = None
        self._turning = threading.Lock()
        self._waking_at: Span | None = None
        self._stood_still = False
        """The last turn took so long that the process may have been stopped amid it, or that a store was slow."""
        self._breathe_until: Span | None = None
        """After a turn that failed: no next one before that, unless something comes in."""
        self.turned_at: Span = clock.elapsed()
        """When the loop last turned, by `clock.elapsed`: what the watchdog reads."""

    # ── from any thread ─────────────────────────────────────────────────────────────────────

    def attach(self, partition: Partition) -> None:
        """Give a partition its turns from now on."""
        self.partition = partition
        self._alarm.ring()

    def detach(self) -> Partition:
        """Take the partition out; its runs go on, their ends are told to nobody. Clock thread only."""
        partition, self.partition = self.partition, None
        if partition is None:
            raise RunnerError("the engine has no partition")
        return partition

    def post(self, event: Event | Plan) -> None:
        """Say what happened; handled soon, in order."""
        self._inbox.append(event if isinstance(event, StepEnded) else Entry(event))
        self._alarm.ring()

    def ask(self, event: Event | Plan) -> Future[None]:
        """As `post`; the future is done once what follows is written, or holds what a plan raised."""
        waiter: Future[None] = Future()
        if self._ending:
            waiter.set_exception(_stopped())
            return waiter
        self._inbox.append(Entry(event, waiter))
        if self._over:
            # It has ended since: nobody else would answer.
            self._refuse_the_rest()
        self._alarm.ring()
        return waiter

    def done(self, attempt: AttemptKey, outcome: Outcome) -> None:
        """An executor's word on an attempt."""
        self._inbox.append(_step_ended(attempt, outcome))
        self._alarm.ring()

    def call(self, function: Callable[[Moment], None]) -> None:
        """Run this on the clock thread, before the next turn."""
        self._calls.append(function)
        self._alarm.ring()

    def tidy(self, chore: Callable[[], None]) -> None:
        """Run this once the turn under way is over, before anything else happens. Nobody is woken for it."""
        self._chores.append(chore)
        if self._over:
            self._last_chores()

    def visit(self, function: Callable[[Moment], None]) -> bool:
        """Run this at once in the calling thread, in the clock thread's place; what it raises is raised here.

        False, and nothing was done, where a turn is under way or something waits for one. It saves the two changes of
        threads that `ask` costs, which take longer than most plans. Only for what starts nothing.
        """
        if not self._turning.acquire(blocking=False):
            return False
        try:
            now = self._clock.now()
            if self._thread is None or self._ending or self._poked or self._inbox or self._calls:
                return False
            if self._offset is None or abs(now - self._clock.elapsed() - self._offset) >= _STEP:
                return False
            before = self._moment()
            if before is not None and before <= now and not self._paused:
                # What has come is begun by the clock thread, and first.
                return False
            self._visitor = threading.get_ident()
            try:
                self._do_chores()
                function(now)
            finally:
                self._visitor = None
                if before is None or self._moment() != before:
                    self._wake_sooner()
            return True
        finally:
            self._turning.release()

    def _moment(self) -> Moment | None:
        """When time alone brings something to decide; None also where a write is held back, to be tried again."""
        return self.partition.moment() if self.partition is not None else None

    def _wake_sooner(self) -> None:
        """The clock thread sleeps until what it knew of; ring where something comes before."""
        span = self._span_to_wait()
        if span is not None and (self._waking_at is None or self._clock.elapsed() + span < self._waking_at):
            self._alarm.ring()

    def answer(self, request: Request) -> None:
        """Write down an answer that the house itself gives."""

        def write(now: Moment) -> None:
            if self.partition is not None:
                self.partition.answer(now, request)

        self.call(write)

    def poke(self) -> None:
        """Somebody wrote a request: read them now."""
        self._poked = True
        self._alarm.ring()

    def poll_every(self, span: Span | None) -> None:
        """How often requests are read where nobody pokes; None for never."""
        self._poll_requests = span
        self.poke()

    def pause(self) -> None:
        """No job becomes due until `resume`; what runs goes on, with its timeouts and retries, what ends is written."""
        self._paused = True
        self._alarm.ring()

    def resume(self) -> None:
        self._paused = False
        self._alarm.ring()

    def configure(self, settings: Settings) -> None:
        """Other capacities or maintenance windows from now on."""

        def apply(now: Moment) -> None:
            if self.partition is not None:
                self.partition.configure(now, settings, rests=self._paused)

        self.call(apply)

    def end(self) -> None:
        """Make `run` return after the turn under way; what is in the inbox is still handled."""
        self._ending = True
        self._alarm.ring()

    @property
    def paused(self) -> bool:
        """Whether no job becomes due just now."""
        return self._paused

    @property
    def on_clock_thread(self) -> bool:
        """Whether the caller is it, or stands in its place (`visit`)."""
        return threading.get_ident() in (self._thread, self._visitor)

    @property
    def _over(self) -> bool:
        """Whether no turn comes any more."""
        return self._ending and self._thread is None

    # ── the clock thread ────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Turn until `end`. Whatever goes wrong in a turn is logged, and the next turn comes."""
        self._thread = threading.get_ident()
        try:
            while True:
                ending = self._ending
                try:
                    self.turn(ahead=True)
                except Exception:
                    log.exception("a turn failed; the loop goes on")
                if ending:
                    return
                self._alarm.wait(self._sleep())
        finally:
            self._thread = None
            self._last_chores()
            self._refuse_the_rest()
            self._alarm.close()

    def turn(self, *, ahead: bool = False) -> None:
        """One turn: everything that is due or in the inbox now.

        `ahead`: where nothing else waits, what is due within the head start is decided and written now, as of its
        moment; the turn then lasts until that moment, and starts it.
        """
        with self._turning:
            try:
                self._turn(ahead)
            finally:
                self._stood_still = self._clock.elapsed() - self.turned_at > _OVERSLEPT

    def _sleep(self) -> Span | None:
        """How long to wait now; whoever visits meanwhile knows of it."""
        with self._turning:
            span = self._span_to_wait()
            self._waking_at = None if span is None else self._clock.elapsed() + span
        if log.isEnabledFor(logging.DEBUG):
            self._say_what_for(span)
        return span

    def _say_what_for(self, span: Span | None) -> None:
        """What the clock thread waits for, in the words that those who look for a fault know from APScheduler."""
        if self._paused:
            log.debug("Scheduler is paused; waiting until resume() is called")
        elif span is None:
            log.debug("No jobs; waiting until a job is added")
        else:
            due = to_datetime(self._clock.now() + span)
            log.debug("Next wakeup is due at %s (in %f seconds)", due, span / SECOND)

    def _do_chores(self) -> None:
        while self._chores:
            self._chores.popleft()()

    def _last_chores(self) -> None:
        with self._turning:
            self._do_chores()

    def _turn(self, ahead: bool) -> None:
        if self._chores:
            self._do_chores()
        self._breathe_until = None
        there = self._clock.elapsed()
        overslept = self._waking_at is not None and there - self._waking_at > _OVERSLEPT
        if overslept or self._stood_still:
            # What ended meanwhile is in nobody's way: no time may be skipped, and nothing stopped, because of it.
            self._hands.catch_up(_READ_WITHIN)
            there = self._clock.elapsed()
        self.turned_at = there
        now = self._clock.now()
        by = self._step(now - there)
        while self._calls:
            self._calls.popleft()(now)
        poked = self._poked
        polling = (poked or self._poll_at is not None) and self._polling(there)
        partition = self.partition
        if partition is None:
            self._refuse_the_rest()
            return
        is_ready = self._ready(partition, now, poked=poked)
        # Only now: who has just taken a lead, or written what was held back, starts it without waiting for a moment.
        moment = self._due_soon(partition, now) if ahead and not by else None
        entries = self._drain()
        if not is_ready:
            self._inbox.extendleft(reversed(partition.pass_on(now, entries)))
            return
        try:
            if by:
                partition.stepped(now, by, rests=self._paused)
            if polling:
                entries += partition.read_requests()
            as_of = now if moment is None else moment
            partition.turn(as_of, entries, rests=self._paused, later=moment is not None, asked=polling)
            if moment is not None:
                self._wait_for(moment)
                partition.begin(moment)
        except Exception as error:
            self._fault(partition, entries, error)

    def _ready(self, partition: Partition, now: Moment, *, poked: bool) -> bool:
        try:
            if poked:
                partition.knocked()
            return partition.ready(now, rests=self._paused, ends=self._take_ends)
        except Exception as error:
            self._fault(partition, (), error)
            return False

    def _due_soon(self, partition: Partition, now: Moment) -> Moment | None:
        """The moment to decide ahead of: it is within the head start, and nothing else waits."""
        moment = None if self._paused or self._inbox else partition.moment()
        return moment if moment is not None and now < moment <= now + HEAD_START else None

    def _fault(self, partition: Partition, entries: Sequence[Arrival], error: Exception) -> None:
        """A fault of the engine's own: the loop goes on, and nobody waits for an answer in vain."""
        log.error("a turn of the store %r failed; the loop goes on", partition.store.alias, exc_info=error)
        self._breathe_until = self._clock.elapsed() + _BREATH
        for entry in entries:
            if isinstance(entry, Entry) and entry.waiter is not None and not entry.waiter.done():
                entry.waiter.set_exception(error)

    def _take_ends(self) -> list[StepEnded]:
        """The ends in the inbox; the rest stays, in order."""
        entries = self._drain()
        self._inbox.extendleft(entry for entry in reversed(entries) if not isinstance(entry, StepEnded))
        return [entry for entry in entries if isinstance(entry, StepEnded)]

    def _drain(self) -> list[Arrival]:
        take = self._inbox.popleft
        return [take() for _ in range(len(self._inbox))]

    def _step(self, offset: Span) -> Span:
        """By how much the wall clock was set since the last turn; 0 where it only drifted."""
        before, self._offset = self._offset, offset
        if before is None or abs(offset - before) < _STEP:
            return 0
        log.warning("the wall clock was set by %+.1f s", (offset - before) / SECOND)
        return offset - before

    def _polling(self, there: Span) -> bool:
        due = self._poll_at is not None and there >= self._poll_at
        if not (self._poked or due):
            return False
        self._poked = False
        self._poll_at = None if self._poll_requests is None else there + self._poll_requests
        return True

    def _span_to_wait(self) -> Span | None:
        # The wall clock as this turn saw it: had it been set since, a span up to a moment on it would be wrong, and
        # the next turn would come as late.
        now = self._clock.now() if self._offset is None else self._clock.elapsed() + self._offset
        if self._breathe_until is not None:
            return max(0, self._breathe_until - self._clock.elapsed())
        partition = self.partition
        span = partition.wait(now) if partition is not None else None
        if self._poll_at is not None:
            poll = self._poll_at - self._clock.elapsed()
            span = poll if span is None else min(span, poll)
        if span is None:
            return None
        span = max(0, span)
        moment = partition.moment() if partition is not None and not self._paused else None
        early = moment is not None and moment - now == span
        return max(0, span - HEAD_START) if early else span

    def _wait_for(self, moment: Moment) -> None:
        """Until the moment has come; not longer, should the clock be set meanwhile."""
        for _ in range(3):
            left = moment - self._clock.now()
            if left <= 0:
                return
            self._alarm.rest(min(left, HEAD_START))

    def _refuse_the_rest(self) -> None:
        while self._inbox:
            entry = self._inbox.popleft()
            if isinstance(entry, Entry) and entry.waiter is not None:
                entry.waiter.set_exception(_stopped())


def _stopped() -> RunnerError:
    return RunnerError("the engine has stopped")
