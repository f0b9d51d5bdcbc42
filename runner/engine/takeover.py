"""The first turn of a lead: what is on record, what became of it meanwhile, and what the downtime brought."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from runner.core.action import Announce
from runner.core.event import Broken, Settings, Started, StepEnded, Tick
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Outcome, Run
from runner.engine.abroad import Leading, Tending
from runner.engine.batch import Batch, Entry, Plan
from runner.engine.feeding import feed
from runner.engine.hands import Hands
from runner.jobstores.base import Loaded
from runner.moment import Moment, Span

Ends = Callable[[], Iterable[StepEnded]]
"""Takes the ends of attempts that nobody has handled yet."""


class Takeover:
    """`early` is worked out before anything is decided, `prepare` after the occurrences of the downtime were."""

    def __init__(
        self,
        source: str,
        hands: Hands,
        leading: Leading | None,
        tending: Tending | None,
        elapsed: Callable[[], Span],
        early: Plan | None,
        prepare: Plan | None,
    ) -> None:
        self._source = source
        self._hands = hands
        self._leading = leading
        self._tending = tending
        self._elapsed = elapsed
        self._early = early
        self._prepare = prepare

    def machine(self, settings: Settings, loaded: Loaded) -> Machine:
        """A machine that knows what is on record."""
        return Machine(
            settings,
            loaded.jobs,
            loaded.runs,
            loaded.incidents,
            loaded.deliveries,
            hears=self._hands.hears,
        )

    def decide(
        self,
        machine: Machine,
        loaded: Loaded,
        now: Moment,
        *,
        ends: Ends,
        kept: Set[AttemptKey],
        told: Mapping[AttemptKey, Outcome],
    ) -> Batch:
        """Settle what an earlier process left, or this one when it led before. `kept`: attempts whose ends are told
        later. `told`: ends that an earlier process of this host told, and no leader has read.

        RunnerError of `early`: what is on record and what is wanted now do not go together, and nothing was decided.
        """
        early = self._early(machine, now) if self._early is not None else ()
        batch = Batch()
        for event in early:
            feed(machine, now, Entry(event), batch)
        feed(machine, now, Entry(self._recover(loaded.runs, batch, ends, kept, told)), batch)
        for bad in loaded.unreadable:
            feed(machine, now, Entry(Broken(bad.key, bad.reason)), batch)
        feed(machine, now, Entry(Tick()), batch)
        if self._prepare is not None:
            feed(machine, now, Entry(self._prepare), batch)
            feed(machine, now, Entry(Tick()), batch)
        batch.actions.append(Announce("lease.taken", self._source))
        return batch

    def _recover(
        self,
        runs: Sequence[Run],
        batch: Batch,
        ends: Ends,
        kept: Set[AttemptKey],
        told: Mapping[AttemptKey, Outcome],
    ) -> Started:
        """What became of the attempts under way; those of other hosts go on, as far as anybody knows."""
        away = frozenset(self._leading.elsewhere(runs)) if self._leading is not None else frozenset()
        untold = self._tending.handed_over() if self._tending is not None else {}
        found = self._hands.recover(runs, away | kept)
        for attempt in found.gone & told.keys():
            untold.setdefault(attempt, told[attempt])
        # Only now: an executor that does not know an attempt any more has told its end before.
        for end in ends():
            untold[end.attempt] = end.outcome
        batch.causes += [StepEnded(attempt, outcome) for attempt, outcome in untold.items()]
        if self._leading is not None:
            self._leading.look_at = self._elapsed() if away else None
        over = untold.keys()
        return Started((found.alive | away | kept) - over, {**found.ended, **untold}, found.gone - over)
