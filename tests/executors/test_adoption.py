from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.clock import SystemClock
from runner.core.run import Outcome, Status
from runner.executors.base import Found
from runner.executors.child import Child
from runner.executors.output import path_of, read
from tests.executors.lone_runner import tasks
from tests.executors.rig import Open, marks
from tests.executors.test_stopping import MARK, sleepers
from tests.waiting import wait_until

HERE = Path(__file__).parent
Lone = Callable[[str, int], subprocess.Popen[str]]


@pytest.fixture(params=["file", "directory"])
def lone(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lone]:
    """Starts commands in a process of their own that has said so; each keeps its marks in this form."""
    begun: list[subprocess.Popen[str]] = []

    def start(script: str, count: int = 1) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "lone_runner.py"), str(tmp_path), script, str(count), request.param],
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def begun(state_dir: Path, script: str, count: int = 1) -> None:
    wait_until(lambda: all(marks(state_dir, one).pid() for one in tasks(script, count)))


def left_behind(lone: Lone, state_dir: Path, script: str) -> None:
    """Its runner was killed as it was under way."""
    process = lone(script, 1)
    begun(state_dir, script)
    process.kill()
    process.wait()


def test_a_command_outlives_its_runner_and_is_taken_over(lone: Lone, tmp_path: Path) -> None:
    script = "echo before; while ! test -e go; do sleep 0.01; done; echo after; exit 7"
    left_behind(lone, tmp_path, script)
    opened = Open(tmp_path)
    try:
        [one] = tasks(script, 1)
        found = opened.executor.recover([one])
        assert found == Found(alive=frozenset([one.attempt]))
        (tmp_path / "go").touch()
        outcome = opened.next()
    finally:
        opened.close()
    assert (outcome.status, outcome.exit_code, outcome.tail) == (Status.FAILED, 7, "before\nafter")
    assert outcome.started_at is not None
    assert outcome.ended_at is not None
    assert outcome.started_at <= outcome.ended_at


def test_one_taken_over_can_be_stopped(lone: Lone, tmp_path: Path) -> None:
    script = f"sleep {MARK}; true"
    left_behind(lone, tmp_path, script)
    opened = Open(tmp_path)
    try:
        [one] = tasks(script, 1)
        assert opened.executor.recover([one]).alive == {one.attempt}
        opened.executor.cancel(one.attempt, "timeout")
        assert opened.next().status is Status.TIMED_OUT
    finally:
        opened.close()
    assert sleepers(MARK) == []


def test_one_that_ended_meanwhile_has_all_its_output(lone: Lone, tmp_path: Path) -> None:
    script = "while ! test -e go; do sleep 0.01; done; seq 1 5000; exit 4"
    left_behind(lone, tmp_path, script)
    (tmp_path / "go").touch()
    [one] = tasks(script, 1)
    wait_until(lambda: marks(tmp_path, one).exit_code() is not None)
    opened = Open(tmp_path)
    try:
        found = opened.executor.recover([one])
    finally:
        opened.close()
    # Told as ended at once, though its shim still waits for a reader: nothing is due "while it runs".
    assert (found.alive, opened.told.empty()) == (frozenset(), True)
    assert found.ended[one.attempt].exit_code == 4
    assert read(path_of(tmp_path, one.attempt)).split() == [str(n).encode() for n in range(1, 5001)]


def test_marker_without_exit_is_gone(lone: Lone, tmp_path: Path) -> None:
    script = f"sleep {MARK}; true"
    left_behind(lone, tmp_path, script)
    [one] = tasks(script, 1)
    os.kill(marks(tmp_path, one).pid() or 0, signal.SIGKILL)
    wait_until(lambda: not marks(tmp_path, one).alive())
    opened = Open(tmp_path)
    try:
        found = opened.executor.recover([one])
        assert found == Found(gone=frozenset([one.attempt]))
        wait_until(lambda: not sleepers(MARK))
    finally:
        opened.close()


def test_a_shim_that_is_killed_after_it_was_taken_over_ended_then(lone: Lone, tmp_path: Path) -> None:
    script = f"sleep {MARK}; true"
    left_behind(lone, tmp_path, script)
    [one] = tasks(script, 1)
    opened = Open(tmp_path)
    try:
        assert opened.executor.recover([one]).alive == {one.attempt}
        before = SystemClock().now()
        os.kill(marks(tmp_path, one).pid() or 0, signal.SIGKILL)
        outcome = opened.next()
    finally:
        opened.close()
    assert outcome.status is Status.INTERRUPTED
    assert outcome.ended_at is not None
    # Not when it began, which is what its marks say.
    assert outcome.ended_at >= before


def test_what_never_began_is_in_none_of_the_three(tmp_path: Path) -> None:
    opened = Open(tmp_path)
    try:
        found = opened.executor.recover(tasks("true", 1))
    finally:
        opened.close()
    assert (found.alive, found.ended, found.gone) == (frozenset(), {}, frozenset())


def test_an_attempt_begins_once_whoever_starts_it(lone: Lone, tmp_path: Path) -> None:
    script = "echo ran >> ran; while ! test -e go; do sleep 0.01; done"
    process = lone(script, 1)
    begun(tmp_path, script)
    opened = Open(tmp_path)
    try:
        [one] = tasks(script, 1)
        process.kill()
        process.wait()
        opened.executor.start(one)
        (tmp_path / "go").touch()
        assert opened.next().status is Status.SUCCEEDED
        opened.executor.start(one)
        assert opened.next().status is Status.SUCCEEDED
    finally:
        opened.close()
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_left_to_the_next_runner(tmp_path: Path) -> None:
    script = "while ! test -e go; do sleep 0.01; done; echo bye; exit 5"
    [one] = tasks(script, 1)
    first = Open(tmp_path)
    first.executor.start(one)
    begun(tmp_path, script)
    first.close(leave=True)
    assert first.told.empty()
    (tmp_path / "go").touch()
    second = Open(tmp_path)
    try:
        found = second.executor.recover([one])
        outcome = found.ended.get(one.attempt) or second.next()
    finally:
        second.close()
    assert (outcome.exit_code, outcome.tail) == (5, "bye")


def test_one_that_is_asked_for_again_just_as_it_ended_is_told_as_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is told before the thread that took it over comes to say that it is at work."""
    script = "while ! test -e go; do sleep 0.01; done; echo bye; exit 5"
    [one] = tasks(script, 1)
    before = Open(tmp_path)
    before.executor.start(one)
    begun(tmp_path, script)
    before.close(leave=True)
    opened = Open(tmp_path)
    processes, told = opened.executor._processes, list[Outcome]()
    assert processes is not None
    add = processes._watch.add

    def ends_at_once(child: Child) -> None:
        add(child)
        if not told:
            (tmp_path / "go").touch()
            told.append(opened.next())
            opened.executor.start(one)

    monkeypatch.setattr(processes._watch, "add", ends_at_once)
    try:
        opened.executor.start(one)
        wait_until(lambda: bool(told))
        told.append(opened.next())
    finally:
        opened.close()
    assert [(each.exit_code, each.tail) for each in told] == [(5, "bye")] * 2


def test_no_output_is_lost_or_repeated_when_runners_are_killed(lone: Lone, tmp_path: Path) -> None:
    """Ten runners die at random moments while a command prints; every line is kept once."""
    script = "seq 1 60000; exit 9"
    [one] = tasks(script, 1)
    dice = random.Random(7)
    process = lone(script, 1)
    for _ in range(10):
        time.sleep(dice.uniform(0, 0.01))
        process.kill()
        process.wait()
        process = lone(script, 1)
    wait_until(lambda: marks(tmp_path, one).exit_code() is not None)
    process.kill()
    process.wait()
    opened = Open(tmp_path)
    try:
        found = opened.executor.recover([one])
        outcome = found.ended.get(one.attempt) or opened.next()
    finally:
        opened.close()
    assert outcome.exit_code == 9
    assert read(path_of(tmp_path, one.attempt)) == b"".join(b"%d\n" % n for n in range(1, 60001))
