"""The files of a log while it is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.executors.capture import Log


def test_a_close_that_fails_leaves_no_descriptor_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network disk that is full: what was written is refused at the close, which gives the number back."""
    log = Log(tmp_path / "run" / "log")
    log.append(1, b"said\n", 1)
    closed: list[int] = []
    close = os.close

    def refused(descriptor: int) -> None:
        close(descriptor)
        closed.append(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "close", refused)
    with pytest.raises(OSError, match="No space left"):
        log.close()
    log.close()
    monkeypatch.undo()
    assert len(closed) == len(set(closed)) == 2
    for descriptor in closed:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
