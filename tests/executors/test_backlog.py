"""A flood is held in pipes until the log takes it, and nothing of what is kept is lost or there twice."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from runner.clock import SystemClock
from runner.core.run import Status
from runner.executors import capture, tree
from runner.executors.backlog import RECORD, Backlog, Floods, waiting
from runner.executors.base import Task
from runner.executors.child import widen
from runner.executors.keeping import Keeper, sweep
from runner.executors.marks import Marks
from runner.executors.output import path_of, read, size
from runner.executors.place import attempt_id, attempt_path
from runner.executors.room import Room
from runner.executors.spawn import make_pipe
from tests.executors.lone_runner import tasks
from tests.executors.rig import Open, kept_of, marks, sh, task
from tests.executors.test_stopping import killed
from tests.faults.figures import WANTED
from tests.waiting import wait_until

HERE = Path(__file__).parent
FIRST = 1_000_000_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux moves pages between pipes")


def holders(state_dir: Path) -> list[int]:
    """The processes that keep what is held there."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "runner-holder" in line and any(text.startswith(str(state_dir)) for text in line):
            with contextlib.suppress(OSError):  # it is gone by now
                if not killed(str(process.pid)):
                    found.append(process.pid)
    return found


def numbers(count: int, begin: int = FIRST) -> str:
    return f"seq {begin} {begin + count - 1}"


@pytest.mark.parametrize("size_of_write", [4096, 4000, 2100, 11])
def test_of_a_flood_all_that_is_kept_is_true(local: Open, size_of_write: int) -> None:
    """Also where the pages of a pipe are not full, or so far from it that the ring holds too little."""
    count = 8_000_000 if size_of_write > 11 else 600_000
    one = task(sh(f"{numbers(count)} | dd bs={size_of_write} iflag=fullblock status=none"))
    local.executor.start(one)
    assert local.next().status is Status.SUCCEEDED
    path = path_of(local.state_dir, one.attempt)
    assert kept_of(read(path), FIRST) == count
    assert size(path) > capture.HEAD + capture.PIECE * (capture.PIECES - 1)
    assert size(path) <= capture.HEAD + capture.PIECE * capture.PIECES
    assert holders(local.state_dir) == []
    assert not list((local.state_dir / "runs").glob(f"*{RECORD}"))


@LINUX
def test_killed_at_each_point_of_a_flood(tmp_path: Path) -> None:
    step = 4 if WANTED == "short" else 1
    done = subprocess.run(
        [sys.executable, str(HERE / "killed_amid.py"), str(tmp_path), str(step)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50 // step
    assert holders(tmp_path) == []


WITHOUT_END = f"""
i=0
while ! test -e enough; do
  seq $(({FIRST} + i * 3000000)) $(({FIRST} + i * 3000000 + 2999999)); i=$((i + 1))
done
echo $i >blocks
"""


def in_use(record: Path) -> bool:
    """Whether a pipe was full already."""
    try:
        return any(record.read_bytes()[32:])
    except FileNotFoundError:
        return False


@pytest.fixture
def flooding(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Runs a runner of a flood, or the next that takes it over, until something is held; then kills it."""
    begun: list[subprocess.Popen[bytes]] = []
    [one] = tasks(WITHOUT_END, 1)

    def flood(*form: str, then: Callable[[], object] = int) -> None:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "lone_runner.py"), str(tmp_path), WITHOUT_END, "1", *form],
            stdout=subprocess.PIPE,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        wait_until(lambda: in_use(Path(f"{attempt_path(tmp_path, one.attempt)}.{RECORD}")))
        then()
        process.kill()
        process.wait()
        process.stdout.close()

    yield flood
    for process in begun:
        process.kill()
    (tmp_path / "enough").touch()


def taken_over(state_dir: Path, one: Task) -> None:
    """The flood that a killed runner left comes to its end under the next one."""
    (state_dir / "enough").touch()
    opened = Open(state_dir)
    try:
        assert opened.executor.recover([one]).alive == {one.attempt}
        assert opened.next().status is Status.SUCCEEDED
    finally:
        opened.close()


@LINUX
def test_killed_again_and_again_while_a_flood_goes_on(flooding: Callable[..., None], tmp_path: Path) -> None:
    """Real runners with a real SIGKILL, each at another moment of the flood."""
    [one] = tasks(WITHOUT_END, 1)
    held = 0
    for turn in range(100):
        if held and turn >= (5 if WANTED == "short" else 100):
            break
        moment = random.Random(turn).uniform(0, 0.15)
        flooding(*(["again"] if turn else []), then=partial(time.sleep, moment))
        held += bool(holders(tmp_path))
    taken_over(tmp_path, one)
    assert held > 0
    blocks = int((tmp_path / "blocks").read_text())
    assert kept_of(read(path_of(tmp_path, one.attempt)), FIRST) == 3_000_000 * blocks
    assert holders(tmp_path) == []


@pytest.mark.parametrize("by", ["the sweep", "the end of its run"])
@LINUX
def test_a_holder_that_nobody_asks_for_is_ended(
    by: str, flooding: Callable[..., None], tmp_path: Path
) -> None:
    [one] = tasks(WITHOUT_END, 1)
    flooding()
    while not holders(tmp_path):  # what was held went into the log just before its runner was killed
        flooding("again")
    pid = marks(tmp_path, one).pid() or 0
    tree.kill([*tree.members({attempt_id(one.attempt): pid}, tmp_path)[attempt_id(one.attempt)], pid])
    wait_until(lambda: not marks(tmp_path, one).alive())
    assert holders(tmp_path) != []
    if by == "the sweep":
        sweep(tmp_path, 2**60)
    else:
        keeper = Keeper("default", tmp_path, SystemClock())
        keeper.forget(replace(one.run, steps={"main": one.state}))
        keeper.close()
    wait_until(lambda: not holders(tmp_path))
    assert not list((tmp_path / "runs").glob(f"*{RECORD}"))


@pytest.mark.parametrize("refused", ["by the room", "by the file system"])
@LINUX
def test_on_a_full_disk_what_was_held_counts_as_dropped(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path, SystemClock())
    opened = Open(tmp_path, room=room)
    one = task(sh(WITHOUT_END))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    try:
        opened.executor.start(one)
        wait_until(lambda: in_use(Path(f"{attempt_path(tmp_path, one.attempt)}.{RECORD}")))
        if refused == "by the room":
            room.keep_free = 1 << 60
        else:
            monkeypatch.setattr(capture.Log, "skip", full)
        wait_until(lambda: bool(room.trouble))
        (tmp_path / "enough").touch()
        outcome = opened.next()
    finally:
        opened.close()
    assert outcome.status is Status.SUCCEEDED
    assert "the disk was nearly full" in outcome.tail
    mark = re.compile(rb"\n\xe2\x80\xa6 (\d+) bytes dropped[^\n]*\xe2\x80\xa6\n")
    kept = read(path_of(tmp_path, one.attempt))
    dropped = sum(map(int, mark.findall(kept)))
    assert len(mark.sub(b"", kept)) + dropped == 3_000_000 * 11 * int((tmp_path / "blocks").read_text())
    assert holders(tmp_path) == []


@LINUX
def test_a_holder_that_was_killed_is_replaced(flooding: Callable[..., None], tmp_path: Path) -> None:
    """And so what is printed after that outlives the runner again."""
    [one] = tasks(WITHOUT_END, 1)
    record = Path(f"{attempt_path(tmp_path, one.attempt)}.{RECORD}")

    def its_holder_is_killed() -> None:
        ended: set[int] = set()

        def one_is_killed() -> bool:
            for pid in holders(tmp_path):  # it may be just about to end
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    ended.add(pid)
            return bool(ended)

        wait_until(one_is_killed)
        wait_until(lambda: not ended.issuperset(holders(tmp_path)) and in_use(record))

    flooding(then=its_holder_is_killed)
    taken_over(tmp_path, one)
    blocks = int((tmp_path / "blocks").read_text())
    assert kept_of(read(path_of(tmp_path, one.attempt)), FIRST) == 3_000_000 * blocks
    assert holders(tmp_path) == []


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[tuple[Marks, Backlog]]:
    """A ring with a real holder, and where it is on record."""
    (tmp_path / "runs").mkdir()
    make_pipe(str(tmp_path / "runs" / ".rest"))
    marks = Marks.of(f"{tmp_path}/runs/attempt")
    backlog = Floods(str(tmp_path / "runs" / ".rest")).begin(marks)
    assert backlog is not None
    yield marks, backlog
    backlog.end()


@LINUX
def test_a_runner_short_of_descriptors_leaves_no_holder(begun: tuple[Marks, Backlog], tmp_path: Path) -> None:
    marks, _ = begun
    assert len(holders(tmp_path)) == 1
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 3, limit[1]))
    try:
        assert Backlog.left(marks) is None
        assert os.dup(0) == free
        os.close(free)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert not Path(marks.file(RECORD)).exists()
    assert holders(tmp_path) == []


@LINUX
def test_all_that_waits_is_moved_at_once(begun: tuple[Marks, Backlog], tmp_path: Path) -> None:
    """Also where the pipe of the ring that is being filled takes a part of it: the command need not wait."""
    _, backlog = begun
    source, writing = os.pipe2(os.O_NONBLOCK)
    widen(source)
    try:
        for count in (600_000, 600_000, 1 << 20):
            os.write(writing, bytes(count))
            assert backlog.put(source) == count
            assert waiting(source) == 0
        with pytest.raises(BlockingIOError):
            backlog.put(source)
        os.write(writing, b"end")
        os.close(writing)
        writing = -1
        assert (backlog.put(source), backlog.put(source)) == (3, 0)
    finally:
        os.close(source)
        if writing >= 0:
            os.close(writing)


@LINUX
def test_a_flood_goes_on_after_a_failure_amid_it(local: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it flows nobody is told of what comes, so the next look must not be forgotten."""
    put, calls = Backlog.put, itertools.count(1)

    def fails_once(backlog: Backlog, source: int) -> int:
        if next(calls) == 9:
            raise RuntimeError("a bug")
        return put(backlog, source)

    monkeypatch.setattr(Backlog, "put", fails_once)
    one = task(sh(numbers(8_000_000)))
    local.executor.start(one)
    assert local.next().status is Status.SUCCEEDED
    assert next(calls) > 10
    assert kept_of(read(path_of(local.state_dir, one.attempt)), FIRST) == 8_000_000


@LINUX
def test_killed_after_a_full_disk_refused_what_was_held(begun: tuple[Marks, Backlog], tmp_path: Path) -> None:
    """What is on record was dropped, the pipes are empty, and the log has nothing of it: no more can be dropped."""
    marks, backlog = begun
    backlog._say(0, 500_000, 3 << 20)
    left = Backlog.left(marks)
    assert left is not None
    log = capture.Log(tmp_path / "logs" / "log")
    try:
        left.settle(log)
    finally:
        log.close()
        left.end()
