"""The process that keeps the pipes of a flood: ended once, and nobody else in its place."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.executors import holder as holders
from runner.executors.holder import Holder
from runner.executors.spawn import make_pipe

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has floods in pipes")
_NEXT_PID = Path("/proc/sys/kernel/ns_last_pid")


@pytest.fixture
def pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


@pytest.fixture
def begin(tmp_path: Path, pipe: int) -> Iterator[Callable[[], Holder]]:
    """Begins one that knows that it is on record."""
    make_pipe(str(tmp_path / "rest"))
    begun: list[Holder] = []

    def another() -> Holder:
        holder, tell = Holder.begin(str(tmp_path / "rest"), [pipe])
        begun.append(holder)
        os.write(tell, b"\n")
        os.close(tell)
        return holder

    yield another
    for holder in begun:
        holder.end()


def without_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")


@pytest.fixture(params=["by a descriptor", "by its number"])
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "by its number":
        without_handles(monkeypatch)
    return str(request.param)


@LINUX
def test_it_is_found_and_ended(known: str, begin: Callable[[], Holder]) -> None:
    one = begin()
    assert stat.S_ISFIFO(os.stat(one.pipe(0)).st_mode)
    found = Holder.found(one.pid, one.known)
    assert found is not None
    found.end()
    assert not one.there
    assert Holder.found(one.pid, one.known) is None
    with pytest.raises(ChildProcessError):
        os.waitpid(one.pid, 0)
    one.end()


@LINUX
def test_one_that_was_killed_is_reaped(known: str, begin: Callable[[], Holder]) -> None:
    one = begin()
    os.kill(one.pid, signal.SIGKILL)
    os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
    assert not one.there
    one.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(one.pid, 0)


@LINUX
def test_where_its_descriptor_is_of_no_use_it_is_ended_by_its_number(
    begin: Callable[[], Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    one = begin()
    monkeypatch.setattr(signal, "pidfd_send_signal", refused)
    one.end()
    assert not one.there


@LINUX
def test_another_process_is_not_taken_for_it(known: str, begin: Callable[[], Holder]) -> None:
    one = begin()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert Holder.found(other.pid, one.known) is None
        assert other.communicate(b"here")[0] == b"here"


@LINUX
@pytest.mark.skipif(
    os.geteuid() != 0 or not _NEXT_PID.exists(),
    reason="only root says which pid is the next, where it is said",
)
def test_who_has_its_pid_a_moment_after_the_look_is_left_alone(
    begin: Callable[[], Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends, is reaped and its pid is another's, between the look at what it holds and the signal."""
    has = holders._has
    for _ in range(50):
        one = begin()
        others: list[subprocess.Popen[bytes] | None] = []

        def has_until_a_moment_ago(
            pid: int, known: int, others: list[subprocess.Popen[bytes] | None] = others
        ) -> bool:
            if not others:
                assert has(pid, known)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                others.append(_with_pid(pid))
            return others != [None]

        with monkeypatch.context() as patch:
            patch.setattr(holders, "_has", has_until_a_moment_ago)
            found = Holder.found(one.pid, one.known)
        [other] = others
        if other is None:
            continue
        assert found is not None
        found.end()
        assert other.communicate(b"here")[0] == b"here"
        assert other.returncode == 0
        return
    raise AssertionError("somebody else of the machine took the pid each time")


def _with_pid(pid: int) -> subprocess.Popen[bytes] | None:
    """A process of another program with this pid; None where one that is not ours has it."""
    for _ in range(20):
        _NEXT_PID.write_text(str(pid - 1))
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if process.pid == pid:
            return process
        process.communicate()
    return None
