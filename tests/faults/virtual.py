"""The engine and the core in virtual days: seeded crashes, clocks that are set, a store that fails; no process.

Real: Engine, Partition, Machine, the memory store's laws. Played: the clock, the store's failures, what runs.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.clock import VirtualClock
from runner.core.action import Change
from runner.core.event import Added, Settings
from runner.core.run import AttemptKey, Outcome, Status
from runner.engine import Engine, Hands, Partition
from runner.errors import StoreError
from runner.executors.base import Done, Found, Task
from runner.jobstores.base import LEASE, Fence
from runner.jobstores.memory import MemoryJobStore
from runner.moment import DAY, HOUR, MINUTE, SECOND, Moment, Span
from runner.spec import Catchup, Command, Concurrency, JobSpec, Policy, Retry, Step
from runner.spec.policy import CatchupRuns, Overlap
from runner.triggers.schedule import build

SOURCE = "/virtual/jobs.yaml"
BEGIN: Moment = 1_790_000_000 * SECOND
PLANS: tuple[tuple[str, str, CatchupRuns, Overlap], ...] = (
    ("hourly", "0 * * * *", "latest", "skip"),
    ("often", "*/20 * * * *", "all", "queue"),
    ("nightly", "30 2 * * *", "latest", "skip"),
    ("elapsed", "every 45m", "none", "allow"),
)


class FailingStore(MemoryJobStore):
    """Fails as long as `down`."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        if self.down:
            raise StoreError("the store is away")
        super().write(changes, fence)

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        if self.down:
            raise StoreError("the store is away")
        return super().hold(source, owner, now, lease)

    def forsake(self) -> None:
        """The process that led is no more."""
        self._leases.clear()


@dataclass(slots=True)
class Hosts:
    """What runs outlives its runner, not its host. `begun` counts every start for ever."""

    dice: random.Random
    clock: VirtualClock
    begun: Counter[AttemptKey] = field(default_factory=Counter)
    alive: dict[AttemptKey, Span] = field(default_factory=dict)
    ended: dict[AttemptKey, Outcome] = field(default_factory=dict)
    capacity: int | None = None
    done: Done | None = None
    ends: list[tuple[Span, int, AttemptKey]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=itertools.count)

    def open(self, done: Done) -> None:
        self.done = done

    def start(self, task: Task) -> None:
        if self.begun[task.attempt]:
            return  # The marker is there: an attempt begins once, whoever asks.
        self.begun[task.attempt] += 1
        length = self.dice.choice((5 * SECOND, 3 * MINUTE, 15 * MINUTE))
        self.alive[task.attempt] = self.clock.elapsed() + length
        heapq.heappush(self.ends, (self.alive[task.attempt], next(self.order), task.attempt))

    def cancel(self, attempt: AttemptKey, reason: str) -> None:
        if self.alive.pop(attempt, None) is not None:
            self._end(attempt, Status.CANCELLED)

    def recover(self, tasks: Sequence[Task]) -> Found:
        keys = {task.attempt for task in tasks}
        alive = frozenset(keys & self.alive.keys())
        ended = {key: self.ended[key] for key in keys & self.ended.keys()}
        gone = frozenset(key for key in keys - alive - ended.keys() if self.begun[key])
        return Found(alive, ended, gone)

    def close(self, *, leave: bool = False) -> None:
        return None

    def next_end(self) -> Span | None:
        while self.ends and self.ends[0][2] not in self.alive:
            heapq.heappop(self.ends)
        return self.ends[0][0] if self.ends else None

    def pass_time(self) -> None:
        while (at := self.next_end()) is not None and at <= self.clock.elapsed():
            key = heapq.heappop(self.ends)[2]
            del self.alive[key]
            self._end(key, self.dice.choice((Status.SUCCEEDED, Status.SUCCEEDED, Status.FAILED)))

    def go_down(self) -> None:
        self.alive.clear()

    def _end(self, key: AttemptKey, status: Status) -> None:
        outcome = Outcome(status, exit_code=0, ended_at=self.clock.now())
        self.ended[key] = outcome
        if self.done is not None:
            self.done(key, outcome)


class World:
    """`days` of virtual time under one seed; `play` raises AssertionError with the seed where a law is broken."""

    def __init__(self, seed: int, days: int) -> None:
        self.seed, self.days = seed, days
        self.dice = random.Random(seed)
        self.clock = VirtualClock(BEGIN)
        self.store = FailingStore()
        self.hosts = Hosts(self.dice, self.clock)
        self.number = 0
        self.crashes = self.steps = self.failures = 0
        self.store.open()
        self.boot()
        for id, schedule, catchup, overlap in PLANS:
            trigger = build(schedule, timezone="Europe/Berlin", job_id=id, calendars={})
            policy = Policy(
                concurrency=Concurrency(overlap),
                catchup=Catchup(catchup),
                on_interrupt="retry" if id == "often" else "fail",
            )
            step = Step("main", Command("true"), retry=Retry(max=1, delay=MINUTE))
            spec = JobSpec(id, (step,), trigger, policy, SOURCE, timezone="Europe/Berlin")
            self.engine.post(Added(spec))
        self.engine.turn()

    def boot(self) -> None:
        self.number += 1
        hands = Hands({"default": self.hosts})
        self.engine = Engine(hands, self.clock, poll_requests=None)
        self.partition = Partition(
            self.store,
            SOURCE,
            owner=f"runner{self.number}",
            settings=Settings(),
            hands=hands,
            done=self.engine.done,
            elapsed=self.clock.elapsed,
        )
        hands.open(self.engine.done)
        self.engine.attach(self.partition)
        self.engine.turn()

    def play(self) -> None:
        try:
            until = self.clock.elapsed() + self.days * DAY
            while self.clock.elapsed() < until:
                self.live(min(until, self.clock.elapsed() + round(self.dice.expovariate(1 / (9 * HOUR)))))
                self.strike()
            self.store.down = False
            self.live(self.clock.elapsed() + DAY)
            self.check()
        except AssertionError as error:
            raise AssertionError(f"seed {self.seed}, {self.days} days: {error}") from None
        finally:
            self.gone()

    def gone(self) -> None:
        """The runner's process has ended, and with it its descriptors."""
        self.engine._alarm.close()

    def live(self, until: Span) -> None:
        """Let time pass, turn by turn."""
        while True:
            wait = self.partition.wait(self.clock.now())
            moments = [until]
            if wait is not None:
                moments.append(self.clock.elapsed() + wait)
            end = self.hosts.next_end()
            if end is not None:
                moments.append(end)
            at = max(min(moments), self.clock.elapsed() + 1_000)
            self.clock.advance(at - self.clock.elapsed())
            self.hosts.pass_time()
            self.engine.turn()
            if at >= until:
                return

    def strike(self) -> None:
        kind = self.dice.choice(("crash", "crash", "host", "clock", "store"))
        if kind in ("crash", "host"):
            self.crashes += 1
            self.gone()
            self.store.forsake()
            self.hosts.done = None
            if kind == "host":
                self.hosts.go_down()
            self.store.down = False
            self.clock.advance(self.dice.choice((SECOND, MINUTE, 3 * HOUR, 2 * DAY)))
            self.hosts.pass_time()
            self.boot()
        elif kind == "clock":
            self.steps += 1
            self.clock.set_wall(self.clock.now() + self.dice.choice((-HOUR, -10 * MINUTE, MINUTE, HOUR)))
            self.engine.turn()
        else:
            self.failures += 1
            self.store.down = True
            self.live(self.clock.elapsed() + self.dice.choice((SECOND, 10 * MINUTE, 5 * HOUR)))
            self.store.down = False

    def check(self) -> None:
        twice = [str(key) for key, count in self.hosts.begun.items() if count > 1]
        assert not twice, f"begun twice: {twice[:3]}"
        stuck = [
            run.id
            for run in self.store.live()
            if run.created_at < self.clock.now() - 20 * HOUR and not run.status.final
        ]
        assert not stuck, f"never ended: {stuck[:3]}"
        runs = [*self.store.finished(), *self.store.live()]
        for id, schedule, *_ in PLANS:
            trigger = build(schedule, timezone="Europe/Berlin", job_id=id, calendars={})
            rows = Counter(run.key.slot for run in runs if run.key.job.id == id and not run.key.nonce)
            ranges = [each for each in self.store.occurrences() if each.job.id == id and not each.nonce]
            slots = [*rows, *(each.slot for each in ranges), *(each.last or each.slot for each in ranges)]
            planned: list[Moment] = []
            at = trigger.next_after(min(slots) - 1)
            while at is not None and at <= max(slots):
                planned.append(at)
                at = trigger.next_after(at)
            for each in ranges:
                inside = [slot for slot in planned if each.slot <= slot <= (each.last or each.slot)]
                assert len(inside) == each.count, f"{id}: a row of {each.count} covers {len(inside)}"
                rows.update(inside)
            lost = [slot for slot in planned if not rows[slot]]
            doubled = [slot for slot, count in rows.items() if count > 1]
            assert not lost, f"{id}: lost {lost[:3]}"
            assert not doubled, f"{id}: twice {doubled[:3]}"
            assert not rows.keys() - set(planned), f"{id}: invented"
