"""A simulation that also dies in mid-turn: before its transaction, or after it and before some of its starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.core import states
from runner.core.action import Action, Forget, Save, Send, Start
from runner.core.event import Event, StepEnded
from runner.core.run import Run, Status
from runner.moment import Moment
from runner.simulation import Simulation


class Died(Exception):
    """The runner was killed here."""


class MortalSimulation(Simulation):
    """`fuse`: None, or how many starts the next turn that starts something still does; -1: not even its writes."""

    fuse: int | None = None

    def _happen(self, event: Event, token: int) -> None:
        flight = self._flights.get(event.attempt) if isinstance(event, StepEnded) else None
        try:
            super()._happen(event, token)
        except Died:
            # Nobody wrote the end down: the executor's mark still holds it.
            if flight is not None and flight.token == token and isinstance(event, StepEnded):
                stored = self.runs[event.attempt.run].steps[event.attempt.step]
                if not stored.status.final and stored.attempt == event.attempt.attempt and self.fuse == -1:
                    self._flights[event.attempt] = flight
            raise

    def _perform(self, actions: Sequence[Action]) -> None:
        if self.fuse is None or not any(isinstance(action, Start) for action in actions):
            super()._perform(actions)
            return
        if self.fuse >= 0:
            for action in actions:
                if isinstance(action, Save | Forget):
                    self._write(action)
            begun = [action for action in actions if isinstance(action, Start)][: self.fuse]
            super()._perform(begun)
            super()._perform([action for action in actions if isinstance(action, Send)])
        self.crash()
        raise Died

    def _write(self, change: Save | Forget) -> None:
        if isinstance(change, Save) and isinstance(change.record, Run):
            run = change.record
            before = self.runs.get(run.key)
            if before is not None:
                _goes(f"{run.id}", states.RUN, before.status, run.status)
                for id, state in run.steps.items():
                    if id in before.steps:
                        _goes(f"{run.id}/{id}", states.STEP, before.steps[id].status, state.status)
        super()._write(change)

    def run_to(self, until: Moment) -> bool:
        """Let time pass; False where the runner died on the way (the clock stands at that moment then)."""
        try:
            self.run(until)
        except Died:
            return False
        return True


def _goes(what: str, moves: Mapping[Status, frozenset[Status]], before: Status, after: Status) -> None:
    assert before is after or after in moves.get(before, ()), f"{what}: {before} -> {after}"
