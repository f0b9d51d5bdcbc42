"""Who may start: overlap of a job's runs, and places that jobs and steps share.

A full group or executor always waits; nothing is dropped for want of a place. Who waits goes on by priority, then
in the order of coming.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Literal

from runner.core.event import Settings
from runner.core.run import RunKey
from runner.spec import Concurrency

Place = tuple[Literal["executor", "group"], str]
Waiting = tuple[RunKey, str]
"""A step (its id within the run) that waits for a place."""


class Queue:
    """Who waits for one place. Most have one priority, and ten thousand may wait: so no heap of all of them."""

    __slots__ = ("_by_priority", "priorities")

    def __init__(self) -> None:
        self.priorities: list[int] = []
        """A heap of those that somebody has, the highest first: negative."""
        self._by_priority: dict[int, deque[Waiting]] = {}

    def add(self, priority: int, who: Waiting) -> None:
        there = self._by_priority.get(priority)
        if there is None:
            there = self._by_priority[priority] = deque()
            heappush(self.priorities, -priority)
        there.append(who)

    def take(self) -> Waiting:
        """Take out who goes on first; there must be somebody."""
        priority = -self.priorities[0]
        there = self._by_priority[priority]
        who = there.popleft()
        if not there:
            heappop(self.priorities)
            del self._by_priority[priority]
        return who


class Places:
    """How many of each place are taken, and who waits for one.

    A place without a capacity is counted all the same: it may get one while it is in use.
    """

    __slots__ = ("_capacity", "_taken", "_waiting", "freed")

    def __init__(self, settings: Settings) -> None:
        self._capacity: dict[Place, int] = {}
        self._taken: dict[Place, int] = {}
        self._waiting: dict[Place, Queue] = {}
        self.freed: set[Place] = set()
        """Places that somebody waits for and that may be free now."""
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Other capacities; whoever waits may have a place now."""
        self._capacity = {("group", name): most for name, most in settings.groups.items()}
        self._capacity |= {
            ("executor", name): most for name, most in settings.executors.items() if most is not None
        }
        self.freed.update(self._waiting)

    def take(self, wanted: Sequence[Place]) -> Place | None:
        """Take all of them, or none and say which is full."""
        capacity = self._capacity
        for place in wanted:
            most = capacity.get(place) if capacity else None
            if most is not None and self._taken.get(place, 0) >= most:
                return place
        self.hold(wanted)
        return None

    def take_one(self, place: Place) -> bool:
        """As `take` of this one alone; whether it was free."""
        taken = self._taken.get(place, 0)
        most = self._capacity.get(place) if self._capacity else None
        if most is not None and taken >= most:
            return False
        self._taken[place] = taken + 1
        return True

    def free_one(self, place: Place) -> None:
        """As `free` of this one alone."""
        taken = self._taken.get(place, 0)
        if taken:
            self._taken[place] = taken - 1
            if self._waiting and place in self._waiting:
                self.freed.add(place)

    def hold(self, places: Iterable[Place]) -> None:
        """Count them as taken, full or not: what already runs has its place."""
        for place in places:
            self._taken[place] = self._taken.get(place, 0) + 1

    def free(self, places: Iterable[Place]) -> None:
        for place in places:
            self.free_one(place)

    def wait(self, place: Place, priority: int, who: Waiting) -> None:
        queue = self._waiting.get(place)
        if queue is None:
            queue = self._waiting[place] = Queue()
        queue.add(priority, who)

    def called(self) -> Iterable[Waiting]:
        """Those whose place may be free now, best first; each is asked to `take` again."""
        while self.freed:
            place = self.freed.pop()
            queue, most, taken = self._waiting.get(place), self._capacity.get(place), self._taken
            if queue is None:
                continue
            while queue.priorities and (most is None or taken.get(place, 0) < most):
                yield queue.take()
            if not queue.priorities:
                self._waiting.pop(place, None)

    def taken(self) -> Mapping[Place, int]:
        return self._taken


def limit(concurrency: Concurrency) -> int | None:
    """How many runs of a job may be under way at once; None: any number."""
    match concurrency.overlap:
        case "allow":
            return concurrency.max
        case "queue":
            return concurrency.max or 1
        case _:
            return 1


def refusal(concurrency: Concurrency, live: int, waiting: int, queue_limit: int) -> str:
    """Why a due occurrence does not become a run; empty where it does."""
    match concurrency.overlap:
        case "skip":
            return "overlap" if live else ""
        case "queue":
            return "queue full" if waiting >= queue_limit else ""
        case "allow":
            return "overlap" if concurrency.max is not None and live >= concurrency.max else ""
        case "replace":
            return ""
