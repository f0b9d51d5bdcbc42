"""After a restart of the machine a marker that is missing proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.clock import SystemClock
from runner.core.run import Status
from runner.executors import boots
from runner.executors.keeping import FORGOTTEN
from runner.moment import MINUTE, Moment
from tests.executors.rig import Open, sh, task

Boot = Callable[[str], None]


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Boot:
    """Start the machine anew, so to speak."""

    def start(name: str) -> None:
        monkeypatch.setattr(boots, "_this", lambda: f"{name}\n")

    start("first")
    return start


def ran(state_dir: Path) -> None:
    opened = Open(state_dir)
    try:
        opened.executor.start(task(sh("true")))
        assert opened.next().status is Status.SUCCEEDED
    finally:
        opened.close()


def gone(state_dir: Path, claimed_at: Moment | None = None) -> bool:
    """Whether an attempt on record, of which nothing is on the disk, counts as one that may have begun."""
    one = task(sh("true"), job="other")
    one = replace(one, state=replace(one.state, started_at=claimed_at))
    opened = Open(state_dir)
    try:
        found = opened.executor.recover([one])
    finally:
        opened.close()
    assert (found.alive, found.ended) == (frozenset(), {})
    return one.attempt in found.gone


def test_the_same_boot_what_never_began_begins(boot: Boot, tmp_path: Path) -> None:
    ran(tmp_path)
    assert not gone(tmp_path)


def test_marks_as_old_as_those_that_are_swept_may_have_been_there(boot: Boot, tmp_path: Path) -> None:
    ran(tmp_path)
    now = SystemClock().now()
    assert not gone(tmp_path, now - FORGOTTEN + MINUTE)
    assert gone(tmp_path, now - FORGOTTEN - MINUTE)


def test_another_boot_it_may_have_begun(boot: Boot, tmp_path: Path) -> None:
    ran(tmp_path)
    boot("second")
    assert gone(tmp_path)
    assert gone(tmp_path), "as long as nothing began since"
    ran(tmp_path)
    assert not gone(tmp_path)


@pytest.mark.parametrize("left", [b"", b"\0\0\0", b"\xff\xfe", b"fir"])
def test_a_torn_word_says_nothing(boot: Boot, tmp_path: Path, left: bytes) -> None:
    ran(tmp_path)
    (word,) = (tmp_path / "runs").glob(".boot-*")
    word.write_bytes(left)
    assert gone(tmp_path)


def test_another_copy_of_the_database_may_know_less(boot: Boot, tmp_path: Path) -> None:
    ran(tmp_path)
    boots.doubt(tmp_path)
    assert gone(tmp_path)
    ran(tmp_path)
    assert not gone(tmp_path)


def test_a_copy_put_in_place_while_the_runner_runs(boot: Boot, tmp_path: Path) -> None:
    opened = Open(tmp_path)
    one, other = task(sh("true")), task(sh("true"), job="other")
    try:
        opened.executor.start(one)
        opened.next()
        boots.doubt(tmp_path)
        assert opened.executor.recover([other]).gone == {other.attempt}
        opened.executor.start(task(sh("true"), job="third"))
        opened.next()
        assert not opened.executor.recover([other]).gone
    finally:
        opened.close()


def test_nothing_ever_began_here(boot: Boot, tmp_path: Path) -> None:
    assert not gone(tmp_path)
