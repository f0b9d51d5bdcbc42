"""What goes wrong at the end of one command is that command's, and no other's."""

from __future__ import annotations

import fcntl
import os
import queue
from pathlib import Path

import pytest

from runner.clock import SystemClock
from runner.core.run import Status
from runner.executors import shim, spawn
from runner.executors.capture import Log
from runner.executors.ends import Ends
from runner.executors.loop import Loop
from tests.executors.rig import Open, sh


def test_an_end_that_nobody_can_handle_keeps_none_of_the_others_back(tmp_path: Path) -> None:
    heard: queue.Queue[tuple[str, int]] = queue.Queue()

    def told(name: str, code: int) -> None:
        heard.put((name, code))
        if name == "first":
            raise RuntimeError("nobody foresaw it")

    loop = Loop("ends", SystemClock())
    ends = Ends(str(tmp_path / "ended"), loop, told)
    ends.listen()
    (tmp_path / "ended").write_text("first 1\nsecond 2\n")
    loop.start()
    try:
        assert [heard.get(timeout=60), heard.get(timeout=60)] == [("first", 1), ("second", 2)]
    finally:
        loop.stop()
        ends.close()


def test_a_log_that_cannot_be_closed_does_not_keep_the_end_back(
    local: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Log.close

    def refused(log: Log) -> None:
        close(log)
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(Log, "close", refused)
    assert local.run(sh("echo said; exit 3")).exit_code == 3
    assert local.run(sh("true"), job="other").status is Status.SUCCEEDED


def test_a_lock_is_given_back_where_no_descriptor_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(24, "Too many open files")

    given = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    monkeypatch.setattr(fcntl, "fcntl", full)
    monkeypatch.setattr(shim, "LOCK_FD", given)
    with pytest.raises(OSError, match="Too many"):
        spawn._high(given)
    assert not _is_there(given, tmp_path / "lock")


def _is_there(descriptor: int, file: Path) -> bool:
    """Whether it still stands for this file: by now the number may be another's."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except OSError:
        return False
