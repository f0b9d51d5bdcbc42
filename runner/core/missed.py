"""Planned fire times by the million: pieces of a trigger's firings, of which only the ends are known.

After a downtime there may be any number of them, and what becomes of them is decided for all at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from runner.frozen import frozen
from runner.moment import Moment
from runner.triggers.base import Trigger
from runner.triggers.counting import count, last

_WORTH = 64
"""A step back costs as much as so many steps ahead."""

Piece = tuple[Moment, Moment]
"""The first and the last of some firings without a gap."""


@frozen
class Firings:
    """Firings of one trigger, in order of time."""

    trigger: Trigger
    pieces: Sequence[Piece] = ()

    def __bool__(self) -> bool:
        return bool(self.pieces)

    @property
    def first(self) -> Moment:
        """The oldest; there must be one."""
        return self.pieces[0][0]

    @property
    def last(self) -> Moment:
        """The newest; there must be one."""
        return self.pieces[-1][1]

    def count(self) -> int:
        """How many there are."""
        return sum(1 if low == high else 2 + count(self.trigger, low, high - 1) for low, high in self.pieces)

    def newest(self, most: int) -> Firings:
        """The newest so many of them, each one a piece."""
        found: list[Moment] = []
        for low, high in reversed(self.pieces):
            lacking = most - len(found)
            if lacking > 0:
                found = [*self._newest(low, high, lacking), *found]
        return Firings(self.trigger, [(slot, slot) for slot in found])

    def _newest(self, low: Moment, high: Moment, most: int) -> Iterable[Moment]:
        if low == high or count(self.trigger, low, high) < most * _WORTH:
            return deque(self._walk(low, high), most)
        back = [high]
        while len(back) < most:
            back.append(last(self.trigger, low, back[-1] - 1))
        return reversed(back)

    def _walk(self, low: Moment, high: Moment) -> Iterator[Moment]:
        slot: Moment | None = low
        while slot is not None and slot <= high:
            yield slot
            slot = self.trigger.next_after(slot)

    def before(self, moment: Moment) -> Firings:
        """Those before a moment."""
        cut = [
            (low, high if high < moment else last(self.trigger, low, moment - 1))
            for low, high in self.pieces
            if low < moment
        ]
        return Firings(self.trigger, cut)

    def since(self, moment: Moment) -> Firings:
        """Those not before a moment."""
        cut = []
        for low, high in self.pieces:
            if high >= moment:
                first = low if low >= moment else self.trigger.next_after(moment - 1)
                assert first is not None
                cut.append((first, high))
        return Firings(self.trigger, cut)

    def split(self, far: Moment, near: Moment, early: Callable[[Moment], bool]) -> tuple[Firings, Firings]:
        """Those that are early, and the others: before `far` all are, from `near` on none is, between one is asked."""
        yes, no = list(self.before(far).pieces), list[Piece]()
        for slot, joined in self._each(far, near):
            side = yes if early(slot) else no
            if joined and side and side[-1][1] == joined:
                side[-1] = (side[-1][0], slot)
            else:
                side.append((slot, slot))
        return Firings(self.trigger, yes), Firings(self.trigger, [*no, *self.since(max(far, near)).pieces])

    def _each(self, far: Moment, near: Moment) -> Iterator[tuple[Moment, Moment]]:
        """Each one from `far` to before `near`, with the one just before it in its piece (0 for none)."""
        for low, high in self.since(far).before(near).pieces if far < near else ():
            before = 0
            for slot in self._walk(low, high):
                yield slot, before
                before = slot


def all_up_to(trigger: Trigger, slot: Moment, until: Moment) -> Firings:
    """A slot and what the trigger fires after it, up to a moment. The slot need be no firing: somebody may move it."""
    first = trigger.next_after(slot)
    if first is None or first > until:
        return Firings(trigger, [(slot, slot)])
    return Firings(trigger, [(slot, slot), (first, last(trigger, first, until))])
