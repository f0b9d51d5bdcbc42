from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.core.run import Status
from runner.executors import marks, spawn
from runner.executors.marks import AlreadyBegun, Marks
from runner.executors.spawn import Order, Spawned
from tests.executors.rig import Open, sh

NAME = "0123456789abcdef" * 2
OTHER = "fedcba9876543210" * 2


@pytest.fixture(params=[False, True], ids=["file", "directory"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Marks:
    found = Marks(str(tmp_path / NAME), request.param)
    found.make()
    return found


def test_the_lock_is_had_once_and_lives_with_whoever_inherits_it(made: Marks) -> None:
    assert not made.alive()
    lock = made.lock()
    assert made.alive()
    with pytest.raises(AlreadyBegun):
        made.lock()
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[lock]) as heir:
        os.close(lock)
        assert made.alive()
        with pytest.raises(AlreadyBegun):
            made.lock()
        heir.communicate()
    assert not made.alive()
    os.close(made.lock())


def test_one_attempts_lock_is_not_anothers(made: Marks, tmp_path: Path) -> None:
    other = Marks(str(tmp_path / OTHER), made.directory)
    other.make()
    first, second = made.lock(), other.lock()
    os.close(first)
    assert (made.alive(), other.alive()) == (False, True)
    os.close(second)


def test_what_is_there_says_its_form(made: Marks) -> None:
    assert Marks.of(made.path, files=made.directory)[:2] == made[:2]
    Path(made.marker).write_text("17\n")
    assert Marks.of(made.path) == Marks.of(made.path, files=not made.directory) == made
    with pytest.raises(AlreadyBegun):
        made.make()
    assert (made.pid(), made.exit_code()) == (17, None)
    Path(made.marker).write_text("17\n3\n")
    assert (made.pid(), made.exit_code()) == (17, 3)


def test_a_line_without_its_end_is_not_read_yet(made: Marks) -> None:
    assert made.pid() is None
    Path(made.marker).write_text("1")
    assert made.pid() == 0
    Path(made.marker).write_text("17\n1")
    assert (made.pid(), made.exit_code()) == (17, None)


def test_nothing_is_alive_where_nobody_ever_began(tmp_path: Path) -> None:
    assert not Marks(str(tmp_path / NAME), directory=False).alive()
    assert not Marks(str(tmp_path / NAME), directory=True).alive()
    assert not (tmp_path / marks.LOCKS).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such locks")
def test_one_file_each_where_the_system_has_locks_on_parts_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not Marks.of(str(tmp_path / NAME)).directory
    assert Marks.of(str(tmp_path / NAME), files=True).directory
    assert (tmp_path / marks.LOCKS).stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(marks, "LINUX", False)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    assert Marks.of(str(elsewhere / NAME)).directory


@pytest.mark.parametrize(
    ("said", "status", "code"), [("17\n3\n", Status.FAILED, 3), ("17\n", Status.INTERRUPTED, None)]
)
def test_one_that_another_runner_began_while_it_was_made_ready_does_not_begin_again(
    local: Open, monkeypatch: pytest.MonkeyPatch, said: str, status: Status, code: int | None
) -> None:
    """The marker was not there when it was looked for, and the other's shim is gone when the lock is taken."""
    began = spawn.spawn

    def spawns(order: Order, **more: Any) -> Spawned:
        assert order.marks.none
        Path(order.marks.marker).write_text(said)
        return began(order, **more)

    monkeypatch.setattr(spawn, "spawn", spawns)
    outcome = local.run(sh("echo began >here"))
    assert (outcome.status, outcome.exit_code) == (status, code)
    assert not (local.state_dir / "here").exists()
