"""Write, act, tell, in this order. A write that fails keeps its batch: nothing of it starts, and it is tried again.

Where it fails for no reason a store should have, again and again, the batch is given up: what the machine knows is
then not what is on record, and somebody must begin anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from runner.core.action import Change
from runner.core.machine import Machine
from runner.core.run import RunKey
from runner.engine.batch import Batch
from runner.engine.guarded import Guarded
from runner.engine.hands import Hands
from runner.engine.lead import Lead
from runner.engine.outage import Outage
from runner.engine.record import on_record
from runner.errors import LeaseLost, RunExists, StoreError, StoreFault
from runner.executors.base import Done
from runner.moment import Moment

log = logging.getLogger("runner.engine")


_MOST_FAULTS = 5
"""Tries of one batch that may end in a fault before it is given up."""


class Writing:
    """`held`: the batch that is to be written before anything else. `renew` sees to it that the lead is ours; `lost`
    is told that it is not, `given_up` of a batch that cannot be written as it is.
    """

    def __init__(
        self,
        store: Guarded,
        lead: Lead,
        hands: Hands,
        done: Done,
        outage: Outage,
        *,
        renew: Callable[[Moment], object],
        lost: Callable[[], None],
        given_up: Callable[[Batch, StoreFault], None],
    ) -> None:
        self.held: Batch | None = None
        self._store = store
        self._lead = lead
        self._hands = hands
        self._done = done
        self._outage = outage
        self._renew = renew
        self._lost = lost
        self._given_up = given_up
        self._faults = 0
        self._written: Batch | None = None
        """What is on record, and not acted on yet."""

    def perform(self, machine: Machine | None, now: Moment, batch: Batch, *, later: bool = False) -> None:
        """Write what the machine has decided, and act on it, or hold it back, where that cannot be now.

        `later`: only write it; `act` does the rest.
        """
        if self._written is not None:
            self.act(now)
        if self.held is not None:
            # Whoever does not ask whether this is `ready`: a change of settings, a call on the clock thread. What is
            # older comes first, and both are written together.
            self.held.add(batch)
            self._cancel(self.held)
            return
        changes = batch.changes()
        try:
            if changes:
                self._store.write(changes, self._lead.fence)
        except LeaseLost:
            self.held = batch
            self._lost()
            return
        except RunExists as error:
            self._drop(machine, now, batch, error, later)
            return
        except StoreFault as error:
            if self._stands(changes):
                log.error("it is on record, though the store said otherwise:", exc_info=error.__cause__)
                self._wrote(now, batch, later)
                return
            self._hold(batch, error)
            self._faults += 1
            if self._faults >= _MOST_FAULTS:
                self._faults, self.held = 0, None
                self._given_up(batch, error)
            return
        except StoreError as error:
            self._hold(batch, error)
            return
        self._wrote(now, batch, later)

    def _hold(self, batch: Batch, error: StoreError) -> None:
        """Nothing of it starts before it is written. What it stops is stopped: a deadline does not wait for a store."""
        self.held = batch
        self._outage.failed(error)
        self._cancel(batch)

    def _cancel(self, batch: Batch) -> None:
        # Where another runner may lead by now, it decides; an attempt's own deadline holds whoever leads.
        for cancel in batch.urgent(any_reason=not self._lead.over):
            self._outage.cancel(cancel)

    def _wrote(self, now: Moment, batch: Batch, later: bool) -> None:
        self._faults = 0
        # Looked at here: every write comes by, and nearly none has an outage, or a takeover, to end.
        if self._outage.retry_at is not None:
            self._outage.over()
        if later:
            self._written = batch
        else:
            self._act(now, batch)

    def _stands(self, changes: Sequence[Change]) -> bool:
        """Whether it is on record all the same: a fault may come after the commit."""
        try:
            return on_record(self._store, self._lead.source, changes)
        except StoreError:
            return False

    def act(self, now: Moment) -> None:
        """Start, stop and tell what is written."""
        batch, self._written = self._written, None
        if batch is not None:
            self._act(now, batch)

    def _act(self, now: Moment, batch: Batch) -> None:
        if self._lead.over:
            self._act_late(now, batch)
        else:
            batch.act(self._hands, self._done, self._lead.until)
        if self._lead.taken_at is not None:
            self._lead.through()

    def again(self, machine: Machine, now: Moment) -> None:
        """Try what is held back once more."""
        if self.held is not None:
            held, self.held = self.held, None
            self.perform(machine, now, held)

    def _act_late(self, now: Moment, batch: Batch) -> None:
        """What is written was written in time. What it starts begins only where the lead can still be renewed."""
        batch.answer()
        self.held = batch.written()
        self._cancel(self.held)
        self._renew(now)
        if self.held is not None and not self._outage.trouble:
            held, self.held = self.held, None
            held.act(self._hands, self._done, self._lead.until)

    def _drop(
        self, machine: Machine | None, now: Moment, batch: Batch, error: RunExists, later: bool
    ) -> None:
        """Runs that are over already must not run again: leave them out, and write the rest."""
        log.error("%s", error)
        batch.leave_out(error.keys)
        for key in error.keys:
            if machine is not None and isinstance(key, RunKey):
                batch.actions += machine.drop(key, now)
        self.perform(machine, now, batch, later=later)
