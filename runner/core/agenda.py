"""The moments at which something must be decided: a heap of them, so that idle jobs cost nothing at a wake-up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from heapq import heappop, heappush
from typing import Any

from runner.moment import Moment


class Agenda:
    """One moment per subject. Schedules meet on the full minute, so subjects of one moment share one place in the heap.

    Moving a subject leaves its old entry where it is, to be passed over later.
    """

    __slots__ = ("_count", "_heap", "_moments", "_subjects")

    def __init__(self) -> None:
        self._heap: list[Moment] = []
        self._subjects: dict[Moment, Any] = {}
        """The one subject of a moment as it is; several, in the order of coming, in a deque, which is no subject."""
        self._moments: dict[Hashable, Moment] = {}
        self._count = 0
        """How many entries there are, those that count no more included."""

    def put(self, subject: Hashable, moment: Moment | None) -> None:
        """Decide about `subject` at `moment` and no other time; None: never."""
        known = self._moments.get(subject)
        if moment is None:
            if known is not None:
                del self._moments[subject]
            return
        if known == moment:
            return
        self._moments[subject] = moment
        there = self._subjects.get(moment)
        if type(there) is deque:
            # The usual case of many: schedules meet.
            there.append(subject)
            self._count += 1
        else:
            self._enter(subject, moment)
        if self._count > 64 + 4 * len(self._moments):
            self._rebuild()

    def _enter(self, subject: Hashable, moment: Moment) -> None:
        self._count += 1
        there = self._subjects.get(moment)
        if there is None:
            self._subjects[moment] = subject
            heappush(self._heap, moment)
        elif type(there) is deque:
            there.append(subject)
        else:
            self._subjects[moment] = deque((there, subject))

    def first(self) -> Moment | None:
        """The earliest moment, or None."""
        heap, moments = self._heap, self._moments
        while heap:
            moment = heap[0]
            there = self._subjects[moment]
            if type(there) is not deque:
                if moments.get(there) == moment:
                    return moment
                self._count -= 1
            else:
                while there:
                    if moments.get(there[0]) == moment:
                        return moment
                    there.popleft()
                    self._count -= 1
            heappop(heap)
            del self._subjects[moment]
        return None

    def crowd(self) -> int:
        """About how many subjects the earliest moment has."""
        if not self._heap:
            return 0
        there = self._subjects[self._heap[0]]
        return len(there) if type(there) is deque else 1

    def take(self, now: Moment, rank: Callable[[Any], int] | None = None) -> Iterator[Hashable]:
        """Take out every subject whose moment has come, earliest first; what is put meanwhile is taken too.

        `rank`: of those that share a moment the highest first; else, and where it is the same, the first to come.
        """
        heap, subjects, moments = self._heap, self._subjects, self._moments
        ranked: Moment | None = None
        while heap and heap[0] <= now:
            moment = heap[0]
            there = subjects[moment]
            if rank is not None and moment != ranked:
                ranked = moment
                if type(there) is deque:
                    there = subjects[moment] = deque(sorted(there, key=rank, reverse=True))
            if type(there) is not deque or len(there) == 1:
                heappop(heap)
                del subjects[moment]
            subject = there.popleft() if type(there) is deque else there
            self._count -= 1
            # Taken out at once: a subject is slow to hash. One that was moved is put back.
            planned = moments.pop(subject, None)
            if planned == moment:
                yield subject
            elif planned is not None:
                moments[subject] = planned

    def __len__(self) -> int:
        return len(self._moments)

    def _rebuild(self) -> None:
        moments = sorted(self._moments.items(), key=lambda entry: entry[1])
        # In place: whoever takes just now goes on with what is left.
        self._heap.clear()
        self._subjects.clear()
        self._count = 0
        for subject, moment in moments:
            self._enter(subject, moment)
