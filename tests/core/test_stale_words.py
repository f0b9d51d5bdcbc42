"""A host's word that an attempt never began, read after somebody claimed it anew: it may have begun since."""

from __future__ import annotations

from typing import Any

import pytest

from runner.core.action import Save, Start
from runner.core.event import Added, Asked, Fired, Settings, Started, StepEnded, Tick
from runner.core.machine import Machine
from runner.core.run import AttemptKey, Outcome, Request, Run, Status
from runner.moment import SECOND, Moment
from runner.spec import Call, JobSpec, Policy, Step

NOON = 1_780_000_000 * SECOND
SPEC = JobSpec("job", (Step("main", Call("builtins:print")),))


def first_claim() -> Run:
    """The run as the first leader, on host a, wrote it: it was killed before the command began."""
    machine = Machine(Settings(host="a"))
    machine.handle(NOON, Added(SPEC, None))
    actions = machine.handle(NOON, Fired(SPEC.key))
    *_, run = (each.record for each in actions if isinstance(each, Save) and isinstance(each.record, Run))
    assert run.steps["main"].host == "a"
    return run


def word(run: Run, host: str, claimed: Moment | None, outcome: Outcome | None = None) -> Asked:
    """What the next process on the host says of it."""
    args: dict[str, Any] = {"run": run.key, "step": "main", "attempt": 1, "host": host, "outcome": outcome}
    return Asked(Request("ended-1", "", "ended", {**args, "claimed": claimed}, asked_at=NOON))


def leading(host: str, run: Run) -> Machine:
    return Machine(Settings(host=host), runs=[run])


def starts(actions: Any) -> list[Start]:
    return [each for each in actions if isinstance(each, Start)]


def saved(actions: Any) -> Run:
    *_, run = (each.record for each in actions if isinstance(each, Save) and isinstance(each.record, Run))
    return run


def test_the_word_of_the_claim_on_record_starts_it_here() -> None:
    run = first_claim()
    machine = leading("b", run)
    machine.handle(NOON + SECOND, Started(alive=frozenset({attempt_of(run)})))
    actions = machine.handle(NOON + SECOND, word(run, "a", run.steps["main"].started_at))
    assert [start.state.host for start in starts(actions)] == ["b"]


def test_a_word_of_an_earlier_claim_starts_nothing() -> None:
    """Host a stands by and says that it never began; the leader dies unasked. Then a leads, begins it, and dies. Who
    leads next finds the word: it was true once."""
    run = first_claim()
    old = run.steps["main"].started_at
    again = leading("a", run).handle(NOON + SECOND, Started())
    assert len(starts(again)) == 1
    claimed = saved(again)
    assert claimed.steps["main"].started_at != old
    machine = leading("b", claimed)
    machine.handle(NOON + 2 * SECOND, Started(alive=frozenset({attempt_of(claimed)})))
    assert starts(machine.handle(NOON + 2 * SECOND, word(claimed, "a", old))) == []
    # What is on record now is still heard of: first that it ended.
    end = Outcome(Status.SUCCEEDED, ended_at=NOON + 2 * SECOND)
    assert saved(machine.handle(NOON + 3 * SECOND, word(claimed, "a", None, end))).status is Status.SUCCEEDED


def test_a_word_of_ones_own_host_is_somebody_else_s() -> None:
    """Two computers of one name, each with a state directory: the one that stands by finds no mark of what runs on the
    other, and says that it never began. The leader knows better what runs beside it."""
    run = first_claim()
    machine = leading("a", run)
    machine.handle(NOON + SECOND, Started(alive=frozenset({attempt_of(run)})))
    (state,) = machine.runs[run.key].steps.values()
    assert starts(machine.handle(NOON + 2 * SECOND, word(run, "a", state.started_at))) == []
    gone = Outcome(Status.INTERRUPTED, error="the machine went down")
    actions = machine.handle(NOON + 2 * SECOND, word(run, "a", None, gone))
    (answer,) = (each.record for each in actions if isinstance(each, Save))
    assert isinstance(answer, Request)
    assert answer.state == "refused"
    assert "another host has the name a" in answer.answer["error"]
    assert machine.runs[run.key].status is Status.RUNNING


def test_the_claim_is_another_one_even_by_a_clock_that_was_set_back() -> None:
    run = first_claim()
    again = leading("a", run).handle(NOON - 3600 * SECOND, Started())
    assert saved(again).steps["main"].started_at != run.steps["main"].started_at


def attempt_of(run: Run) -> AttemptKey:
    return AttemptKey(run.key, "main", 1)


def cancel(wanted: str, asked_at: Moment) -> Asked:
    return Asked(Request("cancel-1", "api:default", "cancel", {"run": wanted}, asked_at=asked_at))


def test_a_wish_to_stop_a_job_s_runs_is_of_those_that_were_there() -> None:
    """It was asked while nobody led; the run that it meant is over, and another one has begun since."""
    machine = Machine(Settings())
    machine.handle(NOON, Added(SPEC, None))
    machine.handle(NOON + 60 * SECOND, Fired(SPEC.key))
    (run,) = machine.runs.values()
    late = machine.handle(NOON + 61 * SECOND, cancel("job", NOON))
    assert machine.runs[run.key].reason == ""
    (answer,) = (each.record for each in late if isinstance(each, Save))
    assert isinstance(answer, Request)
    assert (answer.state, answer.answer["unknown"]) == ("refused", True)
    # Clocks differ a little.
    machine.handle(NOON + 61 * SECOND, cancel("job", NOON + 58 * SECOND))
    assert machine.runs[run.key].reason == "asked"


def test_a_wish_to_stop_is_heard_though_the_clock_was_set_back() -> None:
    machine = Machine(Settings())
    machine.handle(NOON, Added(SPEC, None))
    machine.handle(NOON, Fired(SPEC.key))
    (run,) = machine.runs.values()
    machine.handle(NOON - 3600 * SECOND, cancel("job", NOON - 3601 * SECOND))
    assert machine.runs[run.key].reason == "asked"


def test_a_wish_to_stop_a_run_by_its_name_is_of_that_one_whenever_it_was_asked() -> None:
    machine = Machine(Settings())
    machine.handle(NOON, Added(SPEC, None))
    machine.handle(NOON + 60 * SECOND, Fired(SPEC.key))
    (run,) = machine.runs.values()
    machine.handle(NOON + 61 * SECOND, cancel(run.id, NOON))
    assert machine.runs[run.key].reason == "asked"


def again_elsewhere(here: str) -> tuple[Machine, Run]:
    """Attempt 1 began on host a and was given up, for nothing was heard of it; attempt 2 is under way on `here`."""
    spec = JobSpec(
        "job", (Step("main", Call("builtins:print")),), policy=Policy(on_interrupt="retry")
    )  # fmt: skip
    machine = Machine(Settings(host="a"))
    machine.handle(NOON, Added(spec, None))
    machine.handle(NOON, Fired(spec.key))
    (run,) = machine.runs.values()
    machine = leading(here, run)
    machine.handle(NOON + SECOND, Started(alive=frozenset({attempt_of(run)})))
    gone = Outcome(Status.INTERRUPTED, error="nothing was heard of a")
    machine.handle(NOON + 2 * SECOND, StepEnded(attempt_of(run), gone))
    started = machine.handle(NOON + 2 * SECOND, Tick())
    assert [(start.state.attempt, start.state.host) for start in starts(started)] == [(2, here)]
    return machine, machine.runs[run.key]


@pytest.mark.parametrize("here", ["a", "b"])
def test_a_host_that_comes_back_ends_nothing_but_its_own_attempt(here: str) -> None:
    """Whether its result tells of a success, of an interruption or of nothing: attempt 2 goes on."""
    machine, run = again_elsewhere(here)
    first = AttemptKey(run.key, "main", 1)
    for outcome in (Outcome(Status.SUCCEEDED), Outcome(Status.INTERRUPTED), None):
        actions = machine.handle(NOON + 9 * SECOND, word(run, "a", None, outcome))
        assert [
            each.record.state
            for each in actions
            if isinstance(each, Save) and isinstance(each.record, Request)
        ] == ["refused"]
        assert starts(actions) == []
        if outcome is not None:
            assert machine.handle(NOON + 9 * SECOND, StepEnded(first, outcome)) == []
    (state,) = machine.runs[run.key].steps.values()
    assert (state.status, state.attempt, state.host) == (Status.RUNNING, 2, here)


@pytest.mark.parametrize("here", ["a", "b"])
def test_who_leads_next_takes_a_spooled_result_for_its_attempt_alone(here: str) -> None:
    """What recovery finds of attempt 1 says nothing of attempt 2, which had not begun: that one is started, once."""
    _, run = again_elsewhere(here)
    machine = leading(here, run)
    spooled = {AttemptKey(run.key, "main", 1): Outcome(Status.SUCCEEDED)}
    actions = machine.handle(NOON + 10 * SECOND, Started(ended=spooled))
    assert [start.state.attempt for start in starts(actions)] == [2]
    assert not machine.runs[run.key].status.final


def test_a_word_that_is_read_twice_ends_its_attempt_once() -> None:
    run = first_claim()
    machine = leading("b", run)
    machine.handle(NOON + SECOND, Started(alive=frozenset({attempt_of(run)})))
    end = word(run, "a", None, Outcome(Status.SUCCEEDED))
    assert saved(machine.handle(NOON + SECOND, end)).status is Status.SUCCEEDED
    again = machine.handle(NOON + SECOND, end)
    assert [type(each.record) for each in again if isinstance(each, Save)] == [Request]
