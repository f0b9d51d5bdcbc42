"""The moments at which something must be decided: a heap, so that idle jobs cost nothing at a wake-up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush

from runner.moment import Moment


class Agenda:
    """One moment per subject. Moving a subject leaves its old entry in the heap, to be passed over later."""

    __slots__ = ("_count", "_heap", "_moments")

    def __init__(self) -> None:
        self._heap: list[tuple[Moment, int, Hashable]] = []
        self._moments: dict[Hashable, tuple[Moment, int]] = {}
        self._count = 0

    def put(self, subject: Hashable, moment: Moment | None) -> None:
        """Decide about `subject` at `moment` and no other time; None: never."""
        known = self._moments.get(subject)
        if moment is None:
            if known is not None:
                del self._moments[subject]
            return
        if known is not None and known[0] == moment:
            return
        self._count += 1
        self._moments[subject] = (moment, self._count)
        heappush(self._heap, (moment, self._count, subject))
        if len(self._heap) > 64 + 4 * len(self._moments):
            self._rebuild()

    def first(self) -> Moment | None:
        """The earliest moment, or None."""
        heap, moments = self._heap, self._moments
        while heap:
            moment, count, subject = heap[0]
            if moments.get(subject) == (moment, count):
                return moment
            heappop(heap)
        return None

    def take(self, now: Moment) -> Iterator[Hashable]:
        """Take out every subject whose moment has come, earliest first; what is put meanwhile is taken too."""
        heap, moments = self._heap, self._moments
        while heap and heap[0][0] <= now:
            moment, count, subject = heappop(heap)
            if moments.get(subject) == (moment, count):
                del moments[subject]
                yield subject

    def __len__(self) -> int:
        return len(self._moments)

    def _rebuild(self) -> None:
        self._heap = [(moment, count, subject) for subject, (moment, count) in self._moments.items()]
        heapify(self._heap)
