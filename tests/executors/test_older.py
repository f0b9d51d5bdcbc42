"""After an upgrade: what a runner of an earlier version began is taken over, and nothing of it begins twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.core.run import Status
from runner.executors.base import Found
from runner.executors.keeping import sweep
from runner.executors.output import path_of, read
from tests.executors import older
from tests.executors.lone_runner import tasks
from tests.executors.rig import Open, marks
from tests.executors.test_stopping import MARK, sleepers
from tests.waiting import wait_until

Upgrade = Callable[[str], Open]
WAIT = "while ! test -e go; do sleep 0.01; done"


@pytest.fixture
def upgrade(tmp_path: Path) -> Iterator[Upgrade]:
    """The older runner begins a script and is killed; the executor is the one that comes after."""
    opened: list[Open] = []

    def upgraded(script: str) -> Open:
        with subprocess.Popen(
            [sys.executable, older.__file__, str(tmp_path), script],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            [one] = tasks(script, 1)
            wait_until(lambda: bool(marks(tmp_path, one).pid()))
            process.kill()
        opened.append(Open(tmp_path))
        return opened[0]

    yield upgraded
    for each in opened:
        each.close()


def test_it_is_taken_over_with_all_its_output(upgrade: Upgrade, tmp_path: Path) -> None:
    script = f"seq 1 3000; {WAIT}; echo after; exit 7"
    now = upgrade(script)
    [one] = tasks(script, 1)
    assert now.executor.recover([one]) == Found(alive=frozenset([one.attempt]))
    (tmp_path / "go").touch()
    outcome = now.next()
    assert (outcome.status, outcome.exit_code) == (Status.FAILED, 7)
    assert read(path_of(tmp_path, one.attempt)).split() == [*(b"%d" % n for n in range(1, 3001)), b"after"]


def test_it_is_not_begun_a_second_time(upgrade: Upgrade, tmp_path: Path) -> None:
    script = f"echo ran >>ran; {WAIT}"
    now = upgrade(script)
    [one] = tasks(script, 1)
    now.executor.start(one)
    (tmp_path / "go").touch()
    assert now.next().status is Status.SUCCEEDED
    now.executor.start(one)
    assert now.next().status is Status.SUCCEEDED
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_it_can_be_stopped(upgrade: Upgrade) -> None:
    script = f"sleep {MARK}; true"
    now = upgrade(script)
    [one] = tasks(script, 1)
    assert now.executor.recover([one]).alive == {one.attempt}
    now.executor.cancel(one.attempt, "timeout")
    assert now.next().status is Status.TIMED_OUT
    assert sleepers(MARK) == []


def test_without_its_shim_it_was_interrupted(upgrade: Upgrade, tmp_path: Path) -> None:
    script = f"sleep {MARK}; true"
    now = upgrade(script)
    [one] = tasks(script, 1)
    assert sweep(tmp_path, 1 << 61) == 0
    os.kill(marks(tmp_path, one).pid() or 0, signal.SIGKILL)
    wait_until(lambda: not marks(tmp_path, one).alive())
    assert now.executor.recover([one]) == Found(gone=frozenset([one.attempt]))
    wait_until(lambda: not sleepers(MARK))
    assert sweep(tmp_path, 1 << 61) == 1
    assert marks(tmp_path, one).pid() is None


def test_a_shim_of_that_version_does_not_begin_what_has_begun_since(tmp_path: Path) -> None:
    """A runner that was frozen before the upgrade goes on: its shim finds a file where its directory was to be."""
    script = "echo ran >>ran"
    [one] = tasks(script, 1)
    now = Open(tmp_path)
    try:
        now.executor.start(one)
        assert now.next().status is Status.SUCCEEDED
        given = [marks(tmp_path, one).path, str(tmp_path), "", os.devnull, os.devnull, "", "sh", "-c", script]
        done = subprocess.run(["/bin/sh", "-c", older.SHIM, "runner-shim", *given], timeout=60)
    finally:
        now.close()
    assert done.returncode == 75
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_what_had_its_directory_and_no_more_begins_there(tmp_path: Path) -> None:
    script = "echo ran >>ran"
    [one] = tasks(script, 1)
    directory = Path(older.made(tmp_path, one))
    now = Open(tmp_path)
    try:
        assert now.executor.recover([one]) == Found()
        now.executor.start(one)
        assert now.next().status is Status.SUCCEEDED
        now.executor.start(one)
        assert now.next().status is Status.SUCCEEDED
    finally:
        now.close()
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert (directory / "started").read_text().split()[1:] == ["0"]
