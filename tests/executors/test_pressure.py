from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from runner.clock import SystemClock
from runner.core.run import AttemptKey, Status
from runner.executors import capture
from runner.executors.base import Task
from runner.executors.child import Child, Launch
from runner.executors.local import LocalExecutor
from runner.executors.output import lines, path_of, read, size, tail
from runner.executors.room import Room
from runner.moment import SECOND
from runner.spec import Command
from tests.executors.rig import Open, sh, task
from tests.waiting import PATIENCE, wait_until

HERE = Path(__file__).parent
NOON = 1_780_000_000 * SECOND
CAP = capture.HEAD + capture.PIECE * capture.PIECES


def test_five_hundred_at_once(local: Open) -> None:
    tasks = [task(sh(f"echo {number}; exit {number % 2}"), job=f"job{number}") for number in range(500)]
    for one in tasks:
        local.executor.start(one)
    told = dict(local.told.get(timeout=2 * PATIENCE) for _ in tasks)
    assert len(told) == 500
    for number, one in enumerate(tasks):
        outcome = told[one.attempt]
        assert (outcome.exit_code, outcome.tail) == (number % 2, str(number))
    wait_until(lambda: not shims())


def shims() -> list[psutil.Process]:
    """Our children that are one, or were."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name() == "sh":
                found.append(child)
    return found


@pytest.mark.parametrize(
    "script", ["seq 1 12000000", "head -c 80000000 /dev/zero", "head -c 80000000 /dev/urandom"]
)
def test_a_flood_is_capped_and_disturbs_nobody(local: Open, script: str) -> None:
    """80 MB as lines, as one endless line, as noise: bounded on disk and in memory; it ends after the others."""
    before = psutil.Process().memory_info().rss
    flood = task(sh(f"while :; do {script}; test -e enough && break; done"), job="flood")
    local.executor.start(flood)
    for number in range(3):
        other = task(sh("true"), job=f"other{number}")
        local.executor.start(other)
        key, outcome = local.told.get(timeout=PATIENCE)
        assert (key, outcome.status) == (other.attempt, Status.SUCCEEDED)
    (local.state_dir / "enough").touch()
    assert local.next().status is Status.SUCCEEDED
    path = path_of(local.state_dir, flood.attempt)
    assert capture.HEAD + capture.PIECE * (capture.PIECES - 1) <= size(path) <= CAP
    assert psutil.Process().memory_info().rss - before < 32 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a pipe hold more")
def test_only_a_flood_gets_a_wide_pipe(local: Open) -> None:
    """Pipes cost memory that each user has little of: those that print little keep what they have."""
    import fcntl

    read_capacity = 1032  # F_GETPIPE_SZ
    wait = f"until test -e {local.state_dir}/go; do sleep 0.01; done"
    quiet, flood = (
        task(sh(f"echo hello; {wait}"), job="quiet"),
        task(sh(f"seq 1 2000000; {wait}"), job="flood"),
    )
    for one in (quiet, flood):
        local.executor.start(one)
    processes = local.executor._processes
    assert processes is not None

    def children() -> dict[AttemptKey, Child]:
        return {child.key: child for child in processes._watch.children.values()}

    wait_until(lambda: {quiet.attempt, flood.attempt} <= children().keys())
    wait_until(lambda: tail(path_of(local.state_dir, flood.attempt), 1) == "2000000")
    wait_until(lambda: tail(path_of(local.state_dir, quiet.attempt), 1) == "hello")
    sizes = {key: fcntl.fcntl(child.pipes[0], read_capacity) for key, child in children().items()}
    (local.state_dir / "go").touch()
    assert {local.next().status, local.next().status} == {Status.SUCCEEDED}
    assert sizes[quiet.attempt] == 1 << 16
    assert sizes[flood.attempt] == 1 << 20


def test_head_and_tail_are_kept_with_a_mark_between(local: Open) -> None:
    one = task(sh("seq 1 3000000"))
    local.executor.start(one)
    local.next(60)
    path = path_of(local.state_dir, one.attempt)
    whole = b"".join(b"%d\n" % number for number in range(1, 3_000_001))
    kept = size(path)
    dropped = len(whole) - kept
    mark = f"\n… {dropped} bytes dropped …\n".encode()
    assert read(path) == whole[: capture.HEAD] + mark + whole[len(whole) - (kept - capture.HEAD) :]
    assert [line.raw.decode() for line in lines(path) if line.stream == "note"] == [mark.decode().strip()]


def test_a_piece_that_a_killed_runner_left_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = capture.Log(path)
    log.append(0, b"x" * capture.PIECE * 7, NOON)
    log.close()
    # Killed between a new piece and the end of the oldest.
    stray = capture.piece_path(path, 2)
    stray.write_bytes(b"old")
    capture.index_path(stray).write_bytes(b"")
    log = capture.Log(path)
    log.append(0, b"y", NOON)
    log.close()
    assert [number for number, _ in capture.pieces(path)] == [0, 4, 5, 6, 7]
    assert not capture.index_path(stray).exists()


def test_a_piece_has_an_index_where_its_lines_are_of_two_streams(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = capture.Log(path)
    log.append(0, b"x" * capture.HEAD, NOON)
    log.append(0, b"out\n", NOON)
    assert not capture.index_path(capture.piece_path(path, 1)).exists()
    assert [line.stream for line in lines(path)][-1] == "stdout"
    log.append(1, b"err\n", NOON + SECOND)
    log.append(0, b"more\n", NOON + 2 * SECOND)
    log.close()
    told = [(line.stream, line.at - NOON, line.raw[-4:]) for line in lines(path)]
    assert told == [("stdout", 0, b"xout"), ("stderr", SECOND, b"err"), ("stdout", 2 * SECOND, b"more")]


def test_few_descriptors(tmp_path: Path) -> None:
    """With 48 descriptors every command still runs."""
    program = f"""
import resource, sys
sys.path.insert(0, {str(HERE.parents[1])!r})
resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
from pathlib import Path
from tests.executors.rig import Open, sh, task
from tests.waiting import wait_until
opened = Open(Path({str(tmp_path)!r}))
tasks = [task(sh("sleep 0.2; echo ok"), job=f"job{{n}}") for n in range(60)]
for one in tasks:
    opened.executor.start(one)
told = dict(opened.told.get(timeout=120) for _ in tasks)
print(opened.executor.capacity, sorted({{(str(o.status), o.error) for o in told.values()}}))
opened.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.stdout == "6 [('succeeded', '')]\n", done.stderr


def test_a_machine_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("runner.executors.native.start", refuse)
    monkeypatch.setattr("runner.executors.processes._TRIES", (1, 1))
    opened = Open(tmp_path)
    outcome = opened.run(sh("true"))
    opened.close()
    assert (outcome.status, outcome.error) == (
        Status.FAILED,
        "it could not be started: Too many open files",
    )


def test_an_argument_that_is_too_long(local: Open) -> None:
    outcome = local.run(Command(argv=("echo", "x" * 200_000)))
    assert outcome.error == (
        "it could not be started: Argument list too long (one argument or variable holds at most 128 KiB, "
        "all of them a few MiB: hand large values over in a file)"
    )


def test_a_command_keeps_the_descriptor_limit_it_would_have_had(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, soft), hard))
    try:
        opened = Open(tmp_path)
        outcome = opened.run(sh("ulimit -Sn"))
        opened.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert outcome.tail == str(min(512, soft))


def test_a_command_inherits_no_descriptors(local: Open) -> None:
    outcome = local.run(sh("for n in 3 4 5 6 7 8 9; do test -e /proc/self/fd/$n && echo $n; done; true"))
    assert outcome.tail == ""


def test_a_full_disk_stops_the_log_and_not_the_command(local: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "splice", full)
    monkeypatch.setattr(capture.Log, "append", full)
    outcome = local.run(sh("seq 1 100000; exit 3"))
    lost = "its output could not be kept: the disk was nearly full, 588895 bytes were dropped"
    assert (outcome.exit_code, outcome.error, outcome.tail) == (3, f"exit code 3; {lost}", lost)


def test_a_log_whose_end_was_dropped_says_so(tmp_path: Path) -> None:
    room = Room(tmp_path, SystemClock())
    opened = Open(tmp_path, room=room)
    one = task(sh("echo kept; while ! test -e go; do sleep 0.01; done; echo dropped"))
    log = path_of(tmp_path, one.attempt)
    try:
        opened.executor.start(one)
        wait_until(lambda: read(log) == b"kept\n")
        room.keep_free = 1 << 60
        wait_until(room.short)
        (tmp_path / "go").touch()
        outcome = opened.next()
    finally:
        opened.close()
    assert outcome.status is Status.SUCCEEDED
    assert outcome.tail.splitlines() == ["kept", "", "… 8 bytes dropped: the disk was nearly full …"]
    assert b"8 bytes dropped" in read(log)
    # Nobody else would ever close it: a disk that is short for long would take every descriptor.
    assert not [path for path in _open_here() if path.startswith(str(log))]


def _open_here() -> list[str]:
    return [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]


def test_places_follow_from_the_descriptor_limit(tmp_path: Path) -> None:
    from runner.clock import SystemClock

    executor = LocalExecutor("x", state_dir=tmp_path, clock=SystemClock(), max_workers=3)
    assert executor.capacity == 3
    executor.resize(None)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert executor.capacity == (2000 if hard < 0 else max(1, min(2000, (hard - min(96, hard // 3)) // 5)))


def test_lateness_of_many_starts_is_bounded(local: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, launch = threading.Event(), LocalExecutor._launch

    def launches(executor: LocalExecutor, task: Task) -> Launch:
        assert goes_on.wait(PATIENCE)
        return launch(executor, task)

    monkeypatch.setattr(LocalExecutor, "_launch", launches)
    # Who starts them waits for none: nothing goes on before all of them are handed over.
    for number in range(100):
        local.executor.start(task(sh("true"), job=f"job{number}"))
    goes_on.set()
    outcomes = [local.next() for _ in range(100)]
    first = min(outcome.started_at or 0 for outcome in outcomes)
    spread = max(outcome.started_at or 0 for outcome in outcomes) - first
    begun = time.monotonic()
    for _ in range(100):
        subprocess.run(["sh", "-c", "true"], check=True)
    by_hand = round((time.monotonic() - begun) * SECOND)
    assert spread < 10 * SECOND + 3 * by_hand
