"""The clock thread: waits for the next moment or for something in the inbox, then gives each partition its turn.

Under load the inbox fills while a turn writes, so the next turn's batch is larger: the group commit grows by itself.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial

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
"""So long before its moment what is due is decided and written: it starts at that moment, and never before it. For
each store in which something is due, as they are written one after the other."""
_MOST_HEAD_STARTS = 5
_STEP: Span = 5 * SECOND
"""A difference between wall clock and elapsed time that is a step, not a drift (docs/reliability.md)."""


_BREATH: Span = 100 * MILLISECOND
_OVERSLEPT: Span = 100 * MILLISECOND
"""Who wakes so much later than it meant to was stopped, or the machine suspended."""
_READ_WITHIN = 1.0
"""Seconds that are spent on reading what ended meanwhile."""


class Engine:
    """Turns the partitions' machines. `run` is the clock thread's; everything else may be called from anywhere."""

    def __init__(self, hands: Hands, clock: Clock, *, poll_requests: Span | None = SECOND) -> None:
        self._hands = hands
        self._clock = clock
        self._alarm = Alarm()
        self._partitions: dict[str, Partition] = {}
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

    @property
    def partitions(self) -> Mapping[str, Partition]:
        return self._partitions

    def attach(self, alias: str, partition: Partition) -> None:
        """Give a partition its turns from now on."""
        self._partitions[alias] = partition
        self._alarm.ring()

    def detach(self, alias: str) -> Partition:
        """Take a partition out; its runs go on, their ends are told to nobody. Clock thread only."""
        return self._partitions.pop(alias)

    def post(self, event: Event | Plan, alias: str = "default") -> None:
        """Say what happened; handled soon, in order."""
        self._inbox.append(event if isinstance(event, StepEnded) else Entry(event, alias=alias))
        self._alarm.ring()

    def ask(self, event: Event | Plan, alias: str = "default") -> Future[None]:
        """As `post`; the future is done once what follows is written, or holds what a plan raised."""
        waiter: Future[None] = Future()
        if self._ending:
            waiter.set_exception(RunnerError("the engine has stopped"))
            return waiter
        self._inbox.append(Entry(event, waiter, alias))
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
            self._visitor = threading.get_ident()
            try:
                self._do_chores()
                function(now)
            finally:
                self._visitor = None
                self._wake_sooner()
            return True
        finally:
            self._turning.release()

    def _wake_sooner(self) -> None:
        """The clock thread sleeps until what it knew of; ring where something comes before."""
        span = self._span_to_wait()
        if span is not None and (self._waking_at is None or self._clock.elapsed() + span < self._waking_at):
            self._alarm.ring()

    def answer(self, request: Request, alias: str = "default") -> None:
        """Write down an answer that the house itself gives."""
        self.call(lambda now: self._partitions[alias].answer(now, request))

    def poke(self) -> None:
        """Somebody wrote a request: read them now."""
        self._poked = True
        self._alarm.ring()

    def poll_every(self, span: Span | None) -> None:
        """How often requests are read where nobody pokes; None for never."""
        self._poll_requests = span
        self.poke()

    def pause(self) -> None:
        """Nothing new becomes due until `resume`; what runs goes on, what ends is written."""
        self._paused = True
        self._alarm.ring()

    def resume(self) -> None:
        self._paused = False
        self._alarm.ring()

    def configure(self, settings: Settings) -> None:
        """Other capacities or maintenance windows from now on."""

        def apply(now: Moment) -> None:
            for partition in self._partitions.values():
                partition.configure(now, settings)

        self.call(apply)

    def end(self) -> None:
        """Make `run` return after the turn under way; what is in the inbox is still handled."""
        self._ending = True
        self._alarm.ring()

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
        partitions = list(self._partitions.items())
        ready: set[str] = set()
        for alias, partition in partitions:
            try:
                if poked:
                    partition.knocked()
                if partition.ready(now, tick=not self._paused, ends=partial(self._take_ends, alias)):
                    ready.add(alias)
            except Exception as error:
                self._fault(alias, (), error)
        # Only now: who has just taken a lead, or written what was held back, starts it without waiting for a moment.
        moment, head_start = self._ahead() if ahead and not by else (None, 0)
        if moment is not None and now < moment <= now + head_start and not self._inbox:
            now = moment
            # The quick ones first: they are written before the moment, whatever a slow one takes.
            partitions.sort(key=lambda item: (item[1].moment() != moment, item[1].takes))
        else:
            moment = None
        # Only now: what a batch that was held back has started just now may have ended already.
        entries = self._drain()
        written: list[tuple[str, Partition]] = []
        for alias, partition in partitions:
            mine = entries.pop(alias, [])
            if alias not in ready:
                left = partition.pass_on(now, mine)
                self._inbox.extendleft(reversed(left))
                continue
            try:
                if by:
                    partition.stepped(now, by)
                if polling:
                    mine += partition.read_requests()
                if moment is not None and written and self._clock.now() + partition.takes > moment:
                    self._begin(written, moment)
                later = moment is not None
                partition.turn(now, mine, tick=not self._paused, later=later, asked=polling)
                if moment is not None:
                    written.append((alias, partition))
            except Exception as error:
                self._fault(alias, mine, error)
        if moment is not None:
            self._begin(written, moment)
        for alias, orphans in entries.items():
            for entry in orphans:
                if isinstance(entry, Entry) and entry.waiter is not None:
                    entry.waiter.set_exception(RunnerError(f"there is no store named {alias!r}"))

    def _begin(self, written: list[tuple[str, Partition]], moment: Moment) -> None:
        """The moment has come for what these have written."""
        self._wait_for(moment)
        for alias, partition in written:
            try:
                partition.begin(moment)
            except Exception as error:
                self._fault(alias, (), error)
        written.clear()

    def _fault(self, alias: str, entries: Sequence[Arrival], error: Exception) -> None:
        """A fault of the engine's own with one store: it must not cost the others their turn, nor their entries."""
        log.error("a turn of the store %r failed; the loop goes on", alias, exc_info=error)
        self._breathe_until = self._clock.elapsed() + _BREATH
        for entry in entries:
            if isinstance(entry, Entry) and entry.waiter is not None and not entry.waiter.done():
                entry.waiter.set_exception(error)

    def _take_ends(self, alias: str) -> list[StepEnded]:
        """The ends in the inbox that are for this one; the rest stays, in order."""
        ends: list[StepEnded] = []
        rest: list[Arrival] = []
        for _ in range(len(self._inbox)):
            entry = self._inbox.popleft()
            if isinstance(entry, StepEnded) and _alias_of(entry) == alias:
                ends.append(entry)
            else:
                rest.append(entry)
        self._inbox.extendleft(reversed(rest))
        return ends

    def _drain(self) -> dict[str, list[Arrival]]:
        entries: dict[str, list[Arrival]] = {}
        take, mine, of = self._inbox.popleft, list[Arrival](), ""
        for _ in range(len(self._inbox)):
            entry = take()
            # `_alias_of`, spelled out: there may be a hundred thousand.
            alias = entry.attempt.run.job.store if type(entry) is StepEnded else entry.alias  # type: ignore[union-attr]
            if alias != of:
                mine, of = entries.setdefault(alias, []), alias
            mine.append(entry)
        return entries

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
        spans = [self._poll_at - self._clock.elapsed()] if self._poll_at is not None else []
        for partition in self._partitions.values():
            span = partition.wait(now, tick=not self._paused)
            if span is not None:
                spans.append(span)
        if self._breathe_until is not None:
            return max(0, self._breathe_until - self._clock.elapsed())
        if not spans:
            return None
        first, (moment, head_start) = max(0, min(spans)), self._ahead()
        # What stays in the inbox for want of a lead keeps turns from being taken ahead: to wake for one would be to
        # turn without end until the moment is there. What has come in since has rung.
        early = moment is not None and moment - now == first and not self._inbox
        return max(0, first - head_start) if early else first

    def _ahead(self) -> tuple[Moment | None, Span]:
        """When time alone brings something to decide, and how long before that it is to be decided."""
        if self._paused:
            return None, 0
        moments = [moment for each in self._partitions.values() if (moment := each.moment()) is not None]
        if not moments:
            return None, 0
        first = min(moments)
        return first, HEAD_START * min(moments.count(first), _MOST_HEAD_STARTS)

    def _wait_for(self, moment: Moment) -> None:
        """Until the moment has come; not longer, should the clock be set meanwhile."""
        for _ in range(3):
            left = moment - self._clock.now()
            if left <= 0:
                return
            self._alarm.rest(min(left, HEAD_START * _MOST_HEAD_STARTS))

    def _refuse_the_rest(self) -> None:
        while self._inbox:
            entry = self._inbox.popleft()
            if isinstance(entry, Entry) and entry.waiter is not None:
                entry.waiter.set_exception(RunnerError("the engine has stopped"))


def _alias_of(entry: Arrival) -> str:
    return entry.attempt.run.job.store if isinstance(entry, StepEnded) else entry.alias
