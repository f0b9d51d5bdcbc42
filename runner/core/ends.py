"""How live runs end, wherever the end comes from: finished, cut short, or forgotten."""

from __future__ import annotations

from collections.abc import Callable

from runner.core.action import Action, Announce, Cancel, Save
from runner.core.agenda import Agenda
from runner.core.event import Settings
from runner.core.flow import ending, states_of
from runner.core.live import CATCH_UP, Live
from runner.core.run import AttemptKey, Run, RunKey, Status, StepRun
from runner.frozen import maker, replace
from runner.moment import Moment
from runner.spec import Step

_run = maker(Run)
_save, _announce = maker(Save), maker(Announce)


class Ends(Live):
    """`ended` is told each run that became final."""

    def __init__(
        self,
        settings: Settings,
        agenda: Agenda,
        out: Callable[[Action], None],
        ended: Callable[[Run, Moment], None],
    ) -> None:
        super().__init__(settings, agenda, out)
        self._ended = ended

    def _end_cleaning_up(self, run: Run, reason: str, now: Moment) -> None:
        """What still runs because it asked to run `always()` has had its time as well."""
        self._save(replace(run, due=None))
        for state in run.steps.values():
            if state.status is Status.RUNNING and state.reason != reason:
                self._cancel_attempt(self.live[run.key], state, reason)
        self._skip_pending(run.key, now)
        self._finish(run.key, now)

    def _skip_pending(self, key: RunKey, now: Moment) -> None:
        run = self.live[key]
        steps = {
            id: replace(state, status=Status.SKIPPED, reason="cancelled", ended_at=now)
            if state.status is Status.PENDING
            else state
            for id, state in run.steps.items()
        }
        self._save(replace(run, steps=steps))

    def _cancel_attempt(self, run: Run, state: StepRun, reason: str) -> None:
        step = self._step(run, state)
        self._change(run, replace(state, reason=reason, due=None))
        self._out(Cancel(AttemptKey(run.key, state.id, state.attempt), self._executor(run, step), reason))

    def drop(self, key: RunKey) -> None:
        """Forget a live run, its places and its moments, without a word."""
        run = self.live.get(key)
        if run is None:
            return
        for state in run.steps.values():
            if state.status is Status.RUNNING:
                self.places.free(self._wanted(run, self._step(run, state)))
        self.leave(key)

    def _finish(self, key: RunKey, now: Moment) -> None:
        run = self.live.get(key)
        if run is None:
            return
        for state in run.steps.values():
            if not state.status.final:
                return
        if run.reason == CATCH_UP:
            run = replace(run, reason="")
        status, reason = ending(run)
        ended = _run(
            run.key,
            run.spec,
            status,
            reason,
            run.origin,
            run.by,
            run.params,
            run.steps,
            run.created_at,
            run.started_at,
            max((state.ended_at or now for state in run.steps.values()), default=now),
            None,
            run.last_success,
            run.commit,
        )
        self.leave(key)
        self._out(_save(ended))
        self._out(_announce("run.ended", ended))
        self._ended(ended, now)

    def _fail_fast(self, key: RunKey, step: Step, now: Moment) -> None:
        for state in states_of(self.live[key], step.id):
            if state.status is Status.RUNNING:
                self._cancel_attempt(self.live[key], state, "fail_fast")
            elif state.status in (Status.PENDING, Status.WAITING):
                self._change(
                    self.live[key],
                    replace(state, status=Status.SKIPPED, reason="fail_fast", due=None, ended_at=now),
                )
