from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.core.run import Outcome, Status
from runner.moment import SECOND
from runner.spec import Call
from tests.executors.rig import Open, task
from tests.executors.test_stopping import SOON, wait_for

HERE = Path(__file__).parent


@pytest.fixture(params=["process", "thread"])
def place(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Open]:
    opened = Open(tmp_path, working_dir=HERE)
    yield opened
    opened.close()


def test_a_dict_becomes_outputs(here: Open, place: Any) -> None:
    outcome = here.run(Call("callables:add", (2,), {"b": 3}, place=place))
    assert (outcome.status, outcome.outputs) == (Status.SUCCEEDED, {"sum": 5})
    if place == "process":
        assert (outcome.exit_code, outcome.tail) == (0, "adding 2 3")


def test_texts_are_rendered(here: Open, place: Any) -> None:
    work = Call("callables:add", (), {"a": "${{ params.a }}", "b": 1}, rendered=True, place=place)
    assert here.run(work, context={"params": {"a": 41}}).outputs == {"sum": 42}


def test_a_coroutine(here: Open, place: Any) -> None:
    assert here.run(Call("callables:later", (7,), place=place)).outputs == {"value": 7}


def test_an_exception(here: Open, place: Any) -> None:
    outcome = here.run(Call("callables:fail", ("no",), place=place))
    assert (outcome.status, outcome.error) == (Status.FAILED, "ValueError: no")
    assert outcome.traceback.startswith("Traceback (most recent call last):\n")
    assert outcome.traceback.endswith("    raise ValueError(text)\nValueError: no\n")


def test_nothing_there_to_call(here: Open, place: Any) -> None:
    assert "No module named 'nowhere'" in here.run(Call("nowhere:f", place=place)).error
    outcome = here.run(Call("callables:nothing", place=place), attempt=2)
    assert "module 'callables' has no attribute 'nothing'" in outcome.error


def test_a_dict_that_is_no_json(here: Open, place: Any) -> None:
    error = here.run(Call("callables:opaque", place=place)).error
    assert "the dict it returned is no JSON: Object of type object is not JSON serializable" in error


def test_where_it_runs(here: Open) -> None:
    assert here.run(Call("callables:where")).outputs == {"cwd": str(HERE), "path": str(HERE), "job": "job"}


ENDS: list[tuple[Call, int, str]] = [
    (Call("callables:exits", (3,)), 3, "sys.exit(3)"),
    (Call("callables:dies"), 0, "its process ended without a result"),
    (Call("callables:crashes"), 139, "exit code 139: killed by SIGSEGV"),
]


@pytest.mark.parametrize(("work", "code", "error"), ENDS)
def test_its_process_ends_badly(here: Open, work: Call, code: int, error: str) -> None:
    outcome = here.run(work)
    assert (outcome.status, outcome.exit_code, outcome.error) == (Status.FAILED, code, error)


def test_a_leaked_thread(here: Open) -> None:
    outcome = here.run(Call("callables:leaks_a_thread"))
    assert outcome.outputs == {"ok": "yes"}
    assert outcome.took < SOON


def test_one_that_holds_the_interpreter_is_stopped_and_hurts_nobody(
    here: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.executors.workers.GRACE", SECOND // 5)
    held = task(Call("callables:holds_the_interpreter"), job="held")
    here.executor.start(held)
    assert here.run(Call("callables:add", (1,))).outputs == {"sum": 1}
    begun = time.monotonic()
    here.executor.cancel(held.attempt, "timeout")
    assert here.next().status is Status.TIMED_OUT
    assert time.monotonic() - begun < SOON / SECOND


def test_a_stopped_function_cleans_up(here: Open, tmp_path: Path) -> None:
    one = task(Call("callables:cleans_up", (str(tmp_path / "ready"), str(tmp_path / "clean"))))
    here.executor.start(one)
    wait_for(tmp_path / "ready")
    here.executor.cancel(one.attempt, "asked")
    assert here.next().status is Status.CANCELLED
    assert (tmp_path / "clean").exists()


def test_a_timed_out_thread_is_told_once(here: Open, tmp_path: Path) -> None:
    one = task(Call("callables:waits", (str(tmp_path / "go"),), place="thread"))
    here.executor.start(one)
    here.executor.cancel(one.attempt, "timeout")
    assert here.next() == Outcome(Status.TIMED_OUT, error="given up after its timeout")
    (tmp_path / "go").touch()
    here.run(Call("callables:add", (1,), place="thread"), job="other")
    assert here.told.empty()
