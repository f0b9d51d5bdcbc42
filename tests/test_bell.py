"""A bell that is closed while somebody rings it: nothing is written into whatever has its number since."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from runner.bell import Bell
from runner.clock import SystemClock
from runner.executors.loop import Loop


@pytest.fixture
def later(tmp_path: Path) -> list[Path]:
    """Files that somebody opens once descriptors are free."""
    return [tmp_path / str(number) for number in range(8)]


def test_who_is_just_ringing_as_it_is_closed_rings_into_nobodys_file(
    later: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bell, write = Bell(), os.write
    opened: list[int] = []

    def closed_meanwhile(descriptor: int, data: bytes) -> int:
        bell.close()
        opened.extend(os.open(path, os.O_CREAT | os.O_RDWR) for path in later)
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", closed_meanwhile)
        bell.ring()
    bell.ring()
    for each in opened:
        os.close(each)
    assert [path.read_bytes() for path in later] == [b""] * len(later)


def test_it_leaves_no_descriptor() -> None:
    bell = Bell()
    another = os.dup(bell.descriptor)
    bell.close()
    assert os.read(another, 1) == b"", "the end that is written into is closed"
    os.close(another)


def test_it_is_quiet_once_it_was_heard() -> None:
    bell = Bell()
    for rings in (1, 3):
        for _ in range(rings):
            bell.ring()
        assert select.select([bell.descriptor], [], [], 0)[0]
        bell.hear()
        assert not select.select([bell.descriptor], [], [], 0)[0]
    bell.close()


def test_what_is_called_on_a_loop_that_has_ended_rings_into_nobodys_file(later: list[Path]) -> None:
    loop = Loop("ended", SystemClock())
    loop.start()
    loop.stop()
    opened = [os.open(path, os.O_CREAT | os.O_RDWR) for path in later]
    loop.call(lambda: None)
    for each in opened:
        os.close(each)
    assert [path.read_bytes() for path in later] == [b""] * len(later)
