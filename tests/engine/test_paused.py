"""A paused engine: no job becomes due, but what is under way goes on as promised."""

from __future__ import annotations

from runner.core.event import Added
from runner.core.run import Outcome, Status
from runner.frozen import replace
from runner.jobstores.memory import MemoryJobStore
from runner.moment import MINUTE, SECOND
from runner.spec import Retry
from tests.engine.engine_rig import Rig, job


def test_timeouts_and_retries_come_and_what_is_due_waits_for_the_end_of_the_pause() -> None:
    rig = Rig(MemoryJobStore())
    fails = job("bad")
    retried = replace(fails.steps[0], retry=Retry(max=1, delay=20 * SECOND))
    rig.post(Added(job("slow", timeout=90 * SECOND)), Added(replace(fails, steps=(retried,))))
    rig.later(MINUTE)
    bad, slow = sorted(rig.executor.started, key=lambda attempt: attempt.run.job.id)
    rig.engine.pause()
    rig.engine.turn()
    rig.executor.end(bad, Outcome(Status.FAILED))
    rig.later(SECOND)
    rig.later(20 * SECOND)
    assert rig.executor.started[2:] == [bad._replace(attempt=2)]
    rig.later(70 * SECOND)
    assert rig.executor.cancelled == [(slow, "timeout")]
    # Two more minutes have come, and nobody is woken for them any more.
    assert len(rig.executor.started) == 3
    assert rig.machine.wakeup() is None
    rig.executor.end(bad._replace(attempt=2), Outcome(Status.SUCCEEDED))
    rig.executor.end(slow, Outcome(Status.CANCELLED))
    rig.engine.resume()
    rig.engine.turn()
    assert [attempt.run.slot for attempt in rig.executor.started[3:]] == [slow.run.slot + MINUTE] * 2


def test_a_pause_from_the_start_takes_up_what_an_earlier_process_left_and_begins_no_other() -> None:
    store = MemoryJobStore()
    first = Rig(store)
    first.post(Added(job("slow", timeout=90 * SECOND)))
    first.later(MINUTE)
    (slow,) = first.executor.started
    first.partition().release()
    first.clock.advance(2 * MINUTE)
    second = Rig(store, clock=first.clock)
    second.executor.live.add(slow)
    second.engine.pause()
    second.engine.turn()
    assert (second.executor.started, second.executor.cancelled) == ([], [(slow, "timeout")])
    second.executor.end(slow, Outcome(Status.CANCELLED))
    second.engine.resume()
    second.engine.turn()
    assert [attempt.run.slot for attempt in second.executor.started] == [slow.run.slot + 2 * MINUTE]
