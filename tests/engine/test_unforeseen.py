"""A store that raises what no store should: nothing is lost, nothing starts unrecorded, nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from runner.core.action import Change, Save
from runner.core.event import Added, CancelAsked, Fired
from runner.core.run import AttemptKey, Outcome, Request, Run, RunKey, Status
from runner.frozen import replace
from runner.history.read import History
from runner.jobstores.base import LEASE, Fence, Loaded
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import MINUTE, SECOND, Moment, Span
from runner.spec import JobKey
from tests.engine.engine_rig import NOON, SOURCE, Rig, good, job

Bad = Callable[[Sequence[Change]], BaseException | None]


class Faulty(SQLAlchemyJobStore):
    """A SQLite store that raises whatever the test wants, before it has written anything."""

    bad: Bad = staticmethod(lambda changes: None)
    reading: Exception | None = None
    tries = 0

    def write(self, changes: Sequence[Change], fence: Fence | None = None) -> None:
        error = self.bad(changes)
        if error is not None:
            self.tries += 1
            raise error
        super().write(changes, fence)

    def load(self, source: str) -> Loaded:
        if self.reading is not None:
            raise self.reading
        return super().load(source)

    def asked(self, source: str) -> Sequence[Request]:
        if self.reading is not None:
            raise self.reading
        return super().asked(source)

    def hold(self, source: str, owner: str, now: Moment, lease: Span = LEASE) -> Fence | None:
        if self.reading is not None:
            raise self.reading
        return super().hold(source, owner, now, lease)


def always(changes: Sequence[Change]) -> BaseException:
    return TypeError("a bug in a codec")


def never(changes: Sequence[Change]) -> None:
    return None


@pytest.fixture
def store(tmp_path: Path) -> Faulty:
    return Faulty(f"sqlite:///{tmp_path / 'runner.db'}")


@pytest.fixture
def rig(store: Faulty) -> Rig:
    made = Rig(store)
    made.engine.turn()
    return made


def on_record(store: Faulty) -> dict[str, Status]:
    return {str(run.key): run.status for run in History(store.engine).runs()}


FIRST = "tick@2027-01-15T12:01:00Z"


def test_a_fault_of_a_moment_delays_and_drops_nothing(
    rig: Rig, store: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    rig.post(Added(job()))
    store.bad = always
    rig.later(MINUTE)
    assert rig.executor.started == []
    assert "store.failed" in rig.names()
    assert "the store 'default' fails: TypeError: a bug in a codec" in caplog.text
    assert "in write" in caplog.text, "where it stood"
    store.bad = never
    rig.later(SECOND)
    assert [str(attempt.run) for attempt in rig.executor.started] == [FIRST]
    assert on_record(store) == {FIRST: Status.RUNNING}
    assert "store.back" in rig.names()


def test_a_fault_that_lasts_is_begun_anew_from_what_is_on_record(rig: Rig, store: Faulty) -> None:
    rig.post(Added(job()))
    store.bad = always
    rig.later(MINUTE)
    rig.until(lambda: store.tries > 12)
    assert rig.executor.started == []
    store.bad = never
    rig.until(lambda: bool(rig.executor.started))
    assert [str(attempt) for attempt in rig.executor.started] == [f"{FIRST}/main#1"]
    assert on_record(store) == {FIRST: Status.RUNNING}


def test_an_end_outlives_a_fault_that_lasts(rig: Rig, store: Faulty) -> None:
    rig.post(Added(job(on_interrupt="retry")))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    store.bad = always
    rig.executor.end(attempt, Outcome(Status.SUCCEEDED, exit_code=0, outputs={"rows": "7"}))
    rig.engine.turn()
    rig.until(lambda: store.tries > 12)
    store.bad = never
    rig.until(lambda: bool(rig.ended()))
    (run,) = rig.ended()
    outcome = run.steps["main"].outcome
    assert (run.status, outcome is not None and outcome.outputs) == (Status.SUCCEEDED, {"rows": "7"})
    assert on_record(store)[FIRST] is Status.SUCCEEDED
    assert rig.executor.started.count(attempt) == 1


def holding(word: str) -> Bad:
    """Fails for whatever has this word in it: one record that can never be written."""

    def bad(changes: Sequence[Change]) -> BaseException | None:
        return TypeError(f"cannot encode {word}") if word in str(changes) else None

    return bad


def test_an_end_that_can_never_be_written_keeps_its_status_and_holds_up_nobody(
    rig: Rig, store: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    rig.post(Added(job()), Added(job("tock")))
    rig.later(MINUTE)
    bad, other = sorted(rig.executor.started, reverse=True, key=lambda each: each.run.job.id == "tick")
    store.bad = holding("poison")
    rig.executor.end(bad, Outcome(Status.FAILED, exit_code=3, error="poison", tail="poison"))
    rig.executor.end(other, good())
    rig.engine.turn()
    rig.until(lambda: len(rig.ended()) == 2)
    runs = {run.key.job.id: run for run in rig.ended()}
    assert {id: run.status for id, run in runs.items()} == {"tick": Status.FAILED, "tock": Status.SUCCEEDED}
    outcome = runs["tick"].steps["main"].outcome
    assert outcome is not None
    assert (outcome.exit_code, outcome.tail) == (3, "")
    assert "TypeError" in outcome.error
    started = len(rig.executor.started)
    rig.later(MINUTE)
    assert len(rig.executor.started) == started + 2, "life goes on"
    assert "cannot encode poison" in caplog.text


def test_who_asked_for_what_can_never_be_written_is_told_and_the_others_go_on(
    rig: Rig, store: Faulty
) -> None:
    rig.post(Added(job()))
    store.bad = holding("poison")
    asked = rig.engine.ask(Added(job("poison")))
    sound = rig.engine.ask(Added(job("sound")))
    rig.engine.turn()
    rig.until(asked.done)
    with pytest.raises(TypeError, match="cannot encode poison"):
        asked.result(0)
    rig.until(sound.done)
    assert sound.result(0) is None
    rig.later(MINUTE)
    assert {attempt.run.job.id for attempt in rig.executor.started} == {"tick", "sound"}


def test_what_was_asked_from_outside_in_the_same_turn_is_done(rig: Rig, store: Faulty) -> None:
    rig.post(Added(job()))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started
    store.bad = holding("poison")
    rig.engine.post(CancelAsked(attempt.run))
    rig.engine.post(Fired(JobKey("default", SOURCE, "tick"), by="poison"))
    store.ask(Request("r1", SOURCE, "trigger", {"job": "tick"}, asked_at=NOON))
    rig.engine.poke()
    rig.engine.turn()

    def answered() -> bool:
        found = store.answer("r1")
        return found is not None and found.state != "asked"

    rig.until(lambda: bool(rig.executor.cancelled) and answered())
    assert rig.executor.cancelled == [(attempt, "asked")]


@pytest.mark.parametrize("error", [TypeError("a plug-in's bug"), MemoryError()])
def test_reading_that_fails_so_is_trouble_as_well(rig: Rig, store: Faulty, error: Exception) -> None:
    rig.post(Added(job()))
    store.reading = error
    rig.engine.poke()
    nothing = Outcome(Status.SUCCEEDED)
    future = rig.engine.ask(Added(job("tock")))
    rig.engine.done(AttemptKey(RunKey(JobKey("default", SOURCE, "tick"), NOON), "main", 1), nothing)
    rig.engine.turn()
    assert future.result(0) is None, "what came in with it was handled"
    assert "store.failed" in rig.names()
    store.reading = None
    rig.later(SECOND)
    rig.later(MINUTE)
    assert len(rig.executor.started) == 2


def test_a_lead_that_cannot_be_taken_for_a_fault_is_asked_for_again(store: Faulty) -> None:
    store.reading = TypeError("a plug-in's bug")
    rig = Rig(store)
    rig.engine.turn()
    assert not rig.partition().leading
    assert "TypeError" in rig.partition().trouble
    store.reading = None
    rig.until(lambda: rig.partition().leading)


def test_a_healthy_runner_takes_over_from_one_whose_writes_are_at_fault(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runner.db'}"
    sick, sound = Faulty(url), Faulty(url)
    one = Rig(sick)
    one.engine.turn()
    one.post(Added(job()))
    other = Rig(sound, owner="you", clock=one.clock)
    other.engine.turn()
    assert other.partition().standing_by
    sick.bad = always
    one.later(MINUTE)

    def turns() -> bool:
        other.engine.turn()
        return other.partition().leading

    one.until(turns)
    assert [str(attempt.run) for attempt in other.executor.started] == [FIRST]
    assert one.executor.started == []


def test_a_fault_of_the_engine_s_own_is_told_to_who_waits_and_the_next_turn_comes(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug of the engine's own")

    with monkeypatch.context() as patch:
        patch.setattr(rig.partition(), "turn", breaks)
        asked = rig.engine.ask(Added(job("lost")))
        rig.engine.turn()
    assert isinstance(asked.exception(0), ZeroDivisionError)
    assert "a turn of the store 'default' failed" in caplog.text
    assert "a bug of the engine's own" in caplog.text
    rig.post(Added(job()))
    rig.later(MINUTE)
    assert [str(attempt.run) for attempt in rig.executor.started] == [FIRST]


def test_a_request_that_can_never_be_done_is_refused_and_holds_up_nobody(rig: Rig, store: Faulty) -> None:
    rig.post(Added(job()))
    store.bad = holding("poison")
    store.ask(Request("r1", SOURCE, "trigger", {"job": "tick"}, asked_at=NOON))
    store.bad = holding("'manual'")
    rig.engine.poke()
    rig.engine.turn()

    def answered() -> bool:
        found = store.answer("r1")
        return found is not None and found.state == "refused"

    rig.until(answered)
    rig.later(MINUTE)
    assert [str(attempt.run) for attempt in rig.executor.started] == [FIRST]


def test_what_the_house_answers_while_its_lead_is_given_up_is_taken_again(rig: Rig, store: Faulty) -> None:
    taken: list[Request] = []

    def takes(request: Request) -> bool:
        taken.append(request)
        return True

    rig.post(Added(job()))
    rig.partition()._asked._takes = takes
    store.ask(Request("r1", SOURCE, "reload", asked_at=NOON))
    rig.engine.poke()
    rig.engine.turn()
    (request,) = taken
    store.bad = always
    rig.later(MINUTE)
    rig.until(lambda: not rig.partition().leading)
    rig.engine.answer(replace(request, state="done"))
    rig.later(SECOND // 4)
    store.bad = never
    rig.until(lambda: len(taken) == 2)
    rig.engine.answer(replace(request, state="done"))
    rig.engine.turn()
    assert store.asked(SOURCE) == []


def test_an_end_is_not_blamed_for_what_was_held_back_with_it(rig: Rig, store: Faulty) -> None:
    """It is tried alone; then an answer that can never be written joins it."""
    rig.post(Added(job()))
    rig.later(MINUTE)
    (attempt,) = rig.executor.started

    def holding_a_run(changes: Sequence[Change]) -> BaseException | None:
        runs = [one for one in changes if isinstance(one, Save) and isinstance(one.record, Run)]
        return TypeError("not now") if runs else None

    store.bad = holding_a_run
    rig.executor.end(attempt, Outcome(Status.SUCCEEDED, exit_code=0, outputs={"rows": "7"}))
    rig.engine.turn()
    writing = rig.partition()._writing
    rig.until(lambda: writing.held is not None and writing.held.alone is not None, every=SECOND // 20)

    def with_the_answer(changes: Sequence[Change]) -> BaseException | None:
        asked = [one.record for one in changes if isinstance(one, Save) and isinstance(one.record, Request)]
        return TypeError("no codec for it") if any(one.verb == "status" for one in asked) else None

    rig.engine.answer(Request("r1", SOURCE, "status", asked_at=NOON, state="done"))
    store.bad = with_the_answer
    rig.engine.turn()
    rig.until(lambda: bool(rig.ended()))
    (run,) = rig.ended()
    outcome = run.steps["main"].outcome
    assert outcome is not None
    assert outcome.outputs == {"rows": "7"}
