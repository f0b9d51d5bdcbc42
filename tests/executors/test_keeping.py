from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from runner.core.run import Run, Status
from runner.executors.base import Keeps
from runner.executors.keeping import sweep
from runner.executors.output import path_of, read
from runner.executors.place import attempt_path, scratch_dir
from runner.moment import SECOND
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
    for one in (dead, alive):
        os.utime(Path(attempt_path(tmp_path, one.attempt)), (1000, 1000))
    assert sweep(tmp_path, 2000 * SECOND) == 1
    assert not Path(attempt_path(tmp_path, dead.attempt)).exists()
    assert Path(attempt_path(tmp_path, alive.attempt)).is_file()
    opened.close()
