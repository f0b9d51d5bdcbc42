from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.clock import VirtualClock
from runner.core.run import AttemptKey, Run, Status
from runner.executors.base import Keeps
from runner.executors.keeping import CLOSING, FORGOTTEN, UNTOUCHED, Keeper, sweep
from runner.executors.marks import Marks
from runner.executors.output import path_of, read
from runner.executors.place import attempt_path, scratch_dir
from runner.moment import DAY, SECOND, Span
from tests.executors.rig import Open, sh, task
from tests.executors.test_stopping import wait_for


def ended(run: Run, attempts: int) -> Run:
    steps = {"main": replace(task(sh("true")).state, attempt=attempts)}
    return replace(run, status=Status.SUCCEEDED, steps=steps)


def test_a_stored_run_leaves_only_its_log(tmp_path: Path) -> None:
    opened = Open(tmp_path)
    assert isinstance(opened.executor, Keeps)
    first, second = (task(sh("echo out; echo kept > $RUNNER_RUN_DIR/file"), attempt=n) for n in (1, 2))
    for one in (first, second):
        opened.executor.start(one)
        opened.next()
    assert Path(attempt_path(tmp_path, first.attempt)).is_file()
    assert (Path(scratch_dir(tmp_path, first.run.key)) / "file").exists()
    opened.executor.forget(ended(first.run, 2))
    opened.close()
    assert not Path(attempt_path(tmp_path, first.attempt)).exists()
    assert not Path(attempt_path(tmp_path, second.attempt)).exists()
    assert not Path(scratch_dir(tmp_path, first.run.key)).exists()
    assert read(path_of(tmp_path, first.attempt)) == b"out\n"


def test_what_a_crash_left_is_swept_but_nothing_alive(tmp_path: Path) -> None:
    opened = Open(tmp_path)
    dead, alive = task(sh("true"), job="dead"), task(sh("sleep 65.5; true"), job="alive")
    opened.executor.start(dead)
    opened.next()
    opened.executor.start(alive)
    wait_for(Path(attempt_path(tmp_path, alive.attempt)))
    dead_place, alive_place = (Path(scratch_dir(tmp_path, one.run.key)) for one in (dead, alive))
    began = 10 * DAY // SECOND
    for one in (dead, alive):
        os.utime(Path(attempt_path(tmp_path, one.attempt)), (began, began))
    os.utime(dead_place, (began - 100_000, began - 100_000))
    os.utime(alive_place, (began - 1, began - 1))
    assert sweep(tmp_path, began * SECOND + FORGOTTEN) == 0
    assert sweep(tmp_path, (began + 1) * SECOND + FORGOTTEN) == 1
    assert not Path(attempt_path(tmp_path, dead.attempt)).exists()
    assert Path(attempt_path(tmp_path, alive.attempt)).is_file()
    assert dead_place.is_dir()
    # Nothing says that it is the living one's but its age.
    assert sweep(tmp_path, began * SECOND + UNTOUCHED) == 1
    assert (dead_place.is_dir(), alive_place.is_dir()) == (False, True)
    opened.close()


class SlowDisk(VirtualClock):
    """Each look at the time takes a tenth of what a stop may spend on removals."""

    def elapsed(self) -> Span:
        self.advance(CLOSING // 10)
        return super().elapsed()


def test_a_stop_does_not_wait_for_a_slow_disk(tmp_path: Path) -> None:
    keeper = Keeper("slow", tmp_path, SlowDisk(0))
    runs = [ended(task(sh("true"), job=f"job{number}").run, 1) for number in range(200)]
    places = [Path(attempt_path(tmp_path, AttemptKey(run.key, "main", 1))) for run in runs]
    places[0].parent.mkdir(parents=True)
    for place in places:
        place.touch()
    for run in runs:
        keeper.forget(run)
    keeper.close()
    left = [place for place in places if place.exists()]
    assert 0 < len(left) < len(places)
    assert sweep(tmp_path, 2**60) == len(left)


def test_what_cannot_be_removed_or_is_gone_already_ends_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another executor of the same directory sweeps at the same time, and one file may be immutable."""
    places = [Path(attempt_path(tmp_path, task(sh("true"), job=f"job{n}").attempt)) for n in range(6)]
    places[0].parent.mkdir(parents=True)
    for place in places:
        place.touch()
    unlink, asked = os.unlink, []

    def trouble(path: str, *more: Any, **named: Any) -> None:
        asked.append(path)
        if len(asked) == 1:
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path, *more, **named)
        if len(asked) == 2:
            raise FileNotFoundError(2, "No such file or directory", path)

    monkeypatch.setattr(os, "unlink", trouble)
    assert sweep(tmp_path, 2**60) == 4
    assert [str(place) for place in places if place.exists()] == asked[:1]
    assert [record.getMessage() for record in caplog.records] == [
        f"{asked[0]} could not be removed: Operation not permitted"
    ]


def test_where_nobody_can_tell_what_lives_its_marks_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Marks) -> bool:
        raise OSError(24, "Too many open files")

    place = Path(attempt_path(tmp_path, task(sh("true")).attempt))
    place.parent.mkdir(parents=True)
    place.touch()
    monkeypatch.setattr(Marks, "alive", full)
    assert sweep(tmp_path, 2**60) == 0
    assert place.exists()
