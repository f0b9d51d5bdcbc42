"""A process that is stopped amid a turn: what ended meanwhile is read before the next turn decides anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from runner.clock import VirtualClock
from runner.core.action import Change
from runner.core.event import Added
from runner.core.run import AttemptKey, Status
from runner.jobstores.base import Fence
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MINUTE, SECOND, Span
from tests.engine.engine_rig import Rig, Threads, good, job


@dataclass
class Unread(Threads):
    """An executor of commands: an end is known of only when somebody reads it."""

    ended: list[AttemptKey] = field(default_factory=list)

    def catch_up(self, most: float) -> None:
        while self.ended:
            self.end(self.ended.pop(), good())


class StoppedAmid(MemoryJobStore):
    """SIGSTOP amid one write, and SIGCONT after a while; commands go on meanwhile."""

    clock: VirtualClock
    executor: Unread
    stopped: Span = 0

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        super().write(changes, fence)
        if self.stopped:
            self.clock.advance(self.stopped)
            self.stopped = 0
            self.executor.ended += [key for key in self.executor.live if key.run.job.id == "tick"]


@pytest.mark.parametrize("stopped", [90 * SECOND, 10 * MINUTE])
def test_what_ended_while_the_process_stood_still_amid_a_turn_is_in_nobodys_way(stopped: Span) -> None:
    store = StoppedAmid()
    rig = Rig(store)
    store.clock = rig.clock
    rig.executor = store.executor = Unread()
    rig.hands.executors["default"] = rig.executor
    rig.hands.open(rig.engine.done)
    rig.engine.turn()
    rig.post(Added(job()), Added(job("other", "30 * * * * *")))
    rig.later(30 * SECOND)
    rig.later(30 * SECOND)
    assert [key.run.job.id for key in rig.executor.started] == ["other", "tick"]
    store.stopped = stopped
    rig.later(30 * SECOND)
    assert store.stopped == 0, "it was stopped amid the turn"
    rig.until(lambda: len([each for each in rig.ended() if each.key.job.id == "tick"]) == 1, most=4)
    rig.until(lambda: sum(key.run.job.id == "tick" for key in rig.executor.started) == 2, most=4)
    tick = next(each for each in rig.ended() if each.key.job.id == "tick")
    assert tick.status is Status.SUCCEEDED
    skipped = [each.value for each in rig.heard if each.name == "occurrence.skipped"]
    assert [each for each in skipped if each.job.id == "tick"] == []
